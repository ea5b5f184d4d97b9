//! Which crate may know which. The picture is in `ARCHITECTURE.md`; this table is the same
//! picture, and `cargo metadata` says what is true.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;
use crate::repo;

/// Crate, what it may know, and what its tests may know beside that.
const MAY_KNOW: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &[]),
    ("engine", &["domain"], &["testkit"]),
    ("storage", &["domain", "engine"], &["testkit"]),
    ("adapters", &["domain", "engine"], &["testkit"]),
    ("delivery", &["domain", "engine"], &["testkit"]),
    (
        "api",
        &["domain", "engine"],
        &["adapters", "storage", "testkit"],
    ),
    (
        "server",
        &["adapters", "api", "delivery", "domain", "engine", "storage"],
        &["testkit"],
    ),
    ("testkit", &["domain", "engine"], &[]),
    ("xtask", &[], &[]),
];

/// What the domain must not reach, over any number of steps.
const NOT_IN_DOMAIN: &[&str] = &["axum", "reqwest", "rusqlite", "tokio", "tokio-postgres"];

/// What cargo knows about the workspace, dependencies resolved.
pub(super) fn metadata() -> Result<Value, String> {
    let text = repo::output(repo::cargo(&["metadata", "--format-version=1", "--quiet"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata is not readable: {error}"))
}

/// A dependency as cargo resolved it.
struct Edge<'a> {
    to: &'a str,
    for_tests_only: bool,
}

/// Checks every edge of the workspace.
pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let graph = Graph::read(metadata);
    let mut findings = Vec::new();
    for id in &graph.members {
        let name = graph.name(id);
        let path = format!("crates/{name}/Cargo.toml");
        let Some((_, always, in_tests)) = MAY_KNOW.iter().find(|(of, ..)| *of == name) else {
            let text = "a crate the architecture does not know; see MAY_KNOW in crates/xtask";
            findings.push(Finding::new(&path, 0, text));
            continue;
        };
        for edge in graph
            .edges(id)
            .iter()
            .filter(|edge| graph.members.contains(edge.to))
        {
            let other = graph.name(edge.to);
            let allowed =
                always.contains(&other) || edge.for_tests_only && in_tests.contains(&other);
            if !allowed {
                let text = format!("{name} must not know {other}; see ARCHITECTURE.md");
                findings.push(Finding::new(&path, 0, text));
            }
        }
        if name == "domain" {
            let reached = graph.reached(id);
            for bad in reached.iter().filter(|name| NOT_IN_DOMAIN.contains(name)) {
                let text = format!("domain must not reach {bad}, not even through another crate");
                findings.push(Finding::new(&path, 0, text));
            }
        }
    }
    findings
}

#[derive(Default)]
struct Graph<'a> {
    members: BTreeSet<&'a str>,
    names: BTreeMap<&'a str, &'a str>,
    edges: BTreeMap<&'a str, Vec<Edge<'a>>>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Self {
        let list = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let mut graph = Self::default();
        graph
            .members
            .extend(list(&metadata["workspace_members"]).iter().map(text));
        for package in list(&metadata["packages"]) {
            graph
                .names
                .insert(text(&package["id"]), text(&package["name"]));
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let edges = list(&node["deps"]).iter().map(|dep| Edge {
                to: text(&dep["pkg"]),
                for_tests_only: list(&dep["dep_kinds"])
                    .iter()
                    .all(|kind| text(&kind["kind"]) == "dev"),
            });
            graph.edges.insert(text(&node["id"]), edges.collect());
        }
        graph
    }

    /// The name of a crate; of ours without the project's name.
    fn name(&self, id: &str) -> &'a str {
        match self.names.get(id).copied().unwrap_or_default() {
            "switchhook" => "server",
            name => name.strip_prefix("switchhook-").unwrap_or(name),
        }
    }

    fn edges(&self, id: &str) -> &[Edge<'a>] {
        self.edges.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of all crates reached in what is shipped.
    fn reached(&self, from: &'a str) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            let shipped = self.edges(id).iter().filter(|edge| !edge.for_tests_only);
            open.extend(shipped.map(|edge| edge.to).filter(|to| seen.insert(to)));
        }
        seen.into_iter().map(|id| self.name(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace of `(from, to, kind)`; names without the project's name are outside it.
    fn workspace(edges: &[(&str, &str, Option<&str>)]) -> Value {
        let names: BTreeSet<&str> = edges.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        let node = |name: &&str| {
            let deps = edges.iter().filter(|(from, ..)| from == name);
            let deps = deps.map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}));
            json!({"id": name, "deps": deps.collect::<Vec<_>>()})
        };
        json!({
            "workspace_members":
                names.iter().filter(|name| name.starts_with("switchhook")).collect::<Vec<_>>(),
            "packages": names.iter().map(|n| json!({"id": n, "name": n})).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        })
    }

    fn texts(edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        check(&workspace(edges))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_drawn_direction_is_allowed() {
        let edges = [
            ("switchhook-engine", "switchhook-domain", None),
            ("switchhook-api", "switchhook-engine", None),
            ("switchhook-api", "switchhook-storage", Some("dev")),
            ("switchhook", "switchhook-api", None),
        ];
        assert_eq!(texts(&edges), [""; 0]);
    }

    #[test]
    fn the_four_do_not_know_one_another() {
        assert_eq!(
            texts(&[("switchhook-api", "switchhook-storage", None)]),
            ["crates/api/Cargo.toml: api must not know storage; see ARCHITECTURE.md"]
        );
        let adapters = [("switchhook-adapters", "switchhook-storage", Some("dev"))];
        assert_eq!(texts(&adapters).len(), 1);
    }

    #[test]
    fn the_domain_reaches_no_runtime() {
        let edges = [("switchhook-domain", "a", None), ("a", "tokio", None)];
        assert_eq!(
            texts(&edges),
            [
                "crates/domain/Cargo.toml: domain must not reach tokio, not even through another \
              crate"
            ]
        );
        assert_eq!(
            texts(&[("switchhook-domain", "tokio", Some("dev"))]),
            [""; 0]
        );
    }

    #[test]
    fn a_new_crate_needs_its_place_in_the_picture() {
        assert_eq!(texts(&[("switchhook-extra", "a", None)]).len(), 1);
    }
}
