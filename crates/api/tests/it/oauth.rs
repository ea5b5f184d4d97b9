//! Signing in at a platform through a browser, against the stand-in of Dialpad: who may begin,
//! whose browser may come back, what is said when it does not work, and taking it back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_testkit::vendors::dialpad::{CLIENT_ID, CLIENT_SECRET, Dialpad as Vendor};
use switchhook_testkit::vendors::{Fault, StandIn};

use crate::client::Answer;
use crate::signing::session;
use crate::world::{OPERATOR, Tenant, World, until};

/// A server, an app with a connection that signs in, and Dialpad.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    pub(crate) vendor: StandIn<Vendor>,
    pub(crate) connection: String,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant("Klantcontact").await;
        let back = format!("http://{}/auth/dialpad/callback", world.address);
        let vendor = StandIn::start(Vendor::default().with_redirect(&back))
            .await
            .unwrap();
        let config = json!({
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "base_url": vendor.url(),
        });
        let connection = add(&world, &tenant, &config).await;
        Self {
            world,
            tenant,
            vendor,
            connection,
        }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.world.ask(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// A link an operator made, without our own address.
    pub(crate) async fn link(&self) -> String {
        let (app, id) = (&self.tenant.id, &self.connection);
        let path = format!("/internal/apps/{app}/connections/{id}/sign-in-link");
        let made = self.world.operate(Method::POST, &path, None).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let url = made.body["data"]["url"].as_str().unwrap();
        url[url.find("/auth/").unwrap()..].to_owned()
    }

    /// Opens a path that begins a sign-in; the cookie, and the path the person comes back to.
    pub(crate) async fn begin(&self, path: &str, headers: &[(&str, &str)]) -> (String, String) {
        let begun = self.get(path, headers).await;
        assert_eq!(begun.status, 302, "{}", begun.text);
        let cookie = begun.header("set-cookie");
        for part in [
            "; HttpOnly",
            "; SameSite=Lax",
            "; Path=/auth",
            "; Max-Age=600",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        (cookie, self.agree(begun.header("location")).await)
    }

    async fn agree(&self, authorize_url: &str) -> String {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let at_vendor = http
            .build()
            .unwrap()
            .get(authorize_url)
            .send()
            .await
            .unwrap();
        assert_eq!(at_vendor.status(), 302);
        let back = at_vendor.headers()["location"].to_str().unwrap();
        back[back.find("/auth/").unwrap()..].to_owned()
    }

    async fn shown(&self) -> Value {
        let (app, id) = (&self.tenant.id, &self.connection);
        let path = format!("/internal/apps/{app}/connections/{id}");
        self.world.operate(Method::GET, &path, None).await.body["data"].clone()
    }
}

/// Makes a Dialpad connection.
pub(crate) async fn add(world: &World, tenant: &Tenant, config: &Value) -> String {
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({ "platform": "dialpad", "name": "Head office", "config": config });
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["data"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_leads_to_the_platform_and_back_once() {
    let desk = Desk::new().await;
    assert_eq!(desk.shown().await["sign_in"]["state"], "missing");
    let link = desk.link().await;
    let (cookie, back) = desk.begin(&link, &[]).await;
    let again = desk.get(&link, &[]).await;
    assert_eq!((again.status, again.problem()), (403, "link_expired"));
    let done = desk.get(&back, &[("cookie", &cookie)]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.body["message"], "Dialpad connected");
    assert_eq!(done.body["app_id"], desk.tenant.id);
    assert_eq!(done.body["environment"], "sandbox");
    let shown = desk.shown().await;
    assert_eq!(shown["sign_in"]["state"], "good");
    assert!(!shown.to_string().contains("access-"), "no token is shown");
    let twice = desk.get(&back, &[("cookie", &cookie)]).await;
    assert_eq!((twice.status, twice.problem()), (400, "sign_in_unknown"));
    let used = world_sign_in(&desk, &link).await;
    assert_eq!(used, "/?link=expired", "a platform link opens no session");
}

async fn world_sign_in(desk: &Desk, link: &str) -> String {
    let token = desk.link().await;
    let token = token.split("link=").nth(1).unwrap_or(link).to_owned();
    let answer = desk.get(&format!("/sign-in?token={token}"), &[]).await;
    answer.header("location").to_owned()
}

#[tokio::test]
async fn a_browser_gets_a_page_it_can_read() {
    let desk = Desk::new().await;
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    let done = desk
        .get(&back, &[("cookie", &cookie), ("accept", "text/html,*/*")])
        .await;
    assert!(done.header("content-type").starts_with("text/html"));
    assert!(done.text.contains("Dialpad is connected"), "{}", done.text);
}

#[tokio::test]
async fn another_browser_cannot_finish_what_this_one_began() {
    let desk = Desk::new().await;
    let (_, stolen) = desk.begin(&desk.link().await, &[]).await;
    let (other, _) = desk.begin(&desk.link().await, &[]).await;
    for headers in [vec![], vec![("cookie", other.as_str())]] {
        let refused = desk.get(&stolen, &headers).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "sign_in_unknown")
        );
    }
    assert_eq!(desk.shown().await["sign_in"]["state"], "missing");
}

#[tokio::test]
async fn every_way_it_fails_is_a_problem_that_says_what_to_do() {
    let desk = Desk::new().await;
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    desk.world
        .clock
        .advance(jiff::SignedDuration::from_mins(11));
    let late = desk.get(&back, &[("cookie", &cookie)]).await;
    assert_eq!(late.problem(), "sign_in_unknown");

    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    let bad = format!("{}x", back.replace("&state", "0&state"));
    let unknown = desk.get(&bad, &[("cookie", &cookie)]).await;
    assert_eq!(unknown.problem(), "sign_in_unknown");
    let refused = desk
        .get(&back.replace("&state", "0&state"), &[("cookie", &cookie)])
        .await;
    assert_eq!(
        (refused.status, refused.problem()),
        (502, "platform_refused")
    );
    assert_eq!(refused.body["fault"], "credentials");

    desk.vendor.vendor().person_agrees(false);
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    let denied = desk.get(&back, &[("cookie", &cookie)]).await;
    assert_eq!((denied.status, denied.problem()), (400, "sign_in_refused"));
    assert!(denied.text.contains("nobody agreed"), "{}", denied.text);

    for path in ["/auth/dialpad/callback", "/auth/dialpad/callback?state=x"] {
        let bare = desk.get(path, &[]).await;
        assert_eq!(bare.status, 400, "{path}");
        assert_eq!(bare.header("content-type"), "application/problem+json");
    }
    let other = desk
        .get("/auth/nonesuch/callback?state=x&code=y", &[])
        .await;
    assert_eq!(other.problem(), "sign_in_unknown");
}

#[tokio::test]
async fn the_inherited_addresses_answer_as_they_did_but_ask_who_is_there() {
    let desk = Desk::new().await;
    let app = &desk.tenant.id;
    let bearer = format!("Bearer {OPERATOR}");
    let operator = [("authorization", bearer.as_str())];
    let key = [("x-app-api-key", desk.tenant.key.as_str())];
    for path in [
        "/authorize",
        "/auth/dialpad/connect",
        "/auth/dialpad/authorize",
    ] {
        let open = desk.get(&format!("{path}?app_id={app}"), &[]).await;
        assert_eq!(
            (open.status, open.problem()),
            (401, "key_missing"),
            "{path}"
        );
        for credential in [&operator, &key] {
            let ask = async |query: &str| {
                let answer = desk.get(&format!("{path}{query}"), &credential[..]).await;
                (
                    answer.status,
                    answer.body["message"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                )
            };
            let (status, message) = ask("").await;
            assert!(
                status == 400 && message.starts_with("Missing app_id in query"),
                "{message}"
            );
            assert_eq!(ask("?app_id=7").await.0, 400);
            let (status, message) = ask("?app_id=019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b").await;
            assert!(
                status == 404 && message.starts_with("App not found"),
                "{message}"
            );
            desk.begin(&format!("{path}?app_id={app}"), &credential[..])
                .await;
        }
        let stranger = desk.world.tenant("Stranger").await;
        let theirs = [("x-app-api-key", stranger.key.as_str())];
        let other = desk.get(&format!("{path}?app_id={app}"), &theirs).await;
        assert_eq!(
            (other.status, other.problem()),
            (404, "app_not_found"),
            "{path}"
        );
        let agent = session(&desk.world, &desk.tenant, Some("agent")).await;
        let agent = desk
            .get(&format!("{path}?app_id={app}"), &[("cookie", &agent)])
            .await;
        assert_eq!(
            (agent.status, agent.problem()),
            (403, "role_not_allowed"),
            "{path}"
        );
    }
    let path = format!("/auth/dialpad/authorize?connection_id={}", desk.connection);
    desk.begin(&path, &key).await;
    let stranger = desk.world.tenant("Stranger").await;
    let theirs = desk
        .get(&path, &[("x-app-api-key", stranger.key.as_str())])
        .await;
    assert_eq!(
        (theirs.status, theirs.problem()),
        (404, "connection_not_found")
    );
    let wrong = path.replace("dialpad", "asterisk");
    assert_eq!(
        desk.get(&wrong, &key).await.problem(),
        "connection_not_found"
    );
    // A second connection that signs in makes the app alone too little.
    let config = json!({ "client_id": "x", "client_secret": "y" });
    add(&desk.world, &desk.tenant, &config).await;
    let two = desk.get(&format!("/authorize?app_id={app}"), &key).await;
    assert_eq!(two.body["field"], "connection_id");
}

#[tokio::test]
async fn a_connection_without_a_client_says_so() {
    let desk = Desk::new().await;
    let plain = add(
        &desk.world,
        &desk.tenant,
        &json!({ "api_key": "a key of ours" }),
    )
    .await;
    let path = format!(
        "/internal/apps/{}/connections/{plain}/sign-in-link",
        desk.tenant.id
    );
    let refused = desk.world.operate(Method::POST, &path, None).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (409, "sign_in_not_possible")
    );
    let path = format!("/auth/dialpad/authorize?connection_id={plain}");
    let key = [("x-app-api-key", desk.tenant.key.as_str())];
    assert_eq!(
        desk.get(&path, &key).await.problem(),
        "sign_in_not_possible"
    );
}

#[tokio::test]
async fn disconnecting_takes_everything_back() {
    let desk = Desk::new().await;
    let path = format!("/auth/dialpad/disconnect/{}", desk.tenant.id);
    let ask = async |key: &str| {
        let request = desk
            .world
            .ask(Method::POST, &path)
            .header("x-app-api-key", key);
        Answer::of(request.send().await.unwrap()).await
    };
    let none = ask(&desk.tenant.key).await;
    assert_eq!((none.status, none.problem()), (404, "not_signed_in"));
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    assert_eq!(desk.get(&back, &[("cookie", &cookie)]).await.status, 200);
    let stranger = desk.world.tenant("Stranger").await;
    assert_eq!(ask(&stranger.key).await.problem(), "app_not_found");
    let done = ask(&desk.tenant.key).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        done.body["message"],
        "App successfully disconnected from Dialpad"
    );
    assert_eq!(done.body["left_at_platform"], json!([]));
    assert_eq!(desk.vendor.asked_of("POST", "/oauth2/deauthorize").len(), 1);
    assert_eq!(desk.shown().await["sign_in"]["state"], "missing");
    assert_eq!(ask(&desk.tenant.key).await.problem(), "not_signed_in");
}

