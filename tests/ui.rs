//! Misuse of the typed session doesn't compile: one file in `tests/ui` for each.

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
