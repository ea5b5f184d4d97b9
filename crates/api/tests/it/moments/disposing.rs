//! Dispositions: what they must say, the tasks they make, corrections, and several at once.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::task::TaskAssignee;
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{Changeset, Store, TaskWrite, WorkStore};

use super::{Office, kinds};

impl Office {
    async fn task(&self, id: &Value) -> switchhook_domain::task::Task {
        let app = self.desk.tenant.id.parse().unwrap();
        let id = id.as_str().unwrap().parse().unwrap();
        self.desk.world.store.task(app, id).await.unwrap().unwrap()
    }

    async fn settings(&self, body: Value) {
        let world = &self.desk.world;
        let kept = world.change(
            &self.desk.tenant,
            Method::PUT,
            "/api/work-settings",
            Some(&body),
        );
        let kept = kept.await;
        assert_eq!(kept.status, 200, "{}", kept.text);
    }

    /// An agent takes a task.
    async fn claim(&self, id: &Value) {
        let task = self.task(id).await;
        let agent = TaskAssignee {
            id: self.annas_id.as_str().unwrap().parse().unwrap(),
            name: "Anna".to_owned(),
        };
        let now = self.desk.world.clock.now();
        let write = TaskWrite {
            expected: Some(task.version),
            task: task.claim(&agent, now).unwrap(),
            due_at: None,
        };
        let change = Changeset {
            app_id: self.desk.tenant.id.parse().unwrap(),
            at: now,
            random: 7,
            notification: None,
            fold: None,
            tasks: vec![write],
            events: Vec::new(),
            link: None,
        };
        self.desk.world.store.commit(change).await.unwrap();
    }
}

