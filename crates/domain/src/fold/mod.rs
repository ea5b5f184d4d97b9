//! The fold: signals and the calls they touch in, changed calls and new events out.
//!
//! [`needs`] says what a batch of signals has to be folded against. The store loads it under its
//! lock, hands it to a [`Fold`], feeds the signals, and writes what [`Fold::finish`] returns, all
//! in one transaction. Nothing here waits, reads a clock or fails.
//!
//! Events are emitted when the derived record moves forward: never twice, never backwards. A call
//! that was told to be over is never told to ring or to be answered afterwards; what is learnt
//! late is told by `call.updated`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::Timestamp;
use crate::agent::Roster;
use crate::call::{Call, ContactView, LegView, Status};
use crate::contact::Matches;
use crate::derive::Derived;
use crate::event::EventDraft;
use crate::facts::Facts;
use crate::id::{CallId, ConnectionId, IdMint};
use crate::moment::{CallDeed, Deed, DeedError, Moment};
use crate::phone::PhoneNumber;
use crate::signal::{CallFact, Direction, Fact, LegFact, LegKind, Signal};

use emit::MOMENT_MARK;

mod beside;
mod emit;
mod state;

pub use state::{CallState, MessageState, PresenceState, Stage, Told, presence_key};

/// How long a call may stay open without a sign of life before the reaper gives it up.
pub const LOST_AFTER: SignedDuration = SignedDuration::from_hours(4);
/// How long an unanswered call whose devices have all stopped may still ring somewhere else.
pub const QUIET_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How long a call of which the platform tells only once stays open.
pub const UNTOLD_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// How long after its end a call may still change before it is called final.
pub const FINAL_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What a batch of signals has to be folded against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Calls that carry any of these keys.
    pub keys: BTreeSet<String>,
    /// All calls of the connection that are not over.
    pub open_calls: bool,
    /// Messages by the platform's id.
    pub messages: BTreeSet<String>,
    /// Presence by [`presence_key`].
    pub presence: BTreeSet<String>,
    /// E.164 numbers the directory may be asked for.
    pub numbers: BTreeSet<String>,
}

/// What a batch of signals has to be folded against.
#[must_use]
pub fn needs(signals: &[Signal]) -> Needs {
    let mut needs = Needs::default();
    for signal in signals {
        needs.keys.extend(signal.keys.iter().cloned());
        match &signal.fact {
            Fact::Snapshot { .. } => needs.open_calls = true,
            Fact::Message(message) => {
                needs.messages.insert(message.external_id.clone());
            }
            Fact::Presence(report) => needs.presence.extend(presence_key(report)),
            Fact::Call(CallFact::Remote(party))
            | Fact::Leg {
                fact: LegFact::Party(party) | LegFact::Seen { party, .. },
                ..
            } => {
                needs
                    .numbers
                    .extend(party.number.as_ref().and_then(|n| n.e164.clone()));
            }
            Fact::Call(CallFact::Dialled(number) | CallFact::Requested { target: number, .. }) => {
                needs.numbers.extend(number.e164.clone());
            }
            Fact::Call(_) | Fact::Leg { .. } => {}
        }
    }
    needs
}

/// What the store found for [`Needs`].
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Calls, each once.
    pub calls: Vec<CallState>,
    /// Messages by the platform's id.
    pub messages: BTreeMap<String, MessageState>,
    /// Presence by key.
    pub presence: BTreeMap<String, PresenceState>,
}

/// Finds contacts. Storage asks its index; a look-up never fails, it finds nothing.
pub trait Directory {
    /// Who has this number.
    fn find(&self, number: &PhoneNumber) -> Matches;
}

/// A directory with nobody in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyDirectory;

impl Directory for EmptyDirectory {
    fn find(&self, _number: &PhoneNumber) -> Matches {
        Matches::default()
    }
}

/// What a fold runs in.
#[derive(Clone, Copy)]
pub struct FoldContext<'a> {
    /// The connection the signals came through.
    pub connection_id: ConnectionId,
    /// Its platform.
    pub platform: &'a str,
    /// The app's country, for display numbers.
    pub country: &'a str,
    /// Now, by our clock.
    pub now: Timestamp,
    /// Where new ids come from.
    pub mint: &'a IdMint,
    /// The directory of the app.
    pub directory: &'a dyn Directory,
    /// The agents of the app; `None` where nothing new is said of them.
    pub roster: Option<&'a Roster>,
}

