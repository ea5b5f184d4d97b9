//! Apps.

use switchhook_domain::id::AppId;
use switchhook_engine::store::{App, StoreError, StoreResult};
use tokio_postgres::Row;

use super::reader::Readers;
use super::session::{At, column, column_time};
use crate::columns::clean;

const COLUMNS: &str = "id, name, country, active, epoch, created_at";

pub(super) async fn create(db: &Readers, app: &App) -> StoreResult<()> {
    let sql = "INSERT INTO apps (id, name, country, active, epoch, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let (name, country) = (clean(&app.name), clean(&app.country));
    let created_at = At::from(app.created_at);
    db.of(app.id)
        .execute(
            sql,
            &[
                &app.id.0,
                &name,
                &country,
                &app.active,
                &app.epoch,
                &created_at,
            ],
        )
        .await
        .map(drop)
}

pub(super) async fn one(db: &Readers, id: AppId) -> StoreResult<Option<App>> {
    let sql = format!("SELECT {COLUMNS} FROM apps WHERE id = $1");
    db.of(id)
        .one(&sql, &[&id.0])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

pub(super) async fn all(db: &Readers) -> StoreResult<Vec<App>> {
    let sql = format!("SELECT {COLUMNS} FROM apps ORDER BY created_at, id");
    // The list of all apps is what is asked for.
    db.everywhere()
        .query(&sql, &[])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

pub(super) async fn update(db: &Readers, app: &App) -> StoreResult<()> {
    let sql = "UPDATE apps SET name = $2, country = $3, active = $4 WHERE id = $1";
    let (name, country) = (clean(&app.name), clean(&app.country));
    let found = db
        .of(app.id)
        .execute(sql, &[&app.id.0, &name, &country, &app.active])
        .await?;
    if found == 0 {
        Err(StoreError::NotFound("app"))
    } else {
        Ok(())
    }
}

fn from_row(row: &Row) -> StoreResult<App> {
    Ok(App {
        id: AppId(column(row, "id")?),
        name: column(row, "name")?,
        country: column(row, "country")?,
        active: column(row, "active")?,
        epoch: column(row, "epoch")?,
        created_at: column_time(row, "created_at")?,
    })
}
