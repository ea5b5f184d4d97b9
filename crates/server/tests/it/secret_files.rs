//! Which files and variables a connection of the real program may take its secret from.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{OPERATOR, Server};

const SECRET: &str = "a secret that lies in a file";
const SETTING: &str = "SWITCHHOOK__SECURITY__SECRET_FILES";

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("allowed")).unwrap();
        std::fs::write(root.path().join("allowed/pbx"), format!("{SECRET}\n")).unwrap();
        std::fs::write(root.path().join("outside"), "a secret of somebody else").unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    fn start(&self, folders: &str) -> Server {
        let settings = [(SETTING, folders), ("SOMEBODYS_SECRET", "hush")];
        Server::start_with(self.root.path(), &settings)
    }
}

async fn create(server: &Server, app: &str, secret: &str) -> (u16, Value) {
    let url = format!("{}/internal/apps/{app}/connections", server.url);
    let body = json!({ "platform": "generic", "webhook_secret": secret });
    let request = server.client().post(url).bearer_auth(OPERATOR).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn post(server: &Server, hook: &str, secret: &str) -> (u16, String) {
    let event = json!({
        "event": "ringing", "call_id": "1", "from": "0470123456", "to": "+31850001200",
        "direction": "inbound", "extension": "100",
    });
    let request = server.client().post(format!("{}{hook}", server.url));
    let answer = request.bearer_auth(secret).json(&event).send().await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Posts until the answer has that status: the server looks at files every few seconds.
async fn comes_to(server: &Server, hook: &str, status: u16) -> String {
    let began = Instant::now();
    loop {
        let (got, text) = post(server, hook, SECRET).await;
        if got == status {
            return text;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{got}: {text}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_outside_the_setting_is_refused_when_given_and_when_used() {
    let place = Place::new();
    let server = place.start(&place.path("allowed"));
    let app = server.app("Bakery").await;
    let (database, key) = (place.path("test.db"), place.path("test.db.key"));
    assert!(Path::new(&key).exists(), "it lies where it was looked for");
    let outside = place.path("outside");
    for path in [
        outside.as_str(),
        &place.path("allowed/../outside"),
        &place.path("nowhere"),
        &key,
        "/proc/self/environ",
    ] {
        let (status, told) = create(&server, &app.id, &format!("file:{path}")).await;
        assert_eq!(
            (status, &told["code"]),
            (400, &json!("invalid_field")),
            "{path}"
        );
        assert_eq!(told["field"], "webhook_secret");
        let told = told.to_string();
        assert!(told.contains("security.secret_files"), "{path}: {told}");
    }
    for (reference, why) in [
        ("env:INTERNAL_API_SECRET", "the server's own"),
        ("env:SWITCHHOOK__DATABASE__URL", "the server's own"),
        ("env:SOMEBODYS_SECRET", "less than 8 characters"),
        ("env:NOBODY_SETS_THIS", "is not set"),
        (
            &format!("file:{}", place.path("allowed/missing")),
            "cannot read",
        ),
    ] {
        let (status, told) = create(&server, &app.id, reference).await;
        assert_eq!(status, 400, "{reference}: {told}");
        assert!(told.to_string().contains(why), "{reference}: {told}");
    }
    // The command line says the same.
    let refused = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", &format!("sqlite://{database}")])
        .args(["connection", "add", "generic"])
        .args(["--webhook-secret", &format!("file:{outside}")])
        .current_dir(place.root.path())
        .env(SETTING, place.path("allowed"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("security.secret_files"),
        "{told}"
    );

    let inside = place.path("allowed/pbx");
    let (status, made) = create(&server, &app.id, &format!("file:{inside}")).await;
    assert_eq!(status, 201, "{made}");
    let hook = made["data"]["webhook_url"].as_str().unwrap();
    let hook = hook[hook.find("/webhooks/").unwrap()..].to_owned();
    assert_eq!(post(&server, &hook, SECRET).await.0, 200);

    // It is judged again whenever it is used: a link in its place leads out.
    let path = format!(
        "apps/{}/connections/{}",
        app.id,
        made["data"]["id"].as_str().unwrap()
    );
    std::fs::remove_file(&inside).unwrap();
    std::os::unix::fs::symlink(&outside, &inside).unwrap();
    let told = comes_to(&server, &hook, 503).await;
    assert!(told.contains("connection_unusable"), "{told}");
    let fault = server.internal_get(&path).await["data"]["fault"].to_string();
    assert!(fault.contains("security.secret_files"), "{fault}");
    std::fs::remove_file(&inside).unwrap();
    std::fs::write(&inside, SECRET).unwrap();
    comes_to(&server, &hook, 200).await;

    // So is one that was given before the setting was.
    drop(server);
    let server = place.start("none");
    let fault = server.internal_get(&path).await["data"]["fault"].to_string();
    assert!(fault.contains("security.secret_files"), "{fault}");
    assert_eq!(post(&server, &hook, SECRET).await.0, 503);
    drop(server);
    // The key file is the server's own even where its folder is allowed.
    let server = place.start(&place.root.path().display().to_string());
    let (status, told) = create(&server, &app.id, &format!("file:{key}")).await;
    assert!(
        status == 400 && told.to_string().contains("the server's own"),
        "{told}"
    );
    assert_eq!(post(&server, &hook, SECRET).await.0, 200);
}
