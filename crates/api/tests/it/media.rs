//! Recordings, voicemails, transcripts, messages and presence: from the webhook to the list.

use reqwest::Method;

use crate::world::{Hook, Tenant, World, fixture};

const VOICEMAIL: [&str; 4] = [
    "01_missed",
    "02_hangup_unanswered",
    "03_voicemail",
    "04_voicemail_uploaded",
];

async fn told(world: &World, hook: &Hook, scenario: &str, names: &[&str]) {
    for name in names {
        let answer = world.dialpad(hook, &fixture(scenario, name)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
    }
}

async fn a_tenant(world: &World) -> (Tenant, Hook) {
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    (tenant, hook)
}

#[tokio::test]
async fn a_recording_is_announced_and_becomes_available() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    let list = || world.get(&tenant, "/api/recordings");
    let empty = list().await;
    assert_eq!(empty.status, 200);
    assert_eq!(empty.body["data"], serde_json::json!([]));
    assert_eq!(empty.body["pagination"]["total"], 0);

    told(&world, &hook, "recording-late", &["01_hangup"]).await;
    let announced = list().await.body["data"][0].clone();
    assert_eq!(announced["state"], "pending");
    assert_eq!(announced["external_id"], "6010000000000031");
    assert_eq!(announced["url"], serde_json::Value::Null);

    told(&world, &hook, "recording-late", &["02_recording"]).await;
    told(&world, &hook, "recording-late", &["01_hangup"]).await;
    let found = list().await;
    assert_eq!(found.body["pagination"]["total"], 1);
    let found = &found.body["data"][0];
    assert_eq!(found["id"], announced["id"]);
    assert_eq!(found["state"], "available");
    assert_eq!(found["platform"], "dialpad");
    assert_eq!(found["connection_id"], hook.connection_id);
    assert_eq!(found["duration_seconds"], 90);
    assert_eq!(found["started_at"], "2026-11-22T10:20:05.300Z");
    let call = world.get(&tenant, "/api/calls").await.body["data"][0].clone();
    assert_eq!(found["call_id"], call["id"]);
    assert_eq!(found["url"], call["recording_url"]);

    let (id, call) = (found["id"].as_str().unwrap(), call["id"].as_str().unwrap());
    let one = world.get(&tenant, &format!("/api/recordings/{id}")).await;
    assert_eq!((one.status, &one.body["data"]), (200, found));
    for (query, total) in [
        (format!("call_id={call}"), 1),
        (format!("call_id={id}"), 0),
        ("state=available".to_owned(), 1),
        ("state=pending,gone".to_owned(), 0),
        ("state=pending&state=Available".to_owned(), 1),
        ("since=2026-11-22T10:20:05Z".to_owned(), 1),
        ("since=2026-11-22T10:20:06Z".to_owned(), 0),
        ("until=2026-11-22T10:20:05Z".to_owned(), 0),
    ] {
        let list = world
            .get(&tenant, &format!("/api/recordings?{query}"))
            .await;
        assert_eq!(list.body["pagination"]["total"], total, "{query}");
    }
}

#[tokio::test]
async fn a_call_has_a_transcript_once_it_is_written() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    told(&world, &hook, "recording-late", &["01_hangup"]).await;
    let call = world.get(&tenant, "/api/calls").await.body["data"][0]["id"].clone();
    let path = format!("/api/calls/{}/transcript", call.as_str().unwrap());
    let none = world.get(&tenant, &path).await;
    assert_eq!((none.status, none.problem()), (404, "transcript_not_found"));
    told(&world, &hook, "recording-late", &["03_call_transcription"]).await;
    let found = world.get(&tenant, &path).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let text = "Goedemorgen, met Sanne. - Dag, ik bel over mijn bestelling.";
    assert_eq!(found.body["data"]["text"], text);
    assert_eq!(found.body["data"]["call_id"], call);
    let unknown = "/api/calls/019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b/transcript";
    let unknown = world.get(&tenant, unknown).await;
    assert_eq!((unknown.status, unknown.problem()), (404, "call_not_found"));
}

