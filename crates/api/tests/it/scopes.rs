//! Every route × a key that lacks its scope, a key that has nothing else, and every role: what the
//! description says of a route is what the route does.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_engine::rights::{Role, Scope};

use crate::access::{Ids, Route, routes, send};
use crate::client::Answer;
use crate::signing::session;
use crate::world::{OPERATOR, Tenant, World};

/// Routes of callers that need no scope: anybody who is let in may ask who they are,
/// and look after their own account.
const FREE: &[&str] = &[
    "get_me",
    "get_status",
    "update_me",
    "change_own_password",
    "list_own_sessions",
    "end_own_sessions",
    "end_own_session",
];

/// The scope a route names for keys; `None` when it is not for callers, or open to anybody: a hook,
/// and the socket, which has a test of its own below.
fn scope(route: &Route) -> Option<Option<String>> {
    let ways = route.security.as_array()?;
    if ways.contains(&json!({})) {
        return None;
    }
    let key = ways.iter().find_map(|way| way.get("key"))?;
    let names = key.as_array().unwrap();
    assert!(names.len() < 2, "{} names several scopes", route.id);
    Some(names.first().map(|name| name.as_str().unwrap().to_owned()))
}

async fn key(world: &World, tenant: &Tenant, scopes: Vec<&str>) -> String {
    let path = format!("/internal/apps/{}/keys", tenant.id);
    let body = json!({ "scopes": scopes });
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["data"]["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn every_route_of_callers_names_its_scope() {
    for route in routes() {
        let Some(named) = scope(&route) else { continue };
        let id = route.id.as_str();
        match named {
            Some(name) => assert!(name.parse::<Scope>().is_ok(), "{id}: {name}"),
            None => assert!(
                FREE.contains(&id),
                "{id} names no scope, and is not among those that need none"
            ),
        }
    }
}

#[tokio::test]
async fn a_key_needs_the_scope_and_no_other() {
    let world = World::new().await;
    let (ids, tenant) = Ids::of(&world, "one").await;
    let mut walked = 0;
    for scope_asked in Scope::ALL {
        let name = scope_asked.as_str();
        let others = Scope::ALL.iter().filter(|other| *other != scope_asked);
        let without = key(
            &world,
            &tenant,
            others.map(|other| other.as_str()).collect(),
        )
        .await;
        let only = key(&world, &tenant, vec![name]).await;
        for route in routes() {
            if scope(&route).flatten().as_deref() != Some(name) {
                continue;
            }
            walked += 1;
            let ask = || world.ask(route.method.clone(), &ids.fill(&route));
            let lacking = send(ask().header("x-api-key", &without), &route).await;
            assert_eq!(
                (lacking.status, lacking.problem()),
                (403, "scope_missing"),
                "{}: {}",
                route.id,
                lacking.text
            );
            assert_eq!(lacking.body["scope"], name, "{}", route.id);
            // What it replaces or revokes would end the walk's own keys.
            if matches!(&*route.id, "rotate_own_key") {
                continue;
            }
            let having = send(ask().header("x-api-key", &only), &route).await;
            // Whoever changes people needs every right of theirs besides.
            let people = name == "people:write" && having.status == 403;
            let people = people && having.body["scope"].is_null();
            assert!(
                people || !matches!(having.status, 401 | 403),
                "{} with only {name}: {}",
                route.id,
                having.text
            );
        }
    }
    assert!(walked > 35, "only {walked} routes were walked");
}

#[tokio::test]
async fn roles_may_do_what_their_scopes_say_and_readers_change_nothing() {
    let world = World::new().await;
    for role in Role::ALL {
        let (ids, tenant) = Ids::of(&world, role.as_str()).await;
        let cookie = session(&world, &tenant, Some(role.as_str())).await;
        for route in routes() {
            let Some(Some(name)) = scope(&route) else {
                continue;
            };
            // What ends what the walk stands on, or asks platforms that are not there.
            let has = role.scopes().has(name.parse().unwrap());
            let looks = route.id == "look_caller_up";
            let changes = !looks && !matches!(route.method, Method::GET | Method::HEAD);
            if has && changes && role != Role::ReadOnly {
                continue;
            }
            let request = world
                .ask(route.method.clone(), &ids.fill(&route))
                .header("cookie", &cookie)
                .header("sec-fetch-site", "same-origin");
            let answer: Answer = send(request, &route).await;
            if has {
                assert!(!changes, "{role:?} may {}", route.id);
                // An agent sees what he may do to his own calls, and this one has none.
                let refused = matches!(answer.status, 401 | 403);
                let not_his = refused && answer.problem() == "not_own_extension";
                let refused = refused && !(role == Role::Agent && not_his);
                assert!(!refused, "{role:?} {}: {}", route.id, answer.text);
            } else {
                assert_eq!(
                    (answer.status, answer.problem()),
                    (403, "role_not_allowed"),
                    "{role:?} {}: {}",
                    route.id,
                    answer.text
                );
                assert_eq!(answer.body["scope"], Value::from(name), "{}", route.id);
            }
        }
    }
}

#[tokio::test]
async fn the_socket_wants_events_read() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let others = Scope::ALL
        .iter()
        .filter(|scope| **scope != Scope::EventsRead);
    let without = key(
        &world,
        &tenant,
        others.map(|scope| scope.as_str()).collect(),
    )
    .await;
    let only = key(&world, &tenant, vec!["events:read"]).await;
    let mut refused = world.connect("", &[("x-api-key", &without)]).await;
    assert_eq!(refused.closed().await, 4403);
    let mut let_in = world.connect("", &[("x-api-key", &only)]).await;
    assert_eq!(let_in.frame().await["type"], "hello");
    let free = world.ask(Method::GET, "/api/me").header("x-api-key", &only);
    assert_eq!(free.send().await.unwrap().status(), 200);
    let operator = world.ask(Method::GET, "/api/keys").bearer_auth(OPERATOR);
    assert_eq!(operator.send().await.unwrap().status(), 401);
}
