//! Calls placed and steered on a real PBX with real SIP phones: what was asked for happens on the
//! phones, stands in the record and is told by events; what cannot be done says why.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchhook::wire::Parts;
use switchhook_domain::id::{ConnectionId, DialId};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_engine::adapter::Adapter;
use switchhook_engine::command::{
    AgentDevice, CallHandle, CallLeg, CommandError, Control, Fault, Originate, Session,
};
use switchhook_engine::session::Sessions;

use crate::bed::{Party, Pbx, ami_port, ari_port};
use crate::program::{App, Frames, Server};

pub const MOBILE: &str = "+31612345678";
/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(12);

/// A server, and one app with one connection to the PBX.
struct Desk {
    server: Server,
    parts: Parts,
    app: App,
    connection: ConnectionId,
    made: Value,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new(config: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, parts) = Server::inside(folder.path()).await;
        let app = server.app("desk").await;
        let body = json!({ "platform": "asterisk", "name": "pbx", "config": config });
        let made = server.connection(&app, &body).await;
        let connection = made["id"].as_str().unwrap().parse().unwrap();
        Self {
            server,
            parts,
            app,
            connection,
            made,
            _folder: folder,
        }
    }

    async fn up(&self) {
        let up = |status: &Value| status["data"]["connections"]["up"] == 1;
        self.server.wait_for(&self.app, "/status", LIMIT, up).await;
    }

    fn session(&self) -> (Arc<dyn Adapter>, Session) {
        let ready = self.parts.connections.get(self.connection).unwrap();
        let sessions = Sessions::new(self.parts.clock.clone());
        (ready.adapter.clone(), sessions.open(&ready))
    }

    async fn dial(&self, originate: &Originate) -> Result<Vec<String>, CommandError> {
        let (adapter, session) = self.session();
        let placed = adapter.originate(&session, originate).await?;
        assert_eq!(placed.keys, adapter.keys_of(originate), "known beforehand");
        Ok(placed.keys)
    }

    async fn control(&self, call: &Value, control: Control) -> Result<(), CommandError> {
        let (adapter, session) = self.session();
        adapter.control(&session, &handle(call), &control).await
    }

    /// The newest call, once it pleases.
    async fn call(&self, pleases: impl Fn(&Value) -> bool) -> Value {
        let newest = |page: &Value| !page["data"][0].is_null() && pleases(&page["data"][0]);
        let page = self
            .server
            .wait_for(&self.app, "/api/calls?limit=1", LIMIT, newest)
            .await;
        page["data"][0].clone()
    }

    async fn total(&self) -> u64 {
        let page = self.server.get(&self.app, "/api/calls?limit=1").await;
        page["pagination"]["total"].as_u64().unwrap()
    }
}

pub fn by_ari() -> Value {
    json!({
        "url": format!("http://127.0.0.1:{}", ari_port()),
        "username": "cti",
        "password": "ctisecret",
    })
}

pub fn by_both() -> Value {
    let mut config = by_ari();
    config["username"] = "viewer".into();
    config["password"] = "viewsecret".into();
    config["ami_host"] = "127.0.0.1".into();
    config["ami_port"] = ami_port().into();
    config["ami_username"] = "cti".into();
    config["ami_password"] = "amisecret".into();
    config["phones_obey"] = true.into();
    config
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text, &NumberPlan::default())
}

fn originate(id: u128, extension: &str, target: &str) -> Originate {
    Originate {
        dial_id: DialId(uuid::Uuid::from_u128(id)),
        agent: AgentDevice {
            extension: Some(extension.to_owned()),
            ..AgentDevice::default()
        },
        target: number(target),
        caller_id: None,
    }
}

/// The call as a command sees it, from its record.
fn handle(call: &Value) -> CallHandle {
    let legs = call["legs"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let legs = legs.map(|leg| CallLeg {
        id: text(&leg["id"]).unwrap(),
        kind: serde_json::from_value(leg["kind"].clone()).unwrap(),
        extension: text(&leg["extension"]),
        user_id: text(&leg["user_id"]),
        number: text(&leg["number"]),
        answered: !leg["answered_at"].is_null(),
        ended: !leg["ended_at"].is_null(),
    });
    CallHandle {
        keys: Vec::new(),
        external_call_id: text(&call["external_call_id"]).unwrap(),
        legs: legs.collect(),
        agent: AgentDevice::default(),
    }
}

pub fn talks(call: &Value) -> bool {
    !call["answered_at"].is_null() && call["ended_at"].is_null()
}

pub fn over(call: &Value) -> bool {
    !call["ended_at"].is_null()
}

pub fn living<'c>(call: &'c Value, extension: &str) -> Option<&'c Value> {
    let mut legs = call["legs"].as_array()?.iter();
    legs.find(|leg| leg["extension"] == extension && leg["ended_at"].is_null())
}

