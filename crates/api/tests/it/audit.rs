//! What is put on record, and who may read it.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::sign_jwt;
use switchhook_engine::adapter::Secret;
use switchhook_engine::audit::Audit;
use switchhook_engine::ports::Clock;
use switchhook_engine::seal::MasterKey;

use crate::signing::session;
use crate::world::{Tenant, World};

async fn entries(world: &World, tenant: &Tenant, query: &str) -> Vec<Value> {
    let answer = world.get(tenant, &format!("/api/audit{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["data"].as_array().unwrap().clone()
}

async fn operators(world: &World) -> Vec<Value> {
    let answer = world.operate(Method::GET, "/internal/audit", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn changes_are_on_record_with_who_and_what_was_before() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let other = world.tenant("Two").await;
    let contact = json!({"name": "Anneke Jansen", "numbers": ["0612345678"]});
    let made = world.post(&tenant, "/api/contacts", &contact).await;
    let path = format!(
        "/api/contacts/{}",
        made.body["data"]["id"].as_str().unwrap()
    );
    let gone = world
        .ask(Method::DELETE, &path)
        .header("x-api-key", &tenant.key)
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);

    let found = entries(&world, &tenant, "").await;
    assert_eq!(found.len(), 2, "{found:?}");
    let deleted = &found[0];
    assert_eq!(deleted["action"], "DELETE /api/contacts/{id}");
    assert_eq!(deleted["target"], path);
    assert_eq!(
        (&deleted["no"], &deleted["status"]),
        (&json!(2), &json!(204))
    );
    assert_eq!(deleted["actor"]["kind"], "key");
    assert_eq!(deleted["before"]["name"], "Anneke Jansen");
    assert!(deleted["request_id"].is_string());
    assert_eq!(found[1]["after"]["data"]["name"], "Anneke Jansen");
    assert!(
        entries(&world, &other, "").await.is_empty(),
        "tenants are apart"
    );
    assert_eq!(entries(&world, &tenant, "?before=2").await.len(), 1);
    assert_eq!(entries(&world, &tenant, "?limit=1").await.len(), 1);
    let chosen = "?action=POST%20/api/contacts";
    assert_eq!(entries(&world, &tenant, chosen).await.len(), 1);
    for bad in ["?limit=0", "?before=x", "?since=yesterday", "?what=1"] {
        let answer = world.get(&tenant, &format!("/api/audit{bad}")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter")
        );
    }
}

#[tokio::test]
async fn what_operators_do_is_on_record_without_secrets() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({"platform": "dialpad", "name": "D", "webhook_secret": "planted-secret"});
    world.operate(Method::POST, &path, Some(&body)).await;
    let path = format!("/internal/apps/{}/api-key", tenant.id);
    let key = world.operate(Method::POST, &path, None).await;
    let key = key.body["api_key"].as_str().unwrap().to_owned();

    let found = entries(&world, &tenant, "").await;
    let actions: Vec<_> = found
        .iter()
        .map(|e| e["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "POST /internal/apps/{app_id}/api-key",
            "POST /internal/apps/{app_id}/connections",
        ]
    );
    assert_eq!(found[0]["actor"]["kind"], "operator");
    let all = format!("{found:?}{:?}", operators(&world).await);
    for secret in ["planted-secret", key.as_str(), tenant.key.as_str()] {
        assert!(!all.contains(secret), "{secret} is on record");
    }
    assert_eq!(operators(&world).await[0]["action"], "POST /internal/apps");
}

#[tokio::test]
async fn refused_credentials_and_signatures_are_on_record_but_cannot_fill_the_disk() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let hook = world.hook(&tenant).await;
    let before = entries(&world, &tenant, "").await.len();
    let forged = sign_jwt(b"{}", &Secret::new("not the secret"));
    world.deliver(&hook.path, "application/jwt", forged).await;
    let found = entries(&world, &tenant, "").await;
    assert_eq!(found.len(), before + 1);
    assert_eq!(found[0]["after"]["code"], "signature_invalid");
    assert_eq!(found[0]["target"], "/webhooks/{platform}/{hook_id}");
    assert_eq!(found[0]["actor"]["kind"], "stranger");

    let before = operators(&world).await.len();
    for _ in 0..100 {
        let request = world.ask(Method::GET, "/api/calls");
        let refused = request.header("x-api-key", "sh_nonsense").send().await;
        assert_eq!(refused.unwrap().status(), 401);
    }
    let found = operators(&world).await;
    let refused = found
        .iter()
        .filter(|e| e["after"]["code"] == "key_invalid")
        .count();
    assert!((1..=60).contains(&refused), "{refused}");
    assert!(found.len() - before <= 60);
    // Nothing at all is no credential, and no entry.
    world
        .ask(Method::POST, "/api/contacts")
        .send()
        .await
        .unwrap();
    world.ask(Method::POST, "/sign-out").send().await.unwrap();
    assert_eq!(operators(&world).await.len(), found.len());
}

