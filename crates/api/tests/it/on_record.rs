//! Every operation that changes something × the audit log: each is done once as its users do it,
//! and leaves an entry with what was so before, where something was, and what is so now. An
//! operation of the description that is neither done here nor excused with a reason fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::signal::{LegFact, LegKind, Party, Signal};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{AuditEntry, AuditQuery, AuditStore};

use crate::access::routes;
use crate::client::Answer;
use crate::contract::webhooks;
use crate::dialling::scripted::{Reply, Script, Scripted};
use crate::oauth;
use crate::people::{Browser, PASSWORD, join, post};
use crate::world::{Hook, OPERATOR, Tenant, World, config, fixture};

/// Operations that are not looked for in the log, each with the reason.
const EXCUSED: [(&str, &str); 7] = [
    (
        "save_contact_moment_draft",
        "comes every few seconds while somebody writes; the disposition is on record",
    ),
    (
        "match_agents",
        "has a test of its own, beside a platform that lists its users: matching.rs",
    ),
    (
        "take_webhook",
        "what platforms post is kept as notifications; what is not believed is told",
    ),
    ("take_dialpad_webhook", "the same"),
    ("take_pipelinq_webhook", "the same"),
    ("take_pipelinq_webhook_in_nextcloud", "the same"),
    (
        "look_at_invitation",
        "looks, and uses nothing up; a link that is none is a refusal",
    ),
];

/// What an entry must have on its side of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// What was there.
    Was,
    /// Nothing: it was made just now.
    New,
    /// Nothing, though something was there; the reason.
    Silent(&'static str),
}
use Before::{New, Silent, Was};

/// Everything that is done to one app of one world.
struct Walk<'a> {
    world: &'a World,
    tenant: &'a Tenant,
    done: &'a mut BTreeSet<String>,
}

impl Walk<'_> {
    fn app(&self, method: Method, path: &str) -> RequestBuilder {
        self.world
            .ask(method, path)
            .header("x-api-key", &self.tenant.key)
    }

    fn operator(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.replace("{app}", &self.tenant.id);
        self.world.ask(method, &path).bearer_auth(OPERATOR)
    }

    /// Sends it as the app, and looks for its entry.
    async fn by_app(&mut self, id: &str, before: Before, path: &str, body: Value) -> Answer {
        let request = self.app(method(id), path);
        self.deed(id, before, with(request, body)).await
    }

    async fn by_operator(&mut self, id: &str, before: Before, path: &str, body: Value) -> Answer {
        let request = self.operator(method(id), path);
        self.deed(id, before, with(request, body)).await
    }

    async fn deed(&mut self, id: &str, before: Before, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!((200..300).contains(&answer.status), "{id}: {}", answer.text);
        let entry = self.entry(&answer).await;
        let entry = entry.unwrap_or_else(|| panic!("{id} is not on record"));
        let route = routes().into_iter().find(|route| route.id == id).unwrap();
        assert_eq!(
            entry.action,
            format!("{} {}", route.method, route.path),
            "{id}"
        );
        assert_eq!(entry.status, answer.status, "{id}");
        let side = |side: &Option<String>| -> Value {
            let text = side.as_deref().unwrap_or("null");
            serde_json::from_str(text).unwrap()
        };
        let (was, is) = (side(&entry.before), side(&entry.after));
        assert_eq!(!was.is_null(), before == Was, "{id}, {before:?}: {was}");
        assert_eq!(is.is_object(), answer.status != 204, "{id}: {is}");
        if answer.status == 204 {
            assert_ne!(before, New, "{id} says nothing at all");
        }
        // Only what nobody's app is concerned with stands in the operators' own log.
        let of_server = id == "create_app" || id.ends_with("_mapping") && !id.contains("user");
        assert_eq!(entry.app_id.is_none(), of_server, "{id}: whose log");
        self.done.insert(id.to_owned());
        answer
    }

    async fn entry(&self, answer: &Answer) -> Option<AuditEntry> {
        let request = answer.header("x-request-id");
        let newest = AuditQuery {
            limit: 10,
            ..AuditQuery::default()
        };
        for chain in self.world.store.audit_chains().await.unwrap() {
            let entries = self.world.store.audit(chain, &newest).await.unwrap();
            let mut entries = entries.into_iter();
            if let Some(found) = entries.find(|one| one.request_id.as_deref() == Some(request)) {
                return Some(found);
            }
        }
        None
    }
}

