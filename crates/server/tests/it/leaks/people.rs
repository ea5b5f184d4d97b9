//! People: the set-up link, passwords right and wrong, invitations, links for a new password,
//! sessions. Nothing else protects a page's requests against another site's page than the cookie's
//! own rules and `Sec-Fetch-Site`: there is no CSRF token that could leak.

use reqwest::Method;
use serde_json::{Value, json};

use super::drive::Drive;

const ADMIN: &str = "jan@example.nl";
const AGENT: &str = "anna@example.nl";

impl Drive {
    /// A new server is set up, and its people come in, change and lose their passwords.
    pub(super) async fn people(&mut self, former: &str, set_up: &str) {
        let password = self.plant("password of the administrator");
        let whole = |token: &str, password: &str| {
            json!({
                "token": token, "app_name": "Klantcontact", "country": "NL", "name": "Jan",
                "email": ADMIN, "password": password,
            })
        };
        let wrong = self.plant("wrong set-up token");
        self.refused("/api/set-up", &whole(&wrong, &password), 403)
            .await;
        self.used(&wrong);
        let request = self.page("/api/set-up", &whole(set_up, &password));
        let (cookie, _) = self.session("session of the set-up", request).await;
        self.used(set_up);
        // No link sets up what is set up, the one of the command line neither.
        for token in [set_up, former] {
            let body = whole(token, &password);
            self.refused("/api/set-up", &body, 403).await;
        }
        self.used(former);

        let password = self.sign_ins(ADMIN, &password).await;
        let password = self.change(ADMIN, &cookie, &password).await;
        self.invitation(&cookie).await;
        self.reset(&cookie, &password).await;
    }

    /// A request of the sign-in page.
    fn page(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.browser(Method::POST, path, "").json(body)
    }

    async fn refused(&mut self, path: &str, body: &Value, status: u16) {
        let request = self.page(path, body);
        let (got, answer) = self.ask(request).await;
        assert_eq!(got, status, "{path}: {answer:#}");
    }

    async fn sign_in_as(&mut self, email: &str, password: &str) -> String {
        let body = json!({ "email": email, "password": password });
        let request = self.page("/api/sign-in", &body);
        let (cookie, _) = self.session("session of a sign-in", request).await;
        self.used(password);
        cookie
    }

