//! How a connection stands at its platform: its sign-in, what was subscribed to, what it can do.

use serde::Serialize;
use switchhook_engine::adapter::Capability;
use switchhook_engine::connections::ReadyConnection;
use utoipa::ToSchema;

use crate::answer;
use crate::problem::Problem;
use crate::state::Shared;

/// How a sign-in at a platform stands.
#[derive(Serialize, ToSchema)]
#[schema(as = SignIn)]
pub(crate) struct SignInView {
    /// `missing`, `good` or `failed`.
    #[schema(example = "good")]
    state: &'static str,
    /// What is wrong and what to do.
    reason: Option<String>,
    /// When the access token in use runs out; it is renewed before.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

/// How hooks and subscriptions at a platform stand.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    /// `pending`, `good` or `failed`.
    #[schema(example = "good")]
    state: &'static str,
    /// Why the last try failed, and what to do.
    fault: Option<String>,
    /// When the platform last confirmed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<String>,
    /// When it is looked at again.
    #[schema(value_type = String, format = DateTime)]
    due_at: String,
}

/// Something a connection cannot do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lack {
    /// What.
    #[schema(value_type = String, example = "control_hold")]
    capability: Capability,
    /// Why, one sentence.
    reason: String,
}

/// How sign-in and subscription of a connection stand, where it has them.
pub(crate) async fn remote(
    shared: &Shared,
    ready: Option<&ReadyConnection>,
) -> Result<(Option<SignInView>, Option<SubscriptionView>), Problem> {
    let Some(connection) = ready else {
        return Ok((None, None));
    };
    let row = &connection.row;
    let sign_in = shared.tokens.status(connection).await?;
    let subscription = if connection.adapter.keeps_subscription(&connection.context) {
        shared.store.subscription(row.app_id, row.id).await?
    } else {
        None
    };
    let sign_in = sign_in.map(|status| SignInView {
        state: status.state.as_str(),
        reason: status.reason,
        expires_at: status.expires_at.map(answer::time),
    });
    let subscription = subscription.map(|kept| SubscriptionView {
        state: match (&kept.fault, kept.confirmed_at) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "good",
            (None, None) => "pending",
        },
        fault: kept.fault,
        confirmed_at: kept.confirmed_at.map(answer::time),
        due_at: answer::time(kept.due_at),
    });
    Ok((sign_in, subscription))
}

/// What a connection can do, and what not and why.
pub(crate) fn abilities(ready: Option<&ReadyConnection>) -> (Vec<Capability>, Vec<Lack>) {
    let Some(connection) = ready else {
        return (Vec::new(), Vec::new());
    };
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for capability in Capability::ALL {
        match connection.adapter.lacks(capability, &connection.context) {
            None => can.push(capability),
            Some(reason) => cannot.push(Lack { capability, reason }),
        }
    }
    (can, cannot)
}
