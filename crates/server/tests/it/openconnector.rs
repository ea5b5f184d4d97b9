//! A connection of the real program whose secret is kept in OpenConnector.

use serde_json::{Value, json};
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::openconnector::{OpenConnector, PASSWORD, USER};

use crate::program::{OPERATOR, Server};

const SECRET: &str = "a secret that is kept in Nextcloud";

async fn post(server: &Server, path: &str, secret: &str) -> u16 {
    let event = json!({
        "event": "ringing", "call_id": "1", "from": "0470123456", "to": "+31850001200",
        "direction": "inbound", "extension": "100",
    });
    let request = server.client().post(format!("{}{path}", server.url));
    let request = request.bearer_auth(secret).json(&event);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_kept_in_openconnector_is_used_and_never_shown() {
    let stand = StandIn::start(OpenConnector::default()).await.unwrap();
    let source = |enabled: bool| json!({ "slug": "pbx", "secret": SECRET, "isEnabled": enabled });
    stand.vendor().keep([source(true)]);
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("SWITCHHOOK__OPENCONNECTOR__URL", stand.url()),
        ("SWITCHHOOK__OPENCONNECTOR__USERNAME", USER),
        (
            "SWITCHHOOK__OPENCONNECTOR__PASSWORD",
            "env:NEXTCLOUD_PASSWORD",
        ),
        ("NEXTCLOUD_PASSWORD", PASSWORD),
    ];
    let server = Server::start_with(folder.path(), &settings);
    let app = server.app("Bakery").await;
    let path = format!("apps/{}/connections", app.id);
    let wanted = |reference: &str| json!({ "platform": "generic", "webhook_secret": reference });
    let refused = server
        .client()
        .post(format!("{}/internal/{path}", server.url));
    let refused = refused
        .bearer_auth(OPERATOR)
        .json(&wanted("openconnector:other"));
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let told = refused.text().await.unwrap();
    assert!(told.contains("no source of that name"), "{told}");

    let made = server.connection(&app, &wanted("openconnector:pbx")).await;
    assert!(!made.to_string().contains(SECRET), "{made}");
    assert_eq!(made["fault"], Value::Null);
    let hook = made["webhook_url"].as_str().unwrap();
    let hook = hook[hook.find("/webhooks/").unwrap()..].to_owned();
    assert_eq!(post(&server, &hook, SECRET).await, 200);
    assert_eq!(post(&server, &hook, "openconnector:pbx").await, 401);
    drop(server);

    stand.vendor().keep([source(false)]);
    let server = Server::start_with(folder.path(), &settings);
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    let told = server.internal_get(&path).await;
    let fault = told["data"]["fault"].as_str().unwrap_or_default();
    assert!(fault.contains("is disabled in OpenConnector"), "{told:#}");
    let told = server.internal_get(&format!("{path}/diagnosis")).await;
    assert!(
        told.to_string().contains("is disabled in OpenConnector"),
        "{told:#}"
    );
    assert_eq!(post(&server, &hook, SECRET).await, 503);
}
