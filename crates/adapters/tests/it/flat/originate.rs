//! Placing calls through a mapping: the request as the vendor wants it, and each way it can fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_adapters::mapped::{self, Aircall};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_engine::adapter::{Adapter, Capability, ConnectionContext, Secret};
use switchhook_engine::command::{
    AccessTokens, AgentDevice, CommandError, Fault, Limits, Originate, RateLimit, Session,
};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::vendors::{Answered, Asked, Fault as Trouble, StandIn, Vendor};

use crate::fixture::connection;

/// Aircall's "Start an outbound call", from its API reference: Basic API id and token, the number
/// to call from and the number to dial; 204 without a body.
struct AircallApi;

#[async_trait]
impl Vendor for AircallApi {
    async fn answer(&self, asked: &Asked) -> Answered {
        // `printf id:token | base64`
        if asked.header("authorization") != Some("Basic aWQ6dG9rZW4=") {
            return Answered::json(401, json!({"error": "Unauthorized", "troubleshoot": "…"}));
        }
        let known = asked.method == "POST" && asked.path == "/v1/users/736640/calls";
        if !known {
            return Answered::json(404, json!({"error": "Not found"}));
        }
        let body = asked.json();
        let numbers = body["number_id"].is_u64() && body["to"].is_string();
        let members = body.as_object().map_or(0, serde_json::Map::len);
        if numbers && members == 2 {
            Answered::empty(204)
        } else {
            Answered::json(400, json!({"error": "Bad Request"}))
        }
    }
}

struct Nobody;

#[async_trait]
impl AccessTokens for Nobody {
    async fn token(&self) -> Result<Secret, CommandError> {
        Err(CommandError::new(Fault::Credentials, "no OAuth"))
    }

    async fn renew(&self, _: &Secret) -> Result<Secret, CommandError> {
        self.token().await
    }
}

#[derive(Debug)]
struct Unlimited;

#[async_trait]
impl Limits for Unlimited {
    async fn turn(&self, _: &RateLimit, _: Duration) -> Result<(), CommandError> {
        Ok(())
    }

    fn hold_back(&self, _: &RateLimit, _: Duration) {}
}

fn session(connection: ConnectionContext) -> Session {
    Session {
        connection: Arc::new(connection),
        tokens: Arc::new(Nobody),
        limits: Arc::new(Unlimited),
        clock: Arc::new(TestClock::default()),
    }
}

fn aircall(url: &str) -> ConnectionContext {
    let mut connection = connection(&["token"]);
    let settings = [
        ("api_url", json!(url)),
        ("api_id", json!("id")),
        ("number_id", json!(404_821)),
    ];
    for (name, value) in settings {
        connection.config.insert(name.to_owned(), value);
    }
    let secret = Secret::new("token");
    connection
        .credentials
        .insert("api_token".to_owned(), secret);
    connection
}

fn asked(user_id: Option<&str>) -> Originate {
    Originate {
        dial_id: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        agent: AgentDevice {
            user_id: user_id.map(str::to_owned),
            ..AgentDevice::default()
        },
        target: PhoneNumber::parse("+31612345021", &NumberPlan::default()),
        caller_id: None,
    }
}

#[tokio::test]
async fn aircall_is_asked_as_it_documents() {
    let vendor = StandIn::start(AircallApi).await.unwrap();
    let session = session(aircall(vendor.url()));
    let placed = Aircall
        .originate(&session, &asked(Some("736640")))
        .await
        .unwrap();
    assert!(placed.keys.is_empty(), "Aircall's answer names no call");
    let requests = vendor.asked();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].json(),
        json!({"number_id": 404_821, "to": "+31612345021"})
    );
}

