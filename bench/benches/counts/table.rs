//! What a run prints.

use videokit_session_bench::{Column, ROWS};

use crate::committed::{Committed, Goal};
use crate::measure::{Counts, Measured};

/// Prints the costs of all operations.
pub(crate) fn print_counts(measured: &Measured, committed: &Committed) {
    println!("Allocations / instructions per operation.");
    println!("After a goal that isn't met: how many times the goal the count is.\n");
    let mut lines = vec![header()];
    lines.extend(ROWS.map(|row| {
        let cells = Column::ALL.map(|column| measured.get(row, column).map_or(none(), cell));
        let goals = Column::OURS.map(|column| goal_cell(row, column, measured, committed));
        [row.to_owned()].into_iter().chain(cells).chain(goals).collect()
    }));
    print(&lines);
}

fn header() -> Vec<String> {
    let columns = Column::ALL.map(|column| title(column).to_owned());
    let goals = Column::OURS.map(|column| format!("goal {}", column.name()));
    ["operation".to_owned()].into_iter().chain(columns).chain(goals).collect()
}

fn title(column: Column) -> &'static str {
    match column {
        Column::Floor => "floor",
        Column::Handwritten => "hand-written",
        Column::Oauth2 => "oauth2 5.0",
        Column::Typed => "ours typed",
        Column::Driver => "ours driver",
    }
}

fn none() -> String {
    "-".to_owned()
}

fn cell(counts: Counts) -> String {
    format!("{} / {}", grouped(counts.allocations), grouped(counts.instructions))
}

fn goal_cell(row: &str, column: Column, measured: &Measured, committed: &Committed) -> String {
    let goal = committed.counts(row, column).and_then(|entry| entry.goal.as_ref());
    match (measured.get(row, column), goal) {
        (Some(counts), Some(goal)) => goal.compared_with(counts),
        _ => none(),
    }
}

impl Goal {
    fn compared_with(&self, counts: Counts) -> String {
        let wanted = self.allocations.map_or(none(), grouped);
        let wanted = format!("{wanted} / {}", grouped(self.instructions));
        let allocations = self.allocations.and_then(|goal| times(counts.allocations, goal));
        let instructions = times(counts.instructions, self.instructions);
        if allocations.is_none() && instructions.is_none() {
            return format!("{wanted}: met");
        }
        let [allocations, instructions] =
            [allocations, instructions].map(|times| times.unwrap_or_else(|| "met".to_owned()));
        match self.allocations {
            Some(_) => format!("{wanted}: {allocations} / {instructions}"),
            None => format!("{wanted}: {instructions}"),
        }
    }
}

/// Returns how far a count is over a goal, if it is.
fn times(count: u64, goal: u64) -> Option<String> {
    if count <= goal {
        return None;
    }
    let tenths = (count * 10 + goal / 2).checked_div(goal);
    Some(
        tenths.map_or_else(
            || format!("+{count}"),
            |tenths| format!("{}.{}x", tenths / 10, tenths % 10),
        ),
    )
}

/// Prints the memory that sessions take.
pub(crate) fn print_resident(measured: &Measured, committed: &Committed) {
    let sessions = grouped(measured.sessions());
    println!("\nBytes per session with a token, of {sessions} that share their credentials.\n");
    let mut lines = vec![["type", "size_of", "heap", "total", "goal"].map(String::from).to_vec()];
    lines.extend(measured.resident().iter().map(|now| {
        let numbers = [now.size, now.heap, now.total()].map(grouped);
        let goal = committed.bytes(now.column).map_or(none(), |entry| {
            let over = times(now.total(), entry.goal);
            format!("{}: {}", grouped(entry.goal), over.unwrap_or_else(|| "met".to_owned()))
        });
        [type_of(now.column).to_owned()].into_iter().chain(numbers).chain([goal]).collect()
    }));
    print(&lines);
}

/// Returns the type that keeps a session.
pub(crate) fn type_of(column: Column) -> &'static str {
    if column == Column::Driver { "Driver" } else { "Session<Active>" }
}

/// Prints how our instructions compare with those of the peers.
pub(crate) fn print_limits(measured: &Measured, committed: &Committed) {
    println!("\nOur instructions in percent of a peer's.\n");
    let titles = ["operation", "ours", "peer", "percent", "below", "result"];
    let mut lines = vec![titles.map(String::from).to_vec()];
    lines.extend(committed.limits.iter().map(|limit| {
        let counts = limit.instructions(measured);
        let percent = counts.and_then(|(ours, peer)| (ours * 100).checked_div(peer));
        let result = match (limit.broken(measured), limit.must) {
            (Some(false), _) => "holds",
            (Some(true), true) => "broken",
            (Some(true), false) => "not met yet",
            (None, _) => "not measured",
        };
        vec![
            limit.row.clone(),
            limit.ours.name().to_owned(),
            limit.peer.name().to_owned(),
            percent.map_or(none(), grouped),
            limit.percent.to_string(),
            result.to_owned(),
        ]
    }));
    print(&lines);
}

/// Prints lines in columns.
fn print(lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(String::len).max().unwrap_or(0))
        .collect();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Returns a number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", grouped(number / 1_000), number % 1_000)
    }
}
