//! Calls: from the webhook to the list, both ways of paging, every filter, every bad parameter.

use serde_json::Value;

use crate::world::{World, fixture, hung_up};

fn ids(body: &Value) -> Vec<String> {
    let data = body["data"].as_array().unwrap();
    data.iter()
        .map(|call| call["external_call_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_webhook_becomes_a_call_and_a_frame() {
    let world = World::new().await;
    let tenant = world.tenant("Klantcontact").await;
    let hook = world.hook(&tenant).await;
    let (mut client, hello, snapshot) = world.listen(&tenant).await;
    assert_eq!(hello["seq"], 0);
    assert_eq!(snapshot["calls"], serde_json::json!([]));
    let mut seen = Vec::new();
    for name in ["01_ringing", "02_connected", "03_hangup"] {
        let answer = world.dialpad(&hook, &fixture("answered", name)).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (200, r#"{"received":true}"#),
            "{name}"
        );
    }
    for seq in 1..=5 {
        let frame = client.frame().await;
        assert_eq!(frame["type"], "event");
        assert_eq!(frame["seq"], seq);
        assert_eq!(frame["epoch"], hello["epoch"]);
        assert_eq!(frame["dialpad_call_id"], "5610000000000001");
        assert_eq!(frame["from_number"], "+31612345021");
        assert_eq!(frame["user_id"], "4900000000000011");
        assert_eq!(frame["call_id"], frame["data"]["call"]["id"]);
        seen.push((frame["event"].as_str().unwrap().to_owned(), frame));
    }
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "call.ring",
            "screen_pop.opened",
            "contact_moment.opened",
            "call.started",
            "call.ended"
        ]
    );
    assert_eq!(seen[4].1["duration_seconds"], 63);
    assert_eq!(seen[4].1["status"], "ended");

    let id = seen[0].1["call_id"].as_str().unwrap();
    let one = world.get(&tenant, &format!("/api/calls/{id}")).await;
    assert_eq!(one.status, 200);
    assert_eq!(one.body["success"], true);
    assert_eq!(one.body["data"]["status"], "ended");
    assert_eq!(one.body["data"]["duration_seconds"], 63);
    assert_eq!(one.body["data"], seen[4].1["data"]["call"]);
    let list = world.get(&tenant, "/api/calls").await;
    assert_eq!(list.body["data"][0], one.body["data"]);
    let active = world.get(&tenant, "/api/calls/active").await;
    assert_eq!(active.body["data"], serde_json::json!([]));
}

#[tokio::test]
async fn both_ways_of_paging_show_every_call_once() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..23 {
        assert_eq!(world.ring(&hook, index).await.status, 200);
    }
    let all = ids(&world.get(&tenant, "/api/calls?limit=100").await.body);
    assert_eq!(all.len(), 23);
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(all, sorted, "newest start first");

    let mut by_offset = Vec::new();
    for offset in [0, 10, 20] {
        let page = world
            .get(&tenant, &format!("/api/calls?limit=10&offset={offset}"))
            .await
            .body;
        assert_eq!(page["pagination"]["limit"], 10);
        assert_eq!(page["pagination"]["offset"], offset);
        assert_eq!(page["pagination"]["total"], 23);
        assert_eq!(page["pagination"]["has_more"], offset < 20);
        by_offset.extend(ids(&page));
    }
    assert_eq!(by_offset, all);

    let mut by_cursor = Vec::new();
    let mut path = "/api/calls?limit=10".to_owned();
    for number in 0..3 {
        let page = world.get(&tenant, &path).await.body;
        by_cursor.extend(ids(&page));
        if number == 0 {
            // A new call does not move the pages that follow.
            assert_eq!(world.ring(&hook, 99).await.status, 200);
        }
        match page["pagination"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/calls?limit=10&cursor={cursor}"),
            None => assert_eq!(number, 2),
        }
    }
    assert_eq!(by_cursor, all);
}

