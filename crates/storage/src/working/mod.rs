//! The rules of a batch of changesets, without SQL.
//!
//! A back end loads what the batch needs into a [`WorkingSet`] under its lock, folds one changeset
//! after the other against it ([`WorkingSet::fold`] is pure, [`WorkingSet::absorb`] takes the
//! result in, so that the next changeset sees it), and writes what [`WorkingSet::pending`] lists,
//! each row once, however often it changed. Nothing can fail between the first thing taken in and
//! the last: a changeset that is refused leaves no trace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::event::{Event, EventDraft};
use switchhook_domain::fold::{
    CallState, ChangedCall, Directory, Fold, FoldContext, Folded, Loaded, MessageState, Needs,
    PresenceState, needs,
};
use switchhook_domain::id::{
    AppId, CallId, ConnectionId, EventId, IdMint, RecordingId, TaskId, VoicemailId,
};
use switchhook_engine::store::{
    Changeset, FoldInput, LinkStatus, RecordingRecord, StoreError, StoreResult, TaskWrite, Verdict,
    VoicemailRecord, media_of,
};

use crate::columns::{key, whole_micros};

mod rows;

pub(crate) use rows::{CallRow, TaskRow};

/// A changeset and what it has to be folded against.
#[derive(Debug)]
pub(crate) struct Work {
    /// The change.
    pub(crate) changeset: Changeset,
    /// What its signals need.
    pub(crate) needs: Needs,
}

impl Work {
    /// Works out the needs; done by the caller, to keep it off the writer.
    pub(crate) fn new(changeset: Changeset) -> Self {
        let needs = changeset
            .fold
            .as_ref()
            .map_or_else(Needs::default, |f| needs(&f.signals));
        Self { changeset, needs }
    }

    /// The keys as they are stored.
    pub(crate) fn keys(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        self.needs.keys.iter().map(|text| key(text))
    }

    /// The connections that must exist for it.
    pub(crate) fn connections(&self) -> BTreeSet<ConnectionId> {
        let change = &self.changeset;
        let heard = change.notification.as_ref().map(|n| n.connection_id);
        // A call whose connection is gone can still be settled.
        let told = change
            .fold
            .as_ref()
            .filter(|f| !f.signals.is_empty())
            .map(|f| f.connection_id);
        let linked = change.link.as_ref().map(|(id, _)| *id);
        [heard, told, linked].into_iter().flatten().collect()
    }

    /// Bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let body = self
            .changeset
            .notification
            .as_ref()
            .and_then(|n| n.body.as_ref());
        1024 + body.map_or(0, Vec::len)
    }
}

/// A call of the working set.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What is stored or will be.
    pub(crate) state: CallState,
    /// True while no end is known.
    pub(crate) open: bool,
    /// Its row in the database; `None` when it has none yet.
    pub(crate) stored: Option<Stored>,
    /// What is to be written; `None` when nothing.
    pub(crate) changed: Option<Box<Changed>>,
}

/// Where and how a call is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// SQLite's row number; 0 on PostgreSQL.
    pub(crate) row: i64,
    /// The columns lists filter by; not read on PostgreSQL.
    pub(crate) columns: Option<CallRow>,
}

/// A call to be written.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// The record.
    pub(crate) call: Call,
    /// Whether lists show it.
    pub(crate) visible: bool,
    /// When the reaper should look at it.
    pub(crate) due_at: Option<Timestamp>,
}