#[tokio::test]
async fn a_voicemail_is_listed_and_stays_deleted() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    told(&world, &hook, "missed-voicemail", &VOICEMAIL).await;
    let list = |query: &str| {
        let path = format!("/api/voicemails{query}");
        let (world, tenant) = (&world, &tenant);
        async move { world.get(tenant, &path).await.body }
    };
    let found = list("").await;
    assert_eq!(found["pagination"]["total"], 1);
    assert_eq!(found["pagination"]["next_cursor"], serde_json::Value::Null);
    let found = &found["data"][0];
    let call = world.get(&tenant, "/api/calls").await.body["data"][0].clone();
    assert_eq!(found["call_id"], call["id"]);
    assert_eq!(found["dialpad_call_id"], "5600000000000003");
    assert_eq!(found["dialpad_user_id"], "4900000000000001");
    assert_eq!(found["from_number"], "+31612345678");
    assert_eq!(found["to_number"], "+31201234567");
    assert_eq!(found["recording_url"], found["url"]);
    assert_eq!(found["url"], call["voicemail"]["url"]);
    assert_eq!(found["transcript"], call["voicemail"]["transcript"]);
    for (query, total) in [
        ("?dialpad_user_id=4900000000000001", 1),
        ("?agent=4900000000000001", 1),
        ("?user_id=7", 0),
        ("?since=2026-01-01T00:00:00Z", 0),
        ("?until=2026-01-01T00:00:00Z", 1),
        ("?limit=1&offset=1", 1),
    ] {
        assert_eq!(list(query).await["pagination"]["total"], total, "{query}");
    }

    let id = found["id"].as_str().unwrap();
    let path = format!("/api/voicemails/{id}");
    let one = world.get(&tenant, &path).await;
    assert_eq!((one.status, &one.body["data"]), (200, found));
    let delete = async || {
        let request = world.ask(Method::DELETE, &path);
        let answer = request.header("x-app-api-key", &tenant.key).send().await;
        answer.unwrap().status().as_u16()
    };
    assert_eq!(delete().await, 204);
    assert_eq!(delete().await, 404);
    let gone = world.get(&tenant, &path).await;
    assert_eq!((gone.status, gone.problem()), (404, "voicemail_not_found"));
    told(
        &world,
        &hook,
        "missed-voicemail",
        &["04_voicemail_uploaded"],
    )
    .await;
    assert_eq!(list("").await["pagination"]["total"], 0);
    let calls = world.get(&tenant, "/api/calls").await.body;
    assert_eq!(calls["data"][0]["id"], call["id"], "the call stays");
}

#[tokio::test]
async fn lists_go_on_by_cursor() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    told(&world, &hook, "missed-voicemail", &VOICEMAIL).await;
    // The same story on another connection is another voicemail.
    let second = world.hook(&tenant).await;
    told(&world, &second, "missed-voicemail", &VOICEMAIL).await;
    let first = world.get(&tenant, "/api/voicemails?limit=1").await.body;
    assert_eq!(first["pagination"]["has_more"], true);
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    let path = format!("/api/voicemails?limit=1&cursor={cursor}");
    let rest = world.get(&tenant, &path).await.body;
    assert_eq!(rest["pagination"]["has_more"], false);
    assert_eq!(rest["pagination"]["total"], 2);
    assert_ne!(rest["data"][0]["id"], first["data"][0]["id"]);
    let other = world
        .get(&tenant, "/api/voicemails?limit=1&offset=1")
        .await
        .body;
    assert_eq!(rest["data"], other["data"]);
}

#[tokio::test]
async fn messages_are_found_by_direction_time_and_id() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    told(&world, &hook, "sms", &["01_inbound", "02_outbound_pending"]).await;
    let list = |query: &str| {
        let path = format!("/api/messages{query}");
        let (world, tenant) = (&world, &tenant);
        async move { world.get(tenant, &path).await.body }
    };
    let inbound = list("?direction=Inbound").await;
    assert_eq!(inbound["pagination"]["total"], 1);
    let message = &inbound["data"][0];
    assert_eq!(message["direction"], "inbound");
    assert_eq!(message["connection_id"], hook.connection_id);
    assert_eq!(message["external_id"], message["dialpad_message_id"]);
    let sent_at = message["sent_at"].as_str().unwrap();
    assert_eq!(
        list(&format!("?until={sent_at}")).await["pagination"]["total"],
        0
    );
    let since = list(&format!("?since={sent_at}&direction=inbound")).await;
    assert_eq!(since["data"], inbound["data"]);
    let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
    let one = world.get(&tenant, &path).await;
    assert_eq!((one.status, &one.body["data"]), (200, message));
}