#[tokio::test]
async fn filters_filter() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 1..=6 {
        world.ring(&hook, index).await;
    }
    for index in 1..=2 {
        world.dialpad(&hook, &hung_up(index)).await;
    }
    for name in ["01_calling", "02_hangup"] {
        world
            .dialpad(&hook, &fixture("outbound-no-answer", name))
            .await;
    }
    let hook_id = &hook.connection_id;
    for (query, count) in [
        ("", 7),
        ("status=ringing", 4),
        ("status=RINGING,missed", 6),
        ("status=ringing&status=missed", 6),
        ("status=voicemail", 0),
        ("open=true", 4),
        ("open=true&status=missed", 0),
        ("direction=inbound", 6),
        ("direction=Outbound", 1),
        ("direction=internal", 0),
        ("from=0612000003", 1),
        ("from=%2B31612000003", 1),
        ("from=+31612000003", 1),
        ("from=06-12000003&status=missed", 0),
        ("to=0850001211", 6),
        ("to=100", 0),
        ("platform=dialpad", 7),
        ("platform=DialPad", 7),
        (&format!("connection_id={hook_id}"), 7),
        ("connection_id=019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b", 0),
        ("agent=4900000000000011&direction=inbound", 6),
        ("dialpad_user_id=4900000000000011&direction=inbound", 6),
        ("user=nobody", 0),
        ("since=2026-11-22T10:00:04Z&direction=inbound", 3),
        ("since=1795341604&direction=inbound", 3),
        ("until=2026-11-22T10:00:04Z&direction=inbound", 3),
        ("since=2026-11-22T10:00:02Z&until=2026-11-22T10:00:04Z", 2),
    ] {
        let list = world.get(&tenant, &format!("/api/calls?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        assert_eq!(ids(&list.body).len(), count, "{query}");
        assert_eq!(list.body["pagination"]["total"], count, "{query}");
    }
    let active = world
        .get(
            &tenant,
            "/api/calls/active?direction=inbound&from=0612000003",
        )
        .await;
    assert_eq!(ids(&active.body).len(), 1);
}

#[tokio::test]
async fn a_wrong_parameter_is_named_and_never_ignored() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    for (path, code, field) in [
        ("/api/calls?status=answered", "invalid_parameter", "status"),
        (
            "/api/calls?direction=sideways",
            "invalid_parameter",
            "direction",
        ),
        (
            "/api/calls?direction=inbound&direction=outbound",
            "invalid_parameter",
            "direction",
        ),
        ("/api/calls?from=anonymous", "invalid_parameter", "from"),
        ("/api/calls?platform=teams", "invalid_parameter", "platform"),
        (
            "/api/calls?connection_id=7",
            "invalid_parameter",
            "connection_id",
        ),
        ("/api/calls?agent=1&user=2", "invalid_parameter", "user"),
        ("/api/calls?since=yesterday", "invalid_parameter", "since"),
        ("/api/calls?until=-5", "invalid_parameter", "until"),
        ("/api/calls?limit=0", "invalid_parameter", "limit"),
        ("/api/calls?limit=101", "invalid_parameter", "limit"),
        ("/api/calls?limit=ten", "invalid_parameter", "limit"),
        ("/api/calls?offset=-1", "invalid_parameter", "offset"),
        ("/api/calls?offset=100001", "invalid_parameter", "offset"),
        ("/api/calls?cursor=abc", "invalid_cursor", "cursor"),
        ("/api/calls?open=maybe", "invalid_parameter", "open"),
        ("/api/calls?colour=red", "invalid_parameter", "colour"),
        ("/api/calls?status=", "invalid_parameter", "status"),
        ("/api/calls?agent=%00", "invalid_parameter", "agent"),
        (
            "/api/calls/active?status=odd",
            "invalid_parameter",
            "status",
        ),
        ("/api/messages?limit=-1", "invalid_parameter", "limit"),
        ("/api/contacts?cursor=x", "invalid_parameter", "cursor"),
        ("/api/me?verbose=1", "invalid_parameter", "verbose"),
    ] {
        let answer = world.get(&tenant, path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.problem(), code, "{path}");
        assert_eq!(answer.body["field"], field, "{path}");
    }
    let bad_id = world.get(&tenant, "/api/calls/5610000000000001").await;
    assert_eq!((bad_id.status, bad_id.problem()), (400, "invalid_id"));
    let unknown = world
        .get(&tenant, "/api/calls/019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b")
        .await;
    assert_eq!((unknown.status, unknown.problem()), (404, "call_not_found"));
}

#[tokio::test]
async fn messages_are_listed_newest_first() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for name in ["01_inbound", "02_outbound_pending", "03_outbound_success"] {
        assert_eq!(
            world.dialpad(&hook, &fixture("sms", name)).await.status,
            200
        );
    }
    let list = world.get(&tenant, "/api/messages?limit=1").await;
    assert_eq!(list.status, 200, "{}", list.text);
    assert_eq!(list.body["pagination"]["total"], 2);
    assert_eq!(list.body["pagination"]["has_more"], true);
    let newest = &list.body["data"][0];
    assert_eq!(newest["direction"], "outbound");
    assert_eq!(newest["status"], "delivered");
    assert!(newest["id"].is_string(), "{newest}");
    assert!(
        newest["from_number"]
            .as_str()
            .is_some_and(|number| number.starts_with('+'))
    );
    let rest = world.get(&tenant, "/api/messages?limit=1&offset=1").await;
    assert_eq!(rest.body["data"][0]["direction"], "inbound");
    assert_eq!(rest.body["pagination"]["has_more"], false);
}
