//! Secrets that are kept in OpenConnector, against a stand-in of its API.

use std::collections::BTreeSet;

use serde_json::json;
use switchhook_engine::adapter::Secret;
use switchhook_engine::openconnector::{Nextcloud, Sources};
use switchhook_testkit::vendors::openconnector::{OpenConnector, PASSWORD, USER};
use switchhook_testkit::vendors::{Answered, Fault, StandIn, loopback};

const PATH: &str = "/index.php/apps/openconnector/api/sources";

fn sources(stand: &StandIn<OpenConnector>, password: &str) -> Sources {
    let place = Nextcloud {
        url: stand.url().to_owned(),
        username: USER.to_owned(),
        password: Secret::new(password),
    };
    Sources::new(Some(place)).always_asking()
}

/// The secret, or why there is none.
async fn look(sources: &Sources, reference: &str) -> Result<String, String> {
    let references = BTreeSet::from([reference.to_owned()]);
    sources.look_up(&references, &loopback()).await;
    let found = sources.secret(reference).map_err(|error| error.to_string());
    found.map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn a_source_is_found_by_whatever_names_it() {
    let stand = StandIn::start(OpenConnector::default()).await.unwrap();
    stand.vendor().keep([
        json!({ "id": 3, "name": "Other", "apikey": "not this" }),
        json!({
            "id": 7, "uuid": "5f8c", "slug": "callvoip", "name": "CallVoip API",
            "apikey": "the key", "authenticationConfig": { "client": { "secret": "inner" } },
        }),
    ]);
    let sources = sources(&stand, PASSWORD);
    for name in ["7", "5f8c", "callvoip", "CallVoip API", "callvoip/apikey"] {
        let found = look(&sources, &format!("openconnector:{name}")).await;
        assert_eq!(found.as_deref(), Ok("the key"), "{name}");
    }
    let inner = "openconnector:7/authenticationConfig.client.secret";
    assert_eq!(look(&sources, inner).await.as_deref(), Ok("inner"));
    for (name, why) in [
        ("8", "no such source"),
        ("nothing", "no source of that name"),
        ("7/password", "no text in that field"),
        ("", "write openconnector:SOURCE"),
    ] {
        let told = look(&sources, &format!("openconnector:{name}"))
            .await
            .unwrap_err();
        assert!(told.contains(why), "{told}");
        assert!(!told.contains("the key"), "{told}");
    }
}

#[tokio::test]
async fn what_is_known_stays_while_nextcloud_is_away_and_no_longer() {
    let stand = StandIn::start(OpenConnector::default()).await.unwrap();
    let source = json!({ "id": 7, "apikey": "the first key" });
    stand.vendor().keep([source]);
    let sources = sources(&stand, PASSWORD);
    let reference = "openconnector:7";
    assert_eq!(
        look(&sources, reference).await.as_deref(),
        Ok("the first key")
    );
    for fault in [
        Fault::Drop,
        Fault::Answer(Answered::empty(503)),
        Fault::Answer(Answered::empty(401)),
    ] {
        stand.fail("GET", PATH, fault);
        let kept = look(&sources, reference).await;
        assert_eq!(kept.as_deref(), Ok("the first key"));
    }
    assert_eq!(stand.faults_left(), 0, "it was asked each time");
    let changed = json!({ "id": 7, "apikey": "the second key" });
    stand.vendor().keep([changed]);
    assert_eq!(
        look(&sources, reference).await.as_deref(),
        Ok("the second key")
    );
    let disabled = json!({ "id": 7, "apikey": "the second key", "isEnabled": false });
    stand.vendor().keep([disabled]);
    let told = look(&sources, reference).await.unwrap_err();
    assert!(told.contains("is disabled"), "{told}");
}

#[tokio::test]
async fn a_wrong_password_and_no_place_are_said() {
    let stand = StandIn::start(OpenConnector::default()).await.unwrap();
    stand
        .vendor()
        .keep([json!({ "id": 7, "apikey": "the key" })]);
    let wrong = sources(&stand, "a wrong password");
    let told = look(&wrong, "openconnector:7").await.unwrap_err();
    assert!(told.contains("refuses openconnector.username"), "{told}");
    assert!(!told.contains("a wrong password"), "{told}");
    let nowhere = Sources::new(None);
    let told = look(&nowhere, "openconnector:7").await.unwrap_err();
    assert!(told.contains("openconnector.url is not set"), "{told}");
}
