//! Writing what a batch changed: one multi-row statement per table, the notification of the
//! other nodes and the commit, all in one round trip.

use switchhook_domain::id::MessageId;
use switchhook_engine::store::StoreResult;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::session::At;
use super::writer::{Session, Step};
use super::{media, work};
use crate::columns::{MessageFilters, clean, damaged, to_json};
use crate::working::{CallRow, WorkingSet};

const NOTIFICATIONS: &str = "INSERT INTO notifications (app_id, id, connection_id, received_at, \
    verdict, reason, event, content_type, digest, body) \
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], \
    $6::text[], $7::text[], $8::text[], $9::bytea[], $10::bytea[])";

const DELETED: &str = "DELETE FROM calls c USING unnest($1::uuid[], $2::uuid[]) AS q (app_id, id) \
    WHERE c.app_id = q.app_id AND c.id = q.id";

const DELETED_BODIES: &str = "DELETE FROM call_bodies c \
    USING unnest($1::uuid[], $2::uuid[]) AS q (app_id, id) \
    WHERE c.app_id = q.app_id AND c.id = q.id";

/// Rows that stay as they are are left alone.
const CALLS: &str = "INSERT INTO calls AS c (app_id, id, connection_id, platform, visible, open, \
    status, direction, from_number, to_number, agent_extension, agent_user, sort_at, \
    duration_seconds, agent_id, agent_crm, moment, outcome, contact_id) \
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::bool[], \
    $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], \
    $13::timestamptz[], $14::bigint[], $15::uuid[], $16::text[], $17::text[], $18::text[], \
    $19::uuid[]) \
    ON CONFLICT (app_id, id) DO UPDATE SET visible = excluded.visible, open = excluded.open, \
    status = excluded.status, direction = excluded.direction, \
    from_number = excluded.from_number, to_number = excluded.to_number, \
    agent_extension = excluded.agent_extension, agent_user = excluded.agent_user, \
    sort_at = excluded.sort_at, duration_seconds = excluded.duration_seconds, \
    agent_id = excluded.agent_id, agent_crm = excluded.agent_crm, moment = excluded.moment, \
    outcome = excluded.outcome, contact_id = excluded.contact_id \
    WHERE (c.visible, c.open, c.status, c.direction, c.from_number, c.to_number, \
    c.agent_extension, c.agent_user, c.sort_at, c.duration_seconds, c.agent_id, c.agent_crm, \
    c.moment, c.outcome, c.contact_id) IS DISTINCT FROM \
    (excluded.visible, excluded.open, excluded.status, excluded.direction, excluded.from_number, \
    excluded.to_number, excluded.agent_extension, excluded.agent_user, excluded.sort_at, \
    excluded.duration_seconds, excluded.agent_id, excluded.agent_crm, excluded.moment, \
    excluded.outcome, excluded.contact_id)";

const BODIES: &str = "INSERT INTO call_bodies (app_id, id, due_at, state, record) \
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[]) \
    ON CONFLICT (app_id, id) DO UPDATE SET due_at = excluded.due_at, state = excluded.state, \
    record = excluded.record";

const KEYS: &str = "INSERT INTO call_keys (connection_id, key, app_id, call_id) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[]) \
    ON CONFLICT (connection_id, key) DO UPDATE SET call_id = excluded.call_id";

const MESSAGES: &str = "INSERT INTO messages (connection_id, external_id, app_id, sent_at, \
    state, record, id, direction, from_number, to_numbers, user_id) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], \
    $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[]) \
    ON CONFLICT (connection_id, external_id) DO UPDATE SET \
    sent_at = excluded.sent_at, state = excluded.state, record = excluded.record, \
    id = excluded.id, direction = excluded.direction, from_number = excluded.from_number, \
    to_numbers = excluded.to_numbers, user_id = excluded.user_id";

const PRESENCE: &str = "INSERT INTO presence (connection_id, key, app_id, state) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) \
    ON CONFLICT (connection_id, key) DO UPDATE SET state = excluded.state";

const EVENTS: &str = "INSERT INTO events (app_id, seq, id, kind, call_id, at, recorded_at, data) \
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], \
    $6::timestamptz[], $7::timestamptz[], $8::text[])";

const HEADS: &str = "UPDATE apps a SET head_seq = q.head \
    FROM unnest($1::uuid[], $2::bigint[]) AS q (id, head) WHERE a.id = q.id";

