//! The agents' endpoints of a PBX; a real one is asked in the server's tests.

use std::sync::Arc;

use serde_json::json;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_engine::adapter::{Adapter, ConnectionContext};
use switchhook_engine::command::Fault;
use switchhook_engine::platform_users::PlatformUser;

use super::fake::{self, FakeAri};
use crate::asking::session;

const ENDPOINTS: &str = r#"[
    {"technology":"PJSIP","resource":"trunk-kpn","state":"online","channel_ids":[]},
    {"technology":"PJSIP","resource":"101","state":"offline","channel_ids":[]},
    {"technology":"PJSIP","resource":"100","state":"online","channel_ids":[]},
    {"technology":"Local","resource":"100","state":"unknown","channel_ids":[]},
    {"resource":"102"}
]"#;

fn asked(connection: Arc<ConnectionContext>) -> switchhook_engine::command::Session {
    session(Arc::unwrap_or_clone(connection)).0
}

#[tokio::test]
async fn the_endpoints_of_agents_are_listed_and_nothing_else() {
    let ari = FakeAri {
        endpoints: ENDPOINTS,
        ..FakeAri::default()
    };
    let (connection, _sockets) = ari.start().await;
    let page = Asterisk.users(&asked(connection), None).await.unwrap();
    let user = |extension: &str, state: &str| PlatformUser {
        extension: Some(extension.to_owned()),
        state: Some(state.to_owned()),
        device: Some(format!("PJSIP/{extension}")),
        ..PlatformUser::default()
    };
    assert_eq!(page.users, [user("100", "online"), user("101", "offline")]);
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn a_pbx_that_cannot_be_asked_is_told_with_its_reason() {
    let nobody = fake::connection(&json!({"url": "http://127.0.0.1:1"}));
    let error = Asterisk.users(&asked(nobody), None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Unreachable);
    let refusing = FakeAri {
        status: 401,
        ..FakeAri::default()
    };
    let (connection, _sockets) = refusing.start().await;
    let error = Asterisk.users(&asked(connection), None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Credentials);
    let odd = FakeAri {
        endpoints: "{}",
        ..FakeAri::default()
    };
    let (connection, _sockets) = odd.start().await;
    let error = Asterisk.users(&asked(connection), None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Platform);
    let by_ami = fake::connection(&json!({"transport": "webhook"}));
    let error = Asterisk.users(&asked(by_ami), None).await.unwrap_err();
    assert_eq!(error.fault, Fault::NotSupported);
}
