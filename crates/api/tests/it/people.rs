//! People: set-up, invitations, passwords, sessions, and what may not be done to whom.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::world::{OPERATOR, Tenant, World, config};

pub(crate) const PASSWORD: &str = "vier woorden op een rij";

/// A browser somebody is signed in with.
pub(crate) struct Browser<'w> {
    world: &'w World,
    cookie: String,
    pub(crate) answer: Answer,
}

impl<'w> Browser<'w> {
    /// The browser after an answer that signed somebody in.
    pub(crate) fn of(world: &'w World, answer: Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        let cookie = cookie.to_owned();
        Self {
            world,
            cookie,
            answer,
        }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.world.ask(method, path).header("cookie", &self.cookie);
        request.header("sec-fetch-site", "same-origin")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.ask(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        Answer::of(self.ask(method, path).json(body).send().await.unwrap()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.ask(Method::DELETE, path).send().await.unwrap()).await
    }

    pub(crate) fn id(&self) -> String {
        let id = &self.answer.body["data"]["user"]["id"];
        id.as_str().unwrap().to_owned()
    }
}

/// Posts without any credential.
pub(crate) async fn post(world: &World, path: &str, body: &Value) -> Answer {
    Answer::of(
        world
            .ask(Method::POST, path)
            .json(body)
            .send()
            .await
            .unwrap(),
    )
    .await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text);
    let url = answer.body["data"]["url"].as_str().unwrap();
    url.split_once("token=").unwrap().1.to_owned()
}

async fn invited(world: &World, tenant: &Tenant, email: &str, role: &str) -> Answer {
    let body = json!({ "email": email, "name": "Jan Jansen", "role": role });
    let path = format!("/internal/apps/{}/people", tenant.id);
    world.operate(Method::POST, &path, Some(&body)).await
}

/// Somebody who was invited and has joined.
pub(crate) async fn join<'w>(
    world: &'w World,
    tenant: &Tenant,
    email: &str,
    role: &str,
) -> Browser<'w> {
    let token = token(&invited(world, tenant, email, role).await);
    let body = json!({ "token": token, "password": PASSWORD });
    Browser::of(world, post(world, "/api/invitations/accept", &body).await)
}

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    post(world, "/api/sign-in", &body).await
}

#[tokio::test]
async fn the_first_visit_sets_the_server_up_once() {
    let world = World::new().await;
    let options = world.ask(Method::GET, "/api/sign-in/options");
    let options = Answer::of(options.send().await.unwrap()).await;
    let expected = json!({ "set_up_needed": true, "password": true, "oidc": null });
    assert_eq!(options.body["data"], expected);
    let old = world.people.set_up_link().await.unwrap().unwrap();
    let link = world.people.set_up_link().await.unwrap().unwrap();
    let body = |token: &str, password: &str| {
        json!({
            "token": token, "app_name": "Klantcontact", "country": "NL", "name": "Jan Jansen",
            "email": " Jan@Example.NL", "password": password,
        })
    };
    let weak = post(&world, "/api/set-up", &body(&link, "klantcontact12")).await;
    assert_eq!((weak.status, weak.problem()), (400, "invalid_field"));
    assert_eq!(weak.body["field"], "password");
    let wrong = post(&world, "/api/set-up", &body("nonsense", PASSWORD)).await;
    assert_eq!((wrong.status, wrong.problem()), (403, "link_expired"));
    // Two at once, by two links: one of them.
    let (one, two) = (body(&link, PASSWORD), body(&old, PASSWORD));
    let (one, two) = tokio::join!(
        post(&world, "/api/set-up", &one),
        post(&world, "/api/set-up", &two)
    );
    let (done, late) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!((late.status, late.problem()), (403, "link_expired"));
    assert_eq!(done.body["data"]["role"], "admin");
    assert_eq!(done.body["data"]["user"]["email"], "jan@example.nl");
    let jan = Browser::of(&world, done);
    let me = jan.get("/api/me").await.body;
    assert_eq!(me["data"]["app"]["name"], "Klantcontact");
    assert_eq!(me["data"]["user"]["name"], "Jan Jansen");
    assert_eq!(me["data"]["scopes"], json!(["all"]));
    assert_eq!(world.people.set_up_link().await.unwrap(), None);
    let options = jan.get("/api/sign-in/options").await;
    assert_eq!(options.body["data"]["set_up_needed"], false);
}

