//! Drafts: kept while somebody writes, told to nobody, and only by those whose call it is.

use reqwest::Method;
use serde_json::{Value, json};

use super::Office;
use crate::people::join;

#[tokio::test]
async fn a_draft_is_kept_and_told_to_nobody() {
    let office = Office::new().await;
    let (_, call) = office.ringing("call:1").await;
    let before = office.log().await.len();
    let patch = async |body: Value| {
        office
            .send(&office.desk.tenant, Method::PATCH, &call, "", body)
            .await
    };
    let saved = patch(json!({"subject": "Invoice", "notes": "line one\nline two"})).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let version = saved.body["data"]["version"].clone();
    let saved = patch(json!({"outcome": "resolved", "version": version})).await;
    let data = &saved.body["data"];
    assert_eq!(data["subject"], "Invoice", "what is left out stays");
    assert_eq!(data["outcome"], "resolved");
    let saved = patch(json!({"notes": null, "outcome": " "})).await;
    assert_eq!(saved.body["data"]["notes"], Value::Null, "null clears");
    assert_eq!(saved.body["data"]["outcome"], Value::Null);
    assert_eq!(saved.body["data"]["subject"], "Invoice");
    assert_eq!(saved.body["data"]["status"], "pending");
    let stale = patch(json!({"notes": "x", "version": version})).await;
    assert_eq!((stale.status, stale.problem()), (409, "conflict"));
    assert_eq!(stale.body["version"], saved.body["data"]["version"]);
    assert_eq!(office.log().await.len(), before);
    for (body, field) in [
        (json!({"subject": "x".repeat(256)}), "subject"),
        (json!({"notes": "x".repeat(10_001)}), "notes"),
        (json!({"notes": "a\u{0}b"}), "notes"),
        (json!({"outcome": "bought"}), "outcome"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let refused = patch(body).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test]
async fn a_completed_moment_takes_no_drafts() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let said = json!({"subject": "x", "outcome": "resolved"});
    office.dispose(&office.anna, &call, said).await;
    let late = office
        .send(
            &office.anna,
            Method::PATCH,
            &call,
            "",
            json!({"notes": "y"}),
        )
        .await;
    assert_eq!((late.status, late.problem()), (409, "conflict"));
    assert_eq!(late.body["version"], office.moment(&call).await["version"]);
}

#[tokio::test]
async fn agents_write_on_their_own_calls_and_on_nobodys() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let world = &office.desk.world;
    let other = office
        .send(
            &office.bram,
            Method::PATCH,
            &call,
            "",
            json!({"notes": "y"}),
        )
        .await;
    assert_eq!((other.status, other.problem()), (403, "role_not_allowed"));
    let said = json!({"subject": "x", "outcome": "resolved"});
    let other = office.dispose(&office.bram, &call, said.clone()).await;
    assert_eq!(other.problem(), "role_not_allowed");
    let own = office
        .send(
            &office.anna,
            Method::PATCH,
            &call,
            "",
            json!({"notes": "y"}),
        )
        .await;
    assert_eq!(own.status, 200, "{}", own.text);
    // Reading is for everybody of the app, writing on all of them for those who lead.
    let path = format!("/api/contact-moments/{call}");
    assert_eq!(world.get(&office.bram, &path).await.status, 200);
    let lead = join(world, &office.desk.tenant, "lead@example.nl", "supervisor").await;
    let request = lead
        .ask(Method::POST, &format!("{path}/disposition"))
        .json(&said);
    let done = crate::client::Answer::of(request.send().await.unwrap()).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let by = &done.body["data"]["contact_moment"]["completed_by"];
    assert_eq!(by["kind"], "person", "{by}");
    let reader = join(world, &office.desk.tenant, "reader@example.nl", "read_only").await;
    let request = reader
        .ask(Method::POST, &format!("{path}/disposition"))
        .json(&said);
    let refused = crate::client::Answer::of(request.send().await.unwrap()).await;
    assert_eq!(refused.problem(), "role_not_allowed");
}

#[tokio::test]
async fn another_apps_contact_moment_does_not_exist() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let them = office.desk.world.tenant("them").await;
    let unknown = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    for id in [call.as_str(), unknown] {
        let said = json!({"subject": "x", "outcome": "resolved"});
        let contact = json!({"contact_id": null});
        for (method, rest, body) in [
            (Method::GET, "", Value::Null),
            (Method::PATCH, "", json!({"notes": "x"})),
            (Method::POST, "/disposition", said.clone()),
            (Method::PUT, "/contact", contact),
            (Method::POST, "/contact", json!({"name": "x"})),
            (Method::POST, "/wrap-up", json!({"until": null})),
        ] {
            let answer = office.send(&them, method, id, rest, body).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (404, "call_not_found"),
                "{rest}"
            );
        }
    }
    assert_eq!(office.moment(&call).await["version"], 0);
    let contacts = office.desk.world.get(&them, "/api/contacts").await;
    assert_eq!(contacts.body["pagination"]["total"], 0);
}
