//! A payload of a mapped platform, read as its mapping says. Pure and bounded: paths are no
//! longer than they are written, batches are cut, texts are cut, and nothing is remembered.

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::cause::Cause;
use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Direction, Party, Signal, UNDATED};
use switchhook_engine::adapter::{Adoption, DecodeError, Decoded};

use super::path::{Scope, Source};
use super::schema::{Mapping, MediaMap, NumberForm, PartyMap};
use super::times;
use crate::flat::{self, Event, Times, Transfer, Word, form, web_address};
use crate::json::{id_of, label, prose};

/// The most items of a batch that are read.
const MAX_BATCH: usize = 100;
/// The longest event name kept for the log, in characters.
const MAX_EVENT_NAME: usize = 64;
/// The longest duration believed, in seconds: a year.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

/// Understands a payload.
pub(super) fn decode(
    mapping: &Mapping,
    payload: &[u8],
    plan: &NumberPlan,
) -> Result<Decoded, DecodeError> {
    let whole = match (&mapping.each, payload.trim_ascii_start().first()) {
        (Some(_), Some(b'[')) => serde_json::from_slice(payload)
            .map_err(|error| DecodeError::Syntax(error.to_string()))?,
        _ => Value::Object(form::object(payload)?),
    };
    let Some(each) = &mapping.each else {
        return one(mapping, plan, &whole, &whole);
    };
    let scope = Scope {
        whole: &whole,
        item: &whole,
    };
    let items = match each.find(scope) {
        Some(Value::Array(items)) => items.get(..MAX_BATCH).unwrap_or(items),
        Some(single) => std::slice::from_ref(single),
        None => return Err(DecodeError::field(each.as_str(), "is missing")),
    };
    let mut all = Decoded::default();
    for item in items {
        let decoded = one(mapping, plan, &whole, item)?;
        all.signals.extend(decoded.signals);
        all.adoption = all.adoption.or(decoded.adoption);
        if all.event.is_empty() {
            all.event = decoded.event;
        }
    }
    Ok(all)
}

fn one(
    mapping: &Mapping,
    plan: &NumberPlan,
    whole: &Value,
    item: &Value,
) -> Result<Decoded, DecodeError> {
    let reader = Reader {
        mapping,
        plan,
        scope: Scope { whole, item },
    };
    let (name, words) = reader.words()?;
    let mut decoded = Decoded {
        event: label(&name).chars().take(MAX_EVENT_NAME).collect(),
        ..Decoded::default()
    };
    let words: Vec<Word> = words
        .iter()
        .copied()
        .filter(|w| *w != Word::Ignored)
        .collect();
    let Some(first) = words.first() else {
        return Ok(decoded);
    };
    let mut event = reader.event(*first)?;
    decoded.adoption = reader.adoption(&event);
    for word in words {
        event.word = word;
        let told: Vec<Signal> = flat::signals(&event);
        decoded.signals.extend(told);
    }
    Ok(decoded)
}

struct Reader<'v> {
    mapping: &'v Mapping,
    plan: &'v NumberPlan,
    scope: Scope<'v>,
}

impl<'v> Reader<'v> {
    /// The text of a field, when it is mapped and says something.
    fn text(&self, source: Option<&'v Source>) -> Option<String> {
        let text = source?.text(self.scope)?;
        (!text.trim().is_empty()).then(|| text.into_owned())
    }

    fn label(&self, source: Option<&'v Source>) -> Option<String> {
        self.text(source).map(|text| label(&text))
    }

    /// The platform's name of the event, and our words for it; none for one that is not listed.
    fn words(&self) -> Result<(String, &'v [Word]), DecodeError> {
        let events = &self.mapping.events;
        let missing = |source: Option<&Source>| {
            DecodeError::field(source.map_or("event", Source::as_str), "is missing")
        };
        let name = self.text(events.path.as_ref());
        let name = name.ok_or_else(|| missing(events.path.as_ref()))?;
        let both = self
            .text(events.and.as_ref())
            .map(|and| format!("{name}/{and}"));
        let found = both.as_ref().and_then(|both| events.map.get(both));
        let words = found.or_else(|| events.map.get(&name));
        Ok((name, words.map_or(&[], Vec::as_slice)))
    }

