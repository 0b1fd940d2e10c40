//! What goes between the client and the server.

use crate::labels::{self, Label};
use crate::picture::{Layout, RIGHT};
use crate::scale::Scale;
use crate::story::{End, Fate, Request, Story};
use crate::svg::{Columns, Svg};
use crate::words;

/// How far an arrow leans, to be read as one that takes time.
const LEAN: f64 = 9.0;

/// How far apart a request and its reply are drawn, where there is room.
const APART: f64 = 16.0;

/// Where the next request is no further away than this, one line stands for a request and its reply.
const DENSE: f64 = 11.0;

/// A request and what became of it, on the page.
pub(crate) struct Message<'a> {
    request: &'a Request,
    sent: f64,
    end: Option<(f64, &'a End)>,
    late: Vec<f64>,
    lean: f64,
    dense: bool,
}

pub(crate) fn lay_out<'a>(story: &'a Story, scale: &Scale) -> Vec<Message<'a>> {
    let mut messages = Vec::new();
    let mut before = f64::MAX;
    for (n, request) in story.requests.iter().enumerate() {
        let sent = scale.x(request.sent);
        let next = story.requests.get(n + 1).map_or(RIGHT + APART, |next| scale.x(next.sent));
        let latest = (next - 2.0).max(sent + 3.0);
        let end = request.end.as_ref().map(|end| {
            let at = scale.x(end.at);
            (at.max((sent + APART).min(latest)), end)
        });
        let apart = end.map_or(APART, |(at, _)| at - sent);
        messages.push(Message {
            request,
            sent,
            end,
            late: request.late.iter().map(|at| scale.x(*at)).collect(),
            lean: LEAN.min(apart / 2.0),
            dense: (next - sent).min(before) < DENSE,
        });
        before = next - sent;
    }
    messages
}

impl Message<'_> {
    /// Where what became of it is written: where its reply leaves, or where it was lost.
    fn fate(&self) -> Option<(f64, &End)> {
        self.end.map(|(at, end)| match end.fate {
            Fate::Granted | Fate::Denied => (at - self.lean, end),
            Fate::Failed | Fate::Abandoned => (self.sent + self.lean, end),
        })
    }

    fn title(&self) -> String {
        let Request { id, credentials, endpoint, sent, .. } = self.request;
        let fate = match &self.request.end {
            Some(end) => format!("{} after {}", end.text, words::duration(end.at - sent)),
            None => "no answer yet".to_owned(),
        };
        format!("request {id}, with {credentials} to {endpoint}: {fate}")
    }
}

/// What became of each request, in words.
pub(crate) fn labels(messages: &[Message<'_>]) -> Vec<Label> {
    let mut labels = Vec::new();
    for message in messages {
        if let Some((x, end)) = message.fate() {
            let (class, weight) = match end.fate {
                Fate::Granted => ("label granted-text", 1),
                Fate::Denied => ("label denied-text", 4),
                Fate::Failed => ("label failed-text", 4),
                Fate::Abandoned => ("label abandoned-text", 3),
            };
            let label = Label::new(x, &end.text, class, weight);
            labels.push(if end.fate == Fate::Granted { label.in_a_run("200") } else { label });
        }
        for late in &message.late {
            labels.push(Label::new(late - LEAN, "late reply", "label abandoned-text", 2));
        }
    }
    labels::merge(labels)
}

pub(crate) fn draw(svg: &mut Svg, messages: &[Message<'_>], layout: &Layout) {
    let mut columns = Columns::default();
    for message in messages {
        let mut first = |class, x| columns.first(class, x);
        let class = message.end.map_or(REQUEST.0, |(_, end)| dense(end.fate));
        let line = !message.dense || first(class, message.sent);
        let late = message.late.iter().copied().filter(|x| first("late", *x)).collect::<Vec<_>>();
        if !line && late.is_empty() {
            continue;
        }
        svg.open_group("message", Some(&message.title()));
        draw_one(svg, message, layout);
        for at in late {
            arrow(svg, LATE, (at - LEAN, layout.server), (at, layout.client));
        }
        svg.close_group();
    }
}

fn draw_one(svg: &mut Svg, message: &Message<'_>, layout: &Layout) {
    let Message { sent, lean, .. } = *message;
    let (client, server) = (layout.client, layout.server);
    let fate = message.end.map(|(at, end)| (at, end.fate));
    match fate {
        Some((_, fate)) if message.dense => {
            svg.line(dense(fate), (sent, client), (sent, server));
        }
        Some((at, fate @ (Fate::Granted | Fate::Denied))) => {
            arrow(svg, REQUEST, (sent, client), (sent + lean, server));
            if at - sent > lean * 2.0 + 4.0 {
                svg.line("pending", (sent + lean, server), (at - lean, server));
            }
            let class = if fate == Fate::Granted { GRANTED } else { DENIED };
            arrow(svg, class, (at - lean, server), (at, client));
        }
        Some((at, fate)) => {
            let (class, cross) = if fate == Fate::Failed {
                ("failed", "cross")
            } else {
                ("abandoned", "cross-abandoned")
            };
            let lost = (sent + lean * 0.86, client + (server - client) * 0.86);
            svg.line(class, (sent, client), lost);
            let (x, y) = lost;
            svg.path(
                cross,
                &format!("M{:.1} {:.1}l8 8M{:.1} {:.1}l8 -8", x - 4.0, y - 4.0, x - 4.0, y + 4.0),
            );
            if at - sent > APART + 1.0 {
                svg.line("waiting", (sent, client), (at, client));
            }
        }
        None => arrow(svg, REQUEST, (sent, client), (sent + lean, server)),
    }
}

/// The line that stands for a request with this fate.
fn dense(fate: Fate) -> &'static str {
    match fate {
        Fate::Granted => "granted dense",
        Fate::Denied => "denied dense",
        Fate::Failed => "failed dense",
        Fate::Abandoned => "abandoned dense",
    }
}

/// The classes of an arrow's line and of its head.
type Arrow = (&'static str, &'static str);

const REQUEST: Arrow = ("request", "request-head");
const GRANTED: Arrow = ("granted", "granted-head");
const DENIED: Arrow = ("denied", "denied-head");
const LATE: Arrow = ("late", "late-head");

/// A line with a head, which ends at its point.
fn arrow(svg: &mut Svg, (line, head): Arrow, from: (f64, f64), to: (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let size = if dx.abs() < 4.0 { 5.0 } else { 8.0 };
    let base = (to.0 - ux * size, to.1 - uy * size);
    svg.line(line, from, base);
    let half = size * 0.42;
    svg.path(
        head,
        &format!(
            "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
            to.0,
            to.1,
            base.0 - uy * half,
            base.1 + ux * half,
            base.0 + uy * half,
            base.1 - ux * half
        ),
    );
}
