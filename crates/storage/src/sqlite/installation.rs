//! The installation's own keys, and sealed texts as they are stored.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, OptionalExtension, params};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{InstallationStore, SealedRow, SealedTable, StoreResult};

use super::SqliteStore;
use super::session::{fault, uuid};

/// Key, the sealed columns, and the owner, by table; in the order of the key.
fn select(table: SealedTable) -> &'static str {
    match table {
        SealedTable::InstallationKeys => {
            "SELECT CAST(name AS BLOB), sealed, '', NULL, NULL FROM installation_keys \
             WHERE name > CAST(?1 AS TEXT) ORDER BY name LIMIT ?2"
        }
        SealedTable::Connections => {
            "SELECT id, credentials, webhook_secrets, app_id, id FROM connections \
             WHERE id > ?1 ORDER BY id LIMIT ?2"
        }
        SealedTable::OauthTokens => {
            "SELECT connection_id, sealed, '', app_id, connection_id FROM oauth_tokens \
             WHERE connection_id > ?1 ORDER BY connection_id LIMIT ?2"
        }
        SealedTable::OauthStarts => {
            "SELECT state_hash, sealed_verifier, '', app_id, connection_id FROM oauth_starts \
             WHERE state_hash > ?1 ORDER BY state_hash LIMIT ?2"
        }
    }
}

fn update(table: SealedTable) -> &'static str {
    match table {
        SealedTable::InstallationKeys => {
            "UPDATE installation_keys SET sealed = ?4 \
             WHERE name = CAST(?1 AS TEXT) AND sealed = ?2 AND ?3 = ?5"
        }
        SealedTable::Connections => {
            "UPDATE connections SET credentials = ?4, webhook_secrets = ?5 \
             WHERE id = ?1 AND credentials = ?2 AND webhook_secrets = ?3"
        }
        SealedTable::OauthTokens => {
            "UPDATE oauth_tokens SET sealed = ?4 \
             WHERE connection_id = ?1 AND sealed = ?2 AND ?3 = ?5"
        }
        SealedTable::OauthStarts => {
            "UPDATE oauth_starts SET sealed_verifier = ?4 \
             WHERE state_hash = ?1 AND sealed_verifier = ?2 AND ?3 = ?5"
        }
    }
}

fn key(conn: &Sql, name: &str) -> StoreResult<Option<String>> {
    let sql = "SELECT sealed FROM installation_keys WHERE name = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row([name], |row| row.get(0)).optional();
    found.map_err(fault)
}

#[async_trait]
impl InstallationStore for SqliteStore {
    async fn installation_key(&self, name: &str) -> StoreResult<Option<String>> {
        let name = name.to_owned();
        self.read(move |conn| key(conn, &name)).await
    }

    async fn keep_installation_key(&self, name: &str, sealed: &str) -> StoreResult<String> {
        let (name, sealed) = (name.to_owned(), sealed.to_owned());
        self.write(move |conn| {
            let sql = "INSERT OR IGNORE INTO installation_keys (name, sealed) VALUES (?1, ?2)";
            conn.execute(sql, [&name, &sealed]).map_err(fault)?;
            Ok(key(conn, &name)?.unwrap_or_else(|| sealed.clone()))
        })
        .await
    }

    async fn sealed_after(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> StoreResult<Vec<SealedRow>> {
        // No key is empty, so the empty one is before all.
        let after = after.unwrap_or_default().to_vec();
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(select(table)).map_err(fault)?;
            let mut rows = statement.query(params![after, limit]).map_err(fault)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(fault)? {
                let owner = match table {
                    SealedTable::InstallationKeys => None,
                    _ => Some((
                        AppId(uuid(row, 3).map_err(fault)?),
                        ConnectionId(uuid(row, 4).map_err(fault)?),
                    )),
                };
                found.push(SealedRow {
                    table,
                    key: row.get(0).map_err(fault)?,
                    owner,
                    sealed: row.get(1).map_err(fault)?,
                    more: row.get(2).map_err(fault)?,
                });
            }
            Ok(found)
        })
        .await
    }

    async fn reseal(&self, before: &SealedRow, sealed: &str, more: &str) -> StoreResult<bool> {
        let (before, sealed, more) = (before.clone(), sealed.to_owned(), more.to_owned());
        self.write(move |conn| {
            let mut statement = conn.prepare_cached(update(before.table)).map_err(fault)?;
            let params = params![before.key, before.sealed, before.more, sealed, more];
            Ok(statement.execute(params).map_err(fault)? == 1)
        })
        .await
    }
}