async fn told(frames: &mut Frames, call: &Value) -> Vec<String> {
    let heard = frames.drain(Duration::from_millis(700)).await;
    let about = heard.iter().filter(|f| f["call_id"] == call["id"]);
    about
        .filter_map(|f| f["event"].as_str())
        .filter(|event| event.starts_with("call.") && *event != "call.updated")
        .map(str::to_owned)
        .collect()
}

/// With ARI alone: the agent's phone first, then the customer's; one call; hung up by control.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_placed_and_hung_up_over_ari() {
    let Some(_pbx) = Pbx::start() else { return };
    let desk = Desk::new(by_ari()).await;
    desk.up().await;
    let mut frames = desk.server.listen(&desk.app).await;
    let (agent, customer) = (
        Party::phone("100", "phone-answers").await,
        Party::phone("pstn", "phone-answers").await,
    );
    let keys = desk.dial(&originate(1, "100", MOBILE)).await.unwrap();
    let ringing = desk.call(|call| living(call, "100").is_some()).await;
    assert_eq!(ringing["direction"], "outbound");
    assert_eq!(
        ringing["to_number"], MOBILE,
        "known before anybody answered"
    );
    assert!(keys.contains(&format!(
        "chan:{}",
        ringing["external_call_id"].as_str().unwrap()
    )));
    // The agent's own pickup is no answer.
    let picked_up = |call: &Value| living(call, "100").is_some_and(|l| !l["answered_at"].is_null());
    let picked = desk.call(picked_up).await;
    assert!(picked["answered_at"].is_null(), "{picked:#}");
    let call = desk.call(talks).await;
    assert_eq!(call["status"], "active");
    let missing = desk.control(&call, Control::Hold).await.unwrap_err();
    assert_eq!(missing.fault, Fault::NotSupported);
    assert!(missing.detail.contains("ami_host"), "{missing}");
    desk.control(&call, Control::HangUp).await.unwrap();
    let call = desk.call(over).await;
    agent.content().await;
    customer.content().await;
    assert_eq!(call["status"], "ended", "{call:#}");
    assert_eq!(call["agent"]["extension"], "100");
    assert_eq!(desk.total().await, 1, "one conversation, one call");
    let events = told(&mut frames, &call).await;
    assert_eq!(events, ["call.ring", "call.started", "call.ended"]);
    // Once more: the call is gone, and that is what is said.
    let gone = desk.control(&open_again(&call), Control::HangUp).await;
    assert_eq!(gone.unwrap_err().fault, Fault::Gone);
}

/// The same record, as somebody sees it who has not heard of the end.
fn open_again(call: &Value) -> Value {
    let mut call = call.clone();
    for leg in call["legs"].as_array_mut().unwrap() {
        leg["ended_at"] = Value::Null;
    }
    call
}

