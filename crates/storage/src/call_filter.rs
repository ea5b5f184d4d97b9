//! What a list of calls asks of the table, as SQL for either database: which index it walks, which
//! conditions narrow the walk, and which are tested row by row. Not here: running it and what is
//! made of the rows (`calls.rs` of each database).

use std::fmt::Write;

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::moment::MomentStatus;
use switchhook_engine::store::{COUNT_LIMIT, CallCursor, CallQuery, CallSort};
use uuid::Uuid;

use crate::columns::{clean, direction_name, key, open_statuses};

/// What the databases write differently.
pub(crate) trait Dialect: Sized {
    /// A value bound to a statement.
    type Value;
    /// What stands before the number of a value.
    const MARK: char;
    /// Only calls of the app whose id is the first value, and of these only what lists show.
    const SHOWN: &'static str;
    /// Only calls without an end.
    const OPEN: &'static str;
    /// Whether the rows of a subquery stay in its order.
    const KEEPS_ORDER: bool;
    /// The column that leads from a call to its body, beside `id`.
    const BODY: &'static str;
    fn id(id: Uuid) -> Self::Value;
    fn text(text: &str) -> Self::Value;
    fn time(at: Timestamp) -> Self::Value;
    fn number(number: i64) -> Self::Value;
    /// The table, walked along this index.
    fn along(index: &str) -> String;
    /// Only calls known by one of these names.
    fn known(filter: &mut Filter<Self>, keys: &[(ConnectionId, String)]) -> String;
}

/// A `WHERE` being put together.
pub(crate) struct Filter<D: Dialect> {
    index: &'static str,
    sort: CallSort,
    /// Conditions that narrow the walk along the index.
    indexed: String,
    /// Conditions tested row by row.
    tested: String,
    /// The values of both.
    pub(crate) values: Vec<D::Value>,
}

impl<D: Dialect> Filter<D> {
    /// What this query wants, from its beginning on.
    pub(crate) fn new(app: AppId, query: &CallQuery) -> Self {
        let mut filter = Self {
            index: "calls_list",
            sort: query.sort,
            indexed: D::SHOWN.to_owned(),
            tested: String::new(),
            values: vec![D::id(app.0)],
        };
        filter.choose_index(query);
        filter.range(query);
        filter.test(query);
        filter
    }

    /// Binds a value; where it stands in the statement.
    pub(crate) fn bind(&mut self, value: D::Value) -> String {
        self.values.push(value);
        format!("{}{}", D::MARK, self.values.len())
    }

