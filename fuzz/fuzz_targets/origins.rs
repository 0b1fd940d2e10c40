//! Fuzzes where tokens and credentials may go.

#![no_main]

#[path = "../../tests/corpus/bodies/origins.rs"]
mod origins;

libfuzzer_sys::fuzz_target!(|data: &[u8]| origins::check(data));
