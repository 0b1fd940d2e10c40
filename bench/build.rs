//! Names the compiler that builds the bench: counts are compared with those of the same compiler only.

use std::env::var_os;
use std::process::Command;

fn main() {
    let rustc = var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc answers in UTF-8");
    for name in ["release", "host"] {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = value.unwrap_or_else(|| panic!("`rustc -vV` has no line {name}: {text}"));
        println!("cargo::rustc-env=RUSTC_{}={value}", name.to_uppercase());
    }
    println!("cargo::rerun-if-changed=build.rs");
}
