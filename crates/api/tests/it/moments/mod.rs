//! Contact moments, from the platform's first event to the disposition and its task: what is
//! kept, who may write, what happens twice, and what is told.

mod callers;
mod disposing;
mod drafts;
mod lists;
mod wrap_up;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::dialling::{Desk, Story};
use crate::world::Tenant;

/// A desk with Anna at 100, who takes the calls, and Bram at 101, each with a panel's token.
pub(crate) struct Office {
    pub(crate) desk: Desk,
    pub(crate) anna: Tenant,
    pub(crate) bram: Tenant,
    pub(crate) annas_id: Value,
}

impl Office {
    pub(crate) async fn new() -> Self {
        let desk = Desk::new().await;
        let mut panels = Vec::new();
        let mut annas_id = Value::Null;
        for (name, extension) in [("Bram", "101"), ("Anna", "100")] {
            let here = &desk.hook.connection_id;
            let identity = json!({"kind": "extension", "value": extension, "connection_id": here});
            let body = json!({"name": name, "crm_user_id": name, "identities": [identity]});
            annas_id = desk.world.agent(&desk.tenant, &body).await["id"].clone();
            let asked = json!({"crm_user_id": name});
            let made = desk.world.post(&desk.tenant, "/api/agent-tokens", &asked);
            panels.push(Tenant {
                key: made.await.body["data"]["token"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                ..desk.tenant.clone()
            });
        }
        let anna = panels.pop().unwrap();
        Self {
            bram: panels.pop().unwrap(),
            anna,
            annas_id,
            desk,
        }
    }

    /// A call that rings at Anna's; its id.
    pub(crate) async fn ringing(&self, key: &str) -> (Story, String) {
        let story = Story::new(&[key], self.desk.now());
        self.desk.hear(&story.rings_in()).await;
        let open = self.desk.open_calls().await;
        let leg = format!("{key}/a");
        let mut open = open.iter();
        let call = open.find(|call| call["external_call_id"] == leg).unwrap();
        (story, call["id"].as_str().unwrap().to_owned())
    }

    /// A call Anna took and that is over by now.
    pub(crate) async fn talked(&self, key: &str) -> String {
        let (story, call) = self.ringing(key).await;
        self.desk.hear(&story.answered()).await;
        self.desk.hear(&story.ends()).await;
        self.desk.later(30).await;
        call
    }

    /// A call nobody took.
    pub(crate) async fn missed(&self, key: &str) -> String {
        let (story, call) = self.ringing(key).await;
        self.desk.hear(&story.ends()).await;
        call
    }

    pub(crate) async fn send(
        &self,
        who: &Tenant,
        method: Method,
        call: &str,
        rest: &str,
        body: Value,
    ) -> Answer {
        let path = format!("/api/contact-moments/{call}{rest}");
        self.desk
            .world
            .change(who, method, &path, Some(&body))
            .await
    }

    pub(crate) async fn dispose(&self, who: &Tenant, call: &str, body: Value) -> Answer {
        self.send(who, Method::POST, call, "/disposition", body)
            .await
    }

    /// The contact moment, as the app's key sees it.
    pub(crate) async fn moment(&self, call: &str) -> Value {
        let answer = self.desk.get(&format!("/api/contact-moments/{call}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["data"].clone()
    }

    /// All events, in the order of the log.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let answer = self.desk.get("/api/events?limit=500").await;
        answer.body["data"].as_array().unwrap().clone()
    }
}

/// The types of events, in order.
pub(crate) fn kinds(log: &[Value]) -> Vec<&str> {
    log.iter()
        .map(|one| one["event"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_call_becomes_a_contact_moment_and_that_a_task() {
    let office = Office::new().await;
    let (story, call) = office.ringing("call:1").await;
    let moment = office.moment(&call).await;
    assert_eq!(moment["id"], json!(call));
    assert_eq!(moment["status"], "pending");
    assert_eq!(moment["call"]["status"], "ringing");
    assert_eq!(moment["call"]["contact_moment"]["status"], "pending");
    office.desk.hear(&story.answered()).await;
    office.desk.hear(&story.ends()).await;
    let moment = office.moment(&call).await;
    assert_eq!(moment["status"], "disposition-pending");
    assert_eq!(moment["task"], Value::Null);

    let said = json!({"subject": " Invoice ", "outcome": "callback", "notes": "After five"});
    let disposed = office.dispose(&office.anna, &call, said.clone()).await;
    assert_eq!(disposed.status, 200, "{}", disposed.text);
    let data = &disposed.body["data"];
    let moment = &data["contact_moment"];
    assert_eq!(moment["status"], "completed");
    assert_eq!(moment["subject"], "Invoice");
    assert_eq!(moment["completed_by"]["kind"], "agent");
    assert_eq!(moment["completed_by"]["name"], "Anna");
    assert_eq!(moment["completed_by"]["id"], office.annas_id);
    let task = &data["task"];
    assert_eq!(task["type"], "terugbelverzoek");
    assert_eq!(task["status"], "open");
    assert_eq!(task["subject"], "Invoice");
    assert_eq!(task["description"], "After five");
    assert_eq!(task["callback_number"], crate::dialling::TARGET);
    assert_eq!(task["call_id"], json!(call));
    assert_eq!(task["source"], "disposition");
    assert!(task["deadline"].is_string(), "{task}");
    assert_eq!(moment["task_id"], task["id"]);

    let log = office.log().await;
    for (place, event) in log.iter().enumerate() {
        assert_eq!(event["seq"], json!(place + 1), "no gap in the log");
    }
    let told = kinds(&log);
    let place = |kind: &str| told.iter().position(|one| *one == kind).unwrap();
    let order = [
        place("contact_moment.opened"),
        place("call.started"),
        place("call.ended"),
        place("contact_moment.completed"),
        place("task.created"),
    ];
    assert!(order.is_sorted(), "{told:?}");
    let completed = &log[order[3]];
    assert_eq!(completed["data"]["contact_moment"]["outcome"], "callback");
    assert_eq!(completed["data"]["call"]["id"], json!(call));
    let created = &log[order[4]];
    assert_eq!(created["call_id"], json!(call));
    assert_eq!(created["data"]["task"]["id"], task["id"]);

    // Sent again, also by somebody who has seen nothing of the answer.
    for body in [
        said.clone(),
        json!({"subject": "Invoice", "outcome": "callback", "notes": "After five", "version": 0}),
    ] {
        let again = office.dispose(&office.anna, &call, body).await;
        assert_eq!(again.body["data"], disposed.body["data"]);
    }
    assert_eq!(office.log().await.len(), log.len(), "nothing is told twice");
    let app = office.desk.tenant.id.parse().unwrap();
    let query = switchhook_engine::store::TaskQuery {
        limit: 10,
        ..Default::default()
    };
    use switchhook_engine::store::WorkStore;
    let (tasks, total) = office.desk.world.store.tasks(app, &query).await.unwrap();
    assert_eq!((tasks.len(), total), (1, 1));
}

#[tokio::test]
async fn a_call_nobody_took_says_for_itself_what_it_was() {
    let office = Office::new().await;
    let call = office.missed("call:1").await;
    let moment = office.moment(&call).await;
    assert_eq!(moment["status"], "completed");
    assert_eq!(moment["outcome"], "abandoned");
    assert_eq!(moment["completed_by"]["kind"], "system");
    let log = office.log().await;
    let told = kinds(&log);
    let of_moments: Vec<_> = told
        .iter()
        .filter(|kind| kind.starts_with("contact_moment"))
        .collect();
    assert_eq!(
        of_moments,
        [&"contact_moment.opened", &"contact_moment.completed"]
    );
    // Any agent may still say more of it.
    let said = json!({"subject": "Rang twice", "outcome": "callback"});
    let disposed = office.dispose(&office.bram, &call, said).await;
    assert_eq!(disposed.status, 200, "{}", disposed.text);
    assert_eq!(disposed.body["data"]["task"]["type"], "terugbelverzoek");
}

#[tokio::test]
async fn two_calls_that_are_one_have_one_contact_moment() {
    let office = Office::new().await;
    let (first, kept) = office.ringing("call:1").await;
    let draft = json!({"notes": "written early"});
    office
        .send(&office.desk.tenant, Method::PATCH, &kept, "", draft)
        .await;
    let second = Story::new(&["call:2"], office.desk.now());
    office.desk.hear(&second.rings_in()).await;
    let open = office.desk.open_calls().await;
    let lost = open.iter().map(|call| call["id"].as_str().unwrap());
    let lost = lost.into_iter().find(|id| *id != kept).unwrap().to_owned();
    let both = Story::new(&["call:1", "call:2"], office.desk.now());
    let linked = switchhook_domain::signal::CallFact::Linked;
    office.desk.hear(&[both.call(2, linked)]).await;
    office.desk.hear(&first.answered()).await;
    let (one, other) = (office.moment(&kept).await, office.moment(&lost).await);
    assert_eq!(one["id"], other["id"], "both ids lead to the same");
    assert_eq!(one["notes"], "written early");
    let said = json!({"subject": "x", "outcome": "resolved"});
    let disposed = office.dispose(&office.anna, &lost, said).await;
    assert_eq!(disposed.status, 200, "{}", disposed.text);
    assert_eq!(disposed.body["data"]["contact_moment"]["id"], one["id"]);
}
