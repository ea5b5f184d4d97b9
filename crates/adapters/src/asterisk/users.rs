//! The agents' endpoints of a PBX (`GET /ari/endpoints`): an extension and a device each. Asterisk
//! knows no people and no e-mail addresses.

use serde_json::Value;
use switchhook_engine::adapter::ConnectionContext;
use switchhook_engine::command::{CommandError, Fault};
use switchhook_engine::platform_users::{PlatformUser, UserPage};

use super::channel::EndpointRules;
use super::config;
use super::originate::{before, no_client, not_connected, refused};
use super::outbound;
use super::reach::{self, AriWay};
use super::rest::{Ask, Http, Rest};

/// Why a connection without ARI cannot be asked.
pub(super) const NO_ARI: &str = "Endpoints are listed by ARI, and this connection does not use \
    it: enter `url`, `username` and `password` of ARI, or map the extensions by hand.";

/// All of them, on one page.
pub(super) async fn all(connection: &ConnectionContext) -> Result<UserPage, CommandError> {
    let rules = config::rules(connection);
    match reach::ari(connection) {
        Some(AriWay::Http(access)) => {
            let http = Http::new(&access).map_err(|error| no_client(&error))?;
            ask(&http, &rules).await
        }
        Some(AriWay::Socket) => {
            let lane = outbound::lane(connection.id).ok_or_else(not_connected)?;
            ask(&lane, &rules).await
        }
        None => Err(CommandError::not_supported(NO_ARI)),
    }
}

async fn ask(rest: &dyn Rest, rules: &EndpointRules<'_>) -> Result<UserPage, CommandError> {
    let answer = rest.ask(Ask::get("endpoints")).await.map_err(before)?;
    if !answer.is_success() {
        return Err(refused(answer.status));
    }
    let Value::Array(items) = answer.json() else {
        let detail = "The PBX's answer to the question for its endpoints is not a list.";
        return Err(CommandError::new(Fault::Platform, detail));
    };
    let mut users: Vec<PlatformUser> = Vec::new();
    for item in &items {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let Some((technology, resource)) = text("technology").zip(text("resource")) else {
            continue;
        };
        let device = format!("{technology}/{resource}");
        let Some(extension) = rules.agent_of_device(&device) else {
            continue;
        };
        users.push(PlatformUser {
            extension: Some(extension.to_owned()),
            state: text("state").map(str::to_owned),
            device: Some(device),
            ..PlatformUser::default()
        });
    }
    users.sort_by(|a, b| (&a.extension, &a.device).cmp(&(&b.extension, &b.device)));
    Ok(UserPage { users, next: None })
}
