//! Click-to-dial as its users meet it: the program as a process of its own, asked over HTTP alone,
//! a real PBX and real SIP phones. What is answered, what the phones do, what the record says and
//! what the events tell are one story.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::{Party, Pbx};
use crate::program::{App, Server};
use crate::real_dial::{LIMIT, MOBILE, by_ari, by_both, living, over, talks};

/// A phone the PBX knows, but which is not registered.
const SWITCHED_OFF: &str = "103";

/// An app with one connection to the PBX, and what its users ask.
struct Desk<'s> {
    server: &'s Server,
    app: App,
}

/// What the server answered.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn data(&self, status: StatusCode) -> &Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        &self.body["data"]
    }
}

impl<'s> Desk<'s> {
    async fn new(server: &'s Server, config: Value) -> Self {
        let app = server.app("desk").await;
        let body = json!({ "platform": "asterisk", "name": "pbx", "config": config });
        server.connection(&app, &body).await;
        let up = |status: &Value| status["data"]["connections"]["up"] == 1;
        server.wait_for(&app, "/status", LIMIT, up).await;
        Self { server, app }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let url = format!("{}{path}", self.server.url);
        let request = self.server.client().request(Method::POST, url);
        let mut request = request.header("x-api-key", &self.app.key).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        Answer {
            status: answer.status(),
            body: answer.json().await.unwrap(),
        }
    }

    async fn place(&self, key: &str, extension: &str, to: &str) -> Answer {
        let body = json!({ "to": to, "agent": { "extension": extension } });
        self.post("/api/calls", Some(key), &body).await
    }

    /// Asks for something to be done to a call; the server must take it.
    async fn act(&self, call: &str, action: &str, body: &Value) {
        let possible = self.actions(call).await;
        let offered = possible.iter().find(|offer| offer["action"] == action);
        assert_eq!(offered.unwrap()["possible"], true, "{action}: {offered:?}");
        let path = format!("/api/calls/{call}/{action}");
        let answer = self.post(&path, None, body).await;
        let taken = answer.data(StatusCode::ACCEPTED);
        assert_eq!(taken["call_id"], call);
    }

    async fn actions(&self, call: &str) -> Vec<Value> {
        let path = format!("/api/calls/{call}/actions");
        let answer = self.server.get(&self.app, &path).await;
        answer["data"].as_array().unwrap().clone()
    }

    /// What is said to be impossible is refused, for the reason that was said. Gives the names of
    /// what is possible.
    async fn refuses_the_rest(&self, call: &str) -> BTreeSet<String> {
        let mut possible = BTreeSet::new();
        for offer in self.actions(call).await {
            let action = offer["action"].as_str().unwrap();
            if offer["possible"] == true {
                possible.insert(action.to_owned());
                continue;
            }
            let body = match action {
                "transfer" => json!({ "to": "101", "kind": "blind" }),
                "dtmf" => json!({ "digits": "1" }),
                "recording" => json!({ "on": true }),
                _ => json!({}),
            };
            let path = format!("/api/calls/{call}/{action}");
            let answer = self.post(&path, None, &body).await;
            assert!(answer.status.is_client_error(), "{action}: {answer:?}");
            assert_eq!(answer.code(), offer["code"], "{action}: {answer:?}");
            assert_eq!(answer.body["detail"], offer["reason"], "{action}");
        }
        possible
    }

    /// The call once it pleases.
    async fn call(&self, id: &str, pleases: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/calls/{id}");
        let pleases = |answer: &Value| pleases(&answer["data"]);
        let answer = self.server.wait_for(&self.app, &path, LIMIT, pleases);
        answer.await["data"].clone()
    }

    async fn open_calls(&self) -> Vec<Value> {
        let answer = self.server.get(&self.app, "/api/calls/active").await;
        answer["data"].as_array().unwrap().clone()
    }

    async fn total(&self) -> u64 {
        let page = self.server.get(&self.app, "/api/calls?limit=1").await;
        page["pagination"]["total"].as_u64().unwrap()
    }

    /// The events about a call, in order.
    async fn events(&self, call: &str) -> Vec<Value> {
        let page = self.server.get(&self.app, "/api/events?limit=500").await;
        let events = page["data"].as_array().unwrap().iter();
        events.filter(|e| e["call_id"] == call).cloned().collect()
    }

