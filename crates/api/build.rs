//! Has the crate built again when the page was: the embedded files are found at compile time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Debug builds read the files when they are asked for.
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../../ui/dist");
    }
}
