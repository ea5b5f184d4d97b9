//! Reading calls: lists, one, the snapshot, and what the reaper should look at.
//!
//! A list walks one index in its order. What has an index (open, numbers, start) narrows the
//! walk; everything else is tested row by row on at most `scan_limit` rows (see
//! [`switchhook_engine::store::SCAN_LIMIT`]). Lists are planned for their values each time: a
//! plan for any value would be a bad one for some.

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{
    COUNT_LIMIT, CallCursor, CallPage, CallQuery, DueCall, SNAPSHOT_LIMIT, Snapshot, StoreError,
    StoreResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::reader::{Readers, Transaction};
use super::session::{At, column, column_count, column_time};
use crate::call_filter::{Dialect, Filter};
use crate::columns::{key, open_statuses};

/// How PostgreSQL writes a filter. Which index it walks is the planner's choice.
struct Postgres;

impl Dialect for Postgres {
    type Value = (Box<dyn ToSql + Sync + Send>, Type);
    const MARK: char = '$';
    const SHOWN: &'static str = "app_id = $1 AND visible";
    const OPEN: &'static str = "open";
    const KEEPS_ORDER: bool = false;
    const BODY: &'static str = "app_id";

    fn id(id: Uuid) -> Self::Value {
        (Box::new(id), Type::UUID)
    }

    fn text(text: &str) -> Self::Value {
        (Box::new(text.to_owned()), Type::TEXT)
    }

    fn time(at: Timestamp) -> Self::Value {
        (Box::new(At::from(at)), Type::TIMESTAMPTZ)
    }

    fn number(number: i64) -> Self::Value {
        (Box::new(number), Type::INT8)
    }

    fn along(_: &str) -> String {
        "calls".to_owned()
    }

    fn known(filter: &mut Filter<Self>, keys: &[(ConnectionId, String)]) -> String {
        let connections: Vec<_> = keys.iter().map(|(connection, _)| connection.0).collect();
        let names: Vec<String> = keys.iter().map(|(_, name)| key(name).into()).collect();
        let connections = filter.bind((Box::new(connections), Type::UUID_ARRAY));
        let names = filter.bind((Box::new(names), Type::TEXT_ARRAY));
        format!(
            " AND id IN (SELECT k.call_id FROM unnest({connections}, {names}) \
             AS q (connection_id, key) JOIN call_keys k \
             ON k.connection_id = q.connection_id AND k.key = q.key)"
        )
    }
}

impl Filter<Postgres> {
    /// The statement that gives a page.
    fn page(&self, limit: u32, offset: u32, scan_limit: u32) -> String {
        let matching = self.matching("app_id, sort_at, id, duration_seconds", scan_limit);
        let order = self.order("m.");
        format!(
            "SELECT m.sort_at, m.id, b.record FROM ({matching} LIMIT {limit} OFFSET {offset}) m \
             JOIN call_bodies b ON b.app_id = m.app_id AND b.id = m.id {order}"
        )
    }

    /// Runs a statement of this filter with its values.
    async fn run(&self, reads: &Transaction, sql: &str) -> StoreResult<Vec<Row>> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> = self
            .values
            .iter()
            .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        reads.query_typed(sql, &params).await
    }
}

pub(super) async fn list(
    db: &Readers,
    app: AppId,
    query: &CallQuery,
    scan_limit: u32,
) -> StoreResult<CallPage> {
    let reads = db.of(app).read().await?;
    let page = read_page(&reads, app, query, scan_limit).await?;
    reads.commit().await?;
    Ok(page)
}