const LINKS: &str = "UPDATE connections c SET link = q.link \
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS q (app_id, id, link) \
    WHERE c.id = q.id AND c.app_id = q.app_id";

const HEARD: &str = "UPDATE connections c SET last_heard_at = greatest(c.last_heard_at, q.at) \
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS q (app_id, id, at) \
    WHERE c.id = q.id AND c.app_id = q.app_id";

/// One notification per app; the payload names the node, which knows its own commits already.
const NOTIFY: &str = "SELECT pg_notify('switchhook', text) FROM unnest($1::text[]) AS q (text)";

/// Every statement of this file, to be prepared when a session begins.
pub(super) fn statements() -> Vec<String> {
    [
        NOTIFICATIONS,
        DELETED,
        DELETED_BODIES,
        CALLS,
        BODIES,
        KEYS,
        MESSAGES,
        PRESENCE,
        media::RECORDINGS,
        media::VOICEMAILS,
        work::TASKS,
        EVENTS,
        HEADS,
        LINKS,
        HEARD,
        NOTIFY,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[derive(Default)]
struct NotificationColumns<'a> {
    app: Vec<Uuid>,
    id: Vec<Uuid>,
    connection: Vec<Uuid>,
    received_at: Vec<At>,
    verdict: Vec<&'static str>,
    reason: Vec<Option<String>>,
    event: Vec<Option<String>>,
    content_type: Vec<Option<String>>,
    digest: Vec<&'a [u8]>,
    body: Vec<Option<&'a [u8]>>,
}

#[derive(Default)]
struct CallColumns {
    app: Vec<Uuid>,
    id: Vec<Uuid>,
    connection: Vec<Uuid>,
    platform: Vec<String>,
    visible: Vec<bool>,
    open: Vec<bool>,
    status: Vec<String>,
    direction: Vec<Option<String>>,
    from: Vec<Option<String>>,
    to: Vec<Option<String>>,
    extension: Vec<Option<String>>,
    user: Vec<Option<String>>,
    agent: Vec<Option<Uuid>>,
    crm: Vec<Option<String>>,
    moment: Vec<Option<String>>,
    outcome: Vec<Option<String>>,
    contact: Vec<Option<Uuid>>,
    sort_at: Vec<At>,
    duration: Vec<Option<i64>>,
    due_at: Vec<Option<At>>,
    state: Vec<String>,
    record: Vec<String>,
}

#[derive(Default)]
struct EventColumns<'a> {
    app: Vec<Uuid>,
    seq: Vec<i64>,
    id: Vec<Uuid>,
    kind: Vec<&'static str>,
    call: Vec<Option<Uuid>>,
    at: Vec<At>,
    recorded_at: Vec<At>,
    data: Vec<&'a str>,
}

/// Writes everything pending and commits.
pub(super) async fn flush_and_commit(
    session: &Session,
    set: &WorkingSet,
    node: &str,
) -> StoreResult<()> {
    let pending = &set.pending;
    let n = notifications(set);
    let c = calls(set)?;
    let e = events(set)?;
    let (deleted_app, deleted_id): (Vec<_>, Vec<_>) = pending
        .deleted
        .iter()
        .map(|(app, id, _)| (app.0, id.0))
        .unzip();
    let keys = Rows4::new(
        pending
            .keys
            .iter()
            .map(|((connection, text), (app, call))| (connection.0, text.as_str(), app.0, call.0)),
    );
    let m = messages(set)?;
    let p = presence(set)?;
    let r = media::RecordingColumns::of(pending)?;
    let v = media::VoicemailColumns::of(pending)?;
    let t = work::TaskColumns::of(pending)?;
    let heads: Vec<(Uuid, i64)> = pending
        .heads
        .iter()
        .map(|app| Ok((app.0, seq(set.heads.get(app).map_or(0, |head| head.seq))?)))
        .collect::<StoreResult<_>>()?;
    let payloads: Vec<String> = heads
        .iter()
        .map(|(app, head)| format!("{app}:{head}:{node}"))
        .collect();
    let (head_app, head_seq): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
    let mut links = (Vec::new(), Vec::new(), Vec::new());
    for ((app, id), status) in &pending.links {
        links.0.push(app.0);
        links.1.push(id.0);
        links.2.push(to_json(status, "connections", "link")?);
    }
    let mut heard = (Vec::new(), Vec::new(), Vec::new());
    for ((app, id), at) in &pending.heard {
        heard.0.push(app.0);
        heard.1.push(id.0);
        heard.2.push(At::from(*at));
    }
    let steps = [
        n.step(),
        Step::when(!deleted_id.is_empty(), DELETED, [&deleted_app, &deleted_id]),
        Step::when(
            !deleted_id.is_empty(),
            DELETED_BODIES,
            [&deleted_app, &deleted_id],
        ),
        c.step(),
        c.bodies_step(),
        keys.step(KEYS),
        m.step(),
        p.step(PRESENCE),
        r.step(),
        v.step(),
        t.step(),
        e.step(),
        Step::when(!head_app.is_empty(), HEADS, [&head_app, &head_seq]),
        Step::when(!links.0.is_empty(), LINKS, [&links.0, &links.1, &links.2]),
        Step::when(!heard.0.is_empty(), HEARD, [&heard.0, &heard.1, &heard.2]),
        Step::when(!payloads.is_empty(), NOTIFY, [&payloads]),
        // After a step that failed this rolls back.
        Step::Run("COMMIT"),
    ];
    session.pipeline(&steps).await.map(drop)
}

