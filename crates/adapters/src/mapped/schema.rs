//! What a mapping file says, compiled: every key there is, checked once. The keys are documented
//! in `docs/guide/mapping.md`. Not here: reading TOML ([`super::toml`]), understanding events
//! ([`super::decode`]).

use std::collections::BTreeMap;

use switchhook_domain::cause::{EndedBy, Reason};
use switchhook_domain::signal::{Direction, TransferKind};
use switchhook_engine::adapter::{Capability, FieldKind};
use toml::de::DeValue;

use super::originate::{self, OriginateMap};
use super::path::{Path, Source};
use super::signature::{self, Signature};
use super::times::{self, Unit};
use super::toml::{Faults, MAX_ENTRIES, Section, Value};
use crate::flat::{self, Word};

/// A compiled mapping file.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) platform: String,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) signature: Signature,
    pub(super) each: Option<Path>,
    pub(super) call: CallMap,
    pub(super) events: EventMap,
    pub(super) times: TimeMap,
    pub(super) numbers: NumberMap,
    pub(super) direction: DirectionMap,
    pub(super) agent: PartyMap,
    pub(super) leg: Option<Source>,
    pub(super) transfer: TransferMap,
    pub(super) end: EndMap,
    pub(super) recording: MediaMap,
    pub(super) voicemail: MediaMap,
    pub(super) settings: Vec<Setting>,
    pub(super) lacks: BTreeMap<String, String>,
    pub(super) originate: Option<OriginateMap>,
}

/// `[call]`
#[derive(Clone, Debug, Default)]
pub(super) struct CallMap {
    pub(super) id: Option<Source>,
    pub(super) keys: Vec<Source>,
    pub(super) queue: Option<Source>,
    pub(super) name: Option<Source>,
}

/// `[events]`
#[derive(Clone, Debug, Default)]
pub(super) struct EventMap {
    pub(super) path: Option<Source>,
    pub(super) and: Option<Source>,
    pub(super) map: BTreeMap<String, Vec<Word>>,
}

/// `[times]`
#[derive(Clone, Debug)]
pub(super) struct TimeMap {
    pub(super) unit: Unit,
    pub(super) at: Option<Source>,
    pub(super) started: Option<Source>,
    pub(super) rang: Option<Source>,
    pub(super) answered: Option<Source>,
    pub(super) ended: Option<Source>,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberForm {
    /// Whatever it is, it is recognised: with a plus, national, SIP addresses.
    Any,
    /// International digits without a plus.
    Digits,
}

/// `[numbers]`
#[derive(Clone, Debug)]
pub(super) struct NumberMap {
    pub(super) form: NumberForm,
    pub(super) from: Option<Source>,
    pub(super) to: Option<Source>,
    pub(super) remote: Option<Source>,
    pub(super) line: Option<Source>,
    pub(super) withheld: Vec<String>,
}

/// `[direction]`
#[derive(Clone, Debug, Default)]
pub(super) struct DirectionMap {
    pub(super) path: Option<Source>,
    pub(super) map: BTreeMap<String, Direction>,
    pub(super) otherwise: Option<Direction>,
}

/// `[agent]`, `[transfer.from]`, `[transfer.agent]`
#[derive(Clone, Debug, Default)]
pub(super) struct PartyMap {
    pub(super) extension: Option<Source>,
    pub(super) user_id: Option<Source>,
    pub(super) email: Option<Source>,
    pub(super) name: Option<Source>,
}

/// `[transfer]`
#[derive(Clone, Debug, Default)]
pub(super) struct TransferMap {
    pub(super) to: Option<Source>,
    pub(super) kind: Option<TransferKind>,
    pub(super) from: PartyMap,
    pub(super) agent: PartyMap,
}

/// `[end]`
#[derive(Clone, Debug, Default)]
pub(super) struct EndMap {
    pub(super) cause: Option<Source>,
    pub(super) causes: BTreeMap<String, Reason>,
    pub(super) by: Option<Source>,
    pub(super) parties: BTreeMap<String, EndedBy>,
    pub(super) talk_seconds: Option<Source>,
}

/// `[recording]`, `[voicemail]`
#[derive(Clone, Debug, Default)]
pub(super) struct MediaMap {
    pub(super) id: Option<Source>,
    pub(super) url: Option<Source>,
    pub(super) expires_at: Option<Source>,
    pub(super) seconds: Option<Source>,
    pub(super) transcript: Option<Source>,
}

/// `[[setting]]`
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) kind: FieldKind,
    pub(super) required: bool,
    pub(super) default: Option<String>,
}

