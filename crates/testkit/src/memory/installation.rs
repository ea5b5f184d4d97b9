//! The installation's own keys, and sealed texts, of the reference store.

use async_trait::async_trait;
use switchhook_engine::store::{
    InstallationStore, SealedRow, SealedTable, StoreError, StoreResult,
};

use super::{All, MemoryStore};

impl All {
    fn sealed(&self, table: SealedTable) -> Vec<SealedRow> {
        let row = |key: &[u8], owner, sealed: &str, more: String| SealedRow {
            table,
            key: key.to_vec(),
            owner,
            sealed: sealed.to_owned(),
            more,
        };
        match table {
            SealedTable::InstallationKeys => {
                let keys = self.installation_keys.iter();
                keys.map(|(name, text)| row(name.as_bytes(), None, text, String::new()))
                    .collect()
            }
            SealedTable::Connections => {
                let all = self.connections.values();
                all.map(|c| {
                    let credentials = serde_json::to_string(&c.credentials).unwrap_or_default();
                    let secrets = serde_json::to_string(&c.webhook_secrets).unwrap_or_default();
                    row(
                        c.id.0.as_bytes(),
                        Some((c.app_id, c.id)),
                        &credentials,
                        secrets,
                    )
                })
                .collect()
            }
            SealedTable::OauthTokens => {
                let all = self.tokens.values();
                all.map(|t| {
                    let (app, id) = (t.app_id, t.connection_id);
                    row(id.0.as_bytes(), Some((app, id)), &t.sealed, String::new())
                })
                .collect()
            }
            SealedTable::OauthStarts => {
                let all = self.oauth_starts.values();
                all.map(|s| {
                    let owner = Some((s.app_id, s.connection_id));
                    row(&s.state_hash, owner, &s.sealed_verifier, String::new())
                })
                .collect()
            }
        }
    }
}

#[async_trait]
impl InstallationStore for MemoryStore {
    async fn installation_key(&self, name: &str) -> StoreResult<Option<String>> {
        Ok(self.all().installation_keys.get(name).cloned())
    }

    async fn keep_installation_key(&self, name: &str, sealed: &str) -> StoreResult<String> {
        let mut all = self.all();
        let kept = all.installation_keys.entry(name.to_owned());
        Ok(kept.or_insert_with(|| sealed.to_owned()).clone())
    }

    async fn sealed_after(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> StoreResult<Vec<SealedRow>> {
        let mut rows = self.all().sealed(table);
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows.retain(|row| after.is_none_or(|after| &*row.key > after));
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn reseal(&self, before: &SealedRow, sealed: &str, more: &str) -> StoreResult<bool> {
        let mut all = self.all();
        if !all.sealed(before.table).contains(before) {
            return Ok(false);
        }
        let id = before.owner.map(|(_, connection)| connection);
        let sealed = sealed.to_owned();
        let damaged = |_| StoreError::Unusable("not JSON".to_owned());
        match (before.table, id) {
            (SealedTable::InstallationKeys, _) => {
                let name = String::from_utf8_lossy(&before.key).into_owned();
                all.installation_keys.insert(name, sealed);
            }
            (SealedTable::Connections, Some(id)) => {
                if let Some(row) = all.connections.get_mut(&id) {
                    row.credentials = serde_json::from_str(&sealed).map_err(damaged)?;
                    row.webhook_secrets = serde_json::from_str(more).map_err(damaged)?;
                }
            }
            (SealedTable::OauthTokens, Some(id)) => {
                if let Some(tokens) = all.tokens.get_mut(&id) {
                    tokens.sealed = sealed;
                }
            }
            (SealedTable::OauthStarts, _) => {
                let starts = all.oauth_starts.values_mut();
                for start in starts.filter(|start| start.state_hash[..] == before.key[..]) {
                    start.sealed_verifier.clone_from(&sealed);
                }
            }
            (SealedTable::Connections | SealedTable::OauthTokens, None) => return Ok(false),
        }
        Ok(true)
    }
}
