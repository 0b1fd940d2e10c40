//! Fuzzes the text form of fault plans.

#![no_main]

#[path = "../../tests/corpus/bodies/plan.rs"]
mod plan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| plan::check(data));
