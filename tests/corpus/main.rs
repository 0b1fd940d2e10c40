//! What the fuzzers found worth keeping, played again: every file of `fuzz/corpus`, and each input that once
//! broke something, by name. The checks are those of the fuzz targets, one module a target.

extern crate videokit_session_inside as videokit_session;

#[path = "bodies/dates.rs"]
mod dates;
#[path = "bodies/driver/mod.rs"]
mod driver;
#[path = "bodies/jwt.rs"]
mod jwt;
#[path = "bodies/origins.rs"]
mod origins;
#[path = "bodies/plan.rs"]
mod plan;
#[path = "bodies/replies.rs"]
mod replies;
#[path = "bodies/script.rs"]
mod script;
#[path = "bodies/session/mod.rs"]
mod session;
#[path = "bodies/trace.rs"]
mod trace;

use std::fs;
use std::path::{Path, PathBuf};

/// Plays every file of a target's corpus, in order of their names. The last name printed is the one that
/// failed.
fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory);
    let entries = entries.unwrap_or_else(|why| panic!("{}: {why}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no file in {}", directory.display());
    for file in &files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
    println!("{} files of {target}", files.len());
}

#[test]
fn dates_corpus() {
    replay("dates", dates::check);
}

#[test]
fn driver_corpus() {
    replay("driver", driver::check);
}

#[test]
fn jwt_corpus() {
    replay("jwt", jwt::check);
}

#[test]
fn origins_corpus() {
    replay("origins", origins::check);
}

#[test]
fn plan_corpus() {
    replay("plan", plan::check);
}

#[test]
fn replies_corpus() {
    replay("replies", replies::check);
}

#[test]
fn session_corpus() {
    replay("session", session::check);
}

#[test]
fn trace_corpus() {
    replay("trace", trace::check);
}

/// Text beside a bracketed host is in neither the host nor the port that `http::Uri` finds.
#[test]
fn origins_text_beside_a_bracketed_host() {
    origins::check(b"http://[::1]*iaelesrer:8080?xiael.eexample\n");
    origins::check(b"https://api.example:[::1]:443/\n");
    origins::check(b"ht127.0.0.1\nhttps://other.[::1]le:6/st:81;\nuser@api.example");
}

/// `http::Uri` takes a port with a sign before it for the port without.
#[test]
fn origins_a_sign_before_the_port() {
    origins::check(b"https://api.example:+443/\n");
    origins::check(b"HTTPShostxampostxample\nhttps://other.example:+8/st:443u\ne/sr@apie");
}

/// A query may look like what stands for one that is left out.
#[test]
fn origins_a_query_that_looks_left_out() {
    origins::check("https://a.example/?…)\nhttps://a.example/?…)".as_bytes());
}

/// A request that happens to name the token in its URI shows it there.
#[test]
fn origins_a_uri_with_the_token_in_it() {
    origins::check(b"https://api.example/tok-17\nhttps://other.example/tok-17");
}

/// The field that is wrong is named by the empty string, since that is its name.
#[test]
fn plan_a_member_without_a_name() {
    plan::check(b"\x00{\"fault_plan\":1}\n{\"\":1}");
    plan::check(b"\x01{\"at_ms\":0,\"lasts_ms\":0,\"fault\":{\"slow\":{\"\":1}}}");
}
