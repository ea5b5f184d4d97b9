//! Deeds that have begun. An entry can only be written once a deed is done, and a process that is
//! killed in between, or a client that hangs up, must not take the entry with it: so that somebody
//! is about to do something is committed before anything is changed, and forgotten in the
//! transaction that writes the entry. What is still there when its time has come was cut short,
//! and is put on record as that: it may have been done or not.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Audit, Deed, redacted};
use crate::store::{Actor, BegunDeed, StoreResult};

/// How long a deed may take before it counts as cut short; far longer than any request.
const CUT_SHORT_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// After how long somebody else tries when whoever wanted to put it on record did not.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// Deeds put on record at a time.
const BATCH: u32 = 100;

/// A deed that has begun, to be given back when it is done.
#[derive(Debug)]
#[must_use = "a deed that is not ended is put on record as cut short"]
pub struct Begun(BegunDeed);

/// What is kept of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    actor: Actor,
    address: Option<String>,
    request_id: Option<String>,
    action: String,
    target: String,
    before: Option<Value>,
}

impl Audit {
    /// Keeps that somebody is about to do this, under a fresh id. Returns when it will survive;
    /// only then may anything be changed. Status and what is so afterwards are not read.
    ///
    /// # Errors
    /// When the database is away: then nothing should be done either.
    pub async fn begin(&self, id: Uuid, deed: &Deed) -> StoreResult<Begun> {
        let now = self.clock.now();
        let kept = Kept {
            actor: deed.actor.clone(),
            address: deed.address.clone(),
            request_id: deed.request_id.clone(),
            action: deed.action.clone(),
            target: deed.target.clone(),
            before: deed.before.as_ref().map(redacted),
        };
        let begun = BegunDeed {
            id,
            app_id: deed.app_id,
            begun_at: now,
            due_at: now + CUT_SHORT_AFTER,
            // Plain data: there is nothing in it that JSON cannot say.
            deed: serde_json::to_string(&kept).unwrap_or_default(),
        };
        self.store.begin_deed(&begun).await?;
        Ok(Begun(begun))
    }

    /// Puts on record how it ended.
    ///
    /// # Errors
    /// When the database is away; the deed is put on record as cut short later.
    pub async fn end(&self, begun: Begun, deed: Deed) -> StoreResult<()> {
        self.append(&deed, Some(&begun.0)).await
    }

    /// Puts on record what was begun and should long have ended. How many.
    ///
    /// # Errors
    /// When the database is away; the rest is tried again later.
    pub async fn settle(&self) -> StoreResult<usize> {
        let mut settled = 0;
        loop {
            let now = self.clock.now();
            let due = self
                .store
                .claim_due_deeds(now, now + AGAIN_AFTER, BATCH)
                .await?;
            for begun in &due {
                self.append(&cut_short(begun), Some(begun)).await?;
            }
            settled += due.len();
            if due.is_empty() {
                return Ok(settled);
            }
        }
    }
}

/// The entry of a deed that was cut short.
fn cut_short(begun: &BegunDeed) -> Deed {
    let after = json!({ "outcome": "unknown", "begun_at": begun.begun_at });
    let deed = Deed {
        app_id: begun.app_id,
        actor: Actor {
            kind: crate::store::ActorKind::Stranger,
            id: String::new(),
            name: "unknown".to_owned(),
        },
        address: None,
        request_id: None,
        action: "cut_short".to_owned(),
        target: "-".to_owned(),
        status: 0,
        before: None,
        after: Some(after),
    };
    // What cannot be read was not written here; that something was begun is said all the same.
    let Ok(kept) = serde_json::from_str::<Kept>(&begun.deed) else {
        return deed;
    };
    Deed {
        actor: kept.actor,
        address: kept.address,
        request_id: kept.request_id,
        action: kept.action,
        target: kept.target,
        before: kept.before,
        ..deed
    }
}