/// With AMI beside a read-only ARI user: answer, hold, resume, tones, mute, blind transfer, and
/// hang up.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_held_and_sent_on_over_ami() {
    let Some(_pbx) = Pbx::start() else { return };
    let desk = Desk::new(by_both()).await;
    desk.up().await;
    let mut frames = desk.server.listen(&desk.app).await;
    let phones = [
        Party::phone("100", "phone-obeys").await,
        Party::phone("101", "phone-answers").await,
        Party::phone("pstn", "phone-answers").await,
    ];
    desk.dial(&originate(2, "100", MOBILE)).await.unwrap();
    let ringing = desk.call(|call| living(call, "100").is_some()).await;
    desk.control(&ringing, Control::Answer).await.unwrap();
    let call = desk.call(talks).await;
    let again = desk.control(&call, Control::Answer).await.unwrap_err();
    assert_eq!(again.fault, Fault::State);

    desk.control(&call, Control::Hold).await.unwrap();
    let held = desk.call(|call| call["status"] == "held").await;
    desk.control(&held, Control::Resume).await.unwrap();
    let call = desk.call(|call| call["status"] == "active").await;
    let digits = "42#".to_owned();
    desk.control(&call, Control::Dtmf { digits }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let heard = phones[2].messages();
    for tone in ["4", "2", "#"] {
        let sent = format!("Signal={tone}");
        assert!(heard.contains(&sent), "the customer hears {tone}: {heard}");
    }
    for on in [true, false] {
        desk.control(&call, Control::Mute { on }).await.unwrap();
    }
    let unrecorded = desk.control(&call, Control::Recording { on: false }).await;
    assert_eq!(unrecorded.unwrap_err().fault, Fault::State);

    let nowhere = Control::TransferBlind { to: number("999") };
    let nowhere = desk.control(&call, nowhere).await.unwrap_err();
    assert_eq!(
        nowhere.fault,
        Fault::Target,
        "or the customer would be cut off"
    );
    let to = number("101");
    desk.control(&call, Control::TransferBlind { to })
        .await
        .unwrap();
    let moved = |call: &Value| living(call, "101").is_some_and(|l| !l["answered_at"].is_null());
    let call = desk.call(moved).await;
    assert_eq!(call["status"], "active");
    assert_eq!(call["transfers"][0]["kind"], "blind");
    assert_eq!(call["transfers"][0]["to"], "101");
    // This phone and this part of the dialplan do not play along, and that is said.
    let deaf = desk.control(&call, Control::Hold).await.unwrap_err();
    assert_eq!(deaf.fault, Fault::Device, "{deaf}");
    let to = number("102");
    let forbidden = Control::TransferAttended { to };
    let forbidden = desk.control(&call, forbidden).await.unwrap_err();
    assert_eq!(forbidden.fault, Fault::NotSupported, "{forbidden}");
    desk.control(&call, Control::HangUp).await.unwrap();
    let call = desk.call(over).await;
    for phone in phones {
        phone.content().await;
    }
    assert_eq!(call["status"], "ended", "{call:#}");
    assert_eq!(call["direction"], "outbound");
    assert_eq!(call["agent"]["extension"], "101");
    assert_eq!(desk.total().await, 1);
    assert_eq!(
        told(&mut frames, &call).await,
        [
            "call.ring",
            "call.started",
            "call.held",
            "call.resumed",
            "call.transferred",
            "call.ended",
        ]
    );
}

/// Calls from outside: declined, recorded and parked, and sent on after asking.
#[tokio::test(flavor = "multi_thread")]
async fn calls_from_outside_are_declined_parked_and_sent_on_over_ami() {
    let Some(_pbx) = Pbx::start() else { return };
    let desk = Desk::new(by_both()).await;
    desk.up().await;

    let phone = Party::phone("100", "phone-rings").await;
    let caller = Party::start(&["caller", "+31201234567", "caller-refused"]);
    let rings = |call: &Value| living(call, "100").is_some_and(|l| !l["rang_at"].is_null());
    let call = desk.call(rings).await;
    desk.control(&call, Control::Reject).await.unwrap();
    let call = desk.call(over).await;
    assert_eq!(call["status"], "rejected", "{call:#}");
    phone.content().await;
    drop(caller);

    let phone = Party::phone("100", "phone-answers").await;
    let caller = Party::start(&["caller", "+31201234573", "caller-waits"]);
    let recorded = |call: &Value| talks(call) && !call["recordings"][0].is_null();
    let call = desk.call(recorded).await;
    for on in [false, true] {
        let recording = Control::Recording { on };
        desk.control(&call, recording).await.unwrap();
    }
    desk.control(&call, Control::Park).await.unwrap();
    phone.content().await;
    let alone = |call: &Value| living(call, "100").is_none() && !over(call);
    let parked = desk.call(alone).await;
    desk.control(&parked, Control::HangUp).await.unwrap();
    caller.content().await;
    let call = desk.call(over).await;
    assert_eq!(call["status"], "ended", "{call:#}");

    let phones = [
        Party::phone("100", "phone-answers").await,
        Party::phone("101", "phone-answers").await,
        Party::start(&["caller", "+31201234568", "caller-waits"]),
    ];
    let call = desk.call(talks).await;
    let to = number("101");
    let asked = Control::TransferAttended { to };
    desk.control(&call, asked).await.unwrap();
    let both = |call: &Value| {
        let up = |ext| living(call, ext).is_some_and(|l| !l["answered_at"].is_null());
        up("100") && up("101")
    };
    let mut call = desk.call(both).await;
    // The first agent steps out: the other two are together.
    call["legs"]
        .as_array_mut()
        .unwrap()
        .retain(|leg| leg["extension"] != "101");
    desk.control(&call, Control::HangUp).await.unwrap();
    let call = desk.call(|call| !call["transfers"][0].is_null()).await;
    assert_eq!(call["transfers"][0]["kind"], "attended");
    desk.control(&call, Control::HangUp).await.unwrap();
    let call = desk.call(over).await;
    assert_eq!(call["agent"]["extension"], "101", "{call:#}");
    for phone in phones {
        phone.content().await;
    }
    assert_eq!(desk.total().await, 3);
}