/// Where the log of an app stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// The highest `seq` given out.
    pub(crate) seq: u64,
    /// SQLite's small number of the app; 0 on PostgreSQL.
    pub(crate) no: i64,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Changesets with a notification.
    pub(crate) notifications: Vec<Arc<Work>>,
    /// Events, in order.
    pub(crate) events: Vec<Arc<Event>>,
    /// Calls whose [`Entry::changed`] is set.
    pub(crate) calls: BTreeSet<(AppId, CallId)>,
    /// Calls to delete, with their SQLite row.
    pub(crate) deleted: Vec<(AppId, CallId, i64)>,
    /// Keys by connection and text.
    pub(crate) keys: BTreeMap<(ConnectionId, String), (AppId, CallId)>,
    /// Messages by connection and platform's id.
    pub(crate) messages: BTreeMap<(ConnectionId, String), (AppId, MessageState)>,
    /// Presence by connection and key.
    pub(crate) presence: BTreeMap<(ConnectionId, String), (AppId, PresenceState)>,
    /// Recordings of calls that changed, and when.
    pub(crate) recordings: BTreeMap<RecordingId, Noted<RecordingRecord>>,
    /// Voicemails of calls that changed, and when.
    pub(crate) voicemails: BTreeMap<VoicemailId, Noted<VoicemailRecord>>,
    /// Tasks made and changed.
    pub(crate) tasks: BTreeMap<(AppId, TaskId), TaskWrite>,
    /// Apps whose head moved.
    pub(crate) heads: BTreeSet<AppId>,
    /// States of live links.
    pub(crate) links: BTreeMap<(AppId, ConnectionId), LinkStatus>,
    /// When a notification was last accepted.
    pub(crate) heard: BTreeMap<(AppId, ConnectionId), Timestamp>,
}

/// A row beside a call, to be written.
#[derive(Clone, Debug)]
pub(crate) struct Noted<T> {
    /// Whose.
    pub(crate) app: AppId,
    /// The time of the first changeset of the batch that spoke of it.
    pub(crate) first: Timestamp,
    /// The time of the last one.
    pub(crate) at: Timestamp,
    /// What the facts say.
    pub(crate) record: T,
}

impl<T: PartialEq> Noted<T> {
    fn put<Id: Ord>(all: &mut BTreeMap<Id, Self>, id: Id, app: AppId, at: Timestamp, record: T) {
        let known = all.get(&id);
        let noted = Self {
            app,
            first: known.map_or(at, |known| known.first),
            // Saying it again is no change.
            at: known
                .filter(|known| known.record == record)
                .map_or(at, |known| known.at),
            record,
        };
        all.insert(id, noted);
    }
}

/// What a fold gave, not taken in yet.
#[derive(Debug)]
pub(crate) struct Outcome {
    folded: Folded,
    ids: Vec<EventId>,
}

/// Everything a batch works on.
#[derive(Debug, Default)]
pub(crate) struct WorkingSet {
    /// Apps known to exist, and where their logs stand.
    pub(crate) heads: HashMap<AppId, Head>,
    /// Connections known to exist, and whose they are.
    pub(crate) connections: HashMap<ConnectionId, AppId>,
    /// Calls.
    pub(crate) calls: HashMap<(AppId, CallId), Entry>,
    /// Keys as stored, by connection.
    pub(crate) keys: HashMap<ConnectionId, HashMap<String, CallId>>,
    /// Messages by connection and stored id.
    pub(crate) messages: HashMap<(ConnectionId, String), MessageState>,
    /// Presence by connection and stored key.
    pub(crate) presence: HashMap<(ConnectionId, String), PresenceState>,
    /// Versions of the tasks that are to be changed; one that is not there is new.
    pub(crate) tasks: HashMap<(AppId, TaskId), u32>,
    /// What is to be written.
    pub(crate) pending: Pending,
}

