//! The PostgreSQL database of the Dialpad CTI server, read for an import. Only read: the session
//! refuses to write. Its schema exists in several ages, with tables and columns more or less, so
//! rows come as JSON objects and whoever reads them copes with what is missing. What they mean is
//! not known here.

use serde_json::{Map, Value};
use switchhook_engine::store::StoreResult;
use tokio_postgres::Client;
use tokio_postgres::config::Host;
use uuid::Uuid;

use crate::columns::from_json;
use crate::postgres::session::{Target, column, fault};

/// A table of it that is worth taking over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Tenants and their one key.
    Apps,
    /// Sign-ins at Dialpad.
    Connections,
    /// Dialpad's users and those of the customer's software.
    Mappings,
    /// Calls.
    Calls,
    /// Voicemails.
    Voicemails,
    /// Text messages.
    Messages,
}

impl Table {
    /// Its name there.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Connections => "dialpad_connections",
            Self::Mappings => "dialpad_user_mappings",
            Self::Calls => "calls",
            Self::Voicemails => "voicemails",
            Self::Messages => "messages",
        }
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id there.
    pub id: Uuid,
    /// All its columns: numbers as numbers, times as texts without a zone.
    pub columns: Map<String, Value>,
}

/// The database.
pub struct CtiServerDatabase {
    client: Client,
    name: String,
}

impl std::fmt::Debug for CtiServerDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CtiServerDatabase").finish_non_exhaustive()
    }
}

impl CtiServerDatabase {
    /// Opens it, for reading only.
    ///
    /// # Errors
    /// When the address cannot be read or nobody answers there.
    pub async fn open(url: &str) -> StoreResult<Self> {
        let target = Target::parse(url)?;
        let host = target.config.get_hosts().first().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let database = target.config.get_dbname().unwrap_or_default();
        let name = format!("cti-server:{}/{database}", host.unwrap_or_default());
        let client = target.connect().await?;
        let only_read = "SET default_transaction_read_only = on; SET TimeZone = 'UTC'";
        client.batch_execute(only_read).await.map_err(fault)?;
        Ok(Self { client, name })
    }

    /// Which database it is, without user and password.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows a table has; `None` when this age of the schema has no such table.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count(&self, table: Table) -> StoreResult<Option<u64>> {
        let name = table.as_str();
        let exists = "SELECT to_regclass($1) IS NOT NULL AS known";
        let row = self
            .client
            .query_one(exists, &[&name])
            .await
            .map_err(fault)?;
        if !column::<bool>(&row, "known")? {
            return Ok(None);
        }
        let sql = format!("SELECT count(*) AS rows FROM {name}");
        let row = self.client.query_one(&sql, &[]).await.map_err(fault)?;
        let rows: i64 = column(&row, "rows")?;
        Ok(Some(u64::try_from(rows).unwrap_or(0)))
    }

    /// First and last characters of the key an app has there, where this age of the schema keeps
    /// an account of keys.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn key_hint(&self, app: Uuid) -> StoreResult<Option<String>> {
        let exists = "SELECT to_regclass('api_key_audit_log') IS NOT NULL AS known";
        let row = self.client.query_one(exists, &[]).await.map_err(fault)?;
        if !column::<bool>(&row, "known")? {
            return Ok(None);
        }
        let sql = "SELECT new_key_hint FROM api_key_audit_log \
                   WHERE app_id = $1 AND new_key_hint IS NOT NULL \
                   ORDER BY created_at DESC LIMIT 1";
        let row = self.client.query_opt(sql, &[&app]).await.map_err(fault)?;
        row.map(|row| column(&row, "new_key_hint")).transpose()
    }

    /// The next rows of a table by id, at most `limit`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rows(&self, table: Table, after: Uuid, limit: u32) -> StoreResult<Vec<Row>> {
        let name = table.as_str();
        let sql = format!(
            "SELECT id, to_jsonb(t)::text AS columns FROM {name} t WHERE id > $1 \
             ORDER BY id LIMIT $2"
        );
        let limit = i64::from(limit);
        let rows = self.client.query(&sql, &[&after, &limit]).await;
        rows.map_err(fault)?
            .iter()
            .map(|row| {
                Ok(Row {
                    id: column(row, "id")?,
                    columns: from_json(column(row, "columns")?, name, "row")?,
                })
            })
            .collect()
    }
}
