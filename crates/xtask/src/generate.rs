//! Files that the code itself can write, committed so that a change of the contract is seen in
//! the diff. (`config/switchhook.toml` is not one: it is the source, and a test in
//! `crates/server/src/config` keeps it equal to the defaults.)

use std::fs;

use crate::repo;

/// Path, and the arguments with which the server prints it.
const GENERATED: &[(&str, &[&str])] = &[("openapi/switchhook.json", &["openapi"])];

fn content(args: &[&str]) -> Result<String, String> {
    let mut all = vec![
        "run",
        "--quiet",
        "--locked",
        "--package",
        "switchhook",
        "--",
    ];
    all.extend(args);
    let text = repo::output(repo::cargo(&all))?;
    if text.trim().is_empty() {
        return Err(format!("`switchhook {}` printed nothing", args.join(" ")));
    }
    Ok(format!("{}\n", text.trim_end()))
}

/// Writes them anew.
pub(crate) fn run() -> Result<(), String> {
    for (path, args) in GENERATED {
        let text = content(args)?;
        let target = repo::root().join(path);
        let folder = target.parent().unwrap_or(&target);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&target, text));
        written.map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("{path}");
    }
    Ok(())
}

/// Compares them with what the code would write.
pub(crate) fn step() -> Result<String, String> {
    let mut problems = String::new();
    for (path, args) in GENERATED {
        let wanted = content(args)?;
        match fs::read_to_string(repo::root().join(path)) {
            Ok(found) => problems.push_str(&difference(path, &found, &wanted)),
            Err(error) => problems.push_str(&format!("{path}: {error}\n")),
        }
    }
    if problems.is_empty() {
        return Ok(String::new());
    }
    Err(format!(
        "{problems}run `cargo xtask generate`, look at the diff and commit it"
    ))
}

/// The first line that differs; empty when none does.
fn difference(path: &str, found: &str, wanted: &str) -> String {
    if found == wanted {
        return String::new();
    }
    let same = found
        .lines()
        .zip(wanted.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let line = |text: &str| {
        text.lines()
            .nth(same)
            .unwrap_or("(end of file)")
            .trim()
            .to_owned()
    };
    format!(
        "{path}:{}\n  is    {}\n  wants {}\n",
        same + 1,
        line(found),
        line(wanted)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(difference("a", "x\ny\n", "x\ny\n"), "");
        assert_eq!(
            difference("a", "x\ny\n", "x\nz\n"),
            "a:2\n  is    y\n  wants z\n"
        );
        assert_eq!(
            difference("a", "x\n", "x\nz\n"),
            "a:2\n  is    (end of file)\n  wants z\n"
        );
    }
}
