//! What a client of the server sees: answers, and frames of the socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Response;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// Null when it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status,
            headers,
            text,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is a problem in the one shape, and gives its code.
    #[track_caller]
    pub(crate) fn problem(&self) -> &str {
        let problem = &self.body;
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["success"], false, "{problem}");
        assert_eq!(problem["message"], problem["detail"], "{problem}");
        assert_eq!(
            problem["request_id"],
            self.header("x-request-id"),
            "{problem}"
        );
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/docs/errors/{code}"));
        assert!(
            switchhook_api::problem::Code::from_name(code).is_some(),
            "{code}"
        );
        for member in ["title", "detail", "error"] {
            assert!(
                problem[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        code
    }
}

/// A client of the socket.
pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.0
            .send(Message::Text(text.into().into()))
            .await
            .unwrap();
    }

    /// The next text, as JSON.
    pub(crate) async fn frame(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.next())
            .await
            .expect("a frame in time")
        {
            Ok(frame) => frame,
            Err(code) => panic!("closed with {code} instead of a frame"),
        }
    }

    /// The code the server closes with; frames before it are passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        let end = async {
            loop {
                if let Err(code) = self.next().await {
                    return code;
                }
            }
        };
        tokio::time::timeout(PATIENCE, end)
            .await
            .expect("a close in time")
    }

    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None))) => return Err(1005),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}
