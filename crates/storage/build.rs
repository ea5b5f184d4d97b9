//! Builds anew when a migration is added, not only when one changes.

#![allow(clippy::print_stdout, reason = "how a build script speaks")]

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
