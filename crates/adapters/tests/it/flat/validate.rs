//! Mapping files: what is wrong with one is told at once, with its place; what is read by one
//! never panics.

use std::collections::BTreeSet;

use proptest::prelude::*;
use switchhook_adapters::mapped::{self, Aircall, ThreeCx};
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::mappings::{MAX_MAPPING, MappingFault};

use crate::fixture::connection;

fn faults(text: &str) -> Vec<String> {
    let faults = mapped::compile(text).map(|_| ()).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn the_built_in_mappings_compile_and_name_every_capability_once() {
    for mapped in [Aircall::mapped(), ThreeCx::mapped()] {
        let spec = mapped.spec();
        let lacked = spec.lacks.iter().map(|(capability, _)| capability);
        let all: Vec<&Capability> = spec.capabilities.iter().chain(lacked).collect();
        let names: BTreeSet<_> = all.iter().collect();
        assert_eq!(names.len(), Capability::ALL.len(), "{}", spec.platform);
        assert_eq!(all.len(), Capability::ALL.len(), "{}", spec.platform);
        assert!(
            spec.lacks.iter().all(|(_, why)| why.ends_with('.')),
            "{}",
            spec.platform
        );
    }
    assert!(
        Aircall::mapped()
            .spec()
            .capabilities
            .contains(&Capability::Originate)
    );
}

#[test]
fn every_fault_is_told_at_once_with_line_column_and_key() {
    let text = r#"platform = "Acme Voice"
title = 7
colour = "red"

[signature]
scheme = "rot13"
header = "x signature"

[call]
id = "call..id"

[events]
path = "event"
[events.map]
"a" = "ringing"
"b" = "levitating"

[times]
unit = "fortnight"
zone = "Europe/Atlantis"

[direction]
inbound = ["in", "both"]
outbound = ["both"]

[end.causes]
"x" = "boredom"

[lacks]
juggling = "Nobody asked for it."

[[setting]]
name = "API URL"

[originate]
url = "ftp://{target}/"
body = { to = "{who}" }
"#;
    let told = faults(text);
    let all = told.join("\n");
    for wanted in [
        "1:12: `platform` must be 2 to 40 characters",
        "1:1: `summary` is missing; write summary = ",
        "2:9: `title` must be a text",
        "3:1: `colour` is not known here; known: agent, call,",
        "6:10: `signature.scheme` must be one of hmac-sha256, hmac-sha1, token",
        "7:10: `signature.header` must be the name of a header",
        "10:6: `call.id` has an empty step",
        "16:7: `events.map.b` must be one of started, queued, ringing",
        "19:8: `times.unit` must be auto, iso, s, ms, us",
        "20:8: `times.zone` belongs to a form",
        "24:12: `direction.outbound` names `both`, which another",
        "27:7: `end.causes.x` must be one of normal, no_answer",
        "30:12: `lacks.juggling` is no capability; there are ringing",
        "33:8: `setting.name` must be small letters",
        "`setting.label` is missing",
        "36:7: `originate.url` must begin with https://host/",
        "37:15: `originate.body` has a placeholder that is not known: {who}",
    ] {
        assert!(all.contains(wanted), "no `{wanted}` in\n{all}");
    }
}

#[test]
fn what_is_no_toml_says_where() {
    assert!(
        faults("a = \n")[0].starts_with("1:5: is not TOML"),
        "{:?}",
        faults("a = \n")
    );
    assert!(faults("[a]\n[a]\n")[0].starts_with("2:"));
    let missing = faults("").join("\n");
    for field in [
        "platform",
        "title",
        "summary",
        "call.id",
        "events.path",
        "signature.scheme",
    ] {
        assert!(
            missing.contains(&format!("`{field}`")),
            "{field} in\n{missing}"
        );
    }
}

#[test]
fn a_file_is_bounded() {
    let long = format!("# {}\n", "x".repeat(MAX_MAPPING));
    assert!(faults(&long)[0].contains("at most 65536 bytes"));
    let many: String = (0..2_000).map(|n| format!("k{n} = 1\n")).collect();
    assert!(faults(&many).len() <= 100);
    let entries: String = (0..300)
        .map(|n| format!("\"e{n}\" = \"ended\"\n"))
        .collect();
    let table = format!("[events.map]\n{entries}");
    assert!(faults(&table).join("\n").contains("more than 200 entries"));
}

/// The guide's example reads the guide's event.
#[test]
fn the_example_of_the_guide_works() {
    let guide = include_str!("../../../../../docs/guide/mapping.md");
    let block = |kind: &str| {
        let fence = format!("```{kind}\n");
        let (_, rest) = guide.split_once(&fence).unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        block
            .lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect::<String>()
    };
    let mapped = mapped::compile(&block("toml")).unwrap();
    let decoded = mapped
        .decode(block("json").as_bytes(), &connection(&[]))
        .unwrap();
    let told = serde_json::to_string(&decoded.signals).unwrap();
    assert!(
        told.contains("\"answered\"") && told.contains("+31612345021"),
        "{told}"
    );
    assert!(
        told.contains("17/100") && told.contains("2026-11-22T10:00:08Z"),
        "{told}"
    );
}

#[test]
fn the_same_file_is_compiled_once() {
    let again = mapped::compile(Aircall::FILE).unwrap();
    assert!(std::ptr::eq(again.spec(), Aircall::mapped().spec()));
}

/// A host that somebody else chooses would get the credentials.
#[test]
fn the_host_of_a_request_is_the_files_own_or_a_settings() {
    let with_url = |url: &str| {
        let head = "platform = \"acme\"\ntitle = \"Acme\"\nsummary = \"Acme posts JSON.\"\n\
            signature = { scheme = \"bearer\" }\ncall = { id = \"id\" }\n\
            events = { path = \"event\", map = { a = \"ended\" } }\n\
            setting = [{ name = \"base\", label = \"b\", help = \"b\", kind = \"url\" },\
            { name = \"host\", label = \"h\", help = \"h\" }]\n";
        mapped::compile(&format!("{head}[originate]\nurl = \"{url}\"\n")).is_ok()
    };
    assert!(with_url("https://api.example.com/calls/{target}"));
    assert!(with_url("{setting.base}/calls"));
    assert!(with_url("{setting.base}"));
    for url in [
        "https://{setting.host}/calls",
        "https://{target}.example.com/",
        "https://api.example.com{target}",
        "{setting.host}/calls",
        "{setting.base}{target}",
        "{target}/calls",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//api.example.com/",
    ] {
        assert!(!with_url(url), "{url}");
    }
}

#[test]
fn a_batch_is_read_item_by_item_and_no_further_than_its_bound() {
    let text = "platform = \"batch\"\ntitle = \"Batch\"\nsummary = \"Batches of events.\"\n\
        each = \"$.events\"\nsignature = { scheme = \"bearer\" }\n\
        call = { id = { join = [\"$.account\", \"id\"], with = \"-\" } }\n\
        events = { path = \"what\", map = { ring = \"ringing\", end = [\"ended\"] } }\n\
        times = { at = \"t\", unit = \"ms\" }\ndirection = { otherwise = \"in\" }\n\
        agent = { extension = [\"ext\", \"$.parties[role=agent].ext\"] }\n";
    let mapped = mapped::compile(text).unwrap();
    let body = |count: usize| {
        let event = |n: usize| {
            let what = if n.is_multiple_of(2) { "ring" } else { "end" };
            serde_json::json!({"what": what, "id": n / 2, "t": 1_795_341_600_000_u64})
        };
        let events: Vec<_> = (0..count).map(event).collect();
        let parties = serde_json::json!([{"role": "agent", "ext": 100}]);
        serde_json::json!({"account": "a", "parties": parties, "events": events}).to_string()
    };
    let two = mapped.decode(body(2).as_bytes(), &connection(&[])).unwrap();
    assert!(two.signals.iter().all(|signal| signal.keys == ["call:a-0"]));
    let legs = serde_json::to_string(&two.signals).unwrap();
    assert!(legs.contains("a-0/100"), "{legs}");
    let many = mapped
        .decode(body(1_000).as_bytes(), &connection(&[]))
        .unwrap();
    let calls: BTreeSet<_> = many.signals.iter().flat_map(|s| &s.keys).collect();
    assert_eq!(calls.len(), 50);
    assert!(mapped.decode(b"{}", &connection(&[])).is_err());
}

/// Lines of mapping files, from which random ones are put together.
fn line() -> impl Strategy<Value = String> {
    let built_in: Vec<String> = [Aircall::FILE, ThreeCx::FILE]
        .iter()
        .flat_map(|file| file.lines().map(str::to_owned))
        .collect();
    let odd = [
        "[",
        "=",
        "x = { join = [] }",
        "each = \"$\"",
        "at = [\"a[0].b\", \"$\"]",
        "\u{0}",
    ];
    let odd = odd.map(str::to_owned).to_vec();
    prop_oneof![
        8 => prop::sample::select(built_in),
        1 => prop::sample::select(odd),
        1 => "[a-z_]{1,8} = \"[^\"\\\\]{0,12}\"",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        prop::sample::select(vec!["call.ended", "Inbound", "+31612345021", "1e999", "-1"])
            .prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
    ];
    let names = vec![
        "data",
        "event",
        "id",
        "user",
        "timestamp",
        "started_at",
        "call_type",
    ];
    let value = leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    });
    prop_oneof![
        3 => value.prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => "(--x\r\n)?([a-z]{1,5}(\\[\\])?=[^ ]{0,9}&?){0,9}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_files_and_bodies_never_panic(
        lines in prop::collection::vec(line(), 0..40),
        dropped in 0_usize..120,
        bytes in body(),
    ) {
        // A built-in file with a line left out is often one that still compiles.
        let nearly: Vec<&str> = Aircall::FILE
            .lines()
            .enumerate()
            .filter(|(at, _)| *at != dropped)
            .map(|(_, line)| line)
            .collect();
        for text in [lines.join("\n"), nearly.join("\n")] {
            match mapped::compile(&text) {
                Ok(mapped) => {
                    let connection = connection(&["s3cret"]);
                    let _ = mapped.decode(&bytes, &connection);
                    let inbound = switchhook_engine::adapter::Inbound::body_only(&bytes);
                    let _ = mapped.verify(&inbound, &connection);
                }
                Err(found) => {
                    let placed = |fault: &MappingFault| fault.line > 0 && fault.column > 0;
                    prop_assert!(!found.is_empty() && found.iter().all(placed));
                }
            }
        }
        let _ = mapped::compile(&String::from_utf8_lossy(&bytes));
    }
}
