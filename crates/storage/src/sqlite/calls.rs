//! Reading calls: lists, one, the snapshot, and what the reaper should look at.
//!
//! A list walks one index in its order. What has an index (open, numbers, start) narrows the
//! walk; everything else is tested row by row on at most `scan_limit` rows (see
//! [`switchhook_engine::store::SCAN_LIMIT`]).

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{
    COUNT_LIMIT, CallCursor, CallPage, CallQuery, CallSort, DueCall, SNAPSHOT_LIMIT, Snapshot,
    StoreError, StoreResult,
};
use uuid::Uuid;

use super::events::head;
use super::session::{blob, fault, optional, uuid};
use crate::call_filter::{Dialect, Filter};
use crate::columns::{key, micros, open_statuses, time};

/// The number of the app whose id is the first value.
const APP: &str = "(SELECT no FROM apps WHERE id = ?1)";

/// How SQLite writes a filter. `INDEXED BY` makes a plan that would scan or sort the table an
/// error instead of a slow answer.
struct Sqlite;

impl Dialect for Sqlite {
    type Value = Value;
    const MARK: char = '?';
    const SHOWN: &'static str = "app = (SELECT no FROM apps WHERE id = ?1) AND visible = 1";
    const OPEN: &'static str = "open = 1";
    const KEEPS_ORDER: bool = true;
    const BODY: &'static str = "row";

