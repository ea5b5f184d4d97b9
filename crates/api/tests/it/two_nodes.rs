//! Two servers over one database: what is revoked, replaced or switched off at the one ends at the
//! other within a second, for requests and for sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_engine::store::Store;

use crate::flaky::Flaky;
use crate::stores::{fresh, postgres, server};
use crate::world::{Tenant, World, config};

const SECOND: Duration = Duration::from_secs(1);

async fn node(store: Arc<dyn Store>) -> World {
    World::over(
        Arc::new(Flaky::over(store)),
        config(),
        vec![Arc::new(Dialpad)],
        switchhook_engine::people::PeopleSettings::default(),
    )
    .await
}

/// How long it takes until a key gets that status at a node.
async fn takes(node: &World, tenant: &Tenant, status: u16) -> Duration {
    let started = Instant::now();
    while node.get(tenant, "/api/me").await.status != status {
        assert!(started.elapsed() < 5 * SECOND, "it never came to {status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}

/// Does something at one node and watches the other: its requests, and a socket.
async fn ends(
    (here, there): (&World, &World),
    tenant: &Tenant,
    (method, path, body): (Method, String, Option<serde_json::Value>),
    (status, close): (u16, u16),
) {
    // The other node believes the key as freshly as can be.
    let (mut socket, ..) = there.listen(tenant).await;
    assert_eq!(there.get(tenant, "/api/me").await.status, 200);
    let started = Instant::now();
    let done = here.operate(method, &path, body.as_ref()).await;
    assert!((200..300).contains(&done.status), "{path}: {}", done.text);
    let (code, requests) = tokio::join!(
        async {
            let code = socket.closed().await;
            (code, started.elapsed())
        },
        takes(there, tenant, status)
    );
    assert_eq!(code.0, close, "{path}");
    assert!(code.1 < SECOND, "{path}: the socket took {:?}", code.1);
    assert!(requests < SECOND, "{path}: requests took {requests:?}");
    let own = here.get(tenant, "/api/me").await;
    assert_eq!(own.status, status, "{path}: at once where it was done");
}

async fn walk(store: Arc<dyn Store>) {
    let (here, there) = (node(store.clone()).await, node(store).await);
    let of = async |name: &str| {
        let tenant = here.tenant(name).await;
        let base = format!("/internal/apps/{}", tenant.id);
        let keys = here
            .operate(Method::GET, &format!("{base}/keys"), None)
            .await;
        let id = keys.body["data"][0]["id"].as_str().unwrap().to_owned();
        (tenant, base, id)
    };
    let nodes = (&here, &there);
    let gone = (401, 4401);
    let (tenant, base, id) = of("revoked").await;
    let path = format!("{base}/keys/{id}");
    ends(nodes, &tenant, (Method::DELETE, path, None), gone).await;
    let (tenant, base, _) = of("all revoked").await;
    let path = format!("{base}/api-key/revoke");
    ends(nodes, &tenant, (Method::POST, path, None), gone).await;
    let (tenant, base, id) = of("replaced").await;
    let path = format!("{base}/keys/{id}/rotate");
    let at_once = Some(json!({"overlap_seconds": 0}));
    ends(nodes, &tenant, (Method::POST, path, at_once), gone).await;
    let (tenant, base, _) = of("switched off").await;
    let off = Some(json!({"active": false}));
    ends(nodes, &tenant, (Method::PATCH, base, off), (403, 4403)).await;
    // The tokens of panels go with the key that minted them, and with their app.
    let (tenant, base, id) = of("revoked with a token").await;
    let panel = token(&here, &tenant).await;
    let path = format!("{base}/keys/{id}");
    ends(nodes, &panel, (Method::DELETE, path, None), gone).await;
    let (tenant, base, _) = of("switched off with a token").await;
    let panel = token(&here, &tenant).await;
    let off = Some(json!({"active": false}));
    ends(nodes, &panel, (Method::PATCH, base, off), (403, 4403)).await;
}

/// The tenant with the token of an agent's panel in place of its key.
async fn token(node: &World, tenant: &Tenant) -> Tenant {
    let agent = json!({"name": "Anna", "email": "anna@example.nl"});
    node.agent(tenant, &agent).await;
    let asked = json!({"email": "anna@example.nl"});
    let made = node.post(tenant, "/api/agent-tokens", &asked).await;
    Tenant {
        key: made.body["data"]["token"].as_str().unwrap().to_owned(),
        ..tenant.clone()
    }
}

#[tokio::test]
async fn what_ends_here_ends_there_within_a_second() {
    let (store, _database) = fresh().await;
    Box::pin(walk(store)).await;
}

#[tokio::test]
async fn what_ends_here_ends_there_within_a_second_on_postgresql() {
    let Some(server) = server() else { return };
    let (store, _database) = postgres(&server).await;
    Box::pin(walk(store.clone())).await;
    store.close().await;
}