/// Whose fault it is when a call cannot be placed; and what the doctor says.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why() {
    let Some(_pbx) = Pbx::start() else { return };
    let config = |field: &str, value: Value, mut config: Value| {
        config[field] = value;
        config
    };
    let viewer = config("password", "viewsecret".into(), by_ari());
    let cases = [
        (by_ari(), "199", MOBILE, Fault::Device),
        (by_both(), "199", MOBILE, Fault::Device),
        (by_both(), "100", "999", Fault::Target),
        (
            config("username", "viewer".into(), viewer),
            "100",
            MOBILE,
            Fault::Permission,
        ),
        (
            config("password", "wrong".into(), by_ari()),
            "100",
            MOBILE,
            Fault::Credentials,
        ),
        (
            config("ami_password", "wrong".into(), by_both()),
            "100",
            MOBILE,
            Fault::Credentials,
        ),
        (
            config("ami_port", 1.into(), by_both()),
            "100",
            MOBILE,
            Fault::Unreachable,
        ),
    ];
    for (at, (config, extension, target, fault)) in cases.into_iter().enumerate() {
        let desk = Desk::new(config.clone()).await;
        let asked = originate(100 + at as u128, extension, target);
        let error = desk.dial(&asked).await.unwrap_err();
        assert_eq!(error.fault, fault, "{config}: {error}");
        assert!(error.detail.ends_with('.'), "a sentence: {error}");
        let (adapter, session) = desk.session();
        let checks = adapter.diagnose(&session).await;
        let ill = checks.iter().find(|check| !check.ok);
        let settings_at_fault = matches!(fault, Fault::Credentials | Fault::Unreachable);
        assert_eq!(ill.is_some(), settings_at_fault, "{config}: {checks:?}");
    }
    let desk = Desk::new(by_both()).await;
    desk.up().await;
    let (adapter, session) = desk.session();
    let checks = adapter.diagnose(&session).await;
    assert!(checks.iter().all(|check| check.ok), "{checks:#?}");
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["ari", "events", "endpoints", "ami", "ami rights"]);
    assert!(checks[0].detail.contains("22."), "{}", checks[0].detail);
}

/// The PBX opens the socket: events come in on it, and commands go out on it.
#[tokio::test(flavor = "multi_thread")]
async fn the_pbx_connects_to_us() {
    let Some(pbx) = Pbx::start() else { return };
    let desk = Desk::new(json!({ "transport": "ari_outbound", "app": "switchhook-out" })).await;
    let mut frames = desk.server.listen(&desk.app).await;
    let nobody = desk.dial(&originate(3, "100", MOBILE)).await.unwrap_err();
    assert_eq!(nobody.fault, Fault::Unreachable);
    let address = desk.made["webhook_url"].as_str().unwrap();
    assert!(address.contains("/asterisk/"), "{address}");
    let address = address.replacen("http", "ws", 1);
    let secret = desk.made["webhook_secret"].as_str().unwrap();
    pbx.connect_to(&address, secret);
    desk.up().await;
    let phones = [
        Party::phone("100", "phone-answers").await,
        Party::phone("pstn", "phone-answers").await,
    ];
    desk.dial(&originate(4, "100", MOBILE)).await.unwrap();
    let call = desk.call(talks).await;
    assert_eq!(call["direction"], "outbound");
    desk.control(&call, Control::HangUp).await.unwrap();
    let call = desk.call(over).await;
    for phone in phones {
        phone.content().await;
    }
    assert_eq!(call["status"], "ended", "{call:#}");
    assert_eq!(call["to_number"], MOBILE);
    let events = told(&mut frames, &call).await;
    assert_eq!(events, ["call.ring", "call.started", "call.ended"]);
    let (adapter, session) = desk.session();
    let checks = adapter.diagnose(&session).await;
    assert!(checks.iter().all(|check| check.ok), "{checks:#?}");
    // It dies: that is told, and nothing can be asked of it.
    drop(pbx);
    let down = |status: &Value| status["data"]["connections"]["down"] == 1;
    desk.server
        .wait_for(&desk.app, "/status", LIMIT, down)
        .await;
    let ready = desk.server.get(&desk.app, "/ready").await;
    assert_eq!(ready["connections"][0]["state"], "down", "{ready}");
    let lost = desk.dial(&originate(5, "100", MOBILE)).await.unwrap_err();
    assert_eq!(lost.fault, Fault::Unreachable);
}
