//! The doctor of one connection: what we see ourselves, in the order in which things have to be
//! right, and then what the platform says when it is really asked. The first thing that is wrong
//! is the one sentence an administrator needs.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use switchhook_domain::Timestamp;

use crate::adapter::Transport;
use crate::command::Check;
use crate::connections::ReadyConnection;
use crate::link::Links;
use crate::oauth::{SignInState, Tokens};
use crate::ports::Clock;
use crate::session::Sessions;
use crate::store::{LinkStatus, Store, StoreResult, Verdict};

/// How long the platform may take with all of its answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many of the app's latest notifications are looked through for rejected ones.
const LOOK_BACK: u32 = 200;
/// A connection that has been silent for longer gets a remark.
const QUIET: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// True when nothing is wrong.
    pub ok: bool,
    /// One sentence: what is wrong and what to do, or that all is well.
    pub summary: String,
    /// Everything that was looked at, in order.
    pub checks: Vec<Check>,
}

/// Looks at connections. Cheap to clone.
#[derive(Clone)]
pub struct Doctor {
    store: Arc<dyn Store>,
    sessions: Sessions,
    tokens: Tokens,
    links: Links,
    clock: Arc<dyn Clock>,
    public_url: Option<Arc<str>>,
}

impl std::fmt::Debug for Doctor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").finish_non_exhaustive()
    }
}

