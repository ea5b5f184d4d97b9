//! Reading calls: lists, one, the snapshot, and what the reaper should look at.
//!
//! A list walks one index in its order. What has an index (open, numbers, start) narrows the
//! walk; everything else is tested row by row on at most `scan_limit` rows (see
//! [`switchhook_engine::store::SCAN_LIMIT`]). Lists are planned for their values each time: a
//! plan for any value would be a bad one for some.

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{
    COUNT_LIMIT, CallCursor, CallPage, CallQuery, CallSort, DueCall, SNAPSHOT_LIMIT, Snapshot,
    StoreError, StoreResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::reader::{Readers, Transaction};
use super::session::{At, column, column_count, column_time};
use crate::columns::{clean, direction_name, key, open_statuses};

type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// A `WHERE` being put together.
pub(super) struct Filter {
    /// Conditions that narrow the walk along the index.
    indexed: String,
    /// Conditions tested row by row.
    tested: String,
    sort: CallSort,
    values: Vec<Value>,
}

impl Filter {
    pub(super) fn new(app: AppId, query: &CallQuery) -> Self {
        let mut filter = Self {
            indexed: "app_id = $1 AND visible".to_owned(),
            tested: String::new(),
            sort: query.sort,
            values: vec![(Box::new(app.0), Type::UUID)],
        };
        filter.choose_index(query);
        filter.range(query);
        filter.test(query);
        filter
    }

    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static, kind: Type) -> usize {
        self.values.push((Box::new(value), kind));
        self.values.len()
    }

    fn bind_text(&mut self, text: &str) -> usize {
        self.bind(text.to_owned(), Type::TEXT)
    }

    fn choose_index(&mut self, query: &CallQuery) {
        let from = query
            .from_number
            .as_deref()
            .map(|number| self.bind_text(&key(number)));
        let to = query
            .to_number
            .as_deref()
            .map(|number| self.bind_text(&key(number)));
        let from = from.map(|n| format!(" AND from_number = ${n}"));
        let to = to.map(|n| format!(" AND to_number = ${n}"));
        if let Some(keys) = &query.keys {
            let connections: Vec<_> = keys.iter().map(|(connection, _)| connection.0).collect();
            let names: Vec<String> = keys.iter().map(|(_, name)| key(name).into()).collect();
            let connections = self.bind(connections, Type::UUID_ARRAY);
            let names = self.bind(names, Type::TEXT_ARRAY);
            self.indexed.push_str(&format!(
                " AND id IN (SELECT k.call_id FROM unnest(${connections}, ${names}) \
                 AS q (connection_id, key) JOIN call_keys k \
                 ON k.connection_id = q.connection_id AND k.key = q.key)"
            ));
            self.tested.extend([from, to].into_iter().flatten());
            if query.open_only {
                let statuses = open_statuses().join("', '");
                self.tested
                    .push_str(&format!(" AND open AND status IN ('{statuses}')"));
            }
        } else if query.open_only {
            let statuses = open_statuses().join("', '");
            self.indexed
                .push_str(&format!(" AND open AND status IN ('{statuses}')"));
            self.tested.extend([from, to].into_iter().flatten());
        } else if let Some(from) = from {
            self.indexed.push_str(&from);
            self.tested.extend(to);
        } else if let Some(to) = to {
            self.indexed.push_str(&to);
        }
    }

    fn range(&mut self, query: &CallQuery) {
        if let Some(since) = query.since {
            let n = self.bind(At::from(since), Type::TIMESTAMPTZ);
            self.indexed.push_str(&format!(" AND sort_at >= ${n}"));
        }
        if let Some(until) = query.until {
            let n = self.bind(At::from(until), Type::TIMESTAMPTZ);
            self.indexed.push_str(&format!(" AND sort_at < ${n}"));
        }
    }

    fn test(&mut self, query: &CallQuery) {
        if !query.statuses.is_empty() {
            let names: Vec<&str> = query.statuses.iter().map(|s| s.as_str()).collect();
            self.tested
                .push_str(&format!(" AND status IN ('{}')", names.join("', '")));
        }
        if let Some(direction) = query.direction {
            self.tested
                .push_str(&format!(" AND direction = '{}'", direction_name(direction)));
        }
        if let Some(platform) = &query.platform {
            let n = self.bind_text(&clean(platform));
            self.tested.push_str(&format!(" AND platform = ${n}"));
        }
        if let Some(connection) = query.connection_id {
            let n = self.bind(connection.0, Type::UUID);
            self.tested.push_str(&format!(" AND connection_id = ${n}"));
        }
        if let Some(agent) = &query.agent {
            let n = self.bind_text(&clean(agent));
            self.tested.push_str(&format!(
                " AND (agent_extension = ${n} OR agent_user = ${n})"
            ));
        }
        for (limit, comparison) in [(query.min_duration, ">="), (query.max_duration, "<=")] {
            if let Some(seconds) = limit {
                let n = self.bind(seconds, Type::INT8);
                self.tested
                    .push_str(&format!(" AND duration_seconds {comparison} ${n}"));
            }
        }
    }

    pub(super) fn go_on_after(&mut self, cursor: CallCursor) {
        let at = self.bind(At::from(cursor.sort_at), Type::TIMESTAMPTZ);
        let id = self.bind(cursor.id.0, Type::UUID);
        let further = if self.sort == CallSort::Oldest {
            ">"
        } else {
            "<"
        };
        self.indexed
            .push_str(&format!(" AND (sort_at, id) {further} (${at}, ${id})"));
    }

    /// The order of the walk.
    fn walk(&self) -> &'static str {
        match self.sort {
            CallSort::Oldest => "ORDER BY sort_at, id",
            CallSort::Newest | CallSort::Longest | CallSort::Shortest => {
                "ORDER BY sort_at DESC, id DESC"
            }
        }
    }

    /// The order of the page, of columns with this prefix.
    fn order(&self, of: &str) -> String {
        match self.sort {
            CallSort::Newest => format!("ORDER BY {of}sort_at DESC, {of}id DESC"),
            CallSort::Oldest => format!("ORDER BY {of}sort_at, {of}id"),
            CallSort::Longest | CallSort::Shortest => {
                let way = if self.sort == CallSort::Longest {
                    " DESC"
                } else {
                    ""
                };
                format!(
                    "ORDER BY {of}duration_seconds{way} NULLS LAST, {of}sort_at DESC, {of}id DESC"
                )
            }
        }
    }

    /// True when rows are looked at that may not be shown, or not in this order.
    fn is_scan(&self) -> bool {
        !self.tested.is_empty() || !self.sort.has_positions()
    }

    /// The rows that match, in order; no more than `scan_limit` are looked at.
    fn matching(&self, columns: &str, scan_limit: u32) -> String {
        let Self {
            indexed, tested, ..
        } = self;
        let (walk, order) = (self.walk(), self.order(""));
        if !self.is_scan() {
            return format!("SELECT {columns} FROM calls WHERE {indexed} {order}");
        }
        format!(
            "SELECT {columns} FROM (SELECT * FROM calls WHERE {indexed} {walk} \
             LIMIT {scan_limit}) walked WHERE true{tested} {order}"
        )
    }

    /// The statement that gives a page.
    pub(super) fn page(&self, limit: u32, offset: u32, scan_limit: u32) -> String {
        let matching = self.matching("app_id, sort_at, id, duration_seconds", scan_limit);
        let order = self.order("m.");
        format!(
            "SELECT m.sort_at, m.id, b.record FROM ({matching} LIMIT {limit} OFFSET {offset}) m \
             JOIN call_bodies b ON b.app_id = m.app_id AND b.id = m.id \
             {order}"
        )
    }

    /// The statement that counts what matches, and of a scan the rows looked at, in one walk.
    pub(super) fn count(&self, scan_limit: u32) -> String {
        if !self.is_scan() {
            let matching = self.matching("1", scan_limit);
            return format!(
                "SELECT count(*) AS total, 0::bigint AS walked \
                 FROM ({matching} LIMIT {COUNT_LIMIT}) n"
            );
        }
        let Self {
            indexed, tested, ..
        } = self;
        format!(
            "SELECT count(*) FILTER (WHERE true{tested}) AS total, count(*) AS walked \
             FROM (SELECT * FROM calls WHERE {indexed} {} LIMIT {scan_limit}) walked",
            self.walk()
        )
    }

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
    let mut filter = Filter::new(app, query);
    let counted = filter.run(reads, &filter.count(scan_limit)).await?;
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
    filter: &Filter,
    scan_limit: u32,
) -> StoreResult<Option<CallCursor>> {
    if filter.tested.is_empty() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT sort_at, id FROM calls WHERE {} {} LIMIT 1 OFFSET {}",
        filter.indexed,
        filter.walk(),
        scan_limit.saturating_sub(1)
    );
    filter
        .run(reads, &sql)
        .await?
        .first()
        .map(cursor)
        .transpose()
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
    use uuid::Uuid;

    const FILL: &str = "INSERT INTO calls SELECT '00000000-0000-0000-0000-000000000000', \
        gen_random_uuid(), gen_random_uuid(), 'dialpad', true, n % 500 = 0, 'ended', 'inbound', \
        '+3161' || (n % 900), '+3120' || (n % 3), '201', NULL, now() - n * interval '1 minute', \
        n % 600 FROM generate_series(1, 20000) n; INSERT INTO call_bodies SELECT app_id, id, \
        CASE WHEN random() < 0.001 THEN now() END, repeat('x', 1500), repeat('y', 1500) \
        FROM calls; \
        ANALYZE calls; ANALYZE call_bodies";

    async fn plan(client: &tokio_postgres::Client, sql: &str, filter: &Filter) -> String {
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
            let mut filter = Filter::new(AppId(Uuid::nil()), &query);
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