#[tokio::test]
async fn presence_names_who_said_so_and_since_when() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    let empty = world.get(&tenant, "/api/presence").await;
    assert_eq!(empty.body["data"], serde_json::json!([]));
    told(
        &world,
        &hook,
        "agent-status",
        &["01_wrapup", "02_available"],
    )
    .await;
    let list = world.get(&tenant, "/api/presence").await.body;
    assert_eq!(list["pagination"]["total"], 1);
    let agent = &list["data"][0];
    assert_eq!(agent["presence"], "available");
    assert_eq!(agent["platform"], "dialpad");
    assert_eq!(agent["connection_id"], hook.connection_id);
    assert!(
        agent["user_id"].is_string() && agent["since"].is_string(),
        "{agent}"
    );
    let other = world.tenant("b").await;
    let theirs = world.get(&other, "/api/presence").await;
    assert_eq!(theirs.body["pagination"]["total"], 0);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    for (path, code, field) in [
        ("/api/recordings?state=lost", "invalid_parameter", "state"),
        ("/api/recordings?call_id=7", "invalid_parameter", "call_id"),
        ("/api/recordings?since=soon", "invalid_parameter", "since"),
        ("/api/recordings?limit=101", "invalid_parameter", "limit"),
        ("/api/recordings?cursor=abc", "invalid_cursor", "cursor"),
        ("/api/recordings?agent=1", "invalid_parameter", "agent"),
        (
            "/api/voicemails?agent=1&user=1",
            "invalid_parameter",
            "user",
        ),
        ("/api/voicemails?until=late", "invalid_parameter", "until"),
        ("/api/voicemails?offset=-1", "invalid_parameter", "offset"),
        (
            "/api/messages?direction=internal",
            "invalid_parameter",
            "direction",
        ),
        ("/api/messages?since=x", "invalid_parameter", "since"),
        ("/api/messages?cursor=x", "invalid_parameter", "cursor"),
        ("/api/presence?agent=1", "invalid_parameter", "agent"),
    ] {
        let answer = world.get(&tenant, path).await;
        assert_eq!((answer.status, answer.problem()), (400, code), "{path}");
        assert_eq!(answer.body["field"], field, "{path}");
    }
    for path in ["recordings", "voicemails", "messages"] {
        let bad = world.get(&tenant, &format!("/api/{path}/7")).await;
        assert_eq!((bad.status, bad.problem()), (400, "invalid_id"), "{path}");
    }
}

/// What is on record of who was shown what; waits for `count` of them.
async fn sightings(world: &World, tenant: &Tenant, count: usize) -> Vec<serde_json::Value> {
    let start = std::time::Instant::now();
    loop {
        let log = world.get(tenant, "/api/audit").await.body["data"].clone();
        let log = log.as_array().unwrap().iter();
        let found: Vec<_> = log
            .filter(|e| !e["after"]["shown"].is_null())
            .cloned()
            .collect();
        if found.len() >= count {
            return found;
        }
        assert!(
            start.elapsed().as_secs() < 1,
            "durable within a second: {found:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_was_shown_which_recording_is_on_record() {
    let world = World::new().await;
    let (tenant, hook) = a_tenant(&world).await;
    told(&world, &hook, "recording-late", &["01_hangup"]).await;
    world.get(&tenant, "/api/recordings").await;
    world.get(&tenant, "/api/calls").await;
    told(&world, &hook, "recording-late", &["02_recording"]).await;
    // What leads nowhere yet was shown to nobody.
    let list = world.get(&tenant, "/api/recordings").await;
    let id = list.body["data"][0]["id"].as_str().unwrap().to_owned();
    let seen = sightings(&world, &tenant, 1).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0]["action"], "GET /api/recordings");
    assert_eq!(seen[0]["actor"]["kind"], "key");
    assert!(seen[0]["request_id"].is_string());
    assert_eq!(
        seen[0]["after"]["shown"],
        serde_json::json!([format!("recording {id}")])
    );

    // The same again is no news within the hour, another reader is, and so is the call.
    let path = format!("/api/recordings/{id}");
    world.get(&tenant, &path).await;
    let browser = crate::signing::session(&world, &tenant, None).await;
    let request = world
        .ask(reqwest::Method::GET, &path)
        .header("cookie", browser);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = sightings(&world, &tenant, 2).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(
        (&seen[0]["actor"]["kind"], &seen[0]["target"]),
        (&"session".into(), &path.into())
    );
    let call = world.get(&tenant, "/api/calls").await.body["data"][0]["id"].clone();
    let seen = sightings(&world, &tenant, 3).await;
    let shown = serde_json::json!([format!("call {}", call.as_str().unwrap())]);
    assert_eq!(seen[0]["after"]["shown"], shown);
    world.clock.advance(jiff::SignedDuration::from_hours(1));
    world.get(&tenant, &format!("/api/recordings/{id}")).await;
    assert_eq!(sightings(&world, &tenant, 4).await.len(), 4);
}