async fn read_page(
    reads: &Transaction,
    app: AppId,
    query: &CallQuery,
    scan_limit: u32,
) -> StoreResult<CallPage> {
    let mut filter = Filter::<Postgres>::new(app, query);
    let counted = filter.run(reads, &filter.counting(scan_limit)).await?;
    let number = |name| counted.first().map_or(Ok(0), |row| column_count(row, name));
    let (total, walked): (u64, u64) = (number("total")?, number("walked")?);
    let total = total.min(COUNT_LIMIT);
    if let Some(cursor) = query.after {
        filter.go_on_after(cursor);
    } else if filter.is_scan() && total == 0 && walked < u64::from(scan_limit) {
        return Ok(CallPage::default());
    }
    let limit = query.limit.clamp(1, 100);
    let rows = filter
        .run(reads, &filter.page(limit + 1, query.offset, scan_limit))
        .await?;
    let shown = &rows[..rows.len().min(limit as usize)];
    let calls = shown
        .iter()
        .map(|row| column(row, "record"))
        .collect::<StoreResult<_>>()?;
    let last = shown.last().map(cursor).transpose()?;
    let full = shown.len() == limit as usize;
    let next = if !query.sort.has_positions() {
        None
    } else if rows.len() > shown.len() {
        last
    } else if query.after.is_none() && walked < u64::from(scan_limit) {
        None
    } else {
        match end_of_scan(reads, &filter, scan_limit).await? {
            Some(_) if full => last,
            end => end,
        }
    };
    Ok(CallPage { calls, total, next })
}

fn cursor(row: &Row) -> StoreResult<CallCursor> {
    Ok(CallCursor {
        sort_at: column_time(row, "sort_at")?,
        id: CallId(column(row, "id")?),
    })
}

/// The last row looked at, when there were as many as may be.
async fn end_of_scan(
    reads: &Transaction,
    filter: &Filter<Postgres>,
    scan_limit: u32,
) -> StoreResult<Option<CallCursor>> {
    if !filter.leaves_out() {
        return Ok(None);
    }
    let rows = filter.run(reads, &filter.end_of_scan(scan_limit)).await?;
    rows.first().map(cursor).transpose()
}

pub(super) async fn one(db: &Readers, app: AppId, id: CallId) -> StoreResult<Option<String>> {
    let sql = "SELECT record FROM call_bodies WHERE app_id = $1 AND id = $2";
    db.of(app)
        .one(sql, &[&app.0, &id.0])
        .await?
        .map(|row| column(&row, "record"))
        .transpose()
}

pub(super) async fn snapshot(db: &Readers, app: AppId) -> StoreResult<Snapshot> {
    let reads = db.of(app).read().await?;
    let sql = "SELECT epoch, head_seq FROM apps WHERE id = $1";
    let head = reads.query_opt(sql, &[&app.0]).await?;
    let head = head.ok_or(StoreError::NotFound("app"))?;
    let statuses = open_statuses().join("', '");
    let sql = format!(
        "SELECT b.record FROM (SELECT app_id, sort_at, id FROM calls WHERE app_id = $1 AND open \
         AND visible AND status IN ('{statuses}') ORDER BY sort_at DESC, id DESC \
         LIMIT {SNAPSHOT_LIMIT}) m JOIN call_bodies b ON b.app_id = m.app_id AND b.id = m.id \
         ORDER BY m.sort_at DESC, m.id DESC"
    );
    let rows = reads.query(&sql, &[&app.0]).await?;
    reads.commit().await?;
    Ok(Snapshot {
        epoch: column(&head, "epoch")?,
        seq: column_count(&head, "head_seq")?,
        calls: rows
            .iter()
            .map(|row| column(row, "record"))
            .collect::<StoreResult<_>>()?,
    })
}