impl WorkingSet {
    /// Folds a changeset against the set, in which everything it needs has been loaded. Changes
    /// nothing.
    pub(crate) fn fold(&self, work: &Work, directory: &dyn Directory) -> StoreResult<Outcome> {
        let change = &work.changeset;
        if !self.heads.contains_key(&change.app_id) {
            return Err(StoreError::NotFound("app"));
        }
        for id in work.connections() {
            if self.connections.get(&id) != Some(&change.app_id) {
                return Err(StoreError::NotFound("connection"));
            }
        }
        for write in &change.tasks {
            let known = self.tasks.get(&(change.app_id, write.task.id));
            if known.copied() != write.expected {
                return Err(StoreError::Conflict("task"));
            }
        }
        let mint = IdMint::new(change.at, change.random);
        let folded = match &change.fold {
            None => Folded::default(),
            Some(input) => {
                let context = FoldContext {
                    connection_id: input.connection_id,
                    platform: &input.platform,
                    country: &input.country,
                    now: change.at,
                    mint: &mint,
                    directory,
                    roster: input.roster.as_deref(),
                };
                let mut fold = Fold::new(context, self.loaded(change.app_id, input, work));
                if input.history {
                    fold = fold.of_history();
                }
                for signal in &input.signals {
                    fold.signal(signal);
                }
                for id in &input.settle {
                    fold.settle(*id);
                }
                for deed in &input.deeds {
                    fold.deed(deed)?;
                }
                fold.finish()
            }
        };
        let count = folded.events.len() + change.events.len();
        let ids = (0..count).map(|_| mint.event()).collect();
        Ok(Outcome { folded, ids })
    }

    fn loaded(&self, app: AppId, input: &FoldInput, work: &Work) -> Loaded {
        let connection = input.connection_id;
        let mut ids: BTreeSet<CallId> = BTreeSet::new();
        if let Some(known) = self.keys.get(&connection) {
            ids.extend(
                work.keys()
                    .filter_map(|key| known.get(key.as_ref()))
                    .copied(),
            );
        }
        if work.needs.open_calls {
            let open = self.calls.iter().filter(|((owner, _), entry)| {
                *owner == app && entry.open && entry.state.connection_id == connection
            });
            ids.extend(open.map(|((_, id), _)| *id));
        }
        ids.extend(&input.settle);
        ids.extend(input.deeds.iter().map(|deed| deed.call));
        let calls = ids
            .into_iter()
            .filter_map(|id| self.calls.get(&(app, id)))
            // Keys of a call that became part of another lead to that one.
            .filter(|e| e.state.connection_id == connection && e.state.merged_into.is_none())
            .map(|entry| entry.state.clone())
            .collect();
        let place = |text: &String| (connection, key(text).into_owned());
        let messages = work.needs.messages.iter();
        let presence = work.needs.presence.iter();
        Loaded {
            calls,
            messages: messages
                .filter_map(|id| Some((id.clone(), self.messages.get(&place(id))?.clone())))
                .collect(),
            presence: presence
                .filter_map(|key| Some((key.clone(), self.presence.get(&place(key))?.clone())))
                .collect(),
        }
    }

    /// Takes in what a fold of this changeset gave, and returns its events with their places.
    pub(crate) fn absorb(&mut self, work: &Arc<Work>, outcome: Outcome) -> Vec<Arc<Event>> {
        let change = &work.changeset;
        let app = change.app_id;
        let Outcome { mut folded, ids } = outcome;
        if let Some(note) = &change.notification {
            if note.verdict == Verdict::Accepted {
                let heard = self.pending.heard.entry((app, note.connection_id));
                let heard = heard.or_insert(note.received_at);
                *heard = (*heard).max(note.received_at);
            }
            self.pending.notifications.push(Arc::clone(work));
        }
        if let Some((id, status)) = &change.link {
            self.pending.links.insert((app, *id), status.clone());
        }
        for write in &change.tasks {
            let place = (app, write.task.id);
            self.tasks.insert(place, write.task.version);
            self.pending.tasks.insert(place, write.clone());
        }
        let drafts = std::mem::take(&mut folded.events);
        if let Some(input) = &change.fold {
            self.absorb_fold(app, change.at, input.connection_id, folded);
        }
        self.number(
            change,
            drafts.into_iter().chain(change.events.iter().cloned()),
            ids,
        )
    }

