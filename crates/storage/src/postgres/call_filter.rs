//! What a list of calls asks of the table, as SQL: which conditions narrow the walk along an
//! index, and which are tested row by row. Not here: what is made of the rows ([`super::calls`]).

use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, CallCursor, CallQuery, CallSort, StoreResult};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::reader::Transaction;
use super::session::At;
use crate::columns::{clean, direction_name, key, open_statuses};

type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// A `WHERE` being put together.
pub(super) struct Filter {
    /// Conditions that narrow the walk along the index.
    pub(super) indexed: String,
    /// Conditions tested row by row.
    pub(super) tested: String,
    pub(super) sort: CallSort,
    pub(super) values: Vec<Value>,
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
        if let Some(agent) = query.agent_id {
            let n = self.bind(agent.0, Type::UUID);
            self.tested.push_str(&format!(" AND agent_id = ${n}"));
        }
        if let Some(id) = &query.crm_user_id {
            let n = self.bind_text(&clean(id));
            self.tested.push_str(&format!(" AND agent_crm = ${n}"));
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

    /// The rows that match, in order; no more than `scan_limit` are looked at.
    pub(super) fn matching(&self, columns: &str, scan_limit: u32) -> String {
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

    /// Runs a statement of this filter with its values.
    pub(super) async fn run(&self, reads: &Transaction, sql: &str) -> StoreResult<Vec<Row>> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> = self
            .values
            .iter()
            .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        reads.query_typed(sql, &params).await
    }
}