#[tokio::test]
async fn a_set_up_link_ends_after_an_hour() {
    let world = World::new().await;
    let link = world.people.set_up_link().await.unwrap().unwrap();
    world.clock.advance(SignedDuration::from_mins(60));
    let body = json!({
        "token": link, "app_name": "x", "name": "Jan", "email": "jan@example.nl",
        "password": PASSWORD,
    });
    let late = post(&world, "/api/set-up", &body).await;
    assert_eq!((late.status, late.problem()), (403, "link_expired"));
}

#[tokio::test]
async fn an_invitation_is_looked_at_and_taken_up_once() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let first = token(&invited(&world, &tenant, "jan@example.nl", "agent").await);
    let link = token(&invited(&world, &tenant, "JAN@example.nl", "supervisor").await);
    let look =
        async |token: &str| post(&world, "/api/invitations/look", &json!({ "token": token })).await;
    assert_eq!(look(&first).await.problem(), "link_expired", "replaced");
    for _ in 0..2 {
        let looked = look(&link).await;
        assert_eq!(looked.status, 200, "{}", looked.text);
        assert_eq!(looked.body["data"]["app"]["name"], "one");
        assert_eq!(looked.body["data"]["email"], "jan@example.nl");
        assert_eq!(looked.body["data"]["role"], "supervisor");
        assert_eq!(looked.body["data"]["purpose"], "invitation");
    }
    let accept = async |password: &str| {
        let body = json!({ "token": link, "name": "Jan", "password": password });
        post(&world, "/api/invitations/accept", &body).await
    };
    assert_eq!(accept("short").await.body["field"], "password");
    let (a, b) = tokio::join!(accept(PASSWORD), accept(PASSWORD));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    assert_eq!(accept(PASSWORD).await.problem(), "link_expired");
    let again = invited(&world, &tenant, "jan@example.nl", "agent").await;
    assert_eq!((again.status, again.problem()), (409, "already_exists"));
    assert_eq!(again.body["field"], "email");
    let late = token(&invited(&world, &tenant, "piet@example.nl", "agent").await);
    world.clock.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(look(&late).await.problem(), "link_expired");
}

#[tokio::test]
async fn who_signs_in_is_not_told_what_was_wrong() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let jan = join(&world, &tenant, "jan@example.nl", "agent").await;
    join(&world, &tenant, "boss@example.nl", "admin").await;
    invited(&world, &tenant, "open@example.nl", "agent").await;
    let out = join(&world, &tenant, "out@example.nl", "agent").await;
    let path = format!("/api/people/{}", out.id());
    let request = world
        .ask(Method::PATCH, &path)
        .header("x-api-key", &tenant.key);
    let shut = request
        .json(&json!({ "active": false }))
        .send()
        .await
        .unwrap();
    assert_eq!(shut.status(), 200);

    let mut before = world.people.passwords().verified();
    let mut told = Vec::new();
    for (email, password) in [
        ("jan@example.nl", "vier woorden op een rijtje"),
        ("nobody@example.nl", PASSWORD),
        ("open@example.nl", PASSWORD),
        ("out@example.nl", PASSWORD),
        ("no address", PASSWORD),
        ("jan@example.nl", ""),
        ("jan@example.nl", &"x".repeat(1000)),
    ] {
        let answer = sign_in(&world, email, password).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (401, "sign_in_refused"),
            "{email}"
        );
        assert_eq!(answer.header("set-cookie"), "");
        told.push(answer.body["detail"].clone());
        let after = world.people.passwords().verified();
        assert_eq!(after - before, 1, "{email}: the same work for everybody");
        before = after;
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let good = sign_in(&world, " JAN@example.nl", PASSWORD).await;
    let cookie = good.header("set-cookie").to_owned();
    for part in ["switchhook_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(
        !cookie.contains(&jan.cookie),
        "every sign-in has its own token"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_and_told_when_to_come_back() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    join(&world, &tenant, "jan@example.nl", "agent").await;
    for _ in 0..10 {
        assert_eq!(sign_in(&world, "jan@example.nl", "wrong").await.status, 401);
    }
    let refused = sign_in(&world, "jan@example.nl", PASSWORD).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (429, "sign_in_throttled")
    );
    assert_eq!(refused.header("retry-after"), "900");
    let other = sign_in(&world, "piet@example.nl", PASSWORD).await;
    assert_eq!(other.status, 401, "others are not held up");
    world.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(
        sign_in(&world, "jan@example.nl", PASSWORD).await.status,
        200
    );
}

