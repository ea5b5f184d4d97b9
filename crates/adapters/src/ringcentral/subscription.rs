//! The webhook subscription at RingCentral: made, found again, renewed, made anew when it is
//! blacklisted or gone (platforms.md, section 2.1). Where it is kept and when it is looked at is
//! the engine's.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{
    CommandError, Fault, HalfSubscribed, Session, Subscribed, Wanted,
};

use super::api;
use super::payload::{Topic, topic};

/// What we want to hear of. The first is what everything rests on; RingCentral leaves the others
/// out where the user or the app lacks the permission. Voicemail and messages of other people's
/// extensions are refused to anybody (`SUB-405`).
pub(super) const FILTERS: [&str; 4] = [
    "/restapi/v1.0/account/~/telephony/sessions",
    "/restapi/v1.0/account/~/presence",
    "/restapi/v1.0/account/~/extension/~/voicemail",
    "/restapi/v1.0/account/~/extension/~/message-store/instant?type=SMS",
];
/// A word before a subscription runs out; those over a socket are renewed by RingCentral.
const REMINDER: &str = "/restapi/v1.0/subscription/~?threshold=86400&interval=3600";
/// How long a subscription is asked for, in seconds: a week, RingCentral's own default.
const LIFE: i64 = 604_800;
/// Renewed when less than this is left, in seconds.
const RENEW_BELOW: i64 = LIFE / 2;

/// Where subscriptions are.
pub(super) const ROOT: &str = "/restapi/v1.0/subscription";

/// One subscription as RingCentral shows it.
pub(super) struct Seen<'a>(pub(super) &'a Value);

impl<'a> Seen<'a> {
    fn word(&self, pointer: &str) -> &'a str {
        let value = self.0.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    pub(super) fn id(&self) -> &'a str {
        self.word("/id")
    }

    /// A webhook of ours that goes to that address.
    fn goes_to(&self, address: &str) -> bool {
        self.word("/deliveryMode/transportType") == "WebHook"
            && self.word("/deliveryMode/address") == address
            && api::is_id(self.id())
    }

    /// True when events of calls flow.
    pub(super) fn is_well(&self) -> bool {
        let filters = self.0.get("eventFilters").and_then(Value::as_array);
        let mut filters = filters.into_iter().flatten().filter_map(Value::as_str);
        self.word("/status") == "Active" && filters.any(|f| topic(f) == Topic::Session)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.word("/expirationTime").parse().ok()
    }
}

/// What the token of a subscription is known by in our state, which holds no secrets: eight
/// digits of its hash.
fn mark(secret: &Secret) -> String {
    let digest = Sha256::digest(secret.expose().trim().as_bytes());
    digest.iter().take(4).map(|b| format!("{b:02x}")).collect()
}

fn state(id: &str, mark: &str) -> Value {
    json!({ "subscription_id": id, "token_mark": mark })
}

