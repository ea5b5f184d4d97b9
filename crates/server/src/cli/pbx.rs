//! A PBX made of recordings: it speaks as much of Asterisk's REST interface as the adapter needs
//! to follow calls, and plays made-up calls into the event socket. For the demo and for
//! `switchhook simulate asterisk`; tests use a real PBX.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// A PBX made of recordings. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pbx {
    frames: broadcast::Sender<Arc<str>>,
    channels: Arc<Mutex<BTreeMap<String, Value>>>,
    authorization: Arc<str>,
}

impl Pbx {
    /// A PBX that lets this user in.
    pub(super) fn new(user: &str, password: &str) -> Self {
        Self {
            frames: broadcast::channel(1024).0,
            channels: Arc::default(),
            authorization: basic(user, password).into(),
        }
    }

    /// Plays one event to everyone connected.
    pub(super) fn play(&self, frame: &[u8]) {
        let text = String::from_utf8_lossy(frame);
        if let Ok(event) = serde_json::from_str::<Value>(&text) {
            self.remember(&event);
        }
        // An error only says that nobody is connected.
        drop(self.frames.send(text.as_ref().into()));
    }

    /// Keeps the list of channels that are alive, for clients that connect in mid-call.
    fn remember(&self, event: &Value) {
        let Some(id) = event["channel"]["id"].as_str() else {
            return;
        };
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if event["type"] == "ChannelDestroyed" {
            channels.remove(id);
        } else {
            channels.insert(id.to_owned(), event["channel"].clone());
        }
    }

    /// Its HTTP interface.
    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/ari/events", get(events))
            .route("/ari/channels", get(channels))
            .route("/ari/bridges", get(none))
            .route("/ari/endpoints", get(none))
            .route("/ari/asterisk/ping", get(ping))
            .route("/ari/applications/{app}/eventFilter", put(filter))
            .with_state(self.clone())
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        given == Some(&*self.authorization)
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn refused() -> Response {
    (
        StatusCode::UNAUTHORIZED,
        Json(json!({ "message": "Authentication required" })),
    )
        .into_response()
}

async fn events(State(pbx): State<Pbx>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !pbx.lets_in(&headers) {
        return refused();
    }
    let frames = pbx.frames.subscribe();
    upgrade.on_upgrade(move |socket| forward(socket, frames))
}

async fn forward(mut socket: WebSocket, mut frames: broadcast::Receiver<Arc<str>>) {
    loop {
        tokio::select! {
            frame = frames.recv() => {
                let Ok(frame) = frame else { return };
                if socket.send(Message::Text(frame.as_ref().into())).await.is_err() {
                    return;
                }
            }
            message = socket.recv() => {
                if !matches!(message, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

async fn channels(State(pbx): State<Pbx>, headers: HeaderMap) -> Response {
    if !pbx.lets_in(&headers) {
        return refused();
    }
    let channels = pbx.channels.lock().unwrap_or_else(PoisonError::into_inner);
    Json(channels.values().cloned().collect::<Vec<_>>()).into_response()
}

async fn none() -> Json<Value> {
    Json(json!([]))
}

async fn ping() -> Json<Value> {
    Json(json!({ "ping": "pong", "asterisk_id": "02:00:00:00:00:01" }))
}

async fn filter(Path(app): Path<String>) -> Json<Value> {
    Json(json!({ "name": app }))
}