#[tokio::test]
async fn who_is_in_several_apps_chooses_one() {
    let world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    join(&world, &one, "jan@example.nl", "admin").await;
    join(&world, &two, "jan@example.nl", "agent").await;
    let asked = sign_in(&world, "jan@example.nl", PASSWORD).await;
    assert_eq!((asked.status, asked.problem()), (409, "app_choice_needed"));
    let apps = asked.body["apps"].as_array().unwrap();
    assert_eq!(apps.len(), 2);
    assert!(apps.contains(&json!({ "id": two.id, "name": "two" })));
    let wrong = sign_in(&world, "jan@example.nl", "wrong").await;
    assert_eq!(wrong.status, 401, "without the password nothing is told");
    let body = json!({ "email": "jan@example.nl", "password": PASSWORD, "app_id": two.id });
    let jan = Browser::of(&world, post(&world, "/api/sign-in", &body).await);
    let me = jan.get("/api/me").await.body;
    assert_eq!(
        (&me["data"]["app"]["id"], &me["data"]["role"]),
        (&json!(two.id), &json!("agent"))
    );
}

#[tokio::test]
async fn an_app_keeps_an_administrator() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let jan = join(&world, &tenant, "jan@example.nl", "admin").await;
    invited(&world, &tenant, "open@example.nl", "admin").await;
    let own = format!("/api/people/{}", jan.id());
    for change in [json!({ "role": "agent" }), json!({ "active": false })] {
        let refused = jan.send(Method::PATCH, &own, &change).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (409, "last_admin"),
            "{change}"
        );
    }
    assert_eq!(jan.delete(&own).await.problem(), "last_admin");
    let piet = join(&world, &tenant, "piet@example.nl", "admin").await;
    // Each demotes the other at the same moment: one of them stays.
    let (theirs, demoted) = (
        format!("/api/people/{}", piet.id()),
        json!({ "role": "agent" }),
    );
    let (a, b) = tokio::join!(
        jan.send(Method::PATCH, &theirs, &demoted),
        piet.send(Method::PATCH, &own, &demoted)
    );
    let done = [a.status, b.status]
        .iter()
        .filter(|status| **status == 200)
        .count();
    assert_eq!(done, 1, "{} {}", a.text, b.text);
}

#[tokio::test]
async fn sessions_and_sockets_end_with_the_right_to_them() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let boss = join(&world, &tenant, "boss@example.nl", "admin").await;
    for (name, change) in [
        ("demoted", json!({ "role": "read_only" })),
        ("shut-out", json!({ "active": false })),
        ("deleted", Value::Null),
    ] {
        let jan = join(&world, &tenant, &format!("{name}@example.nl"), "agent").await;
        let headers = [("cookie", &*jan.cookie), ("sec-fetch-site", "same-origin")];
        let mut socket = world.connect("", &headers).await;
        assert_eq!(socket.frame().await["type"], "hello");
        let path = format!("/api/people/{}", jan.id());
        let done = if change.is_null() {
            boss.delete(&path).await
        } else {
            boss.send(Method::PATCH, &path, &change).await
        };
        assert!(matches!(done.status, 200 | 204), "{}", done.text);
        assert_eq!(jan.get("/api/me").await.problem(), "key_invalid", "{name}");
        let end = tokio::time::timeout(std::time::Duration::from_secs(1), socket.closed());
        assert_eq!(end.await.expect("closed within a second"), 4401, "{name}");
    }
}

#[tokio::test]
async fn a_password_link_ends_every_session() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let boss = join(&world, &tenant, "boss@example.nl", "admin").await;
    let jan = join(&world, &tenant, "jan@example.nl", "agent").await;
    let path = format!("/api/people/{}/reset-link", jan.id());
    let first = token(&boss.send(Method::POST, &path, &Value::Null).await);
    let link = token(&boss.send(Method::POST, &path, &Value::Null).await);
    let look = post(&world, "/api/invitations/look", &json!({ "token": first })).await;
    assert_eq!(look.problem(), "link_expired", "replaced");
    let look = post(&world, "/api/invitations/look", &json!({ "token": link })).await;
    assert_eq!(look.body["data"]["email"], "jan@example.nl");
    assert_eq!(look.body["data"]["purpose"], "reset");
    assert_eq!(
        jan.get("/api/me").await.status,
        200,
        "looking changes nothing"
    );
    let body = json!({ "token": link, "password": "een heel ander wachtwoord" });
    let reset = Browser::of(&world, post(&world, "/api/invitations/accept", &body).await);
    assert_eq!(jan.get("/api/me").await.problem(), "key_invalid");
    assert_eq!(reset.get("/api/me").await.status, 200);
    assert_eq!(
        sign_in(&world, "jan@example.nl", PASSWORD).await.status,
        401
    );
    assert_eq!(
        post(&world, "/api/invitations/accept", &body)
            .await
            .problem(),
        "link_expired"
    );
    let late = token(&boss.send(Method::POST, &path, &Value::Null).await);
    world.clock.advance(SignedDuration::from_hours(1));
    let body = json!({ "token": late, "password": PASSWORD });
    assert_eq!(
        post(&world, "/api/invitations/accept", &body)
            .await
            .problem(),
        "link_expired"
    );
}

