//! Dials of the reference store.

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId, DialId};
use switchhook_engine::store::{Dial, DialPolicy, DialState, DialStore, StoreError, StoreResult};

use super::{MemoryStore, micros};

/// Times as a database keeps them.
fn kept(dial: &Dial) -> Dial {
    Dial {
        requested_at: micros(dial.requested_at),
        placed_at: dial.placed_at.map(micros),
        settled_at: dial.settled_at.map(micros),
        due_at: dial.due_at.map(micros),
        ..dial.clone()
    }
}

#[async_trait]
impl DialStore for MemoryStore {
    async fn create_dial(&self, dial: &Dial) -> StoreResult<Option<Dial>> {
        let mut all = self.all();
        all.app_must_exist(dial.app_id)?;
        let same = |known: &&Dial| {
            known.app_id == dial.app_id
                && known.idempotency_key.is_some()
                && known.idempotency_key == dial.idempotency_key
        };
        if let Some(known) = all.dials.values().find(same) {
            return Ok(Some(known.clone()));
        }
        if all.dials.contains_key(&dial.id) {
            return Err(StoreError::Conflict("dial"));
        }
        all.dials.insert(dial.id, kept(dial));
        Ok(None)
    }

    async fn dial(&self, app: AppId, id: DialId) -> StoreResult<Option<Dial>> {
        let all = self.all();
        Ok(all.dials.get(&id).filter(|d| d.app_id == app).cloned())
    }

    async fn dial_of_call(&self, app: AppId, call: CallId) -> StoreResult<Option<Dial>> {
        let all = self.all();
        let mut dials = all.dials.values();
        Ok(dials
            .find(|d| d.app_id == app && d.call_id == call)
            .cloned())
    }

    async fn update_dial(&self, dial: &Dial, from: &[DialState]) -> StoreResult<bool> {
        let mut all = self.all();
        let known = all.dials.get_mut(&dial.id);
        let Some(known) = known.filter(|d| d.app_id == dial.app_id && from.contains(&d.state))
        else {
            return Ok(false);
        };
        let new = kept(dial);
        known.state = new.state;
        known.failure = new.failure;
        known.platform_keys = new.platform_keys;
        known.placed_at = new.placed_at;
        known.settled_at = new.settled_at;
        known.due_at = new.due_at;
        Ok(true)
    }

    async fn open_dials(
        &self,
        app: AppId,
        connection: ConnectionId,
        since: Timestamp,
    ) -> StoreResult<Vec<Dial>> {
        let all = self.all();
        let open = |d: &&Dial| {
            d.app_id == app
                && d.connection_id == connection
                && matches!(d.state, DialState::Requested | DialState::Placed)
                && d.requested_at >= micros(since)
        };
        let mut found: Vec<Dial> = all.dials.values().filter(open).cloned().collect();
        found.sort_by_key(|d| std::cmp::Reverse((d.requested_at, d.id)));
        found.truncate(100);
        Ok(found)
    }

    async fn due_dials(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Dial>> {
        let all = self.all();
        let due = |d: &&Dial| d.due_at.is_some_and(|at| at <= micros(now));
        let mut found: Vec<Dial> = all.dials.values().filter(due).cloned().collect();
        found.sort_by_key(|d| (d.due_at, d.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn dials_since(&self, app: AppId, agent: &str, since: Timestamp) -> StoreResult<u32> {
        let all = self.all();
        let is = |name: &Option<String>| name.as_deref() == Some(agent);
        let count = all.dials.values().filter(|d| {
            let theirs = is(&d.agent_extension) || is(&d.agent_user_id);
            d.app_id == app && theirs && d.requested_at >= micros(since)
        });
        Ok(u32::try_from(count.count()).unwrap_or(u32::MAX))
    }

    async fn dial_policy(&self, app: AppId) -> StoreResult<Option<DialPolicy>> {
        Ok(self.all().dial_policies.get(&app).cloned())
    }

    async fn put_dial_policy(&self, app: AppId, policy: &DialPolicy) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(app)?;
        all.dial_policies.insert(app, policy.clone());
        Ok(())
    }
}
