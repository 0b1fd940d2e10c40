//! Fuzzes typed sessions against their untyped twin.

#![no_main]

#[path = "../../tests/corpus/bodies/session/mod.rs"]
mod session;

libfuzzer_sys::fuzz_target!(|data: &[u8]| session::check(data));