#[tokio::test]
async fn every_failure_says_whose_fault_it_is() {
    let vendor = StandIn::start(AircallApi).await.unwrap();
    let place = async |connection: ConnectionContext, user: Option<&str>| {
        let session = session(connection);
        let placed = Aircall.originate(&session, &asked(user)).await;
        placed.map(|_| ()).unwrap_err().fault
    };
    let good = || aircall(vendor.url());
    assert_eq!(place(good(), None).await, Fault::Device);
    assert_eq!(place(good(), Some("..")).await, Fault::Target);
    assert_eq!(place(good(), Some("1/../../736640")).await, Fault::Gone);
    let mut wrong = good();
    wrong
        .credentials
        .insert("api_token".to_owned(), Secret::new("other"));
    assert_eq!(place(wrong, Some("736640")).await, Fault::Credentials);
    let mut lacking = good();
    lacking.credentials.clear();
    assert_eq!(place(lacking, Some("736640")).await, Fault::Settings);
    let mut no_line = good();
    no_line.config.remove("number_id");
    assert_eq!(place(no_line, Some("736640")).await, Fault::Settings);
    for url in ["ftp://127.0.0.1", "javascript:x", "nonsense"] {
        assert_eq!(
            place(aircall(url), Some("736640")).await,
            Fault::Settings,
            "{url}"
        );
    }
    vendor.fail("POST", "/v1/users/736640/calls", Trouble::LoseAnswer);
    assert_eq!(place(good(), Some("736640")).await, Fault::Uncertain);
}

/// An outbound call of Aircall may be one we asked for; its events carry nothing of ours.
#[test]
fn outbound_events_may_belong_to_a_call_we_asked_for() {
    let scenario = crate::fixture::folder("aircall/outbound-answered");
    for (name, body) in crate::fixture::notifications(&scenario, &Aircall) {
        let decoded = Aircall.decode(&body, &connection(&[])).unwrap();
        let adoption = decoded.adoption.unwrap_or_else(|| panic!("{name}"));
        assert_eq!(adoption.dialled, "+31612345021");
        assert_eq!(adoption.user_id.as_deref(), Some("736640"));
    }
}

struct Echo;

#[async_trait]
impl Vendor for Echo {
    async fn answer(&self, _: &Asked) -> Answered {
        Answered::json(200, json!({"call": {"id": "c-77"}}))
    }
}

#[tokio::test]
async fn a_mapping_may_use_any_of_its_means() {
    let text = "platform = \"acme-dials\"\ntitle = \"Acme\"\nsummary = \"Acme posts JSON.\"\n\
        signature = { scheme = \"bearer\" }\ncall = { id = \"id\" }\n\
        events = { path = \"event\", map = { a = \"ended\" } }\n\
        setting = [{ name = \"base\", label = \"b\", help = \"b\", kind = \"url\" },\
        { name = \"key\", label = \"k\", help = \"k\", kind = \"secret\" }]\n\
        [originate]\nmethod = \"PUT\"\nid = \"call.id\"\n\
        url = \"{setting.base}/dial/{target}?by={agent.extension}\"\n\
        body = { to = \"{target.digits}\", show = \"{caller_id}\",\
        ref = [\"{dial_id}\", true, 7] }\n\
        auth = { scheme = \"header\", header = \"x-api-key\", secret = \"key\" }\n";
    let mapped = mapped::compile(text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let vendor = StandIn::start(Echo).await.unwrap();
    let mut connection = connection(&["s"]);
    connection
        .config
        .insert("base".to_owned(), format!("{}/", vendor.url()).into());
    connection
        .credentials
        .insert("key".to_owned(), Secret::new("k-1"));
    let mut dial = asked(None);
    dial.agent.extension = Some("10&x=1".to_owned());
    let placed = mapped.originate(&session(connection), &dial).await.unwrap();
    assert_eq!(placed.keys, ["call:c-77"], "as the signals will name it");
    let request = &vendor.asked()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", "/dial/%2B31612345021")
    );
    assert_eq!(request.query("by"), Some("10&x=1"));
    assert_eq!(request.header("x-api-key"), Some("k-1"));
    let body: Value = request.json();
    let dial_id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(
        body,
        json!({"to": "31612345021", "ref": [dial_id, true, 7]})
    );
}

#[test]
fn a_connection_without_the_sign_in_says_what_it_lacks() {
    let mut connection = connection(&["s"]);
    let lacks = |connection: &ConnectionContext| Aircall.lacks(Capability::Originate, connection);
    assert!(lacks(&connection).unwrap().contains("api_id"));
    connection.config.insert("api_id".to_owned(), json!("id"));
    assert!(lacks(&connection).unwrap().contains("api_token"));
    let token = Secret::new("token");
    connection.credentials.insert("api_token".to_owned(), token);
    assert_eq!(lacks(&connection), None);
    assert!(
        Aircall
            .lacks(Capability::ControlHold, &connection)
            .is_some()
    );
}
