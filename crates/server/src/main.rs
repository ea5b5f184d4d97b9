//! The `switchhook` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchhook::cli::run()
}
