//! Connections.

use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{Connection, StoreError, StoreResult};
use tokio_postgres::Row;

use super::reader::Readers;
use super::session::{At, column, column_time, column_time_opt};
use crate::columns::{clean, from_json, to_json};

const TABLE: &str = "connections";
const COLUMNS: &str = "id, app_id, platform, name, hook_id, config, credentials, \
                       webhook_secrets, created_at, link, last_heard_at";

pub(super) async fn create(db: &Readers, connection: &Connection) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO connections ({COLUMNS}) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    );
    let link = connection
        .link
        .as_ref()
        .map(|link| to_json(link, TABLE, "link"))
        .transpose()?;
    let platform = clean(&connection.platform);
    let (name, hook_id) = (clean(&connection.name), clean(&connection.hook_id));
    let config = to_json(&connection.config, TABLE, "config")?;
    let credentials = to_json(&connection.credentials, TABLE, "credentials")?;
    let webhook_secrets = to_json(&connection.webhook_secrets, TABLE, "webhook_secrets")?;
    let created_at = At::from(connection.created_at);
    let last_heard_at = connection.last_heard_at.map(At::from);
    db.of(connection.app_id)
        .execute(
            &sql,
            &[
                &connection.id.0,
                &connection.app_id.0,
                &platform,
                &name,
                &hook_id,
                &config,
                &credentials,
                &webhook_secrets,
                &created_at,
                &link,
                &last_heard_at,
            ],
        )
        .await
        .map(drop)
}

pub(super) async fn one(
    db: &Readers,
    app: AppId,
    id: ConnectionId,
) -> StoreResult<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = $1 AND app_id = $2");
    db.of(app)
        .one(&sql, &[&id.0, &app.0])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

pub(super) async fn by_hook(db: &Readers, hook_id: &str) -> StoreResult<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE hook_id = $1");
    // Whose hook it is, is the question.
    db.everywhere()
        .one(&sql, &[&clean(hook_id)])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

pub(super) async fn list(db: &Readers, app: Option<AppId>) -> StoreResult<Vec<Connection>> {
    let rows = match app {
        Some(app) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM connections WHERE app_id = $1 ORDER BY created_at, id"
            );
            db.of(app).query(&sql, &[&app.0]).await?
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM connections ORDER BY created_at, id");
            // The supervisor keeps the links of all apps.
            db.everywhere().query(&sql, &[]).await?
        }
    };
    rows.iter().map(from_row).collect()
}

pub(super) async fn update(db: &Readers, connection: &Connection) -> StoreResult<()> {
    let sql = "UPDATE connections \
               SET name = $3, config = $4, credentials = $5, webhook_secrets = $6 \
               WHERE id = $1 AND app_id = $2";
    let name = clean(&connection.name);
    let config = to_json(&connection.config, TABLE, "config")?;
    let credentials = to_json(&connection.credentials, TABLE, "credentials")?;
    let webhook_secrets = to_json(&connection.webhook_secrets, TABLE, "webhook_secrets")?;
    let (id, app) = (&connection.id.0, &connection.app_id.0);
    let found = db
        .of(connection.app_id)
        .execute(
            sql,
            &[id, app, &name, &config, &credentials, &webhook_secrets],
        )
        .await?;
    if found == 0 {
        Err(StoreError::NotFound("connection"))
    } else {
        Ok(())
    }
}

pub(super) async fn delete(db: &Readers, app: AppId, id: ConnectionId) -> StoreResult<()> {
    let sql = "DELETE FROM connections WHERE id = $1 AND app_id = $2";
    let found = db.of(app).execute(sql, &[&id.0, &app.0]).await?;
    if found == 0 {
        Err(StoreError::NotFound("connection"))
    } else {
        Ok(())
    }
}

fn from_row(row: &Row) -> StoreResult<Connection> {
    let link: Option<&str> = column(row, "link")?;
    Ok(Connection {
        id: ConnectionId(column(row, "id")?),
        app_id: AppId(column(row, "app_id")?),
        platform: column(row, "platform")?,
        name: column(row, "name")?,
        hook_id: column(row, "hook_id")?,
        config: from_json(column(row, "config")?, TABLE, "config")?,
        credentials: from_json(column(row, "credentials")?, TABLE, "credentials")?,
        webhook_secrets: from_json(column(row, "webhook_secrets")?, TABLE, "webhook_secrets")?,
        created_at: column_time(row, "created_at")?,
        link: link
            .map(|link| from_json(link, TABLE, "link"))
            .transpose()?,
        last_heard_at: column_time_opt(row, "last_heard_at")?,
    })
}
