//! Fuzzes the dates and durations of replies.

#![no_main]

#[path = "../../tests/corpus/bodies/dates.rs"]
mod dates;

libfuzzer_sys::fuzz_target!(|data: &[u8]| dates::check(data));
