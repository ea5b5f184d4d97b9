//! One unit of change, in plain maps.

use std::collections::BTreeSet;
use std::sync::Arc;

use switchhook_domain::contact::{Contact, Matches, judge};
use switchhook_domain::event::{Event, EventDraft};
use switchhook_domain::fold::{Directory, Fold, FoldContext, Folded, Loaded, needs};
use switchhook_domain::id::{AppId, CallId, ConnectionId, IdMint};
use switchhook_domain::phone::{PhoneNumber, tail};
use switchhook_engine::store::{
    CANDIDATE_LIMIT, Changeset, FoldInput, Notification, StoreError, StoreResult, Verdict,
};

use super::{All, StoredCall, micros};

impl All {
    pub(super) fn commit(&mut self, change: &Changeset) -> StoreResult<Vec<Arc<Event>>> {
        let app = change.app_id;
        self.check(change)?;
        self.check_tasks(change)?;
        let mint = IdMint::new(change.at, change.random);
        let mut drafts = Vec::new();
        if let Some(input) = &change.fold {
            let folded = self.fold(change, input, &mint)?;
            drafts = self.write(change, input.connection_id, folded);
        }
        if let Some(note) = &change.notification {
            self.notification(app, note);
        }
        if let Some((id, status)) = &change.link
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.link = Some(status.clone());
        }
        self.write_tasks(change);
        drafts.extend(change.events.iter().cloned());
        Ok(self.append(change, drafts, &mint))
    }

    /// What makes a changeset impossible.
    fn check(&self, change: &Changeset) -> StoreResult<()> {
        self.app_must_exist(change.app_id)?;
        let heard = change.notification.as_ref().map(|note| note.connection_id);
        let told = change
            .fold
            .as_ref()
            .filter(|f| !f.signals.is_empty())
            .map(|f| f.connection_id);
        let linked = change.link.as_ref().map(|(id, _)| *id);
        for id in [heard, told, linked].into_iter().flatten() {
            if self
                .connections
                .get(&id)
                .is_none_or(|known| known.app_id != change.app_id)
            {
                return Err(StoreError::NotFound("connection"));
            }
        }
        let known = change
            .notification
            .as_ref()
            .map(|note| (change.app_id, note.id));
        if known.is_some_and(|place| self.notifications.contains_key(&place)) {
            return Err(StoreError::Conflict("notification"));
        }
        Ok(())
    }

    fn fold(&self, change: &Changeset, input: &FoldInput, mint: &IdMint) -> StoreResult<Folded> {
        let directory = Contacts {
            all: self,
            app: change.app_id,
        };
        let context = FoldContext {
            connection_id: input.connection_id,
            platform: &input.platform,
            country: &input.country,
            now: change.at,
            mint,
            directory: &directory,
            roster: input.roster.as_deref(),
        };
        let mut fold = Fold::new(context, self.load(change.app_id, input));
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
        Ok(fold.finish())
    }

    fn load(&self, app: AppId, input: &FoldInput) -> Loaded {
        let needs = needs(&input.signals);
        let connection = input.connection_id;
        let mut ids: BTreeSet<CallId> = input.settle.iter().copied().collect();
        ids.extend(input.deeds.iter().map(|deed| deed.call));
        for key in &needs.keys {
            ids.extend(self.call_keys.get(&(connection, key.clone())));
        }
        if needs.open_calls {
            let open = self
                .calls
                .iter()
                .filter(|((owner, _), call)| *owner == app && call.is_open());
            ids.extend(open.map(|((_, id), _)| *id));
        }
        let calls = ids.iter().filter_map(|id| self.calls.get(&(app, *id)));
        let calls = calls
            .map(|call| &call.state)
            .filter(|state| state.connection_id == connection && state.merged_into.is_none());
        let message = |id: &String| self.messages.get(&(connection, id.clone()));
        let presence = |key: &String| self.presence.get(&(connection, key.clone()));
        Loaded {
            calls: calls.cloned().collect(),
            messages: needs
                .messages
                .iter()
                .filter_map(|id| Some((id.clone(), message(id)?.1.clone())))
                .collect(),
            presence: needs
                .presence
                .iter()
                .filter_map(|key| Some((key.clone(), presence(key)?.1.clone())))
                .collect(),
        }
    }

    fn write(
        &mut self,
        change: &Changeset,
        connection: ConnectionId,
        folded: Folded,
    ) -> Vec<EventDraft> {
        let app = change.app_id;
        self.write_media(app, change.at, &folded);
        for id in folded.deleted {
            self.calls.remove(&(app, id));
        }
        for changed in folded.calls {
            let visible = changed.visible && changed.state.merged_into.is_none();
            let stored = StoredCall {
                state: changed.state,
                call: changed.call,
                visible,
                due_at: changed.due_at.map(micros),
            };
            self.calls.insert((app, stored.call.id), stored);
        }
        for (key, id) in folded.keys {
            self.call_keys.insert((connection, key), id);
        }
        for state in folded.messages {
            let id = state.message.external_id.clone();
            self.messages.insert((connection, id), (app, state));
        }
        for (key, state) in folded.presence {
            self.presence.insert((connection, key), (app, state));
        }
        folded.events
    }

    fn notification(&mut self, app: AppId, note: &Notification) {
        let received_at = micros(note.received_at);
        if note.verdict == Verdict::Accepted
            && let Some(connection) = self.connections.get_mut(&note.connection_id)
        {
            connection.last_heard_at = connection.last_heard_at.max(Some(received_at));
        }
        let note = Notification {
            received_at,
            ..note.clone()
        };
        self.notifications.insert((app, note.id), note);
    }

    fn append(
        &mut self,
        change: &Changeset,
        drafts: Vec<EventDraft>,
        mint: &IdMint,
    ) -> Vec<Arc<Event>> {
        let mut events = Vec::new();
        for draft in drafts {
            let head = self.heads.entry(change.app_id).or_default();
            *head += 1;
            let event = Arc::new(Event {
                seq: *head,
                id: mint.event(),
                app_id: change.app_id,
                kind: draft.kind,
                call_id: draft.call_id,
                at: micros(draft.at),
                recorded_at: micros(change.at),
                data: draft.data,
            });
            self.events
                .insert((change.app_id, event.seq), Arc::clone(&event));
            events.push(event);
        }
        events
    }
}

impl StoredCall {
    pub(super) fn is_open(&self) -> bool {
        self.call.ended_at.is_none() && self.state.merged_into.is_none()
    }
}

/// Everybody who has the number; if nobody has, everybody whose number ends alike.
struct Contacts<'a> {
    all: &'a All,
    app: AppId,
}

impl Directory for Contacts<'_> {
    fn find(&self, number: &PhoneNumber) -> Matches {
        let Some(e164) = number.e164.as_deref() else {
            return Matches::default();
        };
        let exact = self.with(|other| other.e164.as_deref() == Some(e164));
        if !exact.is_empty() {
            return judge(number, &exact);
        }
        let tail = tail(e164);
        judge(
            number,
            &self.with(|n| tail.is_some() && n.digits_tail().as_deref() == tail),
        )
    }
}

impl Contacts<'_> {
    fn with(&self, wanted: impl Fn(&PhoneNumber) -> bool) -> Vec<Contact> {
        let own = self
            .all
            .contacts
            .iter()
            .filter(|((app, _), _)| *app == self.app);
        let found = own.filter(|(_, c)| c.numbers.iter().any(|n| wanted(&n.number)));
        found
            .take(CANDIDATE_LIMIT as usize)
            .map(|(_, contact)| contact.clone())
            .collect()
    }
}
