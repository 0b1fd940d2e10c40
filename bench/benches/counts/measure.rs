//! Builds the program `clients`, and counts what its cases cost.

use std::collections::BTreeMap;
use std::env::var_os;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use videokit_session_bench::{CaseReport, Column, REPETITIONS, Report, Resident};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What one operation costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Reallocations included.
    pub(crate) allocations: u64,
    pub(crate) instructions: u64,
}

/// What `clients` reports, and the instructions of its cases, by their ids.
pub(crate) struct Measured {
    report: Report,
    instructions: BTreeMap<String, u64>,
}

impl Measured {
    /// Counts all cases.
    pub(crate) fn take() -> Result<Self> {
        // Before minutes of building.
        Command::new("valgrind")
            .arg("--version")
            .output()
            .map_err(|error| valgrind_error(&error))?;
        let report = report()?;
        let instructions = instructions(&report)?;
        Ok(Self { report, instructions })
    }

    /// Returns what an operation costs a client, without what is not of the operation.
    pub(crate) fn get(&self, row: &str, column: Column) -> Option<Counts> {
        let in_cell =
            |case: &&CaseReport| case.column == column && case.rows.iter().any(|name| name == row);
        let case = self.report.cases.iter().find(in_cell)?;
        let all = self.whole(&case.id)?;
        let Some((id, times)) = &case.less else { return Some(all) };
        let less = self.whole(id)?;
        Some(Counts {
            allocations: all.allocations.saturating_sub(less.allocations * times),
            instructions: all.instructions.saturating_sub(less.instructions * times),
        })
    }

    fn whole(&self, id: &str) -> Option<Counts> {
        let case = self.report.cases.iter().find(|case| case.id == id)?;
        Some(Counts { allocations: case.allocations, instructions: *self.instructions.get(id)? })
    }

    /// Returns how many sessions were made to measure one.
    pub(crate) fn sessions(&self) -> u64 {
        self.report.sessions
    }

    /// Returns the bytes that each kind of session takes.
    pub(crate) fn resident(&self) -> &[Resident] {
        &self.report.resident
    }
}

/// Builds `clients` with the default features of `videokit-session`, and runs it.
fn report() -> Result<Report> {
    let cargo = var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--profile", "bench", "--package", env!("CARGO_PKG_NAME")])
        .args(["--bin", "clients", "--features", "clients"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("`clients` could not be built or run: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Counts the instructions of all cases, by as many processes at a time as there are cores.
fn instructions(report: &Report) -> Result<BTreeMap<String, u64>> {
    let next = Mutex::new(report.cases.iter());
    let work = || -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        loop {
            let Some(case) = next.lock().map_err(|_| "a thread failed")?.next() else {
                return Ok(found);
            };
            let once = instructions_of(report, case, REPETITIONS)?;
            let twice = instructions_of(report, case, 2 * REPETITIONS)?;
            found.push((case.id.clone(), (twice - once + REPETITIONS / 2) / REPETITIONS));
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut all = BTreeMap::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a thread failed")??);
        }
        Ok(all)
    })
}

/// Returns the instructions of a whole process that repeats a case.
fn instructions_of(report: &Report, case: &CaseReport, repetitions: u64) -> Result<u64> {
    let executable = &report.executable;
    let (Some(folder), Some(name)) = (executable.parent(), executable.file_name()) else {
        return Err(format!("{} is no program", executable.display()).into());
    };
    // The environment and the program's path lie on its stack, and where that ends decides how memory is compared: the
    // same in every folder.
    let output = Command::new("valgrind")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(Path::new(".").join(name))
        .args([&case.id, &repetitions.to_string()])
        .output()
        .map_err(|error| valgrind_error(&error))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("{} under callgrind: {}\n{log}", case.id, output.status).into()),
    }
}

fn valgrind_error(error: &io::Error) -> Box<dyn Error + Send + Sync> {
    if error.kind() == io::ErrorKind::NotFound {
        "valgrind counts the instructions, and it isn't installed: install it (on Debian, `apt-get install \
         valgrind`), and run this again"
            .into()
    } else {
        format!("valgrind doesn't start: {error}").into()
    }
}
