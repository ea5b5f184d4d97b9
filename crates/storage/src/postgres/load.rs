//! Loading what a batch has to be folded against: a few statements for all of it, sent together
//! behind the lock of the apps' rows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use switchhook_domain::contact::{Contact, Matches, judge};
use switchhook_domain::fold::Directory;
use switchhook_domain::id::{AppId, CallId, ConnectionId, TaskId};
use switchhook_domain::phone::{PhoneNumber, tail};
use switchhook_engine::store::{CANDIDATE_LIMIT, StoreResult};
use tokio_postgres::Row;
use uuid::Uuid;

use super::scope::{Mode, Scope};
use super::session::{column, column_count};
use super::writer::{Session, Step, XID};
use crate::columns::{damaged, from_json, key};
use crate::working::{Entry, Head, Stored, Work, WorkingSet};

/// Locks the apps, in the order of their ids, so that two nodes never wait for each other. The
/// order in which the lock is had is the order of `seq`, and whoever has it sees everything
/// committed before: the loads run after it in the same pipeline.
pub(super) const LOCK: &str =
    "SELECT id, head_seq FROM apps WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

const CONNECTIONS: &str = "SELECT id, app_id FROM connections WHERE id = ANY($1)";

const KEYS: &str = "SELECT k.connection_id, k.key, k.call_id \
    FROM unnest($1::uuid[], $2::text[]) AS q (connection_id, key) \
    JOIN call_keys k ON k.connection_id = q.connection_id AND k.key = q.key COLLATE \"C\"";

const CALLS_BY_KEY: &str = "SELECT c.app_id, c.id, c.open, b.state FROM calls c \
    JOIN call_bodies b ON b.app_id = c.app_id AND b.id = c.id JOIN \
    (SELECT DISTINCT k.app_id, k.call_id FROM unnest($1::uuid[], $2::text[]) \
    AS q (connection_id, key) \
    JOIN call_keys k ON k.connection_id = q.connection_id AND k.key = q.key COLLATE \"C\") n \
    ON n.app_id = c.app_id AND n.call_id = c.id";

const CALLS_BY_ID: &str = "SELECT c.app_id, c.id, c.open, b.state \
    FROM unnest($1::uuid[], $2::uuid[]) AS q (app_id, id) \
    JOIN calls c ON c.app_id = q.app_id AND c.id = q.id \
    JOIN call_bodies b ON b.app_id = c.app_id AND b.id = c.id";

const OPEN_CALLS: &str = "SELECT c.app_id, c.id, c.open, b.state \
    FROM unnest($1::uuid[], $2::uuid[]) AS q (app_id, connection_id) \
    JOIN calls c ON c.app_id = q.app_id AND c.connection_id = q.connection_id AND c.open \
    JOIN call_bodies b ON b.app_id = c.app_id AND b.id = c.id";

const MESSAGES: &str = "SELECT m.connection_id, m.external_id AS key, m.state \
    FROM unnest($1::uuid[], $2::text[]) AS q (connection_id, id) \
    JOIN messages m ON m.connection_id = q.connection_id AND m.external_id = q.id COLLATE \"C\"";

const PRESENCE: &str = "SELECT p.connection_id, p.key, p.state \
    FROM unnest($1::uuid[], $2::text[]) AS q (connection_id, key) \
    JOIN presence p ON p.connection_id = q.connection_id AND p.key = q.key COLLATE \"C\"";

const TASKS: &str = "SELECT t.app_id, t.id, t.version \
    FROM unnest($1::uuid[], $2::uuid[]) AS q (app_id, id) \
    JOIN tasks t ON t.app_id = q.app_id AND t.id = q.id";