#[tokio::test]
async fn signing_in_is_on_record_and_only_administrators_read_it() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let admin = session(&world, &tenant, None).await;
    let agent = session(&world, &tenant, Some("agent")).await;
    let read = async |cookie: &str| {
        let request = world
            .ask(Method::GET, "/api/audit")
            .header("cookie", cookie);
        crate::client::Answer::of(request.send().await.unwrap()).await
    };
    assert_eq!(read(&agent).await.problem(), "role_not_allowed");
    let found = read(&admin).await.body["data"].clone();
    let signed_in = found.as_array().unwrap().iter();
    let signed_in: Vec<_> = signed_in
        .filter(|e| e["action"] == "GET /sign-in")
        .collect();
    assert_eq!(signed_in.len(), 2);
    assert_eq!(signed_in[0]["actor"]["kind"], "session");
    let all = found.to_string();
    assert!(!all.contains("token="), "{all}");
}

#[tokio::test]
async fn the_chains_of_a_busy_server_are_whole() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let writes = (0..20).map(|i| {
        let body = json!({"name": format!("Contact {i}"), "numbers": []});
        let request = world.ask(Method::POST, "/api/contacts");
        request.header("x-api-key", &tenant.key).json(&body).send()
    });
    for answer in futures_util::future::join_all(writes).await {
        assert_eq!(answer.unwrap().status(), 201);
    }
    let key = MasterKey::new([7; 32]);
    let audit = Audit::new(world.store.clone(), world.clock.clone(), key);
    for chain in audit.chains().await.unwrap() {
        let whole = audit.verify(chain).await.unwrap().unwrap();
        assert_eq!(whole.entries, if chain.is_some() { 20 } else { 1 });
    }
}

fn log(world: &World) -> Audit {
    let key = MasterKey::new([7; 32]);
    Audit::new(world.store.clone(), world.clock.clone(), key)
}

#[tokio::test]
async fn an_export_can_be_checked_and_is_on_record() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let other = world.tenant("Two").await;
    let mut times = Vec::new();
    for i in 0..6 {
        let body = json!({"name": format!("Contact {i}"), "numbers": []});
        world.post(&tenant, "/api/contacts", &body).await;
        times.push(world.clock.now());
        world.clock.advance(jiff::SignedDuration::from_secs(60));
    }
    let export = async |query: &str| {
        let answer = world
            .get(&tenant, &format!("/api/audit/export{query}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    };
    let checked = |text: &str| {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        log(&world)
            .verify_lines(lines, &[])
            .unwrap()
            .unwrap()
            .entries
    };
    let all = export("").await;
    assert_eq!(all.header("content-type"), "application/x-ndjson");
    assert_eq!(checked(&all.text), 6);
    assert!(!all.text.contains("Two"));
    let (since, until) = (times[2], times[5]);
    let part = export(&format!("?since={since}&until={until}")).await;
    assert_eq!(checked(&part.text), 3);
    let csv = export("?format=csv").await;
    // The heading, the contacts, and the two exports before this one.
    assert_eq!(csv.text.lines().count(), 1 + 6 + 2, "{}", csv.text);
    let newest = &entries(&world, &tenant, "?limit=1").await[0];
    assert_eq!(newest["action"], "GET /api/audit/export");
    assert_eq!(newest["after"]["exported"]["up_to"], 8);

    let empty = world.get(&other, "/api/audit/export").await;
    assert_eq!(
        (empty.status, empty.text.as_str()),
        (200, ""),
        "tenants are apart"
    );
    let agent = session(&world, &tenant, Some("agent")).await;
    let request = world
        .ask(Method::GET, "/api/audit/export")
        .header("cookie", agent);
    assert_eq!(request.send().await.unwrap().status(), 403);
    for bad in ["?format=xml", "?since=soon", "?limit=1"] {
        let answer = world.get(&tenant, &format!("/api/audit/export{bad}")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter")
        );
    }
    let theirs = world
        .operate(Method::GET, "/internal/audit/export", None)
        .await;
    assert_eq!(checked(&theirs.text), 2, "two apps were made");
}

#[tokio::test]
async fn what_goes_is_on_record_as_it_was() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let hook = world.hook(&tenant).await;
    let base = format!("/internal/apps/{}", tenant.id);
    let keys = world
        .operate(Method::GET, &format!("{base}/keys"), None)
        .await;
    let key = keys.body["data"][0]["id"].as_str().unwrap().to_owned();
    let made = world
        .operate(Method::POST, &format!("{base}/api-key"), None)
        .await;
    let tenant = Tenant {
        key: made.body["api_key"].as_str().unwrap().to_owned(),
        ..tenant
    };
    for path in [
        format!("keys/{key}"),
        format!("connections/{}", hook.connection_id),
    ] {
        let gone = world
            .operate(Method::DELETE, &format!("{base}/{path}"), None)
            .await;
        assert!((200..300).contains(&gone.status), "{}", gone.text);
    }
    let found = entries(&world, &tenant, "").await;
    assert_eq!(found[0]["before"]["id"], json!(hook.connection_id));
    assert_eq!(found[1]["before"]["name"], "first key");
    assert_eq!(found[1]["before"]["active"], true);
}

#[tokio::test]
async fn refusals_that_were_left_out_are_counted() {
    let world = World::new().await;
    let refuse = async || {
        let request = world.ask(Method::GET, "/api/calls");
        request
            .header("x-api-key", "sh_nonsense")
            .send()
            .await
            .unwrap();
    };
    for _ in 0..75 {
        refuse().await;
    }
    world.clock.advance(jiff::SignedDuration::from_secs(60));
    refuse().await;
    let found = operators(&world).await;
    let counted: Vec<_> = found
        .iter()
        .filter(|e| e["action"] == "refusals.left_out")
        .collect();
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0]["after"]["count"], 15);
}
