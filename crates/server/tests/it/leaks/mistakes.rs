//! Requests that are wrong and hold a secret.

use reqwest::Method;
use serde_json::json;

use super::drive::{Drive, with_query};

impl Drive {
    pub(super) async fn mistakes(&mut self, app: &str, key: &str) {
        let secret = self.plant("secret in a wrong request");
        let path = format!("/internal/apps/{app}/connections");
        for body in [
            json!({ "platform": "generic", "webhook_secret": { "is": secret } }),
            json!({ "platform": "generic", "webhook_secret": [secret] }),
            json!({ "platform": "dialpad", "config": { "api_key": [secret] } }),
            json!({ "platform": "dialpad", "config": { "nothing": secret } }),
            json!({ "platform": "dialpad", "config": { "client_secret": secret } }),
            json!({ "platform": "asterisk", "config": { "url": 1, "password": secret } }),
            json!({ "platform": "nothing", "webhook_secret": secret }),
        ] {
            let request = self.operator(Method::POST, &path).json(&body);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status / 100, 4, "{answer:#}");
        }
        let broken = format!("{{\"platform\":\"generic\",\"webhook_secret\":\"{secret}\" oops");
        let broken = self.operator(Method::POST, &path).body(broken);
        let broken = broken.header("content-type", "application/json");
        assert_eq!(self.ask(broken).await.0, 400);
        self.in_headers(&secret, key).await;
        for path in [
            "/api/calls",
            "/internal/apps",
            "/ws",
            "/sign-in",
            "/auth/dialpad/callback",
            "/sign-in/oidc/callback",
        ] {
            for name in ["api_key", "token", "state", "code"] {
                let path = with_query(path, &[(name, &secret)]);
                let request = self.operator(Method::GET, &path).header("x-api-key", key);
                let (status, _) = self.ask(request).await;
                assert_ne!(status / 100, 2, "{path}");
            }
        }
        self.used(&secret);
    }

    async fn in_headers(&mut self, secret: &str, key: &str) {
        let operator = self.operator.clone();
        for (path, name, value) in [
            ("/api/calls", "x-api-key", secret),
            ("/api/calls", "x-app-api-key", &operator),
            (
                "/api/calls",
                "cookie",
                &format!("__Host-switchhook_session={secret}"),
            ),
            ("/internal/apps", "authorization", &format!("Bearer {key}")),
            (
                "/internal/apps",
                "authorization",
                &format!("Bearer {secret}"),
            ),
            (
                "/internal/apps",
                "authorization",
                &format!("Basic {secret}"),
            ),
            ("/webhooks/dialpad", "x-app-api-key", key),
        ] {
            let request = self.request(Method::GET, path).header(name, value);
            let (status, _) = self.ask(request).await;
            assert_eq!(status / 100, 4, "{path} {name}");
            let request = self.request(Method::POST, path).header(name, value);
            self.ask(request.body("{")).await;
        }
    }
}