    fn absorb_fold(&mut self, app: AppId, at: Timestamp, connection: ConnectionId, folded: Folded) {
        // What hung off a call that became part of another hangs off that one now.
        let joined = !folded.deleted.is_empty()
            || folded.calls.iter().any(|c| c.state.merged_into.is_some());
        for id in folded.deleted {
            self.pending.calls.remove(&(app, id));
            let stored = self.calls.remove(&(app, id)).and_then(|entry| entry.stored);
            if let Some(stored) = stored {
                self.pending.deleted.push((app, id, stored.row));
            }
        }
        for changed in folded.calls {
            let place = (app, changed.state.id);
            let merged = changed.state.merged_into.is_some();
            let before = self.calls.remove(&place);
            let known = before.as_ref().filter(|_| !joined).map(|b| &b.state);
            self.absorb_media(app, at, &changed, known);
            let stored = before.and_then(|entry| entry.stored);
            let entry = Entry {
                open: changed.call.ended_at.is_none() && !merged,
                state: changed.state,
                stored,
                changed: Some(Box::new(Changed {
                    call: changed.call,
                    visible: changed.visible && !merged,
                    due_at: changed.due_at,
                })),
            };
            self.calls.insert(place, entry);
            self.pending.calls.insert(place);
        }
        let known = self.keys.entry(connection).or_default();
        for (text, id) in folded.keys {
            let text = key(&text).into_owned();
            known.insert(text.clone(), id);
            self.pending.keys.insert((connection, text), (app, id));
        }
        for state in folded.messages {
            let place = (connection, key(&state.message.external_id).into_owned());
            self.messages.insert(place.clone(), state.clone());
            self.pending.messages.insert(place, (app, state));
        }
        for (text, state) in folded.presence {
            let place = (connection, key(&text).into_owned());
            self.presence.insert(place.clone(), state.clone());
            self.pending.presence.insert(place, (app, state));
        }
    }

    /// Notes the rows beside a call that its facts have changed. A call without any costs a look
    /// at two empty maps.
    fn absorb_media(
        &mut self,
        app: AppId,
        at: Timestamp,
        changed: &ChangedCall,
        known: Option<&CallState>,
    ) {
        let facts = &changed.state.facts;
        let none = facts.recordings.is_empty() && facts.voicemails.is_empty();
        if none || changed.state.merged_into.is_some() {
            return;
        }
        let (recordings, voicemails) = media_of(&changed.state, &changed.call);
        if known.is_none_or(|known| known.facts.recordings != facts.recordings) {
            for record in recordings {
                Noted::put(&mut self.pending.recordings, record.id, app, at, record);
            }
        }
        // These also tell who was called, which may become known later.
        for record in voicemails {
            Noted::put(&mut self.pending.voicemails, record.id, app, at, record);
        }
    }

    /// Gives events their places in the log.
    fn number(
        &mut self,
        change: &Changeset,
        drafts: impl Iterator<Item = EventDraft>,
        ids: Vec<EventId>,
    ) -> Vec<Arc<Event>> {
        let app_id = change.app_id;
        let head = self.heads.entry(app_id).or_default();
        let mut events = Vec::with_capacity(ids.len());
        for (draft, id) in drafts.zip(ids) {
            head.seq += 1;
            events.push(Arc::new(Event {
                seq: head.seq,
                id,
                app_id,
                kind: draft.kind,
                call_id: draft.call_id,
                at: whole_micros(draft.at),
                recorded_at: whole_micros(change.at),
                data: draft.data,
            }));
        }
        if !events.is_empty() {
            self.pending.heads.insert(app_id);
            self.pending.events.extend(events.iter().cloned());
        }
        events
    }

    /// Forgets everything, for instance because nothing of it was committed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// After a commit: forgets what need not be kept, and everything about calls when they have
    /// become more than `most`. What is still alive is soon loaded again.
    pub(crate) fn trim(&mut self, most: usize) {
        self.pending = Pending::default();
        self.messages.clear();
        self.presence.clear();
        self.tasks.clear();
        let keys: usize = self.keys.values().map(HashMap::len).sum();
        if self.calls.len() > most || keys > most * 8 {
            self.calls.clear();
            self.keys.clear();
        }
    }
}
