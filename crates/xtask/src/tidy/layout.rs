//! Rules about which files there are: migrations alike on both sides, everything an adapter
//! needs, manifests that take versions and lints from the workspace, links that lead somewhere.

use std::collections::BTreeSet;

use super::Finding;
use crate::repo::TextFile;

/// The table of platforms.
pub(super) const REGISTRY: &str = "crates/adapters/src/registry.rs";

/// Migrations have the same names on both sides.
pub(super) fn migrations(paths: &[&str]) -> Vec<Finding> {
    let names = |side: &str| -> BTreeSet<String> {
        let folder = format!("migrations/{side}/");
        paths
            .iter()
            .filter_map(|path| path.strip_prefix(&folder))
            .map(str::to_owned)
            .collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    let only = |side: &str, here: &BTreeSet<String>, there: &BTreeSet<String>| {
        let missing = here.difference(there);
        let path = |name: &String| format!("migrations/{side}/{name}");
        missing
            .map(|name| {
                Finding::new(
                    &path(name),
                    0,
                    "the other database has no migration of this name",
                )
            })
            .collect::<Vec<_>>()
    };
    let mut findings = only("sqlite", &sqlite, &postgres);
    findings.extend(only("postgres", &postgres, &sqlite));
    findings
}

/// Each adapter of the registry has fixtures and a page.
pub(super) fn adapters(registry: &str, paths: &[&str]) -> Vec<Finding> {
    let names = registry.lines().filter_map(|line| {
        let entry = line.trim().strip_prefix("&crate::")?;
        // Built-in mappings are named after their files.
        let name = entry.split("::").next().filter(|name| *name != "mapped")?;
        Some(name.to_owned())
    });
    let mapped = paths.iter().filter_map(|path| {
        let file = path.strip_prefix("mappings/")?;
        file.strip_suffix(".toml").map(str::to_owned)
    });
    let names = names.chain(mapped);
    let mut findings = Vec::new();
    for name in names {
        let fixtures = format!("fixtures/{name}/");
        if !paths.iter().any(|path| path.starts_with(&fixtures)) {
            findings.push(Finding::new(
                REGISTRY,
                0,
                format!("{name} has no {fixtures}"),
            ));
        }
        let page = format!("docs/adapters/{name}.md");
        if !paths.contains(&page.as_str()) {
            findings.push(Finding::new(REGISTRY, 0, format!("{name} has no {page}")));
        }
    }
    findings
}

/// A crate takes versions and lints from the workspace.
pub(super) fn manifest(path: &str, text: &str) -> Vec<Finding> {
    if !(path.starts_with("crates/") && path.ends_with("/Cargo.toml")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut section = "";
    let mut has_lints = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section == "lints" {
            has_lints |= line.trim() == "workspace = true";
        } else if section.ends_with("dependencies") && names_version(line) {
            let text = "the version belongs to [workspace.dependencies]: use workspace = true";
            findings.push(Finding::new(path, number + 1, text));
        }
    }
    if !has_lints {
        findings.push(Finding::new(path, 0, "[lints] workspace = true is missing"));
    }
    findings
}

fn names_version(line: &str) -> bool {
    let starts = line.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts && line.contains('=') && !line.contains("workspace = true")
}

/// Links in documents lead to files that are there.
pub(super) fn links(path: &str, text: &str, paths: &[&str]) -> Vec<Finding> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let folder: Vec<&str> = path
        .split('/')
        .rev()
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for target in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let wanted = resolve(&folder, file);
            let inside = format!("{wanted}/");
            if !paths
                .iter()
                .any(|path| *path == wanted || path.starts_with(&inside))
            {
                findings.push(Finding::new(
                    path,
                    number,
                    format!("the link {target} leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// Tests that the threat model names are there.
pub(super) fn named_tests(path: &str, text: &str, files: &[TextFile]) -> Vec<Finding> {
    if path != "SECURITY.md" {
        return Vec::new();
    }
    let is_code = |file: &&TextFile| file.path.ends_with(".rs");
    let exists = |name: &str| {
        let head = format!("fn {name}(");
        files
            .iter()
            .filter(is_code)
            .any(|file| file.text.contains(&head))
    };
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        // A name of four words or more is a test's: nothing else here is so long.
        let quoted = line.split('`').skip(1).step_by(2);
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let names =
            quoted.filter(|name| name.chars().all(is_word) && name.matches('_').count() > 2);
        for name in names.filter(|name| !exists(name)) {
            findings.push(Finding::new(
                path,
                number,
                format!("there is no test {name}"),
            ));
        }
    }
    findings
}

/// The lines of a document outside its code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!in_code && !fence).then_some((i + 1, line))
    })
}

fn resolve(folder: &[&str], target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        folder.to_vec()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn migrations_are_alike_on_both_sides() {
        let both = [
            "migrations/sqlite/V1__a.sql",
            "migrations/postgres/V1__a.sql",
        ];
        assert_eq!(migrations(&both), []);
        let found = migrations(&both[..1]);
        assert!(texts(&found)[0].starts_with("migrations/sqlite/V1__a.sql: the other"));
    }

    #[test]
    fn an_adapter_has_fixtures_and_a_page() {
        let registry = "static A: &[&dyn Adapter] = &[\n    &crate::acme::Acme, //\n];\n";
        let all = ["fixtures/acme/answered/story.md", "docs/adapters/acme.md"];
        assert_eq!(adapters(registry, &all), []);
        assert_eq!(adapters(registry, &all[..1]).len(), 1);
        assert_eq!(adapters(registry, &[]).len(), 2);
        let mapped = "    &crate::mapped::Acme, //\n";
        assert_eq!(adapters(mapped, &[]), []);
        assert_eq!(adapters(mapped, &["mappings/acme.toml"]).len(), 2);
    }

    #[test]
    fn manifests_take_versions_and_lints_from_the_workspace() {
        let good = "[lints]\nworkspace = true\n\n[dependencies]\na = { workspace = true }\n";
        assert_eq!(manifest("crates/a/Cargo.toml", good), []);
        let bad = "[dev-dependencies]\na = \"1\"\n";
        assert_eq!(
            texts(&manifest("crates/a/Cargo.toml", bad)),
            [
                "crates/a/Cargo.toml:2: the version belongs to [workspace.dependencies]: \
                 use workspace = true",
                "crates/a/Cargo.toml: [lints] workspace = true is missing"
            ]
        );
    }

    #[test]
    fn the_threat_model_names_tests_that_exist() {
        let test = TextFile {
            path: "crates/a/src/a.rs".to_owned(),
            text: "fn a_b_c_d() {}".to_owned(),
        };
        let text = "| `a_b_c_d`, `config_key`, `e_f_g_h` |";
        assert_eq!(
            texts(&named_tests("SECURITY.md", text, &[test])),
            ["SECURITY.md:1: there is no test e_f_g_h"]
        );
    }

    #[test]
    fn links_lead_to_files() {
        let paths = ["README.md", "docs/adr/0001-a.md", "docs/guide/a.md"];
        let good =
            "[a](../adr/0001-a.md#x) [b](/README.md) [c](https://e.org) [d](#here) [e](../adr)";
        assert_eq!(links("docs/guide/a.md", good, &paths), []);
        let bad = "```\n[x](y)\n```\n[a](b.md)";
        assert_eq!(
            texts(&links("docs/guide/a.md", bad, &paths)),
            ["docs/guide/a.md:4: the link b.md leads nowhere"]
        );
    }
}
