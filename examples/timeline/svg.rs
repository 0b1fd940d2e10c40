//! Writes SVG: elements, attributes, and text that is escaped.

use std::collections::BTreeSet;
use std::fmt::Write;

/// A document that grows. Classes are constants: nothing of a trace gets into an attribute.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    text: String,
    /// The classes of shapes that were drawn.
    drawn: BTreeSet<&'static str>,
}

/// Text as it may stand in XML: no markup, and no character that XML forbids.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

impl Svg {
    /// Markup as it is.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.text.push_str(markup);
        self.text.push('\n');
    }

    pub(crate) fn open_group(&mut self, class: &'static str, title: Option<&str>) {
        let _ = write!(self.text, "<g class=\"{class}\">");
        if let Some(title) = title {
            let _ = write!(self.text, "<title>{}</title>", escape(title));
        }
        self.text.push('\n');
    }

    pub(crate) fn close_group(&mut self) {
        self.raw("</g>");
    }

    pub(crate) fn rect(&mut self, class: &'static str, area: Area, radius: f64) {
        self.drawn.insert(class);
        let Area { x, y, width, height } = area;
        let _ = writeln!(
            self.text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\"/>"
        );
    }

    pub(crate) fn path(&mut self, class: &'static str, d: &str) {
        self.drawn.extend(class.split(' '));
        let _ = writeln!(self.text, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    pub(crate) fn line(&mut self, class: &'static str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, &format!("M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1));
    }

    pub(crate) fn circle(&mut self, class: &'static str, (x, y): (f64, f64), radius: f64) {
        let _ = writeln!(
            self.text,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        );
    }

    pub(crate) fn text(&mut self, class: &'static str, (x, y): (f64, f64), text: &str) {
        let text = escape(text);
        let _ =
            writeln!(self.text, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }

    /// Whether any shape of this class was drawn.
    pub(crate) fn has(&self, class: &str) -> bool {
        self.drawn.contains(class)
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// What is in each column of pixels, so that a long trace doesn't draw a thousand things on one spot.
#[derive(Debug, Default)]
pub(crate) struct Columns(BTreeSet<(&'static str, u64)>);

impl Columns {
    /// Whether this is the first of its class there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a page has a few thousand columns, from 0"
    )]
    pub(crate) fn first(&mut self, class: &'static str, x: f64) -> bool {
        self.0.insert((class, x as u64))
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// The width that a text needs at most, in pixels, in any usual font without serifs.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let em = |character: char| match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '!' | ' ' | '(' | ')' | '\'' | '-' => 0.40,
        'f' | 'r' | 't' | 'I' | 's' => 0.53,
        'm' | 'w' | 'M' | 'W' | '\u{2026}' => 1.0,
        'A'..='Z' => 0.76,
        ' '..='~' => 0.64,
        // Anything else may be as wide as it is high.
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}
