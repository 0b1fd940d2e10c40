//! Fuzzes the reading of replies, by every kind of exchange.

#![no_main]

#[path = "../../tests/corpus/bodies/replies.rs"]
mod replies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replies::check(data));