/// Compiles the file's root; faults go to `faults`.
pub(super) fn read(root: Section<'_>, faults: &Faults<'_>) -> Option<Mapping> {
    let platform = root
        .required("platform", "\"acme\"")
        .filter(|name| name_fits(&root, name));
    let title = root.required("title", "\"Acme Voice\"");
    let summary = root.required("summary", "\"Acme posts call events as signed JSON.\"");
    // For people: where the vendor documents what the file says.
    root.texts("sources");
    let each = root.text("each").and_then(|text| path(&root, "each", text));
    let settings = settings(&root);
    let agent = root.section("agent");
    let leg = source(&agent, "leg");
    let mapping = Mapping {
        platform: platform.unwrap_or_default().to_owned(),
        title: title.unwrap_or_default().to_owned(),
        summary: summary.unwrap_or_default().to_owned(),
        each,
        call: call(root.section("call")),
        events: events(root.section("events")),
        times: time_map(root.section("times")),
        numbers: numbers(root.section("numbers")),
        direction: direction(root.section("direction")),
        agent: party(agent),
        leg,
        transfer: transfer(root.section("transfer")),
        end: end(root.section("end")),
        recording: media(root.section("recording")),
        voicemail: media(root.section("voicemail")),
        lacks: lacks(&root.section("lacks")),
        originate: originate::read(root.section("originate"), &settings, faults),
        signature: signature::read(root.section("signature"))?,
        settings,
    };
    root.finish();
    Some(mapping)
}

fn name_fits(root: &Section<'_>, name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ok = (2..=40).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('-');
    if !ok {
        let problem = "must be 2 to 40 characters: small letters, digits and dashes";
        root.fault("platform", problem);
    }
    ok
}

fn path(section: &Section<'_>, key: &str, text: &str) -> Option<Path> {
    let read = Path::parse(text);
    read.map_err(|problem| section.fault(key, problem)).ok()
}

/// A path, a list of paths of which the first that says something counts,
/// `{ join = [...], with = ":" }`, or `{ value = "..." }`.
fn source(section: &Section<'_>, key: &'static str) -> Option<Source> {
    read_source(section, key, section.value(key)?)
}

fn read_source(section: &Section<'_>, key: &'static str, value: &Value<'_>) -> Option<Source> {
    let read = |item: &Value<'_>| match item.get_ref() {
        DeValue::String(text) => match Path::parse(text) {
            Ok(path) => Some(path),
            Err(problem) => {
                section.fault_at(&item.span(), key, problem);
                None
            }
        },
        _ => {
            section.fault_at(&item.span(), key, "must be a path such as \"data.user.id\"");
            None
        }
    };
    let paths = |items: &[Value<'_>]| -> Vec<Path> { items.iter().filter_map(read).collect() };
    match value.get_ref() {
        DeValue::Array(items) if (1..=10).contains(&items.len()) => {
            Some(Source::First(paths(items)))
        }
        DeValue::Array(_) => {
            section.fault_at(&value.span(), key, "must be a list of one to ten paths");
            None
        }
        DeValue::Table(_) => {
            let table = section.section(key);
            let with = table.text("with").unwrap_or(":").to_owned();
            let joined = table.value("join").map(|value| match value.get_ref() {
                DeValue::Array(items) if (1..=10).contains(&items.len()) => paths(items),
                _ => {
                    table.fault("join", "must be a list of one to ten paths");
                    Vec::new()
                }
            });
            let always = table
                .text("value")
                .map(|text| Source::Always(text.to_owned()));
            let joined = joined.map(|paths| Source::Joined(paths, with));
            if joined.is_none() && always.is_none() {
                table.fault("join", "or `value` is missing");
            }
            table.finish();
            joined.or(always)
        }
        _ => read(value).map(|path| Source::First(vec![path])),
    }
}

