//! Puts on record what a command has changed, as the API does with every request: who, what, and
//! what was so before and is so now. Each changing command says it here; which commands change
//! something is listed in `tests/it/deeds.rs`, and a command that is in no list fails there.

use anyhow::Context as _;
use serde_json::Value;
use switchhook_domain::id::AppId;
use switchhook_engine::audit::Deed;
use switchhook_engine::store::{Actor, ActorKind};

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

/// Puts it on record.
pub(super) async fn note(parts: &Parts, done: Done<'_>) -> anyhow::Result<()> {
    let what = format!("`{}` was done, but cannot be put on record", done.action);
    parts.audit.note(deed(done)).await.context(what)
}

/// The deed, not yet on record.
pub(super) fn deed(done: Done<'_>) -> Deed {
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