    fn id(&self, source: Option<&'v Source>) -> Result<Option<String>, DecodeError> {
        let Some(text) = self.text(source) else {
            return Ok(None);
        };
        let field = source.map_or("id", Source::as_str);
        let value = Value::String(text);
        let id = id_of(&value).map_err(|problem| DecodeError::field(field, problem))?;
        Ok(id.map(std::borrow::Cow::into_owned))
    }

    fn event(&self, word: Word) -> Result<Event, DecodeError> {
        let mapping = self.mapping;
        let id = self.id(mapping.call.id.as_ref())?;
        let id = id.ok_or_else(|| {
            let source = mapping.call.id.as_ref();
            DecodeError::field(source.map_or("id", Source::as_str), "is missing")
        })?;
        let at = self.time(mapping.times.at.as_ref())?.unwrap_or(UNDATED);
        let mut event = Event::new(word, at, id);
        for key in &mapping.call.keys {
            event.keys.extend(self.id(Some(key))?);
        }
        event.direction = self.direction();
        (event.from, event.to) = self.numbers(event.direction);
        event.remote_name = self.label(mapping.call.name.as_ref());
        event.queue = self.label(mapping.call.queue.as_ref());
        event.agent = self.party(&mapping.agent);
        event.leg = self.label(mapping.leg.as_ref());
        event.transfer = Transfer {
            to: self.label(mapping.transfer.to.as_ref()),
            kind: mapping.transfer.kind,
            from: self.party(&mapping.transfer.from),
            agent: self.party(&mapping.transfer.agent),
        };
        event.times = Times {
            started: self.time(mapping.times.started.as_ref())?,
            rang: self.time(mapping.times.rang.as_ref())?,
            answered: self.time(mapping.times.answered.as_ref())?,
            ended: self.time(mapping.times.ended.as_ref())?,
        };
        let cause = self.text(mapping.end.cause.as_ref());
        let cause = cause.and_then(|text| mapping.end.causes.get(&text).copied());
        event.cause = cause.map(Cause::reason).unwrap_or_default();
        let by = self.text(mapping.end.by.as_ref());
        event.by = by.and_then(|text| mapping.end.parties.get(&text).copied());
        event.talk_ms = self.millis(mapping.end.talk_seconds.as_ref());
        event.recording = self.recording(&mapping.recording)?;
        event.voicemail = self.voicemail(&mapping.voicemail)?;
        Ok(event)
    }

    fn time(&self, source: Option<&'v Source>) -> Result<Option<Timestamp>, DecodeError> {
        let Some(text) = self.text(source).filter(|text| !times::is_none(text)) else {
            return Ok(None);
        };
        let unit = &self.mapping.times.unit;
        let field = source.map_or("at", Source::as_str);
        let read = unit.read(&text).map(Some);
        read.ok_or_else(|| DecodeError::field(field, unit.expected()))
    }

    fn direction(&self) -> Option<Direction> {
        let map = &self.mapping.direction;
        let text = self.text(map.path.as_ref());
        let text = text.map(|text| text.to_lowercase());
        let listed = text.as_ref().and_then(|text| map.map.get(text).copied());
        let usual = || match map.map.is_empty() {
            true => text.as_deref().and_then(flat::direction),
            false => None,
        };
        listed.or_else(usual).or(map.otherwise)
    }

