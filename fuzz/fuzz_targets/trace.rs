//! Fuzzes the recording and the replay of traces.

#![no_main]

#[path = "../../tests/corpus/bodies/script.rs"]
mod script;
#[path = "../../tests/corpus/bodies/trace.rs"]
mod trace;

libfuzzer_sys::fuzz_target!(|data: &[u8]| trace::check(data));