fn method(id: &str) -> Method {
    let route = routes().into_iter().find(|route| route.id == id);
    route.unwrap_or_else(|| panic!("there is no {id}")).method
}

fn with(request: RequestBuilder, body: Value) -> RequestBuilder {
    match body {
        Value::Null => request,
        body => request.json(&body),
    }
}

fn id(answer: &Answer) -> String {
    let id = &answer.body["data"]["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{}", answer.text))
        .to_owned()
}

fn token(answer: &Answer) -> String {
    let url = answer.body["data"]["url"].as_str().unwrap();
    url.split_once("token=").unwrap().1.to_owned()
}

async fn apps_and_keys(walk: &mut Walk<'_>) {
    walk.by_operator(
        "create_app",
        New,
        "/internal/apps",
        json!({"name": "Another"}),
    )
    .await;
    walk.by_operator(
        "change_app",
        Was,
        "/internal/apps/{app}",
        json!({"name": "Two"}),
    )
    .await;
    let link = "/internal/apps/{app}/sign-in-link";
    walk.by_operator("create_sign_in_link", New, link, Value::Null)
        .await;
    let keys = "/internal/apps/{app}/keys";
    let made = walk
        .by_operator("create_key", New, keys, json!({"name": "CRM"}))
        .await;
    let one = format!(
        "{keys}/{}",
        made.body["data"]["key"]["id"].as_str().unwrap()
    );
    walk.by_operator("rename_key", Was, &one, json!({"name": "X"}))
        .await;
    let rotated = format!("{one}/rotate");
    walk.by_operator("rotate_key", Was, &rotated, json!({"overlap_seconds": 60}))
        .await;
    walk.by_operator("revoke_key", Was, &one, Value::Null).await;

    let made = walk
        .by_app("create_own_key", New, "/api/keys", json!({"name": "Own"}))
        .await;
    let one = format!(
        "/api/keys/{}",
        made.body["data"]["key"]["id"].as_str().unwrap()
    );
    walk.by_app("rename_own_key", Was, &one, json!({"name": "Y"}))
        .await;
    let rotated = format!("{one}/rotate");
    walk.by_app(
        "rotate_own_key",
        Was,
        &rotated,
        json!({"overlap_seconds": 60}),
    )
    .await;
    walk.by_app("revoke_own_key", Was, &one, Value::Null).await;
}

/// By the predecessor's routes, in an app of their own: they revoke the key the walk stands on.
async fn inherited_keys(walk: &mut Walk<'_>) {
    let path = "/internal/apps/{app}/api-key";
    walk.by_operator("create_or_rotate_api_key", Was, path, Value::Null)
        .await;
    walk.by_operator(
        "rotate_api_key",
        Was,
        &format!("{path}/rotate"),
        Value::Null,
    )
    .await;
    walk.by_operator(
        "revoke_api_keys",
        Was,
        &format!("{path}/revoke"),
        Value::Null,
    )
    .await;
    walk.by_operator("create_or_rotate_api_key", New, path, Value::Null)
        .await;
}

async fn connections(walk: &mut Walk<'_>) {
    let path = "/internal/apps/{app}/connections";
    let body = json!({"platform": "dialpad", "name": "D", "config": {}});
    let made = walk.by_operator("create_connection", New, path, body).await;
    let one = format!("{path}/{}", id(&made));
    walk.by_operator("update_connection", Was, &one, json!({"name": "E"}))
        .await;
    let secret = format!("{one}/webhook-secret");
    walk.by_operator("rotate_webhook_secret", Was, &secret, Value::Null)
        .await;
    walk.by_operator("delete_connection", Was, &one, Value::Null)
        .await;
    let path = "/internal/platforms/acme/mapping";
    for before in [New, Was] {
        let text = crate::mappings::ACME;
        let request = walk
            .operator(Method::PUT, path)
            .header("content-type", "application/toml");
        walk.deed("put_mapping", before, request.body(text)).await;
    }
    walk.by_operator("delete_mapping", Was, path, Value::Null)
        .await;
}