#[tokio::test]
async fn people_look_after_their_own_account() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let jan = join(&world, &tenant, "jan@example.nl", "agent").await;
    let named = jan
        .send(Method::PATCH, "/api/me", &json!({ "name": " Jan J. " }))
        .await;
    assert_eq!(named.body["data"]["name"], "Jan J.");
    let second = Browser::of(&world, sign_in(&world, "jan@example.nl", PASSWORD).await);
    let third = Browser::of(&world, sign_in(&world, "jan@example.nl", PASSWORD).await);
    let sessions = jan.get("/api/me/sessions").await.body;
    let sessions = sessions["data"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 3);
    let current: Vec<_> = sessions.iter().filter(|s| s["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["by"], "invitation");

    let theirs = second.get("/api/me/sessions").await.body;
    let own = theirs["data"].as_array().unwrap().iter();
    let own = own.clone().find(|s| s["current"] == true).unwrap()["id"].clone();
    let path = format!("/api/me/sessions/{}", own.as_str().unwrap());
    assert_eq!(jan.delete(&path).await.status, 204);
    assert_eq!(second.get("/api/me").await.problem(), "key_invalid");
    assert_eq!(jan.delete(&path).await.problem(), "session_not_found");

    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let path = "/api/me/password";
    let wrong = jan
        .send(
            Method::POST,
            path,
            &change("wrong", "een heel ander wachtwoord"),
        )
        .await;
    assert_eq!(
        (wrong.status, &wrong.body["field"]),
        (400, &json!("current"))
    );
    let weak = jan
        .send(Method::POST, path, &change(PASSWORD, "aaaaaaaaaaaaaa"))
        .await;
    assert_eq!(
        (weak.status, &weak.body["field"]),
        (400, &json!("new")),
        "{}",
        weak.text
    );
    let done = jan
        .send(
            Method::POST,
            path,
            &change(PASSWORD, "een heel ander wachtwoord"),
        )
        .await;
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(
        third.get("/api/me").await.problem(),
        "key_invalid",
        "the others end"
    );
    assert_eq!(jan.get("/api/me").await.status, 200, "this one goes on");
    assert_eq!(jan.delete("/api/me/sessions").await.status, 204);
    assert_eq!(jan.get("/api/me").await.problem(), "key_invalid");
}

#[tokio::test]
async fn a_session_lasts_while_it_is_used_and_no_longer_than_a_week() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let idle = join(&world, &tenant, "idle@example.nl", "agent").await;
    let busy = join(&world, &tenant, "busy@example.nl", "agent").await;
    for _ in 0..16 {
        world.clock.advance(SignedDuration::from_hours(10));
        assert_eq!(busy.get("/api/me").await.status, 200);
    }
    assert_eq!(idle.get("/api/me").await.problem(), "key_invalid");
    world.clock.advance(SignedDuration::from_hours(8));
    assert_eq!(
        busy.get("/api/me").await.problem(),
        "key_invalid",
        "a week is over"
    );
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    join(&world, &tenant, "boss@example.nl", "admin").await;
    for role in ["supervisor", "agent", "read_only"] {
        let email = format!("{role}@example.nl");
        let browser = join(&world, &tenant, &email, role).await;
        let body = json!({ "email": "new@example.nl", "role": "agent" });
        let refused = browser.send(Method::POST, "/api/people", &body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "role_not_allowed")
        );
        let list = browser.get("/api/people").await;
        assert_eq!(list.problem(), "role_not_allowed");
        let me = browser.get("/api/me").await.body;
        assert_eq!(me["data"]["role"], role);
        assert!(me["data"]["scopes"].as_array().unwrap().len() > 4);
    }
    let list = world.get(&tenant, "/api/people?limit=2").await;
    assert_eq!(list.body["pagination"]["total"], 4);
    assert_eq!(list.body["data"][0]["email"], "agent@example.nl");
    assert!(!list.text.contains("argon2"));
}