    /// Who calls and who is called. An inbound call whose caller is mapped and says nothing was
    /// made without showing a number.
    fn numbers(&self, direction: Option<Direction>) -> (Option<PhoneNumber>, Option<PhoneNumber>) {
        let map = &self.mapping.numbers;
        let outbound = direction == Some(Direction::Outbound);
        let (remote, line) = (map.remote.as_ref(), map.line.as_ref());
        let sides = if outbound {
            (line, remote)
        } else {
            (remote, line)
        };
        let from = sides.0.or(map.from.as_ref());
        let to = sides.1.or(map.to.as_ref());
        let read = |source| self.number(source);
        let (caller, called) = (read(from), read(to));
        let caller = match from {
            Some(_) => flat::withheld_when_empty(caller, direction),
            None => caller,
        };
        (caller, called)
    }

    fn number(&self, source: Option<&'v Source>) -> Option<PhoneNumber> {
        let map = &self.mapping.numbers;
        let text = self.text(source)?;
        if map.withheld.contains(&text.to_lowercase()) {
            return Some(PhoneNumber::withheld());
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let international = (8..=15).contains(&text.len()) && !text.starts_with('0');
        let plus = map.form == NumberForm::Digits && digits && international;
        let text = if plus { format!("+{text}") } else { text };
        Some(PhoneNumber::parse(&text, self.plan))
    }

    fn party(&self, map: &'v PartyMap) -> Party {
        Party {
            number: None,
            name: self.label(map.name.as_ref()),
            extension: self.label(map.extension.as_ref()),
            user_id: self.label(map.user_id.as_ref()),
            email: self.label(map.email.as_ref()),
        }
    }

    /// Seconds, or `h:mm:ss`; what cannot be is as good as none.
    fn millis(&self, source: Option<&'v Source>) -> Option<i64> {
        let text = self.text(source)?;
        let parts: Option<Vec<f64>> = text.split(':').map(|p| p.trim().parse().ok()).collect();
        let parts = parts.filter(|parts| parts.len() <= 3)?;
        let seconds = parts.iter().fold(0.0, |sum, part| sum * 60.0 + part);
        if !(0.0..=MAX_SECONDS).contains(&seconds) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded to a year above")]
        Some((seconds * 1_000.0).round() as i64)
    }

    fn media(&self, map: &'v MediaMap) -> Result<Option<(String, Option<String>)>, DecodeError> {
        let url = self.text(map.url.as_ref());
        let url = url.as_deref().and_then(web_address).map(str::to_owned);
        if url.is_none() && map.url.is_some() {
            // An id without a link says nothing that the event itself does not say.
            return Ok(None);
        }
        let id = self.id(map.id.as_ref())?.or_else(|| url.clone());
        Ok(id.map(|id| (id, url)))
    }

    fn recording(&self, map: &'v MediaMap) -> Result<Option<(String, Recording)>, DecodeError> {
        let Some((id, url)) = self.media(map)? else {
            return Ok(None);
        };
        let recording = Recording {
            state: match url {
                Some(_) => RecordingState::Available,
                None => RecordingState::Pending,
            },
            url,
            expires_at: self.time(map.expires_at.as_ref())?,
            duration_ms: self.millis(map.seconds.as_ref()),
            ..Recording::default()
        };
        Ok(Some((id, recording)))
    }

    fn voicemail(&self, map: &'v MediaMap) -> Result<Option<(String, Voicemail)>, DecodeError> {
        let Some((id, url)) = self.media(map)? else {
            return Ok(None);
        };
        let voicemail = Voicemail {
            url,
            transcript: self.text(map.transcript.as_ref()).map(|text| prose(&text)),
            duration_ms: self.millis(map.seconds.as_ref()),
            left_at: None,
        };
        Ok(Some((id, voicemail)))
    }

    /// A platform that dials for us and carries nothing of ours back: its outbound calls may be
    /// ones we asked for.
    fn adoption(&self, event: &Event) -> Option<Adoption> {
        self.mapping.originate.as_ref()?;
        if event.direction != Some(Direction::Outbound) {
            return None;
        }
        let dialled = event.to.as_ref()?.canonical()?.to_owned();
        Some(Adoption {
            dialled,
            extension: event.agent.extension.clone(),
            user_id: event.agent.user_id.clone(),
        })
    }
}
