//! §1.5 and the voicemails of §1.6: messages, and voicemails for operators and, new, for apps.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BASE, Bench};

fn sms(id: u64, kind: &str, from: &str, to: &str, user: u64, at: &str) -> Value {
    json!({"event_type": kind, "organization_id": 123_456, "message": {
        "id": id, "from": from, "to": to, "text": "hello", "user_id": user, "sent_at": at}})
}

#[tokio::test]
async fn messages_are_listed_and_filtered() {
    let bench = Bench::new().await;
    let (a, b) = ("+15551234567", "+15559876543");
    bench
        .hear(&sms(
            4_612_924_117_884_928,
            "sms.received",
            a,
            b,
            12345,
            "2026-01-27T10:00:00Z",
        ))
        .await;
    bench
        .hear(&sms(2, "sms.sent", b, a, 777, "2026-01-28T10:00:00Z"))
        .await;
    let list = bench.get("/api/messages").await;
    assert_eq!((list.status, &list.body["success"]), (200, &json!(true)));
    assert_eq!(list.body["pagination"]["total"], 2);
    let message = &list.body["data"][1];
    for (name, wanted) in [
        ("dialpad_message_id", json!("4612924117884928")),
        ("direction", json!("inbound")),
        ("from_number", json!(a)),
        ("to_number", json!(b)),
        ("text", json!("hello")),
        ("dialpad_user_id", json!("12345")),
    ] {
        assert_eq!(message[name], wanted, "{name}");
    }
    assert!(
        message["sent_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-27T10:00:00")
    );
    let one = bench
        .get(&format!(
            "/api/messages/{}",
            message["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(one.body, json!({"success": true, "data": message}));
    for (query, wanted) in [
        ("direction=inbound", &["4612924117884928"][..]),
        ("from=%2B15559876543", &["2"]),
        ("from_number=%2B15551234567", &["4612924117884928"]),
        ("to=%2B15551234567", &["2"]),
        ("dialpad_user_id=777", &["2"]),
        ("dialpad_user_id=1", &[]),
        ("since=2026-01-28", &["2"]),
        ("date_to=2026-01-27", &["4612924117884928"]),
        ("limit=1&offset=1", &["4612924117884928"]),
    ] {
        let list = bench.get(&format!("/api/messages?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.text);
        let ids = list.body["data"].as_array().unwrap().iter();
        let ids: Vec<_> = ids
            .map(|m| m["dialpad_message_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, wanted, "{query}");
    }
}

#[tokio::test]
async fn voicemails_are_read_and_deleted_by_operators() {
    let bench = Bench::new().await;
    let voicemail = |call: u64, user: u64| {
        json!({"event_type": "voicemail.received", "organization_id": 123_456, "voicemail": {
            "user_id": user, "call_id": call, "from": "+15551234567", "to": "+15559876543",
            "recording_url": format!("https://dialpad.example/{call}.mp3"),
            "transcript": "Hi John...", "duration": 45}})
    };
    bench.hear(&voicemail(123_456_789, 987_654)).await;
    bench.hear(&voicemail(5, 777)).await;
    let path = format!("/internal/apps/{}/voicemails", bench.tenant.id);
    let list = bench.operate(Method::GET, &path, None).await;
    assert_eq!(
        (list.status, &list.body["pagination"]["total"]),
        (200, &json!(2))
    );
    let filtered = format!("{path}?dialpad_user_id=987654&limit=1000");
    let list = bench.operate(Method::GET, &filtered, None).await;
    assert_eq!(list.body["pagination"]["total"], 1, "{}", list.text);
    let row = list.body["data"][0].clone();
    for (name, wanted) in [
        ("app_id", json!(bench.tenant.id)),
        ("dialpad_call_id", json!("123456789")),
        ("dialpad_user_id", json!("987654")),
        ("from_number", json!("+15551234567")),
        ("to_number", json!("+15559876543")),
        (
            "recording_url",
            json!("https://dialpad.example/123456789.mp3"),
        ),
        ("transcript", json!("Hi John...")),
        ("duration_seconds", json!(45)),
    ] {
        assert_eq!(row[name], wanted, "{name}");
    }
    assert!(row["created_at"].is_string() && row["updated_at"].is_string());
    // The app reads the same by its own key, which the documents promised.
    let own = bench.get("/api/voicemails?dialpad_user_id=987654").await;
    assert_eq!(own.body["data"], json!([row]));
    let one = format!("{path}/{}", row["id"].as_str().unwrap());
    let read = bench.operate(Method::GET, &one, None).await;
    assert_eq!(read.body, json!({"success": true, "data": row}));
    let foreign = bench.world.tenant("Other").await;
    let foreign = one.replace(&bench.tenant.id, &foreign.id);
    assert_eq!(bench.operate(Method::GET, &foreign, None).await.status, 404);
    assert_eq!(
        bench.operate(Method::DELETE, &foreign, None).await.status,
        404
    );
    let deleted = bench.operate(Method::DELETE, &one, None).await;
    let wanted = json!({"success": true, "message": "Voicemail deleted"});
    assert_eq!((deleted.status, deleted.body), (200, wanted));
    assert_eq!(bench.operate(Method::GET, &one, None).await.status, 404);
    // An app that does not exist has none.
    let nowhere = "/internal/apps/019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b/voicemails";
    let none = bench.operate(Method::GET, nowhere, None).await;
    assert_eq!((none.status, &none.body["data"]), (200, &json!([])));
    let again = bench
        .world
        .get(&bench.tenant, &format!("{BASE}/api/voicemails"))
        .await;
    assert_eq!(again.body["pagination"]["total"], 1);
}
