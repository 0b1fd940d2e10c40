//! Misuse of the typed session doesn't compile: one file in `tests/ui` for each.
//!
//! Nor does a mistake in the session's own code, where it makes a transition: `tests/ui/built` has a file for each.
//! They include the real `src/session/transitions.rs`, which the session is compiled from, with four states of no
//! data. In [`between`], the row of the table is looked up by a constant that depends on the types: the state before
//! is the type of the value passed, so it can't be named otherwise. What isn't in the table is a panic in that
//! constant, and so an error.
//!
//! Such a constant is evaluated when the function is instantiated. `cargo check` doesn't instantiate any, and reports
//! nothing; `cargo build` and `cargo test` do. That is why these cases have to be built. `trybuild` checks all cases
//! of a test, unless one of them is to pass, which it builds and runs, and the others with it:
//! `tests/ui/built/passes` makes it do so, and shows that the same code with a row of the table compiles.
//!
//! [`between`]: ../src/session/transitions.rs

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/built/passes/*.rs");
    cases.compile_fail("ui/built/*.rs");
    cases.compile_fail("ui/*.rs");
}
