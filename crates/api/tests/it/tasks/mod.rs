//! Follow-up tasks over HTTP: made, listed, changed; what is done with them is in the modules
//! beneath.

mod callbacks;
mod steps;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_engine::tasks::overdue;

use crate::client::Answer;
use crate::people::{Browser, join};
use crate::world::{Tenant, World, fixture};

/// It is Sunday noon; the next business day ends then.
const MONDAY_AT_FIVE: &str = "2026-11-23T16:00:00Z";

/// An app with two agents who have accounts, and a supervisor.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) us: Tenant,
    pub(crate) them: Tenant,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let (us, them) = (world.tenant("us").await, world.tenant("them").await);
        Self { world, us, them }
    }

    /// Somebody who signs in, and is the agent of that name.
    pub(crate) async fn agent(&self, name: &str) -> (Browser<'_>, Value) {
        let email = format!("{}@example.nl", name.to_lowercase());
        let body = json!({"name": name, "email": email, "crm_user_id": format!("crm-{name}")});
        let agent = self.world.agent(&self.us, &body).await;
        let browser = join(&self.world, &self.us, &email, "agent").await;
        (browser, agent)
    }

    pub(crate) async fn supervisor(&self) -> Browser<'_> {
        join(&self.world, &self.us, "chef@example.nl", "supervisor").await
    }

    pub(crate) async fn make(&self, more: Value) -> Value {
        let mut body = json!({"type": "terugbelverzoek", "subject": "Offerte"});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let made = self.world.post(&self.us, "/api/tasks", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["data"].clone()
    }

    pub(crate) async fn task(&self, id: &Value) -> Value {
        let path = format!("/api/tasks/{}", id.as_str().unwrap());
        self.world.get(&self.us, &path).await.body["data"].clone()
    }

    pub(crate) async fn step(&self, id: &Value, step: &str, body: Value) -> Answer {
        let path = format!("/api/tasks/{}/{step}", id.as_str().unwrap());
        self.world.post(&self.us, &path, &body).await
    }

    async fn patch(&self, id: &Value, body: &Value) -> Answer {
        let path = format!("/api/tasks/{}", id.as_str().unwrap());
        let request = self.world.ask(Method::PATCH, &path);
        let request = request.header("x-api-key", &self.us.key).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// The subjects of a list.
    async fn list(&self, query: &str) -> Vec<String> {
        let path = format!("/api/tasks?{query}");
        subjects(&self.world.get(&self.us, &path).await)
    }

    /// What was told of tasks: type and reason.
    pub(crate) async fn told(&self) -> Vec<(String, Value)> {
        let path = "/api/events?types=task.created,task.updated&limit=100";
        let answer = self.world.get(&self.us, path).await;
        let events = answer.body["data"].as_array().unwrap().clone();
        let told = events.into_iter().map(|event| {
            let kind = event["event"].as_str().unwrap().to_owned();
            assert!(event["data"]["task"]["id"].is_string(), "{event}");
            (kind, event["data"]["reason"].clone())
        });
        told.collect()
    }
}

fn subjects(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tasks = answer.body["data"].as_array().unwrap().iter();
    let subject = |task: &Value| task["subject"].as_str().unwrap().to_owned();
    tasks.map(subject).collect()
}

#[tokio::test]
async fn a_task_is_made_read_and_changed() {
    let desk = Desk::new().await;
    let body = json!({"type": "terugbelverzoek", "subject": " Offerte ",
        "description": "Wil\nkorting", "callback_number": "06-12345678",
        "queue": "Verkoop", "preferred_from": "2026-11-23T10:00:00+01:00",
        "preferred_to": "2026-11-23T12:00:00+01:00"});
    let made = desk.world.post(&desk.us, "/api/tasks", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let task = &made.body["data"];
    let path = made.header("location").to_owned();
    assert_eq!(path, format!("/api/tasks/{}", task["id"].as_str().unwrap()));
    for (member, value) in [
        ("version", json!(1)),
        ("type", json!("terugbelverzoek")),
        ("status", json!("open")),
        ("priority", json!("normaal")),
        ("subject", json!("Offerte")),
        ("description", json!("Wil\nkorting")),
        ("callback_number", json!("+31612345678")),
        ("callback_display", json!("06 12345678")),
        ("queue", json!("Verkoop")),
        ("preferred_from", json!("2026-11-23T09:00:00Z")),
        ("deadline", json!(MONDAY_AT_FIVE)),
        ("source", json!("hand")),
        ("assignee", Value::Null),
        ("attempts", json!([])),
        ("suggest_close", json!(false)),
        ("completed_at", Value::Null),
    ] {
        assert_eq!(task[member], value, "{member}");
    }
    assert_eq!(task["created_by"]["kind"], "key");
    assert!(task["created_by"]["name"].is_string(), "{task}");
    let read = desk.world.get(&desk.us, &path).await;
    assert_eq!(read.body["data"], *task);
    let id = task["id"].clone();
    let change = json!({"subject": "Nota", "priority": "hoog", "deadline": null,
        "description": null, "callback_number": "101", "preferred_from": null, "version": 1});
    let changed = desk.patch(&id, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let task = &changed.body["data"];
    for (member, value) in [
        ("version", json!(2)),
        ("subject", json!("Nota")),
        ("priority", json!("hoog")),
        ("deadline", Value::Null),
        ("description", Value::Null),
        ("callback_number", json!("101")),
        ("preferred_from", Value::Null),
        ("preferred_to", json!("2026-11-23T11:00:00Z")),
    ] {
        assert_eq!(task[member], value, "{member}");
    }
    let late = desk.patch(&id, &change).await;
    assert_eq!((late.status, late.problem()), (409, "conflict"));
    assert_eq!(late.body["version"], 2);
    // Nothing said, nothing changed, nothing told.
    assert_eq!(desk.patch(&id, &json!({})).await.body["data"], *task);
    let created = ("task.created".to_owned(), Value::Null);
    let edited = ("task.updated".to_owned(), json!("edited"));
    assert_eq!(desk.told().await, [created, edited]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let desk = Desk::new().await;
    let agent = desk.world.agent(&desk.them, &json!({"name": "Piet"})).await;
    let contact = json!({"name": "Jan", "numbers": []});
    let contact = desk.world.post(&desk.them, "/api/contacts", &contact).await;
    let hook = desk.world.hook(&desk.them).await;
    desk.world.ring(&hook, 1).await;
    let calls = desk.world.get(&desk.them, "/api/calls").await.body;
    let unknown = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    let gone = desk
        .world
        .agent(&desk.us, &json!({"name": "Wim", "active": false}))
        .await;
    for (member, value) in [
        ("type", json!("bellen")),
        ("subject", json!("")),
        ("subject", json!("x".repeat(256))),
        ("description", json!("x".repeat(10_001))),
        ("priority", json!("urgent")),
        ("deadline", json!("2026-11-22T11:59:59Z")),
        ("deadline", json!("tomorrow")),
        ("deadline", json!("9999-01-01T00:00:00Z")),
        ("deadline", json!(1)),
        ("queue", json!("x".repeat(256))),
        ("callback_number", json!("nobody")),
        ("callback_number", json!("anonymous")),
        ("callback_number", json!("sip:jan@example.nl")),
        ("preferred_to", json!("2026-11-22T00:00:00Z")),
        ("assignee_agent_id", json!("x")),
        ("assignee_agent_id", json!(unknown)),
        ("assignee_agent_id", agent["id"].clone()),
        ("assignee_agent_id", gone["id"].clone()),
        ("contact_id", json!(unknown)),
        ("contact_id", contact.body["data"]["id"].clone()),
        ("call_id", json!(unknown)),
        ("call_id", calls["data"][0]["id"].clone()),
        ("colour", json!("red")),
    ] {
        let mut body = json!({"type": "opvolgtaak", "subject": "x",
            "preferred_from": "2026-11-23T00:00:00Z"});
        body[member] = value.clone();
        let refused = desk.world.post(&desk.us, "/api/tasks", &body).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(member)),
            "{value} {}",
            refused.text
        );
    }
    for query in [
        "status=gesloten",
        "type=x",
        "assignee=you",
        "assignee=me",
        "contact_id=x",
        "call_id=x",
        "number=anonymous",
        "overdue=maybe",
        "overdue=true&status=afgerond",
        "sort=subject",
        "limit=0",
        "limit=101",
        "cursor=x",
        "colour=red",
    ] {
        let path = format!("/api/tasks?{query}");
        let refused = desk.world.get(&desk.us, &path).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    assert_eq!(desk.list("").await.len(), 0);
    // An unknown agent of the same form as a foreign one: the same words.
    let foreign = json!({"type": "opvolgtaak", "subject": "x", "assignee_agent_id": agent["id"]});
    let none = json!({"type": "opvolgtaak", "subject": "x", "assignee_agent_id": unknown});
    let foreign = desk.world.post(&desk.us, "/api/tasks", &foreign).await;
    let none = desk.world.post(&desk.us, "/api/tasks", &none).await;
    assert_eq!(foreign.body["detail"], none.body["detail"]);
}

#[tokio::test]
async fn a_task_of_a_call_takes_over_who_it_was() {
    let desk = Desk::new().await;
    let contact = json!({"name": "Jan de Vries", "numbers": ["0612000001", "0201234567"]});
    let contact = desk.world.post(&desk.us, "/api/contacts", &contact).await;
    let contact = &contact.body["data"]["id"];
    let hook = desk.world.hook(&desk.us).await;
    desk.world.ring(&hook, 1).await;
    let calls = desk.world.get(&desk.us, "/api/calls").await.body;
    let call = &calls["data"][0]["id"];
    let task = desk.make(json!({"call_id": call})).await;
    assert_eq!(task["call_id"], *call);
    assert_eq!(task["callback_number"], "+31612000001");
    assert_eq!(task["contact"]["id"], *contact);
    assert_eq!(task["contact"]["name"], "Jan de Vries");
    // The event stands in the story of the call.
    let events = desk
        .world
        .get(&desk.us, "/api/events?types=task.created")
        .await;
    assert_eq!(events.body["data"][0]["call_id"], *call);
    // By the contact alone: their first number.
    let task = desk
        .make(json!({"contact_id": contact, "subject": "Tweede"}))
        .await;
    assert_eq!(task["callback_number"], "+31612000001");
    assert_eq!(task["call_id"], Value::Null);
    // A number that is given counts before both.
    let other = json!({"call_id": call, "callback_number": "020 123 4567"});
    let task = desk.make(other).await;
    assert_eq!(task["callback_number"], "+31201234567");
    let of = |name: &str, id: &Value| format!("{name}={}", id.as_str().unwrap());
    assert_eq!(desk.list(&of("call_id", call)).await.len(), 2);
    assert_eq!(desk.list(&of("contact_id", contact)).await.len(), 3);
    assert_eq!(desk.list("number=0612000001").await.len(), 2);
    assert_eq!(desk.list("number=%2B31201234567").await.len(), 1);
}

#[tokio::test]
async fn lists_show_what_is_asked_in_order() {
    let desk = Desk::new().await;
    let (anna, agent) = desk.agent("Anna").await;
    let make = async |subject: &str, more: Value| {
        let mut body = more;
        body["subject"] = json!(subject);
        desk.world.clock.advance(SignedDuration::from_secs(1));
        desk.make(body).await["id"].clone()
    };
    make("zonder", json!({"deadline": null})).await;
    make("later", json!({"deadline": "2026-11-25T10:00:00Z"})).await;
    make(
        "laag",
        json!({"deadline": "2026-11-24T10:00:00Z", "priority": "laag"}),
    )
    .await;
    let high = json!({"deadline": "2026-11-24T10:00:00Z", "priority": "hoog", "queue": "Verkoop"});
    make("hoog", high).await;
    let own = json!({"deadline": "2026-11-23T10:00:00Z", "assignee_agent_id": agent["id"]});
    let own = make("eigen", own).await;
    let question = json!({"type": "informatievraag", "deadline": "2026-11-26T10:00:00Z"});
    let question = make("vraag", question).await;
    desk.step(&question, "complete", json!({})).await;
    let all = ["eigen", "hoog", "laag", "later", "vraag", "zonder"];
    assert_eq!(desk.list("").await, all);
    let newest = ["vraag", "eigen", "hoog", "laag", "later", "zonder"];
    assert_eq!(desk.list("sort=newest").await, newest);
    assert_eq!(
        desk.list("sort=newest&limit=2&offset=1").await,
        newest[1..3]
    );
    let page = desk.world.get(&desk.us, "/api/tasks?limit=2").await.body;
    assert_eq!(page["pagination"]["total"], 6);
    assert_eq!(page["pagination"]["has_more"], true);
    assert_eq!(desk.list("status=afgerond").await, ["vraag"]);
    assert_eq!(desk.list("status=open,afgerond").await, all);
    assert_eq!(desk.list("status=open&status=verlopen").await.len(), 5);
    assert_eq!(desk.list("type=informatievraag").await, ["vraag"]);
    assert_eq!(desk.list("queue=Verkoop").await, ["hoog"]);
    assert_eq!(desk.list("assignee=none").await.len(), 5);
    let by_id = format!("assignee={}", agent["id"].as_str().unwrap());
    assert_eq!(desk.list(&by_id).await, ["eigen"]);
    let mine = anna.get("/api/tasks?assignee=me").await;
    assert_eq!(mine.body["data"][0]["id"], own, "{}", mine.text);
    assert_eq!(mine.body["pagination"]["total"], 1);
    assert_eq!(desk.list("overdue=true").await.len(), 0);
    desk.world
        .clock
        .set("2026-11-24T10:00:01Z".parse().unwrap());
    let overdue = ["eigen", "hoog", "laag"];
    assert_eq!(desk.list("overdue=true").await, overdue);
    let free = "overdue=true&assignee=none&status=open";
    assert_eq!(desk.list(free).await, overdue[1..]);
    // Another app's are not shown, by whatever is asked.
    for query in ["", "?assignee=none", &format!("?{by_id}")] {
        let path = format!("/api/tasks{query}");
        let theirs = desk.world.get(&desk.them, &path).await;
        assert_eq!(theirs.body["pagination"]["total"], 0, "{query}");
    }
}

#[tokio::test]
async fn another_apps_task_is_an_unknown_task() {
    let desk = Desk::new().await;
    let task = desk.make(json!({})).await;
    let id = task["id"].as_str().unwrap();
    let unknown = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    let paths = |id: &str| {
        let steps = [
            "claim", "release", "assign", "attempts", "complete", "reopen",
        ];
        let steps = steps.map(|step| format!("/api/tasks/{id}/{step}"));
        let inherited = ["attempts", "claim", "complete", "reassign"];
        let inherited = inherited.map(|step| format!("/api/callbacks/{id}/{step}"));
        let nested = inherited
            .clone()
            .map(|path| format!("/index.php/apps/pipelinq{path}"));
        [steps.to_vec(), inherited.to_vec(), nested.to_vec()].concat()
    };
    for (foreign, none) in paths(id).iter().zip(paths(unknown)) {
        let foreign = desk.world.post(&desk.them, foreign, &json!({})).await;
        let none = desk.world.post(&desk.them, &none, &json!({})).await;
        assert_eq!((none.status, none.problem()), (404, "task_not_found"));
        assert_eq!((foreign.status, foreign.problem()), (404, "task_not_found"));
        assert_eq!(foreign.body["detail"], none.body["detail"]);
    }
    let read = format!("/api/tasks/{id}");
    assert_eq!(desk.world.get(&desk.them, &read).await.status, 404);
    let many = json!({"task_ids": [id, unknown], "agent_id": null});
    let many = desk
        .world
        .post(&desk.them, "/api/tasks/assign", &many)
        .await;
    assert_eq!(many.body["data"]["changed"], json!([]));
    let refused = many.body["data"]["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 2, "{}", many.text);
    assert!(refused.iter().all(|one| one["reason"] == "task_not_found"));
    assert_eq!(desk.task(&task["id"]).await, task);
}

#[tokio::test]
async fn the_same_request_makes_one_task() {
    let desk = Desk::new().await;
    let make = async || {
        let body = json!({"type": "opvolgtaak", "subject": "Eens"});
        let request = desk.world.ask(Method::POST, "/api/tasks").json(&body);
        let request = request.header("x-api-key", &desk.us.key);
        Answer::of(request.header("idempotency-key", "k").send().await.unwrap()).await
    };
    let (first, again) = (make().await, make().await);
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(desk.list("").await, ["Eens"]);
    // A try that is sent twice counts once.
    let id = &first.body["data"]["id"];
    let path = format!("/api/tasks/{}/attempts", id.as_str().unwrap());
    for _ in 0..2 {
        let body = json!({"result": "geen_gehoor"});
        let request = desk.world.ask(Method::POST, &path).json(&body);
        let request = request.header("x-api-key", &desk.us.key);
        let request = request.header("idempotency-key", "try");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let task = desk.task(id).await;
    assert_eq!(task["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_is_told_to_who_listens() {
    let desk = Desk::new().await;
    let task = desk.make(json!({})).await;
    let taken = desk.make(json!({"subject": "Genomen"})).await;
    let (_, agent) = desk.agent("Anna").await;
    let claim = json!({"agent_id": agent["id"]});
    desk.step(&taken["id"], "claim", claim).await;
    let looked = async |at: &str| {
        desk.world.clock.set(at.parse().unwrap());
        let (store, intake) = (desk.world.store.clone(), desk.world.intake.clone());
        overdue::once(&*store, &intake).await.unwrap()
    };
    assert_eq!(looked("2026-11-23T15:59:59Z").await, 0);
    assert_eq!(looked(MONDAY_AT_FIVE).await, 2);
    assert_eq!(looked("2026-11-24T15:59:59Z").await, 0);
    assert_eq!(desk.list("overdue=true").await.len(), 2);
    assert_eq!(looked("2026-11-24T16:00:00Z").await, 1);
    let given_up = desk.task(&task["id"]).await;
    assert_eq!(given_up["status"], "verlopen");
    assert_eq!(given_up["completed_by"]["kind"], "system");
    assert_eq!(desk.task(&taken["id"]).await["status"], "in_behandeling");
    let told = desk.told().await;
    let reasons: Vec<_> = told.iter().map(|(_, reason)| reason.clone()).collect();
    let wanted = [
        Value::Null,
        Value::Null,
        json!("claimed"),
        json!("overdue"),
        json!("overdue"),
        json!("expired"),
    ];
    assert_eq!(reasons, wanted);
}

#[tokio::test]
async fn listeners_of_the_socket_hear_of_tasks() {
    let desk = Desk::new().await;
    let (mut ours, ..) = desk.world.listen(&desk.us).await;
    let hook = desk.world.hook(&desk.them).await;
    let (mut theirs, ..) = desk.world.listen(&desk.them).await;
    let task = desk.make(json!({})).await;
    let frame = ours.frame().await;
    assert_eq!(frame["event"], "task.created", "{frame}");
    assert_eq!(frame["data"]["task"], task);
    // The first that the others hear of is their own.
    desk.world
        .dialpad(&hook, &fixture("sms", "01_inbound"))
        .await;
    let frame = theirs.frame().await;
    assert!(!frame.to_string().contains("task"), "{frame}");
}
