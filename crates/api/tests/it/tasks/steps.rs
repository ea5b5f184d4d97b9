//! What is done with a task, and by whom.

use reqwest::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::client::Answer;
use crate::people::{Browser, join};

async fn by(who: &Browser<'_>, id: &Value, step: &str, body: Value) -> Answer {
    let path = format!("/api/tasks/{}/{step}", id.as_str().unwrap());
    who.send(Method::POST, &path, &body).await
}

#[tokio::test]
async fn the_second_to_claim_hears_who_was_first() {
    let desk = Desk::new().await;
    let ((anna, agent), (piet, _)) = (desk.agent("Anna").await, desk.agent("Piet").await);
    let id = desk.make(json!({"queue": "Verkoop"})).await["id"].clone();
    let (one, two) = tokio::join!(
        by(&anna, &id, "claim", json!({})),
        by(&piet, &id, "claim", json!({}))
    );
    let (won, lost) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    let task = &won.body["data"];
    assert_eq!(task["status"], "in_behandeling", "{}", won.text);
    assert_eq!(task["queue"], "Verkoop");
    assert_eq!((lost.status, lost.problem()), (409, "conflict"));
    assert_eq!(lost.body["detail"], "This task has already been claimed");
    assert_eq!(lost.body["assignee"], task["assignee"]);
    // Whoever has it may ask again; whoever has seen an older one is told.
    let winner = if task["assignee"]["id"] == agent["id"] {
        &anna
    } else {
        &piet
    };
    let again = by(winner, &id, "claim", json!({})).await;
    assert_eq!(again.body["data"], *task);
    let old = by(winner, &id, "claim", json!({"version": 1})).await;
    assert_eq!((old.status, old.problem()), (409, "conflict"));
    assert_eq!(old.body["version"], 2);
}

#[tokio::test]
async fn an_agent_works_on_their_own_and_on_what_nobody_has() {
    let desk = Desk::new().await;
    let ((anna, agent), (piet, other)) = (desk.agent("Anna").await, desk.agent("Piet").await);
    let id = desk.make(json!({"assignee_agent_id": agent["id"]})).await["id"].clone();
    // It is Anna's, though she has not begun.
    let path = format!("/api/tasks/{}", id.as_str().unwrap());
    for (step, body) in [
        ("release", json!({})),
        ("attempts", json!({"result": "geen_gehoor"})),
        ("complete", json!({})),
    ] {
        let refused = by(&piet, &id, step, body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "role_not_allowed"),
            "{step}"
        );
    }
    let edit = json!({"subject": "Van mij"});
    let refused = piet.send(Method::PATCH, &path, &edit).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "role_not_allowed")
    );
    assert_eq!(by(&piet, &id, "claim", json!({})).await.status, 409);
    let for_another = json!({"agent_id": agent["id"]});
    let refused = by(&piet, &id, "claim", for_another).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "role_not_allowed")
    );
    for body in [json!({"agent_id": other["id"]}), json!({"agent_id": null})] {
        let refused = by(&anna, &id, "assign", body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "role_not_allowed")
        );
    }
    let many = json!({"task_ids": [id], "agent_id": other["id"]});
    let refused = anna.send(Method::POST, "/api/tasks/assign", &many).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "role_not_allowed")
    );
    assert_eq!(desk.task(&id).await["version"], 1);
    // Her own.
    let tried = by(&anna, &id, "attempts", json!({"result": "voicemail"})).await;
    assert_eq!(tried.body["data"]["status"], "in_behandeling");
    let by_her = &tried.body["data"]["attempts"][0]["by"];
    assert_eq!(
        (&by_her["kind"], &by_her["id"]),
        (&json!("agent"), &agent["id"])
    );
    assert_eq!(anna.send(Method::PATCH, &path, &edit).await.status, 200);
    assert_eq!(by(&anna, &id, "release", json!({})).await.status, 200);
    // Nobody's: whoever tries it has it in hand.
    let tried = by(&piet, &id, "attempts", json!({"result": "bereikt"})).await;
    assert_eq!(tried.body["data"]["assignee"]["id"], other["id"]);
    assert_eq!(tried.body["data"]["status"], "in_behandeling");
    let done = by(&piet, &id, "complete", json!({"result": "Verkocht"})).await;
    let task = &done.body["data"];
    assert_eq!(task["status"], "afgerond", "{}", done.text);
    assert_eq!(task["result"], "Verkocht");
    assert_eq!(task["completed_by"]["id"], other["id"]);
    assert!(task["completed_at"].is_string());
    let refused = by(&anna, &id, "reopen", json!({})).await;
    assert_eq!(refused.status, 403, "it is Piet's");
    let open = by(&piet, &id, "reopen", json!({})).await;
    assert_eq!(open.body["data"]["status"], "open");
    assert_eq!(open.body["data"]["assignee"]["id"], other["id"]);
}

