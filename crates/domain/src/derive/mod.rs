//! What the facts mean: the pure step from [`Facts`] to the call record.
//!
//! The rules, in the order in which they are asked:
//! 1. **Legs.** Technical half-legs are hidden. *People* are legs of agents and of outside
//!    parties; *routing* legs (queues, menus, mailboxes) never answer for a person.
//! 2. **Direction**: as stated, else by the leg that began the conversation.
//! 3. **Answered**: inbound and outbound when one of ours and the outside party have both picked
//!    up, at the later of the two times; on platforms without a leg for the outside party, when
//!    one of ours picked up. A trunk that the PBX answered to play music is not an answer.
//! 4. **Over**: as stated; or when every person's leg has ended. A leg that ended because the
//!    call moved on waits for its successor. An unanswered call that still waits in a queue is
//!    over only after a quiet while ([`Derived::soft_end`]).
//! 5. **Status** follows from the two, and never goes back once it was terminal.

use crate::Timestamp;
use crate::call::{Call, ContactView, RecordingView, VoicemailView};
use crate::facts::Facts;
use crate::id::{CallId, ConnectionId};
use crate::media::RecordingState;
use crate::time::seconds_between;

mod ending;
mod holds;
mod parties;
mod reading;

use reading::Reading;

/// What is known about a call apart from its facts.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Our id.
    pub id: CallId,
    /// The platform.
    pub platform: &'a str,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The country whose national form the display numbers take.
    pub country: &'a str,
    /// When we first stored it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The contact found for the outside party.
    pub contact: Option<&'a ContactView>,
    /// True once the status has been terminal.
    pub was_terminal: bool,
    /// The call this one became part of.
    pub merged_into: Option<CallId>,
}

/// The record and what only the engine needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The record.
    pub call: Call,
    /// True when it is a conversation somebody should see, and not a fragment that waits to be
    /// joined to one.
    pub visible: bool,
    /// True when nobody is left to answer but the platform has not said that it is over; a quiet
    /// while settles it.
    pub soft_end: bool,
}

/// Derives the record.
#[must_use]
pub fn derive(facts: &Facts, frame: &Frame<'_>) -> Derived {
    let reading = Reading::new(facts);
    let over = reading.is_over();
    let soft_end = !over && reading.is_soft_end();
    let voicemail = reading.is_voicemail();
    let terminal = over || voicemail || frame.was_terminal || frame.merged_into.is_some();
    let ended_at = (over || frame.was_terminal)
        .then(|| reading.ended_at())
        .flatten();
    let holds = reading.holds(ended_at);
    let status = reading.status(terminal, voicemail, ended_at, &holds);
    let (end_cause, hangup_cause) = reading.cause(status);
    let (from, to) = reading.sides();
    let rang_at = reading.rang_at();
    let recordings = recordings(facts);
    let call = Call {
        id: frame.id,
        platform: frame.platform.to_owned(),
        connection_id: frame.connection_id,
        external_call_id: reading.external_call_id(),
        dialpad_call_id: None,
        dialpad_user_id: None,
        direction: reading.direction,
        status,
        from_number: from.and_then(parties::canonical),
        to_number: to.and_then(parties::canonical),
        from: from.map(|p| reading.named(p.view(frame.country))),
        to: to.map(|p| reading.named(p.view(frame.country))),
        agent: reading.agent(status),
        queue: facts.queue.as_ref().map(|q| q.value.clone()),
        contact: frame.contact.cloned(),
        contact_moment: None,
        started_at: reading.started_at(),
        rang_at,
        answered_at: reading.answered_at,
        ended_at,
        created_at: frame.created_at,
        updated_at: frame.updated_at,
        ring_seconds: reading.ring_seconds(rang_at, ended_at),
        duration_seconds: duration_seconds(reading.answered_at, ended_at),
        hold_seconds: holds::hold_seconds(facts, &holds, frame.updated_at),
        end_cause: status.is_terminal().then_some(end_cause).flatten(),
        hangup_cause: status.is_terminal().then_some(hangup_cause).flatten(),
        ended_by: (ended_at.is_some())
            .then(|| reading.ended_by(status))
            .flatten(),
        recording_url: recordings
            .iter()
            .find(|r| r.state == RecordingState::Available)
            .and_then(|r| r.url.clone()),
        recordings,
        voicemail: voicemail_view(facts),
        transcript: facts.transcript.clone(),
        holds,
        transfers: reading.transfers(),
        legs: reading.legs(),
        // What is not known of a call that became part of another is said there.
        missing: if frame.merged_into.is_some() {
            Vec::new()
        } else {
            reading.missing(status, soft_end)
        },
        merged_into: frame.merged_into,
    };
    let call = with_inherited_names(call);
    Derived {
        visible: reading.is_visible(),
        soft_end,
        call,
    }
}

/// The predecessor's names of two members, for the platform it knew.
fn with_inherited_names(mut call: Call) -> Call {
    if call.platform == "dialpad" {
        call.dialpad_call_id = Some(call.external_call_id.clone());
        call.dialpad_user_id = call.agent.as_ref().and_then(|a| a.user_id.clone());
    }
    call
}

fn duration_seconds(answered_at: Option<Timestamp>, ended_at: Option<Timestamp>) -> Option<i64> {
    let ended_at = ended_at?;
    Some(answered_at.map_or(0, |answered_at| seconds_between(answered_at, ended_at)))
}

fn recordings(facts: &Facts) -> Vec<RecordingView> {
    let mut all: Vec<RecordingView> = facts
        .recordings
        .iter()
        .map(|(id, r)| RecordingView {
            id: id.clone(),
            url: r.url.clone(),
            state: r.standing(),
            started_at: r.started_at,
            expires_at: r.expiry(),
            duration_seconds: r.duration_ms.map(|ms| (ms + 500) / 1000),
        })
        .collect();
    all.sort_by(|a, b| {
        a.started_at
            .cmp(&b.started_at)
            .then_with(|| a.id.cmp(&b.id))
    });
    all
}

fn voicemail_view(facts: &Facts) -> Option<VoicemailView> {
    let (id, v) = facts
        .voicemails
        .iter()
        .min_by_key(|(id, v)| (v.left_at, *id))?;
    Some(VoicemailView {
        id: id.clone(),
        url: v.url.clone(),
        transcript: v.transcript.clone(),
        duration_seconds: v.duration_ms.map(|ms| (ms + 500) / 1000),
    })
}
