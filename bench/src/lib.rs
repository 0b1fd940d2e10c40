//! What the program `clients` reports to the bench `counts`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A client whose operations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the clients of the table")]
pub enum Column {
    /// The least work in safe code that gives the result.
    Floor,
    /// What a typical app writes for itself.
    Handwritten,
    /// The crate `oauth2`.
    Oauth2,
    /// `Session<S>`.
    Typed,
    /// `Driver`.
    Driver,
}

impl Column {
    /// All columns, as they stand in the table.
    pub const ALL: [Self; 5] =
        [Self::Floor, Self::Handwritten, Self::Oauth2, Self::Typed, Self::Driver];

    /// The columns whose counts are checked.
    pub const OURS: [Self; 2] = [Self::Typed, Self::Driver];

    /// Returns the name in the ids of cases and in `counts.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Handwritten => "handwritten",
            Self::Oauth2 => "oauth2",
            Self::Typed => "typed",
            Self::Driver => "driver",
        }
    }
}

/// The rows of the table. A case of another row is only there to be subtracted.
pub const ROWS: [&str; 10] = [
    "request",
    "consume",
    "consume-undated",
    "consume-claims",
    "authorize",
    "lend",
    "renew",
    "cycle10",
    "cycle10-undated",
    "idle-poll",
];

/// How often a case is repeated for a count, and then twice as often. The count is the slope, so that set-up cancels.
///
/// Both numbers have as many digits, so that they take as long to read.
pub const REPETITIONS: u64 = 100;

/// An operation of a client, and its allocations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseReport {
    /// The name under which `clients` runs it.
    pub id: String,
    /// The rows that it stands in.
    pub rows: Vec<String>,
    /// The client.
    pub column: Column,
    /// Allocations and reallocations per repetition.
    pub allocations: u64,
    /// The id of a case whose work is part of this one's but not of the operation, and how many times it is.
    pub less: Option<(String, u64)>,
}

/// The bytes that a session with a token takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Resident {
    /// The kind of session.
    pub column: Column,
    /// The type's own size.
    pub size: u64,
    /// What it has on the heap.
    pub heap: u64,
}

impl Resident {
    /// Returns all of its bytes.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.size + self.heap
    }
}

/// Everything but instructions, which only valgrind can count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The program that reports.
    pub executable: PathBuf,
    /// Its cases.
    pub cases: Vec<CaseReport>,
    /// How many sessions were made to measure one.
    pub sessions: u64,
    /// What they take.
    pub resident: Vec<Resident>,
}
