//! The users of a platform and which agents they are, over HTTP against the stand-in of Dialpad.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;
use switchhook_testkit::vendors::{Answered, Fault, StandIn};

use crate::agents::target;
use crate::oauth::add;
use crate::world::{Tenant, World};

const KEY: &str = "an administrator's key";
const BOB: u64 = 9_000_000_000_000_000_002;

/// Ada (the user of the fixtures), Bob, two with one address, a telephone without an address, and
/// somebody who has left.
async fn vendor() -> StandIn<Vendor> {
    let (ada, _) = target();
    let vendor = Vendor::default()
        .with_key(KEY, true, &["calls:list"])
        .with_person(
            ada.parse().unwrap(),
            "101",
            "Ada",
            &["ADA@pbx.example"],
            "active",
        )
        .with_person(BOB, "102", "Bob Bakker", &["bob@pbx.example"], "active")
        .with_person(
            BOB + 1,
            "103",
            "Reception 1",
            &["info@pbx.example"],
            "active",
        )
        .with_person(
            BOB + 2,
            "104",
            "Reception 2",
            &["info@pbx.example"],
            "active",
        )
        .with_person(BOB + 3, "105", "Hall", &[], "active")
        .with_person(BOB + 4, "106", "Gone", &["gone@pbx.example"], "deleted");
    StandIn::start(vendor).await.unwrap()
}

struct Desk {
    world: World,
    vendor: StandIn<Vendor>,
    tenant: Tenant,
    connection: String,
}

impl Desk {
    async fn new() -> Self {
        let (world, vendor) = (World::new().await, vendor().await);
        let tenant = world.tenant("Klantcontact").await;
        let config = json!({ "api_key": KEY, "base_url": vendor.url() });
        let connection = add(&world, &tenant, &config).await;
        Self {
            world,
            vendor,
            tenant,
            connection,
        }
    }

