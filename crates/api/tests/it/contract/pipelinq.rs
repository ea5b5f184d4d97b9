//! The contract of the Pipelinq CTI adapter, route by route, written from its documents: at the
//! root and below `/index.php/apps/pipelinq`. Webhooks and click-to-dial have their tests beside
//! their routes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::dialling::TARGET;
use crate::moments::Office;
use crate::people::join;

const BASES: [&str; 2] = ["", "/index.php/apps/pipelinq"];
const UNKNOWN: &str = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";

impl Office {
    async fn cti(&self, method: Method, base: &str, path: &str, body: Value) -> Answer {
        let path = format!("{base}/api/cti/{path}");
        let body = (!body.is_null()).then_some(body);
        let world = &self.desk.world;
        world
            .change(&self.desk.tenant, method, &path, body.as_ref())
            .await
    }
}

fn says(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.body["error"], text, "{}", answer.text);
}

fn members(body: &Value) -> Vec<&str> {
    let mut names: Vec<_> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_screen_pop_says_who_has_the_number() {
    for base in BASES {
        let office = Office::new().await;
        let pop = async |body| office.cti(Method::POST, base, "screen-pop", body).await;
        for body in [
            json!({}),
            json!({"fromNumber": " "}),
            json!({"fromNumber": null}),
        ] {
            says(&pop(body).await, 400, "fromNumber is required");
        }
        let none = pop(json!({"fromNumber": "06 12345678"})).await;
        assert_eq!(none.status, 200, "{}", none.text);
        let named = [
            "action",
            "delayMs",
            "e164",
            "e164Number",
            "matches",
            "rawNumber",
        ];
        assert_eq!(members(&none.body), named);
        assert_eq!(none.body["action"], "intake");
        assert_eq!(none.body["matches"], json!([]));
        assert_eq!(none.body["e164"], TARGET);
        assert_eq!(none.body["e164Number"], TARGET);
        assert_eq!(none.body["rawNumber"], "06 12345678");
        assert_eq!(none.body["delayMs"], 0);
        for (index, action) in ["navigate", "chooser", "chooser", "chooser"]
            .iter()
            .enumerate()
        {
            let body = json!({"name": format!("Contact {index}"), "numbers": ["0612345678"]});
            office
                .desk
                .world
                .post(&office.desk.tenant, "/api/contacts", &body)
                .await;
            let found = pop(json!({"fromNumber": TARGET})).await.body;
            assert_eq!(found["action"], *action);
            let matches = found["matches"].as_array().unwrap();
            assert_eq!(matches.len(), (index + 1).min(3));
            assert!(
                matches.iter().all(|one| one["_matchType"] == "contact"),
                "{found}"
            );
            assert_eq!(matches[0]["name"], "Contact 0");
            assert_eq!(matches[0]["numbers"][0]["number"], TARGET);
        }
        let odd = pop(json!({"fromNumber": "abc123xyz"})).await;
        assert_eq!(odd.status, 200, "{}", odd.text);
        assert_eq!(odd.body["e164"], Value::Null);
        assert_eq!(odd.body["e164Number"], "");
        assert_eq!(odd.body["action"], "intake");
    }
}

#[tokio::test]
async fn a_disposition_completes_the_contact_moment() {
    for base in BASES {
        let office = Office::new().await;
        let call = office.talked("call:1").await;
        let path = format!("contactmoment/{call}/disposition");
        let dispose = async |body| office.cti(Method::POST, base, &path, body).await;
        for body in [
            json!({}),
            json!({"subject": "x"}),
            json!({"outcome": "resolved"}),
            json!({"subject": " ", "outcome": "resolved"}),
        ] {
            says(
                &dispose(body).await,
                400,
                "subject and outcome are required",
            );
        }
        let odd = dispose(json!({"subject": "x", "outcome": "bought"})).await;
        says(&odd, 400, "Unknown disposition outcome: bought");
        for id in [UNKNOWN, "nonsense"] {
            let path = format!("contactmoment/{id}/disposition");
            let body = json!({"subject": "x", "outcome": "resolved"});
            let unknown = office.cti(Method::POST, base, &path, body).await;
            assert_eq!((unknown.status, unknown.problem()), (404, "call_not_found"));
            assert!(unknown.body["error"].is_string());
        }
        let said = json!({"subject": "x", "outcome": "callback", "notes": "y", "queue": "z"});
        let done = dispose(said.clone()).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let named = [
            "contactmoment",
            "contactmomentId",
            "interactionId",
            "outcome",
            "taskId",
        ];
        assert_eq!(members(&done.body), named);
        assert_eq!(done.body["outcome"], "callback");
        assert_eq!(done.body["contactmomentId"], json!(call));
        assert_eq!(done.body["interactionId"], json!(call));
        assert!(done.body["taskId"].is_string());
        let record = &done.body["contactmoment"];
        assert_eq!(record["callStatus"], "completed");
        assert_eq!(record["dispositionSubject"], "x");
        assert_eq!(record["dispositionOutcome"], "callback");
        assert_eq!(record["dispositionNotes"], "y");
        assert_eq!(record["fromNumber"], TARGET);
        assert_eq!(record["direction"], "inbound");
        assert_eq!(dispose(said).await.body, done.body, "no second task");
        // Another one corrects the first: those clients know no versions.
        let corrected = dispose(json!({"subject": "x", "outcome": "resolved"})).await;
        assert_eq!(corrected.status, 200, "{}", corrected.text);
        assert_eq!(corrected.body["taskId"], Value::Null);
        let moment = office.moment(&call).await;
        assert_eq!(moment["outcome"], "resolved");
        assert_eq!(moment["completed_by"]["kind"], "key");
    }
}

#[tokio::test]
async fn a_recording_somebody_tells_of_is_one_of_the_calls() {
    for base in BASES {
        let office = Office::new().await;
        let call = office.talked("call:1").await;
        let path = format!("contactmoment/{call}/recording");
        let attach = async |body| office.cti(Method::POST, base, &path, body).await;
        says(&attach(json!({})).await, 400, "recordingUrl is required");
        for url in ["javascript:alert(1)", "file:///etc/passwd", "x", "https://"] {
            let refused = attach(json!({"recordingUrl": url})).await;
            assert_eq!(
                (refused.status, refused.problem()),
                (400, "invalid_field"),
                "{url}"
            );
            assert_eq!(refused.body["field"], "recordingUrl");
        }
        let soon = json!({"recordingUrl": "https://x.example/r", "expiresAt": "soon"});
        assert_eq!(attach(soon).await.body["field"], "expiresAt");
        let unknown = format!("contactmoment/{UNKNOWN}/recording");
        let body = json!({"recordingUrl": "https://x.example/r/1",
            "expiresAt": "2030-01-01T00:00:00Z"});
        let unknown = office.cti(Method::POST, base, &unknown, body.clone()).await;
        assert_eq!(unknown.status, 404);
        for _ in 0..2 {
            let done = attach(body.clone()).await;
            assert_eq!((done.status, &done.body), (200, &json!({"ok": true})));
        }
        let record = office.moment(&call).await["call"].clone();
        assert_eq!(record["recording_url"], "https://x.example/r/1");
        assert_eq!(record["recordings"].as_array().unwrap().len(), 1);
        assert_eq!(
            record["recordings"][0]["expires_at"],
            "2030-01-01T00:00:00Z"
        );
        assert_eq!(office.desk.events("recording.available").await.len(), 1);
    }
}

#[tokio::test]
async fn the_one_configuration_is_a_view_of_all() {
    for base in BASES {
        let office = Office::new().await;
        let read = office.cti(Method::GET, base, "config", Value::Null).await;
        assert_eq!(read.status, 200, "{}", read.text);
        assert_eq!(read.body["platform"], "scripted");
        assert_eq!(read.body["auth_method"], "webhook-secret");
        assert_eq!(read.body["default_country_code"], "NL");
        assert_eq!(read.body["screen_pop_enabled"], true);
        assert_eq!(read.body["config"]["screenPopEnabled"], true);
        assert!(!read.text.contains(&office.desk.hook.secret), "no secret");
        assert!(read.body.get("webhook_secret").is_none());
        let put = async |body| office.cti(Method::PUT, base, "config", body).await;
        let kept = put(json!({
            "platform": "scripted", "default_country_code": "NL", "webhook_secret": "",
            "screen_pop_delay_ms": 2000, "click_to_dial_enabled": false,
            "default_outbound_caller_id": "020 123 4567", "colour": "red",
        }))
        .await;
        assert_eq!(kept.status, 200, "{}", kept.text);
        assert_eq!(kept.body["screen_pop_delay_ms"], 2000);
        assert_eq!(kept.body["default_outbound_caller_id"], "+31201234567");
        assert_eq!(kept.body["config"]["clickToDialEnabled"], false);
        let settings = office.desk.get("/api/work-settings").await.body["data"].clone();
        assert_eq!(settings["screen_pop_delay_ms"], 2000);
        assert_eq!(settings["click_to_dial_enabled"], false);
        assert_eq!(
            settings["screen_pop_enabled"], true,
            "what is left out stays"
        );
        let policy = office.desk.get("/api/dial-policy").await.body["data"].clone();
        assert_eq!(policy["default_caller_id"], "+31201234567");
        let pop = office
            .cti(
                Method::POST,
                base,
                "screen-pop",
                json!({"fromNumber": TARGET}),
            )
            .await;
        assert_eq!(pop.body["delayMs"], 2000);
        // The whole answer can be sent back.
        let again = put(kept.body.clone()).await;
        assert_eq!(again.body, kept.body);
        for (body, field) in [
            (json!({"platform": "asterisk"}), "platform"),
            (json!({"webhook_secret": "geheim"}), "webhook_secret"),
            (
                json!({"default_country_code": "BE"}),
                "default_country_code",
            ),
            (json!({"screen_pop_delay_ms": 5001}), "screen_pop_delay_ms"),
            (
                json!({"default_outbound_caller_id": "x"}),
                "default_outbound_caller_id",
            ),
        ] {
            let refused = put(body).await;
            assert_eq!(
                (refused.status, &refused.body["field"]),
                (400, &json!(field))
            );
            assert!(refused.body["error"].is_string());
        }
        let none = put(json!({"default_outbound_caller_id": ""})).await;
        assert_eq!(none.body["default_outbound_caller_id"], Value::Null);
    }
}

#[tokio::test]
async fn the_event_log_tells_what_came() {
    for base in BASES {
        let office = Office::new().await;
        office.talked("call:1").await;
        let bad = office.desk.world.ask(Method::POST, &office.desk.hook.path);
        bad.header("x-secret", "wrong")
            .body("{}")
            .send()
            .await
            .unwrap();
        let log = async |query: &str| {
            let path = format!("event-log{query}");
            let answer = office.cti(Method::GET, base, &path, Value::Null).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.body
        };
        let all = log("").await;
        assert_eq!(members(&all), ["events", "limit", "offset"]);
        assert_eq!((&all["limit"], &all["offset"]), (&json!(50), &json!(0)));
        let events = all["events"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        let (refused, good) = (&events[0], &events[1]);
        assert_eq!(refused["signature_valid"], false);
        assert_eq!(refused["processing_error"], "signature_invalid");
        assert_eq!(refused["processed_at"], Value::Null);
        assert_eq!(refused["event_type"], "unknown");
        assert_eq!(good["signature_valid"], true);
        assert_eq!(good["processing_error"], Value::Null);
        assert_eq!(good["platform"], "scripted");
        assert_eq!(good["event_type"], "scripted");
        // The end is told of the call, the rest of its leg.
        let named = |id: &str| events.iter().any(|one| one["external_call_id"] == id);
        assert!(named("1") && named("call:1/a"), "{events:?}");
        assert!(good["received_at"].is_string() && good["processed_at"].is_string());
        for (query, count) in [
            ("?event_type=Scripted", 3),
            ("?eventType=unknown", 1),
            ("?platform=asterisk", 0),
            ("?platform=scripted&limit=2&offset=3", 1),
        ] {
            let found = log(query).await;
            assert_eq!(found["events"].as_array().unwrap().len(), count, "{query}");
        }
        for query in ["?limit=201", "?limit=0", "?offset=-1", "?colour=red"] {
            let path = format!("event-log{query}");
            let refused = office.cti(Method::GET, base, &path, Value::Null).await;
            assert_eq!(
                (refused.status, refused.problem()),
                (400, "invalid_parameter")
            );
        }
        let path = format!("{base}/api/cti/event-log");
        let them = office.desk.world.tenant("them").await;
        let theirs = office.desk.world.get(&them, &path).await;
        assert_eq!(theirs.body["events"], json!([]));
        let panel = office.desk.world.get(&office.anna, &path).await;
        assert_eq!((panel.status, panel.problem()), (403, "role_not_allowed"));
        office.desk.later(30 * 24 * 3600 + 60).await;
        assert_eq!(log("").await["events"], json!([]), "30 days and no more");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_credential_there_either() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let agent = join(
        &office.desk.world,
        &office.desk.tenant,
        "a@example.nl",
        "agent",
    )
    .await;
    for base in BASES {
        for (method, path, may) in [
            (Method::POST, "screen-pop".to_owned(), true),
            (
                Method::POST,
                format!("contactmoment/{call}/disposition"),
                true,
            ),
            (
                Method::POST,
                format!("contactmoment/{call}/recording"),
                true,
            ),
            (Method::GET, "config".to_owned(), true),
            (Method::PUT, "config".to_owned(), false),
            (Method::GET, "event-log".to_owned(), false),
        ] {
            let path = format!("{base}/api/cti/{path}");
            let none = office
                .desk
                .world
                .ask(method.clone(), &path)
                .json(&json!({}));
            let none = Answer::of(none.send().await.unwrap()).await;
            assert_eq!(
                (none.status, none.problem()),
                (401, "key_missing"),
                "{path}"
            );
            let request = agent.ask(method, &path).json(&json!({}));
            let answer = Answer::of(request.send().await.unwrap()).await;
            let refused = answer.status == 403 && answer.problem() == "role_not_allowed";
            let on_scope = refused && answer.body.get("scope").is_some();
            assert_eq!(on_scope, !may, "{path}: {}", answer.text);
        }
    }
}
