//! Writes SVG: shapes with a class, and text that is escaped. Nothing of a trace gets into an attribute.

use std::collections::BTreeSet;
use std::fmt::Write;

#[derive(Debug, Default)]
pub(crate) struct Svg {
    pub(crate) markup: String,
    /// The classes of all shapes.
    pub(crate) drawn: BTreeSet<&'static str>,
    columns: BTreeSet<(&'static str, i64)>,
}

pub(crate) fn escape(text: &str) -> String {
    // XML forbids most control characters, even escaped.
    let forbidden = |it: char| it.is_control() || matches!(it, '\u{fffe}' | '\u{ffff}');
    let text = text.replace(forbidden, "\u{fffd}").replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Svg {
    pub(crate) fn open(&mut self, class: &'static str, title: &str) {
        let _ = writeln!(self.markup, "<g class=\"{class}\"><title>{}</title>", escape(title));
    }

    pub(crate) fn close(&mut self) {
        self.markup.push_str("</g>\n");
    }

    /// Draws a line through points, which is filled if its class is.
    pub(crate) fn line(&mut self, class: &'static str, points: &[(f64, f64)]) {
        self.drawn.insert(class);
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(self.markup, "<polyline class=\"{class}\" points=\"{points}\"/>");
    }

    pub(crate) fn rect(&mut self, class: &'static str, x: [f64; 2], y: [f64; 2]) {
        self.drawn.insert(class);
        let (width, height) = (x[1] - x[0], y[1] - y[0]);
        let place = format!("x=\"{:.1}\" y=\"{:.1}\"", x[0], y[0]);
        let size = format!("width=\"{width:.1}\" height=\"{height:.1}\"");
        let _ = writeln!(self.markup, "<rect class=\"{class}\" {place} {size}/>");
    }

    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (place, text) = (format!("x=\"{x:.1}\" y=\"{y:.1}\""), escape(text));
        let _ = writeln!(self.markup, "<text class=\"{class}\" {place}>{text}</text>");
    }

    /// Reports whether this is the first of its class in a column of pixels. A second one is not seen.
    #[expect(clippy::cast_possible_truncation, reason = "a page has a few thousand columns")]
    pub(crate) fn is_first(&mut self, class: &'static str, x: f64) -> bool {
        self.columns.insert((class, x as i64))
    }
}

/// Returns the width that a text needs at most, in any usual font without serifs.
pub(crate) fn width(text: &str, em: f64) -> f64 {
    let of = |character: char| match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '!' | ' ' | '(' | ')' | '\'' | '-' => 0.40,
        'f' | 'r' | 't' | 'I' | 's' => 0.53,
        'm' | 'w' | 'M' | 'W' | '#' | '%' | '&' | '+' | '<' | '=' | '>' | '@' | '^' | '~' => 1.0,
        'A'..='Z' => 0.79,
        ' '..='~' => 0.64,
        // Anything else may be as wide as it is high.
        _ => 1.0,
    };
    text.chars().map(of).sum::<f64>() * em
}