/// A call that changed, ready to be written.
#[derive(Clone, Debug)]
pub struct ChangedCall {
    /// What to store.
    pub state: CallState,
    /// The record derived from it.
    pub call: Call,
    /// Whether lists should show it.
    pub visible: bool,
    /// True when it was not stored before.
    pub is_new: bool,
    /// When the reaper should look at it; `None` when it is final.
    pub due_at: Option<Timestamp>,
}

/// What a fold gives to be written, in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// Calls to insert or replace.
    pub calls: Vec<ChangedCall>,
    /// Fragments that became part of another call before anyone saw them.
    pub deleted: Vec<CallId>,
    /// Keys and the call each leads to from now on.
    pub keys: Vec<(String, CallId)>,
    /// Messages to insert or replace.
    pub messages: Vec<MessageState>,
    /// Presence to insert or replace, by key.
    pub presence: Vec<(String, PresenceState)>,
    /// Events, in order.
    pub events: Vec<EventDraft>,
}

struct Entry {
    state: CallState,
    before: Option<Derived>,
    is_new: bool,
}

/// One fold over a batch of signals.
pub struct Fold<'a> {
    context: FoldContext<'a>,
    entries: BTreeMap<CallId, Entry>,
    by_key: BTreeMap<String, CallId>,
    touched: BTreeSet<CallId>,
    messages: BTreeMap<String, MessageState>,
    presence: BTreeMap<String, PresenceState>,
    history: bool,
    out: Folded,
}

impl<'a> Fold<'a> {
    /// Begins a fold against what was loaded.
    #[must_use]
    pub fn new(context: FoldContext<'a>, loaded: Loaded) -> Self {
        let mut fold = Self {
            context,
            entries: BTreeMap::new(),
            by_key: BTreeMap::new(),
            touched: BTreeSet::new(),
            messages: loaded.messages,
            presence: loaded.presence,
            history: false,
            out: Folded::default(),
        };
        for state in loaded.calls {
            let id = state.id;
            for key in &state.facts.keys {
                fold.by_key.insert(key.clone(), id);
            }
            let before = Some(state.derive(context.country));
            fold.entries.insert(
                id,
                Entry {
                    state,
                    before,
                    is_new: false,
                },
            );
        }
        fold
    }

    /// Makes this a fold of history taken over from another system: of calls that are over and of
    /// messages nothing is told, now or later, unless the platform itself speaks of them again.
    #[must_use]
    pub fn of_history(mut self) -> Self {
        self.history = true;
        self
    }

    /// Takes one signal in.
    pub fn signal(&mut self, signal: &Signal) {
        match &signal.fact {
            Fact::Message(message) => self.message(message),
            Fact::Presence(report) => self.presence(signal.at, report),
            Fact::Snapshot { live, gap_from } => {
                for (id, entry) in &mut self.entries {
                    let open = entry
                        .before
                        .as_ref()
                        .is_some_and(|b| b.call.ended_at.is_none());
                    if open && entry.state.facts.apply_snapshot(signal.at, live, *gap_from) {
                        self.touched.insert(*id);
                    }
                }
            }
            Fact::Call(_) | Fact::Leg { .. } => {
                let Some(id) = self.call_for(&signal.keys) else {
                    return;
                };
                let Some(entry) = self.entries.get_mut(&id) else {
                    return;
                };
                if entry.state.facts.apply(signal) || entry.is_new {
                    self.touched.insert(id);
                }
            }
        }
    }

    /// Lets the reaper look at a loaded call whose time has come.
    pub fn settle(&mut self, id: CallId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(before) = &entry.before else { return };
        let facts = &mut entry.state.facts;
        let now = self.context.now;
        let idle = now.duration_since(entry.state.updated_at);
        if before.soft_end && idle >= QUIET_AFTER {
            facts.quiet = true;
        } else if before.call.ended_at.is_none() && idle >= patience(facts) {
            facts.lost_at = Some(facts.last_at.unwrap_or(now));
        } else if before.call.status.is_terminal() && idle >= FINAL_AFTER {
            entry.state.told.finalized = true;
        }
        self.touched.insert(id);
    }

