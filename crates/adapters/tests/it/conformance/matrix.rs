//! The page `docs/adapters/README.md`: what each platform can do and tell, and why not. Written
//! by this test when `SWITCHHOOK_UPDATE` is set, compared with the code otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use switchhook_adapters::registry;
use switchhook_engine::adapter::{Adapter, Capability, Transport};

use super::coverage::lacking;
use super::story::{self, Story};

#[test]
fn the_page_of_all_platforms_says_what_the_code_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/adapters/README.md");
    let wanted = page_text();
    if std::env::var_os("SWITCHHOOK_UPDATE").is_some() {
        fs::write(&page, &wanted).unwrap();
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/adapters/README.md is not what the code says; write it with\n  \
         SWITCHHOOK_UPDATE=1 cargo nextest run -p switchhook-adapters the_page_of_all_platforms"
    );
}

fn page_text() -> String {
    let all: Vec<&dyn Adapter> = registry().all().map(|a| a as &dyn Adapter).collect();
    let mut text = String::from(
        "# Platforms\n\nWritten by a test from what the adapters say of themselves and from what \
         their fixtures show (`crates/adapters/tests/it/conformance/`). ✓ is shown or can be \
         asked for; – is lacked, with the reason below.\n",
    );
    let heads = all.iter().map(|adapter| {
        let spec = adapter.spec();
        // Platforms that are mapped share the page about mapping.
        format!("[{}]({}.md)", spec.title, spec.platform)
    });
    let heads: Vec<String> = heads.collect();
    text.push_str("\n## What they can do\n\n");
    table(
        &mut text,
        "capability",
        &heads,
        Capability::ALL,
        word,
        |adapter, capability| adapter.spec().capabilities.contains(&capability),
    );
    text.push_str("\n## How their events arrive\n\n");
    table(
        &mut text,
        "way",
        &heads,
        [
            Transport::Webhook,
            Transport::Socket,
            Transport::InboundSocket,
            Transport::Queue,
        ],
        way,
        |adapter, way| adapter.spec().transports.contains(&way),
    );
    text.push_str("\n## What they tell\n\nEach ✓ is a recorded call in `fixtures/`.\n\n");
    let shown: BTreeMap<&str, _> = all
        .iter()
        .map(|adapter| (adapter.spec().platform, story::shown(*adapter)))
        .collect();
    table(
        &mut text,
        "story",
        &heads,
        Story::ALL.iter().copied(),
        story_word,
        |adapter, story| shown[adapter.spec().platform].contains_key(&story),
    );
    text.push_str("\n## Why not\n");
    for adapter in all {
        let spec = adapter.spec();
        let _ = write!(text, "\n### {}\n\n", spec.title);
        for capability in Capability::ALL {
            if let Some((_, why)) = spec.lacks.iter().find(|(c, _)| *c == capability) {
                let _ = writeln!(text, "- *{}*: {why}", word(capability));
            }
        }
        for (name, why) in lacking(spec.platform) {
            let _ = writeln!(
                text,
                "- *no recorded call, {}*: {why}",
                name.replace('_', " ")
            );
        }
    }
    text
}

fn table<T: Copy>(
    text: &mut String,
    what: &str,
    heads: &[String],
    rows: impl IntoIterator<Item = T>,
    name: impl Fn(T) -> String,
    has: impl Fn(&dyn Adapter, T) -> bool,
) {
    let _ = writeln!(text, "| {what} | {} |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}", ":-:|".repeat(heads.len()));
    for row in rows {
        let cells: Vec<&str> = registry()
            .all()
            .map(|adapter| if has(adapter, row) { "✓" } else { "–" })
            .collect();
        let _ = writeln!(text, "| {} | {} |", name(row), cells.join(" | "));
    }
}

fn way(transport: Transport) -> String {
    let way = match transport {
        Transport::Webhook => "webhook: the platform posts to us",
        Transport::Socket => "socket of ours: no public address is needed",
        Transport::InboundSocket => "socket the platform opens to us",
        Transport::Queue => "queue that we read: no public address is needed",
    };
    way.to_owned()
}

fn word(capability: Capability) -> String {
    let name = serde_json::to_value(capability).unwrap();
    name.as_str().unwrap().replace('_', " ")
}

fn story_word(story: Story) -> String {
    story.name().replace('_', " ")
}
