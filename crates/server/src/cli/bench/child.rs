//! The server under measurement: this same program as a child process, with a database of its
//! own in a temporary folder, ended when the measurement is dropped.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use axum::serve::ListenerExt;
use serde_json::{Value, json};
use switchhook_engine::ports::{Entropy, SystemEntropy};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::config::KEYS;

const SECRET: &str = "bench-operator-secret";
const LISTENING: &str = "Switchhook is listening on http://";

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// A child process that serves.
pub(super) struct Server {
    child: Child,
    /// `host:port`.
    pub(super) address: String,
    folder: PathBuf,
    database_url: Option<String>,
    client: reqwest::Client,
}

/// An app of the server with a Dialpad connection.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    /// Id of the app.
    id: String,
    /// API key.
    pub(super) key: String,
    /// Path of the webhook.
    pub(super) hook: String,
    /// The webhook secret.
    pub(super) secret: String,
}

impl Server {
    /// The HTTP stack with nothing behind it.
    pub(super) async fn empty() -> anyhow::Result<Self> {
        let folder = new_folder()?;
        Self::start(&["bench", "--serve-empty"], folder, None, false).await
    }

    /// The whole server; on SQLite in a temporary folder unless a database is given. It limits
    /// nobody.
    pub(super) async fn full(database_url: Option<String>) -> anyhow::Result<Self> {
        let folder = new_folder()?;
        let sqlite = || format!("sqlite://{}", folder.join("bench.db").display());
        let url = database_url.unwrap_or_else(sqlite);
        Self::start(&SERVE, folder, Some(url), false).await
    }

    /// Ends it and starts it again on the same database, with or without limits.
    pub(super) async fn again(mut self, limits: bool) -> anyhow::Result<Self> {
        self.child.kill().await?;
        let folder = std::mem::take(&mut self.folder);
        Self::start(&SERVE, folder, self.database_url.take(), limits).await
    }

    /// Has the database look at what was put in.
    pub(super) async fn look_over(&self) -> anyhow::Result<()> {
        match &self.database_url {
            Some(url) => Ok(switchhook_storage::look_over(url).await?),
            None => Ok(()),
        }
    }

    async fn start(
        arguments: &[&str],
        folder: PathBuf,
        database_url: Option<String>,
        limits: bool,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .current_dir(&folder)
            .env("INTERNAL_API_SECRET", SECRET)
            .env("SWITCHHOOK__LOG__LEVEL", "warn")
            .env("SWITCHHOOK__SERVER__MAX_SOCKETS_PER_APP", "100000")
            .env("SWITCHHOOK__SERVER__MAX_SOCKETS", "100000")
            .env("SWITCHHOOK__SECURITY__MASTER_KEY", "ab".repeat(32))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(url) = &database_url {
            command.env("SWITCHHOOK__DATABASE__URL", url);
        }
        if !limits {
            let keys = KEYS.iter().filter_map(|key| key.strip_prefix("limits."));
            let names = keys.map(|key| format!("SWITCHHOOK__LIMITS__{}", key.to_uppercase()));
            command.envs(names.map(|name| (name, "0")));
        }
        let mut child = command.spawn().context("cannot start the server")?;
        let output = child.stdout.take().context("the child has an output")?;
        let mut lines = BufReader::new(output).lines();
        let mut address = None;
        while let Some(line) = lines.next_line().await? {
            if let Some(rest) = line.strip_prefix(LISTENING) {
                address = Some(rest.trim().to_owned());
                break;
            }
        }
        let address = address.context("the server did not start")?;
        let client = reqwest::Client::builder().build()?;
        Ok(Self {
            child,
            address,
            folder,
            database_url,
            client,
        })
    }

    /// Its process.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Resident memory of the process in KiB.
    pub(super) fn memory_kib(&self) -> anyhow::Result<f64> {
        let pid = self.pid()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        kib.context("this system does not tell a process's memory")
    }

    /// Makes an app with a Dialpad connection.
    pub(super) async fn tenant(&self, name: &str) -> anyhow::Result<Tenant> {
        let app = self.internal("apps", &json!({ "name": name })).await?;
        let id = app["app_id"].as_str().context("an app id")?;
        let body = json!({ "platform": "dialpad", "name": "bench", "config": {} });
        let made = self
            .internal(&format!("apps/{id}/connections"), &body)
            .await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        Ok(Tenant {
            id: id.to_owned(),
            key: text(&app["api_key"])?,
            hook: format!("/webhooks/dialpad/{}", text(&made["data"]["hook_id"])?),
            secret: text(&made["data"]["webhook_secret"])?,
        })
    }

    /// A further key of an app.
    pub(super) async fn key(&self, tenant: &Tenant) -> anyhow::Result<String> {
        let path = format!("apps/{}/api-key", tenant.id);
        let made = self.internal(&path, &json!({ "name": "bench" })).await?;
        let key = made["api_key"].as_str().context("a key")?;
        Ok(key.to_owned())
    }

    async fn internal(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("http://{}/internal/{path}", self.address);
        let request = self.client.post(url).bearer_auth(SECRET).json(body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child is killed on drop; what is left in the temporary folder is the system's.
        drop(self.child.start_kill());
        if !self.folder.as_os_str().is_empty() {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

fn new_folder() -> anyhow::Result<PathBuf> {
    let random = SystemEntropy.random();
    let folder = std::env::temp_dir().join(format!("switchhook-bench-{random:032x}"));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Serves POST with the body read and nothing done: what the HTTP stack alone can do here.
pub(super) async fn serve_empty() -> anyhow::Result<()> {
    let router = Router::new().route("/empty", post(|body: Bytes| async move { drop(body) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    super::output::say(&format!("{LISTENING}{}", listener.local_addr()?));
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}
