//! §1.4: `/api/calls`, and the filters and orders that only its documents had (§1.7, §10.A 38–40).

use serde_json::{Value, json};

use super::{Bench, event, talk};

fn ids(list: &Value) -> Vec<&str> {
    let calls = list["data"].as_array().unwrap().iter();
    calls
        .map(|call| call["dialpad_call_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_call_has_the_documents_members() {
    let bench = Bench::new().await;
    talk(&bench, 999_888_777, 0, 300).await;
    let recording = json!({"event_type": "call.recording.completed", "recording":
        {"call_id": 999_888_777, "url": "https://example.com/recordings/test123.mp3"}});
    bench.hear(&recording).await;
    let list = bench.get("/api/calls").await;
    assert_eq!((list.status, &list.body["success"]), (200, &json!(true)));
    let page = &list.body["pagination"];
    for (name, wanted) in [
        ("limit", json!(50)),
        ("offset", json!(0)),
        ("total", json!(1)),
        ("has_more", json!(false)),
    ] {
        assert_eq!(page[name], wanted, "{name}");
    }
    let call = &list.body["data"][0];
    for (name, wanted) in [
        ("dialpad_call_id", json!("999888777")),
        ("direction", json!("inbound")),
        ("from_number", json!("+15551234567")),
        ("to_number", json!("+15559876543")),
        ("status", json!("ended")),
        ("dialpad_user_id", json!("12345")),
        ("duration_seconds", json!(300)),
        (
            "recording_url",
            json!("https://example.com/recordings/test123.mp3"),
        ),
    ] {
        assert_eq!(call[name], wanted, "{name}");
    }
    let time = |name: &str| call[name].as_str().unwrap().to_owned();
    assert!(
        time("started_at").starts_with("2026-01-27T10:00:00"),
        "{call}"
    );
    assert!(
        time("ended_at").starts_with("2026-01-27T10:05:00"),
        "{call}"
    );
    assert!(time("created_at").ends_with('Z'));
    assert_eq!(call["raw_payload"], Value::Null);
    let id = call["id"].as_str().unwrap();
    let one = bench
        .get(&format!("/api/calls/{}", id.to_ascii_uppercase()))
        .await;
    assert_eq!(one.body, json!({"success": true, "data": call}));
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let bench = Bench::new().await;
    for (id, minute) in [(1, 0), (2, 10), (3, 20)] {
        talk(&bench, id, minute, 60).await;
    }
    let other = json!({"direction": "outbound", "from": "+15559876543", "to": "+15550000001",
        "user_id": 777, "started_at": "2026-01-27T10:30:00Z"});
    bench.hear(&event("call.ring", 4, &other)).await;
    for (query, wanted) in [
        ("", &["4", "3", "2", "1"][..]),
        ("?limit=2", &["4", "3"]),
        ("?limit=2&offset=2", &["2", "1"]),
        ("?offset=4", &[]),
        ("?status=ended", &["3", "2", "1"]),
        ("?status=ringing", &["4"]),
        ("?status=missed", &[]),
        ("?direction=outbound", &["4"]),
        ("?from=%2B15559876543", &["4"]),
        ("?from_number=%2B15559876543", &["4"]),
        ("?to=%2B15559876543&limit=1", &["3"]),
        ("?to_number=%2B15550000001", &["4"]),
        ("?dialpad_user_id=777", &["4"]),
        ("?user_id=12345", &["3", "2", "1"]),
        ("?user=nobody", &[]),
        ("?dialpad_call_id=2", &["2"]),
        ("?external_call_id=3", &["3"]),
        ("?dialpad_call_id=5", &[]),
    ] {
        let list = bench.get(&format!("/api/calls{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        assert_eq!(ids(&list.body), wanted, "{query}");
    }
    let page = bench.get("/api/calls?limit=3").await.body["pagination"].clone();
    assert_eq!(
        (&page["total"], &page["has_more"]),
        (&json!(4), &json!(true))
    );
    // Ringing calls come first there too, and nothing but open ones.
    let active = bench.get("/api/calls/active").await;
    assert_eq!(ids(&active.body), ["4"]);
    assert_eq!(active.body["pagination"]["total"], 1);
    assert_eq!(
        ids(&bench.get("/api/calls/active?direction=inbound").await.body),
        [""; 0]
    );
    assert_eq!(
        ids(&bench.get("/api/calls/active?status=ringing").await.body),
        ["4"]
    );
    assert_eq!(
        ids(&bench.get("/api/calls/active?status=active").await.body),
        [""; 0]
    );
}

#[tokio::test]
async fn the_list_goes_by_date_and_by_length() {
    let bench = Bench::new().await;
    for (id, minute, seconds) in [(1, 0, 90), (2, 10, 30), (3, 20, 300)] {
        talk(&bench, id, minute, seconds).await;
    }
    bench
        .hear(&event(
            "call.ring",
            4,
            &json!({"started_at": "2026-01-28T00:30:00Z"}),
        ))
        .await;
    for (query, wanted) in [
        ("since=2026-01-27T10:10:00Z", &["4", "3", "2"][..]),
        ("since=2026-01-28", &["4"]),
        ("date_from=2026-01-27&date_to=2026-01-27", &["3", "2", "1"]),
        ("start_date=2026-01-28&end_date=2026-01-28", &["4"]),
        ("until=2026-01-27T10:10:00Z", &["1"]),
        ("since=1769508600&until=1769509200", &["2"]),
        ("min_duration=60", &["3", "1"]),
        ("max_duration=90", &["2", "1"]),
        ("min_duration=60&max_duration=100", &["1"]),
        ("sort=duration", &["3", "1", "2", "4"]),
        ("sort=duration_seconds&order=asc", &["2", "1", "3", "4"]),
        ("sort=duration&limit=2&offset=1", &["1", "2"]),
        ("sort=started_at&order=asc", &["1", "2", "3", "4"]),
        ("sort=date&order=desc&limit=1", &["4"]),
    ] {
        let list = bench.get(&format!("/api/calls?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        assert_eq!(ids(&list.body), wanted, "{query}");
    }
    let page = bench.get("/api/calls?sort=duration&limit=2").await;
    assert_eq!(page.body["pagination"]["has_more"], true);
    assert_eq!(page.body["pagination"]["next_cursor"], Value::Null);
    let last = bench.get("/api/calls?sort=duration&limit=2&offset=2").await;
    assert_eq!(last.body["pagination"]["has_more"], false);
    // Oldest first can be paged by position as well.
    let first = bench.get("/api/calls?order=asc&limit=3").await;
    let cursor = first.body["pagination"]["next_cursor"].as_str().unwrap();
    let rest = bench
        .get(&format!("/api/calls?order=asc&cursor={cursor}"))
        .await;
    assert_eq!(ids(&rest.body), ["4"]);
    let both = bench
        .get(&format!("/api/calls?sort=duration&cursor={cursor}"))
        .await;
    assert_eq!((both.status, &both.body["field"]), (400, &json!("cursor")));
}

#[tokio::test]
async fn another_app_sees_none_of_it() {
    let bench = Bench::new().await;
    talk(&bench, 1, 0, 60).await;
    let id = bench.get("/api/calls").await.body["data"][0]["id"].clone();
    let other = bench.world.tenant("Other").await;
    let path = format!("{}/api/calls", super::BASE);
    let list = bench.world.get(&other, &path).await;
    assert_eq!(list.body["pagination"]["total"], 0);
    let by_id = bench
        .world
        .get(&other, &format!("{path}?dialpad_call_id=1"))
        .await;
    assert_eq!(by_id.body["pagination"]["total"], 0);
    let one = format!("{path}/{}", id.as_str().unwrap());
    assert_eq!(bench.world.get(&other, &one).await.status, 404);
}
