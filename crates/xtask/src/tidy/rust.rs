//! Rules for Rust files.

use super::Finding;
use super::code;

/// More lines of shipped code than this, and a file is probably two things.
const LONG_FILE: usize = 500;
/// More than this is not allowed.
const LONGEST_FILE: usize = 800;
/// More lines of code than this, and a function is probably two things.
const LONG_FUNCTION: usize = 90;
/// The widest line, in characters.
const WIDTH: usize = 100;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "util", "utils",
];

/// What must not be left in shipped code, with the way out. Matched in code only.
const LEFT_OVERS: &[(&str, &str)] = &[
    ("todo!(", "finish it, or return an error that says so"),
    (
        "unimplemented!(",
        "finish it, or return an error that says so",
    ),
    ("dbg!(", "remove it"),
];

/// Ways out that go around the guard (`engine/src/outbound`), which alone may use them.
const WAYS_OUT: &[&str] = &[
    "Client::builder(",
    "ClientBuilder::new(",
    "reqwest::get(",
    "TcpStream::connect(",
    "connect_async(",
];

/// The crates whose connections lead where settings say.
const GUARDED: &[&str] = &["adapters", "api", "delivery", "engine"];

/// True where every connection must be opened through the guard.
fn is_guarded(path: &str) -> bool {
    let inside = |name: &str| path.starts_with(&format!("crates/{name}/src/"));
    GUARDED.iter().any(|name| inside(name)) && !path.contains("/outbound/")
}

/// All rules for one file.
pub(super) fn check(path: &str, source: &str) -> Vec<Finding> {
    let code = code::blank(source);
    let is_test: Vec<bool> = if is_test_file(path) {
        vec![true; source.lines().count()]
    } else {
        code::test_lines(&code)
    };
    let mut findings = Vec::new();
    let mut say = |line: usize, text: String| findings.push(Finding::new(path, line, text));

    if let Some(name) = empty_name(path) {
        say(
            0,
            format!("`{name}` does not say what is inside; name the thing it holds"),
        );
    }
    if !source.starts_with("//!") {
        say(
            1,
            "the file does not open with `//!`: what it is for, what it must not do".to_owned(),
        );
    }
    let marks =
        || ["FIX", "XX"].map(|start| format!("{start}{}", if start == "FIX" { "ME" } else { "X" }));
    let marks = marks();
    let lines = source.lines().zip(code.lines()).zip(&is_test).enumerate();
    for (number, ((line, code), is_test)) in lines.map(|(i, line)| (i + 1, line)) {
        let width = line.chars().count();
        if width > WIDTH && !line.contains("://") {
            say(
                number,
                format!("the line is {width} characters wide; at most {WIDTH}"),
            );
        }
        if code.trim_start().starts_with("#[ignore") && !line.contains("#[ignore = \"") {
            say(
                number,
                "an ignored test says why: #[ignore = \"reason\"]".to_owned(),
            );
        }
        if *is_test {
            continue;
        }
        for (what, way_out) in LEFT_OVERS.iter().filter(|(what, _)| code.contains(what)) {
            say(number, format!("`{what}…)` in shipped code: {way_out}"));
        }
        for what in WAYS_OUT
            .iter()
            .filter(|what| is_guarded(path) && code.contains(**what))
        {
            say(
                number,
                format!("`{what}…)` goes around outbound::Guard: use that"),
            );
        }
        for mark in marks.iter().filter(|mark| line.contains(mark.as_str())) {
            say(
                number,
                format!("{mark} in shipped code: do it now, or open an issue"),
            );
        }
    }
    findings.extend(lengths(path, &code, &is_test));
    findings
}

fn lengths(path: &str, code: &str, is_test: &[bool]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shipped = is_test.iter().filter(|is_test| !**is_test).count();
    if shipped > LONGEST_FILE {
        let text = format!("{shipped} lines without tests; at most {LONGEST_FILE}: split it");
        findings.push(Finding::new(path, 0, text));
    } else if shipped > LONG_FILE {
        findings.push(Finding::remark(
            path,
            0,
            format!("{shipped} lines: is it one thing?"),
        ));
    }
    for (line, length) in code::functions(code) {
        if length > LONG_FUNCTION && is_test.get(line) == Some(&false) {
            let text = format!("a function of {length} lines: is it one thing?");
            findings.push(Finding::remark(path, line + 1, text));
        }
    }
    findings
}

