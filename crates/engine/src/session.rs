//! What an adapter needs to ask its platform something, put together for one connection: its
//! settings, its access tokens, the limits of its account, time. Where tokens come from is
//! decided in [`crate::oauth`], how fast requests may go in [`crate::limits`].

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::adapter::Secret;
use crate::command::{AccessTokens, CommandError, Fault, Grant, Session};
use crate::connections::ReadyConnection;
use crate::limits::Buckets;
use crate::oauth::Tokens;
use crate::ports::Clock;

/// Makes a [`Session`] for any connection. Cheap to clone; all clones share limits and tokens.
#[derive(Clone, Debug)]
pub struct Sessions {
    clock: Arc<dyn Clock>,
    buckets: Buckets,
    tokens: Option<Tokens>,
}

impl Sessions {
    /// Sessions for connections that do not sign in by OAuth.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let buckets = Buckets::new(clock.clone());
        Self {
            clock,
            buckets,
            tokens: None,
        }
    }

    /// Sessions for all connections.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// What a request to this connection's platform needs. Opening costs nothing and asks nobody.
    #[must_use]
    pub fn open(&self, connection: &ReadyConnection) -> Session {
        let signs_in = connection.adapter.oauth(&connection.context).is_some();
        let tokens: Arc<dyn AccessTokens> = match &self.tokens {
            Some(tokens) if signs_in => tokens.of(connection),
            _ => Arc::new(NoTokens),
        };
        Session {
            connection: connection.context.clone(),
            tokens,
            limits: self.buckets.account(&account(connection)),
            clock: self.clock.clone(),
        }
    }
}

/// The account a connection is of, as far as we can prove it: connections of one platform with
/// the same credentials are of one account. A client id and secret alone are no proof (many
/// accounts sign in through one client), so where a person signs in the connection stands for
/// itself.
fn account(connection: &ReadyConnection) -> String {
    let context = &connection.context;
    let oauth = connection.adapter.oauth(context);
    let signs_in = oauth.is_some_and(|oauth| oauth.grant == Grant::AuthorizationCode);
    if signs_in || context.credentials.is_empty() {
        return context.id.to_string();
    }
    let mut digest = Sha256::new();
    for (name, secret) in &context.credentials {
        for part in [name.as_str(), secret.expose()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
    }
    let digest = digest.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}/{hex}", connection.row.platform)
}

/// The tokens of a connection that has none.
struct NoTokens;

#[async_trait]
impl AccessTokens for NoTokens {
    async fn token(&self) -> Result<Secret, CommandError> {
        let detail = "This connection is not set up to sign in at the platform by OAuth.";
        Err(CommandError::new(Fault::Credentials, detail))
    }

    async fn renew(&self, _refused: &Secret) -> Result<Secret, CommandError> {
        self.token().await
    }
}
