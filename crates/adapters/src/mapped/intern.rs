//! Specs of mapped platforms live as long as the process: the contract gives them out by
//! `&'static` reference. So each distinct file is compiled into such a spec once, however often
//! it is read, and their number is bounded: [`MAX_FILES`] files of at most 64 KiB, whose specs
//! are a small part of them; a few MB at the very most, and only an operator can add any.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use switchhook_engine::adapter::{AdapterSpec, Capability, ConfigField, FieldKind, Transport};

use super::Mapped;
use super::read::capability_name;
use super::schema::Mapping;

/// The most distinct mapping files of one process.
const MAX_FILES: usize = 500;

static KNOWN: LazyLock<Mutex<BTreeMap<[u8; 32], Mapped>>> = LazyLock::new(Mutex::default);

/// The adapter made of this very text before.
pub(super) fn known(text: &str) -> Option<Mapped> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(&digest(text)).cloned()
}

/// Keeps an adapter for its text; `None` when there are too many.
pub(super) fn keep(text: &str, mapping: Mapping) -> Option<Mapped> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mapped) = known.get(&digest(text)) {
        return Some(mapped.clone());
    }
    if known.len() >= MAX_FILES {
        return None;
    }
    let mapped = Mapped::new(mapping);
    known.insert(digest(text), mapped.clone());
    Some(mapped)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// A text that lives as long as the process; see the bound above.
pub(super) fn text(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The spec of a mapping; leaked, see the bound above.
pub(super) fn spec(mapping: &Mapping) -> &'static AdapterSpec {
    let config: Vec<ConfigField> = mapping
        .settings
        .iter()
        .map(|setting| ConfigField {
            name: text(&setting.name),
            label: text(&setting.label),
            help: text(&setting.help),
            kind: match setting.kind {
                FieldKind::Choice(_) => FieldKind::Text,
                kind => kind,
            },
            required: setting.required,
            default: setting.default.as_deref().map(text),
        })
        .collect();
    let has = |capability: &Capability| reports(mapping, *capability);
    let able: Vec<Capability> = Capability::ALL.into_iter().filter(has).collect();
    let lacks: Vec<(Capability, &'static str)> = Capability::ALL
        .into_iter()
        .filter(|capability| !able.contains(capability))
        .map(|capability| (capability, why_not(mapping, capability)))
        .collect();
    Box::leak(Box::new(AdapterSpec {
        platform: text(&mapping.platform),
        title: text(&mapping.title),
        summary: text(&mapping.summary),
        config: Box::leak(config.into_boxed_slice()),
        capabilities: Box::leak(able.into_boxed_slice()),
        lacks: Box::leak(lacks.into_boxed_slice()),
        transports: &[Transport::Webhook],
        bad_signature_status: 401,
    }))
}

fn reports(mapping: &Mapping, capability: Capability) -> bool {
    let mut words = mapping.events.map.values().flatten();
    let by_word = words.any(|word| word.capability() == Some(capability));
    by_word
        || match capability {
            Capability::Originate => mapping.originate.is_some(),
            Capability::Queue => mapping.call.queue.is_some(),
            Capability::Recording => mapping.recording.url.is_some(),
            Capability::Voicemail => mapping.voicemail.url.is_some(),
            Capability::Answered => mapping.times.answered.is_some(),
            _ => false,
        }
}

fn why_not(mapping: &Mapping, capability: Capability) -> &'static str {
    if let Some(why) = mapping.lacks.get(&capability_name(capability)) {
        return text(why);
    }
    if capability == Capability::ListUsers {
        "A mapped platform cannot be asked for its users; map them by hand or by e-mail."
    } else if capability.is_command() {
        "The platform's mapping file has no request for this."
    } else {
        "The platform's mapping file has no event for this."
    }
}
