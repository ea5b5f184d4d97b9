//! A connection to the stand-in of RingCentral, with real limits and a hook that answers as the
//! server does.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::LegKind;
use switchhook_engine::adapter::{Adapter, ConnectionContext, Inbound, Secret};
use switchhook_engine::command::{
    AccessTokens, AgentDevice, CallHandle, CallLeg, CommandError, Originate, Session,
};
use switchhook_engine::limits::Buckets;
use switchhook_engine::ports::SystemClock;
use switchhook_testkit::vendors::{Answered, Asked, StandIn, Vendor, ringcentral};

use crate::fixture::connection;

/// The extension id of the stand-in's first agent, 101.
pub(super) const ADA: &str = "400100100";

/// Hands out tokens of the stand-in, as the engine would after a sign-in.
struct Tokens {
    vendor: Arc<StandIn<ringcentral::RingCentral>>,
    first: Secret,
}

#[async_trait]
impl AccessTokens for Tokens {
    async fn token(&self) -> Result<Secret, CommandError> {
        Ok(self.first.clone())
    }

    async fn renew(&self, _refused: &Secret) -> Result<Secret, CommandError> {
        Ok(Secret::new(self.vendor.vendor().token()))
    }
}

/// RingCentral and a session with it.
pub(super) struct World {
    pub(super) vendor: Arc<StandIn<ringcentral::RingCentral>>,
    pub(super) session: Session,
}

impl World {
    pub(super) async fn new() -> Self {
        let clock = Arc::new(SystemClock);
        let vendor = ringcentral::RingCentral::new("client", Some("client-secret"), clock.clone());
        let vendor = Arc::new(StandIn::start(vendor).await.unwrap());
        let mut context = connection(&["hook-secret"]);
        context
            .config
            .insert("server_url".to_owned(), json!(vendor.url()));
        context
            .config
            .insert("client_id".to_owned(), json!("client"));
        let first = Secret::new(vendor.vendor().token());
        let session = Session {
            connection: Arc::new(context),
            tokens: Arc::new(Tokens {
                vendor: vendor.clone(),
                first,
            }),
            limits: Buckets::new(clock.clone()).account("test"),
            clock,
        };
        Self { vendor, session }
    }

    /// The same connection with other webhook secrets.
    pub(super) fn with_secrets(&self, secrets: &[&str]) -> Session {
        let mut context = (*self.session.connection).clone();
        context.webhook_secrets = secrets.iter().map(|s| Secret::new(*s)).collect();
        Session {
            connection: Arc::new(context),
            ..self.session.clone()
        }
    }

    /// The same connection with events over a socket.
    pub(super) fn by_socket(&self) -> Session {
        let mut context = (*self.session.connection).clone();
        context
            .config
            .insert("transport".to_owned(), json!("websocket"));
        Session {
            connection: Arc::new(context),
            ..self.session.clone()
        }
    }

    /// A live call of Ada's whose party is in that state, as a command sees it.
    pub(super) fn call(&self, code: &str) -> (CallHandle, String, String) {
        let (session, party) = self.vendor.vendor().session(ADA, code);
        let leg = |id: &str, kind, user: Option<&str>, answered| CallLeg {
            number: None,
            id: id.to_owned(),
            kind,
            extension: None,
            user_id: user.map(str::to_owned),
            answered,
            ended: false,
        };
        let handle = CallHandle {
            keys: vec![session.clone()],
            external_call_id: party.replace("-2", "-1"),
            legs: vec![
                leg(&party.replace("-2", "-1"), LegKind::External, None, true),
                leg(&party, LegKind::Agent, Some(ADA), code != "Proceeding"),
            ],
            agent: AgentDevice {
                user_id: Some(ADA.to_owned()),
                ..AgentDevice::default()
            },
        };
        (handle, session, party)
    }
}

pub(super) fn number(raw: &str) -> PhoneNumber {
    PhoneNumber::parse(raw, &NumberPlan::default())
}

pub(super) fn wanted(agent: AgentDevice, target: &str) -> Originate {
    Originate {
        dial_id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
        agent,
        target: number(target),
        caller_id: None,
    }
}

/// Our end of the webhook: answers as the server does, through the adapter.
pub(super) struct Hook {
    pub(super) context: ConnectionContext,
    /// More headers, to make answers too long.
    pub(super) padding: usize,
    /// True to answer nothing but 404.
    pub(super) is_away: bool,
}

impl Hook {
    pub(super) fn new(secrets: &[&str]) -> Self {
        Self {
            context: connection(secrets),
            padding: 0,
            is_away: false,
        }
    }
}

#[async_trait]
impl Vendor for Hook {
    async fn answer(&self, asked: &Asked) -> Answered {
        if self.is_away {
            return Answered::empty(404);
        }
        let inbound = Inbound {
            headers: &asked.headers,
            ..Inbound::body_only(&asked.body)
        };
        let padding = "x".repeat(self.padding);
        if let Some(reply) = RingCentral.handshake(&inbound, &self.context) {
            let mut answer = Answered::empty(reply.status)
                .with("content-type", reply.content_type)
                .with("x-padding", padding);
            answer.headers.extend(reply.headers);
            return answer;
        }
        match RingCentral.verify(&inbound, &self.context) {
            Ok(_) => Answered::empty(200),
            Err(_) => Answered::empty(401),
        }
    }
}
