//! Placing and steering calls, from the HTTP request to the platform's events, with a platform
//! that does what the test says.

mod click;
mod joining;
mod own;
mod placing;
mod policy;
mod refusing;
pub(crate) mod scripted;
mod steering;

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::Timestamp;
use switchhook_domain::cause::Cause;
use switchhook_domain::id::{AppId, CallId};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::StateStore;

use crate::client::Answer;
use crate::world::{Hook, Tenant, World, config};
use scripted::{Script, Scripted};

pub(crate) const TARGET: &str = "+31612345678";

/// A server whose app has one connection to the scripted platform.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    pub(crate) hook: Hook,
    pub(crate) script: Script,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let script = Script::default();
        let scripted = Arc::new(Scripted(script.clone()));
        let world = World::with_adapters(config(), vec![scripted, Arc::new(Dialpad)]).await;
        let tenant = world.tenant("desk").await;
        let hook = connection(&world, &tenant).await;
        Self {
            world,
            tenant,
            hook,
            script,
        }
    }

    /// Asks for a call of extension 100.
    pub(crate) async fn dial(&self, to: &str) -> Answer {
        self.place(&json!({ "to": to, "extension": "100" })).await
    }

    pub(crate) async fn place(&self, body: &Value) -> Answer {
        self.world.post(&self.tenant, "/api/calls", body).await
    }

    pub(crate) async fn place_keyed(&self, key: &str, body: &Value) -> Answer {
        let request = self.world.ask(Method::POST, "/api/calls");
        let request = request
            .header("x-api-key", &self.tenant.key)
            .header("idempotency-key", key)
            .json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.world.get(&self.tenant, path).await
    }

    /// The record of a call.
    pub(crate) async fn call(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap();
        let answer = self.get(&format!("/api/calls/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["data"].clone()
    }

    /// How a dial stands.
    pub(crate) async fn state(&self, dial: &Value) -> Value {
        let id = dial.as_str().unwrap();
        let answer = self.get(&format!("/api/dials/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["data"].clone()
    }

    pub(crate) async fn open_calls(&self) -> Vec<Value> {
        let answer = self.get("/api/calls/active").await;
        answer.body["data"].as_array().unwrap().clone()
    }

    /// The events of one type.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/api/events?limit=500&types={kind}");
        let answer = self.get(&path).await;
        answer.body["data"].as_array().unwrap().clone()
    }

    /// What the platform says.
    pub(crate) async fn hear(&self, signals: &[Signal]) {
        self.hear_with(signals, None).await;
    }

    pub(crate) async fn hear_with(&self, signals: &[Signal], adoption: Option<Value>) {
        let mut body = json!({ "signals": signals });
        if let Some(adoption) = adoption {
            body["adoption"] = adoption;
        }
        let request = self.world.ask(Method::POST, &self.hook.path);
        let request = request.header("x-secret", &self.hook.secret).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Time goes on, and the job looks.
    pub(crate) async fn later(&self, seconds: i64) {
        self.world.clock.advance(SignedDuration::from_secs(seconds));
        self.world.dialler.once().await.unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// The names a call has in the store.
    pub(crate) async fn keys(&self, call: &Value) -> Vec<String> {
        let app: AppId = self.tenant.id.parse().unwrap();
        let id: CallId = call.as_str().unwrap().parse().unwrap();
        let state = self.world.store.call_state(app, id).await.unwrap();
        state.unwrap().facts.keys.into_iter().collect()
    }

    /// How often a dial had an outcome.
    pub(crate) fn counted(&self, outcome: &'static str) -> u64 {
        let labels = switchhook_engine::metrics::DialLabels {
            platform: "scripted",
            outcome,
        };
        self.world.metrics.dials.get_or_create(&labels).get()
    }
}

/// A connection of a tenant to the scripted platform.
pub(crate) async fn connection(world: &World, tenant: &Tenant) -> Hook {
    let body = json!({ "platform": "scripted", "name": "Scripted", "config": {} });
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let text = |member: &str| made.body["data"][member].as_str().unwrap().to_owned();
    let url = text("webhook_url");
    Hook {
        connection_id: text("id"),
        path: url.split_once(&world.address).unwrap().1.to_owned(),
        secret: text("webhook_secret"),
    }
}

pub(crate) fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text, &NumberPlan::default())
}

pub(crate) fn extension(text: &str) -> Party {
    Party {
        extension: Some(text.to_owned()),
        ..Party::default()
    }
}

/// A call of the scripted platform, told bit by bit.
pub(crate) struct Story {
    keys: Vec<String>,
    begins: Timestamp,
}

impl Story {
    pub(crate) fn new(keys: &[&str], begins: Timestamp) -> Self {
        Self {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            begins,
        }
    }

    pub(crate) fn leg(&self, after: i64, leg: &str, fact: LegFact) -> Signal {
        let leg = format!("{}/{leg}", self.keys[0]);
        let at = self.begins + SignedDuration::from_secs(after);
        Signal::leg(at, &self.keys, &leg, fact)
    }

    pub(crate) fn call(&self, after: i64, fact: CallFact) -> Signal {
        let at = self.begins + SignedDuration::from_secs(after);
        Signal::call(at, &self.keys, fact)
    }

    /// The agent's device rings.
    pub(crate) fn agent_rings(&self) -> Vec<Signal> {
        let seen = LegFact::Seen {
            kind: LegKind::Agent,
            origin: false,
            party: extension("100"),
        };
        vec![self.leg(1, "a", seen), self.leg(1, "a", LegFact::Rang)]
    }

    /// The agent picks up, the other side is called and answers.
    pub(crate) fn talk(&self) -> Vec<Signal> {
        let seen = LegFact::Seen {
            kind: LegKind::External,
            origin: false,
            party: Party {
                number: Some(number(TARGET)),
                ..Party::default()
            },
        };
        vec![
            self.leg(3, "a", LegFact::Answered),
            self.leg(4, "b", seen),
            self.leg(5, "b", LegFact::Rang),
            self.leg(8, "b", LegFact::Answered),
        ]
    }

    /// An inbound call rings at the agent.
    pub(crate) fn rings_in(&self) -> Vec<Signal> {
        let caller = Party {
            number: Some(number(TARGET)),
            ..Party::default()
        };
        let mut told = vec![
            self.call(0, CallFact::Direction(Direction::Inbound)),
            self.call(0, CallFact::Remote(caller)),
        ];
        told.extend(self.agent_rings());
        told
    }

    pub(crate) fn answered(&self) -> Vec<Signal> {
        vec![self.leg(3, "a", LegFact::Answered)]
    }

    pub(crate) fn ends(&self) -> Vec<Signal> {
        let cause = Cause::q850(16);
        vec![self.call(30, CallFact::Ended { cause, by: None })]
    }
}
