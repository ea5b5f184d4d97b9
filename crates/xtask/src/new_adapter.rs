//! `cargo xtask new-adapter NAME`: the files of a new platform, to be filled in. Never
//! overwrites; what one line of a table needs is printed and left to the author.

use std::fs;
use std::path::Path;

use crate::repo;

const RUST: &str = include_str!("../templates/adapter.rs.txt");
const PAGE: &str = include_str!("../templates/page.md.txt");
const STORY: &str = "Tell here what happened on this call, as a person would: who called whom, \
                     who answered, how it ended.\n";
const RECORD: &str = "{\n  \"calls\": [],\n  \"events\": []\n}\n";

/// The scenarios every platform should show, as far as it can.
const SCENARIOS: &str = "inbound-answered, inbound-missed, outbound-answered, outbound-busy, \
                         hold-resume, blind-transfer, attended-transfer, unknown-event";

/// Writes the skeletons.
pub(crate) fn run(name: &str) -> Result<(), String> {
    check_name(name)?;
    let files = skeletons(name);
    let root = repo::root();
    if let Some((path, _)) = files.iter().find(|(path, _)| root.join(path).exists()) {
        return Err(format!("{path} is there already; nothing was written"));
    }
    for (path, text) in &files {
        write(&root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("wrote {path}");
    }
    println!(
        "\nTo be done by hand:\n  \
         crates/adapters/src/lib.rs       pub mod {name};\n  \
         crates/adapters/src/registry.rs  &crate::{name}::{}, //\n  \
         crates/adapters/tests/it/        {name}.rs with assert_records and bad signatures\n  \
         fixtures/{name}/                 {SCENARIOS}\n\
         Then: cargo nextest run -p switchhook-adapters",
        type_name(name)
    );
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        Ok(())
    } else {
        Err(format!("{name:?} must be a lower-case word such as acme"))
    }
}

fn skeletons(name: &str) -> [(String, String); 4] {
    let title = type_name(name);
    let fill = |text: &str| {
        text.replace("@name@", name)
            .replace("@Title@", &title)
            .replace("@Type@", &title)
    };
    let scenario = format!("fixtures/{name}/inbound-answered");
    [
        (format!("crates/adapters/src/{name}/mod.rs"), fill(RUST)),
        (format!("docs/adapters/{name}.md"), fill(PAGE)),
        (format!("{scenario}/story.md"), STORY.to_owned()),
        (format!("{scenario}/record.json"), RECORD.to_owned()),
    ]
}

/// `acme_voice` → `AcmeVoice`.
fn type_name(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..]))
        .collect()
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words() {
        assert!(check_name("acme_2").is_ok());
        for bad in ["", "Acme", "2acme", "acme-voice", "../acme", "é"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn skeletons_are_filled_in() {
        for (path, text) in skeletons("acme_voice") {
            assert!(path.contains("acme_voice"), "{path}");
            assert!(!text.contains('@'), "{path} has a blank left: {text}");
        }
        assert_eq!(type_name("acme_voice"), "AcmeVoice");
    }
}
