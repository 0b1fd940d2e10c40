//! An example of this crate, built with the profile of the tests.

use std::path::PathBuf;
use std::process::Command;

/// Where the example's program is.
pub(crate) fn build(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // In the place and with the profile of `cargo test`, so that what that has built is not built again.
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args([
        "build",
        "--quiet",
        "--profile=test",
        "--example",
        name,
        "--message-format=json",
    ]);
    // What cargo tells a test about its package, build scripts would take for a change of theirs.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let executable = String::from_utf8_lossy(&built.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.expect("cargo names what it built")
}
