//! Programs that the tests run: they fail without them.

use std::path::PathBuf;
use std::process::Command;

/// Runs a script of this folder. It has to end with success.
pub(crate) fn node(script: &str, arguments: &[&str]) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/examples/node"));
    run(Command::new("node").arg(folder.join(script)).args(arguments));
}

/// Runs a program, which has to end with success, and returns what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [printed, error] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}:\n{printed}{error}");
    printed
}