async fn contacts_and_agents(walk: &mut Walk<'_>) {
    let jan = json!({"name": "Jan", "numbers": ["0612345678"]});
    let made = walk
        .by_app("create_contact", New, "/api/contacts", jan.clone())
        .await;
    walk.by_app("import_contacts", New, "/api/contacts/import", json!([jan]))
        .await;
    let one = format!("/api/contacts/{}", id(&made));
    walk.by_app("delete_contact", Was, &one, Value::Null).await;

    let anna = json!({"name": "Anna", "email": "anna@example.nl"});
    let made = walk
        .by_app("create_agent", New, "/api/agents", anna.clone())
        .await;
    let one = format!("/api/agents/{}", id(&made));
    walk.by_app("update_agent", Was, &one, json!({"active": true}))
        .await;
    let identities = format!("{one}/identities");
    let extension = json!({"kind": "extension", "value": "100"});
    let named = walk
        .by_app("create_agent_identity", Was, &identities, extension)
        .await;
    let identity = named.body["data"]["identities"][0]["id"].as_str().unwrap();
    let identity = format!("{identities}/{identity}");
    walk.by_app("delete_agent_identity", Was, &identity, Value::Null)
        .await;
    let tokens = "/api/agent-tokens";
    let asked = json!({"agent_id": id(&made)});
    let minted = walk.by_app("create_agent_token", New, tokens, asked).await;
    let token = format!("{tokens}/{}", id(&minted));
    let silent = Silent("whose it was is in the entry of its minting, under the same id");
    walk.by_app("delete_agent_token", silent, &token, Value::Null)
        .await;
    walk.by_app(
        "batch_agents",
        Was,
        "/api/agents/batch",
        json!({"agents": [anna]}),
    )
    .await;
    let new = json!({"agents": [{"name": "Piet", "email": "piet@example.nl"}]});
    walk.by_app("batch_agents", New, "/api/agents/batch", new)
        .await;
    walk.by_app("delete_agent", Was, &one, Value::Null).await;

    let users = "/internal/apps/{app}/users";
    let map = |crm: &str| json!({"dialpad_user_id": 77, "crm_user_id": crm});
    let one = format!("{users}/map");
    let made = walk.by_operator("map_user", New, &one, map("a")).await;
    walk.by_operator("map_user", Was, &one, map("b")).await;
    let many = format!("{users}/batch-map");
    walk.by_operator("map_users", Was, &many, json!({"mappings": [map("c")]}))
        .await;
    let by_id = format!("{users}/mappings/{}", id(&made));
    walk.by_operator("delete_user_mapping", Was, &by_id, Value::Null)
        .await;
    walk.by_operator("map_users", New, &many, json!({"mappings": [map("d")]}))
        .await;
    let by_user = format!("{users}/mappings/dialpad/77");
    walk.by_operator("delete_user_mapping_by_user", Was, &by_user, Value::Null)
        .await;
}

async fn tasks(walk: &mut Walk<'_>) {
    let anna = json!({"name": "Anna"});
    let anna = walk.world.agent(walk.tenant, &anna).await["id"].clone();
    let new = json!({"type": "terugbelverzoek", "subject": "Offerte"});
    let made = walk.by_app("create_task", New, "/api/tasks", new).await;
    let one = format!("/api/tasks/{}", id(&made));
    let step = |step: &str| format!("{one}/{step}");
    walk.by_app("update_task", Was, &one, json!({"priority": "hoog"}))
        .await;
    let claim = json!({"agent_id": anna});
    walk.by_app("claim_task", Was, &step("claim"), claim).await;
    walk.by_app("release_task", Was, &step("release"), Value::Null)
        .await;
    let assign = json!({"agent_id": anna});
    walk.by_app("assign_task", Was, &step("assign"), assign)
        .await;
    let attempt = json!({"result": "geen_gehoor"});
    walk.by_app("add_task_attempt", Was, &step("attempts"), attempt)
        .await;
    walk.by_app("complete_task", Was, &step("complete"), Value::Null)
        .await;
    walk.by_app("reopen_task", Was, &step("reopen"), Value::Null)
        .await;
    let many = json!({"task_ids": [id(&made)], "agent_id": null});
    walk.by_app("assign_tasks", Was, "/api/tasks/assign", many)
        .await;
    let one = one.replace("tasks", "callbacks");
    let step = |step: &str| format!("{one}/{step}");
    let claim = json!({"agentId": anna});
    walk.by_app("claim_callback", Was, &step("claim"), claim)
        .await;
    let attempt = json!({"result": "niet_bereikbaar"});
    walk.by_app("add_callback_attempt", Was, &step("attempts"), attempt)
        .await;
    let group = json!({"assignee": "Verkoop", "assigneeType": "group"});
    walk.by_app("reassign_callback", Was, &step("reassign"), group)
        .await;
    let done = json!({"resultText": "Afspraak"});
    walk.by_app("complete_callback", Was, &step("complete"), done)
        .await;
}

