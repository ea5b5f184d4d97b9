//! The event log by polling.

use serde_json::Value;
use switchhook_domain::Timestamp;

use crate::world::{World, fixture};

async fn busy(world: &World) -> crate::world::Tenant {
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for name in ["01_ringing", "02_connected", "03_hangup"] {
        assert_eq!(
            world
                .dialpad(&hook, &fixture("answered", name))
                .await
                .status,
            200
        );
    }
    for index in 0..10 {
        assert_eq!(world.ring(&hook, index).await.status, 200);
    }
    tenant
}

#[tokio::test]
async fn pages_follow_one_another_without_loss() {
    let world = World::new().await;
    let tenant = busy(&world).await;
    let first = world.get(&tenant, "/api/events").await.body;
    let head = first["pagination"]["head"].as_u64().unwrap();
    assert_eq!(
        head, 35,
        "four of the answered call, its pop, and three for each that rings"
    );
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = world
            .get(&tenant, &format!("/api/events?after={after}&limit=7"))
            .await
            .body;
        let frames = page["data"].as_array().unwrap();
        seen.extend(frames.iter().map(|frame| frame["seq"].as_u64().unwrap()));
        let pagination = &page["pagination"];
        assert_eq!(pagination["after"], after);
        assert_eq!(pagination["oldest"], 1);
        after = pagination["next_after"].as_u64().unwrap();
        if pagination["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, (1..=head).collect::<Vec<_>>());
    assert_eq!(after, head);
    // The same frames as on the socket.
    let epoch = first["pagination"]["epoch"].as_str().unwrap();
    let key = ("x-api-key", tenant.key.as_str());
    let mut client = world
        .connect(&format!("?after=0&epoch={epoch}"), &[key])
        .await;
    assert_eq!(client.frame().await["recovered"], true);
    for frame in first["data"].as_array().unwrap() {
        assert_eq!(&client.frame().await, frame);
    }
}

#[tokio::test]
async fn types_narrow_without_losing_the_position() {
    let world = World::new().await;
    let tenant = busy(&world).await;
    let page = world
        .get(&tenant, "/api/events?types=call.ended,call.started")
        .await
        .body;
    let names: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["event"])
        .collect();
    assert_eq!(names, ["call.started", "call.ended"]);
    assert_eq!(page["pagination"]["next_after"], 35);
    assert_eq!(page["pagination"]["has_more"], false);
    let none = world
        .get(&tenant, "/api/events?types=presence.changed")
        .await
        .body;
    assert_eq!(none["data"], Value::Array(Vec::new()));
    assert_eq!(none["pagination"]["next_after"], 35);
}

#[tokio::test]
async fn positions_that_are_none_are_refused() {
    let world = World::new().await;
    let tenant = busy(&world).await;
    for (query, status, code) in [
        ("after=-1", 400, "invalid_parameter"),
        ("after=99", 400, "invalid_parameter"),
        ("limit=501", 400, "invalid_parameter"),
        ("types=call.exploded", 400, "invalid_parameter"),
        ("epoch=7", 400, "invalid_parameter"),
        (
            "epoch=019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
            409,
            "epoch_changed",
        ),
    ] {
        let answer = world.get(&tenant, &format!("/api/events?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (status, code), "{query}");
    }
    let long_ago = Timestamp::UNIX_EPOCH;
    let later = world.clock.advance(jiff::SignedDuration::from_hours(1));
    world.store.inner.prune(long_ago, later, 5).await.unwrap();
    let answer = world.get(&tenant, "/api/events?after=3").await;
    assert_eq!((answer.status, answer.problem()), (410, "log_truncated"));
    assert_eq!(answer.body["oldest"], 6);
    let answer = world.get(&tenant, "/api/events?after=5").await;
    assert_eq!(answer.body["data"][0]["seq"], 6);
}
