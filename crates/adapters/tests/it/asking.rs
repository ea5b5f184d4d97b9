//! Sessions for tests that put a real adapter to a stand-in of its vendor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::LegKind;
use switchhook_engine::adapter::{ConnectionContext, Secret};
use switchhook_engine::command::{
    AccessTokens, AgentDevice, CallHandle, CallLeg, CommandError, Fault, Limits, Originate,
    RateLimit, Session,
};
use switchhook_testkit::clock::TestClock;

use crate::fixture::{self, SECRET};

/// Nobody signs in by OAuth here.
struct NoTokens;

#[async_trait]
impl AccessTokens for NoTokens {
    async fn token(&self) -> Result<Secret, CommandError> {
        Err(CommandError::new(Fault::Credentials, "no OAuth"))
    }

    async fn renew(&self, _refused: &Secret) -> Result<Secret, CommandError> {
        self.token().await
    }
}

/// Lets everything pass and remembers what was held back.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) turns: Mutex<Vec<&'static str>>,
    pub(crate) held_back: Mutex<Vec<(&'static str, Duration)>>,
}

#[async_trait]
impl Limits for Open {
    async fn turn(&self, limit: &RateLimit, _patience: Duration) -> Result<(), CommandError> {
        self.turns.lock().unwrap().push(limit.group);
        Ok(())
    }

    fn hold_back(&self, limit: &RateLimit, wait: Duration) {
        self.held_back.lock().unwrap().push((limit.group, wait));
    }
}

/// A connection with these settings and credentials.
pub(crate) fn connected(config: &Value, credentials: &[(&str, &str)]) -> ConnectionContext {
    let mut connection = fixture::connection(&[SECRET]);
    connection.config = config.as_object().unwrap().clone();
    for (name, secret) in credentials {
        let secret = Secret::new(*secret);
        connection.credentials.insert((*name).to_owned(), secret);
    }
    connection
}

/// A session of it, and its limits.
pub(crate) fn session(connection: ConnectionContext) -> (Session, Arc<Open>) {
    let limits = Arc::new(Open::default());
    let session = Session {
        connection: Arc::new(connection),
        tokens: Arc::new(NoTokens),
        limits: limits.clone(),
        clock: Arc::new(TestClock::at("2026-11-22T10:00:00Z".parse().unwrap())),
    };
    (session, limits)
}

/// A number as policy lets it pass.
pub(crate) fn number(raw: &str) -> PhoneNumber {
    PhoneNumber::parse(raw, &NumberPlan::default())
}

/// Extension 100 wants to call.
pub(crate) fn dial(target: &str) -> Originate {
    Originate {
        dial_id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
        agent: AgentDevice {
            extension: Some("100".to_owned()),
            ..AgentDevice::default()
        },
        target: number(target),
        caller_id: None,
    }
}

/// A call of extension 100 with somebody outside, under that key.
pub(crate) fn call(key: &str, outside: &str) -> CallHandle {
    let leg = |id: &str, kind, extension: Option<&str>, number: Option<&str>| CallLeg {
        id: id.to_owned(),
        kind,
        extension: extension.map(str::to_owned),
        user_id: None,
        number: number.map(str::to_owned),
        answered: true,
        ended: false,
    };
    CallHandle {
        keys: vec![key.to_owned()],
        external_call_id: "x".to_owned(),
        legs: vec![
            leg("x", LegKind::External, None, Some(outside)),
            leg("x:100", LegKind::Agent, Some("100"), None),
        ],
        agent: AgentDevice::default(),
    }
}
