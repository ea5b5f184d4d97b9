//! Requests that are carried out once however often they are sent: the client names a request
//! with a key of its own and hears the first answer again. Kept for a day, in the database, so
//! that it holds across restarts and nodes. Not here: which requests, and HTTP (`api`). Calls have
//! keys of their own, which last as long as the call ([`crate::dial`]).

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use switchhook_domain::id::AppId;
use uuid::Uuid;

use crate::adapter::Secret;
use crate::keyring::KeyRing;
use crate::ports::{Clock, Entropy};
use crate::seal::digest;
use crate::store::{Claim, KeyedRequest, Store, StoreResult};

/// How long an answer is given again.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long a request may be carried out. When its server died meanwhile, the key is free then.
pub const CLAIM: SignedDuration = SignedDuration::from_mins(2);

/// Who asks for what under which key.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Whose request it is; `None` for operators.
    pub app: Option<AppId>,
    /// Who asks, and with which rights: another caller's key is another key.
    pub caller: &'a str,
    /// What is asked for, such as `POST /api/contacts`.
    pub operation: &'a str,
    /// The client's key.
    pub key: &'a str,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// HTTP status.
    pub status: u16,
    /// Content type and location, where there are any.
    pub headers: Vec<(String, String)>,
    /// The body. May hold a secret that is shown once.
    pub body: String,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Turn {
    /// Carry it out, then [`Idempotency::finish`] or [`Idempotency::release`].
    Yours(Ticket),
    /// Somebody does.
    Busy,
    /// The key was used for another request.
    Different,
    /// It was; this was the answer.
    Answered(Kept),
    /// It was, but the answer can no longer be read: its master key is gone.
    Locked,
}

/// The right to carry a request out.
#[derive(Debug)]
pub struct Ticket(KeyedRequest);

/// Remembers requests.
#[derive(Clone)]
pub struct Idempotency {
    store: Arc<dyn Store>,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").finish_non_exhaustive()
    }
}

impl Idempotency {
    /// Wires it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keys: KeyRing,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            keys,
            clock,
            entropy,
        }
    }

    /// Finds out whether this request is to be carried out. `content` is all of it that must be
    /// the same when it is sent again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin(&self, named: &Named<'_>, content: &[u8]) -> StoreResult<Turn> {
        let Named {
            app,
            caller,
            operation,
            key,
        } = named;
        let now = self.clock.now();
        let request = KeyedRequest {
            app: app.unwrap_or(AppId(Uuid::nil())),
            // None of the three has a line break in it.
            id: digest(format!("{caller}\n{operation}\n{key}").as_bytes()),
            // Under a key: a body may hold a secret that a plain hash would let somebody guess.
            digest: self
                .keys
                .hash(&format!("idempotency:{:?}", digest(content))),
            owner: Uuid::from_u128(self.entropy.random()),
        };
        let claim = self.store.claim_request(&request, now, now + CLAIM).await?;
        Ok(match claim {
            Claim::Yours => Turn::Yours(Ticket(request)),
            Claim::Busy => Turn::Busy,
            Claim::Different => Turn::Different,
            Claim::Answered(sealed) => match self.opened(&request, &sealed) {
                Some(kept) => Turn::Answered(kept),
                None => Turn::Locked,
            },
        })
    }

    fn opened(&self, request: &KeyedRequest, sealed: &str) -> Option<Kept> {
        let opened = self.keys.open(sealed, &place(request)).ok()?;
        serde_json::from_str(opened.expose()).ok()
    }

    /// Keeps the answer for whoever asks again. It is sealed, whatever it is: some hold a secret
    /// that is shown once.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn finish(&self, ticket: Ticket, kept: &Kept) -> StoreResult<()> {
        let Ticket(request) = ticket;
        // Texts and numbers; writing them cannot fail.
        let text = Secret::new(serde_json::to_string(kept).unwrap_or_default());
        let sealed = self.keys.seal(&text, &place(&request), &*self.entropy);
        let until = self.clock.now() + KEPT;
        let still = self.store.keep_answer(&request, &sealed, until).await?;
        if !still {
            tracing::warn!("a request with an idempotency key took longer than its key was held");
        }
        Ok(())
    }

    /// Frees the key of a request that came to nothing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release(&self, ticket: Ticket) -> StoreResult<()> {
        self.store.release_request(&ticket.0).await
    }
}

/// The place an answer is sealed for: moved to another request it does not open.
fn place(request: &KeyedRequest) -> String {
    format!("{}/idempotency/{:?}", request.app, request.id)
}
