//! What is turned away before the platform hears of it, each with its own code.

use serde_json::{Value, json};
use switchhook_domain::media::{Presence, PresenceReport};
use switchhook_domain::signal::{Fact, Signal};

use super::{Desk, Story, TARGET, connection};

async fn refused(desk: &Desk, body: &Value) -> (u16, String, Value) {
    let asked = desk.script.dials();
    let answer = desk.place(body).await;
    let code = answer.problem().to_owned();
    assert_eq!(desk.script.dials(), asked, "the platform heard of {body}");
    (answer.status, code, answer.body)
}

fn presence(desk: &Desk, extension: &str, presence: Presence) -> Signal {
    Signal {
        at: desk.now(),
        keys: Vec::new(),
        fact: Fact::Presence(PresenceReport {
            extension: Some(extension.to_owned()),
            user_id: Some(format!("u-{extension}")),
            email: None,
            presence,
        }),
    }
}

#[tokio::test]
async fn numbers_that_may_not_be_dialled() {
    let desk = Desk::new().await;
    for (to, status, code, reason) in [
        ("sip:jan@example.nl", 400, "invalid_field", "not_a_number"),
        ("0612345678;ext=1", 400, "invalid_field", "not_a_number"),
        ("0612345678&PJSIP/200", 400, "invalid_field", "not_a_number"),
        (
            "0612345678\r\nAction: x",
            400,
            "invalid_field",
            "not_a_number",
        ),
        ("0612345678,200", 400, "invalid_field", "not_a_number"),
        ("0612345678@evil", 400, "invalid_field", "not_a_number"),
        ("0800-FLOWERS", 400, "invalid_field", "not_a_number"),
        ("", 400, "invalid_field", "not_a_number"),
        ("112", 403, "dial_refused", "emergency"),
        ("14020", 403, "dial_refused", "short_code"),
        ("0112", 403, "dial_refused", "outside_line"),
        ("100", 403, "dial_refused", "own_extension"),
        ("+49 30 123456", 403, "dial_refused", "country"),
        ("0900 1234", 403, "dial_refused", "premium_rate"),
    ] {
        let (got, kind, body) = refused(&desk, &json!({ "to": to, "extension": "100" })).await;
        assert_eq!((got, kind.as_str()), (status, code), "{to:?}");
        assert_eq!(body["field"], "to", "{to:?}");
        assert_eq!(body["reason"], reason, "{to:?}");
        let digits: String = to.chars().filter(char::is_ascii_digit).collect();
        let detail = body["detail"].as_str().unwrap();
        assert!(digits.len() < 6 || !detail.contains(&digits), "{detail}");
    }
    let shown = json!({ "to": TARGET, "extension": "100", "caller_id": "0201234567" });
    let (status, code, body) = refused(&desk, &shown).await;
    assert_eq!((status, code.as_str()), (403, "dial_refused"));
    assert_eq!(body["reason"], "caller_id");
    assert_eq!(desk.open_calls().await, [] as [Value; 0]);
    assert_eq!(desk.counted("refused"), 15);
}

#[tokio::test]
async fn bodies_that_say_it_wrong() {
    let desk = Desk::new().await;
    for (body, field) in [
        (json!({ "extension": "100" }), "to"),
        (
            json!({ "to": 31_612_345_678_u64, "extension": "100" }),
            "to",
        ),
        (json!({ "to": TARGET }), "agent"),
        (json!({ "to": TARGET, "agent": {} }), "agent"),
        (json!({ "to": TARGET, "agent": "100" }), "agent"),
        (
            json!({ "to": TARGET, "extension": "100&200" }),
            "agent.extension",
        ),
        (
            json!({ "to": TARGET, "agent": { "user_id": "a b" } }),
            "agent.user_id",
        ),
        (
            json!({ "to": TARGET, "agent": { "name": "Jan" } }),
            "agent.name",
        ),
        (
            json!({ "to": TARGET, "extension": "100", "agent": { "extension": "100" } }),
            "extension",
        ),
        (
            json!({ "to": TARGET, "extension": "100", "connection_id": "x" }),
            "connection_id",
        ),
        (
            json!({ "to": TARGET, "extension": "100",
                "connection_id": "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b" }),
            "connection_id",
        ),
        (
            json!({ "to": TARGET, "extension": "100", "colour": "red" }),
            "colour",
        ),
    ] {
        let (status, code, problem) = refused(&desk, &body).await;
        assert_eq!((status, code.as_str()), (400, "invalid_field"), "{body}");
        assert_eq!(problem["field"], field, "{body}");
    }
}