    /// Signs in with the right password and with wrong ones, in wrong places too.
    async fn sign_ins(&mut self, email: &str, password: &str) -> String {
        let (wrong, unknown) = (
            self.plant("wrong password"),
            self.plant("password of nobody"),
        );
        for (email, password) in [(email, &wrong), ("nobody@example.nl", &unknown)] {
            let body = json!({ "email": email, "password": password });
            self.refused("/api/sign-in", &body, 401).await;
            self.used(password);
        }
        let misplaced = self.plant("password in a wrong request");
        for body in [
            json!({ "email": misplaced, "password": misplaced }),
            json!({ "email": email, "password": [misplaced] }),
            json!({ "email": email, "password": misplaced, "otp": misplaced }),
            json!({ "email": email, "password": misplaced, "app_id": misplaced }),
        ] {
            let request = self.page("/api/sign-in", &body);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status / 100, 4, "{answer:#}");
        }
        let broken = self.browser(Method::POST, "/api/sign-in", "");
        let broken = broken.header("content-type", "application/json");
        let broken = broken.body(format!(
            "{{\"email\":\"{email}\",\"password\":\"{misplaced}"
        ));
        assert_eq!(self.ask(broken).await.0, 400);
        self.used(&misplaced);
        let cookie = self.sign_in_as(email, password).await;
        for path in [
            "/api/me/sessions",
            "/api/people",
            "/api/audit",
            "/api/me?token=x",
        ] {
            let request = self.browser(Method::GET, path, &cookie);
            self.ask(request).await;
        }
        let out = self.browser(Method::POST, "/sign-out", &cookie);
        assert_eq!(self.ask(out).await.0 / 100, 2);
        let after = self.browser(Method::GET, "/api/me", &cookie);
        assert_eq!(self.ask(after).await.0, 401, "the session is over");
        password.to_owned()
    }

    /// Changes one's own password.
    async fn change(&mut self, email: &str, cookie: &str, password: &str) -> String {
        let (wrong, new) = (
            self.plant("wrong current password"),
            self.plant("changed password"),
        );
        for (current, new, good) in [
            (wrong.as_str(), new.as_str(), false),
            (password, "short", false),
            (password, &new, true),
        ] {
            let body = json!({ "current": current, "new": new });
            let request = self.browser(Method::POST, "/api/me/password", cookie);
            let (status, answer) = self.ask(request.json(&body)).await;
            assert_eq!(status / 100 == 2, good, "{status} {answer:#}");
        }
        self.used(&wrong);
        let old = json!({ "email": email, "password": password });
        self.refused("/api/sign-in", &old, 401).await;
        self.sign_in_as(email, &new).await;
        new
    }

    /// Somebody is invited and comes in.
    async fn invitation(&mut self, cookie: &str) {
        let body = json!({ "email": AGENT, "name": "Anna", "role": "agent" });
        let invite = |drive: &Self| {
            let request = drive.browser(Method::POST, "/api/people", cookie);
            request.json(&body)
        };
        let request = invite(self);
        let (token, _) = self.delivered("invitation", request, "/data/url").await;
        let (wrong, password) = (self.plant("wrong invitation"), self.plant("first password"));
        for token in [&token, &wrong] {
            let request = self.page("/api/invitations/look", &json!({ "token": token }));
            let (status, answer) = self.ask(request).await;
            assert_eq!(status == 200, *token != wrong, "{answer:#}");
        }
        let weak = json!({ "token": token, "password": "short" });
        self.refused("/api/invitations/accept", &weak, 400).await;
        let accept = |token: &str| json!({ "token": token, "password": password });
        self.refused("/api/invitations/accept", &accept(&wrong), 403)
            .await;
        self.used(&wrong);
        let request = self.page("/api/invitations/accept", &accept(&token));
        let (own, _) = self.session("session of an invitation", request).await;
        self.used(&token);
        self.refused("/api/invitations/accept", &accept(&token), 403)
            .await;
        let me = self.browser(Method::GET, "/api/me/sessions", &own);
        assert_eq!(self.ask(me).await.0, 200);
        self.sign_in_as(AGENT, &password).await;
    }

    /// A link for a new password, and the operators' invitation.
    async fn reset(&mut self, cookie: &str, former: &str) {
        let people = self.browser(Method::GET, "/api/people", cookie);
        // The password was changed elsewhere: this session may be over.
        let cookie = match self.ask(people).await.0 {
            200 => cookie.to_owned(),
            _ => self.sign_in_as(ADMIN, former).await,
        };
        let people = self.browser(Method::GET, "/api/people", &cookie);
        let (_, people) = self.ask(people).await;
        let mut people = people["data"].as_array().unwrap().iter();
        let anna = people.find(|person| person["email"] == AGENT).unwrap();
        let path = format!("/api/people/{}/reset-link", anna["id"].as_str().unwrap());
        let request = self.browser(Method::POST, &path, &cookie);
        let (token, _) = self.delivered("reset link", request, "/data/url").await;
        let password = self.plant("password after a reset");
        let body = json!({ "token": token, "password": password });
        let request = self.page("/api/invitations/accept", &body);
        self.session("session of a reset", request).await;
        self.used(&token);
        self.sign_in_as(AGENT, &password).await;

        let me = self.browser(Method::GET, "/api/me", &cookie);
        let (_, me) = self.ask(me).await;
        let app = me["data"]["app"]["id"].as_str().unwrap();
        let path = format!("/internal/apps/{app}/people");
        let body = json!({ "email": "piet@example.nl", "role": "supervisor" });
        let request = self.operator(Method::POST, &path).json(&body);
        let (token, _) = self
            .delivered("operators' invitation", request, "/data/url")
            .await;
        let request = self.page("/api/invitations/look", &json!({ "token": token }));
        assert_eq!(self.ask(request).await.0, 200);
        self.used(&token);
    }

    /// One-time sign-in links of an app, and the sessions they lead to.
    pub(super) async fn links(&mut self, app: &str) {
        let path = format!("/internal/apps/{app}/sign-in-link");
        let request = self.operator(Method::POST, &path);
        let (token, _) = self.delivered("sign-in link", request, "/data/url").await;
        let path = format!("/sign-in?token={token}");
        let request = self.request(Method::GET, &path);
        let (cookie, _) = self.session("session of a link", request).await;
        self.used(&token);
        for path in ["/api/connections", "/api/audit", "/api/me?token=x"] {
            let request = self.browser(Method::GET, path, &cookie);
            self.ask(request).await;
        }
        let again = self.request(Method::GET, &path);
        let (status, _) = self.ask(again).await;
        assert_ne!(status, 200, "it works once");
    }
}
