//! Sessions of connections that sign in with their own credentials alone: no OAuth, and no limits
//! but the vendor's own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::SessionSource;
use crate::adapter::Secret;
use crate::command::{AccessTokens, CommandError, Fault, Limits, RateLimit, Session};
use crate::connections::ReadyConnection;
use crate::ports::Clock;

/// Opens sessions without access tokens.
#[derive(Clone, Debug)]
pub struct PlainSessions {
    clock: Arc<dyn Clock>,
}

impl PlainSessions {
    /// Sessions that read this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl SessionSource for PlainSessions {
    fn open(&self, connection: &ReadyConnection) -> Session {
        Session {
            connection: connection.context.clone(),
            tokens: Arc::new(NoTokens),
            limits: Arc::new(NoLimits),
            clock: self.clock.clone(),
        }
    }
}

struct NoTokens;

#[async_trait]
impl AccessTokens for NoTokens {
    async fn token(&self) -> Result<Secret, CommandError> {
        let detail = "This connection does not sign in at the vendor.";
        Err(CommandError::new(Fault::Credentials, detail))
    }

    async fn renew(&self, _refused: &Secret) -> Result<Secret, CommandError> {
        self.token().await
    }
}

#[derive(Debug)]
struct NoLimits;

#[async_trait]
impl Limits for NoLimits {
    async fn turn(&self, _limit: &RateLimit, _patience: Duration) -> Result<(), CommandError> {
        Ok(())
    }

    fn hold_back(&self, _limit: &RateLimit, _wait: Duration) {}
}
