//! Events that something at the PBX posts to us as JSON: whole AMI events, or the few fields of
//! the predecessor's bridge (`Event`, `Uniqueid`, `Channel`, `CallerIDNum`, …) and its neutral
//! names (`event`, `callId`, `from`, `to`, …). ARI events as JSON need nothing from here.
//!
//! A whole AMI event, known by a channel's state in it, takes the way of all AMI events. The
//! predecessor's events say less: the channel's own number is then the customer's, on whatever
//! channel it stands, and there may be no time ([`UNDATED`]).

use std::fmt::Write as _;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::phone::{NumberKind, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Outcome, Party, Signal};
use switchhook_domain::time;
use switchhook_engine::adapter::DecodeError;

use super::ami::{self, Block};
use super::causes::{cause_of, reason_of};
use super::facts::{self, Setting};
use super::happening::{DialStage, RawCause};
use super::relay_extras;
use crate::UNDATED;

/// The most lines made of one body.
const MAX_LINES: usize = 512;
/// The longest id believed.
const MAX_ID: usize = 160;
/// The longest call believed, in seconds: a week.
const MAX_SECONDS: i64 = 7 * 86_400;

/// The body as lines of an AMI message, so that both are read in one way. Objects inside are
/// flattened by one level: `recording.url`; the variables of a channel keep their form.
pub(super) fn lines(body: &Map<String, Value>) -> String {
    let mut text = String::new();
    let mut count = 0;
    for (name, value) in body {
        match value {
            Value::Object(members) if name.contains("ChanVariable") => {
                for (variable, value) in members {
                    let value = format!("{variable}={}", plain(value));
                    line(&mut text, &mut count, name, &value);
                }
            }
            Value::Object(members) => {
                for (member, value) in members {
                    line(
                        &mut text,
                        &mut count,
                        &format!("{name}.{member}"),
                        &plain(value),
                    );
                }
            }
            Value::Array(items) => {
                for item in items {
                    line(&mut text, &mut count, name, &plain(item));
                }
            }
            single => line(&mut text, &mut count, name, &plain(single)),
        }
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn line(text: &mut String, count: &mut usize, name: &str, value: &str) {
    let unfit = |c: char| c == ':' || c.is_control();
    if *count >= MAX_LINES || name.is_empty() || name.contains(unfit) || value.is_empty() {
        return;
    }
    *count += 1;
    let value: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(text, "{name}: {value}");
}

/// What an event says, and its name.
pub(super) fn signals(
    block: &Block<'_>,
    setting: Setting<'_>,
) -> Result<(String, Vec<Signal>), DecodeError> {
    let event = first(block, &["Event", "event_type"]);
    let event = event.ok_or_else(|| DecodeError::field("event", "is missing"))?;
    let at = time_of(block, &["Timestamp", "time", "occurredAt"])?.unwrap_or(UNDATED);
    let mut told = if is_whole(block) {
        let happening = ami::happening(event, block)?;
        facts::signals(at, &happening, setting)
    } else {
        sparse(event, at, block, setting)?
    };
    let keys = told.iter().map(|signal| &signal.keys);
    let keys = keys.max_by_key(|keys| keys.len()).cloned();
    if let Some(keys) = keys.filter(|keys| !keys.is_empty()) {
        let facts = relay_extras::of_call(block)?;
        told.extend(facts.into_iter().map(|fact| Signal::call(at, &keys, fact)));
    }
    Ok((crate::json::label(event).chars().take(64).collect(), told))
}

/// True for an event as the manager sends it: every channel in it shows its state.
fn is_whole(block: &Block<'_>) -> bool {
    let prefixes = ["", "Dest", "Transferer", "OrigTransferer"];
    let shows = |prefix: &&str| block.get(&format!("{prefix}ChannelStateDesc")).is_some();
    prefixes.iter().any(shows)
}

/// The first of several fields that says something.
pub(super) fn first<'b>(block: &Block<'b>, names: &[&str]) -> Option<&'b str> {
    names.iter().find_map(|name| block.get(name))
}

/// The first of several times.
pub(super) fn time_of(block: &Block<'_>, names: &[&str]) -> Result<Option<Timestamp>, DecodeError> {
    let found = names
        .iter()
        .find_map(|name| block.get(name).map(|v| (name, v)));
    let Some((name, text)) = found else {
        return Ok(None);
    };
    let fault = || DecodeError::field(*name, "must be a time: epoch seconds, or RFC 3339");
    time::parse_lenient(text).map(Some).ok_or_else(fault)
}

/// An event of the predecessor's bridge.
struct Sparse<'a> {
    block: &'a Block<'a>,
    at: Timestamp,
    keys: Vec<String>,
    leg: String,
    told: Vec<Signal>,
}