    /// The dial once it has joined or failed.
    async fn settled(&self, dial: &Value) -> Value {
        let path = format!("/api/dials/{}", dial.as_str().unwrap());
        let settled = |answer: &Value| !answer["data"]["settled_at"].is_null();
        let answer = self.server.wait_for(&self.app, &path, LIMIT, settled);
        answer.await["data"].clone()
    }
}

/// The SIP channels of the PBX. Each has a number, one higher than the last one's.
fn channels(pbx: &Pbx) -> BTreeSet<String> {
    let shown = pbx.ask("core show channels concise");
    let names = shown.lines().filter_map(|line| line.split('!').next());
    let names = names.filter(|name| name.starts_with("PJSIP/"));
    names.map(str::to_owned).collect()
}

/// The number of a channel.
fn ordinal(channel: &str) -> u32 {
    let (_, number) = channel.rsplit_once('-').unwrap();
    u32::from_str_radix(number, 16).unwrap()
}

fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| event["event"].as_str());
    names
        .filter(|name| *name != "call.updated" && !name.starts_with("contact_moment."))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A call of agent 100 is going on: whatever else is asked for, no second one is placed. Gives the
/// channels of the call.
async fn no_second_call(desk: &Desk<'_>, pbx: &Pbx, placed: &Value) -> BTreeSet<String> {
    let before = channels(pbx);
    assert_eq!(
        before.len(),
        2,
        "the agent's and the customer's: {before:?}"
    );
    let again = desk.place("one", "100", "06 1234 5678").await;
    let again = again.data(StatusCode::CREATED);
    assert_eq!(again["call_id"], placed["call_id"]);
    assert_eq!(again["dial_id"], placed["dial_id"]);
    let other = desk.place("one", "100", "06 1234 5679").await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(other.code(), "idempotency_conflict");
    let busy = desk.place("two", "100", MOBILE).await;
    assert_eq!(
        (busy.status, busy.code()),
        (StatusCode::CONFLICT, "agent_busy")
    );
    assert_eq!(channels(pbx), before, "the PBX placed no second call");
    before
}

/// Dialled, answered, held, taken back, handed on and hung up; asked twice, placed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_placed_once_and_steered_by_its_users() {
    let Some(pbx) = Pbx::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let desk = Desk::new(&server, by_both()).await;
    let phones = [
        Party::phone("100", "phone-obeys").await,
        Party::phone("101", "phone-answers").await,
        Party::phone("pstn", "phone-answers").await,
    ];

    let placed = desk.place("one", "100", "06 1234 5678").await;
    let placed = placed.data(StatusCode::CREATED);
    let (pending, id) = (&placed["call"], placed["call_id"].as_str().unwrap());
    assert_eq!(pending["id"], id);
    assert_eq!(pending["status"], "ringing");
    assert_eq!(pending["direction"], "outbound");
    assert_eq!(pending["to_number"], MOBILE);
    assert_eq!(pending["agent"]["extension"], "100");
    let open = desk.open_calls().await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0]["id"], id);

    let rings = |call: &Value| living(call, "100").is_some_and(|leg| !leg["rang_at"].is_null());
    desk.call(id, rings).await;
    let ringing = desk.refuses_the_rest(id).await;
    assert_eq!(ringing, set(&["answer", "hangup"]));
    desk.act(id, "answer", &json!({})).await;
    let call = desk.call(id, talks).await;
    assert_eq!(call["status"], "active");
    assert_eq!(desk.total().await, 1, "the pending call became this one");

    let before = no_second_call(&desk, &pbx, placed).await;
    desk.refuses_the_rest(id).await;
    desk.act(id, "hold", &json!({})).await;
    desk.call(id, |call| call["status"] == "held").await;
    let held = desk.refuses_the_rest(id).await;
    assert!(
        held.contains("resume") && !held.contains("hold"),
        "{held:?}"
    );
    desk.act(id, "resume", &json!({})).await;
    desk.call(id, |call| call["status"] == "active").await;
    let active = desk.refuses_the_rest(id).await;
    assert!(
        active.contains("hold") && !active.contains("resume"),
        "{active:?}"
    );

    let path = format!("/api/calls/{id}/transfer");
    let abroad = json!({ "to": "+1 415 555 0100", "kind": "blind" });
    let abroad = desk.post(&path, None, &abroad).await;
    assert_eq!(
        (abroad.status, abroad.code()),
        (StatusCode::FORBIDDEN, "dial_refused")
    );
    assert_eq!(channels(&pbx), before, "the customer stays where they are");
    let to_bob = json!({ "to": "101", "kind": "blind" });
    desk.act(id, "transfer", &to_bob).await;
    let moved = |call: &Value| living(call, "101").is_some_and(|l| !l["answered_at"].is_null());
    let call = desk.call(id, moved).await;
    assert_eq!(call["status"], "active");
    assert_eq!(call["transfers"][0]["to"], "101");
    let now = channels(&pbx);
    let (last, bob) = (before.iter().map(|c| ordinal(c)).max(), now.iter());
    let bob = bob.clone().find(|c| c.starts_with("PJSIP/101-")).unwrap();
    assert_eq!(
        Some(ordinal(bob)),
        last.map(|n| n + 1),
        "nobody else was ever rung"
    );

    desk.act(id, "hangup", &json!({})).await;
    let call = desk.call(id, over).await;
    for phone in phones {
        phone.content().await;
    }
    assert_eq!(call["status"], "ended", "{call:#}");
    assert_eq!(call["agent"]["extension"], "101");
    assert_eq!(desk.refuses_the_rest(id).await, set(&[]), "it is over");
    assert_eq!(desk.total().await, 1);
    let told = desk.events(id).await;
    let course = ["call.ring", "call.started", "call.held", "call.resumed"];
    let course = [&course[..], &["call.transferred", "call.ended"]].concat();
    assert_eq!(names(&told), course);
    let dial = desk.settled(&placed["dial_id"]).await;
    assert_eq!(dial["state"], "joined", "{dial:#}");
}