#[tokio::test]
async fn supervisors_and_keys_see_to_others() {
    let desk = Desk::new().await;
    let ((_, anna), (_, piet)) = (desk.agent("Anna").await, desk.agent("Piet").await);
    let chef = desk.supervisor().await;
    let id = desk.make(json!({"queue": "Verkoop"})).await["id"].clone();
    let given = by(&chef, &id, "assign", json!({"agent_id": anna["id"]})).await;
    let task = &given.body["data"];
    assert_eq!(task["assignee"]["name"], "Anna", "{}", given.text);
    assert_eq!(
        (&task["status"], &task["queue"]),
        (&json!("open"), &json!("Verkoop"))
    );
    let other = desk.step(
        &id,
        "assign",
        json!({"agent_id": piet["id"], "queue": null}),
    );
    let task = &other.await.body["data"];
    assert_eq!(task["assignee"]["name"], "Piet");
    assert_eq!(task["queue"], Value::Null);
    let queued = by(
        &chef,
        &id,
        "assign",
        json!({"agent_id": null, "queue": "Nazorg"}),
    )
    .await;
    let task = &queued.body["data"];
    assert_eq!(
        (&task["assignee"], &task["queue"]),
        (&Value::Null, &json!("Nazorg"))
    );
    // The queue alone leaves the agent as they were.
    let claim = json!({"agent_id": anna["id"]});
    assert_eq!(by(&chef, &id, "claim", claim).await.status, 200);
    let moved = by(&chef, &id, "assign", json!({"queue": "Verkoop"})).await;
    let task = &moved.body["data"];
    assert_eq!(
        (&task["assignee"]["name"], &task["queue"]),
        (&json!("Anna"), &json!("Verkoop"))
    );
    assert_eq!(task["status"], "in_behandeling");
    // Who is no agent cannot take it for themselves, and nobody can be meant by nothing.
    for (who, step) in [("key", "claim"), ("person", "claim"), ("key", "assign")] {
        let refused = match who {
            "key" => desk.step(&id, step, json!({})).await,
            _ => by(&chef, &id, step, json!({})).await,
        };
        assert_eq!(refused.status, 400, "{who} {step}: {}", refused.text);
        assert_eq!(refused.body["field"], "agent_id");
    }
    let stranger = join(&desk.world, &desk.us, "nieuw@example.nl", "agent").await;
    let refused = by(&stranger, &id, "claim", json!({})).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "role_not_allowed")
    );
    let me = stranger.get("/api/tasks?assignee=me").await;
    assert_eq!((me.status, me.problem()), (400, "invalid_parameter"));
    // A supervisor's own doing is a person's.
    let done = by(&chef, &id, "complete", json!({})).await;
    assert_eq!(done.body["data"]["completed_by"]["kind"], "person");
    assert_eq!(done.body["data"]["assignee"]["name"], "Anna");
}

#[tokio::test]
async fn an_embedded_panel_does_what_its_agent_may() {
    let desk = Desk::new().await;
    let (_, anna) = desk.agent("Anna").await;
    let asked = json!({"agent_id": anna["id"]});
    let token = desk.world.post(&desk.us, "/api/agent-tokens", &asked).await;
    let token = token.body["data"]["token"].as_str().unwrap().to_owned();
    let id = desk.make(json!({})).await["id"].clone();
    let step = async |step: &str, body: Value| {
        let path = format!("/api/tasks/{}/{step}", id.as_str().unwrap());
        let request = desk.world.ask(Method::POST, &path).bearer_auth(&token);
        Answer::of(request.json(&body).send().await.unwrap()).await
    };
    let claimed = step("claim", json!({})).await;
    assert_eq!(claimed.body["data"]["assignee"]["id"], anna["id"]);
    assert_eq!(step("assign", json!({"agent_id": null})).await.status, 403);
    let mine = desk.world.ask(Method::GET, "/api/tasks?assignee=me");
    let mine = mine.bearer_auth(&token).send().await.unwrap();
    let mine = Answer::of(mine).await;
    assert_eq!(mine.body["pagination"]["total"], 1, "{}", mine.text);
    let done = step("complete", json!({})).await;
    assert_eq!(done.body["data"]["completed_by"]["kind"], "agent");
}

