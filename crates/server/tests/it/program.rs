//! The program under test, as its users meet it: a process of its own, spoken to over HTTP and
//! WebSocket.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use switchhook::config::Config;
use switchhook::wire::Parts;
use switchhook_engine::adapter::Secret;
use switchhook_engine::outbound::Policy;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

pub const OPERATOR: &str = "test-operator-secret";

/// A running server.
pub struct Server {
    /// `None` when it runs inside the test.
    child: Option<Child>,
    /// `http://host:port`.
    pub url: String,
    folder: PathBuf,
    client: reqwest::Client,
    /// What it has printed so far.
    said: Arc<Mutex<String>>,
}

/// An app of the server.
#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub key: String,
}

impl Server {
    /// Starts `switchhook serve` on the database in this folder.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same, with more settings in its environment.
    pub fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let url = format!("sqlite://{}", folder.join("test.db").display());
        Self::start_on(folder, &url, settings, Stdio::inherit())
    }

    /// The same on any database, its log lines sent elsewhere.
    pub fn start_on(
        folder: &Path,
        database: &str,
        settings: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_switchhook"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env("SWITCHHOOK__DATABASE__URL", database)
            .env("INTERNAL_API_SECRET", OPERATOR)
            .env("SWITCHHOOK__LOG__LEVEL", "warn")
            .env("SWITCHHOOK__OUTBOUND__ALLOW_PRIVATE", "127.0.0.1")
            // They post as fast as they can.
            .env("SWITCHHOOK__LIMITS__HOOK_NOTIFICATIONS", "0")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok).inspect(move |line| {
            let mut heard = heard.lock().unwrap();
            heard.push_str(line);
            heard.push('\n');
        });
        let url = lines
            .by_ref()
            .find_map(|line| {
                line.split_once(" on ")
                    .map(|(_, url)| url.trim().to_owned())
            })
            .expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let client = client();
        Self {
            child: Some(child),
            url,
            folder: folder.to_owned(),
            client,
            said,
        }
    }

    /// The same server inside the test, which then has its parts at hand.
    pub async fn inside(folder: &Path) -> (Self, Parts) {
        let database = format!("sqlite://{}", folder.join("test.db").display());
        let config = Config {
            database_url: Secret::new(database),
            internal_api_secret: Some(Secret::new(OPERATOR)),
            outbound: Policy::allowing("127.0.0.1").unwrap(),
            ..Config::default()
        };
        let parts = Parts::build(config).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(parts.clone().serve(listener, CancellationToken::new()));
        let server = Self {
            child: None,
            url,
            folder: folder.to_owned(),
            client: client(),
            said: Arc::default(),
        };
        (server, parts)
    }

    /// SIGKILL, as a machine dies; then a new process on the same database.
    pub fn kill_and_restart(mut self) -> Self {
        self.kill();
        self.restart()
    }

    /// SIGKILL, as a machine dies.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("a process of its own");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A new process on the same database.
    pub fn restart(self) -> Self {
        let folder = self.folder.clone();
        drop(self);
        Self::start(&folder)
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub async fn app(&self, name: &str) -> App {
        let made = self.internal("apps", &json!({ "name": name })).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        App {
            id: text(&made["app_id"]),
            key: text(&made["api_key"]),
        }
    }

    pub async fn connection(&self, app: &App, body: &Value) -> Value {
        let made = self
            .internal(&format!("apps/{}/connections", app.id), body)
            .await;
        made["data"].clone()
    }

    pub async fn internal(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/internal/{path}", self.url);
        let answer = self
            .client
            .post(url)
            .bearer_auth(OPERATOR)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        body
    }

    pub async fn internal_get(&self, path: &str) -> Value {
        let url = format!("{}/internal/{path}", self.url);
        let answer = self.client.get(url).bearer_auth(OPERATOR).send().await;
        let answer = answer.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub async fn get(&self, app: &App, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        let answer = self
            .client
            .get(url)
            .header("x-api-key", &app.key)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// Asks until the answer pleases, or fails after a while with the last answer.
    pub async fn wait_for(
        &self,
        app: &App,
        path: &str,
        limit: Duration,
        pleases: impl Fn(&Value) -> bool,
    ) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.get(app, path).await;
            if pleases(&answer) {
                return answer;
            }
            assert!(start.elapsed() < limit, "{path} never pleased: {answer:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn listen(&self, app: &App) -> Frames {
        let url = self.url.replacen("http", "ws", 1);
        let mut request = format!("{url}/ws").into_client_request().unwrap();
        request
            .headers_mut()
            .insert("x-api-key", app.key.parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Frames { socket }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// What a listener hears.
pub struct Frames {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Frames {
    /// Every event frame until nothing has come for a while.
    pub async fn drain(&mut self, quiet: Duration) -> Vec<Value> {
        let mut all = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(quiet, self.socket.next()).await {
            let Ok(text) = message.expect("the socket holds").into_text() else {
                continue;
            };
            let Ok(frame) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            if frame["type"] == "event" {
                all.push(frame);
            }
        }
        all
    }
}