#[tokio::test]
async fn an_agent_who_is_busy() {
    let desk = Desk::new().await;
    let body = json!({ "to": TARGET, "extension": "100" });
    for state in [Presence::OnCall, Presence::WrapUp] {
        desk.world.clock.advance(jiff::SignedDuration::from_secs(1));
        desk.hear(&[presence(&desk, "100", state)]).await;
        let (status, code, problem) = refused(&desk, &body).await;
        assert_eq!((status, code.as_str()), (409, "agent_busy"));
        let said = "Cannot initiate call while on another call";
        assert_eq!(problem["detail"], said);
        // By the other name of the same agent too.
        let by_user = json!({ "to": TARGET, "agent": { "user_id": "u-100" } });
        assert_eq!(refused(&desk, &by_user).await.1, "agent_busy");
    }
    let other = json!({ "to": TARGET, "extension": "101" });
    assert_eq!(desk.place(&other).await.status, 201);
    for state in [Presence::Away, Presence::Offline, Presence::Available] {
        desk.world
            .clock
            .advance(jiff::SignedDuration::from_secs(61));
        desk.hear(&[presence(&desk, "100", state)]).await;
        assert_eq!(desk.place(&body).await.status, 201, "{state:?}");
    }
    // What was said hours ago is worth nothing.
    desk.hear(&[presence(&desk, "103", Presence::OnCall)]).await;
    let late = json!({ "to": TARGET, "extension": "103" });
    assert_eq!(refused(&desk, &late).await.1, "agent_busy");
    desk.world
        .clock
        .advance(jiff::SignedDuration::from_hours(5));
    assert_eq!(desk.place(&late).await.status, 201);
}

#[tokio::test]
async fn an_agent_who_talks_to_somebody() {
    let desk = Desk::new().await;
    let body = json!({ "to": TARGET, "extension": "100" });
    let story = Story::new(&["call:1"], desk.now());
    desk.hear(&story.rings_in()).await;
    desk.hear(&story.answered()).await;
    assert_eq!(refused(&desk, &body).await.1, "agent_busy");
    desk.hear(&story.ends()).await;
    assert_eq!(desk.place(&body).await.status, 201);
}

#[tokio::test]
async fn an_agent_who_dials_too_much() {
    let desk = Desk::new().await;
    let body = json!({ "to": TARGET, "extension": "100" });
    for _ in 0..10 {
        assert_eq!(desk.place(&body).await.status, 201);
        desk.world.clock.advance(jiff::SignedDuration::from_secs(2));
    }
    let answer = desk.place(&body).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (429, "dial_rate_limited")
    );
    // The first was 20 seconds ago.
    assert_eq!(answer.header("retry-after"), "40");
    assert_eq!(desk.script.dials(), 10);
    let other = json!({ "to": TARGET, "extension": "101" });
    assert_eq!(desk.place(&other).await.status, 201, "another agent may");
    desk.world
        .clock
        .advance(jiff::SignedDuration::from_secs(39));
    assert_eq!(desk.place(&body).await.status, 429);
    desk.world.clock.advance(jiff::SignedDuration::from_secs(1));
    assert_eq!(desk.place(&body).await.status, 201);
    // A limit is a limit when many ask at once.
    let eager = json!({ "to": TARGET, "extension": "102" });
    let many = (0..20).map(|_| desk.place(&eager));
    let answers = futures_util::future::join_all(many).await;
    let placed = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(placed.count(), 10);
}