#[tokio::test]
async fn three_tries_in_vain_suggest_to_close() {
    let desk = Desk::new().await;
    let id = desk.make(json!({})).await["id"].clone();
    for (result, suggests) in [
        ("geen_gehoor", false),
        ("niet_bereikt", false),
        ("voicemail", true),
        ("bereikt", false),
    ] {
        let body = json!({"result": result, "notes": "Morgen weer"});
        let tried = desk.step(&id, "attempts", body).await;
        let task = &tried.body["data"];
        assert_eq!(task["suggest_close"], suggests, "{}", tried.text);
        assert_eq!(task["status"], "open", "no try completes it");
        let last = task["attempts"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["result"], &last["notes"]),
            (&json!(result), &json!("Morgen weer"))
        );
        assert_eq!(last["by"]["kind"], "key");
    }
    for body in [
        json!({}),
        json!({"result": "bezet"}),
        json!({"result": "bereikt", "notes": "x".repeat(10_001)}),
        json!({"result": "bereikt", "colour": "red"}),
    ] {
        assert_eq!(desk.step(&id, "attempts", body).await.status, 400);
    }
    assert_eq!(
        desk.task(&id).await["attempts"].as_array().unwrap().len(),
        4
    );
}

#[tokio::test]
async fn what_is_over_is_opened_before_anything_else() {
    let desk = Desk::new().await;
    let (_, anna) = desk.agent("Anna").await;
    let id = desk.make(json!({"deadline": "2026-11-22T13:00:00Z"})).await["id"].clone();
    let early = desk.step(&id, "reopen", json!({})).await;
    assert_eq!((early.status, early.problem()), (409, "conflict"));
    let free = desk.step(&id, "release", json!({})).await;
    assert_eq!((free.status, free.problem()), (409, "conflict"));
    desk.step(&id, "complete", json!({"result": "x"})).await;
    let agent = json!({"agent_id": anna["id"]});
    for (step, body) in [
        ("claim", agent.clone()),
        ("release", json!({})),
        ("assign", agent),
        ("attempts", json!({"result": "bereikt"})),
        ("complete", json!({})),
    ] {
        let refused = desk.step(&id, step, body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (409, "conflict"),
            "{step}"
        );
        assert_eq!(refused.body["status"], 409, "the problem's own");
        assert_eq!(refused.body["task_status"], "afgerond");
    }
    let edit = desk.patch(&id, &json!({"subject": "y"})).await;
    assert_eq!((edit.status, edit.problem()), (409, "conflict"));
    // Its deadline has passed by now: it gets another.
    desk.world
        .clock
        .set("2026-11-23T09:00:00Z".parse().unwrap());
    let open = desk.step(&id, "reopen", json!({"version": 2})).await;
    let task = &open.body["data"];
    assert_eq!(task["status"], "open", "{}", open.text);
    assert_eq!(task["deadline"], "2026-11-24T16:00:00Z");
    assert_eq!(
        (&task["result"], &task["completed_by"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn several_are_assigned_each_by_itself() {
    let desk = Desk::new().await;
    let (_, anna) = desk.agent("Anna").await;
    let (one, two) = (desk.make(json!({})).await, desk.make(json!({})).await);
    let over = desk.make(json!({})).await;
    desk.step(&over["id"], "complete", json!({})).await;
    let unknown = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    let ids = json!([one["id"], unknown, over["id"], two["id"], one["id"]]);
    let assign = async |body: &Value| desk.world.post(&desk.us, "/api/tasks/assign", body).await;
    let body = json!({"task_ids": ids, "agent_id": anna["id"], "queue": "Verkoop"});
    let came = assign(&body).await;
    let data = &came.body["data"];
    let changed = data["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 2, "{}", came.text);
    assert_eq!(
        (&changed[0]["id"], &changed[1]["id"]),
        (&one["id"], &two["id"])
    );
    assert!(
        changed
            .iter()
            .all(|task| task["assignee"]["name"] == "Anna")
    );
    assert!(changed.iter().all(|task| task["queue"] == "Verkoop"));
    let refused = data["refused"].as_array().unwrap();
    let reasons: Vec<_> = refused
        .iter()
        .map(|one| (&one["id"], &one["reason"]))
        .collect();
    let wanted = [
        (json!(unknown), json!("task_not_found")),
        (over["id"].clone(), json!("conflict")),
    ];
    assert_eq!(
        reasons,
        wanted.iter().map(|(id, why)| (id, why)).collect::<Vec<_>>()
    );
    let many: Vec<_> = (0..101).map(|_| unknown).collect();
    for (field, body) in [
        ("task_ids", json!({"task_ids": [], "agent_id": null})),
        ("task_ids", json!({"task_ids": many, "agent_id": null})),
        ("task_ids[0]", json!({"task_ids": ["x"], "agent_id": null})),
        ("agent_id", json!({"task_ids": [unknown]})),
        (
            "agent_id",
            json!({"task_ids": [unknown], "agent_id": unknown}),
        ),
    ] {
        let refused = assign(&body).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
}
