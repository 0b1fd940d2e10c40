//! `counts.toml`: the committed counts, the goals, and the limits relative to peers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use toml_edit::{DocumentMut, InlineTable, Item, Value};
use videokit_session_bench::{Column, ROWS};

use crate::measure::{Measured, Result};

/// All that is committed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Committed {
    pub(crate) environment: Environment,
    counts: BTreeMap<String, BTreeMap<Column, Entry>>,
    bytes: BTreeMap<Column, BytesEntry>,
    pub(crate) limits: Vec<Limit>,
}

/// What the counts depend on, besides the code.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    pub(crate) rustc: String,
    pub(crate) host: String,
    pub(crate) libc: String,
}

/// The counts of an operation, and what they should become.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) allocations: u64,
    pub(crate) instructions: u64,
    pub(crate) goal: Option<Goal>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goal {
    pub(crate) allocations: Option<u64>,
    pub(crate) instructions: u64,
}

/// The bytes of a session, and what they should become.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BytesEntry {
    pub(crate) total: u64,
    pub(crate) goal: u64,
}

/// How many instructions an operation of ours may take, relative to a peer's in the same run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub(crate) row: String,
    pub(crate) ours: Column,
    pub(crate) peer: Column,
    /// Of the peer's count. Ours has to be below.
    pub(crate) percent: u64,
    /// Whether a run fails that is not below.
    pub(crate) must: bool,
}

impl Committed {
    pub(crate) fn read() -> Result<Self> {
        Ok(toml_edit::de::from_str(&fs::read_to_string(path())?)?)
    }

    pub(crate) fn counts(&self, row: &str, column: Column) -> Option<&Entry> {
        self.counts.get(row)?.get(&column)
    }

    pub(crate) fn bytes(&self, column: Column) -> Option<&BytesEntry> {
        self.bytes.get(&column)
    }
}

impl Environment {
    /// Returns the environment of this run.
    pub(crate) fn current() -> Self {
        // Its `malloc` and `memcpy` are part of the counts.
        let libc = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
        let libc = libc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Self {
            rustc: env!("RUSTC_RELEASE").to_owned(),
            host: env!("RUSTC_HOST").to_owned(),
            libc: libc.unwrap_or_default(),
        }
    }
}

/// Writes the counts of this run into the file. Goals, limits and comments stay.
pub(crate) fn update(measured: &Measured) -> Result<()> {
    let mut document: DocumentMut = fs::read_to_string(path())?.parse()?;
    let Environment { rustc, host, libc } = Environment::current();
    for (name, text) in [("rustc", rustc), ("host", host), ("libc", libc)] {
        set(&mut document["environment"][name], text);
    }
    for (row, column) in cells() {
        let Some(counts) = measured.get(row, column) else { continue };
        let entry = &mut document["counts"][row][column.name()];
        set_number(entry, "allocations", counts.allocations)?;
        set_number(entry, "instructions", counts.instructions)?;
    }
    for resident in measured.resident() {
        let entry = &mut document["bytes"][resident.column.name()];
        set_number(entry, "total", resident.total())?;
    }
    fs::write(path(), document.to_string())?;
    Ok(())
}

/// Returns the cells of the table whose counts are checked.
pub(crate) fn cells() -> impl Iterator<Item = (&'static str, Column)> {
    ROWS.into_iter().flat_map(|row| Column::OURS.into_iter().map(move |column| (row, column)))
}

fn set_number(table: &mut Item, name: &str, number: u64) -> Result<()> {
    if table.is_none() {
        *table = Item::Value(InlineTable::new().into());
    }
    set(&mut table[name], i64::try_from(number)?);
    Ok(())
}

/// Sets a value. What stands around it stays.
fn set(item: &mut Item, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.toml")
}
