//! Traces: what was recorded plays again exactly, also in part; what was changed since is reported at its line; and
//! nothing that pretends to be a trace does any harm.

use std::fmt::Write;

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::driver::Policy;
use videokit_session::sim::{Harness, SECRET, Seen, Step};
use videokit_session::trace::{Recorder, replay};
use videokit_session::{AllowedOrigin, Config};

use crate::script::steps;

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// How many steps are recorded at most.
const MOST_STEPS: usize = 24;

/// The first byte says whether the rest is a trace as it stands, what stands in the lines of one, or steps to be
/// recorded.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 | 1 => check_any(rest),
        2 => check_any(timed(&String::from_utf8_lossy(rest)).as_bytes()),
        _ => check_recorded(rest),
    }
}

/// A first line, and each line behind its time.
fn timed(lines: &str) -> String {
    let mut trace = record(1, false, &[]).lines().take(1).collect::<String>();
    for (n, line) in (1..).zip(lines.lines()) {
        let (mono, wall) = (5_000 + n * 1_000, T0 + n * 1_000);
        let _ = write!(trace, "\n{{\"mono\":{mono},\"wall\":{wall},{line}}}");
    }
    trace
}

/// Whatever it is, it is replayed, or the line is named that can't be.
fn check_any(trace: &[u8]) {
    let lines = trace.split(|byte| *byte == b'\n').count();
    match replay(trace) {
        Ok(replayed) => {
            assert!(replayed.calls < lines, "a call a line, behind the first");
            if let Some(difference) = &replayed.difference {
                assert!((2..=lines + 1).contains(&difference.line), "{difference}");
                assert_ne!(difference.expected, difference.got);
            }
            let again = replay(trace).map(|again| again.difference);
            assert_eq!(again.as_ref(), Ok(&replayed.difference), "replayed again");
        }
        Err(error) => {
            assert!((1..=lines + 1).contains(&error.line()), "{error} of {lines}");
            assert!(error.to_string().starts_with(&format!("line {}: ", error.line())), "{error}");
            assert!(error.to_string().len() < 4_000, "{} bytes", error.to_string().len());
            assert_eq!(replay(trace).map(drop), Err(error), "read again");
        }
    }
}

/// A change to a recorded trace.
#[derive(Debug, Arbitrary)]
enum Change {
    /// A byte is another one.
    Byte { at: u16, by: u8 },
    /// A line is lost.
    Lost(u16),
    /// A line comes twice.
    Doubled(u16),
    /// It ends before its end.
    CutOff(u16),
    /// Some text is another one.
    Forged { at: u16, length: u8, by: u8 },
}

#[derive(Debug, Arbitrary)]
struct Setup {
    seed: u64,
    /// Whether to poll after each step.
    eager: bool,
    change: Change,
}

fn check_recorded(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let setup = Setup::arbitrary(&mut input).expect("bytes that are missing are zeros");
    let steps = steps(&mut input, MOST_STEPS);
    let trace = record(setup.seed, setup.eager, &steps);
    let replayed = replay(&trace).expect("it was just recorded");
    assert!(replayed.is_exact(), "{}", replayed.difference.unwrap());
    assert!(!trace.contains(SECRET), "a secret in {trace}");
    check_changed(&trace, &setup.change);
}

fn record(seed: u64, eager: bool, steps: &[Step]) -> String {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let config = Config::builder(origin).build().unwrap();
    let mut world = Harness::new(Recorder::new(config.into(), Policy::default(), seed));
    for step in steps {
        world.apply(*step);
        if eager {
            assert!(!world.apply(Step::Drain).contains(&Seen::Busy));
        }
    }
    world.driver_mut().take_lines()
}

fn check_changed(trace: &str, change: &Change) {
    let lines: Vec<&str> = trace.lines().collect();
    // The first line is another matter: without it, there is no trace.
    let index = |at: u16| usize::from(at) % (lines.len() - 1) + 1;
    match *change {
        Change::Byte { at, by } => {
            let at = usize::from(at) % trace.len();
            let mut changed = trace.as_bytes().to_vec();
            changed[at] ^= by.max(1);
            let line = trace[..at].matches('\n').count() + 1;
            match replay(&changed) {
                Ok(replayed) => {
                    let different = replayed.difference.map(|difference| difference.line);
                    assert!(different.is_none_or(|different| different >= line), "{different:?}");
                }
                // A line break that is another byte makes one line of two. Credentials may be changed in the line that
                // describes them first.
                Err(error) => {
                    let names_it = error.to_string().contains(&format!("as line {line} says of "));
                    assert!(names_it || (line..=line + 1).contains(&error.line()), "{error}");
                }
            }
            check_any(&changed);
        }
        Change::Lost(at) => {
            let at = index(at);
            check_shortened(&[&lines[..at], &lines[at + 1..]].concat(), at);
        }
        Change::Doubled(at) => {
            let at = index(at);
            check_shortened(&[&lines[..=at], &lines[at..]].concat(), at + 1);
        }
        Change::CutOff(at) => {
            let end = usize::from(at) % trace.len();
            check_cut_off(trace, end);
        }
        Change::Forged { at, length, by } => {
            let mut bytes = trace.as_bytes().to_vec();
            let at = usize::from(at) % bytes.len();
            let end = bytes.len().min(at + usize::from(length % 8));
            bytes.splice(at..end, [by]);
            check_any(&bytes);
        }
    }
}

/// Lines that were removed or copied by hand play all the same. What differs is behind those before `index`, from 0.
fn check_shortened(lines: &[&str], index: usize) {
    let replayed = replay(lines.join("\n")).expect("each line is one of a trace");
    assert_eq!(replayed.calls, lines.len() - 1);
    assert!(replayed.difference.is_none_or(|difference| difference.line > index));
}

/// A trace that ends within a line plays up to there, and says so; one that ends within its first line is none.
fn check_cut_off(trace: &str, end: usize) {
    let cut = &trace[..end];
    if !cut.contains('\n') && !trace[end..].starts_with('\n') {
        assert_eq!(replay(cut).map(drop).map_err(|error| error.line()), Err(1));
        return;
    }
    let replayed = replay(cut).expect("it was cut off");
    assert!(replayed.is_exact(), "{}", replayed.difference.unwrap());
    let is_whole = trace[end..].starts_with('\n') || cut.ends_with('\n');
    let lines = cut.lines().count();
    assert_eq!(replayed.cut_off, (!is_whole).then_some(lines));
    assert_eq!(replayed.calls, lines - 1 - usize::from(!is_whole));
}