pub(super) async fn due(db: &Readers, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>> {
    let sql = "SELECT c.app_id, c.id, c.connection_id, c.platform, a.country \
               FROM call_bodies b JOIN calls c ON c.app_id = b.app_id AND c.id = b.id \
               JOIN apps a ON a.id = b.app_id WHERE b.due_at <= $1 \
               ORDER BY b.due_at, b.id LIMIT $2";
    // The reaper looks at the calls of all apps.
    let db = db.everywhere();
    let rows = db.query(sql, &[&At::from(now), &i64::from(limit)]).await?;
    let due = rows.iter().map(|row| {
        Ok(DueCall {
            app_id: AppId(column(row, "app_id")?),
            call_id: CallId(column(row, "id")?),
            connection_id: ConnectionId(column(row, "connection_id")?),
            platform: column(row, "platform")?,
            country: column(row, "country")?,
        })
    });
    due.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::scope::{Mode, Scope};
    use crate::postgres::session::Target;
    use switchhook_domain::call::Status;
    use switchhook_domain::id::AgentId;
    use switchhook_domain::moment::MomentStatus;

    const FILL: &str = "INSERT INTO calls (app_id, id, connection_id, platform, visible, open, \
        status, direction, from_number, to_number, agent_extension, agent_user, sort_at, \
        duration_seconds) \
        SELECT '00000000-0000-0000-0000-000000000000', \
        gen_random_uuid(), gen_random_uuid(), 'dialpad', true, n % 500 = 0, 'ended', 'inbound', \
        '+3161' || (n % 900), '+3120' || (n % 3), '201', NULL, now() - n * interval '1 minute', \
        n % 600 FROM generate_series(1, 20000) n; INSERT INTO call_bodies SELECT app_id, id, \
        CASE WHEN random() < 0.001 THEN now() END, repeat('x', 1500), repeat('y', 1500) \
        FROM calls; \
        ANALYZE calls; ANALYZE call_bodies";

    async fn plan(client: &tokio_postgres::Client, sql: &str, filter: &Filter<Postgres>) -> String {
        let params: Vec<(&(dyn ToSql + Sync), Type)> = filter
            .values
            .iter()
            .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        let rows = client
            .query_typed(&format!("EXPLAIN {sql}"), &params)
            .await
            .unwrap();
        rows.iter()
            .map(|row| row.get::<_, String>(0))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Every list walks its index from one position on, and never sorts or scans the table.
    #[tokio::test]
    async fn lists_use_their_indexes() {
        let Ok(url) = std::env::var("SWITCHHOOK_TEST_POSTGRES") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "PostgreSQL must run in CI"
            );
            eprintln!("LEFT OUT: SWITCHHOOK_TEST_POSTGRES is not set");
            return;
        };
        let mut client = Target::parse(&url).unwrap().connect().await.unwrap();
        // A schema of its own; not the session's temporary one, whose functions are not found.
        let schema = format!("lists_{}", std::process::id());
        let own = format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; \
             SET search_path = {schema}"
        );
        client.batch_execute(&own).await.unwrap();
        crate::migrate::run_postgres(&mut client).await.unwrap();
        let nil = Scope::apps([AppId(Uuid::nil())]).begin(Mode::Write);
        client.batch_execute(&nil).await.unwrap();
        client.batch_execute(FILL).await.unwrap();
        let some = CallQuery::default();
        let number = |text: &str| Some(text.to_owned());
        for (query, index) in [
            (some.clone(), "calls_list"),
            (
                CallQuery {
                    open_only: true,
                    ..some.clone()
                },
                "calls_open",
            ),
            (
                CallQuery {
                    moment: Some(MomentStatus::DispositionPending),
                    agent_id: Some(AgentId(Uuid::nil())),
                    ..some.clone()
                },
                "calls_waiting",
            ),
            (
                CallQuery {
                    statuses: vec![Status::Missed],
                    ..some.clone()
                },
                "calls_list",
            ),
            (
                CallQuery {
                    agent: number("201"),
                    ..some.clone()
                },
                "calls_list",
            ),
            (
                CallQuery {
                    from_number: number("+31617"),
                    ..some.clone()
                },
                "calls_from",
            ),
            (
                CallQuery {
                    to_number: number("+31201"),
                    ..some.clone()
                },
                "calls_to",
            ),
        ] {
            let mut filter = Filter::<Postgres>::new(AppId(Uuid::nil()), &query);
            let sort_at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            let first = plan(&client, &filter.page(21, 0, 500), &filter).await;
            filter.go_on_after(CallCursor {
                sort_at,
                id: CallId(Uuid::nil()),
            });
            let next = plan(&client, &filter.page(21, 0, 500), &filter).await;
            for plan in [first, next] {
                assert!(plan.contains(index), "{query:?}\n{plan}");
                assert!(!plan.contains("Seq Scan"), "{query:?}\n{plan}");
            }
        }
        let due =
            "EXPLAIN SELECT 1 FROM call_bodies WHERE due_at <= now() ORDER BY due_at LIMIT 10";
        let rows = client.query(due, &[]).await.unwrap();
        assert!(
            rows.iter()
                .any(|row| row.get::<_, String>(0).contains("call_bodies_due"))
        );
        client.batch_execute("COMMIT").await.unwrap();
        let away = format!("DROP SCHEMA {schema} CASCADE");
        client.batch_execute(&away).await.unwrap();
    }
}
