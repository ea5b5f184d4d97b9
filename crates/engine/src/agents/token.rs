//! Short-lived tokens for embedded panels: a backend mints one with its key for an agent, and the
//! panel in that agent's browser uses it instead of the key. A token is `sht_` and 256 random
//! bits; only its hash is stored. It is good for what both the role agent and the key that minted
//! it may do, only as that agent, and ends with its time, its agent or that key.

use jiff::SignedDuration;
use switchhook_domain::id::{AgentId, AgentTokenId, AppId, IdMint, KeyId, UserId};

use super::Agents;
use crate::seal::{digest, random_text};
use crate::store::{AgentToken, StoreResult};

/// What the text of a token begins with.
pub const TOKEN_PREFIX: &str = "sht_";
/// The longest life, in minutes.
pub const MAX_MINUTES: u64 = 720;

/// A new token: the only time its text exists.
pub struct NewToken {
    /// The token itself, to be shown once.
    pub text: String,
    /// The row.
    pub row: AgentToken,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// True for a text that has the shape of a token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let secret = text.strip_prefix(TOKEN_PREFIX);
    secret.is_some_and(|secret| secret.len() == 43 && secret.is_ascii())
}

impl Agents {
    /// Mints a token, which ends with whoever it was minted by.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn mint(
        &self,
        app_id: AppId,
        agent_id: AgentId,
        (key_id, user_id): (Option<KeyId>, Option<UserId>),
        life: SignedDuration,
    ) -> StoreResult<NewToken> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let text = format!("{TOKEN_PREFIX}{}", random_text(&*inner.entropy, 32));
        let row = AgentToken {
            id: AgentTokenId(IdMint::new(now, inner.entropy.random()).uuid()),
            app_id,
            agent_id,
            key_id,
            user_id,
            token_hash: digest(text.as_bytes()),
            created_at: now,
            expires_at: now.checked_add(life).unwrap_or(now),
        };
        inner.store.put_agent_token(&row, now).await?;
        Ok(NewToken { text, row })
    }

    /// Ends a token. Returns whether there was one of that id in the app.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_token(&self, app: AppId, id: AgentTokenId) -> StoreResult<bool> {
        self.inner.store.delete_agent_token(app, id).await
    }
}
