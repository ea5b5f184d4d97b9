//! What an imported app needs before its calls can come: the app itself under its old id, the key
//! its clients hold, a connection to Dialpad, and the sign-in that was there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use switchhook_domain::id::AppId;
use switchhook_engine::adapter::Secret;
use switchhook_engine::admin::NewConnection;
use switchhook_engine::audit::OnRecord;
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::oauth::Granted;
use switchhook_engine::references::follow;
use switchhook_engine::store::{App, StoreError};
use switchhook_storage::predecessor::Row;
use uuid::Uuid;

use super::CtiServerArgs;
use super::dialect::{Dialect, id, text};
use crate::cli::deeds::{self, Done};
use crate::cli::output;
use crate::wire::Parts;

/// What imported connections are called.
const NAME: &str = "Dialpad";
/// What imported keys are called.
const KEY_NAME: &str = "imported key";
const SANDBOX: &str = "https://sandbox.dialpad.com";

/// Makes the app under its old id. True when it is new here.
pub(super) async fn app(
    parts: &Parts,
    args: &CtiServerArgs,
    dialect: &Dialect,
    row: &Row,
) -> anyhow::Result<bool> {
    let columns = &row.columns;
    let now = parts.clock.now();
    let app = App {
        id: AppId(row.id),
        name: text(columns, "name")
            .unwrap_or("Imported")
            .chars()
            .take(200)
            .collect(),
        country: args.country.to_ascii_uppercase(),
        active: columns
            .get("is_active")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        epoch: Uuid::from_u128(parts.intake.entropy().random()),
        created_at: dialect.time(columns, "created_at").unwrap_or(now),
    };
    match parts.store.create_app(&app).await {
        Ok(()) => {
            let target = format!("app {}", app.id);
            note(parts, app.id, "import app", target, app.on_record()).await?;
            Ok(true)
        }
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error).context("cannot make an app"),
    }
}

/// Takes over the key that the app's clients hold: what is stored of it is checked when it is
/// first used, and replaced then. Done once for each app, whatever became of the key since.
pub(super) async fn key(
    parts: &Parts,
    app: AppId,
    row: &Row,
    hint: Option<&str>,
) -> anyhow::Result<()> {
    let Some(stored) = text(&row.columns, "api_key") else {
        return Ok(());
    };
    let there = parts.store.keys(app).await?;
    if there.iter().any(|key| key.name == KEY_NAME) {
        return Ok(());
    }
    match parts.gate.imported_key(app, KEY_NAME, stored, hint) {
        Ok(key) => {
            parts.store.create_key(&key).await?;
            let target = format!("key {}", key.id);
            note(parts, app, "import key", target, key.on_record()).await?;
        }
        Err(_) => {
            let why = "what is stored of its key cannot be read; make a new one";
            output::remark(&format!("app {app}: {why}"));
        }
    }
    Ok(())
}

/// The app's connection to Dialpad: the one that is there, or a new one.
pub(super) async fn connection(
    parts: &Parts,
    args: &CtiServerArgs,
    app: AppId,
    signed_in: Option<&Row>,
) -> anyhow::Result<ReadyConnection> {
    parts.connections.refresh().await?;
    let there = parts.connections.all().into_iter();
    let mut there = there.filter(|c| c.app.id == app && c.row.platform == "dialpad");
    if let Some(ready) = there.next() {
        return Ok(ready);
    }
    let mut config = Map::new();
    let columns = signed_in.map(|row| &row.columns);
    if let Some(company) = columns.and_then(|columns| id(columns, "dialpad_org_id")) {
        config.insert("company_id".to_owned(), company.into());
    }
    if columns.and_then(|columns| text(columns, "environment")) == Some("sandbox") {
        config.insert("base_url".to_owned(), SANDBOX.into());
    }
    if let (Some(id), Some(secret)) = (&args.client_id, &args.client_secret) {
        config.insert("client_id".to_owned(), id.clone().into());
        config.insert("client_secret".to_owned(), secret.clone().into());
    }
    let new = NewConnection {
        platform: "dialpad".to_owned(),
        name: NAME.to_owned(),
        config,
        webhook_secret: args.webhook_secret.clone(),
    };
    let made = parts.admin.create_connection(app, new).await?;
    let target = format!("connection {}", made.row.id);
    note(
        parts,
        app,
        "import connection",
        target,
        made.row.on_record(),
    )
    .await?;
    let ready = parts.connections.get(made.row.id);
    ready.context("the connection that was just made is not there")
}

/// Takes a sign-in at Dialpad over. False when there is none, or nothing to renew it with.
pub(super) async fn sign_in(
    parts: &Parts,
    args: &CtiServerArgs,
    dialect: &Dialect,
    connection: &ReadyConnection,
    row: &Row,
) -> anyhow::Result<bool> {
    let columns = &row.columns;
    let secret = |name: &str| text(columns, name).map(Secret::new);
    let Some(access_token) = secret("access_token").filter(|_| args.client_id.is_some()) else {
        return Ok(false);
    };
    let until = dialect.time(columns, "token_expires_at");
    let left = until.map(|at| at.duration_since(parts.clock.now()));
    let granted = Granted {
        access_token,
        refresh_token: secret("refresh_token"),
        // One that is over is renewed at its first use.
        expires_in: left.map(|left| Duration::try_from(left).unwrap_or_default()),
    };
    let taken = parts.tokens.take_over(connection, &granted).await?;
    if taken {
        let target = format!("connection {}", connection.row.id);
        let after = json!({ "renews_itself": granted.refresh_token.is_some() });
        note(parts, connection.app.id, "import sign-in", target, after).await?;
    }
    Ok(taken)
}

async fn note(
    parts: &Parts,
    app: AppId,
    action: &str,
    target: String,
    after: Value,
) -> anyhow::Result<()> {
    let done = Done {
        app: Some(app),
        action,
        target,
        before: None,
        after: Some(after),
    };
    deeds::note(parts, done).await
}

/// A setting given by value or by reference.
pub(super) fn opened(given: &str) -> anyhow::Result<Secret> {
    Ok(follow(&Secret::new(given))?)
}

/// The app of a connection, for those who read rows of several.
pub(super) type Ready = Arc<ReadyConnection>;