    fn id(id: Uuid) -> Value {
        Value::Blob(blob(&id).to_vec())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn time(at: Timestamp) -> Value {
        Value::Integer(micros(at))
    }

    fn number(number: i64) -> Value {
        Value::Integer(number)
    }

    fn along(index: &str) -> String {
        format!("calls INDEXED BY {index}")
    }

    fn known(filter: &mut Filter<Self>, keys: &[(ConnectionId, String)]) -> String {
        let mut places = Vec::with_capacity(keys.len());
        for (connection, name) in keys {
            let connection = filter.bind(Self::id(connection.0));
            let name = filter.bind(Self::text(&key(name)));
            places.push(format!("({connection}, {name})"));
        }
        // An empty list of values is no SQL.
        if places.is_empty() {
            return " AND 1 = 0".to_owned();
        }
        format!(
            " AND id IN (SELECT call_id FROM call_keys \
             WHERE (connection_id, key) IN (VALUES {}))",
            places.join(", ")
        )
    }
}

pub(super) fn list(
    conn: &Connection,
    app: AppId,
    query: &CallQuery,
    scan_limit: u32,
) -> StoreResult<CallPage> {
    let mut filter = Filter::<Sqlite>::new(app, query);
    let (total, walked) = count(conn, &filter, scan_limit)?;
    let whole = query.after.is_none() && walked < scan_limit;
    if let Some(cursor) = query.after {
        filter.go_on_after(cursor);
    } else if filter.is_scan() && total == 0 && whole {
        return Ok(CallPage::default());
    }
    let limit = query.limit.clamp(1, 100);
    let sql = format!(
        "SELECT m.sort_at, m.id, b.record \
         FROM ({} LIMIT ?{} OFFSET ?{}) m CROSS JOIN call_bodies b ON b.row = m.row \
         {}",
        filter.matching("row, sort_at, id, duration_seconds", scan_limit),
        filter.values.len() + 1,
        filter.values.len() + 2,
        filter.order("m."),
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let cut = [
        Value::Integer((limit + 1).into()),
        Value::Integer(query.offset.into()),
    ];
    let values = params_from_iter(filter.values.iter().chain(&cut));
    let mut rows = statement.query(values).map_err(fault)?;
    let mut page = CallPage {
        total,
        ..CallPage::default()
    };
    let mut last = None;
    while let Some(row) = rows.next().map_err(fault)? {
        if page.calls.len() == limit as usize {
            page.next = last.filter(|_| query.sort.has_positions());
            return Ok(page);
        }
        let sort_at = time(row.get(0).map_err(fault)?);
        last = Some(CallCursor {
            sort_at,
            id: CallId(uuid(row, 1).map_err(fault)?),
        });
        page.calls.push(row.get(2).map_err(fault)?);
    }
    if whole {
        return Ok(page);
    }
    page.next = end_of_scan(conn, &filter, query.sort, scan_limit)?;
    if page.calls.len() == limit as usize && page.next.is_some() {
        page.next = last;
    }
    Ok(page)
}

/// How many match, and how many rows a scan looks at, in one walk.
fn count(conn: &Connection, filter: &Filter<Sqlite>, scan_limit: u32) -> StoreResult<(u64, u32)> {
    let mut statement = conn
        .prepare_cached(&filter.counting(scan_limit))
        .map_err(fault)?;
    let (total, walked): (i64, u32) = statement
        .query_row(params_from_iter(&filter.values), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(fault)?;
    let total = u64::try_from(total).unwrap_or(0).min(COUNT_LIMIT);
    Ok((total, walked))
}

/// The last row looked at, when there were as many as may be.
fn end_of_scan(
    conn: &Connection,
    filter: &Filter<Sqlite>,
    sort: CallSort,
    scan_limit: u32,
) -> StoreResult<Option<CallCursor>> {
    if !filter.leaves_out() || !sort.has_positions() {
        return Ok(None);
    }
    let sql = filter.end_of_scan(scan_limit);
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    // Only the values of the conditions that are in this statement count.
    let used = statement.parameter_count();
    let values = filter.values.iter().take(used);
    optional(statement.query_row(params_from_iter(values), |row| {
        Ok(CallCursor {
            sort_at: time(row.get(0)?),
            id: CallId(uuid(row, 1)?),
        })
    }))
}

pub(super) fn one(conn: &Connection, app: AppId, id: CallId) -> StoreResult<Option<String>> {
    let sql = "SELECT b.record FROM calls c JOIN call_bodies b ON b.row = c.row \
               WHERE c.app = (SELECT no FROM apps WHERE id = ?1) AND c.id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    optional(statement.query_row([blob(&app.0), blob(&id.0)], |row| row.get(0)))
}

pub(super) fn snapshot(conn: &Connection, app: AppId) -> StoreResult<Snapshot> {
    let (_, position) = head(conn, app)?.ok_or(StoreError::NotFound("app"))?;
    let statuses = open_statuses().join("', '");
    let sql = format!(
        "SELECT b.record FROM (SELECT row, sort_at, id FROM calls INDEXED BY calls_open \
         WHERE app = {APP} AND open = 1 AND visible = 1 AND status IN ('{statuses}') \
         ORDER BY sort_at DESC, id DESC LIMIT {SNAPSHOT_LIMIT}) m \
         CROSS JOIN call_bodies b ON b.row = m.row ORDER BY m.sort_at DESC, m.id DESC"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let rows = statement
        .query_map([blob(&app.0)], |row| row.get(0))
        .map_err(fault)?;
    let calls = rows.collect::<rusqlite::Result<_>>().map_err(fault)?;
    Ok(Snapshot {
        epoch: position.epoch,
        seq: position.head,
        calls,
    })
}

pub(super) fn due(conn: &Connection, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>> {
    let sql = "SELECT a.id, c.id, c.connection_id, c.platform, a.country \
               FROM (SELECT row, due_at FROM calls INDEXED BY calls_due \
               WHERE due_at <= ?1 ORDER BY due_at, row LIMIT ?2) d \
               CROSS JOIN calls c ON c.row = d.row JOIN apps a ON a.no = c.app \
               ORDER BY d.due_at, c.id";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let rows = statement
        .query_map(params![micros(now), limit], |row| {
            Ok(DueCall {
                app_id: AppId(uuid(row, 0)?),
                call_id: CallId(uuid(row, 1)?),
                connection_id: ConnectionId(uuid(row, 2)?),
                platform: row.get(3)?,
                country: row.get(4)?,
            })
        })
        .map_err(fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchhook_domain::call::Status;
    use switchhook_domain::id::AgentId;
    use switchhook_domain::moment::MomentStatus;

    fn plan(conn: &Connection, sql: &str, values: &[Value]) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
        rows.unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Every list walks its index from one position on, and never sorts or scans the table.
    #[expect(clippy::too_many_lines, reason = "a table of queries")]
    #[test]
    fn lists_use_their_indexes() {
        let mut conn = Connection::open_in_memory().unwrap();
        crate::migrate::run_sqlite(&mut conn).unwrap();
        let some = CallQuery::default();
        let number = || Some("+31612345678".to_owned());
        for (query, index) in [
            (some.clone(), "calls_list (app=?)"),
            (
                CallQuery {
                    open_only: true,
                    ..some.clone()
                },
                "calls_open (app=?)",
            ),
            (
                CallQuery {
                    moment: Some(MomentStatus::DispositionPending),
                    agent_id: Some(AgentId(Uuid::nil())),
                    ..some.clone()
                },
                "calls_waiting (app=?)",
            ),
            (
                CallQuery {
                    statuses: vec![Status::Missed],
                    ..some.clone()
                },
                "calls_list (app=?)",
            ),
            (
                CallQuery {
                    agent: number(),
                    ..some.clone()
                },
                "calls_list (app=?)",
            ),
            (
                CallQuery {
                    from_number: number(),
                    ..some.clone()
                },
                "calls_from (app=? AND from_number=?)",
            ),
            (
                CallQuery {
                    to_number: number(),
                    ..some.clone()
                },
                "calls_to (app=? AND to_number=?)",
            ),
            (
                CallQuery {
                    from_number: number(),
                    to_number: number(),
                    ..some.clone()
                },
                "calls_from (app=? AND from_number=?)",
            ),
            (
                CallQuery {
                    since: Some(Timestamp::UNIX_EPOCH),
                    ..some.clone()
                },
                "calls_list (app=? AND sort_at>?)",
            ),
        ] {
            let mut filter = Filter::<Sqlite>::new(AppId(Uuid::nil()), &query);
            let counted = plan(&conn, &filter.matching("1", 10), &filter.values);
            assert!(
                counted.contains(&format!("INDEX {index}")),
                "{query:?}\n{counted}"
            );
            let sort_at = Timestamp::UNIX_EPOCH;
            filter.go_on_after(CallCursor {
                sort_at,
                id: CallId(Uuid::nil()),
            });
            let paged = plan(
                &conn,
                &filter.matching("row, sort_at, id", 10),
                &filter.values,
            );
            let name = index.split(' ').next().unwrap();
            assert!(
                paged.contains(&format!("INDEX {name} (app=?")),
                "{query:?}\n{paged}"
            );
            assert!(paged.contains("(sort_at,id)<(?,?)"), "{query:?}\n{paged}");
            for plan in [counted, paged] {
                assert!(!plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
                assert!(!plan.contains("SCAN calls"), "{query:?}\n{plan}");
            }
        }
    }

    const FILL: &str = "INSERT INTO apps (id, name, country, active, epoch, created_at) \
        VALUES (zeroblob(16), 'a', 'NL', 1, zeroblob(16), 0); \
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < COUNT) \
        INSERT INTO calls (row, app, id, connection_id, platform, visible, open, status, \
        direction, from_number, to_number, agent_extension, agent_user, sort_at, due_at, \
        duration_seconds) SELECT n, 1, cast(printf('%016d', n) AS BLOB), zeroblob(16), 'dialpad', \
        1, n > COUNT - 50, CASE WHEN n > COUNT - 50 THEN 'active' WHEN n % 40 = 0 THEN 'missed' \
        ELSE 'ended' END, 'inbound', '+316' || (n * 7919 % 100000), '+3120' || (n % 3), \
        '2' || (n % 500), NULL, n * 1000000, NULL, n % 600 FROM n; \
        INSERT INTO call_bodies SELECT row, '{}', printf('%1500d', row) FROM calls;";

    /// Takes minutes: `cargo test --release -p switchhook-storage -- --ignored --nocapture`.
    /// `SWITCHHOOK_TEST_CALLS` says how many calls (two million).
    #[test]
    #[ignore = "fills a large database"]
    fn lists_stay_fast_as_the_table_grows() {
        let calls = std::env::var("SWITCHHOOK_TEST_CALLS").unwrap_or_else(|_| "2000000".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.db");
        let mut conn =
            super::super::session::open_writer(&path, crate::Durability::Normal).unwrap();
        super::super::session::found(&conn).unwrap();
        crate::migrate::run_sqlite(&mut conn).unwrap();
        conn.execute_batch(&FILL.replace("COUNT", &calls)).unwrap();
        let conn = super::super::session::open_reader(&path).unwrap();
        let some = CallQuery {
            limit: 50,
            ..CallQuery::default()
        };
        let text = |text: &str| Some(text.to_owned());
        let last: i64 = calls.parse().unwrap();
        let middle = CallCursor {
            sort_at: time(last / 2 * 1_000_000),
            id: CallId(Uuid::max()),
        };
        for (name, query) in [
            ("newest", some.clone()),
            (
                "from the middle",
                CallQuery {
                    after: Some(middle),
                    ..some.clone()
                },
            ),
            (
                "open",
                CallQuery {
                    open_only: true,
                    ..some.clone()
                },
            ),
            (
                "by caller",
                CallQuery {
                    from_number: text("+3167919"),
                    ..some.clone()
                },
            ),
            (
                "by line",
                CallQuery {
                    to_number: text("+31201"),
                    ..some.clone()
                },
            ),
            (
                "missed",
                CallQuery {
                    statuses: vec![Status::Missed],
                    ..some.clone()
                },
            ),
            (
                "of an agent",
                CallQuery {
                    agent: text("2499"),
                    ..some.clone()
                },
            ),
            (
                "of nobody",
                CallQuery {
                    agent: text("nobody"),
                    ..some.clone()
                },
            ),
        ] {
            let mut times = Vec::new();
            for _ in 0..50 {
                let began = std::time::Instant::now();
                list(&conn, AppId(Uuid::nil()), &query, 50_000).unwrap();
                times.push(began.elapsed());
            }
            times.sort();
            eprintln!("{name}: p50 {:?}, p98 {:?}", times[25], times[48]);
        }
    }
}
