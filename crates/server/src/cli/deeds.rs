//! Puts on record what a command has changed, as the API does with every request: who, what, and
//! what was so before and is so now. That it is about to be done is written down first, so that a
//! command that is killed leaves an entry too. Each changing command says it here; which commands
//! change something is listed in `tests/it/deeds.rs`, and one that is in no list fails there.

use anyhow::Context as _;
use serde_json::{Value, json};
use switchhook_domain::id::{AppId, IdMint};
use switchhook_engine::audit::Deed;
use switchhook_engine::store::{Actor, ActorKind};

use super::{Failure, output};
use crate::wire::Parts;

/// What a command has done. Both sides must be thought of: `None` says that there is none.
pub(super) struct Done<'a> {
    /// In whose log; `None` for the operators'.
    pub(super) app: Option<AppId>,
    /// The command and its verb.
    pub(super) action: &'a str,
    /// To what: a kind of thing and its id.
    pub(super) target: String,
    /// What was so before; `None` when it was made just now.
    pub(super) before: Option<Value>,
    /// What is so now; `None` when it is gone.
    pub(super) after: Option<Value>,
}

/// Does what a command does, between writing down that it begins and putting on record how it
/// ended. `what` is the action, and what it is done to as far as that is known beforehand.
pub(super) async fn record<T>(
    parts: &Parts,
    app: Option<AppId>,
    (action, target): (&str, &str),
    work: impl Future<Output = Result<(Done<'_>, T), Failure>>,
) -> Result<T, Failure> {
    let begins = |after| {
        deed(Done {
            app,
            action,
            target: target.to_owned(),
            before: None,
            after,
        })
    };
    let id = IdMint::new(parts.clock.now(), parts.intake.entropy().random()).uuid();
    let begun = parts.audit.begin(id, &begins(None)).await?;
    match work.await {
        Ok((done, out)) => {
            let what = format!("`{action}` was done, but cannot be put on record");
            let ended = parts.audit.end(begun, deed(done)).await;
            ended.context(what)?;
            Ok(out)
        }
        Err(failure) => {
            // Why it failed is told at the terminal.
            let failed = begins(Some(json!({ "outcome": "failed" })));
            if let Err(error) = parts.audit.end(begun, failed).await {
                output::remark(&format!("That it failed cannot be put on record: {error}"));
            }
            Err(failure)
        }
    }
}

/// Puts on record what is done already, for those whose deeds are many.
pub(super) async fn note(parts: &Parts, done: Done<'_>) -> anyhow::Result<()> {
    let what = format!("`{}` was done, but cannot be put on record", done.action);
    parts.audit.note(deed(done)).await.context(what)
}

/// The deed, not yet on record.
fn deed(done: Done<'_>) -> Deed {
    Deed {
        app_id: done.app,
        actor: Actor {
            kind: ActorKind::Operator,
            id: String::new(),
            name: "command line".to_owned(),
        },
        address: None,
        request_id: None,
        action: done.action.to_owned(),
        target: done.target,
        status: 0,
        before: done.before,
        after: done.after,
    }
}
