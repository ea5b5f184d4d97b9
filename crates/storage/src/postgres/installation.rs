//! The installation's own keys, and sealed texts as they are stored.

use async_trait::async_trait;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{InstallationStore, SealedRow, SealedTable, StoreResult};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::session::column;
use crate::columns::damaged;

/// Key, the sealed columns, and the owner, by table; in the order of the key.
fn select(table: SealedTable) -> &'static str {
    match table {
        SealedTable::InstallationKeys => {
            "SELECT name, sealed, '' AS more FROM installation_keys \
             WHERE name > $1 ORDER BY name LIMIT $2"
        }
        SealedTable::Connections => {
            "SELECT id AS key, credentials AS sealed, webhook_secrets AS more, app_id, \
             id AS connection_id FROM connections WHERE id > $1 ORDER BY id LIMIT $2"
        }
        SealedTable::OauthTokens => {
            "SELECT connection_id AS key, sealed, '' AS more, app_id, connection_id \
             FROM oauth_tokens WHERE connection_id > $1 ORDER BY connection_id LIMIT $2"
        }
        SealedTable::OauthStarts => {
            "SELECT state_hash AS key, sealed_verifier AS sealed, '' AS more, app_id, \
             connection_id FROM oauth_starts WHERE state_hash > $1 ORDER BY state_hash LIMIT $2"
        }
    }
}

fn update(table: SealedTable) -> &'static str {
    match table {
        SealedTable::InstallationKeys => {
            "UPDATE installation_keys SET sealed = $4 \
             WHERE name = $1 AND sealed = $2 AND $3::text = $5::text"
        }
        SealedTable::Connections => {
            "UPDATE connections SET credentials = $4, webhook_secrets = $5 \
             WHERE id = $1 AND credentials = $2 AND webhook_secrets = $3"
        }
        SealedTable::OauthTokens => {
            "UPDATE oauth_tokens SET sealed = $4 \
             WHERE connection_id = $1 AND sealed = $2 AND $3::text = $5::text"
        }
        SealedTable::OauthStarts => {
            "UPDATE oauth_starts SET sealed_verifier = $4 \
             WHERE state_hash = $1 AND sealed_verifier = $2 AND $3::text = $5::text"
        }
    }
}

/// A key as its column has it; the empty one is before all.
fn typed(table: SealedTable, key: &[u8]) -> Box<dyn ToSql + Sync + Send> {
    match table {
        SealedTable::InstallationKeys => Box::new(String::from_utf8_lossy(key).into_owned()),
        SealedTable::OauthStarts => Box::new(key.to_vec()),
        SealedTable::Connections | SealedTable::OauthTokens => {
            Box::new(Uuid::from_slice(key).unwrap_or_default())
        }
    }
}

fn key_of(table: SealedTable, row: &tokio_postgres::Row) -> StoreResult<Vec<u8>> {
    Ok(match table {
        SealedTable::InstallationKeys => column::<String>(row, "name")?.into_bytes(),
        SealedTable::OauthStarts => column(row, "key")?,
        SealedTable::Connections | SealedTable::OauthTokens => {
            column::<Uuid>(row, "key")?.as_bytes().to_vec()
        }
    })
}

#[async_trait]
impl InstallationStore for PostgresStore {
    async fn installation_key(&self, name: &str) -> StoreResult<Option<String>> {
        let sql = "SELECT sealed FROM installation_keys WHERE name = $1";
        let found = self.readers.no_app().one(sql, &[&name]).await?;
        found.map(|row| column(&row, "sealed")).transpose()
    }

    async fn keep_installation_key(&self, name: &str, sealed: &str) -> StoreResult<String> {
        let sql = "INSERT INTO installation_keys (name, sealed) VALUES ($1, $2) \
                   ON CONFLICT (name) DO NOTHING";
        let db = self.readers.no_app();
        db.execute(sql, &[&name, &sealed]).await?;
        let kept = self.installation_key(name).await?;
        kept.ok_or_else(|| damaged("installation_keys", "name"))
    }

    async fn sealed_after(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> StoreResult<Vec<SealedRow>> {
        let after = typed(table, after.unwrap_or_default());
        // Every secret of the installation, whosever it is: a master key is of all apps.
        let db = self.readers.everywhere();
        let params: [&(dyn ToSql + Sync); 2] = [&*after, &i64::from(limit)];
        let rows = db.query(select(table), &params).await?;
        rows.iter()
            .map(|row| {
                let owner = match table {
                    SealedTable::InstallationKeys => None,
                    _ => Some((
                        AppId(column(row, "app_id")?),
                        ConnectionId(column(row, "connection_id")?),
                    )),
                };
                Ok(SealedRow {
                    table,
                    key: key_of(table, row)?,
                    owner,
                    sealed: column(row, "sealed")?,
                    more: column(row, "more")?,
                })
            })
            .collect()
    }

    async fn reseal(&self, before: &SealedRow, sealed: &str, more: &str) -> StoreResult<bool> {
        let key = typed(before.table, &before.key);
        let params: [&(dyn ToSql + Sync); 5] =
            [&*key, &before.sealed, &before.more, &sealed, &more];
        let db = match before.owner {
            Some((app, _)) => self.readers.of(app),
            None => self.readers.no_app(),
        };
        Ok(db.execute(update(before.table), &params).await? == 1)
    }
}
