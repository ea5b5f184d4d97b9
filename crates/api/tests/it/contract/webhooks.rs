//! §7: an app's webhook at Dialpad, against the stand-in of Dialpad.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_api::ApiConfig;
use switchhook_engine::adapter::Secret;
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;

use super::BASE;
use crate::client::Answer;
use crate::oauth::add;
use crate::world::{Tenant, World, config};

const KEY: &str = "company-key";
const PUBLIC: &str = "https://cti.example.nl";

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    vendor: StandIn<Vendor>,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let world = World::with(ApiConfig {
            public_url: Some(PUBLIC.to_owned()),
            inherited_webhook_secret: Some(Secret::new("the global webhook secret")),
            ..config()
        })
        .await;
        let scopes = [
            "calls:list",
            "recordings_export",
            "message_content_export:all",
        ];
        let vendor = Vendor::default().with_key(KEY, true, &scopes);
        let vendor = StandIn::start(vendor).await.unwrap();
        let tenant = world.tenant("Backend").await;
        Self {
            world,
            tenant,
            vendor,
        }
    }

    pub(crate) async fn connect(&self) -> String {
        let settings = json!({"api_key": KEY, "base_url": self.vendor.url()});
        add(&self.world, &self.tenant, &settings).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("{BASE}/internal/webhooks{path}");
        self.world.operate(method, &path, body).await
    }

    fn of_app(&self, path: &str) -> String {
        format!("{path}?app_id={}", self.tenant.id)
    }
}

