//! Fuzzes the driver's ten rules, under any sequence of steps.

#![no_main]

#[path = "../../tests/corpus/bodies/driver/mod.rs"]
mod driver;
#[path = "../../tests/corpus/bodies/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| driver::check(data));
