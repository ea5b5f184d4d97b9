//! Looking at Dialpad: whether it takes our credentials, what its call log says of a time we were
//! not listening, and a link to a recording.

use reqwest::Method;
use serde_json::json;
use switchhook_domain::Timestamp;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::ConnectionContext;
use switchhook_engine::command::{Check, CommandError, Fault, RecordingSeen, Session};

use super::payload::CallEvent;
use super::{api, decode, spec, subscriptions};
use crate::json::Fields;

/// Asks Dialpad who we are, and for the rights everything else needs.
pub(super) async fn diagnose(session: &Session) -> Vec<Check> {
    if api::auth(&session.connection).is_none() {
        let detail = "This connection only listens; nothing was asked of Dialpad.";
        return vec![Check::good("platform", detail)];
    }
    let mut checks = Vec::new();
    let company = match api::request(session, Method::GET, "company") {
        Ok(request) => api::send(session, request).await,
        Err(error) => Err(error),
    };
    match company {
        Ok(answer) => {
            let name = answer.json["name"].as_str().unwrap_or("the company");
            checks.push(Check::good(
                "platform",
                format!("Dialpad answers for {name}."),
            ));
        }
        // Nothing else will work either.
        Err(error) => return vec![Check::bad("platform", error.detail)],
    }
    let from = session.clock.now();
    checks.push(match calls(session, from, from).await {
        Ok(_) => Check::good("call log", "Dialpad's call log can be read."),
        Err(error) if error.fault == Fault::Permission => {
            let detail = "Dialpad's call log cannot be read, so calls missed during an outage \
                          stay missed: give the API key or OAuth app the scope calls:list.";
            Check::bad("call log", detail)
        }
        Err(error) => Check::bad("call log", error.detail),
    });
    if subscriptions::keeps(&session.connection) {
        checks.push(match api::list(session, "subscriptions/call", &[]).await {
            Ok(_) => Check::good("event rights", "Dialpad's event subscriptions can be read."),
            Err(error) => Check::bad("event rights", error.detail),
        });
    }
    checks
}

async fn calls(
    session: &Session,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<serde_json::Value>, CommandError> {
    let mut query = vec![
        ("started_after", from.as_millisecond().to_string()),
        ("started_before", to.as_millisecond().to_string()),
    ];
    if let Some((kind, id)) = subscriptions::target(&session.connection) {
        query.push(("target_type", kind.to_owned()));
        query.push(("target_id", id.to_owned()));
    }
    api::list(session, "call", &query).await
}

/// The facts of the calls that began in that time and are over (`GET /api/v2/call`; scope
/// `calls:list`). The entries have the fields of call events.
pub(super) async fn reconcile(
    session: &Session,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Signal>, CommandError> {
    let mut signals = Vec::new();
    for entry in calls(session, from, to).await? {
        let Some(map) = entry.as_object() else {
            continue;
        };
        let event = CallEvent::read(Fields::root(map));
        match event.and_then(|event| decode::signals(&event, &session.connection.numbers)) {
            Ok(told) => signals.extend(told),
            Err(error) => {
                let id = session.connection.id;
                tracing::warn!(connection.id = %id, %error, "an entry of the log is unreadable");
            }
        }
    }
    Ok(signals)
}

/// Makes a link to a recording that people without a Dialpad session can open, where the
/// administrator has said who may (`POST /api/v2/recordingsharelink`).
pub(super) async fn recheck_recording(
    session: &Session,
    recording_id: &str,
    known: &Recording,
) -> Result<RecordingSeen, CommandError> {
    let Some(privacy) = shared_with(&session.connection) else {
        return Err(CommandError::not_supported(
            "Links to Dialpad's recordings are left as they are: choose who may open them in the \
             connection's setting recording_links.",
        ));
    };
    let admin = known
        .url
        .as_deref()
        .is_some_and(|url| url.contains("/adminrecording/"));
    let kind = if admin {
        "admincallrecording"
    } else {
        "callrecording"
    };
    let body = json!({
        "recording_id": recording_id, "recording_type": kind, "privacy": privacy,
    });
    let request = api::request(session, Method::POST, "recordingsharelink")?
        .limited(&[api::COMPANY, api::SHARE])
        .json(body);
    let mut recording = known.clone();
    match api::send(session, request).await {
        Ok(answer) => {
            let link = answer.json["access_link"].as_str();
            let link = link.and_then(crate::json::web_address);
            recording.state = RecordingState::Available;
            recording.url = link.map(str::to_owned).or(recording.url);
        }
        Err(error) if error.fault == Fault::Gone => recording.state = RecordingState::Gone,
        Err(error) => return Err(error),
    }
    Ok(RecordingSeen { recording })
}

fn shared_with(connection: &ConnectionContext) -> Option<&str> {
    let setting = connection.text(spec::RECORDING_LINKS);
    setting.filter(|privacy| *privacy != "unchanged")
}
