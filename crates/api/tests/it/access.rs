//! Every route of the description × no credential, a wrong one, another app's id. A route that is
//! not covered fails the test, so a new one cannot be forgotten.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchhook_domain::id::{CallId, DialId, IdMint};
use switchhook_engine::ports::{Clock, Entropy, SystemEntropy};
use switchhook_engine::store::{Dial, DialState, DialStore};

use crate::client::Answer;
use crate::world::{OPERATOR, World, fixture, ringing};

/// What a route may want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Nothing,
    Caller,
    Operator,
    /// A caller or an operator.
    Either,
    Upgrade,
    /// The hook of a connection whose platform opens a socket to us; no other.
    Awaited,
    /// A platform that tells by GET; no other.
    ToldByGet,
}

/// Every operation and what it wants, written down here by hand: the description is compared
/// with it, not trusted.
const OPERATIONS: &[(&str, Wants)] = &[
    ("get_page", Wants::Nothing),
    ("get_health", Wants::Nothing),
    ("get_ready", Wants::Nothing),
    ("get_openapi", Wants::Nothing),
    ("get_docs", Wants::Nothing),
    ("get_error_page", Wants::Nothing),
    ("sign_in", Wants::Nothing),
    ("sign_out", Wants::Nothing),
    ("take_webhook", Wants::Nothing),
    ("take_webhook_by_get", Wants::ToldByGet),
    ("connect_pbx", Wants::Awaited),
    ("take_dialpad_webhook", Wants::Nothing),
    ("listen", Wants::Upgrade),
    ("list_calls", Wants::Caller),
    ("list_active_calls", Wants::Caller),
    ("get_call", Wants::Caller),
    ("list_events", Wants::Caller),
    ("get_transcript", Wants::Caller),
    ("list_messages", Wants::Caller),
    ("get_message", Wants::Caller),
    ("list_recordings", Wants::Caller),
    ("get_recording", Wants::Caller),
    ("list_voicemails", Wants::Caller),
    ("get_voicemail", Wants::Caller),
    ("delete_voicemail", Wants::Caller),
    ("list_presence", Wants::Caller),
    ("list_contacts", Wants::Caller),
    ("create_contact", Wants::Caller),
    ("import_contacts", Wants::Caller),
    ("get_contact", Wants::Caller),
    ("delete_contact", Wants::Caller),
    ("list_tasks", Wants::Caller),
    ("create_task", Wants::Caller),
    ("get_task", Wants::Caller),
    ("update_task", Wants::Caller),
    ("claim_task", Wants::Caller),
    ("release_task", Wants::Caller),
    ("assign_task", Wants::Caller),
    ("add_task_attempt", Wants::Caller),
    ("complete_task", Wants::Caller),
    ("reopen_task", Wants::Caller),
    ("assign_tasks", Wants::Caller),
    ("add_callback_attempt", Wants::Caller),
    ("claim_callback", Wants::Caller),
    ("complete_callback", Wants::Caller),
    ("reassign_callback", Wants::Caller),
    ("get_me", Wants::Caller),
    ("get_status", Wants::Caller),
    ("get_metrics", Wants::Operator),
    ("create_app", Wants::Operator),
    ("list_apps", Wants::Operator),
    ("get_app", Wants::Operator),
    ("create_sign_in_link", Wants::Operator),
    ("change_app", Wants::Operator),
    ("create_key", Wants::Operator),
    ("list_keys", Wants::Operator),
    ("rename_key", Wants::Operator),
    ("rotate_key", Wants::Operator),
    ("revoke_key", Wants::Operator),
    ("create_or_rotate_api_key", Wants::Operator),
    ("rotate_api_key", Wants::Operator),
    ("revoke_api_keys", Wants::Operator),
    ("get_api_key_status", Wants::Operator),
    ("list_api_key_audit", Wants::Operator),
    ("create_connection", Wants::Operator),
    ("list_connections", Wants::Operator),
    ("get_connection", Wants::Operator),
    ("update_connection", Wants::Operator),
    ("rotate_webhook_secret", Wants::Operator),
    ("delete_connection", Wants::Operator),
];
/// The rest of them; an array of its own so that both stay readable.
const MORE: &[(&str, Wants)] = &[
    ("list_agents", Wants::Caller),
    ("create_agent", Wants::Caller),
    ("get_agent", Wants::Caller),
    ("update_agent", Wants::Caller),
    ("delete_agent", Wants::Caller),
    ("batch_agents", Wants::Caller),
    ("list_platform_users", Wants::Caller),
    ("match_agents", Wants::Caller),
    ("create_agent_identity", Wants::Caller),
    ("delete_agent_identity", Wants::Caller),
    ("create_agent_token", Wants::Caller),
    ("delete_agent_token", Wants::Caller),
    ("map_user", Wants::Operator),
    ("map_users", Wants::Operator),
    ("list_user_mappings", Wants::Operator),
    ("get_user_mapping", Wants::Operator),
    ("get_user_mapping_by_crm", Wants::Operator),
    ("delete_user_mapping", Wants::Operator),
    ("delete_user_mapping_by_user", Wants::Operator),
    ("list_sign_in_options", Wants::Nothing),
    ("sign_in_with_password", Wants::Nothing),
    ("set_up", Wants::Nothing),
    ("look_at_invitation", Wants::Nothing),
    ("accept_invitation", Wants::Nothing),
    ("begin_oidc_sign_in", Wants::Nothing),
    ("finish_oidc_sign_in", Wants::Nothing),
    ("update_me", Wants::Caller),
    ("change_own_password", Wants::Caller),
    ("list_own_sessions", Wants::Caller),
    ("end_own_sessions", Wants::Caller),
    ("end_own_session", Wants::Caller),
    ("list_people", Wants::Caller),
    ("invite_person", Wants::Caller),
    ("get_person", Wants::Caller),
    ("update_person", Wants::Caller),
    ("delete_person", Wants::Caller),
    ("create_password_link", Wants::Caller),
    ("invite_person_as_operator", Wants::Operator),
    ("list_own_connections", Wants::Caller),
    ("place_call", Wants::Caller),
    ("get_dial", Wants::Caller),
    ("click_to_dial", Wants::Caller),
    ("click_to_dial_inherited", Wants::Caller),
    ("list_call_actions", Wants::Caller),
    ("control_call", Wants::Caller),
    ("get_dial_policy", Wants::Caller),
    ("set_dial_policy", Wants::Caller),
    ("list_own_keys", Wants::Caller),
    ("create_own_key", Wants::Caller),
    ("rename_own_key", Wants::Caller),
    ("rotate_own_key", Wants::Caller),
    ("revoke_own_key", Wants::Caller),
    ("list_audit", Wants::Caller),
    ("list_operator_audit", Wants::Operator),
    ("export_audit", Wants::Caller),
    ("export_operator_audit", Wants::Operator),
    ("diagnose_own_connection", Wants::Caller),
    ("test_connection", Wants::Caller),
    ("diagnose_connection", Wants::Operator),
    ("create_platform_link", Wants::Operator),
    ("authorize", Wants::Either),
    ("begin_platform_sign_in", Wants::Either),
    ("connect_platform", Wants::Either),
    ("finish_platform_sign_in", Wants::Nothing),
    ("disconnect_platform", Wants::Either),
    ("take_pipelinq_webhook", Wants::Nothing),
    ("take_pipelinq_webhook_in_nextcloud", Wants::Nothing),
    ("get_mapping", Wants::Operator),
    ("put_mapping", Wants::Operator),
    ("delete_mapping", Wants::Operator),
    ("list_platforms", Wants::Operator),
    ("list_notifications", Wants::Operator),
    ("create_dialpad_webhook", Wants::Operator),
    ("list_dialpad_webhooks", Wants::Operator),
    ("get_dialpad_webhook", Wants::Operator),
    ("delete_dialpad_webhook", Wants::Operator),
    ("list_voicemails_of_app", Wants::Operator),
    ("get_voicemail_of_app", Wants::Operator),
    ("delete_voicemail_of_app", Wants::Operator),
    ("get_websocket_stats", Wants::Operator),
];
/// What comes after a call.
const WORK: &[(&str, Wants)] = &[
    ("list_contact_moments", Wants::Caller),
    ("get_contact_moment", Wants::Caller),
    ("save_contact_moment_draft", Wants::Caller),
    ("give_disposition", Wants::Caller),
    ("choose_contact", Wants::Caller),
    ("take_in_caller", Wants::Caller),
    ("stay_in_wrap_up", Wants::Caller),
    ("get_work_settings", Wants::Caller),
    ("set_work_settings", Wants::Caller),
    ("look_caller_up", Wants::Caller),
    ("give_disposition_inherited", Wants::Caller),
    ("attach_recording_inherited", Wants::Caller),
    ("get_cti_config", Wants::Caller),
    ("set_cti_config", Wants::Caller),
    ("read_cti_event_log", Wants::Caller),
];