/// True for files that never reach a user: tests, benches, the test kit.
fn is_test_file(path: &str) -> bool {
    let folder = |name: &str| path.split('/').rev().skip(1).any(|part| part == name);
    path.starts_with("crates/testkit/")
        || ["tests", "benches", "fuzz", "examples"]
            .into_iter()
            .any(folder)
        || path.ends_with("/tests.rs")
}

/// The part of the path that says nothing, if there is one.
fn empty_name(path: &str) -> Option<&str> {
    let names = path.strip_suffix(".rs").unwrap_or(path).split('/');
    names.filter(|name| *name != "mod").find(|name| {
        let last = name.rsplit('_').next().unwrap_or(name);
        EMPTY_NAMES.contains(&last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, source: &str) -> Vec<String> {
        check(path, source)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_good_file_has_no_findings() {
        let source = "//! Good.\n\nfn a() {\n    // a word about dbg!(x)\n    f(\"todo!()\");\n}\n";
        assert_eq!(texts("crates/a/src/a.rs", source), [""; 0]);
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        let found = texts("crates/a/src/a.rs", "fn a() {}\n");
        assert!(
            found[0].starts_with("crates/a/src/a.rs:1: the file does not open"),
            "{found:?}"
        );
    }

    #[test]
    fn left_overs_are_found_in_shipped_code_only() {
        let source = "//! A.\nfn a() { todo!() }\n// FIXME\n#[cfg(test)]\nmod t {\n  // FIXME\n}\n";
        let found = texts("crates/a/src/a.rs", source);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("crates/a/src/a.rs:2: `todo!(…)`"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("crates/a/src/a.rs:3: FIXME"),
            "{found:?}"
        );
        assert_eq!(texts("crates/a/tests/it/a.rs", source), [""; 0]);
    }

    #[test]
    fn wide_lines_are_counted_in_characters() {
        let ok = format!("//! {}\n", "é".repeat(96));
        assert_eq!(texts("crates/a/src/a.rs", &ok), [""; 0]);
        let wide = format!("//! {}\n", "é".repeat(97));
        assert_eq!(texts("crates/a/src/a.rs", &wide).len(), 1);
    }

    #[test]
    fn ignored_tests_say_why() {
        let source = "//! A.\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n";
        let found = texts("crates/a/tests/it/a.rs", source);
        assert_eq!(
            found,
            ["crates/a/tests/it/a.rs:2: an ignored test says why: \
            #[ignore = \"reason\"]"]
        );
    }

    #[test]
    fn names_say_what_is_inside() {
        assert_eq!(empty_name("crates/a/src/utils.rs"), Some("utils"));
        assert_eq!(
            empty_name("crates/a/src/call_manager/mod.rs"),
            Some("call_manager")
        );
        assert_eq!(empty_name("crates/a/src/calls.rs"), None);
    }

    #[test]
    fn long_files_are_told_and_then_refused() {
        let file = |lines: usize| format!("//! A.\n{}", "// x\n".repeat(lines - 1));
        let long = check("crates/a/src/a.rs", &file(501));
        assert!(
            long.iter().all(|finding| finding.remark) && long.len() == 1,
            "{long:?}"
        );
        assert!(!check("crates/a/src/a.rs", &file(801))[0].remark);
        let tests = format!(
            "//! A.\n#[cfg(test)]\nmod t {{\n{}}}\n",
            "// x\n".repeat(900)
        );
        assert_eq!(check("crates/a/src/a.rs", &tests), []);
    }

    #[test]
    fn long_functions_are_told() {
        let source = format!("//! A.\nfn a() {{\n{}}}\n", "    f();\n".repeat(89));
        let found = check("crates/a/src/a.rs", &source);
        assert!(found.len() == 1 && found[0].remark, "{found:?}");
        assert_eq!(
            found[0].to_string(),
            "crates/a/src/a.rs:2: a function of 91 lines: is it one thing?"
        );
    }

    #[test]
    fn nobody_leaves_but_through_the_guard() {
        let source = "//! X.\nfn f() { reqwest::Client::builder().build(); }\n";
        for (path, findings) in [
            ("crates/adapters/src/x.rs", 1),
            ("crates/engine/src/x.rs", 1),
            ("crates/engine/src/outbound/mod.rs", 0),
            ("crates/adapters/tests/it/x.rs", 0),
            ("crates/server/src/cli/x.rs", 0),
        ] {
            assert_eq!(texts(path, source).len(), findings, "{path}");
        }
    }
}