#[tokio::test]
async fn another_sites_page_signs_nobody_in() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    join(&world, &tenant, "jan@example.nl", "agent").await;
    let body = json!({ "email": "jan@example.nl", "password": PASSWORD });
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = world.ask(Method::POST, "/api/sign-in").header(name, value);
        let refused = Answer::of(request.json(&body).send().await.unwrap()).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "cross_site_request")
        );
    }
    let form = world.ask(Method::POST, "/api/sign-in");
    let form = form
        .header("content-type", "text/plain")
        .body(body.to_string());
    let refused = Answer::of(form.send().await.unwrap()).await;
    assert_eq!(refused.problem(), "unsupported_content_type");
}

#[tokio::test]
async fn over_https_the_cookie_is_the_hosts_own() {
    let world = World::with(switchhook_api::ApiConfig {
        public_url: Some("https://cti.example.nl".to_owned()),
        ..config()
    })
    .await;
    let tenant = world.tenant("one").await;
    let jan = join(&world, &tenant, "jan@example.nl", "agent").await;
    let set = jan.answer.header("set-cookie");
    assert!(set.starts_with("__Host-switchhook_session="), "{set}");
    assert!(set.contains("; Secure") && set.contains("Path=/;"), "{set}");
    assert_eq!(jan.get("/api/me").await.status, 200);
    let planted = jan.cookie.replace("__Host-", "");
    let request = world.ask(Method::GET, "/api/me").header("cookie", planted);
    assert_eq!(Answer::of(request.send().await.unwrap()).await.status, 401);
}

#[tokio::test]
async fn sign_ins_and_changes_of_people_are_on_record() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let boss = join(&world, &tenant, "boss@example.nl", "admin").await;
    let jan = join(&world, &tenant, "jan@example.nl", "agent").await;
    sign_in(&world, "jan@example.nl", "wrong").await;
    sign_in(&world, "jan@example.nl", PASSWORD).await;
    let path = format!("/api/people/{}", jan.id());
    boss.send(Method::PATCH, &path, &json!({ "role": "supervisor" }))
        .await;
    let list = boss.get("/api/audit").await;
    let entry = |action: &str, status: u16| {
        let mut entries = list.body["data"].as_array().unwrap().iter();
        let found = entries.find(|one| one["action"] == action && one["status"] == status);
        found.unwrap_or_else(|| panic!("{action} {status} is missing: {}", list.text))
    };
    let change = entry("PATCH /api/people/{id}", 200);
    assert_eq!(change["actor"]["id"], boss.id());
    assert_eq!(change["before"]["role"], "agent");
    assert_eq!(change["after"]["data"]["role"], "supervisor");
    let failed = entry("POST /api/sign-in", 401);
    assert_eq!(failed["actor"]["kind"], "stranger");
    assert_eq!(failed["actor"]["id"], jan.id(), "whose account it was");
    assert_eq!(entry("POST /api/sign-in", 200)["actor"]["id"], jan.id());
    entry("POST /api/invitations/accept", 200);
    let invitation = entry("POST /internal/apps/{app_id}/people", 201);
    assert!(!invitation.to_string().contains("token="), "{invitation}");
    assert!(!list.text.contains(PASSWORD));
}

#[tokio::test]
async fn without_the_database_nobody_is_let_in() {
    let world = World::new().await;
    world.store.away.store(true, Ordering::Relaxed);
    let answer = sign_in(&world, "jan@example.nl", PASSWORD).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (503, "store_unavailable")
    );
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn another_apps_people_do_not_exist() {
    let world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let jan = join(&world, &one, "jan@example.nl", "admin").await;
    let eve = join(&world, &two, "eve@example.nl", "admin").await;
    let path = format!("/api/people/{}", jan.id());
    for answer in [
        eve.get(&path).await,
        eve.send(Method::PATCH, &path, &json!({ "name": "x" }))
            .await,
        eve.delete(&path).await,
        eve.send(Method::POST, &format!("{path}/reset-link"), &Value::Null)
            .await,
    ] {
        assert_eq!((answer.status, answer.problem()), (404, "person_not_found"));
    }
    let list = eve.get("/api/people").await;
    assert!(!list.text.contains("jan@example.nl"));
    // The same address in another app is somebody else.
    let same = invited(&world, &two, "jan@example.nl", "agent").await;
    assert_eq!(same.status, 201);
    assert!(OPERATOR.len() > 8 && jan.get("/api/me").await.status == 200);
}