fn sparse(
    event: &str,
    at: Timestamp,
    block: &Block<'_>,
    setting: Setting<'_>,
) -> Result<Vec<Signal>, DecodeError> {
    let event = event.to_ascii_lowercase();
    if matches!(
        event.as_str(),
        "devicestatechange" | "presence" | "presence_changed" | "agent_status"
    ) {
        return relay_extras::presence(at, block, setting.rules);
    }
    if !is_known(&event) {
        return Ok(Vec::new());
    }
    let leg = first(block, &["Uniqueid", "callId", "call_id"]);
    let leg = leg.ok_or_else(|| DecodeError::field("Uniqueid", "is missing"))?;
    let mut sparse = Sparse {
        block,
        at,
        keys: keys(leg, block)?,
        leg: leg.to_owned(),
        told: Vec::new(),
    };
    let kind = sparse.introduce(setting);
    sparse.happened(&event, kind)?;
    Ok(sparse.told)
}

/// The events that say something of a call, in lower case.
fn is_known(event: &str) -> bool {
    let known = [
        "newchannel",
        "newstate",
        "dialbegin",
        "dialstate",
        "dialend",
        "ringing",
        "ring",
        "bridgeenter",
        "answer",
        "answered",
        "connected",
        "hold",
        "held",
        "unhold",
        "resumed",
        "hangup",
        "channelhangup",
        "hanguprequest",
        "softhanguprequest",
        "ended",
        "completed",
        "missed",
        "no_answer",
        "abandoned",
        "rejected",
        "declined",
        "queuecallerjoin",
        "recording",
        "recording_ready",
        "voicemail",
    ];
    known.contains(&event)
}