/// Asked for as the predecessor's clients do, with ARI alone: what this way cannot do is said
/// beforehand. An agent who declines is an end like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_dials_and_what_ari_lacks_is_said_beforehand() {
    let Some(pbx) = Pbx::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let desk = Desk::new(&server, by_ari()).await;
    let phones = [
        Party::phone("100", "phone-answers").await,
        Party::phone("pstn", "phone-answers").await,
    ];
    let click = json!({ "targetNumber": "0612345678", "extension": "100" });
    let clicked = desk.post("/api/cti/click-to-dial", None, &click).await;
    assert_eq!(clicked.status, StatusCode::OK, "{clicked:?}");
    assert_eq!(clicked.body["success"], true);
    let id = clicked.body["callId"].as_str().unwrap();
    let call = desk.call(id, talks).await;
    assert_eq!(call["to_number"], MOBILE);
    assert_eq!(call["external_call_id"], clicked.body["externalCallId"]);
    let possible = desk.refuses_the_rest(id).await;
    assert_eq!(possible, set(&["hangup"]));
    let hold = desk.actions(id).await;
    let hold = hold.iter().find(|offer| offer["action"] == "hold").unwrap();
    assert_eq!(hold["code"], "not_supported");
    assert!(
        hold["reason"].as_str().unwrap().contains("ami_host"),
        "{hold}"
    );
    desk.act(id, "hangup", &json!({})).await;
    let call = desk.call(id, over).await;
    for phone in phones {
        phone.content().await;
    }
    assert_eq!(call["status"], "ended", "{call:#}");
    let told = desk.events(id).await;
    assert_eq!(names(&told), ["call.ring", "call.started", "call.ended"]);

    let phone = Party::phone("100", "phone-declines").await;
    let placed = desk.place("declined", "100", MOBILE).await;
    let placed = placed.data(StatusCode::CREATED);
    let id = placed["call_id"].as_str().unwrap();
    let call = desk.call(id, over).await;
    phone.content().await;
    assert!(call["answered_at"].is_null(), "{call:#}");
    assert_eq!(call["end_cause"], "cancelled", "{call:#}");
    assert_eq!(call["ended_by"], "agent");
    assert_eq!(call["legs"][0]["end_cause"], "rejected");
    assert_eq!(names(&desk.events(id).await), ["call.ended"]);
    assert_eq!(desk.total().await, 2);
    assert_eq!(channels(&pbx), set(&[]), "nothing goes on");
}