#[tokio::test]
async fn connections_that_cannot() {
    let desk = Desk::new().await;
    // A second connection that can: which one is to be said.
    let second = connection(&desk.world, &desk.tenant).await;
    let body = json!({ "to": TARGET, "extension": "100" });
    let (status, code, problem) = refused(&desk, &body).await;
    assert_eq!((status, code.as_str()), (400, "invalid_field"));
    assert_eq!(problem["field"], "connection_id");
    let named = json!({ "to": TARGET, "extension": "100", "connection_id": second.connection_id });
    let placed = desk.place(&named).await;
    assert_eq!(
        placed.body["data"]["call"]["connection_id"],
        second.connection_id
    );
    // Another app's connection is none.
    let other = desk.world.tenant("other").await;
    let theirs = connection(&desk.world, &other).await;
    let foreign =
        json!({ "to": TARGET, "extension": "100", "connection_id": theirs.connection_id });
    let (status, code, problem) = refused(&desk, &foreign).await;
    assert_eq!((status, code.as_str()), (400, "invalid_field"));
    assert_eq!(problem["field"], "connection_id");
    // An app without any.
    let nobody = desk.world.tenant("nobody").await;
    let answer = desk.world.post(&nobody, "/api/calls", &body).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid_field"));
    assert_eq!(answer.body["field"], "connection_id");
}

#[tokio::test]
async fn another_app_sees_neither_dial_nor_call() {
    let desk = Desk::new().await;
    let placed = desk.dial(TARGET).await;
    let other = desk.world.tenant("other").await;
    for (path, code) in [
        (
            format!(
                "/api/dials/{}",
                placed.body["data"]["dial"]["id"].as_str().unwrap()
            ),
            "dial_not_found",
        ),
        (
            format!(
                "/api/calls/{}/actions",
                placed.body["data"]["call"]["id"].as_str().unwrap()
            ),
            "call_not_found",
        ),
    ] {
        let answer = desk.world.get(&other, &path).await;
        assert_eq!((answer.status, answer.problem()), (404, code));
    }
    // The same idempotency key of another app is another key.
    connection(&desk.world, &other).await;
    let body = json!({ "to": TARGET, "extension": "100" });
    let ours = desk.place_keyed("k", &body).await;
    let request = desk.world.ask(reqwest::Method::POST, "/api/calls");
    let request = request
        .header("x-api-key", &other.key)
        .header("idempotency-key", "k")
        .json(&body);
    let theirs = crate::client::Answer::of(request.send().await.unwrap()).await;
    assert_eq!((ours.status, theirs.status), (201, 201), "{}", theirs.text);
    assert_ne!(
        ours.body["data"]["call"]["id"],
        theirs.body["data"]["call"]["id"]
    );
}

#[tokio::test]
async fn an_app_sees_what_its_connections_can() {
    let desk = Desk::new().await;
    desk.world.hook(&desk.tenant).await;
    let other = desk.world.tenant("other").await;
    connection(&desk.world, &other).await;
    let list = desk.get("/api/connections").await;
    assert_eq!(list.status, 200, "{}", list.text);
    let rows = list.body["data"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| &row["platform"]).collect();
    assert_eq!(names, ["dialpad", "scripted"]);
    let own = &rows[1];
    assert_eq!(own["id"], desk.hook.connection_id);
    assert_eq!(
        (&own["places_calls"], &own["why_not"]),
        (&json!(true), &Value::Null)
    );
    let actions = own["actions"].as_array().unwrap();
    let park = actions.iter().find(|a| a["action"] == "park").unwrap();
    assert_eq!(park["code"], "not_supported");
    assert_eq!(park["reason"], "Scripted has no place to park.");
    let possible = actions.iter().filter(|a| a["possible"] == true);
    assert_eq!(possible.count(), 10);
    for row in rows {
        let can = row["places_calls"] == true;
        assert_eq!(can, row["why_not"].is_null(), "{row}");
        assert!(row.get("config").is_none() && row.get("webhook_secret").is_none());
    }
}