async fn people(walk: &mut Walk<'_>) {
    let (world, tenant) = (walk.world, walk.tenant);
    let path = "/internal/apps/{app}/people";
    let body = json!({"email": "jan@example.nl", "role": "admin"});
    let invited = walk
        .by_operator("invite_person_as_operator", New, path, body)
        .await;
    let accept = json!({"token": token(&invited), "password": PASSWORD, "name": "Jan"});
    let request = world
        .ask(Method::POST, "/api/invitations/accept")
        .json(&accept);
    let joined = walk.deed("accept_invitation", Was, request).await;
    let jan = Browser::of(world, joined);
    let send = |method: Method, path: &str, body: Value| with(jan.ask(method, path), body);
    let rename = send(Method::PATCH, "/api/me", json!({"name": "Jan Jansen"}));
    walk.deed("update_me", Was, rename).await;
    let new = "een heel ander wachtwoord";
    let change = json!({"current": PASSWORD, "new": new});
    let change = send(Method::POST, "/api/me/password", change);
    walk.deed("change_own_password", Was, change).await;
    let sign_in = json!({"email": "jan@example.nl", "password": new});
    let sign_in = world.ask(Method::POST, "/api/sign-in").json(&sign_in);
    walk.deed("sign_in_with_password", New, sign_in.try_clone().unwrap())
        .await;
    let sessions = jan.get("/api/me/sessions").await.body;
    let other = sessions["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["current"] == false);
    let other = format!(
        "/api/me/sessions/{}",
        other.unwrap()["id"].as_str().unwrap()
    );
    walk.deed(
        "end_own_session",
        Was,
        send(Method::DELETE, &other, Value::Null),
    )
    .await;

    let piet = json!({"email": "piet@example.nl", "role": "agent"});
    let piet = send(Method::POST, "/api/people", piet);
    let piet = walk.deed("invite_person", New, piet).await;
    let piet = piet.body["data"]["person"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let piet = format!("/api/people/{piet}");
    let change = send(Method::PATCH, &piet, json!({"name": "Piet"}));
    walk.deed("update_person", Was, change).await;
    walk.deed(
        "delete_person",
        Was,
        send(Method::DELETE, &piet, Value::Null),
    )
    .await;
    let joined = join(world, tenant, "wim@example.nl", "agent").await;
    let wim = joined.answer.body["data"]["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let link = send(
        Method::POST,
        &format!("/api/people/{wim}/reset-link"),
        Value::Null,
    );
    walk.deed("create_password_link", New, link).await;
    let silent = Silent("the session is the actor");
    walk.deed("sign_out", silent, joined.ask(Method::POST, "/sign-out"))
        .await;
    walk.deed(
        "end_own_sessions",
        Was,
        send(Method::DELETE, "/api/me/sessions", Value::Null),
    )
    .await;
}

/// What comes after a call, by our routes and by the predecessor's.
async fn moments(walk: &mut Walk<'_>) {
    let (world, tenant) = (walk.world, walk.tenant);
    let hook = world.hook(tenant).await;
    for name in ["01_ringing", "02_connected", "03_hangup"] {
        world.dialpad(&hook, &fixture("answered", name)).await;
    }
    let waiting = "/api/contact-moments?status=disposition-pending";
    let call = world.get(tenant, waiting).await.body["data"][0]["id"].clone();
    let one = format!("/api/contact-moments/{}", call.as_str().unwrap());
    let contact = format!("{one}/contact");
    walk.by_app("choose_contact", Was, &contact, json!({"contact_id": null}))
        .await;
    let silent = Silent("the contact is new; what was known of the caller is in the call");
    walk.by_app("take_in_caller", silent, &contact, json!({"name": "Jan"}))
        .await;
    let wrap_up = format!("{one}/wrap-up");
    walk.by_app("stay_in_wrap_up", Was, &wrap_up, json!({"until": null}))
        .await;
    let said = json!({"subject": "x", "outcome": "callback"});
    let disposition = format!("{one}/disposition");
    walk.by_app("give_disposition", Was, &disposition, said.clone())
        .await;
    let inherited = format!("/api/cti/contactmoment/{}", call.as_str().unwrap());
    let disposition = format!("{inherited}/disposition");
    walk.by_app("give_disposition_inherited", Was, &disposition, said)
        .await;
    let recording = format!("{inherited}/recording");
    let url = json!({"recordingUrl": "https://x.example/r/1"});
    walk.by_app("attach_recording_inherited", Was, &recording, url)
        .await;
    let number = json!({"fromNumber": "0612345678"});
    let silent = Silent("it only looks, by POST as the predecessor did");
    walk.by_app("look_caller_up", silent, "/api/cti/screen-pop", number)
        .await;
    walk.by_app("set_work_settings", Was, "/api/work-settings", json!({}))
        .await;
    walk.by_app("set_cti_config", Was, "/api/cti/config", json!({}))
        .await;
    // Drafts come every few seconds; none is on record.
    let draft = walk.app(Method::PATCH, &one).json(&json!({}));
    let answer = Answer::of(draft.send().await.unwrap()).await;
    assert!(walk.entry(&answer).await.is_none(), "{}", answer.text);
}

async fn voicemails(walk: &mut Walk<'_>) {
    let hook = walk.world.hook(walk.tenant).await;
    let tell = async |world: &World, hook: &Hook| {
        world
            .dialpad(hook, &fixture("missed-voicemail", "04_voicemail_uploaded"))
            .await;
    };
    tell(walk.world, &hook).await;
    let list = walk.world.get(walk.tenant, "/api/voicemails").await.body;
    let one = format!("/voicemails/{}", list["data"][0]["id"].as_str().unwrap());
    let (app, operator) = (format!("/api{one}"), format!("/internal/apps/{{app}}{one}"));
    walk.by_app("delete_voicemail", Was, &app, Value::Null)
        .await;
    let other = walk.world.tenant("voicemails").await;
    let hook = walk.world.hook(&other).await;
    tell(walk.world, &hook).await;
    let list = walk.world.get(&other, "/api/voicemails").await.body;
    let one = list["data"][0]["id"].as_str().unwrap();
    let operator = operator.rsplit_once('/').unwrap().0.to_owned() + "/" + one;
    let operator = operator.replace("{app}", &other.id);
    walk.by_operator("delete_voicemail_of_app", Was, &operator, Value::Null)
        .await;
}

async fn calls(walk: &mut Walk<'_>, script: &Script) {
    let policy = json!({"countries": ["NL"]});
    walk.by_app("set_dial_policy", Was, "/api/dial-policy", policy)
        .await;
    let body = json!({"platform": "scripted", "name": "Scripted", "config": {}});
    let path = format!("/internal/apps/{}/connections", walk.tenant.id);
    let made = walk.world.operate(Method::POST, &path, Some(&body)).await;
    let text = |member: &str| made.body["data"][member].as_str().unwrap().to_owned();
    let (url, secret) = (text("webhook_url"), text("webhook_secret"));
    script.then(Reply::Keys(&["call:1"]));
    script.then(Reply::Keys(&["call:2"]));
    script.then(Reply::Keys(&["call:3"]));
    let wish = json!({"to": "+31612345678", "extension": "100"});
    let placed = walk.by_app("place_call", New, "/api/calls", wish).await;
    let click = json!({"targetNumber": "+31612345679", "extension": "101"});
    let path = "/api/cti/click-to-dial";
    walk.by_app("click_to_dial", New, path, click).await;
    let click = json!({"targetNumber": "+31612345670", "extension": "102"});
    let path = "/index.php/apps/pipelinq/api/cti/click-to-dial";
    walk.by_app("click_to_dial_inherited", New, path, click)
        .await;
    // The agent's device rings, so that there is something to hang up.
    let (keys, now) = (vec!["call:1".to_owned()], walk.world.clock.now());
    let seen = LegFact::Seen {
        kind: LegKind::Agent,
        origin: false,
        party: Party {
            extension: Some("100".to_owned()),
            ..Party::default()
        },
    };
    let told = [seen, LegFact::Rang, LegFact::Answered];
    let told = told.map(|fact| Signal::leg(now, &keys, "call:1/a", fact));
    let path = url.split_once(&walk.world.address).unwrap().1;
    let request = walk
        .world
        .ask(Method::POST, path)
        .header("x-secret", secret);
    let told = request
        .json(&json!({ "signals": told }))
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 200);
    let call = placed.body["data"]["call"]["id"].as_str().unwrap();
    walk.by_app(
        "control_call",
        New,
        &format!("/api/calls/{call}/hangup"),
        Value::Null,
    )
    .await;
}

/// What needs a server of its own: the first set-up, and Dialpad.
async fn elsewhere(done: &mut BTreeSet<String>) {
    let world = World::new().await;
    let link = world.people.set_up_link().await.unwrap().unwrap();
    let body = json!({
        "token": link, "app_name": "Klantcontact", "country": "NL", "name": "Jan Jansen",
        "email": "jan@example.nl", "password": PASSWORD,
    });
    let nobody = Tenant {
        id: String::new(),
        key: String::new(),
    };
    let mut walk = Walk {
        world: &world,
        tenant: &nobody,
        done: &mut *done,
    };
    let request = world.ask(Method::POST, "/api/set-up").json(&body);
    walk.deed("set_up", New, request).await;
    let again = post(&world, "/api/set-up", &body).await;
    assert_eq!(again.status, 403, "once");

    let desk = oauth::Desk::new().await;
    let path = format!(
        "/internal/apps/{{app}}/connections/{}/sign-in-link",
        desk.connection
    );
    let mut walk = Walk {
        world: &desk.world,
        tenant: &desk.tenant,
        done: &mut *done,
    };
    walk.by_operator("create_platform_link", New, &path, Value::Null)
        .await;
    let (cookie, back) = desk.begin(&desk.link().await, &[]).await;
    assert_eq!(desk.get(&back, &[("cookie", &cookie)]).await.status, 200);
    let path = format!("/auth/dialpad/disconnect/{}", desk.tenant.id);
    walk.by_operator("disconnect_platform", Was, &path, Value::Null)
        .await;

    let desk = webhooks::Desk::new().await;
    desk.connect().await;
    let mut walk = Walk {
        world: &desk.world,
        tenant: &desk.tenant,
        done,
    };
    let path = "/internal/webhooks/create?app_id={app}";
    let made = walk
        .by_operator("create_dialpad_webhook", New, path, Value::Null)
        .await;
    let path = format!(
        "/internal/webhooks/{}",
        made.body["webhook_id"].as_str().unwrap()
    );
    walk.by_operator("delete_dialpad_webhook", Was, &path, Value::Null)
        .await;
}

#[tokio::test]
async fn every_changing_operation_is_on_record_with_before_and_after() {
    let script = Script::default();
    let scripted = Arc::new(Scripted(script.clone()));
    let world = World::with_adapters(config(), vec![Arc::new(Dialpad), scripted]).await;
    let mut done = BTreeSet::new();
    let (one, keys) = (world.tenant("One").await, world.tenant("Keys").await);
    let mut walk = Walk {
        world: &world,
        tenant: &one,
        done: &mut done,
    };
    apps_and_keys(&mut walk).await;
    connections(&mut walk).await;
    contacts_and_agents(&mut walk).await;
    tasks(&mut walk).await;
    people(&mut walk).await;
    calls(&mut walk, &script).await;
    voicemails(&mut walk).await;
    moments(&mut walk).await;
    inherited_keys(&mut Walk {
        world: &world,
        tenant: &keys,
        done: &mut done,
    })
    .await;
    elsewhere(&mut done).await;
    let mut changing = 0;
    for route in routes() {
        if matches!(route.method, Method::GET | Method::HEAD) {
            continue;
        }
        changing += 1;
        let excused = EXCUSED.iter().any(|(id, _)| *id == route.id);
        let hint = "do it in this test, or excuse it with a reason";
        assert!(excused != done.contains(&route.id), "{}: {hint}", route.id);
    }
    assert_eq!(
        changing,
        done.len() + EXCUSED.len(),
        "one of these is no operation any more"
    );
}