    async fn users(&self) -> Value {
        let path = format!("/api/connections/{}/users", self.connection);
        let answer = self.world.get(&self.tenant, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["data"].clone()
    }

    async fn run(&self, more: Value) -> Value {
        let mut body = more;
        body["connection_id"] = self.connection.clone().into();
        let answer = self
            .world
            .post(&self.tenant, "/api/agents/match", &body)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["data"].clone()
    }

    async fn agents(&self) -> Vec<Value> {
        let agents = self.world.get(&self.tenant, "/api/agents").await.body;
        agents["data"].as_array().unwrap().clone()
    }
}

fn outcomes(told: &Value) -> Vec<(&str, &str)> {
    let users = told["users"].as_array().unwrap().iter();
    users
        .map(|user| {
            let word = |name: &str| user[name].as_str().unwrap_or_default();
            (word("extension"), word("outcome"))
        })
        .collect()
}

#[tokio::test]
async fn users_are_mapped_by_address_and_extension_and_only_once() {
    let desk = Desk::new().await;
    let ada = json!({"name": "Ada de Boer", "email": "ada@PBX.example", "crm_user_id": "user_1"});
    let ada = desk.world.agent(&desk.tenant, &ada).await;
    let extension = json!({"kind": "extension", "value": "102",
        "connection_id": desk.connection});
    let bob = json!({"name": "Bob", "email": "b@crm.example", "identities": [extension]});
    let bob = desk.world.agent(&desk.tenant, &bob).await;
    let wanted = [
        ("101", "matched"),
        ("102", "matched"),
        ("103", "no_agent"),
        ("104", "no_agent"),
        ("105", "no_email"),
    ];
    let shown = desk.users().await;
    assert_eq!(outcomes(&shown), wanted);
    assert_eq!(shown["users"][0]["matched_by"], "email");
    assert_eq!(shown["users"][0]["agent"]["id"], ada["id"]);
    assert_eq!(shown["users"][1]["matched_by"], "extension");
    assert_eq!(shown["users"][1]["platform_user_id"], BOB.to_string());
    assert_eq!(shown["users"][0]["state"], "active");
    let dry = desk.run(json!({"dry_run": true})).await;
    assert_eq!(dry["counts"]["matched"], 2);
    let before = desk.agents().await;
    assert_eq!(
        before[0]["identities"],
        json!([]),
        "a dry run changes nothing"
    );

    let told = desk.run(json!({})).await;
    assert_eq!(
        (&told["dry_run"], &told["truncated"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(outcomes(&told), wanted);
    let agents = desk.agents().await;
    let names = |agent: &Value| {
        let own = agent["identities"].as_array().unwrap().iter();
        own.map(|own| (own["value"].as_str().unwrap().to_owned(), own["by"].clone()))
            .collect::<Vec<_>>()
    };
    let (user, _) = target();
    assert_eq!(
        names(&agents[0]),
        [(user, json!("email")), ("101".to_owned(), json!("email"))]
    );
    assert_eq!(
        names(&agents[1]),
        [
            ("102".to_owned(), json!("hand")),
            (BOB.to_string(), json!("hand"))
        ]
    );
    let again = desk.run(json!({})).await;
    assert_eq!(again["counts"]["already"], 2);
    assert_eq!(again["counts"]["matched"], 0);
    assert_eq!(desk.agents().await, agents, "nothing changes a second time");

    let log = desk.world.get(&desk.tenant, "/api/audit").await.body;
    let entries = log["data"].as_array().unwrap().iter();
    let ours: Vec<&Value> = entries
        .filter(|entry| entry["action"] == "POST /api/agents/match")
        .collect();
    assert_eq!(ours.len(), 3);
    let real = ours.iter().find(|entry| {
        entry["after"]["counts"]["matched"] == 2 && entry["after"]["dry_run"] == false
    });
    let real = real.expect("the change on record");
    let listed = |side: &str| real[side]["agents"].as_array().unwrap().clone();
    assert_eq!((listed("before").len(), listed("after").len()), (2, 2));
    let of = |side: &str, agent: &Value| {
        let found = listed(side)
            .into_iter()
            .find(|one| one["id"] == agent["id"]);
        found.unwrap()["identities"].as_array().unwrap().len()
    };
    assert_eq!((of("before", &ada), of("after", &ada)), (0, 2));
    assert_eq!((of("before", &bob), of("after", &bob)), (1, 2));
}

#[tokio::test]
async fn agents_are_made_where_that_is_asked_and_certain() {
    let desk = Desk::new().await;
    let refused = json!({"connection_id": desk.connection, "create_without_email": true});
    let refused = desk
        .world
        .post(&desk.tenant, "/api/agents/match", &refused)
        .await;
    assert_eq!((refused.status, refused.problem()), (400, "invalid_field"));
    assert_eq!(refused.body["field"], "create_without_email");
    let dry = desk
        .run(json!({"dry_run": true, "create_missing": true}))
        .await;
    let wanted = [
        ("101", "created"),
        ("102", "created"),
        ("103", "ambiguous"),
        ("104", "ambiguous"),
        ("105", "no_email"),
    ];
    assert_eq!(outcomes(&dry), wanted);
    assert_eq!(dry["users"][0]["agent"], Value::Null, "there is none yet");
    assert!(desk.agents().await.is_empty());
    let told = desk.run(json!({"create_missing": true})).await;
    assert_eq!(outcomes(&told), wanted);
    assert_eq!(told["users"][1]["agent"]["name"], "Bob Bakker");
    assert!(
        told["users"][2]["detail"]
            .as_str()
            .unwrap()
            .contains("Several users")
    );
    let all = json!({"create_missing": true, "create_without_email": true});
    assert_eq!(desk.run(all.clone()).await["counts"]["created"], 1);
    assert_eq!(desk.run(all).await["counts"]["created"], 0);
    let agents = desk.agents().await;
    assert_eq!(agents.len(), 3);
    assert_eq!(agents[1]["email"], "bob@pbx.example");
}

#[tokio::test]
async fn a_platform_that_cannot_be_asked_says_why() {
    let desk = Desk::new().await;
    let path = format!("/api/connections/{}/users", desk.connection);
    for (fault, status, code) in [
        (
            Fault::Answer(Answered::json(403, json!({}))),
            502,
            "platform_refused",
        ),
        (
            Fault::Answer(Answered::json(404, json!({}))),
            502,
            "platform_refused",
        ),
        (Fault::Drop, 502, "platform_unreachable"),
    ] {
        desk.vendor.fail("GET", "/api/v2/users", fault);
        let answer = desk.world.get(&desk.tenant, &path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (status, code),
            "{}",
            answer.text
        );
    }
    let silent = add(&desk.world, &desk.tenant, &json!({})).await;
    let body = json!({"connection_id": silent});
    let answer = desk
        .world
        .post(&desk.tenant, "/api/agents/match", &body)
        .await;
    assert_eq!(answer.problem(), "not_supported");
    assert!(answer.text.contains("only listens"), "{}", answer.text);
}

#[tokio::test]
async fn another_apps_connection_looks_unknown() {
    let desk = Desk::new().await;
    let stranger = desk.world.tenant("Stranger").await;
    let unknown = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    for connection in [desk.connection.as_str(), unknown] {
        let path = format!("/api/connections/{connection}/users");
        let answer = desk.world.get(&stranger, &path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (404, "connection_not_found")
        );
        let body = json!({"connection_id": connection});
        let answer = desk.world.post(&stranger, "/api/agents/match", &body).await;
        assert_eq!((answer.status, answer.problem()), (400, "invalid_field"));
        assert_eq!(answer.body["field"], "connection_id");
    }
    assert!(desk.vendor.asked_of("GET", "/api/v2/users").is_empty());
    let foreign = json!({"name": "X", "email": "ada@pbx.example"});
    desk.world.agent(&stranger, &foreign).await;
    assert_eq!(
        desk.users().await["counts"]["no_agent"],
        4,
        "their agents are their own"
    );
}

#[tokio::test]
async fn presence_is_listed_with_whose_it_is() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let (hook, theirs) = (world.hook(&us).await, world.hook(&them).await);
    let event = crate::world::fixture("agent-status", "02_available");
    world.dialpad(&hook, &event).await;
    world.dialpad(&theirs, &event).await;
    let list = async |tenant: &Tenant, query: &str| {
        let answer = world.get(tenant, &format!("/api/presence{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    };
    let early = list(&us, "").await;
    assert_eq!(early["data"][0]["agent"], Value::Null);
    let user = early["data"][0]["user_id"].as_str().unwrap();
    let body = json!({"name": "Anna", "crm_user_id": "user_1",
        "identities": [{"kind": "user", "platform": "dialpad", "value": user}]});
    let anna = world.agent(&us, &body).await;
    let bram = world.agent(&us, &json!({"name": "Bram"})).await;
    let wanted = json!({"id": anna["id"], "name": "Anna", "crm_user_id": "user_1"});
    assert_eq!(list(&us, "").await["data"][0]["agent"], wanted);
    let of = |agent: &Value| format!("?agent_id={}", agent["id"].as_str().unwrap());
    let hers = list(&us, &of(&anna)).await;
    assert_eq!(hers["pagination"]["total"], 1);
    assert_eq!(hers["data"][0]["agent"], wanted);
    assert_eq!(list(&us, &of(&bram)).await["data"], json!([]));
    let past = format!("{}&offset=1", of(&anna));
    assert_eq!(list(&us, &past).await["data"], json!([]));
    // Another app neither sees the agent nor can ask by it.
    assert_eq!(list(&them, "").await["data"][0]["agent"], Value::Null);
    assert_eq!(list(&them, &of(&anna)).await["pagination"]["total"], 0);
    let bad = world.get(&us, "/api/presence?agent_id=x").await;
    assert_eq!((bad.status, bad.problem()), (400, "invalid_parameter"));
    let gone = format!("/api/agents/{}", anna["id"].as_str().unwrap());
    world.change(&us, Method::DELETE, &gone, None).await;
    assert_eq!(list(&us, "").await["data"][0]["agent"], Value::Null);
}
