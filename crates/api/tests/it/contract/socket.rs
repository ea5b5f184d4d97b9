//! §2: the socket under the base path: who is let in, and the frames.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{BASE, Bench, event, talk};
use crate::client::Client;

/// Opens the socket under the base path, or gives the status it was refused with.
async fn open(bench: &Bench, query: &str, headers: &[(&str, &str)]) -> Result<Client, u16> {
    let url = format!("ws://{}{BASE}/ws{query}", bench.world.address);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let name: axum::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((stream, _)) => Ok(Client(stream)),
        Err(Error::Http(refused)) => Err(refused.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn listen(bench: &Bench) -> Client {
    let query = format!("?api_key={}", bench.tenant.key);
    open(bench, &query, &[]).await.unwrap()
}

/// The members of a frame in the order in which they were sent, without `timestamp`.
fn told(mut frame: Value) -> Value {
    let timestamp = frame.as_object_mut().unwrap().remove("timestamp");
    let timestamp = timestamp.unwrap().as_str().unwrap().to_owned();
    assert!(timestamp.ends_with('Z'), "{timestamp}");
    frame
}

#[tokio::test]
async fn one_frame_an_event_with_numbers_for_ids() {
    let bench = Bench::new().await;
    let mut client = listen(&bench).await;
    talk(&bench, 999_888_777, 0, 300).await;
    let call = |event: &str, status: &str| {
        json!({"event": event, "call_id": 999_888_777, "direction": "inbound",
            "from_number": "+15551234567", "to_number": "+15559876543", "status": status,
            "user_id": 12345})
    };
    // No hello and no snapshot: the first frame is the first event.
    assert_eq!(told(client.frame().await), call("call.ring", "ringing"));
    assert_eq!(told(client.frame().await), call("call.started", "active"));
    let mut ended = call("call.ended", "ended");
    ended["duration_seconds"] = json!(300);
    assert_eq!(told(client.frame().await), ended);
    let recording = json!({"event_type": "call.recording.completed", "recording":
        {"call_id": 999_888_777, "url": "https://example.com/recordings/test123.mp3"}});
    bench.hear(&recording).await;
    let frame = told(client.frame().await);
    assert_eq!(frame["event"], "recording.available");
    assert_eq!(
        frame["recording_url"],
        "https://example.com/recordings/test123.mp3"
    );
}

#[tokio::test]
async fn a_mapped_user_is_named_in_the_frame() {
    let bench = Bench::new().await;
    let path = format!("/internal/apps/{}/users/map", bench.tenant.id);
    let mapping = json!({"dialpad_user_id": 12345, "crm_user_id": "user_abc123"});
    let mapped = bench.operate(Method::POST, &path, Some(&mapping)).await;
    assert_eq!(mapped.status, 200, "{}", mapped.text);
    let mut client = listen(&bench).await;
    talk(&bench, 999_888_778, 0, 300).await;
    for event in ["call.ring", "call.started", "call.ended"] {
        let frame = told(client.frame().await);
        assert_eq!(frame["event"], event);
        assert_eq!(frame["user_id"], 12345);
        assert_eq!(frame["target_crm_user"], "user_abc123", "{event}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_took_ends_for_its_clients_too() {
    let bench = Bench::new().await;
    let mut client = listen(&bench).await;
    bench.hear(&event("call.ring", 7, &json!({}))).await;
    bench.hear(&event("call.missed", 7, &json!({}))).await;
    let mut frames = Vec::new();
    for _ in 0..3 {
        let frame = client.frame().await;
        frames.push((frame["event"].clone(), frame["status"].clone()));
    }
    let pair = |event: &str, status: &str| (json!(event), json!(status));
    assert_eq!(
        frames,
        [
            pair("call.ring", "ringing"),
            pair("call.missed", "missed"),
            pair("call.ended", "ended"),
        ]
    );
}

#[tokio::test]
async fn voicemails_and_messages_are_told() {
    let bench = Bench::new().await;
    let mut client = listen(&bench).await;
    bench
        .hear(&json!({"event_type": "voicemail.received", "voicemail": {
            "user_id": 987_654, "call_id": 123_456_789, "from": "+15551234567",
            "to": "+15559876543", "recording_url": "https://dialpad.example/abc123.mp3",
            "transcript": "Hi John...", "duration": 45}}))
        .await;
    let frame = loop {
        let frame = client.frame().await;
        if frame["event"] == "voicemail.received" {
            break told(frame);
        }
    };
    let list = bench.get("/api/voicemails").await.body;
    assert_eq!(
        frame,
        json!({"event": "voicemail.received", "voicemail_id": list["data"][0]["id"],
            "call_id": 123_456_789, "dialpad_call_id": "123456789",
            "from_number": "+15551234567", "to_number": "+15559876543", "user_id": 987_654,
            "recording_url": "https://dialpad.example/abc123.mp3", "transcript": "Hi John...",
            "duration_seconds": 45})
    );
    bench
        .hear(&json!({"event_type": "sms.received", "message": {"id": 77,
            "from": "+15551234567", "to": "+15559876543", "text": "hello", "user_id": 12345,
            "sent_at": "2026-01-27T10:00:00Z"}}))
        .await;
    let frame = told(client.frame().await);
    assert_eq!(
        (&frame["event"], &frame["text"]),
        (&json!("message.received"), &json!("hello"))
    );
    assert_eq!(
        (&frame["dialpad_message_id"], &frame["user_id"]),
        (&json!(77), &json!(12345))
    );
}

#[tokio::test]
async fn a_key_is_taken_from_query_header_or_first_message() {
    let bench = Bench::new().await;
    let (key, app) = (bench.tenant.key.as_str(), bench.tenant.id.as_str());
    let mut clients = vec![
        listen(&bench).await,
        open(&bench, "", &[("x-app-api-key", key)]).await.unwrap(),
        open(&bench, "", &[("x-api-key", key)]).await.unwrap(),
    ];
    let subscribe = json!({"type": "subscribe", "app_id": app, "api_key": key}).to_string();
    let mut late = open(&bench, "", &[]).await.unwrap();
    late.say(subscribe).await;
    clients.push(late);
    // What clients say besides is passed over, as there.
    for client in &mut clients {
        client.say(r#"{"type":"ping"}"#).await;
        client.say("not even JSON").await;
    }
    // The late one is let in once its message was read, and listens a moment later.
    let stats = "/internal/monitoring/websocket/stats";
    for _ in 0..100 {
        let found = bench.operate(reqwest::Method::GET, stats, None).await.body;
        if found["data"]["apps"][0]["connections"] == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.hear(&event("call.ring", 5, &json!({}))).await;
    for client in &mut clients {
        let frame = client.frame().await;
        assert_eq!(
            (&frame["event"], &frame["call_id"]),
            (&json!("call.ring"), &json!(5))
        );
    }
}

#[tokio::test]
async fn a_bad_key_is_refused() {
    let bench = Bench::new().await;
    let key = bench.tenant.key.as_str();
    assert_eq!(
        open(&bench, "?api_key=raw_wrong", &[]).await.err(),
        Some(403)
    );
    let header = [("x-app-api-key", "raw_wrong")];
    assert_eq!(open(&bench, "", &header).await.err(), Some(403));
    // The query wins, either way.
    let header = [("x-app-api-key", key)];
    assert_eq!(
        open(&bench, "?api_key=raw_wrong", &header).await.err(),
        Some(403)
    );
    let good = format!("?api_key={key}");
    let header = [("x-app-api-key", "raw_wrong")];
    assert!(open(&bench, &good, &header).await.is_ok());
    let nowhere = json!({"type": "subscribe", "api_key": key,
        "app_id": "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"});
    let wrong = json!({"type": "subscribe", "api_key": "raw_wrong"});
    for (said, code) in [
        (nowhere.to_string(), 4401),
        (wrong.to_string(), 4401),
        ("x".to_owned(), 4400),
    ] {
        let mut client = open(&bench, "", &[]).await.unwrap();
        client.say(said).await;
        assert_eq!(client.closed().await, code);
    }
}