    /// Does what somebody did to the contact moment of a loaded call.
    ///
    /// # Errors
    /// When there is no such call, or somebody was faster; nothing has changed then.
    pub fn deed(&mut self, deed: &CallDeed) -> Result<(), DeedError> {
        let entry = self.entries.get_mut(&deed.call);
        let state = &mut entry.ok_or(DeedError::NotFound)?.state;
        if state.merged_into.is_some() {
            return Err(DeedError::NotFound);
        }
        let mut moment = state.moment.clone().unwrap_or_default();
        if !moment.apply(deed, state.contact.as_ref(), self.context.now)? {
            return Ok(());
        }
        state.moment = Some(moment);
        if let Deed::Contact(contact) = &deed.deed {
            state.contact.clone_from(contact);
        }
        self.touched.insert(deed.call);
        Ok(())
    }

    /// Ends the fold: derives the touched calls and works out their events.
    #[must_use]
    pub fn finish(mut self) -> Folded {
        let touched = std::mem::take(&mut self.touched);
        for id in touched {
            if let Some(entry) = self.entries.remove(&id) {
                self.finish_call(entry);
            }
        }
        self.out
    }

    /// The call these keys lead to: the one known, a new one, or several joined into one.
    fn call_for(&mut self, keys: &[String]) -> Option<CallId> {
        if keys.is_empty() {
            return None;
        }
        let mut known: Vec<CallId> = keys
            .iter()
            .filter_map(|k| self.by_key.get(k))
            .copied()
            .collect();
        known.sort_unstable();
        known.dedup();
        let id = match known.as_slice() {
            [] => {
                let id = self.context.mint.call();
                let state = CallState::new(id, &self.context);
                self.entries.insert(
                    id,
                    Entry {
                        state,
                        before: None,
                        is_new: true,
                    },
                );
                id
            }
            [only] => *only,
            several => self.join(several)?,
        };
        for key in keys {
            if self.by_key.insert(key.clone(), id) != Some(id) {
                self.out.keys.push((key.clone(), id));
            }
        }
        Some(id)
    }

    /// Several calls turned out to be one conversation. The one somebody asked us to place (its
    /// id has been given out), then the one subscribers have heard of, then the oldest, survives.
    fn join(&mut self, ids: &[CallId]) -> Option<CallId> {
        let survivor = ids.iter().copied().min_by_key(|id| {
            self.entries.get(id).map(|e| {
                let unheard = e.state.told.stage == Stage::Nothing;
                (
                    !e.state.is_asked_for(),
                    unheard,
                    e.state.facts.started_or_seen(),
                    e.state.created_at,
                    *id,
                )
            })
        })?;
        for id in ids.iter().copied().filter(|id| *id != survivor) {
            let Some(mut lost) = self.entries.remove(&id) else {
                continue;
            };
            let entry = self.entries.get_mut(&survivor)?;
            entry.state.facts.merge(lost.state.facts.clone());
            // That the other had a contact moment says nothing of this one's.
            let marks = lost.state.told.marks.iter();
            let marks = marks.filter(|mark| !mark.starts_with(MOMENT_MARK));
            entry.state.told.marks.extend(marks.cloned());
            if let Some(moment) = lost.state.moment.take() {
                let own = entry.state.moment.get_or_insert_default();
                if moment.contact_chosen && !own.contact_chosen {
                    entry.state.contact = lost.state.contact.clone();
                }
                own.merge(moment);
            }
            for key in &lost.state.facts.keys {
                self.by_key.insert(key.clone(), survivor);
                self.out.keys.push((key.clone(), survivor));
            }
            self.touched.remove(&id);
            if lost.state.told.stage > Stage::Nothing || lost.state.is_asked_for() {
                lost.state.merged_into = Some(survivor);
                self.finish_call(lost);
            } else if !lost.is_new {
                self.out.deleted.push(id);
            }
        }
        self.touched.insert(survivor);
        Some(survivor)
    }

