//! One flow of a call of the second generation: caller, callee and times, as `flows[]` carries
//! them ("Webhooks", docs.wildix.com). A transfer or another try makes a further flow.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::DecodeError;

use super::cause::End;
use super::event::{Event, Participant, has_flag};
use crate::json::Fields;

/// One entry of `flows[]`.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    /// Its members.
    pub(super) fields: Fields<'a>,
    /// 0 for the flow the call began with.
    pub(super) index: i64,
    /// Who calls.
    pub(super) caller: Option<Participant<'a>>,
    /// Who is called; not known while the call still looks for somebody.
    pub(super) callee: Option<Participant<'a>>,
    /// What was dialled.
    pub(super) destination: Option<Cow<'a, str>>,
    /// The outside number, told apart from who is on which end.
    pub(super) remote_phone: Option<Cow<'a, str>>,
    /// `CONNECTING`, `TALKING`, `HOLD` while it lasts, in upper case.
    pub(super) status: String,
    /// `COMPLETED` or `MISSED` afterwards, in upper case.
    pub(super) outcome: String,
    /// Why it ended.
    pub(super) end: End,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// Milliseconds of ringing, of talk, of talk and hold together.
    connect_ms: i64,
    talk_ms: i64,
    since_answer_ms: i64,
    duration_ms: i64,
}

impl<'a> Flow<'a> {
    /// All flows of an event, in their order.
    pub(super) fn all(event: &Event<'a>) -> Result<Vec<Self>, DecodeError> {
        let mut flows = Vec::new();
        for item in event.data.list("flows") {
            let Value::Object(map) = item else {
                return Err(event.data.fault("flows", "must be a list of objects"));
            };
            flows.push(Self::read(Fields::at(map, "data.flows[]"))?);
        }
        flows.sort_by_key(|flow| flow.index);
        Ok(flows)
    }

    fn read(fields: Fields<'a>) -> Result<Self, DecodeError> {
        let ms = |name| Ok::<_, DecodeError>(fields.millis(name, 1.0)?.unwrap_or(0));
        let (connect_ms, talk_ms) = (ms("connectTime")?, ms("talkTime")?);
        let (wait_ms, queue_ms, hold_ms) = (ms("waitTime")?, ms("queueTime")?, ms("holdTime")?);
        let duration_ms = ms("duration")?;
        // duration = connect + wait + queue + talk + hold (history API); holds are left out of
        // some events, the duration is not.
        let rest = duration_ms - connect_ms - wait_ms - queue_ms;
        let upper = |name| fields.words(name).unwrap_or_default().to_ascii_uppercase();
        Ok(Self {
            fields,
            index: fields.millis("flowIndex", 1.0)?.unwrap_or(0),
            caller: Participant::read(&fields, "caller")?,
            callee: Participant::read(&fields, "callee")?,
            destination: fields.number("destination")?,
            remote_phone: fields.number("remotePhone")?,
            status: upper("status"),
            outcome: upper("callStatus"),
            end: End::read(&fields)?,
            started: fields.time("startTime")?,
            ended: fields.time("endTime")?,
            connect_ms,
            talk_ms,
            since_answer_ms: rest.max(talk_ms + hold_ms),
            duration_ms,
        })
    }

    /// True once somebody has talked.
    pub(super) fn has_talked(&self) -> bool {
        self.talk_ms > 0
    }

    /// True while somebody talks who was not on hold a moment before.
    pub(super) fn is_talking(&self) -> bool {
        self.has_talked() && self.status != "HOLD" && self.status != "CONNECTING"
    }

    /// On hold. A flow in which nobody has talked yet says `HOLD` too (the vendor's first
    /// example): that is a caller who waits.
    pub(super) fn is_held(&self) -> bool {
        self.has_talked() && self.status == "HOLD"
    }

    /// When it began.
    pub(super) fn began(&self, event: &Event<'_>) -> Result<Timestamp, DecodeError> {
        if let Some(started) = self.started {
            return Ok(started);
        }
        if self.index == 0
            && let Some(started) = event.data.time("start")?
        {
            return Ok(started.min(event.at));
        }
        Ok(before(event.at, self.duration_ms))
    }

    /// When it ended, as far as it says.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.ended
    }

    /// When it was answered: the time since is at the end of it, whatever came before.
    pub(super) fn answered(&self, at: Timestamp) -> Timestamp {
        before(self.ended.unwrap_or(at), self.since_answer_ms)
    }

    /// When it began to ring.
    pub(super) fn rang(&self, at: Timestamp) -> Timestamp {
        let until = if self.has_talked() {
            self.answered(at)
        } else {
            self.ended.unwrap_or(at)
        };
        before(until, self.connect_ms)
    }

    /// How the flow handed the call on, when it did.
    pub(super) fn transferred(&self) -> Option<String> {
        let reason = self.fields.words("splitReason")?.to_ascii_uppercase();
        let kind = self.fields.words("splitTransferType").unwrap_or_default();
        reason
            .contains("TRANSFER")
            .then(|| kind.to_ascii_uppercase())
    }

    /// True when it went to a mailbox.
    pub(super) fn reached_voicemail(&self) -> bool {
        has_flag(&self.fields, "voicemail")
    }
}

fn before(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_millis(ms))
        .unwrap_or(at)
}
