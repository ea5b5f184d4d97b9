//! What a list of calls asks of the table, as SQL: which index it walks, which conditions narrow
//! the walk, and which are tested row by row. Not here: running it ([`super::calls`]).

use rusqlite::types::Value;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, CallCursor, CallQuery, CallSort};

use super::session::blob;
use crate::columns::{clean, direction_name, key, micros, open_statuses};

/// The number of the app whose id is the first value.
pub(super) const APP: &str = "(SELECT no FROM apps WHERE id = ?1)";

/// A `WHERE` being put together.
pub(super) struct Filter {
    pub(super) index: &'static str,
    pub(super) sort: CallSort,
    /// Conditions that narrow the walk along the index.
    pub(super) indexed: String,
    /// Conditions tested row by row.
    pub(super) tested: String,
    pub(super) values: Vec<Value>,
}

impl Filter {
    pub(super) fn new(app: AppId, query: &CallQuery) -> Self {
        let mut filter = Self {
            index: "calls_list",
            sort: query.sort,
            indexed: format!("app = {APP} AND visible = 1"),
            tested: String::new(),
            values: vec![Value::Blob(blob(&app.0).to_vec())],
        };
        filter.choose_index(query);
        filter.range(query);
        filter.test(query);
        filter
    }

    fn bind(&mut self, value: Value) -> usize {
        self.values.push(value);
        self.values.len()
    }

    fn bind_text(&mut self, text: &str) -> usize {
        self.bind(Value::Text(text.to_owned()))
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
        let from = from.map(|n| format!(" AND from_number = ?{n}"));
        let to = to.map(|n| format!(" AND to_number = ?{n}"));
        if let Some(keys) = &query.keys {
            self.index = "calls_id";
            let places: Vec<String> = keys
                .iter()
                .map(|(connection, name)| {
                    let connection = self.bind(Value::Blob(blob(&connection.0).to_vec()));
                    let name = self.bind_text(&key(name));
                    format!("(?{connection}, ?{name})")
                })
                .collect();
            // An empty list of values is no SQL.
            let known = match places.as_slice() {
                [] => " AND 1 = 0".to_owned(),
                places => format!(
                    " AND id IN (SELECT call_id FROM call_keys \
                     WHERE (connection_id, key) IN (VALUES {}))",
                    places.join(", ")
                ),
            };
            self.indexed.push_str(&known);
            self.tested.extend([from, to].into_iter().flatten());
            if query.open_only {
                let statuses = open_statuses().join("', '");
                self.tested
                    .push_str(&format!(" AND open = 1 AND status IN ('{statuses}')"));
            }
        } else if query.open_only {
            self.index = "calls_open";
            let statuses = open_statuses().join("', '");
            self.indexed
                .push_str(&format!(" AND open = 1 AND status IN ('{statuses}')"));
            self.tested.extend([from, to].into_iter().flatten());
        } else if let Some(from) = from {
            self.index = "calls_from";
            self.indexed.push_str(&from);
            self.tested.extend(to);
        } else if let Some(to) = to {
            self.index = "calls_to";
            self.indexed.push_str(&to);
        }
    }

    fn range(&mut self, query: &CallQuery) {
        if let Some(since) = query.since {
            let n = self.bind(Value::Integer(micros(since)));
            self.indexed.push_str(&format!(" AND sort_at >= ?{n}"));
        }
        if let Some(until) = query.until {
            let n = self.bind(Value::Integer(micros(until)));
            self.indexed.push_str(&format!(" AND sort_at < ?{n}"));
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
            self.tested.push_str(&format!(" AND platform = ?{n}"));
        }
        if let Some(connection) = query.connection_id {
            let n = self.bind(Value::Blob(blob(&connection.0).to_vec()));
            self.tested.push_str(&format!(" AND connection_id = ?{n}"));
        }
        if let Some(agent) = &query.agent {
            let n = self.bind_text(&clean(agent));
            self.tested.push_str(&format!(
                " AND (agent_extension = ?{n} OR agent_user = ?{n})"
            ));
        }
        if let Some(agent) = query.agent_id {
            let n = self.bind(Value::Blob(blob(&agent.0).to_vec()));
            self.tested.push_str(&format!(" AND agent_id = ?{n}"));
        }
        if let Some(id) = &query.crm_user_id {
            let n = self.bind_text(&clean(id));
            self.tested.push_str(&format!(" AND agent_crm = ?{n}"));
        }
        for (limit, comparison) in [(query.min_duration, ">="), (query.max_duration, "<=")] {
            if let Some(seconds) = limit {
                let n = self.bind(Value::Integer(seconds));
                self.tested
                    .push_str(&format!(" AND duration_seconds {comparison} ?{n}"));
            }
        }
    }

    pub(super) fn go_on_after(&mut self, cursor: CallCursor) {
        let at = self.bind(Value::Integer(micros(cursor.sort_at)));
        let id = self.bind(Value::Blob(blob(&cursor.id.0).to_vec()));
        let further = if self.sort == CallSort::Oldest {
            ">"
        } else {
            "<"
        };
        self.indexed
            .push_str(&format!(" AND (sort_at, id) {further} (?{at}, ?{id})"));
    }

    /// The order of the walk.
    pub(super) fn walk(&self) -> &'static str {
        match self.sort {
            CallSort::Oldest => "ORDER BY sort_at, id",
            CallSort::Newest | CallSort::Longest | CallSort::Shortest => {
                "ORDER BY sort_at DESC, id DESC"
            }
        }
    }

    /// The order of the page, of columns with this prefix.
    pub(super) fn order(&self, of: &str) -> String {
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
    pub(super) fn is_scan(&self) -> bool {
        !self.tested.is_empty() || !self.sort.has_positions()
    }

    /// The rows that a scan looks at, in the order of the walk.
    pub(super) fn walked(&self, scan_limit: u32) -> String {
        let Self { index, indexed, .. } = self;
        format!(
            "SELECT row, id, connection_id, platform, status, direction, to_number, from_number, \
             agent_extension, agent_user, agent_id, agent_crm, sort_at, duration_seconds, \
             open \
             FROM calls INDEXED BY {index} WHERE {indexed} {} LIMIT {scan_limit}",
            self.walk()
        )
    }

    /// The statement that counts what matches, and of a scan the rows looked at.
    pub(super) fn counting(&self, scan_limit: u32) -> String {
        if self.is_scan() {
            return format!(
                "SELECT count(*) FILTER (WHERE 1 = 1{}), count(*) FROM ({})",
                self.tested,
                self.walked(scan_limit)
            );
        }
        let matching = self.matching("1", scan_limit);
        format!("SELECT count(*), 0 FROM ({matching} LIMIT {COUNT_LIMIT})")
    }

    /// The rows that match, in order; no more than `scan_limit` are looked at.
    pub(super) fn matching(&self, columns: &str, scan_limit: u32) -> String {
        let Self {
            index,
            indexed,
            tested,
            ..
        } = self;
        let order = self.walk();
        if !self.is_scan() {
            return format!(
                "SELECT {columns} FROM calls INDEXED BY {index} WHERE {indexed} {order}"
            );
        }
        format!(
            "SELECT {columns} FROM ({}) WHERE 1 = 1{tested}{}",
            self.walked(scan_limit),
            if self.sort.has_positions() {
                String::new()
            } else {
                format!(" {}", self.order(""))
            }
        )
    }
}
