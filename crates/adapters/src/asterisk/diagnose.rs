//! Looking at a connection as a doctor would: each check asks the PBX, and says in one sentence
//! what is so, or what is wrong and what to do.

use serde_json::Value;
use switchhook_engine::adapter::ConnectionContext;
use switchhook_engine::command::Check;

use super::ami_actions::Manager;
use super::channel::EndpointRules;
use super::config::{self, AmiAccess, Interface};
use super::originate::{before, no_client, not_connected, refused};
use super::outbound;
use super::reach::{self, AriWay};
use super::rest::{Ask, Http, Rest};

/// The oldest version whose ARI lets us hear all calls.
const OLDEST: u32 = 16;
/// What we ask of AMI, the right it needs and the module that has it.
const ACTIONS: [(&str, &str); 9] = [
    ("Originate", "write=originate"),
    ("Hangup", "write=call"),
    ("BlindTransfer", "write=call"),
    ("Atxfer", "write=call"),
    ("PlayDTMF", "write=call"),
    ("MuteAudio", "write=system; module res_mutestream"),
    ("MixMonitorMute", "write=call; module app_mixmonitor"),
    ("Park", "write=call; module res_parking"),
    ("PJSIPNotify", "write=system; module res_pjsip_notify"),
];

/// Every check that fits the settings.
pub(super) async fn all(connection: &ConnectionContext) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(error) = config::check(connection) {
        let detail = format!("A setting is wrong: {error}.");
        return vec![Check::bad("settings", detail)];
    }
    let interface = config::interface(connection).unwrap_or(Interface::Ari);
    match reach::ari(connection) {
        Some(AriWay::Http(access)) => match Http::new(&access) {
            Ok(http) => ari(&http, connection, interface, &mut checks).await,
            Err(error) => checks.push(Check::bad("ari", no_client(&error).detail)),
        },
        Some(AriWay::Socket) => match outbound::lane(connection.id) {
            Some(lane) => ari(&lane, connection, interface, &mut checks).await,
            None => checks.push(Check::bad("socket", not_connected().detail)),
        },
        None => {}
    }
    match reach::ami(connection) {
        Some(access) => ami(&access, &mut checks).await,
        None if interface == Interface::Relay && checks.is_empty() => {
            let detail = "Events come by webhook; nothing can be asked of the PBX. Enter ARI or \
                          AMI in the settings to dial and to steer calls.";
            checks.push(Check::good("relay", detail));
        }
        None => {
            let detail = "AMI is not set up: calls can be placed and hung up, not transferred. \
                          Enter ami_host, ami_username and ami_password for the rest.";
            checks.push(Check::good("ami", detail));
        }
    }
    checks
}

async fn ari(
    rest: &dyn Rest,
    connection: &ConnectionContext,
    interface: Interface,
    checks: &mut Vec<Check>,
) {
    let info = match rest.ask(Ask::get("asterisk/info")).await {
        Ok(answer) if answer.is_success() => answer.json(),
        Ok(answer) => {
            let detail = match answer.status {
                404 => "There is no ARI at this address: see that http.conf and ari.conf say \
                        enabled=yes and that `url` bears the prefix of http.conf."
                    .to_owned(),
                status => refused(status).detail,
            };
            return checks.push(Check::bad("ari", detail));
        }
        Err(trouble) => return checks.push(Check::bad("ari", before(trouble).detail)),
    };
    checks.push(version(
        info.pointer("/system/version").and_then(Value::as_str),
    ));
    if interface != Interface::Relay {
        checks.push(application(rest, connection).await);
    }
    checks.push(endpoints(rest, &config::rules(connection)).await);
}

fn version(told: Option<&str>) -> Check {
    let told = told.unwrap_or("of an unknown version");
    let major = told.trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = major.split(|c: char| !c.is_ascii_digit()).next();
    let old = major.and_then(|text| text.parse::<u32>().ok());
    if old.is_some_and(|major| major < OLDEST) {
        let detail = format!(
            "Asterisk {told} is too old for ARI: choose the interface `ami`, or update the PBX."
        );
        return Check::bad("ari", detail);
    }
    Check::good("ari", format!("Asterisk {told} answers."))
}

