//! Mapping files on the command line: exit codes, and what is said.

use std::path::Path;
use std::process::{Command, Output};

fn switchhook(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(args)
        .output()
        .expect("the program runs")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn root(name: &str) -> String {
    format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_mapping_is_run_over_its_fixtures() {
    for platform in ["aircall", "3cx"] {
        let file = root(&format!("mappings/{platform}.toml"));
        let fixtures = root(&format!("fixtures/{platform}"));
        let output = switchhook(&["adapter", "test", &file, "--fixtures", &fixtures]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains(": ok"), "{}", said(&output));
        assert!(
            said(&output).contains("lacks transcript: "),
            "{}",
            said(&output)
        );
        assert!(!said(&output).contains("not shown"), "{}", said(&output));
    }
}

#[test]
fn another_record_is_told_member_by_member() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("missed");
    std::fs::create_dir(&scenario).unwrap();
    let from = root("fixtures/3cx/missed");
    let report = "01_report.json";
    std::fs::copy(Path::new(&from).join(report), scenario.join(report)).unwrap();
    let args = ["adapter", "test", &root("mappings/3cx.toml"), "--fixtures"];
    let run = || switchhook(&[&args[..], &[folder.path().to_str().unwrap()]].concat());
    let shown = run();
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    assert!(
        said(&shown).contains("\"status\": \"missed\""),
        "{}",
        said(&shown)
    );
    let record = r#"{"calls":[{"status":"ended"}]}"#;
    std::fs::write(scenario.join("record.json"), record).unwrap();
    let differs = run();
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs));
    let wanted = "calls[0].status: expected \"ended\", found \"missed\"";
    assert!(said(&differs).contains(wanted), "{}", said(&differs));
}

#[test]
fn a_faulty_file_is_a_wrong_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.toml");
    std::fs::write(&file, "platform = \"acme\"\ntitel = \"Acme\"\n").unwrap();
    let check = switchhook(&["adapter", "check", file.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(2));
    assert!(
        said(&check).contains("acme.toml:2:1: `titel` is not known"),
        "{}",
        said(&check)
    );
    let dir = folder.path().to_str().unwrap();
    let serve = switchhook(&["serve", "--listen", "127.0.0.1:0", "--mappings", dir]);
    assert_eq!(serve.status.code(), Some(2));
    assert!(
        said(&serve).contains("acme.toml:2:1: `titel` is not known"),
        "{}",
        said(&serve)
    );
    assert!(
        said(&serve).contains("`call.id` is missing"),
        "{}",
        said(&serve)
    );
}