/// Every name of the call. Without a linked id the bridge is what its channels have in common.
fn keys(leg: &str, block: &Block<'_>) -> Result<Vec<String>, DecodeError> {
    let linked = block.get("Linkedid");
    let named = [
        ("chan", Some(leg)),
        ("linked", linked),
        ("chan", block.get("DestUniqueid")),
        ("linked", block.get("DestLinkedid")),
        (
            "bridge",
            block.get("BridgeUniqueid").filter(|_| linked.is_none()),
        ),
    ];
    let mut keys: Vec<String> = Vec::new();
    for (kind, id) in named {
        let Some(id) = id else { continue };
        if id.len() > MAX_ID {
            return Err(DecodeError::field("Uniqueid", "is too long"));
        }
        let key = format!("{kind}:{id}");
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

impl Sparse<'_> {
    fn call(&mut self, fact: CallFact) {
        self.told.push(Signal::call(self.at, &self.keys, fact));
    }

    fn leg_at(&mut self, at: Timestamp, fact: LegFact) {
        self.told.push(Signal::leg(at, &self.keys, &self.leg, fact));
    }

    fn leg(&mut self, fact: LegFact) {
        self.leg_at(self.at, fact);
    }

    /// Who is on the leg, who is at the other end, and which way the call goes.
    fn introduce(&mut self, setting: Setting<'_>) -> LegKind {
        let channel = self.block.get("Channel");
        let kind = channel.map_or(LegKind::Agent, |name| setting.rules.kind_of(name));
        let number = |names: &[&str]| {
            first(self.block, names).map(|raw| PhoneNumber::parse(raw, setting.plan))
        };
        let from = number(&["CallerIDNum", "from", "from_number"]);
        let to = number(&["ConnectedLineNum", "to", "to_number"]);
        let is_public =
            |n: &Option<PhoneNumber>| n.as_ref().is_some_and(|n| n.kind == NumberKind::Public);
        let direction = match self.block.get("direction").map(str::to_ascii_lowercase) {
            Some(said) if said.starts_with("out") => Some(Direction::Outbound),
            Some(said) if said.starts_with("in") && said != "internal" => Some(Direction::Inbound),
            _ if kind != LegKind::Agent => None,
            _ if is_public(&from) => Some(Direction::Inbound),
            _ if is_public(&to) => Some(Direction::Outbound),
            _ => None,
        };
        let endpoint = channel.map(|name| super::channel::split_name(name).1);
        let extension = endpoint
            .filter(|_| kind == LegKind::Agent)
            .or_else(|| first(self.block, &["extension"]))
            .or_else(|| self.block.get("Exten").filter(|text| is_extension(text)));
        let party = match kind {
            LegKind::Agent => Party {
                extension: extension.map(str::to_owned),
                user_id: first(self.block, &["userId", "user_id"]).map(str::to_owned),
                ..Party::default()
            },
            LegKind::External => Party {
                number: from.clone(),
                ..Party::default()
            },
            LegKind::Routing | LegKind::Helper => Party::default(),
        };
        // An outside party's channel with its own number on it is the caller's.
        let origin = kind == LegKind::External || direction == Some(Direction::Outbound);
        self.leg(LegFact::Seen {
            kind,
            origin,
            party,
        });
        if kind == LegKind::Agent {
            let (remote, line) = match direction {
                Some(Direction::Outbound) => (to, from),
                _ => (from, to),
            };
            self.numbers(direction, remote, line);
        }
        kind
    }

    fn numbers(
        &mut self,
        direction: Option<Direction>,
        remote: Option<PhoneNumber>,
        line: Option<PhoneNumber>,
    ) {
        if let Some(direction) = direction {
            self.call(CallFact::Direction(direction));
        }
        if let Some(number) = remote.filter(|_| direction.is_some()) {
            self.call(CallFact::Remote(Party {
                number: Some(number),
                ..Party::default()
            }));
        }
        if let Some(number) = line.filter(|number| number.kind == NumberKind::Public) {
            self.call(CallFact::Line(number));
        }
    }

    fn happened(&mut self, event: &str, kind: LegKind) -> Result<(), DecodeError> {
        match event {
            "newchannel" | "newstate" | "dialbegin" | "ringing" | "ring" => {
                if kind == LegKind::Agent {
                    self.leg(LegFact::Rang);
                }
            }
            "dialend" | "dialstate" => self.dialled(),
            "bridgeenter" | "answer" | "answered" | "connected" => self.leg(LegFact::Answered),
            "hold" | "held" => self.leg(LegFact::Held),
            "unhold" | "resumed" => self.leg(LegFact::Resumed),
            "hangup" | "channelhangup" | "ended" | "completed" => self.over()?,
            "missed" | "no_answer" | "abandoned" => {
                self.leg(LegFact::Ended(Cause::reason(Reason::NoAnswer)));
                self.call(CallFact::Outcome(Outcome::Missed));
            }
            "rejected" | "declined" => {
                self.leg(LegFact::Ended(Cause::reason(Reason::Rejected)));
                self.call(CallFact::Outcome(Outcome::Rejected));
            }
            "voicemail" => self.call(relay_extras::voicemail(&self.leg, self.block)),
            _ => self.call(CallFact::Linked),
        }
        Ok(())
    }

    /// `DialEnd` comes when the attempt is decided, not when the call is over: an answer ends it
    /// too.
    fn dialled(&mut self) {
        let status = self.block.get("DialStatus").unwrap_or("PROGRESS");
        match DialStage::parse(&status.to_ascii_uppercase()) {
            DialStage::Answered => self.leg(LegFact::Answered),
            DialStage::Ringing => self.leg(LegFact::Rang),
            DialStage::Failed(failure) => {
                if let Some(reason) = reason_of(failure) {
                    self.leg(LegFact::Cause(Cause::reason(reason)));
                }
            }
            DialStage::Begun | DialStage::Underway => {}
        }
    }

    /// It is over, and as long as it says it has been talked.
    fn over(&mut self) -> Result<(), DecodeError> {
        let talked = seconds(self.block)?.filter(|seconds| *seconds > 0);
        let raw = RawCause {
            q850: self.block.get("Cause").and_then(|text| text.parse().ok()),
            sip: None,
        };
        let mut cause = cause_of(raw);
        if let Some(seconds) = talked {
            let back = SignedDuration::from_secs(seconds);
            let answered = self.at.checked_sub(back).unwrap_or(self.at);
            self.leg_at(answered, LegFact::Answered);
            cause.reason = cause.reason.or(Some(Reason::Normal));
        }
        self.leg(LegFact::Ended(cause));
        Ok(())
    }
}

fn is_extension(text: &str) -> bool {
    (2..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How long was talked: seconds, or `HH:MM:SS`.
fn seconds(block: &Block<'_>) -> Result<Option<i64>, DecodeError> {
    let Some(text) = block.get("Duration") else {
        return Ok(None);
    };
    let part = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let counted = text.split(':').try_fold((0_i64, 0), |(sum, parts), text| {
        (parts < 3).then_some((sum.checked_mul(60)?.checked_add(part(text)?)?, parts + 1))
    });
    let whole = || {
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
        let bounded = number.clamp(0.0, 1e9).round();
        format!("{bounded}").parse::<i64>().ok()
    };
    let found = counted.map(|(sum, _)| sum).or_else(whole);
    let problem = "must be seconds, or HH:MM:SS";
    let found = found.ok_or_else(|| DecodeError::field("Duration", problem))?;
    Ok(Some(found).filter(|seconds| (0..=MAX_SECONDS).contains(seconds)))
}
