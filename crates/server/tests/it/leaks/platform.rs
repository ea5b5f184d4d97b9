//! Signing in at a platform: the link, the state and its cookie, the code, the tokens; at a
//! platform that throws back whatever it is asked.

use reqwest::Method;
use serde_json::json;
use switchhook_testkit::vendors::{Answered, Asked, StandIn, Vendor};

use super::drive::{Drive, PUBLIC, with_query};

/// A platform that gives out the tokens planted in it and throws back whatever is asked of it.
pub(super) struct Echo {
    pub(super) access: String,
    pub(super) refresh: String,
}

#[async_trait::async_trait]
impl Vendor for Echo {
    async fn answer(&self, asked: &Asked) -> Answered {
        if asked.path == "/oauth2/token" && field(asked, "code") != "refused" {
            let life = json!({
                "access_token": self.access, "refresh_token": self.refresh,
                // Over at once, so that it is renewed.
                "token_type": "bearer", "expires_in": 1,
            });
            return Answered::json(200, life);
        }
        thrown_back(asked)
    }
}

/// A refusal with everything in it that was sent.
pub(super) fn thrown_back(asked: &Asked) -> Answered {
    let said = format!(
        "{:?} {:?} {}",
        asked.query,
        asked.headers,
        String::from_utf8_lossy(&asked.body)
    );
    let body = json!({ "error": { "message": said }, "error_description": said });
    Answered::json(403, body)
}

/// A field of a form.
pub(super) fn field(asked: &Asked, name: &str) -> String {
    let mut fields = asked.form().into_iter();
    let found = fields.find(|(known, _)| known == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

/// A parameter of an address.
pub(super) fn of_query(url: &reqwest::Url, name: &str) -> String {
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

impl Drive {
    /// Signs in at Dialpad by a link, badly and well.
    pub(super) async fn sign_in(
        &mut self,
        app: &str,
        made: &[(String, String)],
        echo: &StandIn<Echo>,
    ) {
        let mut found = made.iter();
        let found = found.find(|(platform, _)| platform == "dialpad");
        let path = format!("/internal/apps/{app}/connections/{}", found.unwrap().1);
        let config = json!({ "config": { "api_key": null } });
        let without = self.operator(Method::PATCH, &path).json(&config);
        assert_eq!(self.ask(without).await.0, 200);
        for code in ["refused".to_owned(), self.plant("authorization code")] {
            let request = self.operator(Method::POST, &format!("{path}/sign-in-link"));
            let (_, link) = self.delivered("platform link", request, "/data/url").await;
            let link = link["data"]["url"].as_str().unwrap().to_owned();
            let token = link.split_once("link=").unwrap().1.to_owned();
            let begun = self.request(Method::GET, link.trim_start_matches(PUBLIC));
            let (to, cookie) = self.leads_out("sign-in at a platform", begun).await;
            let state = of_query(&to, "state");
            self.used(&token);
            let query = [("code", code.as_str()), ("state", &state)];
            let back = with_query("/auth/dialpad/callback", &query);
            let back = self.request(Method::GET, &back).header("cookie", &cookie);
            let (status, answer) = self.ask(back).await;
            assert_eq!(status == 200, code != "refused", "{status} {answer:#}");
            let asked = echo.asked_of("POST", "/oauth2/token");
            let asked = asked.last().unwrap();
            assert_eq!(field(asked, "code"), code, "state and cookie were good");
            self.used(&state);
            self.used(cookie.split_once('=').unwrap().1);
            let verifier = field(asked, "code_verifier");
            self.secrets.keep("code verifier", &verifier);
            self.used(&verifier);
            if code != "refused" {
                self.used(&code);
            }
        }
        let diagnosis = self.operator(Method::GET, &format!("{path}/diagnosis"));
        self.ask(diagnosis).await;
        let (access, refresh) = {
            let vendor = echo.vendor();
            (vendor.access.clone(), vendor.refresh.clone())
        };
        let renewed = echo.asked_of("POST", "/oauth2/token");
        let renewed = renewed.iter().any(|a| field(a, "refresh_token") == refresh);
        assert!(renewed, "the sign-in was renewed");
        self.used(&refresh);
        let shown = echo.asked();
        let shown = shown.iter().any(|a| a.bearer() == Some(access.as_str()));
        assert!(shown, "the access token was shown");
        self.used(&access);
    }

    /// Begins a sign-in elsewhere: the address it leads to, with a state, and the browser's cookie.
    pub(super) async fn leads_out(
        &mut self,
        name: &str,
        request: reqwest::RequestBuilder,
    ) -> (reqwest::Url, String) {
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let to = reqwest::Url::parse(&header("location")).unwrap();
        let cookie = header("set-cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        self.secrets
            .keep(&format!("state of a {name}"), &of_query(&to, "state"));
        let value = cookie.split_once('=').unwrap().1;
        self.secrets.keep(&format!("cookie of a {name}"), value);
        (to, cookie)
    }
}