/// Every statement of this file, to be prepared when a session begins.
pub(super) fn statements() -> Vec<String> {
    let fixed = [
        LOCK,
        CONNECTIONS,
        KEYS,
        CALLS_BY_KEY,
        CALLS_BY_ID,
        OPEN_CALLS,
        MESSAGES,
        PRESENCE,
        TASKS,
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
    all.extend([by_number("e164"), by_number("tail")]);
    all
}

/// The contacts of many numbers; see `contacts.rs` of the SQLite side for the rule.
pub(super) fn by_number(column: &str) -> String {
    format!(
        "SELECT q.app_id, q.number, c.record FROM unnest($1::uuid[], $2::text[]) \
         AS q (app_id, number) CROSS JOIN LATERAL (SELECT DISTINCT contact_id \
         FROM contact_numbers WHERE app_id = q.app_id AND {column} = q.number COLLATE \"C\" \
         ORDER BY contact_id LIMIT {CANDIDATE_LIMIT}) n \
         JOIN contacts c ON c.app_id = q.app_id AND c.id = n.contact_id \
         ORDER BY q.app_id, q.number, c.id"
    )
}

/// What a batch needs, as columns.
#[derive(Default)]
struct Wanted {
    apps: BTreeSet<Uuid>,
    connections: BTreeSet<Uuid>,
    keys: BTreeSet<(Uuid, String)>,
    calls: BTreeSet<(Uuid, Uuid)>,
    tasks: BTreeSet<(Uuid, Uuid)>,
    open: BTreeSet<(Uuid, Uuid)>,
    messages: BTreeSet<(Uuid, String)>,
    presence: BTreeSet<(Uuid, String)>,
    numbers: BTreeSet<(AppId, String)>,
}

impl Wanted {
    fn new<'a>(batch: impl Iterator<Item = &'a Work>) -> Self {
        let mut wanted = Self::default();
        for work in batch {
            let app = work.changeset.app_id;
            wanted.apps.insert(app.0);
            wanted
                .connections
                .extend(work.connections().into_iter().map(|id| id.0));
            let tasks = work.changeset.tasks.iter();
            wanted
                .tasks
                .extend(tasks.map(|write| (app.0, write.task.id.0)));
            let Some(input) = &work.changeset.fold else {
                continue;
            };
            let connection = input.connection_id.0;
            let needs = &work.needs;
            wanted
                .keys
                .extend(work.keys().map(|text| (connection, text.into_owned())));
            let deeds = input.deeds.iter().map(|deed| &deed.call);
            let calls = input.settle.iter().chain(deeds);
            wanted.calls.extend(calls.map(|id| (app.0, id.0)));
            if needs.open_calls {
                wanted.open.insert((app.0, connection));
            }
            let place = |text: &String| (connection, key(text).into_owned());
            wanted.messages.extend(needs.messages.iter().map(place));
            wanted.presence.extend(needs.presence.iter().map(place));
            wanted
                .numbers
                .extend(needs.numbers.iter().map(|number| (app, number.clone())));
        }
        wanted
    }
}

fn columns<A: Clone, B: Clone>(pairs: &BTreeSet<(A, B)>) -> (Vec<A>, Vec<B>) {
    pairs.iter().cloned().unzip()
}

/// Begins the transaction, locks the apps and loads, all in one round trip.
pub(super) async fn begin<'a>(
    session: &Session,
    batch: impl Iterator<Item = &'a Work>,
) -> StoreResult<(WorkingSet, Contacts, String)> {
    let wanted = Wanted::new(batch);
    let apps: Vec<Uuid> = wanted.apps.iter().copied().collect();
    let connections: Vec<Uuid> = wanted.connections.iter().copied().collect();
    let keys = columns(&wanted.keys);
    let by_id = columns(&wanted.calls);
    let tasks = columns(&wanted.tasks);
    let open = columns(&wanted.open);
    let messages = columns(&wanted.messages);
    let presence = columns(&wanted.presence);
    let numbers = Numbers::new(&wanted.numbers);
    // A mistake in a statement of many rows cannot reach an app that is not in the batch.
    let begin = Scope::apps(wanted.apps.iter().map(|app| AppId(*app))).begin(Mode::Write);
    let steps = [
        Step::Run(&begin),
        Step::when(true, LOCK, [&apps]),
        Step::when(true, XID, []),
        Step::when(!connections.is_empty(), CONNECTIONS, [&connections]),
        Step::when(!keys.0.is_empty(), KEYS, [&keys.0, &keys.1]),
        Step::when(!keys.0.is_empty(), CALLS_BY_KEY, [&keys.0, &keys.1]),
        Step::when(!by_id.0.is_empty(), CALLS_BY_ID, [&by_id.0, &by_id.1]),
        Step::when(!open.0.is_empty(), OPEN_CALLS, [&open.0, &open.1]),
        Step::when(!messages.0.is_empty(), MESSAGES, [&messages.0, &messages.1]),
        Step::when(!presence.0.is_empty(), PRESENCE, [&presence.0, &presence.1]),
        Step::when(!tasks.0.is_empty(), TASKS, [&tasks.0, &tasks.1]),
        Step::when(
            !numbers.exact.0.is_empty(),
            &numbers.exact_sql,
            [&numbers.exact.0, &numbers.exact.1],
        ),
        Step::when(
            !numbers.tails.0.is_empty(),
            &numbers.alike_sql,
            [&numbers.tails.0, &numbers.tails.1],
        ),
    ];
    let mut found = session.pipeline(&steps).await?.into_iter();
    let mut next = || found.next().unwrap_or_default();
    let (_begun, heads, xid, connections, keys) = (next(), next(), next(), next(), next());
    let calls = [next(), next(), next()];
    let (messages, presence, tasks) = (next(), next(), next());
    let mut contacts = Contacts::default();
    contacts.take(&wanted.numbers, &next(), &next())?;
    let mut set = WorkingSet::default();
    for row in heads {
        let head = Head {
            seq: column_count(&row, "head_seq")?,
            no: 0,
        };
        set.heads.insert(AppId(column(&row, "id")?), head);
    }
    for row in connections {
        let id = ConnectionId(column(&row, "id")?);
        set.connections.insert(id, AppId(column(&row, "app_id")?));
    }
    for row in keys {
        let connection = ConnectionId(column(&row, "connection_id")?);
        let known = set.keys.entry(connection).or_default();
        known.insert(column(&row, "key")?, CallId(column(&row, "call_id")?));
    }
    for row in calls.iter().flatten() {
        take_call(&mut set, row)?;
    }
    for row in messages {
        let place = place(&row)?;
        set.messages.insert(
            place,
            from_json(column(&row, "state")?, "messages", "state")?,
        );
    }
    for row in presence {
        let place = place(&row)?;
        set.presence.insert(
            place,
            from_json(column(&row, "state")?, "presence", "state")?,
        );
    }
    for row in tasks {
        let place = (AppId(column(&row, "app_id")?), TaskId(column(&row, "id")?));
        set.tasks.insert(place, version(&row)?);
    }
    let xid = xid
        .first()
        .map(|row| column(row, "xid"))
        .transpose()?
        .unwrap_or_default();
    Ok((set, contacts, xid))
}

