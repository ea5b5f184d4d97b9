//! What a mapping file says, compiled. The keys are documented in `docs/guide/mapping.md`. Not
//! here: reading them from TOML ([`super::read`]), understanding events ([`super::decode`]).

use std::collections::BTreeMap;

use switchhook_domain::cause::{EndedBy, Reason};
use switchhook_domain::signal::{Direction, TransferKind};
use switchhook_engine::adapter::FieldKind;

use super::originate::OriginateMap;
use super::path::{Path, Source};
use super::signature::Signature;
use super::times::Unit;
use crate::flat::Word;

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
