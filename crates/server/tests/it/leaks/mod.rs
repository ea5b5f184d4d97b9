//! Secrets stay where they belong. The real program, told to log everything, is given a unique
//! secret in every place that takes one and is driven along its ways, good and bad, over HTTP and
//! on the command line. Then its log, its database, its answers and what its commands print are
//! searched for each of them, in every spelling. A secret that was planted and never used fails
//! the test: its absence would prove nothing.

mod connections;
mod console;
mod drive;
mod keys;
mod mistakes;
mod oidc;
mod people;
mod planted;
mod platform;
mod search;

use std::fmt::Write as _;
use std::path::Path;

use crate::database::Database;
use drive::Drive;
use search::{Found, spellings};

/// What was written by the program during one drive.
struct Written {
    drive: Drive,
    log: String,
    database: Vec<(String, String)>,
}

impl Written {
    /// Every place where a secret stands, with its name.
    fn leaks(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for planted in self.drive.secrets.iter() {
            let spellings = spellings(&planted.text);
            let mut look = |place: &str, text: &str| {
                let hit = spellings
                    .iter()
                    .find_map(|s| Some((s, text.find(s.as_str())?)));
                found.extend(hit.map(|(_, at)| Found::new(&planted.name, place, text, at)));
            };
            look("the log", &self.log);
            for (place, text) in &self.database {
                look(place, text);
            }
            for (place, text) in &self.drive.answers {
                look(place, text);
            }
        }
        found
    }

    fn is_clean(&self) {
        // What must be found shows that all of it was looked at.
        let seen = |text: &str, what: &str| assert!(text.contains(what), "{what} is missing");
        seen(&self.log, "request.id");
        seen(&self.log, "route=\"/ws\"");
        let rows: String = self
            .database
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        assert!(
            spellings(drive::NAME)
                .iter()
                .any(|name| rows.contains(name)),
            "the database was not read"
        );
        seen(&rows, "connection");
        let answers = self.drive.answers.iter().map(|(_, text)| text.as_str());
        let answers: String = answers.collect();
        for what in ["data", drive::NAME, "\"action\"", "switchhook_"] {
            seen(&answers, what);
        }
        assert!(self.drive.secrets.iter().count() > 120, "some are missing");
        let unused = self.drive.secrets.unused();
        assert!(unused.is_empty(), "planted and never used: {unused:?}");
        let leaks = self.leaks();
        let told = leaks.iter().fold(String::new(), |mut told, leak| {
            let _ = writeln!(told, "{leak}");
            told
        });
        assert!(leaks.is_empty(), "{} leaks:\n{told}", leaks.len());
    }
}

async fn written(folder: &Path, url: &str) -> (Drive, String) {
    let file = folder.join("log");
    let drive = Drive::along(folder, url, std::fs::File::create(&file).unwrap()).await;
    (drive, search::latin(&std::fs::read(file).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_log_answers_or_the_files_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let url = format!("sqlite://{}", data.join("test.db").display());
    let (drive, log) = written(folder.path(), &url).await;
    let database = search::files(&data);
    assert!(
        database.iter().any(|(name, _)| name.ends_with("-wal")),
        "it was killed"
    );
    let written = Written {
        drive,
        log,
        database,
    };
    written.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_the_tables_of_postgres() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (drive, log) = written(folder.path(), &database.url).await;
    let rows = search::tables(&database.client().await).await;
    let written = Written {
        drive,
        log,
        database: rows,
    };
    written.is_clean();
    database.clean().await;
}

#[test]
fn the_search_finds_what_is_there() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let secret = "Plant/one more+3f9c";
    let spellings = spellings(secret);
    let basic = STANDARD.encode(format!("someone:{secret}"));
    let json = URL_SAFE_NO_PAD.encode(format!("{{\"a\":\"{secret}\"}}"));
    let hex: String = secret.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    });
    let bytes = format!("{:?}", secret.as_bytes());
    for text in [
        secret,
        &basic,
        &json,
        &hex,
        &bytes,
        "Plant%2Fone%20more%2B3f9c",
    ] {
        let found = spellings
            .iter()
            .any(|spelling| text.contains(spelling.as_str()));
        assert!(found, "{text}");
        assert!(
            !spellings
                .iter()
                .any(|spelling| "Plant".contains(spelling.as_str()))
        );
    }
}
