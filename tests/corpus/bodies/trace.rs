//! Traces: what was recorded plays again exactly, what was changed since is reported at its line, and
//! nothing that pretends to be a trace does any harm.

use std::fmt::Write;

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::driver::Policy;
use videokit_session::sim::{Harness, SECRET, Seen, Step};
use videokit_session::trace::{Recorder, TraceError, replay};
use videokit_session::{AllowedOrigin, Config};

use crate::script::steps;

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// How many steps are recorded at most.
const MOST_STEPS: usize = 24;

/// The first byte says whether the rest is a trace as it stands, lines to be given checksums that fit, what
/// is said in such lines, or steps to be recorded.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => check_any(rest),
        1 => check_any(resealed(&String::from_utf8_lossy(rest)).as_bytes()),
        2 => check_any(resealed(&numbered(&String::from_utf8_lossy(rest))).as_bytes()),
        _ => check_recorded(rest),
    }
}

/// A first line, and each line behind its number and its time.
fn numbered(lines: &str) -> String {
    let mut trace = record(1, false, &[]).lines().take(1).collect::<String>();
    for (n, line) in (1..).zip(lines.lines()) {
        let (mono, wall) = (5_000 + n * 1_000, T0 + n * 1_000);
        let _ = write!(trace, "\n{{\"n\":{n},\"mono\":{mono},\"wall\":{wall},{line}}}");
    }
    trace
}

/// Whatever it is, it is replayed, or the line is named that can't be.
fn check_any(trace: &[u8]) {
    let lines = trace.split(|byte| *byte == b'\n').count();
    match replay(trace) {
        Ok(replayed) => {
            assert!(replayed.calls() < lines, "a call a line, behind the first");
            if let Some(difference) = replayed.difference() {
                assert!((2..=lines + 1).contains(&difference.line), "{difference}");
                assert_ne!(difference.expected, difference.got);
            }
            let again = replay(trace).map(|again| again.difference().cloned());
            assert_eq!(again.as_ref(), Ok(&replayed.difference().cloned()), "replayed again");
        }
        Err(error) => {
            assert!((1..=lines + 1).contains(&error.line()), "{error} of {lines}");
            assert!(error.to_string().starts_with(&format!("line {}: ", error.line())), "{error}");
            assert!(error.to_string().len() < 4_000, "{} bytes", error.to_string().len());
            assert_eq!(replay(trace).map(drop), Err(error), "read again");
        }
    }
}

/// What becomes of a recorded trace.
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
    /// Some text is another one, and the checksums fit again.
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
    assert!(replayed.is_exact(), "{}", replayed.difference().unwrap());
    assert!(!trace.contains(SECRET), "a secret in {trace}");
    assert_eq!(resealed(&trace), trace, "the checksums are as documented");
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
            let last = at == trace.len() - 1;
            match replay(&changed) {
                Ok(replayed) => panic!("{} calls of a changed trace", replayed.calls()),
                // The last line break is part of its line, and not missed.
                Err(error) => assert!(error.line() == line || last, "{error} for line {line}"),
            }
        }
        Change::Lost(at) => {
            let at = index(at);
            let lost = [&lines[..at], &lines[at + 1..]].concat();
            check_out_of_order(&lost, at, lines.len() - 1);
        }
        Change::Doubled(at) => {
            let at = index(at);
            let doubled = [&lines[..=at], &lines[at..]].concat();
            check_out_of_order(&doubled, at + 1, usize::MAX);
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
            check_any(resealed(&String::from_utf8_lossy(&bytes)).as_bytes());
        }
    }
}

/// The line at `index`, from 0, is not the one that belongs there; unless it was the last one.
fn check_out_of_order(lines: &[&str], index: usize, last: usize) {
    let read = replay(lines.join("\n"));
    if index == last {
        // Its call may have lost its answer.
        assert!(read.is_ok_and(|read| read.is_exact()) || lines[index - 1].contains("\"in\":"));
        return;
    }
    let error = read.map(drop).expect_err("lines are missing or doubled");
    assert!(matches!(error, TraceError::OutOfOrder { .. }), "{error}");
    assert_eq!(error.line(), index + 1, "{error}");
}

/// A trace that ends after a whole call is one; otherwise the line is named that is not whole.
fn check_cut_off(trace: &str, end: usize) {
    let cut = &trace[..end];
    match replay(cut) {
        Ok(replayed) => {
            assert!(replayed.is_exact(), "{}", replayed.difference().unwrap());
            assert!(trace[end..].starts_with('\n') || cut.ends_with('\n'), "{cut}");
        }
        Err(error) => {
            let lines = cut.lines().count().max(1);
            assert!((lines..=lines + 1).contains(&error.line()), "{error} of {lines}");
        }
    }
}

/// The same lines with checksums that fit.
fn resealed(trace: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut sealed = String::new();
    for line in trace.lines() {
        let body = line
            .rsplit_once(",\"sum\":\"")
            .map_or(line.strip_suffix('}').unwrap_or(line), |at| at.0);
        for byte in body.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let _ = writeln!(sealed, "{body},\"sum\":\"{state:016x}\"}}");
    }
    sealed
}