/// A dial of a tenant, as stored.
async fn dial(world: &World, tenant: &crate::world::Tenant, hook: &crate::world::Hook) -> String {
    let now = world.clock.now();
    let id = DialId(IdMint::new(now, SystemEntropy.random()).uuid());
    let dial = Dial {
        id,
        app_id: tenant.id.parse().unwrap(),
        connection_id: hook.connection_id.parse().unwrap(),
        call_id: CallId(id.0),
        idempotency_key: None,
        request_digest: [0; 32],
        agent_extension: Some("100".to_owned()),
        agent_user_id: None,
        target: "200".to_owned(),
        caller_id: None,
        requested_by: "test".to_owned(),
        state: DialState::Joined,
        failure: None,
        platform_keys: Vec::new(),
        requested_at: now,
        placed_at: None,
        settled_at: None,
        due_at: None,
    };
    world.store.create_dial(&dial).await.unwrap();
    id.to_string()
}

/// An agent of a tenant, a token of theirs, and the name a user of Dialpad is mapped by.
async fn agent(
    world: &World,
    tenant: &crate::world::Tenant,
    name: &str,
) -> (String, String, String) {
    let mapped = json!({"dialpad_user_id": 77, "crm_user_id": format!("crm-{name}")});
    let path = format!("/internal/apps/{}/users/map", tenant.id);
    let mapped = world.operate(Method::POST, &path, Some(&mapped)).await.body;
    let agents = world.get(tenant, "/api/agents").await.body;
    let agent = &agents["data"][0]["id"];
    let token = world
        .post(tenant, "/api/agent-tokens", &json!({"agent_id": agent}))
        .await
        .body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        text(agent),
        text(&token["data"]["id"]),
        text(&mapped["data"]["id"]),
    )
}

pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) security: Value,
}

pub(crate) fn routes() -> Vec<Route> {
    let api = serde_json::to_value(switchhook_api::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, about) in item.as_object().unwrap() {
            routes.push(Route {
                id: about["operationId"].as_str().unwrap().to_owned(),
                method: method.to_ascii_uppercase().parse().unwrap(),
                path: path.clone(),
                security: about["security"].clone(),
            });
        }
    }
    routes
}

/// Real ids of one app for every parameter of a path.
pub(crate) struct Ids(BTreeMap<&'static str, String>);

impl Ids {
    pub(crate) async fn of(world: &World, name: &str) -> (Self, crate::world::Tenant) {
        let tenant = world.tenant(name).await;
        let hook = world.hook(&tenant).await;
        world.ring(&hook, 1).await;
        let call = world.get(&tenant, "/api/calls").await.body["data"][0]["id"].clone();
        let contact = json!({"name": "Jan", "numbers": ["0612345678"]});
        let contact =
            world.post(&tenant, "/api/contacts", &contact).await.body["data"]["id"].clone();
        let keys = format!("/internal/apps/{}/keys", tenant.id);
        let task = json!({"type": "opvolgtaak", "subject": "x"});
        let task = world.post(&tenant, "/api/tasks", &task).await.body["data"]["id"].clone();
        let key = world.operate(Method::GET, &keys, None).await.body["data"][0]["id"].clone();
        for (scenario, name) in [
            ("recording-late", "02_recording"),
            ("missed-voicemail", "04_voicemail_uploaded"),
            ("sms", "01_inbound"),
        ] {
            world.dialpad(&hook, &fixture(scenario, name)).await;
        }
        let joined = crate::people::join(world, &tenant, "walk@example.nl", "admin").await;
        let person = joined.answer.body["data"]["user"]["id"].clone();
        let sessions = joined.get("/api/me/sessions").await.body;
        let session = sessions["data"][0]["id"].as_str().unwrap().to_owned();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let first = async |list: &str| text(&world.get(&tenant, list).await.body["data"][0]["id"]);
        let agent = agent(world, &tenant, name).await;
        let ids = BTreeMap::from([
            ("call", text(&call)),
            ("recording", first("/api/recordings").await),
            ("voicemail", first("/api/voicemails").await),
            ("message", first("/api/messages").await),
            ("contact", text(&contact)),
            ("task", text(&task)),
            ("app_id", tenant.id.clone()),
            ("key_id", text(&key)),
            ("connection_id", hook.connection_id.clone()),
            ("platform", "dialpad".to_owned()),
            ("hook_id", hook.path.rsplit('/').next().unwrap().to_owned()),
            ("code", "call_not_found".to_owned()),
            ("webhook_id", "5600000000000001".to_owned()),
            ("action", "hangup".to_owned()),
            ("dial", dial(world, &tenant, &hook).await),
            ("agent", agent.0),
            ("agent-token", agent.1),
            ("identity_id", agent.2.clone()),
            ("mapping_id", agent.2),
            ("dialpad_user_id", "77".to_owned()),
            ("crm_user_id", format!("crm-{name}")),
            ("people", text(&person)),
            ("session", session),
        ]);
        (Self(ids), tenant)
    }

    pub(crate) fn fill(&self, route: &Route) -> String {
        let kinds = [
            "agent",
            "agent-token",
            "contact",
            "dial",
            "recording",
            "voicemail",
            "message",
            "session",
            "task",
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| route.path.contains(&format!("/{kind}s/")));
        let people = route.path.contains("/people/").then_some("people");
        let callback = route.path.contains("/callbacks/").then_some("task");
        let id = kind.or(people).or(callback).unwrap_or("call");
        let mut path = route.path.replace("{id}", &self.0[id]);
        for (name, value) in &self.0 {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(
            !path.contains('{'),
            "{path} has a parameter this test does not know"
        );
        path
    }
}

/// With an idempotency key where routes may take one: it opens no way around a check.
fn under_a_key(request: RequestBuilder, route: &Route) -> RequestBuilder {
    match route.method {
        Method::POST => request.header("idempotency-key", "walk"),
        _ => request,
    }
}

pub(crate) async fn send(request: RequestBuilder, route: &Route) -> Answer {
    let request = match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/api/contacts/import") => request.json(&json!([])),
        ("POST", path) if path.ends_with("/contacts") => {
            request.json(&json!({"name": "x", "numbers": []}))
        }
        ("POST", path) if path.ends_with("/people") => {
            request.json(&json!({"email": "x@example.nl", "role": "agent"}))
        }
        ("POST", path) if path.ends_with("/apps") => request.json(&json!({"name": "x"})),
        ("POST", path) if path.ends_with("/connections") => {
            request.json(&json!({"platform": "dialpad"}))
        }
        ("POST", path) if path.ends_with("/identities") => {
            request.json(&json!({"kind": "extension", "value": "1"}))
        }
        ("POST", path) if path.ends_with("/disposition") => {
            request.json(&json!({"subject": "x", "outcome": "resolved"}))
        }
        ("POST", path) if path.ends_with("}/contact") => request.json(&json!({"name": "x"})),
        ("PUT", path) if path.ends_with("}/contact") => request.json(&json!({"contact_id": null})),
        ("POST", path) if path.ends_with("/wrap-up") => request.json(&json!({"until": null})),
        ("POST", path) if path.ends_with("/recording") => {
            request.json(&json!({"recordingUrl": "https://x.example/r"}))
        }
        ("PATCH", "/api/contact-moments/{id}") => request.json(&json!({"notes": "x"})),
        ("PATCH", _) => request.json(&json!({"name": "x"})),
        _ => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

#[test]
fn every_route_is_covered() {
    let known: BTreeMap<_, _> = OPERATIONS.iter().chain(MORE).chain(WORK).copied().collect();
    for route in routes() {
        let wants = known.get(route.id.as_str());
        let wants = wants.unwrap_or_else(|| panic!("{} is not covered by this test", route.id));
        let says = |name: &str| {
            route
                .security
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one.get(name).is_some())
        };
        let open = route
            .security
            .as_array()
            .unwrap()
            .iter()
            .any(|one| *one == json!({}));
        let described = match wants {
            Wants::Nothing | Wants::Awaited | Wants::ToldByGet => open,
            Wants::Caller => says("key") && says("session") && !open,
            Wants::Operator => says("operator") && !open,
            Wants::Either => says("operator") && says("key") && says("session") && !open,
            Wants::Upgrade => says("key") && says("key_query") && says("session"),
        };
        assert!(
            described,
            "{} is described with {}",
            route.id, route.security
        );
    }
    assert_eq!(
        routes().len(),
        known.len(),
        "a route of this test is not in the description"
    );
}

/// What a route of one platform answers: the hook of this walk is Dialpad's, and
/// tests/it/{pbx_socket,hooks_by_get}.rs have the right ones.
fn of_another(id: &str) -> (u16, &'static str) {
    match id {
        "take_webhook_by_get" => (405, "method_not_allowed"),
        _ => (404, "hook_not_found"),
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_right_credential() {
    let world = World::new().await;
    let (ids, tenant) = Ids::of(&world, "one").await;
    let known: BTreeMap<_, _> = OPERATIONS.iter().chain(MORE).chain(WORK).copied().collect();
    let wrong_key = format!("sh_{}_{}", &tenant.key[3..11], "A".repeat(43));
    for route in routes() {
        let path = ids.fill(&route);
        let ask = || under_a_key(world.ask(route.method.clone(), &path), &route);
        let id = &route.id;
        match known[id.as_str()] {
            Wants::Nothing => {
                let answer = send(ask(), &route).await;
                assert!(
                    !matches!(answer.status, 403 | 404 | 405 | 500),
                    "{id}: {}",
                    answer.status
                );
            }
            Wants::Awaited | Wants::ToldByGet => {
                let answer = send(ask(), &route).await;
                assert_eq!((answer.status, answer.problem()), of_another(id));
            }
            Wants::Upgrade => {
                let answer = send(ask(), &route).await;
                assert_eq!(
                    (answer.status, answer.problem()),
                    (426, "upgrade_required"),
                    "{id}"
                );
            }
            Wants::Caller => {
                let none = send(ask(), &route).await;
                assert_eq!((none.status, none.problem()), (401, "key_missing"), "{id}");
                for bad in ["", "x", "sh_", &wrong_key, &tenant.key[1..], &tenant.id] {
                    let wrong = send(ask().header("x-app-api-key", bad), &route).await;
                    assert_eq!(
                        (wrong.status, wrong.problem()),
                        (401, "key_invalid"),
                        "{id} {bad}"
                    );
                }
                let operator = send(ask().bearer_auth(OPERATOR), &route).await;
                assert_eq!(
                    operator.status, 401,
                    "{id}: the operator's secret is no key"
                );
                let cookie = ask()
                    .header("cookie", "switchhook_session=nonsense")
                    .header("sec-fetch-site", "same-origin");
                assert_eq!(send(cookie, &route).await.problem(), "key_invalid", "{id}");
            }
            Wants::Either => {
                let none = send(ask(), &route).await;
                assert_eq!((none.status, none.problem()), (401, "key_missing"), "{id}");
                let wrong = send(ask().header("x-app-api-key", &wrong_key), &route).await;
                assert_eq!(
                    (wrong.status, wrong.problem()),
                    (401, "key_invalid"),
                    "{id}"
                );
                let wrong = send(ask().bearer_auth(&tenant.key), &route).await;
                assert_eq!(wrong.problem(), "operator_secret_wrong", "{id}");
            }
            Wants::Operator => {
                let none = send(ask(), &route).await;
                assert_eq!(
                    (none.status, none.problem()),
                    (401, "operator_secret_missing"),
                    "{id}"
                );
                let basic = send(ask().basic_auth("a", Some(OPERATOR)), &route).await;
                assert_eq!(basic.problem(), "operator_secret_missing", "{id}");
                for bad in ["x", &OPERATOR[1..], &format!("{OPERATOR}x"), &tenant.key] {
                    let wrong = send(ask().bearer_auth(bad), &route).await;
                    assert_eq!(
                        (wrong.status, wrong.problem()),
                        (403, "operator_secret_wrong"),
                        "{id}"
                    );
                }
                let key = send(ask().header("x-app-api-key", &tenant.key), &route).await;
                assert_eq!(
                    key.status, 401,
                    "{id}: an app's key is no operator's secret"
                );
            }
        }
    }
    nothing_has_changed(&world, &tenant).await;
}

async fn nothing_has_changed(world: &World, tenant: &crate::world::Tenant) {
    assert_eq!(
        world.get(tenant, "/api/contacts").await.body["pagination"]["total"],
        1
    );
    let apps = world.operate(Method::GET, "/internal/apps", None).await;
    assert_eq!(apps.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_belongs_to_another_app_does_not_exist() {
    let world = World::new().await;
    let (theirs, them) = Ids::of(&world, "them").await;
    let (ours, us) = Ids::of(&world, "us").await;
    let mut covered = 0;
    for route in routes() {
        let mut mixed = BTreeMap::clone(&theirs.0);
        mixed.insert("app_id", ours.0["app_id"].clone());
        let path = Ids(mixed).fill(&route);
        let takes_id = ["{id}", "{key_id}", "{connection_id}", "{mapping_id}"];
        if !takes_id.iter().any(|name| route.path.contains(name)) {
            continue;
        }
        covered += 1;
        let request = under_a_key(world.ask(route.method.clone(), &path), &route);
        let request = if route.path.starts_with("/internal") {
            request.bearer_auth(OPERATOR)
        } else {
            request.header("x-app-api-key", &us.key)
        };
        let answer = send(request, &route).await;
        assert_eq!(answer.status, 404, "{}: {}", route.id, answer.text);
        assert!(answer.problem().ends_with("_not_found"), "{}", route.id);
    }
    assert_eq!(covered, 59);
    // Theirs is still there.
    let call = &theirs.0["call"];
    assert_eq!(
        world.get(&them, &format!("/api/calls/{call}")).await.status,
        200
    );
    assert_eq!(
        world.get(&them, "/api/contacts").await.body["pagination"]["total"],
        1
    );
    assert_eq!(
        world.get(&them, "/api/me").await.body["data"]["app"]["id"],
        them.id
    );
    let list = world.get(&us, "/api/calls").await.body;
    assert_ne!(list["data"][0]["id"], theirs.0["call"]);
    assert_eq!(list["pagination"]["total"], 3);
    for list in ["/api/recordings", "/api/voicemails", "/api/messages"] {
        let (own, other) = (world.get(&us, list).await, world.get(&them, list).await);
        assert_eq!(own.body["pagination"]["total"], 1, "{list}");
        assert_ne!(own.body["data"][0]["id"], other.body["data"][0]["id"]);
    }
    // And so are their events.
    let (mut listener, ..) = world.listen(&us).await;
    let hook = world.hook(&them).await;
    world.dialpad(&hook, &ringing(2)).await;
    let own = world.hook(&us).await;
    world.dialpad(&own, &ringing(3)).await;
    let frame = listener.frame().await;
    assert_eq!(frame["from_number"], "+31612000003");
}

#[tokio::test]
async fn without_a_secret_the_operators_routes_are_closed() {
    for secret in [None, Some(""), Some("  ")] {
        let config = switchhook_api::ApiConfig {
            internal_secret: secret.map(switchhook_engine::adapter::Secret::new),
            ..crate::world::config()
        };
        let world = World::with(config).await;
        for bearer in ["", " ", "x"] {
            let request = world.ask(Method::GET, "/internal/apps");
            let request = request.header("authorization", format!("Bearer {bearer}"));
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (503, "operator_secret_not_set")
            );
        }
    }
}
