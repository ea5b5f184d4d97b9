//! What can be looked at of a connection: whether the PBX takes our sign-in and has call control,
//! and whether the queue can be read. The webhook itself cannot be asked for: integrations are
//! made by hand in WMS, and no API lists them.

use serde_json::Value;
use switchhook_engine::command::{Check, CommandError, Session};

use super::api::{self, Question};
use super::spec;
use crate::vendor::{self, Answer};

/// See [`switchhook_engine::adapter::Adapter::diagnose`].
pub(super) async fn diagnose(session: &Session) -> Vec<Check> {
    let connection = &session.connection;
    let mut checks = Vec::new();
    let queue = connection.text(spec::SQS_URL).is_some();
    let secrets = &connection.webhook_secrets;
    if queue {
        #[cfg(feature = "sqs")]
        checks.push(super::queue::check(connection).await);
    } else if secrets.iter().all(crate::signed::is_blank) {
        let detail = "No secret is set, so nothing is believed: copy the one WMS shows with the \
                      integration.";
        checks.push(Check::bad("secret", detail));
    } else {
        let detail = "Events are believed when signed with the secret of the integration in WMS.";
        checks.push(Check::good("secret", detail));
    }
    match api::unusable(connection) {
        Some(why) if connection.text(spec::PBX_URL).is_some() => {
            checks.push(Check::bad("sign-in", why));
        }
        Some(_) => {
            let detail = "No PBX address is set: calls are seen, but not placed or steered.";
            checks.push(Check::good("control", detail));
        }
        None => checks.extend(pbx(session).await),
    }
    checks
}

async fn pbx(session: &Session) -> Vec<Check> {
    let question = Question::get("/api/v1/PBX/Colleagues").with("count", "1");
    let colleagues = match api::ask(session, question).await {
        Ok(answer) => answer,
        Err(error) => return vec![Check::bad("sign-in", error.detail)],
    };
    if let Err(error) = vendor::accepted(&colleagues, false) {
        let detail = match colleagues.status {
            401 => "The PBX does not accept the token: make a new one in WMS › PBX › Integrations \
                    › Applications and set it."
                .to_owned(),
            403 => "The token may not list colleagues: use that of an administrator, or a key \
                    with the scopes pbx:read and callcontrol:*."
                .to_owned(),
            404 => "There is no Wildix PBX at this address: check pbx_url.".to_owned(),
            _ => error.detail,
        };
        return vec![Check::bad("sign-in", detail)];
    }
    let mut checks = vec![Check::good("sign-in", "The PBX accepts the token.")];
    let Some(extension) = first_extension(&colleagues) else {
        let detail = "The PBX shows no users, so call control could not be tried.";
        checks.push(Check::bad("control", detail));
        return checks;
    };
    let question = Question::get("/api/v2/call-control/list-calls").of(&extension);
    checks.push(control(api::ask(session, question).await));
    checks
}

fn control(answer: Result<Answer, CommandError>) -> Check {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Check::bad("control", error.detail),
    };
    match (answer.status, vendor::accepted(&answer, false)) {
        (404, _) => {
            let detail = "This PBX has no call control v2: calls are placed with the older \
                          Originate, and steered on the telephone. Update WMS for more.";
            Check::good("control", detail)
        }
        (403, _) => {
            let detail = "The token may not control calls: a company API key needs the scope \
                          callcontrol:*.";
            Check::bad("control", detail)
        }
        (_, Ok(())) => Check::good(
            "control",
            "The PBX lists calls and can be told to steer them.",
        ),
        (_, Err(error)) => Check::bad("control", error.detail),
    }
}

fn first_extension(colleagues: &Answer) -> Option<String> {
    let places = ["/result/records/0/extension", "/result/0/extension"];
    let found = places.iter().find_map(|p| colleagues.json.pointer(p));
    match found? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