/// Whose it is, and its name there.
fn place(row: &Row) -> StoreResult<(ConnectionId, String)> {
    let connection = ConnectionId(column(row, "connection_id")?);
    Ok((connection, column(row, "key")?))
}

fn version(row: &Row) -> StoreResult<u32> {
    let version: i64 = column(row, "version")?;
    u32::try_from(version).map_err(|_| damaged("tasks", "version"))
}

fn take_call(set: &mut WorkingSet, row: &Row) -> StoreResult<()> {
    let place = (AppId(column(row, "app_id")?), CallId(column(row, "id")?));
    if set.calls.contains_key(&place) {
        return Ok(());
    }
    let entry = Entry {
        state: from_json(column(row, "state")?, "call_bodies", "state")?,
        open: column(row, "open")?,
        stored: Some(Stored {
            row: 0,
            columns: None,
        }),
        changed: None,
    };
    set.calls.insert(place, entry);
    Ok(())
}

/// The contacts fetched for a batch.
#[derive(Default)]
pub(super) struct Contacts {
    found: BTreeMap<(AppId, String), Vec<Contact>>,
}

/// Numbers as columns, with the statements that find who has them.
struct Numbers {
    exact: (Vec<Uuid>, Vec<String>),
    tails: (Vec<Uuid>, Vec<String>),
    exact_sql: String,
    alike_sql: String,
}

impl Numbers {
    fn new(numbers: &BTreeSet<(AppId, String)>) -> Self {
        let exact = numbers
            .iter()
            .map(|(app, number)| (app.0, key(number).into_owned()));
        let tails: BTreeSet<(Uuid, String)> = numbers
            .iter()
            .filter_map(|(app, number)| Some((app.0, tail(number)?.to_owned())))
            .collect();
        Self {
            exact: exact.unzip(),
            tails: columns(&tails),
            exact_sql: by_number("e164"),
            alike_sql: by_number("tail"),
        }
    }
}

impl Contacts {
    /// Fetches the candidates for these numbers: those who have it; if nobody has, those whose
    /// number ends alike.
    pub(super) async fn fetch(
        &mut self,
        session: &Session,
        wanted: &BTreeSet<(AppId, String)>,
    ) -> StoreResult<()> {
        let numbers = Numbers::new(wanted);
        let steps = [
            Step::when(
                true,
                &numbers.exact_sql,
                [&numbers.exact.0, &numbers.exact.1],
            ),
            Step::when(
                true,
                &numbers.alike_sql,
                [&numbers.tails.0, &numbers.tails.1],
            ),
        ];
        let mut found = session.pipeline(&steps).await?.into_iter();
        let mut next = || found.next().unwrap_or_default();
        self.take(wanted, &next(), &next())
    }

    fn take(
        &mut self,
        wanted: &BTreeSet<(AppId, String)>,
        exact: &[Row],
        alike: &[Row],
    ) -> StoreResult<()> {
        let (exact, alike) = (group(exact)?, group(alike)?);
        for (app, number) in wanted {
            let stored = (*app, key(number).into_owned());
            let ends = tail(number).and_then(|tail| alike.get(&(*app, tail.to_owned())));
            let candidates = exact.get(&stored).or(ends).cloned().unwrap_or_default();
            self.found.insert((*app, number.clone()), candidates);
        }
        Ok(())
    }
}

fn group(rows: &[Row]) -> StoreResult<BTreeMap<(AppId, String), Vec<Contact>>> {
    let mut groups: BTreeMap<_, Vec<Contact>> = BTreeMap::new();
    for row in rows {
        let place = (AppId(column(row, "app_id")?), column(row, "number")?);
        let contact = from_json(column(row, "record")?, "contacts", "record")?;
        groups.entry(place).or_default().push(contact);
    }
    Ok(groups)
}

/// The directory of an app, as far as it was fetched. What was asked for and is not there is
/// noted: then it is fetched, and the fold, being pure, runs again.
pub(super) struct Fetched<'a> {
    pub(super) contacts: &'a Contacts,
    pub(super) app: AppId,
    pub(super) missing: RefCell<BTreeSet<(AppId, String)>>,
}

impl Directory for Fetched<'_> {
    fn find(&self, number: &PhoneNumber) -> Matches {
        let Some(e164) = &number.e164 else {
            return Matches::default();
        };
        let place = (self.app, e164.clone());
        match self.contacts.found.get(&place) {
            Some(candidates) => judge(number, candidates),
            None => {
                self.missing.borrow_mut().insert(place);
                Matches::default()
            }
        }
    }
}
