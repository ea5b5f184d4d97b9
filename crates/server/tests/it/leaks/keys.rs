//! Keys and tokens of programs: sockets by them, tokens of agents' panels, and keys of the
//! predecessor with the secrets of its database.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::json;
use switchhook_engine::ports::SystemEntropy;
use switchhook_engine::seal::random_text;
use tokio_tungstenite::tungstenite::Message;

use super::drive::{Drive, with_query};
use crate::database::Database;

impl Drive {
    /// The token of an agent's panel: minted, shown in every way, ended, and a wrong one.
    pub(super) async fn panels(&mut self, key: &str) {
        let by_key =
            |drive: &Self, path: &str| drive.request(Method::POST, path).header("x-api-key", key);
        let agent = json!({ "name": "Anna", "email": "anna@example.nl" });
        let agent = by_key(self, "/api/agents").json(&agent);
        let (status, answer) = self.ask(agent).await;
        assert_eq!(status, 201, "{answer:#}");
        let request = by_key(self, "/api/agent-tokens");
        let request = request.json(&json!({ "email": "anna@example.nl" }));
        let (token, made) = self
            .delivered("token of a panel", request, "/data/token")
            .await;
        let wrong = format!("sht_{}", random_text(&SystemEntropy, 32));
        self.secrets.keep("wrong token of a panel", &wrong);
        let me = self.request(Method::GET, "/api/me");
        let bearer = me.try_clone().unwrap().bearer_auth(&token);
        for (request, status) in [
            (bearer, 200),
            (me.try_clone().unwrap().header("x-app-api-key", &token), 200),
            (me.try_clone().unwrap().bearer_auth(&wrong), 401),
        ] {
            let (got, answer) = self.ask(request).await;
            assert_eq!(got, status, "{answer:#}");
        }
        // What an agent may not do, and what is asked wrongly, is refused with the token in hand.
        for path in ["/api/agents", "/api/agent-tokens", "/api/calls"] {
            let request = self.request(Method::POST, path).bearer_auth(&token);
            let (status, answer) = self.ask(request.json(&json!({ "to": token }))).await;
            assert_eq!(status / 100, 4, "{path}: {answer:#}");
        }
        self.sockets_by(&token, &wrong).await;
        self.used(&token);
        self.used(&wrong);
        let path = format!("/api/agent-tokens/{}", made["data"]["id"].as_str().unwrap());
        let end = self.request(Method::DELETE, &path).header("x-api-key", key);
        assert_eq!(self.ask(end).await.0, 204);
        let over = me.bearer_auth(&token);
        assert_eq!(self.ask(over).await.0, 401);
    }

    /// Sockets by query, by first message, and by wrong keys.
    pub(super) async fn sockets(&mut self, key: &str) {
        let wrong = self.plant("wrong key of a socket");
        self.sockets_by(key, &wrong).await;
        self.used(&wrong);
    }

    async fn sockets_by(&mut self, key: &str, wrong: &str) {
        let server = self.server().url.replacen("http", "ws", 1);
        for key in [key, wrong] {
            let by_query = with_query("/ws", &[("api_key", key)]);
            for (path, first) in [(by_query.as_str(), None), ("/ws", Some(key))] {
                let url = format!("{server}{path}");
                let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
                if let Some(key) = first {
                    let auth = json!({ "type": "auth", "api_key": key }).to_string();
                    socket.send(Message::text(auth)).await.unwrap();
                }
                let said = tokio::time::timeout(Duration::from_secs(5), socket.next());
                let said = format!("{:?}", said.await.unwrap().unwrap().unwrap());
                assert_eq!(said.contains("4401"), key == wrong, "{said}");
                self.answers.push(("WebSocket".to_owned(), said));
            }
        }
    }

    /// The predecessor's database is taken over: its keys go on working, and its sign-in at
    /// Dialpad. Left out, aloud, where there is no PostgreSQL.
    pub(super) async fn imported(&mut self) {
        let Some(old) = Database::new().await else {
            return;
        };
        let client = old.client().await;
        for sql in [
            include_str!("../import/schema.sql"),
            include_str!("../import/rows.sql"),
        ] {
            client.batch_execute(sql).await.unwrap();
        }
        let key = format!("raw_{}", random_text(&SystemEntropy, 32));
        self.secrets.keep("imported key", &key);
        let stored = bcrypt::hash(&key, 4).unwrap();
        let sql = "UPDATE apps SET api_key = $1 WHERE name = 'Gemeente'";
        client.execute(sql, &[&stored]).await.unwrap();
        let (access, refresh) = (
            self.plant("imported access"),
            self.plant("imported refresh"),
        );
        let sql = "UPDATE dialpad_connections SET access_token = $1, refresh_token = $2";
        assert_eq!(client.execute(sql, &[&access, &refresh]).await.unwrap(), 1);
        let (hook, secret) = (
            self.plant("imported webhook"),
            self.plant("imported client"),
        );
        let (code, told) = self.run_with(
            &[
                "import",
                "dialpad-cti-server",
                "--from",
                "env:OLD_DATABASE",
                "--webhook-secret",
                "env:OLD_WEBHOOK",
                "--client-id",
                "harbour",
                "--client-secret",
                &secret,
            ],
            &[("OLD_DATABASE", &old.url), ("OLD_WEBHOOK", &hook)],
        );
        assert_eq!(code, Some(0), "{told}");
        assert!(
            !told.contains("sign in again"),
            "the sign-in was taken over: {told}"
        );
        for _ in 0..2 {
            let request = self.request(Method::GET, "/api/connections");
            let request = request.header("x-app-api-key", &key);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status, 200, "{answer:#}");
        }
        for secret in [&key, &access, &refresh, &hook, &secret] {
            self.used(secret);
        }
        let wrong = format!("raw_{}", random_text(&SystemEntropy, 32));
        self.secrets.keep("wrong imported key", &wrong);
        let request = self
            .request(Method::GET, "/api/me")
            .header("x-app-api-key", &wrong);
        assert_eq!(self.ask(request).await.0, 401);
        self.used(&wrong);
        old.clean().await;
    }
}
