//! Who the caller is: chosen, remembered, taken in, and not overruled by the directory.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, kinds};
use crate::dialling::TARGET;

async fn contact(office: &Office, name: &str, numbers: Value) -> Value {
    let body = json!({"name": name, "numbers": numbers});
    let made = office
        .desk
        .world
        .post(&office.desk.tenant, "/api/contacts", &body)
        .await;
    made.body["data"]["id"].clone()
}

#[tokio::test]
async fn what_an_agent_chooses_counts_more_than_the_directory() {
    let office = Office::new().await;
    let jan = contact(&office, "Jan", json!([TARGET])).await;
    let piet = contact(&office, "Piet", json!(["0201234567"])).await;
    let (story, call) = office.ringing("call:1").await;
    let found = office.moment(&call).await;
    assert_eq!(found["call"]["contact"]["id"], jan);
    let before = office.log().await.len();
    let choose = async |body: Value| {
        office
            .send(&office.anna, Method::PUT, &call, "/contact", body)
            .await
    };
    let chosen = choose(json!({"contact_id": piet, "remember": true})).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);
    let contact = &chosen.body["data"]["call"]["contact"];
    assert_eq!(contact["id"], piet);
    assert_eq!(contact["certainty"], "certain");
    assert_eq!(contact["why"], "chosen by Anna");
    let log = office.log().await;
    assert_eq!(kinds(&log[before..]), ["call.updated"]);
    let path = format!("/api/contacts/{}", piet.as_str().unwrap());
    let numbers = office.desk.get(&path).await.body["data"]["numbers"].clone();
    assert_eq!(numbers[1]["number"], TARGET, "remembered");
    // The same again changes nothing, and the number is there once.
    let again = choose(json!({"contact_id": piet, "remember": true})).await;
    assert_eq!(
        again.body["data"]["version"],
        chosen.body["data"]["version"]
    );
    let numbers = office.desk.get(&path).await.body["data"]["numbers"].clone();
    assert_eq!(numbers.as_array().unwrap().len(), 2);
    // The platform goes on talking; the choice stays.
    office.desk.hear(&story.answered()).await;
    assert_eq!(office.moment(&call).await["call"]["contact"]["id"], piet);
    let nobody = choose(json!({"contact_id": null})).await;
    assert_eq!(nobody.body["data"]["call"]["contact"], Value::Null);
    office.desk.hear(&story.ends()).await;
    assert_eq!(office.moment(&call).await["call"]["contact"], Value::Null);
}

#[tokio::test]
async fn a_contact_must_be_one_of_the_app() {
    let office = Office::new().await;
    let (_, call) = office.ringing("call:1").await;
    let them = office.desk.world.tenant("them").await;
    let body = json!({"name": "Theirs", "numbers": []});
    let theirs = office.desk.world.post(&them, "/api/contacts", &body).await;
    let theirs = &theirs.body["data"]["id"];
    for id in [theirs, &json!("019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b")] {
        let body = json!({"contact_id": id});
        let refused = office
            .send(&office.anna, Method::PUT, &call, "/contact", body)
            .await;
        assert_eq!(
            (refused.status, refused.problem()),
            (404, "contact_not_found")
        );
    }
    for (body, field) in [
        (json!({}), "contact_id"),
        (json!({"contact_id": "x"}), "contact_id"),
        (json!({"contact_id": null, "remember": true}), "remember"),
    ] {
        let refused = office
            .send(&office.anna, Method::PUT, &call, "/contact", body)
            .await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test]
async fn a_new_caller_is_taken_in_once() {
    let office = Office::new().await;
    let (_, call) = office.ringing("call:1").await;
    let jan = json!({"name": " Jan ", "organisation": "Gemeente", "email": "jan@example.nl"});
    let path = format!("/api/contact-moments/{call}/contact");
    let ask = async || {
        let request = office.desk.world.ask(Method::POST, &path);
        let request = request.header("x-api-key", &office.anna.key);
        let request = request.header("idempotency-key", "intake-1").json(&jan);
        crate::client::Answer::of(request.send().await.unwrap()).await
    };
    let made = ask().await;
    assert_eq!(made.status, 201, "{}", made.text);
    let contact = made.body["data"]["call"]["contact"].clone();
    assert_eq!(contact["name"], "Jan");
    assert_eq!(contact["organisation"], "Gemeente");
    let location = format!("/api/contacts/{}", contact["id"].as_str().unwrap());
    assert_eq!(made.header("location"), location);
    let kept = office.desk.get(&location).await.body["data"].clone();
    assert_eq!(kept["numbers"][0]["number"], TARGET);
    assert_eq!(kept["email"], "jan@example.nl");
    assert_eq!(
        ask().await.body,
        made.body,
        "the same key: the same contact"
    );
    let all = office.desk.get("/api/contacts").await;
    assert_eq!(all.body["pagination"]["total"], 1);
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x", "email": "x"}), "email"),
        (json!({"name": "x".repeat(201)}), "name"),
    ] {
        let refused = office
            .send(&office.anna, Method::POST, &call, "/contact", body)
            .await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field))
        );
    }
    let theirs = office.talked("call:2").await;
    let refused = office
        .send(&office.bram, Method::POST, &theirs, "/contact", jan.clone())
        .await;
    assert_eq!(refused.problem(), "role_not_allowed");
    let all = office.desk.get("/api/contacts").await;
    assert_eq!(
        all.body["pagination"]["total"], 1,
        "what is refused leaves no contact"
    );
}
