//! Folding without a database: for the command line, the tests and the reference store. Keeps
//! everything in memory and settles open questions at the end of the input.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::Timestamp;
use crate::call::Call;
use crate::event::EventDraft;
use crate::fold::{
    CallState, Directory, EmptyDirectory, Fold, FoldContext, Folded, Loaded, MessageState,
    PresenceState, QUIET_AFTER, UNTOLD_AFTER, needs, presence_key,
};
use crate::id::{CallId, ConnectionId, IdMint};
use crate::moment::{CallDeed, DeedError};
use crate::signal::{Fact, Signal};

/// The calls and events of one connection, in memory.
#[derive(Debug)]
pub struct Replay {
    connection_id: ConnectionId,
    platform: String,
    country: String,
    mint: IdMint,
    calls: BTreeMap<CallId, CallState>,
    keys: BTreeMap<String, CallId>,
    messages: BTreeMap<String, MessageState>,
    presence: BTreeMap<String, PresenceState>,
    events: Vec<EventDraft>,
}

impl Replay {
    /// An empty replay.
    #[must_use]
    pub fn new(platform: &str, country: &str) -> Self {
        Self {
            connection_id: ConnectionId(uuid::Uuid::nil()),
            platform: platform.to_owned(),
            country: country.to_owned(),
            mint: IdMint::new(Timestamp::UNIX_EPOCH, 1),
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            messages: BTreeMap::new(),
            presence: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Folds the signals of one notification, received at `now`.
    pub fn notification(&mut self, now: Timestamp, signals: &[Signal]) {
        self.notification_with(now, signals, &EmptyDirectory);
    }

    /// The same, with a directory to find contacts in.
    pub fn notification_with(
        &mut self,
        now: Timestamp,
        signals: &[Signal],
        directory: &dyn Directory,
    ) {
        let needs = needs(signals);
        let mut ids: Vec<CallId> = needs
            .keys
            .iter()
            .filter_map(|key| self.keys.get(key))
            .copied()
            .collect();
        if needs.open_calls {
            ids.extend(self.calls.keys());
        }
        ids.sort_unstable();
        ids.dedup();
        let loaded = Loaded {
            calls: ids
                .iter()
                .filter_map(|id| self.calls.get(id))
                .cloned()
                .collect(),
            messages: pick(&self.messages, signals, |fact| match fact {
                Fact::Message(message) => Some(message.external_id.clone()),
                _ => None,
            }),
            presence: pick(&self.presence, signals, |fact| match fact {
                Fact::Presence(report) => presence_key(report),
                _ => None,
            }),
        };
        let mut fold = Fold::new(self.context(now, directory), loaded);
        for signal in signals {
            fold.signal(signal);
        }
        let folded = fold.finish();
        self.write(folded);
    }

    /// Does at `now` what somebody did to a contact moment.
    ///
    /// # Errors
    /// See [`Fold::deed`].
    pub fn deed(&mut self, now: Timestamp, deed: &CallDeed) -> Result<(), DeedError> {
        let loaded = Loaded {
            calls: self.calls.get(&deed.call).cloned().into_iter().collect(),
            ..Loaded::default()
        };
        let mut fold = Fold::new(self.context(now, &EmptyDirectory), loaded);
        fold.deed(deed)?;
        let folded = fold.finish();
        self.write(folded);
        Ok(())
    }

    /// Lets the reaper look at every call, as if `later` had passed.
    pub fn settle(&mut self, later: SignedDuration) {
        let states: Vec<CallState> = self.calls.values().cloned().collect();
        for state in states {
            let (id, now) = (state.id, state.updated_at.saturating_add(later));
            let Ok(now) = now else { continue };
            let loaded = Loaded {
                calls: vec![state],
                ..Loaded::default()
            };
            let mut fold = Fold::new(self.context(now, &EmptyDirectory), loaded);
            fold.settle(id);
            let folded = fold.finish();
            self.write(folded);
        }
    }

    /// Ends the input: unanswered calls that still waited for another ring are closed, and so are
    /// those of which nothing more can come.
    pub fn finish(mut self) -> (Vec<Call>, Vec<EventDraft>) {
        self.settle(QUIET_AFTER);
        self.settle(UNTOLD_AFTER);
        (self.calls(), self.events)
    }

    /// The visible calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let derived = self.calls.values().map(|state| state.derive(&self.country));
        let mut calls: Vec<Call> = derived.filter(|d| d.visible).map(|d| d.call).collect();
        calls.sort_by(|a, b| {
            a.started_at
                .cmp(&b.started_at)
                .then_with(|| a.id.cmp(&b.id))
        });
        calls
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> &[EventDraft] {
        &self.events
    }

    /// The messages seen.
    pub fn messages(&self) -> impl Iterator<Item = &MessageState> {
        self.messages.values()
    }

    fn context<'a>(&'a self, now: Timestamp, directory: &'a dyn Directory) -> FoldContext<'a> {
        FoldContext {
            connection_id: self.connection_id,
            platform: &self.platform,
            country: &self.country,
            now,
            mint: &self.mint,
            directory,
            roster: None,
        }
    }

    fn write(&mut self, folded: Folded) {
        for id in folded.deleted {
            self.calls.remove(&id);
        }
        for changed in folded.calls {
            self.calls.insert(changed.state.id, changed.state);
        }
        self.keys.extend(folded.keys);
        for message in folded.messages {
            self.messages
                .insert(message.message.external_id.clone(), message);
        }
        self.presence.extend(folded.presence);
        self.events.extend(folded.events);
    }
}

fn pick<T: Clone>(
    all: &BTreeMap<String, T>,
    signals: &[Signal],
    key: impl Fn(&Fact) -> Option<String>,
) -> BTreeMap<String, T> {
    let keys = signals.iter().filter_map(|signal| key(&signal.fact));
    keys.filter_map(|key| all.get(&key).map(|value| (key, value.clone())))
        .collect()
}
