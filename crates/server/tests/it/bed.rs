//! The test bed from Rust: scripts as child processes, and a loud word about what is left out.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A script of the test bed.
pub fn script(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testbed")
        .join(name);
    let mut command = Command::new(path);
    command.env("TESTBED_OFFSET", offset().to_string());
    command
}

/// Every port of the PBX of these tests is moved by this much, so that a PBX started by hand is
/// not in the way. `SWITCHHOOK_TEST_PBX_OFFSET` moves it elsewhere, for two runs on one machine.
fn offset() -> u16 {
    let given = std::env::var("SWITCHHOOK_TEST_PBX_OFFSET");
    given.map_or(3000, |text| text.parse().expect("a number"))
}

/// The ARI port of the PBX of these tests.
pub fn ari_port() -> u16 {
    18_088 + offset()
}

/// The AMI port of the PBX of these tests.
pub fn ami_port() -> u16 {
    15_038 + offset()
}

/// The PBX while a test uses it; stopped when dropped.
pub struct Pbx;

impl Pbx {
    /// Starts it, or says loudly why it cannot and gives `None`. Where `CI=true` it must start.
    pub fn start() -> Option<Self> {
        let output = script("asterisk/run.sh")
            .arg("start")
            .output()
            .expect("the script runs");
        if output.status.success() {
            return Some(Self);
        }
        let told = text(&output);
        let mandatory = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !mandatory,
            "the real PBX is mandatory where CI=true:\n{told}"
        );
        eprintln!("\n=== LEFT OUT: the tests against a real PBX ===\n{told}");
        None
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        drop(script("asterisk/run.sh").arg("stop").output());
    }
}

impl Pbx {
    /// What its console answers.
    pub fn ask(&self, question: &str) -> String {
        let output = script("asterisk/run.sh")
            .args(["cli", question])
            .output()
            .expect("the script runs");
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Makes the PBX open its WebSocket to that address.
    pub fn connect_to(&self, uri: &str, password: &str) {
        let output = script("asterisk/run.sh")
            .args(["outbound", uri, password])
            .output()
            .expect("the script runs");
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// One party of one call: a SIPp that rings, answers, hangs up as its file says.
pub struct Party {
    name: String,
    child: std::process::Child,
    log: tempfile::TempDir,
}

impl Party {
    /// Starts it with the arguments of `sipp/call.sh`.
    pub fn start(arguments: &[&str]) -> Self {
        let log = tempfile::tempdir().expect("a folder");
        let child = script("sipp/call.sh")
            .args(arguments)
            .env("TESTBED_SIPP_LOG", log.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the script runs");
        Self {
            name: arguments.join(" "),
            child,
            log,
        }
    }

    /// Every SIP message so far.
    pub fn messages(&self) -> String {
        let files = std::fs::read_dir(self.log.path()).expect("the folder is there");
        let messages = files.filter_map(|file| {
            let path = file.ok()?.path();
            let is_log = path.extension()? == "messages";
            is_log.then(|| std::fs::read(path).ok()).flatten()
        });
        let all: Vec<u8> = messages.flatten().collect();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// A phone that is called, once its port is bound.
    pub async fn phone(extension: &str, behaviour: &str) -> Self {
        let (port, host) = match extension {
            "pstn" => (15_080, "127.0.0.2"),
            other => (
                15_070 - 100 + other.parse::<u16>().expect("an extension"),
                "127.0.0.1",
            ),
        };
        let party = Self::start(&["phone", extension, behaviour]);
        let address = format!("{host}:{}", port + offset());
        for _ in 0..100 {
            // SIPp has it once nobody else can.
            if std::net::UdpSocket::bind(&address).is_err() {
                return party;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("phone {extension} did not come up");
    }

    /// Waits for its end; it must have been content.
    pub async fn content(mut self) {
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                assert!(status.success(), "{} was not content: {status}", self.name);
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{} did not come to an end", self.name);
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Plays a scenario to its end.
pub fn play(name: &str) {
    let output = script("scenario.sh")
        .arg(name)
        .output()
        .expect("the script runs");
    assert!(
        output.status.success(),
        "scenario {name} did not play:\n{}",
        text(&output)
    );
}

pub fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}
