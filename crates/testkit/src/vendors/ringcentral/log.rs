//! The call log and recordings.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Answered, Asked};
use super::{ACCOUNT, Group, RingCentral, State, error, forbidden, limits};

/// The parameters of the call log that are published.
const PARAMETERS: [&str; 8] = [
    "view",
    "type",
    "direction",
    "dateFrom",
    "dateTo",
    "perPage",
    "page",
    "telephonySessionId",
];

impl RingCentral {
    /// Puts a record into the call log.
    pub fn log(&self, record: Value) {
        self.state().call_log.push(record);
    }

    /// Keeps a recording of that length.
    pub fn keep_recording(&self, id: &str, seconds: u32) {
        let uri = format!(
            "https://media.ringcentral.com/restapi/v1.0/account/{ACCOUNT}/recording/{id}/content"
        );
        let recording = json!({ "id": id, "contentUri": uri, "contentType": "audio/mpeg",
            "duration": seconds });
        self.state().recordings.insert(id.to_owned(), recording);
    }
}

pub(super) fn company(state: &mut State, asked: &Asked) -> Answered {
    if state.denied.contains("FullCompanyCallLog") {
        return forbidden("FullCompanyCallLog");
    }
    own(state, asked)
}

pub(super) fn own(state: &mut State, asked: &Asked) -> Answered {
    if let Some(refused) = limits::take(state, Group::Heavy) {
        return refused;
    }
    if state.denied.contains("ReadCallLog") {
        return forbidden("ReadCallLog");
    }
    if let Some((name, _)) = asked
        .query
        .iter()
        .find(|(n, _)| !PARAMETERS.contains(&n.as_str()))
    {
        return error(400, "CMN-101", &format!("Parameter [{name}] is not known"));
    }
    let time = |name| asked.query(name).map(str::parse::<Timestamp>);
    let (Ok(from), Ok(to)) = (time("dateFrom").transpose(), time("dateTo").transpose()) else {
        return error(400, "CMN-101", "Parameter [dateFrom] value is invalid");
    };
    let count = |name, default| asked.query(name).map_or(Ok(default), str::parse::<usize>);
    let (Ok(page @ 1..=1000), Ok(size @ 1..=1000)) = (count("page", 1), count("perPage", 100))
    else {
        return error(400, "CMN-101", "Parameter [perPage] value is invalid");
    };
    let started =
        |record: &Value| -> Option<Timestamp> { record["startTime"].as_str()?.parse().ok() };
    let within = |record: &&Value| {
        let at = started(record);
        at >= from.filter(|_| at.is_some()) && to.is_none_or(|to| at.is_some_and(|at| at < to))
    };
    let found: Vec<Value> = state.call_log.iter().filter(within).cloned().collect();
    let skipped = (page - 1) * size;
    let mut records: Vec<Value> = found.iter().skip(skipped).take(size).cloned().collect();
    if asked.query("view") != Some("Detailed") {
        for record in records.iter_mut().filter_map(Value::as_object_mut) {
            record.remove("legs");
        }
    }
    let mut navigation = json!({});
    if found.len() > skipped + size {
        navigation["nextPage"] = json!({ "uri": format!("{}?page={}", asked.path, page + 1) });
    }
    let paging = json!({ "page": page, "perPage": size });
    Answered::json(
        200,
        json!({ "records": records, "navigation": navigation, "paging": paging }),
    )
}

pub(super) fn recording(state: &mut State, id: &str) -> Answered {
    if let Some(refused) = limits::take(state, Group::Heavy) {
        return refused;
    }
    if state.denied.contains("ReadCallRecording") {
        return forbidden("ReadCallRecording");
    }
    match state.recordings.get(id) {
        Some(recording) => Answered::json(200, recording.clone()),
        None => error(
            404,
            "CMN-102",
            "Resource for parameter [recordingId] is not found",
        ),
    }
}