#[tokio::test]
async fn a_disposition_says_what_it_must() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let full = json!({"subject": "x", "outcome": "resolved"});
    let with = |name: &str, value: Value| {
        let mut body = full.clone();
        body[name] = value;
        body
    };
    for (body, field) in [
        (json!({"outcome": "resolved"}), "subject"),
        (json!({"subject": "x"}), "outcome"),
        (with("subject", json!("  ")), "subject"),
        (with("subject", json!("x".repeat(256))), "subject"),
        (with("outcome", json!("")), "outcome"),
        (with("outcome", json!("bought")), "outcome"),
        (with("outcome", json!("Resolved")), "outcome"),
        (with("notes", json!("x".repeat(10_001))), "notes"),
        (with("task", json!({"type": "x"})), "task.type"),
        (
            with("task", json!({"deadline": "2020-01-01T00:00:00Z"})),
            "task.deadline",
        ),
        (with("task", json!({"deadline": "soon"})), "task.deadline"),
        (
            with("task", json!({"callback_number": "anonymous"})),
            "task.callback_number",
        ),
        (
            with("task", json!({"assignee_agent_id": office.desk.tenant.id})),
            "task.assignee_agent_id",
        ),
        (
            with(
                "task",
                json!({"preferred_from": "2030-01-02T00:00:00Z",
                "preferred_to": "2030-01-01T00:00:00Z"}),
            ),
            "task.preferred_to",
        ),
    ] {
        let refused = office.dispose(&office.anna, &call, body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    let moment = office.moment(&call).await;
    assert_eq!(
        (&moment["status"], &moment["version"]),
        (&json!("disposition-pending"), &json!(0))
    );
}

#[tokio::test]
async fn every_outcome_makes_the_task_it_promises() {
    let office = Office::new().await;
    office
        .settings(json!({"escalation_queue": "Second line", "outcomes": [
            {"code": "sold", "label": "Sold"},
            {"code": "ask-around", "label": "Ask around", "task": "informatievraag"},
        ]}))
        .await;
    for (index, (outcome, kind, queue)) in [
        ("resolved", Value::Null, Value::Null),
        ("wrong-number", Value::Null, Value::Null),
        ("sold", Value::Null, Value::Null),
        ("callback", json!("terugbelverzoek"), Value::Null),
        ("escalated", json!("opvolgtaak"), json!("Second line")),
        ("ask-around", json!("informatievraag"), Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let call = office.talked(&format!("call:{index}")).await;
        let said = json!({"subject": "x", "outcome": outcome});
        let disposed = office.dispose(&office.anna, &call, said).await;
        assert_eq!(disposed.status, 200, "{outcome}: {}", disposed.text);
        let task = &disposed.body["data"]["task"];
        assert_eq!(task["type"], kind, "{outcome}");
        assert_eq!(task["queue"], queue, "{outcome}");
    }
    // What is asked of the task counts.
    let call = office.talked("call:9").await;
    let said = json!({"subject": "x", "outcome": "resolved", "task": {
        "type": "informatievraag", "subject": "Ask the vendor", "priority": "hoog",
        "deadline": "2030-01-01T10:00:00+01:00", "assignee_agent_id": office.annas_id,
        "callback_number": "020 123 4567"}});
    let task = office.dispose(&office.anna, &call, said).await.body["data"]["task"].clone();
    assert_eq!(task["type"], "informatievraag");
    assert_eq!(task["subject"], "Ask the vendor");
    assert_eq!(task["priority"], "hoog");
    assert_eq!(task["deadline"], "2030-01-01T09:00:00Z");
    assert_eq!(task["assignee"]["name"], "Anna");
    assert_eq!(task["callback_number"], "+31201234567");
}

#[tokio::test]
async fn a_correction_needs_the_version_and_takes_back_an_untouched_task() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let said = json!({"subject": "x", "outcome": "callback"});
    let first = office.dispose(&office.anna, &call, said).await.body["data"].clone();
    let blind = office
        .dispose(
            &office.anna,
            &call,
            json!({"subject": "x", "outcome": "resolved"}),
        )
        .await;
    assert_eq!((blind.status, blind.problem()), (409, "conflict"));
    let version = blind.body["version"].clone();
    assert_eq!(version, first["contact_moment"]["version"]);
    let before = office.log().await.len();
    let correction = json!({"subject": "x", "outcome": "resolved", "version": version});
    let corrected = office.dispose(&office.anna, &call, correction).await;
    assert_eq!(corrected.status, 200, "{}", corrected.text);
    let data = &corrected.body["data"];
    assert_eq!(data["task"], Value::Null);
    assert_eq!(data["contact_moment"]["outcome"], "resolved");
    let task = office.task(&first["task"]["id"]).await;
    assert_eq!(task.status.as_str(), "afgerond");
    assert!(task.result.unwrap().starts_with("Withdrawn"));
    let log = office.log().await;
    assert_eq!(kinds(&log[before..]), ["call.updated", "task.updated"]);
    assert_eq!(
        log[before]["data"]["call"]["contact_moment"]["outcome"],
        "resolved"
    );

    // And back again: the same task, open once more.
    let version = data["contact_moment"]["version"].clone();
    let back = json!({"subject": "x", "outcome": "callback", "version": version});
    let back = office.dispose(&office.anna, &call, back).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(back.body["data"]["task"]["id"], first["task"]["id"]);
    assert_eq!(back.body["data"]["task"]["status"], "open");
}

#[tokio::test]
async fn a_task_somebody_has_in_hand_is_left_alone() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let said = json!({"subject": "x", "outcome": "callback"});
    let first = office.dispose(&office.anna, &call, said).await.body["data"].clone();
    office.claim(&first["task"]["id"]).await;
    let version = &first["contact_moment"]["version"];
    let correction = json!({"subject": "x", "outcome": "escalated", "version": version});
    let corrected = office.dispose(&office.anna, &call, correction).await;
    assert_eq!(corrected.status, 200, "{}", corrected.text);
    assert_eq!(corrected.body["data"]["task"]["type"], "opvolgtaak");
    let task = office.task(&first["task"]["id"]).await;
    assert_eq!(task.status.as_str(), "in_behandeling");
}

#[tokio::test]
async fn several_at_once_make_one_task() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let said = json!({"subject": "x", "outcome": "callback"});
    let ask = || office.dispose(&office.anna, &call, said.clone());
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    for answer in [&a, &b, &c, &d] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["data"], a.body["data"]);
    }
    let log = office.log().await;
    let told = kinds(&log);
    for kind in ["contact_moment.completed", "task.created"] {
        assert_eq!(told.iter().filter(|one| **one == kind).count(), 1, "{kind}");
    }
    // Different words at once: the first counts, the other hears so.
    let call = office.talked("call:2").await;
    let other = json!({"subject": "y", "outcome": "resolved"});
    let (one, two) = tokio::join!(
        office.dispose(&office.anna, &call, said.clone()),
        office.dispose(&office.anna, &call, other)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.text, two.text);
}
