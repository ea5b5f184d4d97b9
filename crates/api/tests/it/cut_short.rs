//! Deeds whose entry could not be written when they were done: the database failed in between, or
//! whoever asked hung up. They are on record all the same, and nothing is done that is not.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_engine::audit::Audit;
use switchhook_engine::seal::MasterKey;
use tokio::io::AsyncWriteExt;

use crate::world::{Tenant, World};

async fn contacts(world: &World, tenant: &Tenant) -> Value {
    let list = world.get(tenant, "/api/contacts").await;
    list.body["pagination"]["total"].clone()
}

async fn entries(world: &World, tenant: &Tenant) -> Vec<Value> {
    let answer = world.get(tenant, "/api/audit").await;
    answer.body["data"].as_array().unwrap().clone()
}

/// What a server does by itself once a minute.
async fn settle(world: &World) -> usize {
    let key = MasterKey::new([7; 32]);
    let audit = Audit::new(world.store.clone(), world.clock.clone(), key);
    audit.settle().await.unwrap()
}

fn only_unknown(entries: &[Value]) {
    let [entry] = entries else {
        panic!("one entry: {entries:?}");
    };
    assert_eq!(entry["action"], "POST /api/contacts");
    assert_eq!(entry["target"], "/api/contacts");
    assert_eq!(entry["actor"]["kind"], "key");
    assert!(entry["request_id"].is_string() && entry["address"].is_string());
    assert_eq!(entry["after"]["outcome"], "unknown");
    assert_eq!(entry["status"], 0);
}

#[tokio::test]
async fn a_deed_whose_entry_could_not_be_written_is_on_record_later() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let jan = json!({"name": "Jan", "numbers": ["0612345678"]});
    *world.store.broken.lock().unwrap() = "end_deed";
    let made = world.post(&tenant, "/api/contacts", &jan).await;
    *world.store.broken.lock().unwrap() = "";
    assert_eq!(made.status, 201, "it is done: {}", made.text);
    assert_eq!(entries(&world, &tenant).await, Vec::<Value>::new());
    assert_eq!(settle(&world).await, 0, "it may still be at it");
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(settle(&world).await, 1);
    only_unknown(&entries(&world, &tenant).await);
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(settle(&world).await, 0);
}

#[tokio::test]
async fn nothing_is_done_that_cannot_be_written_down_first() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    let jan = json!({"name": "Jan", "numbers": ["0612345678"]});
    *world.store.broken.lock().unwrap() = "begin_deed";
    let refused = world.post(&tenant, "/api/contacts", &jan).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (503, "store_unavailable")
    );
    let path = format!("/internal/apps/{}", tenant.id);
    let body = json!({"active": false});
    let refused = world.operate(Method::PATCH, &path, Some(&body)).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (503, "store_unavailable")
    );
    // Looking is not held up.
    assert_eq!(contacts(&world, &tenant).await, 0);
    *world.store.broken.lock().unwrap() = "";
    let made = world.post(&tenant, "/api/contacts", &jan).await;
    assert_eq!(made.status, 201, "the app is on: {}", made.text);
    assert_eq!(settle(&world).await, 0, "nothing is left behind");
}

#[tokio::test]
async fn whoever_hangs_up_in_the_middle_is_on_record() {
    let world = World::new().await;
    let tenant = world.tenant("One").await;
    *world.store.late.lock().unwrap() = ("put_contacts", Duration::from_secs(3));
    let body = json!({"name": "Jan", "numbers": ["0612345678"]}).to_string();
    let request = format!(
        "POST /api/contacts HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.address,
        tenant.key,
        body.len()
    );
    let mut client = tokio::net::TcpStream::connect(&world.address)
        .await
        .unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    while contacts(&world, &tenant).await != 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(client);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(entries(&world, &tenant).await, Vec::<Value>::new());
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(settle(&world).await, 1);
    only_unknown(&entries(&world, &tenant).await);
}
