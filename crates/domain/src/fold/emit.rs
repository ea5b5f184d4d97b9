//! Which events a changed call gives, and what they carry.

use super::{Call, CallState, Derived, EventDraft, LegKind, LegView, Stage, Status};
use crate::Timestamp;
use crate::call::AgentView;
use crate::contact::{Match, PopAction};
use crate::dial::DialCause;
use crate::event::EventType;
use crate::id::{CallId, DialId};
use crate::media::RecordingState;
use crate::moment::{Author, MomentStatus, MomentView};
use crate::signal::Direction;

use serde::Serialize;
use serde_json::value::RawValue;

/// What marks of contact moments begin with.
pub(super) const MOMENT_MARK: &str = "moment";

/// Serialises a payload. A value that cannot be serialised gives `{}`: the records hold nothing
/// that can fail, and losing an event's payload is better than losing the event.
pub(super) fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value)
        .unwrap_or_else(|_| RawValue::from_string("{}".to_owned()).unwrap_or_default())
}

#[derive(Serialize)]
struct CallData<'a> {
    call: &'a Call,
}

#[derive(Serialize)]
struct DialData<'a> {
    dial: FailedDial<'a>,
    call: &'a Call,
}

#[derive(Serialize)]
struct FailedDial<'a> {
    id: DialId,
    call_id: CallId,
    target: Option<&'a str>,
    agent: Option<AgentView>,
    cause: DialCause,
    detail: &'a str,
}

#[derive(Serialize)]
struct PopData<'a> {
    call: &'a Call,
    action: PopAction,
    agent: Option<AgentView>,
    leg: &'a str,
    matches: &'a [Match],
    total: usize,
}

#[derive(Serialize)]
struct MomentData<'a> {
    contact_moment: &'a MomentView,
    call: &'a Call,
}

#[derive(Serialize)]
struct PopClosedData<'a> {
    call: &'a Call,
    agent: Option<AgentView>,
    leg: &'a str,
    reason: &'static str,
}

struct Emitter<'a> {
    state: &'a mut CallState,
    call: &'a Call,
    events: Vec<EventDraft>,
}

/// The events of one changed call; what was told is noted in `state`.
pub(super) fn events(
    state: &mut CallState,
    before: Option<&Derived>,
    after: &Derived,
) -> Vec<EventDraft> {
    // A call that became part of another is told to be over, so that nobody waits for it.
    if !after.visible && state.merged_into.is_none() {
        return Vec::new();
    }
    let mut emitter = Emitter {
        state,
        call: &after.call,
        events: Vec::new(),
    };
    emitter.dial_failures();
    emitter.stage();
    emitter.hold();
    emitter.transfers();
    emitter.pops();
    emitter.media();
    emitter.finalized(before);
    emitter.updated(before);
    emitter.requested(before);
    emitter.moment(before);
    emitter.events
}

