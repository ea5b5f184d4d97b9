//! Tasks, and how an app's agents work. Tasks are written by the writer: what this file has of
//! that is their columns, see `flush.rs`.
//!
//! Lists are planned for their values each time. A list of what is to be done walks an index of
//! just that. Any other one walks the app's tasks: what is done is looked through seldom, and with
//! conditions.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, TaskId};
use switchhook_domain::task::Task;
use switchhook_engine::store::{StoreResult, TaskQuery, WorkSettings, WorkStore};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::session::{At, column, column_count};
use super::writer::Step;
use crate::columns::{from_json, to_json};
use crate::task_filter::{Bound, TaskFilter, Words};
use crate::working::{Pending, TaskRow};

const WORDS: Words = Words {
    mark: '$',
    own: "app_id = $1",
    open: "open",
};

/// Writes tasks; whoever was faster has been found out under the lock of the app.
pub(super) const TASKS: &str = "INSERT INTO tasks (app_id, id, version, status, open, kind, \
    assignee, queue, contact_id, call_id, number, deadline, priority, created_at, due_at, record) \
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::bool[], \
    $6::text[], $7::uuid[], $8::text[], $9::uuid[], $10::uuid[], $11::text[], \
    $12::timestamptz[], $13::bigint[], $14::timestamptz[], $15::timestamptz[], $16::text[]) \
    ON CONFLICT (app_id, id) DO UPDATE SET version = excluded.version, \
    status = excluded.status, open = excluded.open, kind = excluded.kind, \
    assignee = excluded.assignee, queue = excluded.queue, contact_id = excluded.contact_id, \
    call_id = excluded.call_id, number = excluded.number, deadline = excluded.deadline, \
    priority = excluded.priority, created_at = excluded.created_at, due_at = excluded.due_at, \
    record = excluded.record";

/// Tasks to be written.
#[derive(Default)]
pub(super) struct TaskColumns {
    app: Vec<Uuid>,
    id: Vec<Uuid>,
    version: Vec<i64>,
    status: Vec<&'static str>,
    open: Vec<bool>,
    kind: Vec<&'static str>,
    assignee: Vec<Option<Uuid>>,
    queue: Vec<Option<String>>,
    contact: Vec<Option<Uuid>>,
    call: Vec<Option<Uuid>>,
    number: Vec<Option<String>>,
    deadline: Vec<At>,
    priority: Vec<i64>,
    created_at: Vec<At>,
    due_at: Vec<Option<At>>,
    record: Vec<String>,
}

impl TaskColumns {
    pub(super) fn of(pending: &Pending) -> StoreResult<Self> {
        let mut columns = Self::default();
        for ((app, _), write) in &pending.tasks {
            let task = TaskRow::new(write);
            columns.app.push(app.0);
            columns.id.push(task.id);
            columns.version.push(task.version.into());
            columns.status.push(task.status);
            columns.open.push(task.open);
            columns.kind.push(task.kind);
            columns.assignee.push(task.assignee);
            columns.queue.push(task.queue);
            columns.contact.push(task.contact);
            columns.call.push(task.call);
            columns.number.push(task.number);
            columns.deadline.push(At(task.deadline));
            columns.priority.push(task.priority);
            columns.created_at.push(At(task.created_at));
            columns.due_at.push(task.due_at.map(At));
            columns
                .record
                .push(to_json(&write.task, "tasks", "record")?);
        }
        Ok(columns)
    }

    pub(super) fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 16] = [
            &self.app,
            &self.id,
            &self.version,
            &self.status,
            &self.open,
            &self.kind,
            &self.assignee,
            &self.queue,
            &self.contact,
            &self.call,
            &self.number,
            &self.deadline,
            &self.priority,
            &self.created_at,
            &self.due_at,
            &self.record,
        ];
        Step::when(!self.id.is_empty(), TASKS, params)
    }
}

#[async_trait]
impl WorkStore for PostgresStore {
    async fn task(&self, app: AppId, id: TaskId) -> StoreResult<Option<Task>> {
        let sql = "SELECT record FROM tasks WHERE app_id = $1 AND id = $2";
        let found = self.readers.of(app).one(sql, &[&app.0, &id.0]).await?;
        found.as_ref().map(from_row).transpose()
    }

    async fn tasks(&self, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)> {
        let _turn = self.reading.turn(app).await?;
        let filter = TaskFilter::new(query, &WORDS);
        let values: Vec<_> = filter.values.iter().map(value).collect();
        let mut params: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&app.0, Type::UUID)];
        for (value, kind) in &values {
            params.push((value.as_ref(), kind.clone()));
        }
        let reads = self.readers.of(app).read().await?;
        let counted = reads
            .query_typed(&filter.counting("tasks"), &params)
            .await?;
        let total = counted
            .first()
            .map_or(Ok(0), |row| column_count(row, "total"))?;
        let rows = reads
            .query_typed(&filter.page("tasks", query), &params)
            .await?;
        reads.commit().await?;
        let found = rows.iter().map(from_row).collect::<StoreResult<_>>()?;
        Ok((found, total))
    }

    async fn due_tasks(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(AppId, Task)>> {
        let sql = "SELECT app_id, record FROM tasks WHERE due_at <= $1 \
                   ORDER BY due_at, id LIMIT $2";
        // Whoever watches deadlines watches those of all apps.
        let db = self.readers.everywhere();
        let rows = db.query(sql, &[&At::from(now), &i64::from(limit)]).await?;
        let due = rows.iter().map(|row| {
            let app = AppId(column(row, "app_id")?);
            Ok((app, from_row(row)?))
        });
        due.collect()
    }

    async fn work_settings(&self, app: AppId) -> StoreResult<Option<WorkSettings>> {
        let sql = "SELECT settings FROM work_settings WHERE app_id = $1";
        let found = self.readers.of(app).one(sql, &[&app.0]).await?;
        found
            .map(|row| from_json(column(&row, "settings")?, "work_settings", "settings"))
            .transpose()
    }

    async fn put_work_settings(&self, app: AppId, settings: &WorkSettings) -> StoreResult<()> {
        let sql = "INSERT INTO work_settings (app_id, settings) VALUES ($1, $2) \
                   ON CONFLICT (app_id) DO UPDATE SET settings = excluded.settings";
        let settings = to_json(settings, "work_settings", "settings")?;
        // An app that does not exist is refused by the foreign key.
        let db = self.readers.of(app);
        db.execute(sql, &[&app.0, &settings]).await.map(drop)
    }
}

fn value(bound: &Bound) -> (Box<dyn ToSql + Sync + Send>, Type) {
    match bound {
        Bound::Id(id) => (Box::new(*id), Type::UUID),
        Bound::Text(text) => (Box::new(text.clone()), Type::TEXT),
        Bound::Time(at) => (Box::new(At(*at)), Type::TIMESTAMPTZ),
    }
}

fn from_row(row: &Row) -> StoreResult<Task> {
    from_json(column(row, "record")?, "tasks", "record")
}
