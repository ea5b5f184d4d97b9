//! The house rules, run as `cargo xtask`.
//!
//! `check` runs every rule, `tidy` only those that need no compiler, `generate` rewrites the
//! generated files, `new-adapter` writes the skeletons of a platform. This crate depends on no
//! other crate of the workspace, so that it still builds when they do not.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]
#![expect(clippy::print_stderr, reason = "printing is what this program is for")]

mod check;
mod generate;
mod new_adapter;
mod repo;
mod steps;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask check [STEP]...     run all rules, or the named ones; exit 1 when one is broken
cargo xtask tidy                only the rules that need no compiler (under a second)
cargo xtask generate            write the generated files anew
cargo xtask new-adapter NAME    write the skeletons of a platform
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["check", names @ ..] => check::run(names),
        ["tidy"] => check::run(&["tidy"]),
        ["generate"] => generate::run(),
        ["new-adapter", name] => new_adapter::run(name),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