/// See [`switchhook_engine::adapter::Adapter::subscribe`].
pub(super) async fn subscribe(
    session: &Session,
    wanted: &Wanted,
) -> Result<Subscribed, HalfSubscribed> {
    let half = |error| HalfSubscribed {
        state: wanted.state.clone(),
        error,
    };
    let secret = session.connection.webhook_secrets.first();
    let secret = secret.ok_or_else(|| {
        let detail = "The connection has no webhook secret to subscribe with.";
        half(CommandError::new(Fault::Settings, detail))
    })?;
    let mark = mark(secret);
    let list = api::ask(session, Method::GET, ROOT, api::LIGHT, None);
    let list = list.await.map_err(half)?.json;
    let records = list.get("records").and_then(Value::as_array);
    let ours: Vec<Seen<'_>> = records
        .into_iter()
        .flatten()
        .map(Seen)
        .filter(|seen| seen.goes_to(&wanted.webhook_url))
        .collect();
    let known = wanted.state.get("subscription_id").and_then(Value::as_str);
    let same_token = wanted.state.get("token_mark").and_then(Value::as_str) == Some(&mark);
    // One whose token we do not know might be made with another: its events would be refused.
    let usable = ours
        .iter()
        .find(|seen| Some(seen.id()) == known && same_token && seen.is_well());
    let stood = ours.iter().any(|s| Some(s.id()) == known && s.is_well());
    let was_lost = known.is_some() && !stood;
    let kept = match usable {
        Some(seen) => renewed(session, seen).await.map_err(half)?,
        None => None,
    };
    let (id, expires_at, was_lost) = match kept {
        Some((id, expires_at)) => (id, expires_at, was_lost),
        None => {
            let lost = was_lost || usable.is_some();
            let (id, expires_at) = made(session, &wanted.webhook_url, secret)
                .await
                .map_err(half)?;
            (id, expires_at, lost)
        }
    };
    for stale in ours.iter().filter(|seen| seen.id() != id) {
        // One that stays is found by its address the next time.
        if let Err(error) = removed(session, stale.id()).await {
            tracing::debug!(%error, "an old subscription could not be deleted yet");
        }
    }
    Ok(Subscribed {
        state: state(&id, &mark),
        expires_at,
        was_lost,
    })
}

type Standing = (String, Option<Timestamp>);

/// Renews it when it has run half its time; `None` when it turns out to be gone.
async fn renewed(session: &Session, seen: &Seen<'_>) -> Result<Option<Standing>, CommandError> {
    let left = seen.expires_at().map(|at| {
        let left = at.duration_since(session.clock.now());
        left.as_secs()
    });
    let id = seen.id().to_owned();
    if left.is_some_and(|left| left > RENEW_BELOW) {
        return Ok(Some((id, seen.expires_at())));
    }
    let path = format!("{ROOT}/{id}/renew");
    match api::ask(session, Method::POST, &path, api::LIGHT, None).await {
        Ok(answer) => Ok(Some((id, Seen(&answer.json).expires_at()))),
        Err(error) if error.fault == Fault::Gone => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a subscription. RingCentral calls our address before it answers. When calls are not
/// among what it gives us, the subscription is taken back again.
async fn made(session: &Session, address: &str, secret: &Secret) -> Result<Standing, CommandError> {
    let filters = [&FILTERS[..], &[REMINDER]].concat();
    let body = json!({
        "eventFilters": filters,
        "deliveryMode": {
            "transportType": "WebHook",
            "address": address,
            "verificationToken": secret.expose().trim(),
        },
        "expiresIn": LIFE,
    });
    let answer = api::ask(session, Method::POST, ROOT, api::MEDIUM, Some(body)).await?;
    let seen = Seen(&answer.json);
    if !api::is_id(seen.id()) {
        let detail = "RingCentral made a subscription and did not say which.";
        return Err(CommandError::new(Fault::Platform, detail));
    }
    if seen.is_well() {
        return Ok((seen.id().to_owned(), seen.expires_at()));
    }
    removed(session, seen.id()).await?;
    Err(no_calls())
}

/// RingCentral left the calls out of a subscription.
pub(super) fn no_calls() -> CommandError {
    let detail = "RingCentral gives no call events to this app or user: the app needs the \
                  permission Call Control, and the user must be an administrator.";
    CommandError::new(Fault::Permission, detail)
}

async fn removed(session: &Session, id: &str) -> Result<(), CommandError> {
    let path = format!("{ROOT}/{id}");
    match api::ask(session, Method::DELETE, &path, api::MEDIUM, None).await {
        Err(error) if error.fault != Fault::Gone => Err(error),
        _ => Ok(()),
    }
}

/// See [`switchhook_engine::adapter::Adapter::unsubscribe`].
pub(super) async fn unsubscribe(session: &Session, state: &Value) -> Result<(), CommandError> {
    let id = state.get("subscription_id").and_then(Value::as_str);
    match id.filter(|id| api::is_id(id)) {
        Some(id) => removed(session, id).await,
        None => Ok(()),
    }
}