impl NotificationColumns<'_> {
    fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 10] = [
            &self.app,
            &self.id,
            &self.connection,
            &self.received_at,
            &self.verdict,
            &self.reason,
            &self.event,
            &self.content_type,
            &self.digest,
            &self.body,
        ];
        Step::when(!self.id.is_empty(), NOTIFICATIONS, params)
    }
}

impl CallColumns {
    fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 19] = [
            &self.app,
            &self.id,
            &self.connection,
            &self.platform,
            &self.visible,
            &self.open,
            &self.status,
            &self.direction,
            &self.from,
            &self.to,
            &self.extension,
            &self.user,
            &self.sort_at,
            &self.duration,
            &self.agent,
            &self.crm,
            &self.moment,
            &self.outcome,
            &self.contact,
        ];
        Step::when(!self.id.is_empty(), CALLS, params)
    }

    fn bodies_step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 5] =
            [&self.app, &self.id, &self.due_at, &self.state, &self.record];
        Step::when(!self.id.is_empty(), BODIES, params)
    }
}

impl EventColumns<'_> {
    fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 8] = [
            &self.app,
            &self.seq,
            &self.id,
            &self.kind,
            &self.call,
            &self.at,
            &self.recorded_at,
            &self.data,
        ];
        Step::when(!self.id.is_empty(), EVENTS, params)
    }
}

impl MessageColumns<'_> {
    fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 11] = [
            &self.connection,
            &self.id,
            &self.app,
            &self.sent_at,
            &self.state,
            &self.record,
            &self.named,
            &self.direction,
            &self.from,
            &self.to,
            &self.user,
        ];
        Step::when(!self.id.is_empty(), MESSAGES, params)
    }
}

impl<A, B, C, D> Rows4<A, B, C, D>
where
    Vec<A>: ToSql + Sync,
    Vec<B>: ToSql + Sync,
    Vec<C>: ToSql + Sync,
    Vec<D>: ToSql + Sync,
{
    fn step<'a>(&'a self, sql: &'a str) -> Step<'a> {
        let params: [&(dyn ToSql + Sync); 4] = [&self.a, &self.b, &self.c, &self.d];
        Step::when(!self.a.is_empty(), sql, params)
    }
}

struct Rows4<A, B, C, D> {
    a: Vec<A>,
    b: Vec<B>,
    c: Vec<C>,
    d: Vec<D>,
}

impl<A, B, C, D> Rows4<A, B, C, D> {
    fn new(rows: impl Iterator<Item = (A, B, C, D)>) -> Self {
        let mut columns = Self {
            a: Vec::new(),
            b: Vec::new(),
            c: Vec::new(),
            d: Vec::new(),
        };
        for (a, b, c, d) in rows {
            columns.a.push(a);
            columns.b.push(b);
            columns.c.push(c);
            columns.d.push(d);
        }
        columns
    }
}

fn text(value: Option<&String>) -> Option<String> {
    value.map(|text| clean(text).into_owned())
}

fn seq(seq: u64) -> StoreResult<i64> {
    i64::try_from(seq).map_err(|_| damaged("apps", "head_seq"))
}

