//! Tasks, and how an app's agents work. Tasks are written by the writer, see `flush.rs`.
//!
//! A list of what is to be done walks an index of just that. Any other one walks the app's tasks
//! from the newest on: what is done is looked through seldom, and with conditions.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection as Sql, params, params_from_iter};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, TaskId};
use switchhook_domain::task::Task;
use switchhook_engine::store::{StoreResult, TaskQuery, WorkSettings, WorkStore};

use super::SqliteStore;
use super::apps::must_exist;
use super::session::{blob, fault, optional, text, uuid};
use crate::columns::{from_json, micros, to_json};
use crate::task_filter::{Bound, TaskFilter, Words};

const WORDS: Words = Words {
    mark: '?',
    own: "app = (SELECT no FROM apps WHERE id = ?1)",
    open: "open = 1",
};

#[async_trait]
impl WorkStore for SqliteStore {
    async fn task(&self, app: AppId, id: TaskId) -> StoreResult<Option<Task>> {
        self.read(move |c| {
            let sql = "SELECT record FROM tasks \
                       WHERE app = (SELECT no FROM apps WHERE id = ?1) AND id = ?2";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let found =
                statement.query_row([blob(&app.0), blob(&id.0)], |row| row.get::<_, String>(0));
            optional(found)?
                .map(|record| from_json(&record, "tasks", "record"))
                .transpose()
        })
        .await
    }

    async fn tasks(&self, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)> {
        let query = query.clone();
        let _turn = self.reading.turn(app).await?;
        self.read(move |c| list(c, app, &query)).await
    }

    async fn due_tasks(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(AppId, Task)>> {
        self.read(move |c| {
            let sql = "SELECT a.id, t.record FROM tasks t INDEXED BY tasks_due \
                       JOIN apps a ON a.no = t.app \
                       WHERE t.due_at <= ?1 ORDER BY t.due_at, t.id LIMIT ?2";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let mut rows = statement
                .query(params![micros(now), limit])
                .map_err(fault)?;
            let mut due = Vec::new();
            while let Some(row) = rows.next().map_err(fault)? {
                let app = AppId(uuid(row, 0).map_err(fault)?);
                let record = text(row, 1).map_err(fault)?;
                due.push((app, from_json(record, "tasks", "record")?));
            }
            Ok(due)
        })
        .await
    }

    async fn work_settings(&self, app: AppId) -> StoreResult<Option<WorkSettings>> {
        self.read(move |c| {
            let sql = "SELECT settings FROM work_settings WHERE app_id = ?1";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let found = statement.query_row([blob(&app.0)], |row| row.get::<_, String>(0));
            optional(found)?
                .map(|settings| from_json(&settings, "work_settings", "settings"))
                .transpose()
        })
        .await
    }

    async fn put_work_settings(&self, app: AppId, settings: &WorkSettings) -> StoreResult<()> {
        let settings = to_json(settings, "work_settings", "settings")?;
        self.write(move |c| {
            must_exist(c, app)?;
            let sql = "INSERT INTO work_settings (app_id, settings) VALUES (?1, ?2) \
                       ON CONFLICT (app_id) DO UPDATE SET settings = excluded.settings";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            statement
                .execute(params![blob(&app.0), settings])
                .map(drop)
                .map_err(fault)
        })
        .await
    }
}

fn list(conn: &Sql, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)> {
    let filter = TaskFilter::new(query, &WORDS);
    let table = along(&filter);
    let values = values(app, &filter);
    let mut statement = conn
        .prepare_cached(&filter.counting(table))
        .map_err(fault)?;
    let total: i64 = statement
        .query_row(params_from_iter(&values), |row| row.get(0))
        .map_err(fault)?;
    let sql = filter.page(table, query);
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement.query(params_from_iter(&values)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let record = text(row, 0).map_err(fault)?;
        found.push(from_json(record, "tasks", "record")?);
    }
    Ok((found, u64::try_from(total).unwrap_or(0)))
}

/// The table along the index that leaves out most.
fn along(filter: &TaskFilter) -> &'static str {
    if filter.open {
        "tasks INDEXED BY tasks_open"
    } else {
        "tasks INDEXED BY tasks_newest"
    }
}

fn values(app: AppId, filter: &TaskFilter) -> Vec<Value> {
    let bound = filter.values.iter().map(|value| match value {
        Bound::Id(id) => Value::Blob(blob(id).to_vec()),
        Bound::Text(text) => Value::Text(text.clone()),
        Bound::Time(at) => Value::Integer(*at),
    });
    let app = Value::Blob(blob(&app.0).to_vec());
    std::iter::once(app).chain(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchhook_domain::task::TaskStatus;
    use switchhook_engine::store::TaskSort;
    use uuid::Uuid;

    fn plan(query: &TaskQuery) -> String {
        let mut conn = Sql::open_in_memory().unwrap();
        crate::migrate::run_sqlite(&mut conn).unwrap();
        let filter = TaskFilter::new(query, &WORDS);
        let sql = filter.page(along(&filter), query);
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = values(AppId(Uuid::nil()), &filter);
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
        let steps: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
        steps.join("\n")
    }

    /// The lists that people look at all day walk an index and sort nothing.
    #[test]
    fn lists_use_their_indexes() {
        let open = TaskQuery {
            statuses: vec![TaskStatus::Open, TaskStatus::InProgress],
            ..TaskQuery::default()
        };
        let newest = TaskQuery {
            sort: TaskSort::Newest,
            ..TaskQuery::default()
        };
        let overdue = TaskQuery {
            due_before: Some(Timestamp::UNIX_EPOCH),
            ..open.clone()
        };
        for (query, index) in [
            (&open, "tasks_open (app=?)"),
            (&overdue, "tasks_open (app=? AND deadline<?)"),
            (&newest, "tasks_newest (app=?)"),
        ] {
            let plan = plan(query);
            assert!(
                plan.contains(&format!("INDEX {index}")),
                "{query:?}\n{plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
        }
    }
}
