//! Constants that stand for the words of flaws in a replay.

use serde::de::{Deserialize, Deserializer, Error};

/// Words that a replay uses in place of those of a trace.
#[rustfmt::skip]
pub(crate) const PLACEHOLDERS: [&str; 40] = [
    "word-1", "word-2", "word-3", "word-4", "word-5", "word-6", "word-7", "word-8", "word-9", "word-10",
    "word-11", "word-12", "word-13", "word-14", "word-15", "word-16", "word-17", "word-18", "word-19", "word-20",
    "word-21", "word-22", "word-23", "word-24", "word-25", "word-26", "word-27", "word-28", "word-29", "word-30",
    "word-31", "word-32", "word-33", "word-34", "word-35", "word-36", "word-37", "word-38", "word-39", "word-40",
];

/// Reads a placeholder as a constant.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let word = String::deserialize(deserializer)?;
    let constant = PLACEHOLDERS.into_iter().find(|constant| *constant == word);
    constant.ok_or_else(|| D::Error::custom("expected no more than 40 different words in a trace"))
}