fn notifications(set: &WorkingSet) -> NotificationColumns<'_> {
    let mut columns = NotificationColumns::default();
    for work in &set.pending.notifications {
        let Some(note) = &work.changeset.notification else {
            continue;
        };
        columns.app.push(work.changeset.app_id.0);
        columns.id.push(note.id.0);
        columns.connection.push(note.connection_id.0);
        columns.received_at.push(At::from(note.received_at));
        columns.verdict.push(note.verdict.as_str());
        columns.reason.push(text(note.reason.as_ref()));
        columns.event.push(text(note.event.as_ref()));
        columns.content_type.push(text(note.content_type.as_ref()));
        columns.digest.push(&note.digest);
        columns.body.push(note.body.as_deref());
    }
    columns
}

fn calls(set: &WorkingSet) -> StoreResult<CallColumns> {
    let mut columns = CallColumns::default();
    for place in &set.pending.calls {
        let Some(entry) = set.calls.get(place) else {
            continue;
        };
        let Some(changed) = &entry.changed else {
            continue;
        };
        let row = CallRow::new(place.0, entry, changed);
        columns.app.push(row.app_id.0);
        columns.id.push(row.id.0);
        columns.connection.push(row.connection_id.0);
        columns.platform.push(row.platform);
        columns.visible.push(row.visible);
        columns.open.push(row.open);
        columns.status.push(row.status);
        columns.direction.push(row.direction);
        columns.from.push(row.from_number);
        columns.to.push(row.to_number);
        columns.extension.push(row.agent_extension);
        columns.user.push(row.agent_user);
        columns.agent.push(row.agent_id.map(|id| id.0));
        columns.crm.push(row.agent_crm);
        columns.moment.push(row.moment);
        columns.outcome.push(row.outcome);
        columns.contact.push(row.contact_id.map(|id| id.0));
        columns.sort_at.push(At(row.sort_at));
        columns.duration.push(row.duration_seconds);
        columns.due_at.push(row.due_at.map(At));
        columns.state.push(to_json(&entry.state, "calls", "state")?);
        columns
            .record
            .push(to_json(&changed.call, "calls", "record")?);
    }
    Ok(columns)
}

fn events(set: &WorkingSet) -> StoreResult<EventColumns<'_>> {
    let mut columns = EventColumns::default();
    for event in &set.pending.events {
        columns.app.push(event.app_id.0);
        columns.seq.push(seq(event.seq)?);
        columns.id.push(event.id.0);
        columns.kind.push(event.kind.as_str());
        columns.call.push(event.call_id.map(|id| id.0));
        columns.at.push(At::from(event.at));
        columns.recorded_at.push(At::from(event.recorded_at));
        columns.data.push(event.data.get());
    }
    Ok(columns)
}

#[derive(Default)]
struct MessageColumns<'a> {
    connection: Vec<Uuid>,
    id: Vec<&'a str>,
    app: Vec<Uuid>,
    sent_at: Vec<At>,
    state: Vec<String>,
    record: Vec<String>,
    named: Vec<Uuid>,
    direction: Vec<&'static str>,
    from: Vec<Option<String>>,
    to: Vec<String>,
    user: Vec<Option<String>>,
}

fn messages(set: &WorkingSet) -> StoreResult<MessageColumns<'_>> {
    let mut columns = MessageColumns::default();
    for ((connection, id), (app, state)) in &set.pending.messages {
        columns.connection.push(connection.0);
        columns.id.push(id);
        columns.app.push(app.0);
        columns.sent_at.push(At::from(state.message.sent_at));
        columns.state.push(to_json(state, "messages", "state")?);
        columns
            .record
            .push(to_json(&state.message, "messages", "record")?);
        let named = MessageId::of(*connection, &state.message.external_id);
        columns.named.push(named.0);
        columns.direction.push(state.message.direction.as_str());
        let filters = MessageFilters::of(&state.message);
        columns.from.push(filters.from_number);
        columns.to.push(filters.to_numbers);
        columns.user.push(filters.user_id);
    }
    Ok(columns)
}

fn presence(set: &WorkingSet) -> StoreResult<Rows4<Uuid, &str, Uuid, String>> {
    let rows: StoreResult<Vec<_>> = set
        .pending
        .presence
        .iter()
        .map(|((connection, name), (app, state))| {
            Ok((
                connection.0,
                name.as_str(),
                app.0,
                to_json(state, "presence", "state")?,
            ))
        })
        .collect();
    Ok(Rows4::new(rows?.into_iter()))
}