fn call(section: Section<'_>) -> CallMap {
    let id = source(&section, "id");
    if id.is_none() && section.value("id").is_none() {
        section.fault(
            "id",
            "is missing; write id = \"call.id\": what names the call",
        );
    }
    let keys = section
        .texts("keys")
        .into_iter()
        .filter_map(|text| path(&section, "keys", text).map(|path| Source::First(vec![path])));
    let map = CallMap {
        id,
        keys: keys.take(8).collect(),
        queue: source(&section, "queue"),
        name: source(&section, "name"),
    };
    section.finish();
    map
}

fn events(section: Section<'_>) -> EventMap {
    let path = source(&section, "path");
    if path.is_none() && section.value("path").is_none() {
        section.fault(
            "path",
            "is missing; write path = \"event\": what says what happened",
        );
    }
    let and = source(&section, "and");
    let table = section.section("map");
    let mut map = BTreeMap::new();
    for (key, value) in table.entries() {
        let texts: Vec<&str> = match value.get_ref() {
            DeValue::String(text) => vec![text.as_ref()],
            DeValue::Array(items) if items.len() <= 5 => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => text.as_ref(),
                    _ => "",
                })
                .collect(),
            _ => vec![""],
        };
        let words: Vec<Option<Word>> = texts.iter().map(|text| Word::from_name(text)).collect();
        if words.contains(&None) {
            let problem = format!("must be one of {}", flat::word_list());
            table.fault_at(&value.span(), key, problem);
        }
        map.insert(key.to_owned(), words.into_iter().flatten().collect());
    }
    if map.is_empty() {
        section.fault(
            "map",
            "is missing or empty: the platform's events and our words for them",
        );
    }
    section.finish();
    EventMap { path, and, map }
}

fn time_map(section: Section<'_>) -> TimeMap {
    let zone = section.text("zone");
    let unit = section.text("unit").unwrap_or("auto");
    let unit = match times::unit(unit, zone) {
        Ok(unit) => unit,
        Err(key) => {
            let problem = match key {
                "zone" => "must be the name of a time zone, such as Europe/Amsterdam",
                _ => "must be auto, iso, s, ms, us, or a form such as %Y-%m-%d %H:%M:%S",
            };
            section.fault(key, problem);
            Unit::Auto
        }
    };
    if zone.is_some() && !matches!(unit, Unit::Form(..)) {
        section.fault("zone", "belongs to a form; the other units know their own");
    }
    let map = TimeMap {
        unit,
        at: source(&section, "at"),
        started: source(&section, "started"),
        rang: source(&section, "rang"),
        answered: source(&section, "answered"),
        ended: source(&section, "ended"),
    };
    section.finish();
    map
}

fn numbers(section: Section<'_>) -> NumberMap {
    let forms = [
        ("any", NumberForm::Any),
        ("e164", NumberForm::Any),
        ("national", NumberForm::Any),
        ("sip-uri", NumberForm::Any),
        ("digits-without-plus", NumberForm::Digits),
    ];
    let withheld = section.texts("withheld");
    let map = NumberMap {
        form: section.choice_or("form", &forms, NumberForm::Any),
        from: source(&section, "from"),
        to: source(&section, "to"),
        remote: source(&section, "remote"),
        line: source(&section, "line"),
        withheld: withheld
            .iter()
            .map(|word| word.trim().to_lowercase())
            .collect(),
    };
    section.finish();
    map
}

fn direction(section: Section<'_>) -> DirectionMap {
    let path = source(&section, "path");
    let otherwise = section.text("otherwise").and_then(|text| {
        let read = flat::direction(text);
        if read.is_none() {
            section.fault("otherwise", "must be inbound, outbound or internal");
        }
        read
    });
    let mut map = BTreeMap::new();
    for (key, direction) in [
        ("inbound", Direction::Inbound),
        ("outbound", Direction::Outbound),
        ("internal", Direction::Internal),
    ] {
        for word in section.texts(key) {
            if map.insert(word.trim().to_lowercase(), direction).is_some() {
                section.fault(
                    key,
                    format!("names `{word}`, which another direction names too"),
                );
            }
        }
    }
    section.finish();
    DirectionMap {
        path,
        map,
        otherwise,
    }
}

