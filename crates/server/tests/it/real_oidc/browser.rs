//! As much of a browser as a sign-in needs: cookies by host and port, redirects one at a time,
//! and the forms of the provider's development pages.

use std::collections::BTreeMap;

use reqwest::{RequestBuilder, Url, header};

/// What came back.
pub(super) struct Page {
    pub(super) status: u16,
    location: Option<String>,
    pub(super) text: String,
}

impl Page {
    /// Where it leads.
    pub(super) fn location(&self) -> String {
        let to = self.location.clone();
        to.unwrap_or_else(|| panic!("it leads nowhere: {} {}", self.status, self.text))
    }
}

/// A browser. A clone has the same cookies and goes its own way.
#[derive(Clone)]
pub(super) struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    pub(super) fn new() -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let cookies = BTreeMap::new();
        Self { client, cookies }
    }

    pub(super) async fn get(&mut self, url: &str) -> Page {
        let url: Url = url.parse().unwrap();
        let request = self.client.get(url.clone());
        self.send(&url, request).await
    }

    async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Page {
        let url: Url = url.parse().unwrap();
        let mut body = Url::parse("form:/").unwrap();
        body.query_pairs_mut().extend_pairs(form);
        let request = self
            .client
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.query().unwrap().to_owned());
        self.send(&url, request).await
    }

    async fn send(&mut self, url: &Url, request: RequestBuilder) -> Page {
        let jar = self.cookies.entry(url.authority().to_owned()).or_default();
        let cookies: Vec<String> = jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = request.header(header::COOKIE, cookies.join("; "));
        let answer = request.send().await.unwrap();
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get(header::LOCATION);
        Page {
            status: answer.status().as_u16(),
            location: location.map(|to| to.to_str().unwrap().to_owned()),
            text: answer.text().await.unwrap(),
        }
    }

    /// Goes from the sign-in button through the provider's pages; where the provider sends it back
    /// to, not yet followed.
    pub(super) async fn authorize(&mut self, server: &str, login: &str) -> String {
        let mut at = format!("{server}/sign-in/oidc");
        let mut page = self.get(&at).await;
        for _ in 0..12 {
            if let Some(to) = page.location.clone() {
                at = at.parse::<Url>().unwrap().join(&to).unwrap().into();
                if at.starts_with(&format!("{server}/sign-in/oidc/callback")) {
                    return at;
                }
                page = self.get(&at).await;
                continue;
            }
            assert_eq!(page.status, 200, "{at}: {}", page.text);
            let form: &[(&str, &str)] = if page.text.contains("name=\"login\"") {
                &[("prompt", "login"), ("login", login), ("password", "x")]
            } else {
                &[("prompt", "consent")]
            };
            page = self.post(&at, form).await;
        }
        panic!("the provider's pages do not end: {at}")
    }
}