#[tokio::test]
async fn a_webhook_stands_with_its_subscriptions_and_goes_again() {
    let desk = Desk::new().await;
    let connection = desk.connect().await;
    let (vendor, path) = (desk.vendor.vendor(), desk.of_app("/create"));
    let none = desk.ask(Method::GET, &desk.of_app(""), None).await;
    assert_eq!(
        none.body,
        json!({"success": true, "count": 0, "webhooks": []})
    );
    let made = desk.ask(Method::POST, &path, None).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.body["success"], true);
    assert_eq!(made.body["message"], "Webhook created successfully");
    let hooks = vendor.webhooks();
    assert_eq!(hooks.len(), 1);
    let id = made.body["webhook_id"].as_str().unwrap().to_owned();
    assert_eq!(hooks[0]["id"], id);
    assert_eq!(hooks[0]["hook_url"], made.body["hook_url"]);
    assert!(made.body["next_step"].is_string());
    assert_eq!(vendor.subscriptions("call").len(), 1);
    assert_eq!(vendor.subscriptions("sms").len(), 1);
    // Again: nothing twice. With a secret: Dialpad signs with that one from then on.
    let new = json!({"webhook_url": format!("{PUBLIC}{BASE}/webhooks/dialpad"),
        "webhook_secret": "another secret"});
    let again = desk.ask(Method::POST, &path, Some(&new)).await;
    assert_eq!((again.status, &again.body["webhook_id"]), (201, &json!(id)));
    assert_eq!(vendor.webhooks().len(), 1);
    assert_eq!(
        vendor.webhooks()[0]["signature"]["secret"],
        "another secret"
    );
    assert_eq!(vendor.subscriptions("call").len(), 1);
    let list = desk.ask(Method::GET, &desk.of_app(""), None).await;
    assert_eq!((list.status, &list.body["count"]), (200, &json!(1)));
    let row = list.body["webhooks"][0].clone();
    for (name, wanted) in [
        ("id", json!(connection)),
        ("app_id", json!(desk.tenant.id)),
        ("webhook_id", json!(id)),
        ("hook_url", made.body["hook_url"].clone()),
        ("algo", json!("HS256")),
        ("signature_type", json!("jwt")),
    ] {
        assert_eq!(row[name], wanted, "{name}");
    }
    assert!(row["created_at"].is_string() && row["updated_at"].is_string());
    assert!(!list.text.contains("secret"), "{}", list.text);
    let one = desk.ask(Method::GET, &format!("/{id}"), None).await;
    assert_eq!(
        (one.status, one.body),
        (200, json!({"success": true, "webhook": row}))
    );
    let gone = desk.ask(Method::DELETE, &format!("/{id}"), None).await;
    assert_eq!(
        (gone.status, &gone.body["success"]),
        (200, &json!(true)),
        "{}",
        gone.text
    );
    assert!(vendor.webhooks().is_empty() && vendor.subscriptions("call").is_empty());
    let after = desk.ask(Method::GET, &format!("/{id}"), None).await;
    assert_eq!(
        (after.status, &after.body["error"]),
        (404, &json!("Webhook not found"))
    );
    desk.world.keeper.once().await.unwrap();
    assert!(
        vendor.webhooks().is_empty(),
        "it does not come back by itself"
    );
    let back = desk.ask(Method::POST, &path, None).await;
    assert_eq!(back.status, 201, "{}", back.text);
    assert_eq!(vendor.webhooks().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_made_is_said() {
    let desk = Desk::new().await;
    let bare = desk.ask(Method::POST, "/create", None).await;
    let wanted = "app_id query parameter required";
    assert_eq!((bare.status, &bare.body["error"]), (400, &json!(wanted)));
    let bare = desk.ask(Method::GET, "", None).await;
    assert_eq!((bare.status, &bare.body["error"]), (400, &json!(wanted)));
    let unknown = "/create?app_id=019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    assert_eq!(desk.ask(Method::POST, unknown, None).await.status, 404);
    let path = desk.of_app("/create");
    let none = desk.ask(Method::POST, &path, None).await;
    let wanted = "No Dialpad connection found and DIALPAD_API_KEY is not configured";
    assert_eq!((none.status, &none.body["error"]), (404, &json!(wanted)));
    let rows = format!("/internal/apps/{}/connections", desk.tenant.id);
    let rows = desk.world.operate(Method::GET, &rows, None).await;
    assert_eq!(rows.body["data"], json!([]), "nothing is left behind");
    desk.connect().await;
    let elsewhere = json!({"webhook_url": "https://evil.example/webhooks/dialpad"});
    let answer = desk.ask(Method::POST, &path, Some(&elsewhere)).await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (400, &json!("webhook_url"))
    );
    let beside = json!({"webhook_url": "https://cti.example.nl.evil.example/webhooks"});
    assert_eq!(
        desk.ask(Method::POST, &path, Some(&beside)).await.status,
        400
    );
    assert!(desk.vendor.vendor().webhooks().is_empty());
}

#[tokio::test]
async fn what_dialpad_refuses_is_502_with_its_reason() {
    let desk = Desk::new().await;
    let settings = json!({"api_key": "revoked", "base_url": desk.vendor.url()});
    add(&desk.world, &desk.tenant, &settings).await;
    let answer = desk.ask(Method::POST, &desk.of_app("/create"), None).await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert_eq!(answer.body["error"], "Failed to create webhook in Dialpad");
    assert!(answer.body["details"].as_str().unwrap().len() > 10);
    assert!(!answer.text.contains("revoked\""), "{}", answer.text);
}

/// An operator sees all apps' webhooks by id, and may ask for those of one app only.
#[tokio::test]
async fn a_webhook_is_looked_for_in_one_app_when_asked_to() {
    let desk = Desk::new().await;
    desk.connect().await;
    let made = desk.ask(Method::POST, &desk.of_app("/create"), None).await;
    let id = made.body["webhook_id"].as_str().unwrap();
    let other = desk.world.tenant("Other").await;
    for method in [Method::GET, Method::DELETE] {
        let path = format!("/{id}?app_id={}", other.id);
        let answer = desk.ask(method, &path, None).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (404, &json!("webhook_not_found"))
        );
    }
    let own = desk
        .ask(Method::GET, &desk.of_app(&format!("/{id}")), None)
        .await;
    assert_eq!(own.status, 200);
}
