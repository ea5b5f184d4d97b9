//! The test bed from Rust: scripts as child processes, and a loud word about what is left out.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A script of the test bed.
pub fn script(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testbed")
        .join(name);
    let mut command = Command::new(path);
    command.env("TESTBED_OFFSET", OFFSET.to_string());
    command
}

/// Every port of the PBX of these tests is moved by this much, so that a PBX started by hand is
/// not in the way.
pub const OFFSET: u16 = 3000;

/// The ARI port of the PBX of these tests.
pub const ARI_PORT: u16 = 18_088 + OFFSET;

/// The AMI port of the PBX of these tests.
pub const AMI_PORT: u16 = 15_038 + OFFSET;

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
