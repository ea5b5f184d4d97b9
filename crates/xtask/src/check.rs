//! `cargo xtask check`: every rule that a machine can check, the quick ones first.

use crate::steps::{self, Step};
use crate::{generate, repo, tidy};

const STEPS: &[Step] = &[
    Step {
        name: "tidy",
        about: "layout, dependency direction, text",
        run: tidy::step,
    },
    Step {
        name: "fmt",
        about: "rustfmt has nothing to change",
        run: fmt,
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of all crates",
        run: deny,
    },
    Step {
        name: "clippy",
        about: "no warning of the compiler or clippy",
        run: clippy,
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        run: doc,
    },
    Step {
        name: "generated",
        about: "generated files are what the code says",
        run: generate::step,
    },
];

/// Runs the named steps, or all.
pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    let known = |name: &str| STEPS.iter().any(|step| step.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!(
            "no step is called {unknown}; there are {}",
            all.join(", ")
        ));
    }
    let wanted = |step: &&Step| names.is_empty() || names.contains(&step.name);
    steps::run(&STEPS.iter().filter(wanted).collect::<Vec<_>>())
}

/// A cargo command whose output matters only when it fails.
fn silent(args: &[&str]) -> Result<String, String> {
    repo::output(repo::cargo(args)).map(|_| String::new())
}

fn fmt() -> Result<String, String> {
    silent(&["fmt", "--all", "--", "--check", "--files-with-diff"])
        .map_err(|files| format!("cargo fmt --all would change\n{files}"))
}

fn clippy() -> Result<String, String> {
    silent(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

fn doc() -> Result<String, String> {
    let mut command = repo::cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    repo::output(command).map(|_| String::new())
}

/// Advisories need the network and change without a commit of ours, so they are not checked
/// here: `cargo deny check advisories`.
fn deny() -> Result<String, String> {
    if repo::output(repo::cargo(&["deny", "--version"])).is_err() {
        return Err("cargo-deny is not installed; scripts/tools.sh installs it".to_owned());
    }
    silent(&[
        "deny",
        "--locked",
        "--log-level",
        "warn",
        "check",
        "bans",
        "licenses",
        "sources",
    ])
}
