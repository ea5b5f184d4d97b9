//! Where a connection may lead is asked when it is made and when it is changed, and the answer
//! names the setting.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::wildix::Wildix;

use crate::world::{World, config};

async fn world() -> World {
    let adapters: Vec<Arc<dyn switchhook_engine::adapter::Adapter>> =
        vec![Arc::new(Dialpad), Arc::new(Asterisk), Arc::new(Wildix)];
    World::with_adapters(config(), adapters).await
}

#[tokio::test]
async fn a_literal_address_inside_is_refused_when_a_connection_is_made() {
    let world = world().await;
    let tenant = world.tenant("One").await;
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let pbx = |url: &str| json!({"url": url, "username": "u", "password": "p"});
    let ami = |host: &str| {
        let way = "ami";
        json!({"transport": way, "ami_host": host, "username": "u", "password": "p"})
    };
    for (platform, settings, field) in [
        (
            "dialpad",
            json!({"base_url": "http://169.254.169.254"}),
            "config.base_url",
        ),
        (
            "dialpad",
            json!({"base_url": "https://10.0.0.5"}),
            "config.base_url",
        ),
        (
            "dialpad",
            json!({"base_url": "https://0xa000005/"}),
            "config.base_url",
        ),
        ("asterisk", pbx("http://169.254.169.254/x"), "config.url"),
        ("asterisk", pbx("ws://[fd00:ec2::254]:8088"), "config.url"),
        ("asterisk", pbx("http://0.0.0.0:8088"), "config.url"),
        ("asterisk", ami("127.0.0.2"), "config.ami_host"),
        ("asterisk", ami("[::ffff:169.254.1.1]"), "config.ami_host"),
        (
            "wildix",
            json!({"pbx_url": "https://[::1]", "api_token": "t"}),
            "config.pbx_url",
        ),
        (
            "wildix",
            json!({"sqs_queue_url": "https://192.168.1.5/1/q"}),
            "config.sqs_queue_url",
        ),
    ] {
        let body = json!({"platform": platform, "config": settings});
        let refused = world.operate(Method::POST, &path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{body}: {:#}", refused.body);
        assert_eq!(refused.problem(), "invalid_field", "{body}");
        assert_eq!(refused.body["field"], field);
        assert!(
            refused.text.contains("outbound.allow_private"),
            "{}",
            refused.text
        );
    }
    let body = json!({"platform": "asterisk", "config": pbx("http://192.168.1.10:8088")});
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(
        made.status, 201,
        "a PBX may be in a private network: {:#}",
        made.body
    );

    let path = format!("{path}/{}", made.body["data"]["id"].as_str().unwrap());
    let change = json!({"config": {"url": "http://169.254.169.254"}});
    let refused = world.operate(Method::PATCH, &path, Some(&change)).await;
    assert_eq!(refused.status, 400, "{:#}", refused.body);
    let after = world.operate(Method::GET, &path, None).await;
    assert_eq!(
        after.body["data"]["config"]["url"],
        "http://192.168.1.10:8088"
    );
}