impl Doctor {
    /// Wires it. `public_url` is the address vendors reach this server by.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Sessions,
        tokens: Tokens,
        links: Links,
        clock: Arc<dyn Clock>,
        public_url: Option<&str>,
    ) -> Self {
        Self {
            store,
            sessions,
            tokens,
            links,
            clock,
            public_url: public_url.map(Into::into),
        }
    }

    /// Looks at a connection, really asking the platform.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look(&self, connection: &ReadyConnection) -> StoreResult<Diagnosis> {
        let mut checks = vec![app(connection), secrets(connection)];
        checks.extend(self.address(connection));
        checks.extend(self.link(connection));
        checks.extend(self.sign_in(connection).await?);
        checks.extend(self.subscription(connection).await?);
        checks.push(self.heard(connection).await?);
        // Without secrets or a sign-in the platform would only say the same again.
        let may_ask = (checks.iter()).all(|check| check.ok || !NEEDED.contains(&&*check.name));
        if may_ask {
            let session = self.sessions.open(connection);
            let asked = connection.adapter.diagnose(&session);
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(found) => checks.extend(found),
                Err(_) => {
                    let detail = "The platform did not answer within 20 seconds.";
                    checks.push(Check::bad("platform", detail));
                }
            }
        }
        // The platform's own word comes before what follows from it: a missing subscription may
        // only be the consequence of a wrong key.
        let first = (checks.iter())
            .filter(|check| !check.ok)
            .min_by_key(|check| CONSEQUENCES.contains(&&*check.name));
        let summary = match first {
            Some(check) => check.detail.clone(),
            None => format!(
                "{} is connected; everything that was looked at is as it should be.",
                connection.row.name
            ),
        };
        Ok(Diagnosis {
            ok: first.is_none(),
            summary,
            checks,
        })
    }

    /// Platforms that post to us need an address they can reach.
    fn address(&self, connection: &ReadyConnection) -> Option<Check> {
        let posts = connection.adapter.spec().transports;
        if !posts.contains(&Transport::Webhook) || connection.adapter.is_live(&connection.context) {
            return None;
        }
        let name = "webhook address";
        let Some(url) = &self.public_url else {
            let detail = "This server does not know the address the platform reaches it by: set \
                          server.public_url.";
            return Some(Check::bad(name, detail));
        };
        let host = url.split("://").nth(1).unwrap_or_default();
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let here = ["localhost", "127.0.0.1", "[", "0.0.0.0", ""].contains(&host);
        Some(if here {
            let detail = "server.public_url leads to this machine itself, so no platform outside \
                          can reach it: set the address the world uses.";
            Check::bad(name, detail)
        } else if !url.starts_with("https://") {
            let detail = "server.public_url is not https: platforms post to https addresses only.";
            Check::bad(name, detail)
        } else {
            Check::good(name, "The address the platform posts to is set.")
        })
    }

    fn link(&self, connection: &ReadyConnection) -> Option<Check> {
        if !connection.adapter.is_live(&connection.context) {
            return None;
        }
        let known = self.links.states().remove(&connection.row.id);
        let known = known.or_else(|| connection.row.link.clone());
        Some(match known {
            Some(LinkStatus { up: true, .. }) => Check::good("link", "The live connection is up."),
            Some(LinkStatus { reason, .. }) => {
                let reason = reason.unwrap_or_default();
                Check::bad("link", format!("The live connection is down: {reason}"))
            }
            None => Check::bad("link", "The live connection has not been up yet."),
        })
    }

    async fn sign_in(&self, connection: &ReadyConnection) -> StoreResult<Option<Check>> {
        let status = self.tokens.status(connection).await?;
        Ok(
            status.and_then(|status| match (status.state, status.reason) {
                (SignInState::Good, _) => Some(Check::good(SIGN_IN, "Somebody is signed in.")),
                (SignInState::Missing, None) => None,
                (_, reason) => Some(Check::bad(SIGN_IN, reason.unwrap_or_default())),
            }),
        )
    }

    async fn subscription(&self, connection: &ReadyConnection) -> StoreResult<Option<Check>> {
        if !connection.adapter.keeps_subscription(&connection.context) {
            return Ok(None);
        }
        let row = &connection.row;
        let known = self.store.subscription(row.app_id, row.id).await?;
        let name = CONSEQUENCES[0];
        Ok(Some(match known {
            Some(known) => match (known.fault, known.confirmed_at) {
                (Some(fault), _) => Check::bad(name, fault),
                (None, Some(at)) => {
                    let at = when(at);
                    Check::good(name, format!("The platform confirmed its events at {at}."))
                }
                (None, None) => Check::bad(name, NOT_YET),
            },
            None => Check::bad(name, NOT_YET),
        }))
    }

    async fn heard(&self, connection: &ReadyConnection) -> StoreResult<Check> {
        let row = &connection.row;
        let name = CONSEQUENCES[1];
        let recent = self
            .store
            .notifications(row.app_id, LOOK_BACK, None)
            .await?;
        let own = recent.into_iter().filter(|n| n.connection_id == row.id);
        let since: Vec<_> = own
            .take_while(|n| n.verdict != Verdict::Accepted)
            .filter(|n| n.verdict == Verdict::Rejected)
            .collect();
        if let Some(latest) = since.first() {
            let why = latest.reason.clone().unwrap_or_default();
            let (at, count) = (when(latest.received_at), since.len());
            return Ok(Check::bad(
                name,
                format!(
                    "The last {count} notifications were refused, the latest at {at}: {why}. \
                     Compare the secret at the platform with this connection's."
                ),
            ));
        }
        let stored = self.store.connection(row.app_id, row.id).await?;
        Ok(match stored.and_then(|stored| stored.last_heard_at) {
            None => Check::good(name, "Nothing has been heard yet: make a call to see it."),
            Some(at) if self.clock.now().duration_since(at) > QUIET => {
                let at = when(at);
                Check::good(name, format!("Last heard at {at}: is nobody calling?"))
            }
            Some(at) => Check::good(name, format!("Last heard at {}.", when(at))),
        })
    }
}

/// The check of a connection's sign-in.
const SIGN_IN: &str = "sign-in";
/// Checks that must be good before asking the platform makes sense.
const NEEDED: [&str; 3] = ["app", "secrets", SIGN_IN];
/// Checks that go wrong when something else is.
const CONSEQUENCES: [&str; 2] = ["subscription", "notifications"];
const NOT_YET: &str = "The platform has not been asked for its events yet: wait a minute and look \
                       again.";

fn app(connection: &ReadyConnection) -> Check {
    if connection.app.active {
        return Check::good("app", "The app is switched on.");
    }
    Check::bad("app", "The app is switched off: switch it on.")
}

fn secrets(connection: &ReadyConnection) -> Check {
    match &connection.fault {
        None => Check::good("secrets", "The connection's secrets open."),
        Some(fault) => Check::bad("secrets", format!("A secret does not open: {fault}.")),
    }
}

fn when(at: Timestamp) -> String {
    format!("{at:.0}")
}