/// Whether the PBX knows us and sends us everything.
async fn application(rest: &dyn Rest, connection: &ConnectionContext) -> Check {
    let app = config::app(connection).unwrap_or("switchhook");
    let answer = match rest.ask(Ask::get(format!("applications/{app}"))).await {
        Ok(answer) => answer,
        Err(trouble) => return Check::bad("events", before(trouble).detail),
    };
    if answer.status == 404 {
        let detail = format!(
            "The PBX does not know application `{app}`: our event socket is not open. Look at \
             the state of the connection; with ari_outbound see that ari.conf names this \
             application in `apps`."
        );
        return Check::bad("events", detail);
    }
    let json = answer.json();
    let hears = |list: &str| {
        let items = json.get(list).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(|i| i.as_str().is_some_and(is_all)))
    };
    if hears("channel_ids") && hears("bridge_ids") {
        return Check::good("events", "The PBX sends us the events of all calls.");
    }
    let detail = format!(
        "The PBX does not send application `{app}` the events of all calls: with ari_outbound \
         set subscribe_all=yes in ari.conf."
    );
    Check::bad("events", detail)
}

/// `__AST_CHANNEL_ALL_TOPIC` and the like.
fn is_all(topic: &str) -> bool {
    topic.starts_with("__AST_") && topic.ends_with("_ALL_TOPIC")
}

async fn endpoints(rest: &dyn Rest, rules: &EndpointRules<'_>) -> Check {
    let answer = match rest.ask(Ask::get("endpoints")).await {
        Ok(answer) => answer.json(),
        Err(trouble) => return Check::bad("endpoints", before(trouble).detail),
    };
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value, name: &str| item.get(name)?.as_str().map(str::to_owned);
    let agents = items.iter().filter(|item| {
        let device = text(item, "technology").zip(text(item, "resource"));
        device
            .is_some_and(|(tech, name)| rules.agent_of_device(&format!("{tech}/{name}")).is_some())
    });
    let (all, agents) = (items.len(), agents.count());
    if agents > 0 {
        let detail = format!("{agents} of {all} endpoints are agents'.");
        return Check::good("endpoints", detail);
    }
    let detail = if all == 0 {
        "The PBX has no endpoints: look at pjsip.conf.".to_owned()
    } else {
        format!(
            "None of the PBX's {all} endpoints is an agent's by the settings: enter the names of \
             your people's phones in `agent_endpoints`."
        )
    };
    Check::bad("endpoints", detail)
}

async fn ami(access: &AmiAccess, checks: &mut Vec<Check>) {
    let mut manager = match Manager::open(access).await {
        Ok(manager) => manager,
        Err(error) => return checks.push(Check::bad("ami", error.detail)),
    };
    let version = manager.action(&[("Action", "CoreSettings")]).await;
    let version = version.ok().and_then(|reply| reply.get("AsteriskVersion"));
    let version = version.unwrap_or_default();
    checks.push(Check::good(
        "ami",
        format!("The manager of Asterisk {version} answers."),
    ));
    match manager.action(&[("Action", "ListCommands")]).await {
        Ok(reply) => checks.push(rights(reply.text())),
        Err(error) => checks.push(Check::bad("ami rights", error.detail)),
    }
    manager.close().await;
}

/// The manager lists what this user may use.
fn rights(listed: &str) -> Check {
    let may = |action: &str| {
        let mut names = listed.lines().filter_map(|line| line.split_once(':'));
        names.any(|(name, _)| name.trim() == action)
    };
    let missing: Vec<String> = ACTIONS
        .iter()
        .filter(|(action, _)| !may(action))
        .map(|(action, needs)| format!("{action} ({needs})"))
        .collect();
    if missing.is_empty() {
        return Check::good("ami rights", "The AMI user may do all that is asked of it.");
    }
    // Without these three nothing of use is left.
    let vital = ["Originate", "Hangup", "BlindTransfer"];
    let detail = format!(
        "The AMI user cannot use {}: add the rights to its entry in manager.conf, or load the \
         module.",
        missing.join(", ")
    );
    if vital.iter().all(|action| may(action)) {
        return Check::good("ami rights", detail);
    }
    Check::bad("ami rights", detail)
}
