//! What a list of tasks asks of the table, as SQL for either database. Not here: running it and
//! what is made of the rows (`work.rs` of each database).

use switchhook_engine::store::{Assigned, COUNT_LIMIT, TaskQuery, TaskSort};
use uuid::Uuid;

use crate::columns::{clean, micros};

/// A value bound to a statement.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Id(Uuid),
    Text(String),
    /// Microseconds since 1970.
    Time(i64),
}

/// What the databases write differently.
pub(crate) struct Words {
    /// What stands before the number of a value.
    pub(crate) mark: char,
    /// Only tasks of the app whose id is the first value.
    pub(crate) own: &'static str,
    /// Only tasks that are to be done.
    pub(crate) open: &'static str,
}

/// The conditions of a list, and its order.
pub(crate) struct TaskFilter {
    conditions: String,
    sort: TaskSort,
    /// True when only tasks that are to be done are wanted; these have an index of their own.
    pub(crate) open: bool,
    /// The values, behind the id of the app.
    pub(crate) values: Vec<Bound>,
}

impl TaskFilter {
    pub(crate) fn new(query: &TaskQuery, words: &Words) -> Self {
        let open = !query.statuses.is_empty() && query.statuses.iter().all(|s| s.is_open());
        let mut filter = Self {
            conditions: words.own.to_owned(),
            sort: query.sort,
            open,
            values: Vec::new(),
        };
        if open {
            filter.and(words.open);
        }
        if !query.statuses.is_empty() {
            let names: Vec<&str> = query.statuses.iter().map(|s| s.as_str()).collect();
            filter.and(&format!("status IN ('{}')", names.join("', '")));
        }
        if !query.kinds.is_empty() {
            let names: Vec<&str> = query.kinds.iter().map(|kind| kind.as_str()).collect();
            filter.and(&format!("kind IN ('{}')", names.join("', '")));
        }
        let text = |text: &Option<String>| text.as_deref().map(|t| Bound::Text(clean(t).into()));
        let assignee = match query.assigned {
            None => None,
            Some(Assigned::To(agent)) => Some(Bound::Id(agent.0)),
            Some(Assigned::Nobody) => {
                filter.and("assignee IS NULL");
                None
            }
        };
        let conditions = [
            ("assignee =", assignee),
            ("queue =", text(&query.queue)),
            ("contact_id =", query.contact_id.map(|id| Bound::Id(id.0))),
            ("call_id =", query.call_id.map(|id| Bound::Id(id.0))),
            ("number =", text(&query.number)),
            (
                "deadline <",
                query.due_before.map(|at| Bound::Time(micros(at))),
            ),
        ];
        for (condition, value) in conditions {
            let Some(value) = value else { continue };
            filter.values.push(value);
            // The app is the first value.
            let number = filter.values.len() + 1;
            filter.and(&format!("{condition} {}{number}", words.mark));
        }
        filter
    }

    fn and(&mut self, condition: &str) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
    }

    /// The statement that counts, up to [`COUNT_LIMIT`], as `total`.
    pub(crate) fn counting(&self, table: &str) -> String {
        let conditions = &self.conditions;
        format!(
            "SELECT count(*) AS total FROM \
             (SELECT 1 FROM {table} WHERE {conditions} LIMIT {COUNT_LIMIT}) n"
        )
    }

    /// The statement that gives the records of one page.
    pub(crate) fn page(&self, table: &str, query: &TaskQuery) -> String {
        let order = match self.sort {
            TaskSort::Deadline => "deadline, priority DESC, id DESC",
            TaskSort::Newest => "created_at DESC, id DESC",
        };
        let conditions = &self.conditions;
        format!(
            "SELECT record FROM {table} WHERE {conditions} ORDER BY {order} LIMIT {} OFFSET {}",
            query.limit.clamp(1, 100),
            query.offset
        )
    }
}