fn party(section: Section<'_>) -> PartyMap {
    let map = PartyMap {
        extension: source(&section, "extension"),
        user_id: source(&section, "user_id"),
        email: source(&section, "email"),
        name: source(&section, "name"),
    };
    section.finish();
    map
}

fn transfer(section: Section<'_>) -> TransferMap {
    let kinds = [
        ("blind", TransferKind::Blind),
        ("attended", TransferKind::Attended),
        ("unknown", TransferKind::Unknown),
    ];
    let map = TransferMap {
        to: source(&section, "to"),
        kind: section
            .value("kind")
            .and_then(|_| section.choice("kind", &kinds)),
        from: party(section.section("from")),
        agent: party(section.section("agent")),
    };
    section.finish();
    map
}

fn end(section: Section<'_>) -> EndMap {
    let reasons = "normal, no_answer, cancelled, busy, rejected, blocked, unreachable, \
                   congestion, failed, answered_elsewhere, voicemail, transferred";
    let map = EndMap {
        cause: source(&section, "cause"),
        causes: section.section("causes").words(reasons, flat::reason),
        by: source(&section, "by"),
        parties: section
            .section("parties")
            .words("agent, remote, system", flat::ended_by),
        talk_seconds: source(&section, "talk_seconds"),
    };
    section.finish();
    map
}

fn media(section: Section<'_>) -> MediaMap {
    let map = MediaMap {
        id: source(&section, "id"),
        url: source(&section, "url"),
        expires_at: source(&section, "expires_at"),
        seconds: source(&section, "seconds"),
        transcript: source(&section, "transcript"),
    };
    section.finish();
    map
}

fn lacks(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut lacks = BTreeMap::new();
    for (key, value) in section.entries() {
        let known = Capability::ALL.iter().any(|c| capability_name(*c) == key);
        let text = match value.get_ref() {
            DeValue::String(text) if (10..=300).contains(&text.len()) => Some(text.to_string()),
            _ => None,
        };
        match text {
            Some(text) if known => drop(lacks.insert(key.to_owned(), text)),
            Some(_) => {
                let names: Vec<_> = Capability::ALL
                    .iter()
                    .map(|c| capability_name(*c))
                    .collect();
                let problem = format!("is no capability; there are {}", names.join(", "));
                section.fault_at(&value.span(), key, problem);
            }
            None => section.fault_at(&value.span(), key, "must be a sentence: why it cannot"),
        }
    }
    lacks
}

/// A capability's name in files and the API.
pub(super) fn capability_name(capability: Capability) -> String {
    let value = serde_json::to_value(capability).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn settings(root: &Section<'_>) -> Vec<Setting> {
    let kinds = [
        ("text", FieldKind::Text),
        ("url", FieldKind::Url),
        ("secret", FieldKind::Secret),
        ("integer", FieldKind::Integer),
    ];
    let mut all: Vec<Setting> = Vec::new();
    for section in root
        .sections("setting")
        .into_iter()
        .take(MAX_ENTRIES.min(30))
    {
        let name = section.required("name", "\"api_url\"").unwrap_or_default();
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.bytes().all(word) || ["country", "webhook_secret"].contains(&name) {
            section.fault(
                "name",
                "must be small letters, digits and underscores, and not taken",
            );
        }
        if all.iter().any(|other| other.name == name) {
            section.fault("name", format!("is there twice: {name}"));
        }
        let kind = section.choice_or("kind", &kinds, FieldKind::Text);
        let label = section
            .required("label", "\"API address\"")
            .unwrap_or_default();
        let help = section.required("help", "\"Such as https://api.example.com.\"");
        all.push(Setting {
            name: name.to_owned(),
            label: label.to_owned(),
            help: help.unwrap_or_default().to_owned(),
            kind,
            required: section.flag("required"),
            default: section.text("default").map(str::to_owned),
        });
        section.finish();
    }
    all
}
