//! Fuzzes what a token says about its own lifetime.

#![no_main]

#[path = "../../tests/corpus/bodies/jwt.rs"]
mod jwt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jwt::check(data));
