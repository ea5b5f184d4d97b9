//! The audit log of the reference store.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{AuditEntry, AuditQuery, AuditStore, BegunDeed, StoreResult};

use super::{MemoryStore, micros};

#[async_trait]
impl AuditStore for MemoryStore {
    async fn audit_head(&self, app: Option<AppId>) -> StoreResult<Option<(u64, [u8; 32])>> {
        let all = self.all();
        let last = all.audit.range((app, 0)..=(app, u64::MAX)).next_back();
        Ok(last.map(|((_, no), entry)| (*no, entry.hash)))
    }

    async fn append_audit(&self, entry: &AuditEntry) -> StoreResult<bool> {
        let mut all = self.all();
        let place = (entry.app_id, entry.no);
        if all.audit.contains_key(&place) {
            return Ok(false);
        }
        let at = micros(entry.at);
        all.audit.insert(
            place,
            AuditEntry {
                at,
                ..entry.clone()
            },
        );
        Ok(true)
    }

    async fn begin_deed(&self, begun: &BegunDeed) -> StoreResult<()> {
        let begun = BegunDeed {
            begun_at: micros(begun.begun_at),
            due_at: micros(begun.due_at),
            ..begun.clone()
        };
        self.all().begun.insert(begun.id, begun);
        Ok(())
    }

    async fn end_deed(&self, entry: &AuditEntry, begun: &BegunDeed) -> StoreResult<bool> {
        let appended = self.append_audit(entry).await?;
        if appended {
            self.all().begun.remove(&begun.id);
        }
        Ok(appended)
    }

    async fn claim_due_deeds(
        &self,
        now: Timestamp,
        again: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<BegunDeed>> {
        let mut all = self.all();
        let due = all
            .begun
            .values_mut()
            .filter(|one| one.due_at <= micros(now));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|one| (one.begun_at, one.id));
        due.truncate(limit as usize);
        let claimed = due.into_iter().map(|one| {
            one.due_at = micros(again);
            one.clone()
        });
        Ok(claimed.collect())
    }

    async fn audit(&self, app: Option<AppId>, query: &AuditQuery) -> StoreResult<Vec<AuditEntry>> {
        let all = self.all();
        let last = query.before.map_or(u64::MAX, |no| no.saturating_sub(1));
        let wanted = |entry: &&AuditEntry| {
            query
                .action
                .as_ref()
                .is_none_or(|action| *action == entry.action)
                && query.since.is_none_or(|since| entry.at >= micros(since))
                && query.until.is_none_or(|until| entry.at < micros(until))
        };
        let newest_first = all.audit.range((app, 0)..=(app, last)).rev();
        let found = newest_first.map(|(_, entry)| entry).filter(wanted);
        Ok(found.take(query.limit as usize).cloned().collect())
    }

    async fn audit_after(
        &self,
        app: Option<AppId>,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        let all = self.all();
        let rest = all
            .audit
            .range((app, after.saturating_add(1))..=(app, u64::MAX));
        Ok(rest.take(limit as usize).map(|(_, e)| e.clone()).collect())
    }

    async fn audit_chains(&self) -> StoreResult<Vec<Option<AppId>>> {
        let all = self.all();
        let mut chains: Vec<_> = all.audit.keys().map(|(app, _)| *app).collect();
        chains.dedup();
        Ok(chains)
    }
}