#[tokio::test]
async fn tokens_granted_while_the_database_is_away_are_not_lost() {
    let desk = Desk::new().await;
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    assert_eq!(desk.get(&back, &[("cookie", &cookie)]).await.status, 200);
    desk.world
        .clock
        .advance(jiff::SignedDuration::from_mins(61));
    let slow = Fault::Slow(Duration::from_millis(300));
    desk.vendor.fail("POST", "/oauth2/token", slow);
    let exchanges = || desk.vendor.asked_of("POST", "/oauth2/token").len();
    let path = format!("/api/connections/{}/diagnosis", desk.connection);
    let looked = desk.world.get(&desk.tenant, &path);
    let taken_away = async {
        until("the refresh", || exchanges() == 2).await;
        desk.world.store.away.store(true, Ordering::Relaxed);
    };
    let (_, ()) = tokio::join!(looked, taken_away);
    desk.world.store.away.store(false, Ordering::Relaxed);
    // The refresh token that was used works no more: only the new one, kept in memory, helps.
    let found = desk.world.get(&desk.tenant, &path).await.body["data"].clone();
    let checks = found["checks"].as_array().unwrap();
    assert!(
        checks.iter().any(|check| check["name"] == "platform"),
        "{found}"
    );
    desk.world
        .clock
        .advance(jiff::SignedDuration::from_mins(61));
    let found = desk.world.get(&desk.tenant, &path).await.body["data"].clone();
    assert!(!found.to_string().contains("sign in again"), "{found}");
    assert_eq!(exchanges(), 3);
    assert_eq!(desk.shown().await["sign_in"]["state"], "good");
}
