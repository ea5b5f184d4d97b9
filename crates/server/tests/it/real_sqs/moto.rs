//! An SQS-compatible server (moto) as a process of its own, on a free port, and the few requests
//! tests put to it: SQS's JSON protocol, written here so that nothing is shared with the program.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What SQS needs to see; moto checks no signature.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/sqs/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// A running server.
pub struct Moto {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub url: String,
    client: reqwest::Client,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Moto {
    /// Starts it, or says loudly why it cannot and gives `None`. Where `CI=true` it must start.
    pub fn start() -> Option<Self> {
        let folder = std::env::var("SWITCHHOOK_TESTBED_DIR");
        let folder = folder.unwrap_or_else(|_| "/var/lib/switchhook-testbed".to_owned());
        let program = PathBuf::from(folder).join("python/bin/moto_server");
        if !program.exists() {
            let told = format!(
                "{} is not there: testbed/provision.sh python",
                program.display()
            );
            let mandatory = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(
                !mandatory,
                "the SQS-compatible server is mandatory where CI=true: {told}"
            );
            eprintln!("\n=== LEFT OUT: the tests against an SQS-compatible server ===\n{told}");
            return None;
        }
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("Running on ")
                    .map(|(_, url)| url.trim().to_owned())
            })
            .expect("it says where it listens");
        // It goes on writing; somebody has to read it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self {
            child,
            url,
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .unwrap(),
        })
    }

    async fn ask(&self, action: &str, body: &Value) -> Value {
        let asked = self.client.post(&self.url).header("authorization", SIGNED);
        let asked = asked.header("x-amz-target", format!("AmazonSQS.{action}"));
        let asked = asked.header("content-type", "application/x-amz-json-1.0");
        let answer = asked.body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{action}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Makes a queue; its address.
    pub async fn queue(&self, name: &str) -> String {
        let mut attributes = json!({ "VisibilityTimeout": "30" });
        if name.to_ascii_lowercase().contains(".fifo") {
            attributes["FifoQueue"] = json!("true");
        }
        let body = json!({ "QueueName": name, "Attributes": attributes });
        let made = self.ask("CreateQueue", &body).await;
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Puts a message in, signed as Wildix does, or not at all.
    pub async fn put(&self, queue: &str, body: &[u8], signature: Option<&str>) {
        let mut message = json!({
            "QueueUrl": queue, "MessageBody": String::from_utf8(body.to_vec()).unwrap(),
        });
        if let Some(signature) = signature {
            message["MessageAttributes"] =
                json!({ "X-SIGNATURE": { "DataType": "String", "StringValue": signature } });
        }
        if queue.ends_with(".fifo") {
            let json: Value = serde_json::from_slice(body).unwrap();
            message["MessageGroupId"] = json["id"].clone();
            let id = format!("{}-{}", json["id"], json["time"]);
            message["MessageDeduplicationId"] = json!(id.replace('"', ""));
        }
        self.ask("SendMessage", &message).await;
    }

    /// Messages that wait, and those a reader has taken and not deleted.
    pub async fn counts(&self, queue: &str) -> (u64, u64) {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let body = json!({ "QueueUrl": queue, "AttributeNames": names });
        let told = self.ask("GetQueueAttributes", &body).await;
        let number = |name: &str| {
            let text = told["Attributes"][name].as_str().unwrap();
            text.parse().unwrap()
        };
        (number(names[0]), number(names[1]))
    }

    /// What another reader gets now.
    pub async fn take(&self, queue: &str) -> Vec<Value> {
        let body = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"],
        });
        let got = self.ask("ReceiveMessage", &body).await;
        got["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until nothing is left of it.
    pub async fn wait_empty(&self, queue: &str, limit: Duration) {
        let start = Instant::now();
        loop {
            let counts = self.counts(queue).await;
            if counts == (0, 0) {
                return;
            }
            assert!(start.elapsed() < limit, "left in the queue: {counts:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