/// The PBX's endpoints, matched to agents: those of the settings only, made once, found again.
#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_of_a_real_pbx_become_agents() {
    let Some(_pbx) = Pbx::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let desk = Desk::new(&server, by_ari()).await;
    let own = server.get(&desk.app, "/api/connections").await;
    let id = own["data"][0]["id"].as_str().unwrap().to_owned();
    let anna = json!({ "name": "Anna", "identities": [
        { "kind": "extension", "value": "100", "connection_id": id }] });
    let anna = desk.post("/api/agents", None, &anna).await;
    let anna = anna.data(StatusCode::CREATED)["id"].clone();
    let path = format!("/api/connections/{id}/users");
    let users = server.get(&desk.app, &path).await["data"]["users"].clone();
    let users: Vec<&Value> = users.as_array().unwrap().iter().collect();
    let of = |extension: &str| users.iter().find(|user| user["extension"] == extension);
    let hers = of("100").unwrap();
    assert_eq!(
        (&hers["outcome"], &hers["agent"]["id"]),
        (&json!("already"), &anna)
    );
    assert_eq!(hers["device"], "PJSIP/100");
    assert_eq!(
        (&hers["email"], &hers["platform_user_id"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(of(SWITCHED_OFF).unwrap()["state"], "offline");
    assert_eq!(of(SWITCHED_OFF).unwrap()["outcome"], "no_email");
    assert!(of("trunk").is_none(), "{users:#?}");
    let body = json!({ "connection_id": id, "create_missing": true, "create_without_email": true });
    let made = desk.post("/api/agents/match", None, &body).await;
    let counts = made.data(StatusCode::OK)["counts"].clone();
    assert_eq!(counts["created"], users.len() - 1, "{counts}");
    let again = desk.post("/api/agents/match", None, &body).await;
    assert_eq!(again.data(StatusCode::OK)["counts"]["already"], users.len());
    let agents = server.get(&desk.app, "/api/agents").await;
    assert_eq!(agents["pagination"]["total"], users.len());
}

/// A phone that is not there, and numbers that may not be dialled.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_nothing_is_told_with_its_cause() {
    let Some(pbx) = Pbx::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for config in [by_ari(), by_both()] {
        let desk = Desk::new(&server, config).await;
        let failed = desk.place("off", SWITCHED_OFF, MOBILE).await;
        assert!(!failed.status.is_success(), "{failed:?}");
        assert_eq!(failed.code(), "platform_refused", "{failed:?}");
        assert_eq!(failed.body["cause"], "device_offline");
        let id = failed.body["call_id"].as_str().unwrap();
        let call = desk.call(id, over).await;
        assert_eq!(call["status"], "ended", "{call:#}");
        assert_eq!(call["end_cause"], "failed");
        assert_eq!(desk.open_calls().await, Vec::<Value>::new());
        let again = desk.place("off", SWITCHED_OFF, MOBILE).await;
        assert_eq!(again.code(), "platform_refused");
        assert_eq!(
            again.body["call_id"], id,
            "the same request has the same answer"
        );
        let told = desk.events(id).await;
        let told = told.iter().filter(|event| event["event"] == "dial.failed");
        let told: Vec<&Value> = told.collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        let told = &told[0]["data"]["dial"];
        assert_eq!(told["id"], failed.body["dial_id"], "{told:#}");
        assert_eq!(told["cause"], "device_offline");
        assert_eq!(told["detail"], failed.body["detail"]);
        let dial = desk.settled(&failed.body["dial_id"]).await;
        assert_eq!(dial["state"], "failed");
        assert_eq!(dial["failure"]["cause"], "device_offline");

        let phone = Party::phone("100", "phone-rings").await;
        let calls = desk.total().await;
        for (number, reason) in [
            ("+1 415 555 0100", "country"),
            ("0900 1234", "premium_rate"),
            ("112", "emergency"),
        ] {
            let answer = desk.place(reason, "100", number).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
            assert_eq!(answer.code(), "dial_refused");
            assert_eq!(answer.body["reason"], reason);
        }
        assert_eq!(channels(&pbx), set(&[]), "the PBX has heard nothing");
        assert_eq!(desk.total().await, calls, "and no call was written down");
        // The next one that may be dialled is the first the phone hears of.
        let placed = desk.place("allowed", "100", MOBILE).await;
        let id = placed.data(StatusCode::CREATED)["call_id"]
            .as_str()
            .unwrap();
        let rings = |call: &Value| living(call, "100").is_some_and(|l| !l["rang_at"].is_null());
        desk.call(id, rings).await;
        let heard = phone.messages();
        let asked = heard.lines().filter(|line| line.starts_with("INVITE "));
        assert_eq!(asked.count(), 1, "{heard}");
        desk.act(id, "hangup", &json!({})).await;
        desk.call(id, over).await;
        phone.content().await;
    }
}