    fn choose_index(&mut self, query: &CallQuery) {
        let from = query.from_number.as_deref();
        let from = from.map(|number| self.is("from_number", D::text(&key(number))));
        let to = query.to_number.as_deref();
        let to = to.map(|number| self.is("to_number", D::text(&key(number))));
        let open = query.open_only.then(|| {
            let statuses = open_statuses().join("', '");
            format!(" AND {} AND status IN ('{statuses}')", D::OPEN)
        });
        let waits = query.moment.filter(|_| query.waits()).map(moment_is);
        if let Some(keys) = &query.keys {
            self.index = "calls_id";
            let known = D::known(self, keys);
            self.indexed.push_str(&known);
            let others = [from, to, open, waits];
            self.tested.extend(others.into_iter().flatten());
        } else if let Some(waits) = waits {
            self.index = "calls_waiting";
            self.indexed.push_str(&waits);
            self.tested.extend([from, to, open].into_iter().flatten());
        } else if let Some(open) = open {
            self.index = "calls_open";
            self.indexed.push_str(&open);
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

    fn is(&mut self, column: &str, value: D::Value) -> String {
        let value = self.bind(value);
        format!(" AND {column} = {value}")
    }

    fn range(&mut self, query: &CallQuery) {
        for (limit, comparison) in [(query.since, ">="), (query.until, "<")] {
            if let Some(at) = limit {
                let at = self.bind(D::time(at));
                narrow(&mut self.indexed, &format!("sort_at {comparison} {at}"));
            }
        }
    }

    fn test(&mut self, query: &CallQuery) {
        if !query.statuses.is_empty() {
            let names: Vec<&str> = query.statuses.iter().map(|s| s.as_str()).collect();
            let names = names.join("', '");
            narrow(&mut self.tested, &format!("status IN ('{names}')"));
        }
        if let Some(direction) = query.direction {
            let name = direction_name(direction);
            narrow(&mut self.tested, &format!("direction = '{name}'"));
        }
        if let Some(platform) = &query.platform {
            let of_platform = self.is("platform", D::text(&clean(platform)));
            self.tested.push_str(&of_platform);
        }
        if let Some(connection) = query.connection_id {
            let of_connection = self.is("connection_id", D::id(connection.0));
            self.tested.push_str(&of_connection);
        }
        if let Some(agent) = &query.agent {
            let agent = self.bind(D::text(&clean(agent)));
            let is_agent = format!("(agent_extension = {agent} OR agent_user = {agent})");
            narrow(&mut self.tested, &is_agent);
        }
        if let Some(agent) = query.agent_id {
            let of_agent = self.is("agent_id", D::id(agent.0));
            self.tested.push_str(&of_agent);
        }
        if let Some(id) = &query.crm_user_id {
            let of_agent = self.is("agent_crm", D::text(&clean(id)));
            self.tested.push_str(&of_agent);
        }
        if let Some(moment) = query.moment.filter(|_| !query.waits()) {
            self.tested.push_str(&moment_is(moment));
        }
        if let Some(outcome) = &query.outcome {
            let with_outcome = self.is("outcome", D::text(&clean(outcome)));
            self.tested.push_str(&with_outcome);
        }
        if let Some(contact) = query.contact_id {
            let of_contact = self.is("contact_id", D::id(contact.0));
            self.tested.push_str(&of_contact);
        }
        for (limit, comparison) in [(query.min_duration, ">="), (query.max_duration, "<=")] {
            if let Some(seconds) = limit {
                let seconds = self.bind(D::number(seconds));
                let talk = format!("duration_seconds {comparison} {seconds}");
                narrow(&mut self.tested, &talk);
            }
        }
    }

    /// Only what comes behind this position.
    pub(crate) fn go_on_after(&mut self, cursor: CallCursor) {
        let at = self.bind(D::time(cursor.sort_at));
        let id = self.bind(D::id(cursor.id.0));
        let further = match self.sort {
            CallSort::Oldest => ">",
            CallSort::Newest | CallSort::Longest | CallSort::Shortest => "<",
        };
        let behind = format!("(sort_at, id) {further} ({at}, {id})");
        narrow(&mut self.indexed, &behind);
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
    pub(crate) fn order(&self, of: &str) -> String {
        let way = match self.sort {
            CallSort::Newest => return format!("ORDER BY {of}sort_at DESC, {of}id DESC"),
            CallSort::Oldest => return format!("ORDER BY {of}sort_at, {of}id"),
            CallSort::Longest => " DESC",
            CallSort::Shortest => "",
        };
        format!("ORDER BY {of}duration_seconds{way} NULLS LAST, {of}sort_at DESC, {of}id DESC")
    }

    /// True when rows are looked at that may not be shown, or not in this order.
    pub(crate) fn is_scan(&self) -> bool {
        !self.tested.is_empty() || !self.sort.has_positions()
    }

    /// True when rows are looked at that may not be shown.
    pub(crate) fn leaves_out(&self) -> bool {
        !self.tested.is_empty()
    }

    /// The rows that a scan looks at, in the order of the walk.
    fn walked(&self, scan_limit: u32) -> String {
        format!(
            "SELECT {}, id, connection_id, platform, status, direction, to_number, from_number, \
             agent_extension, agent_user, agent_id, agent_crm, sort_at, duration_seconds, \
             open, moment, outcome, contact_id \
             FROM {} WHERE {} {} LIMIT {scan_limit}",
            D::BODY,
            D::along(self.index),
            self.indexed,
            self.walk()
        )
    }

    /// The statement that gives these columns of the rows that match, in order; no more than
    /// `scan_limit` are looked at.
    pub(crate) fn matching(&self, columns: &str, scan_limit: u32) -> String {
        let order = self.order("");
        if self.is_scan() {
            let (walked, tested) = (self.walked(scan_limit), &self.tested);
            let ordered = D::KEEPS_ORDER && self.sort.has_positions();
            let order = if ordered { "" } else { &*order };
            return format!("SELECT {columns} FROM ({walked}) walked WHERE 1 = 1{tested} {order}");
        }
        let table = D::along(self.index);
        format!(
            "SELECT {columns} FROM {table} WHERE {} {order}",
            self.indexed
        )
    }

    /// The statement that counts in one walk what matches, `total`, and how many rows a scan
    /// looks at, `walked`.
    pub(crate) fn counting(&self, scan_limit: u32) -> String {
        if self.is_scan() {
            let (walked, tested) = (self.walked(scan_limit), &self.tested);
            return format!(
                "SELECT count(*) FILTER (WHERE 1 = 1{tested}) AS total, count(*) AS walked \
                 FROM ({walked}) walked"
            );
        }
        let matching = self.matching("1", scan_limit);
        format!(
            "SELECT count(*) AS total, cast(0 AS BIGINT) AS walked \
             FROM ({matching} LIMIT {COUNT_LIMIT}) counted"
        )
    }

    /// The statement that gives the position of the last row a scan looks at, when there are as
    /// many as may be. It has the values of the indexed conditions only.
    pub(crate) fn end_of_scan(&self, scan_limit: u32) -> String {
        format!(
            "SELECT sort_at, id FROM {} WHERE {} {} LIMIT 1 OFFSET {}",
            D::along(self.index),
            self.indexed,
            self.walk(),
            scan_limit.saturating_sub(1)
        )
    }
}

/// Written out, not bound: an index for some of them is chosen by the text.
fn moment_is(status: MomentStatus) -> String {
    format!(" AND moment = '{}'", status.as_str())
}

fn narrow(conditions: &mut String, condition: &str) {
    // Writing to a String does not fail.
    let _ = write!(conditions, " AND {condition}");
}
