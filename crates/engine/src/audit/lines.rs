//! Entries of the audit log as lines of text: one JSON object each, with every byte the hash was
//! made of, so that an export can be verified without the database; and as rows of a table for
//! people, which cannot.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;

use crate::store::{Actor, AuditEntry};

/// An entry as a line. `before` and `after` are written as they are stored: another spelling of
/// the same JSON would be another text to the hash.
#[derive(Serialize, Deserialize)]
struct Line {
    no: u64,
    at: Timestamp,
    app_id: Option<AppId>,
    actor: Actor,
    address: Option<String>,
    request_id: Option<String>,
    action: String,
    target: String,
    status: u16,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    previous: String,
    hash: String,
}

/// An entry as a line of JSON, without the line's end; `previous` is the hash of the one before.
#[must_use]
pub fn line(entry: &AuditEntry, previous: &[u8; 32]) -> String {
    let raw = |text: &Option<String>| RawValue::from_string(text.clone()?).ok();
    let line = Line {
        no: entry.no,
        at: entry.at,
        app_id: entry.app_id,
        actor: entry.actor.clone(),
        address: entry.address.clone(),
        request_id: entry.request_id.clone(),
        action: entry.action.clone(),
        target: entry.target.clone(),
        status: entry.status,
        before: raw(&entry.before),
        after: raw(&entry.after),
        previous: hex(previous),
        hash: hex(&entry.hash),
    };
    // Plain data: there is nothing in it that JSON cannot say.
    serde_json::to_string(&line).unwrap_or_default()
}

/// An entry of a line, and the hash of the one before it.
pub(super) fn read_line(text: &str) -> Result<(AuditEntry, [u8; 32]), String> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let hash = |text: &str| unhex(text).ok_or_else(|| "a hash is not 64 hex digits".to_owned());
    let text = |raw: Option<Box<RawValue>>| raw.map(|raw| raw.get().to_owned());
    let entry = AuditEntry {
        app_id: line.app_id,
        no: line.no,
        at: line.at,
        actor: line.actor,
        address: line.address,
        request_id: line.request_id,
        action: line.action,
        target: line.target,
        status: line.status,
        before: text(line.before),
        after: text(line.after),
        hash: hash(&line.hash)?,
    };
    Ok((entry, hash(&line.previous)?))
}

/// The headings of [`row`].
pub const HEADINGS: &str = "no,at,app_id,actor_kind,actor_id,actor_name,address,request_id,\
                            action,target,status,before,after,hash";

/// An entry as a row of comma-separated values (RFC 4180), without the line's end.
#[must_use]
pub fn row(entry: &AuditEntry) -> String {
    let kind = serde_json::to_value(entry.actor.kind).unwrap_or_default();
    let app = entry.app_id.map(|app| app.to_string());
    let (no, status, hash) = (
        entry.no.to_string(),
        entry.status.to_string(),
        hex(&entry.hash),
    );
    let at = entry.at.to_string();
    let cells = [
        &no,
        &at,
        app.as_deref().unwrap_or_default(),
        kind.as_str().unwrap_or_default(),
        &entry.actor.id,
        &entry.actor.name,
        entry.address.as_deref().unwrap_or_default(),
        entry.request_id.as_deref().unwrap_or_default(),
        &entry.action,
        &entry.target,
        &status,
        entry.before.as_deref().unwrap_or_default(),
        entry.after.as_deref().unwrap_or_default(),
        &hash,
    ];
    cells.map(cell).join(",")
}

/// A table program runs what begins like a formula: such a cell gets an apostrophe.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = format!("{}{text}", if formula { "'" } else { "" });
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// A hash as 64 hexadecimal digits.
#[must_use]
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash of 64 hexadecimal digits.
#[must_use]
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}