impl Emitter<'_> {
    fn push(&mut self, kind: EventType, at: Option<Timestamp>) {
        let data = raw(&CallData { call: self.call });
        self.push_data(kind, at, data);
    }

    fn push_data(&mut self, kind: EventType, at: Option<Timestamp>, data: Box<RawValue>) {
        let at = at
            .or(self.state.facts.last_at)
            .unwrap_or(self.state.updated_at);
        self.events.push(EventDraft {
            kind,
            call_id: Some(self.call.id),
            at,
            data,
        });
    }

    /// True the first time it is asked for this mark.
    fn first(&mut self, mark: String) -> bool {
        self.state.told.marks.insert(mark)
    }

    /// A call that was asked for and came to nothing, once for each request.
    fn dial_failures(&mut self) {
        for failure in self.state.facts.dial_failures.clone() {
            if !self.first(format!("dial-failed:{}", failure.dial)) {
                continue;
            }
            let requested = self.state.facts.requested.as_ref();
            let data = raw(&DialData {
                dial: FailedDial {
                    id: failure.dial,
                    call_id: self.call.id,
                    target: requested.and_then(|r| r.target.canonical()),
                    agent: requested.map(|r| {
                        let mut view = r.agent.view();
                        self.state.name_agent(&mut view);
                        view
                    }),
                    cause: failure.cause,
                    detail: &failure.detail,
                },
                call: self.call,
            });
            self.push_data(EventType::DialFailed, Some(failure.at), data);
        }
    }

    /// A call that was asked for is there before anything rings: listeners hear of it at once.
    fn requested(&mut self, before: Option<&Derived>) {
        let is_new = before.is_none_or(|before| !before.visible);
        let asked = self.state.facts.requested.is_some();
        if is_new && asked && self.events.is_empty() && self.first("requested".to_owned()) {
            self.push(EventType::CallUpdated, None);
        }
    }

    fn stage(&mut self) {
        let call = self.call;
        let (stage, kind, at) = if call.status.is_terminal() {
            let kind = match call.status {
                Status::Rejected => EventType::CallRejected,
                Status::Missed | Status::Voicemail => EventType::CallMissed,
                Status::Ended | Status::Ringing | Status::Active | Status::Held => {
                    EventType::CallEnded
                }
            };
            (Stage::Over, kind, call.ended_at)
        } else if call.answered_at.is_some() {
            (Stage::Started, EventType::CallStarted, call.answered_at)
        } else if call.rang_at.is_some() {
            (Stage::Ringing, EventType::CallRing, call.rang_at)
        } else {
            return;
        };
        if stage > self.state.told.stage {
            self.state.told.stage = stage;
            self.push(kind, at);
        }
    }

    fn hold(&mut self) {
        if self.state.told.stage != Stage::Started {
            return;
        }
        let last = self.call.holds.last();
        if self.call.status == Status::Held && !self.state.told.held {
            self.state.told.held = true;
            self.push(EventType::CallHeld, last.map(|hold| hold.from));
        } else if self.call.status == Status::Active && self.state.told.held {
            self.state.told.held = false;
            self.push(EventType::CallResumed, last.and_then(|hold| hold.to));
        }
    }

    fn transfers(&mut self) {
        if self.state.told.stage == Stage::Nothing {
            return;
        }
        for transfer in &self.call.transfers {
            let news = self.first(format!("transfer:{}", transfer.at));
            if news && self.state.told.stage < Stage::Over {
                self.push(EventType::CallTransferred, Some(transfer.at));
            }
        }
    }

    /// Opens a pop for every device of ours that rings on an inbound call, and closes those that
    /// are no longer wanted.
    fn pops(&mut self) {
        let call = self.call;
        let ringing = call.status == Status::Ringing
            && self.state.told.stage == Stage::Ringing
            && call.direction == Some(Direction::Inbound);
        let rung: Vec<&LegView> = {
            let rings = |leg: &&LegView| leg.rang_at.is_some() && leg.ended_at.is_none();
            let agents = call
                .legs
                .iter()
                .filter(|l| l.kind == LegKind::Agent)
                .filter(rings);
            let agents: Vec<_> = agents.collect();
            if agents.is_empty() {
                let routing = call.legs.iter().filter(|l| l.kind == LegKind::Routing);
                routing.filter(rings).collect()
            } else {
                agents
            }
        };
        if ringing {
            for leg in rung {
                if self.first(format!("pop:{}", leg.id)) {
                    let data = raw(&PopData {
                        call,
                        action: self.state.matches.action(),
                        agent: agent(self.state, leg),
                        leg: &leg.id,
                        matches: &self.state.matches.best,
                        total: self.state.matches.total,
                    });
                    self.push_data(EventType::ScreenPopOpened, leg.rang_at, data);
                }
            }
        }
        let over = self.state.told.stage >= Stage::Started;
        for leg in &call.legs {
            let opened = self.state.told.marks.contains(&format!("pop:{}", leg.id));
            if !opened || !(over || leg.ended_at.is_some()) {
                continue;
            }
            if self.first(format!("pop-closed:{}", leg.id)) && leg.answered_at.is_none() {
                let reason = if call.answered_at.is_some() {
                    "answered_elsewhere"
                } else {
                    "ended"
                };
                let data = raw(&PopClosedData {
                    call,
                    agent: agent(self.state, leg),
                    leg: &leg.id,
                    reason,
                });
                let at = leg.ended_at.or(call.answered_at);
                self.push_data(EventType::ScreenPopClosed, at, data);
            }
        }
    }

    fn media(&mut self) {
        for recording in &self.call.recordings {
            let available = recording.state == RecordingState::Available;
            if available && self.first(format!("recording:{}", recording.id)) {
                self.push(EventType::RecordingAvailable, None);
            }
        }
        let left: Vec<_> = self
            .state
            .facts
            .voicemails
            .iter()
            .map(|(id, v)| (id.clone(), v.left_at))
            .collect();
        for (id, at) in left {
            if self.first(format!("voicemail:{id}")) {
                self.push(EventType::VoicemailReceived, at);
            }
        }
    }

    fn finalized(&mut self, before: Option<&Derived>) {
        let asked = self.state.told.finalized && self.call.status.is_terminal();
        if asked && before.is_some() && self.first("final".to_owned()) {
            self.push(EventType::CallFinalized, None);
        }
    }

    /// That a contact moment was opened and that it was completed, once each: by the call, where
    /// nobody need say anything, and by whoever says it all the same, who may come later. What is
    /// corrected afterwards is a change of the record; what is only being written is not told at
    /// all.
    fn moment(&mut self, before: Option<&Derived>) {
        let call = self.call;
        let Some(moment) = &call.contact_moment else {
            return;
        };
        let at = self.state.updated_at;
        let mut told = false;
        if self.first(MOMENT_MARK.to_owned()) {
            let opened = call.started_at.unwrap_or(at);
            self.push_moment(EventType::ContactMomentOpened, moment, opened);
            told = true;
        }
        let completed = moment.status == MomentStatus::Completed;
        let by_call = moment.completed_by.as_ref() == Some(&Author::SYSTEM);
        let mark = if by_call { "completed" } else { "disposed" };
        if completed && self.first(format!("{MOMENT_MARK}-{mark}")) {
            let at = moment.completed_at.unwrap_or(at);
            self.push_moment(EventType::ContactMomentCompleted, moment, at);
            return;
        }
        let was = before.and_then(|before| before.call.contact_moment.as_ref());
        let said = |moment: &MomentView| {
            let done = moment.status == MomentStatus::Completed;
            done.then(|| {
                let (subject, outcome) = (moment.subject.clone(), moment.outcome.clone());
                (subject, outcome, moment.notes.clone(), moment.task_id)
            })
        };
        let corrected = was.is_some_and(|was| said(was) != said(moment));
        if corrected && !told && self.events.is_empty() {
            self.push(EventType::CallUpdated, Some(at));
        }
    }

    fn push_moment(&mut self, kind: EventType, moment: &MomentView, at: Timestamp) {
        let data = raw(&MomentData {
            contact_moment: moment,
            call: self.call,
        });
        self.push_data(kind, Some(at), data);
    }

    fn updated(&mut self, before: Option<&Derived>) {
        let Some(before) = before.filter(|before| before.visible) else {
            return;
        };
        if self.events.is_empty() && significant(&before.call) != significant(self.call) {
            self.push(EventType::CallUpdated, None);
        }
    }
}

fn agent(state: &CallState, leg: &LegView) -> Option<AgentView> {
    let facts = state.facts.legs.get(&leg.id)?;
    (leg.kind == LegKind::Agent).then(|| {
        let mut view = facts.party.view();
        state.name_agent(&mut view);
        view
    })
}

/// What a subscriber would miss if it were not told. Legs of others than agents, and the exact
/// times within legs, follow from the rest of the record and change with every notification.
fn significant(call: &Call) -> Call {
    let mark = |at: Option<Timestamp>| at.map(|_| Timestamp::UNIX_EPOCH);
    let mut call = call.clone();
    call.updated_at = Timestamp::UNIX_EPOCH;
    call.hold_seconds = 0;
    call.contact_moment = None;
    call.legs.retain(|leg| leg.kind == LegKind::Agent);
    for leg in &mut call.legs {
        leg.started_at = None;
        leg.rang_at = mark(leg.rang_at);
        leg.answered_at = None;
        leg.ended_at = mark(leg.ended_at);
        leg.end_cause = None;
        leg.hangup_cause = None;
    }
    call
}