    fn finish_call(&mut self, mut entry: Entry) {
        let context = &self.context;
        entry.state.updated_at = context.now;
        if let Some(roster) = context.roster {
            entry.state.find_agents(roster);
        }
        let mut after = entry.state.derive(context.country);
        let opened = self.open_moment(&mut entry, &after);
        if self.look_up_contact(&mut entry.state, &after) || opened {
            after = entry.state.derive(self.context.country);
        }
        let events = emit::events(&mut entry.state, entry.before.as_ref(), &after);
        // Having told that it is over makes it so.
        let after = if entry.state.told.stage == Stage::Over && !after.call.status.is_terminal() {
            entry.state.derive(self.context.country)
        } else {
            after
        };
        let was_over = entry
            .before
            .as_ref()
            .is_some_and(|b| b.call.status.is_terminal());
        if !(self.history && (entry.is_new || was_over)) {
            self.out.events.extend(events);
        } else if after.call.status.is_terminal() {
            entry.state.told.finalized = true;
        }
        self.out.calls.push(ChangedCall {
            due_at: due_at(&entry.state, &after, self.context.now),
            is_new: entry.is_new,
            visible: after.visible,
            call: after.call,
            state: entry.state,
        });
    }

    /// Opens the contact moment of a conversation, once. Calls that were shown and over before
    /// there were contact moments have none unless somebody has something to say of them, and what
    /// another system recorded is done with.
    fn open_moment(&self, entry: &mut Entry, after: &Derived) -> bool {
        let was_over = entry
            .before
            .as_ref()
            .is_some_and(|b| b.visible && b.call.status.is_terminal());
        let state = &mut entry.state;
        let due = after.visible && state.merged_into.is_none() && state.moment.is_none();
        if !due || was_over || self.history {
            return false;
        }
        state.moment = Some(Moment::default());
        true
    }

    /// Asks the directory once per number of the outside party. Returns whether it was asked.
    fn look_up_contact(&self, state: &mut CallState, after: &Derived) -> bool {
        if !after.visible || state.merged_into.is_some() {
            return false;
        }
        let call = &after.call;
        let outside = match call.direction {
            Some(Direction::Outbound) => call.to_number.as_ref(),
            Some(Direction::Inbound) => call.from_number.as_ref(),
            Some(Direction::Internal) | None => None,
        };
        let Some(e164) = outside.filter(|number| number.starts_with('+')) else {
            return false;
        };
        let chosen = state.moment.as_ref().is_some_and(|m| m.contact_chosen);
        if chosen || state.matched.as_ref() == Some(e164) {
            return false;
        }
        let number = PhoneNumber {
            e164: Some(e164.clone()),
            kind: crate::phone::NumberKind::Public,
            raw: e164.clone(),
        };
        let found = self.context.directory.find(&number);
        state.matched = Some(e164.clone());
        state.contact = found.best.first().map(|best| ContactView {
            id: best.id,
            name: best.name.clone(),
            organisation: best.organisation.clone(),
            note: best.note.clone(),
            url: best.url.clone(),
            certainty: best.certainty,
            percent: best.percent,
            why: best.why.clone(),
            total: found.total,
        });
        state.matches = found;
        true
    }
}

fn due_at(state: &CallState, after: &Derived, now: Timestamp) -> Option<Timestamp> {
    let wait = if state.told.finalized || state.merged_into.is_some() {
        return None;
    } else if after.soft_end {
        QUIET_AFTER
    } else if after.call.status.is_terminal() && after.call.ended_at.is_some() {
        FINAL_AFTER
    } else {
        patience(&state.facts)
    };
    now.checked_add(wait).ok()
}

/// How long an open call may be silent before it is given up.
fn patience(facts: &Facts) -> SignedDuration {
    if facts.is_untold() {
        UNTOLD_AFTER
    } else {
        LOST_AFTER
    }
}

impl Facts {
    /// The earliest platform time known about the call.
    fn started_or_seen(&self) -> Option<Timestamp> {
        self.legs
            .values()
            .filter_map(|leg| leg.seen_at)
            .chain(self.started_at)
            .min()
    }
}
