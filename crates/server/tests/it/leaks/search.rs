//! Looking for a secret in whatever the program wrote.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use tokio_postgres::Client;

/// A secret where it should not be.
pub(super) struct Found {
    name: String,
    place: String,
    around: String,
}

impl Found {
    pub(super) fn new(name: &str, place: &str, text: &str, at: usize) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let at = text[..at].chars().count();
        let around = &chars[at.saturating_sub(150)..(at + 80).min(chars.len())];
        Self {
            name: name.to_owned(),
            place: place.to_owned(),
            around: around.iter().collect(),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {:?}", self.name, self.place, self.around)
    }
}

/// The ways a secret may be written: as it is, in base64 wherever it begins in a longer text, in
/// hex, as a list of bytes, percent-encoded; all but the first again in hex.
pub(super) fn spellings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut all = vec![secret.to_owned()];
    for lead in 0..3_usize {
        let mut shifted = vec![0; lead];
        shifted.extend(bytes);
        // Only whole groups of the secret's own bytes do not depend on what is around it.
        let from = if lead == 0 { 0 } else { 4 };
        let to = shifted.len() / 3 * 4;
        all.push(STANDARD_NO_PAD.encode(&shifted)[from..to].to_owned());
        all.push(URL_SAFE_NO_PAD.encode(&shifted)[from..to].to_owned());
    }
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    all.push(list.join(", "));
    for space in ["%20", "+"] {
        let percent = |byte: &u8| match byte {
            b' ' => space.to_owned(),
            b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
            other if other.is_ascii_alphanumeric() => char::from(*other).to_string(),
            other => format!("%{other:02X}"),
        };
        let upper: String = bytes.iter().map(percent).collect();
        all.push(upper.replace("%2F", "%2f").replace("%2B", "%2b"));
        all.push(upper);
    }
    let coded: Vec<String> = all.iter().map(|text| hex(text.as_bytes())).collect();
    all.extend(coded.iter().map(|text| text.to_ascii_uppercase()));
    all.extend(coded);
    all.sort();
    all.dedup();
    all
}

/// Bytes as text, one character each, so that nothing is lost.
pub(super) fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Every file of a folder.
pub(super) fn files(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).unwrap();
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let text = latin(&std::fs::read(&path).unwrap());
        (path.display().to_string(), text)
    });
    read.collect()
}

/// Every row of every table, as text; bytes are in hex.
pub(super) async fn tables(client: &Client) -> Vec<(String, String)> {
    client
        .batch_execute("SET switchhook.apps = '*'")
        .await
        .unwrap();
    let names = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables \
                 WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let mut found = Vec::new();
    for row in client.query(names, &[]).await.unwrap() {
        let name: String = row.get("name");
        let rows = format!("SELECT t::text AS row FROM {name} AS t");
        let rows = client.query(&rows, &[]).await.unwrap();
        let text: Vec<String> = rows.iter().map(|row| row.get("row")).collect();
        found.push((name, text.join("\n")));
    }
    found
}
