//! The audit log: who changed what, from where, and what was so before. Entries are only ever
//! appended, and each carries a keyed hash over itself and the one before: to change, take out or
//! reorder one unseen, one would need the installation's own key. Not here: what is worth an entry
//! (that is said where it happens) and how entries are kept (the store).

use std::sync::Arc;

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;

mod begun;
mod lines;
mod portrait;

pub use self::begun::Begun;
use self::lines::read_line;
pub use self::lines::{HEADINGS, hex, line, row, unhex};
pub use self::portrait::OnRecord;
use crate::keyring::KeyRing;
use crate::ports::Clock;
use crate::seal::keyed_hash;
use crate::store::{Actor, AuditEntry, AuditQuery, BegunDeed, Store, StoreError, StoreResult};

/// Entries read at a time while a chain is verified.
const PAGE: u32 = 500;
/// How often an entry is chained anew when others are quicker.
const TRIES: u32 = 50;
/// The longest text of one side of a change, in bytes; a longer one is cut and says so.
const MAX_SIDE: usize = 16 * 1024;
/// Members whose values are never shown, wherever they stand; any name that contains one.
const SECRET_NAMES: [&str; 8] = [
    "secret",
    "password",
    "token",
    "api_key",
    "apikey",
    "credential",
    "private",
    "assertion",
];

/// Something to be put on record.
#[derive(Clone, Debug)]
pub struct Deed {
    /// In whose chain; `None` for the operators'.
    pub app_id: Option<AppId>,
    /// Who.
    pub actor: Actor,
    /// From which address.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// The HTTP status it ended with; 0 where there was no request.
    pub status: u16,
    /// What was so before.
    pub before: Option<Value>,
    /// What is so now.
    pub after: Option<Value>,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The chain.
    pub app_id: Option<AppId>,
    /// The first entry that is not as it was written.
    pub no: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What a chain that is whole looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The chain.
    pub app_id: Option<AppId>,
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the last one: kept elsewhere, it also shows that none was taken off the end.
    pub head: [u8; 32],
    /// Those of the hashes asked for that an entry of this chain has.
    pub met: Vec<[u8; 32]>,
}

/// A chain while it is read from some entry on: what the next one must follow.
#[derive(Clone, Debug, Default)]
struct Walk {
    entries: u64,
    last: u64,
    hash: [u8; 32],
    met: Vec<[u8; 32]>,
}

/// The audit log. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keys: KeyRing,
    /// Deeds of this process are chained one after the other; other nodes are met by trying again.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// The log in this store, chained with a key derived from the installation's own.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keys: impl Into<KeyRing>) -> Self {
        let turn = Arc::default();
        Self {
            store,
            clock,
            keys: keys.into(),
            turn,
        }
    }

    /// Puts a deed on record.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note(&self, deed: Deed) -> StoreResult<()> {
        self.append(&deed, None).await
    }

    /// Appends the entry, and in the same transaction ends the deed that had begun.
    async fn append(&self, deed: &Deed, begun: Option<&BegunDeed>) -> StoreResult<()> {
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        for _ in 0..TRIES {
            let head = self.store.audit_head(deed.app_id).await?;
            let (no, before) = head.unwrap_or((0, [0; 32]));
            let entry = self.entry(deed, no + 1, now, &before);
            let appended = match begun {
                Some(begun) => self.store.end_deed(&entry, begun).await?,
                None => self.store.append_audit(&entry).await?,
            };
            if appended {
                return Ok(());
            }
        }
        let busy = "others write the audit log faster than this can be put into it";
        Err(StoreError::Unavailable(busy.to_owned()))
    }

    fn entry(&self, deed: &Deed, no: u64, at: Timestamp, before: &[u8; 32]) -> AuditEntry {
        // PostgreSQL keeps no NUL; what is hashed must be what is kept.
        let kept = |text: &String| text.replace('\0', "\u{FFFD}");
        let mut entry = AuditEntry {
            app_id: deed.app_id,
            no,
            at,
            actor: deed.actor.clone(),
            address: deed.address.as_ref().map(kept),
            request_id: deed.request_id.as_ref().map(kept),
            action: kept(&deed.action),
            target: kept(&deed.target),
            status: deed.status,
            before: deed.before.as_ref().map(side),
            after: deed.after.as_ref().map(side),
            hash: [0; 32],
        };
        entry.hash = self.link(&entry, before);
        entry
    }

    /// The hash of an entry that follows the one with the hash `before`.
    fn link(&self, entry: &AuditEntry, before: &[u8; 32]) -> [u8; 32] {
        let app = entry.app_id.map(|app| app.to_string());
        let kind = serde_json::to_string(&entry.actor.kind).unwrap_or_default();
        let texts = [
            app.as_deref(),
            Some(&*kind),
            Some(&*entry.actor.id),
            Some(&*entry.actor.name),
            entry.address.as_deref(),
            entry.request_id.as_deref(),
            Some(&*entry.action),
            Some(&*entry.target),
            entry.before.as_deref(),
            entry.after.as_deref(),
        ];
        let mut bytes = before.to_vec();
        bytes.extend(entry.no.to_be_bytes());
        bytes.extend(entry.at.as_microsecond().to_be_bytes());
        bytes.extend(entry.status.to_be_bytes());
        for text in texts {
            // Length first, so that nothing can move from one text into the next.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.unwrap_or_default().bytes());
        }
        keyed_hash(&self.keys.hash("audit chain"), &bytes)
    }

    /// Reads a chain from its beginning and checks every entry.
    ///
    /// # Errors
    /// When the database is away; what is wrong with the chain is the inner result.
    pub async fn verify(&self, app: Option<AppId>) -> StoreResult<Result<Whole, Broken>> {
        self.verify_against(app, &[]).await
    }

    /// The same, and says which of these hashes, kept from an earlier time, the chain still has.
    ///
    /// # Errors
    /// When the database is away; what is wrong with the chain is the inner result.
    pub async fn verify_against(
        &self,
        app: Option<AppId>,
        kept: &[[u8; 32]],
    ) -> StoreResult<Result<Whole, Broken>> {
        let mut walk = Walk::default();
        loop {
            let page = self.store.audit_after(app, walk.last, PAGE).await?;
            for entry in &page {
                if let Err(broken) = self.step(&mut walk, entry, kept) {
                    return Ok(Err(broken));
                }
            }
            if page.is_empty() {
                return Ok(Ok(walk.whole(app)));
            }
        }
    }

    /// Checks an export: lines as [`line()`] writes them, of one chain, from any entry on. That
    /// entries before the first line are missing does not show: an export may begin anywhere.
    ///
    /// # Errors
    /// What cannot be read, with the number of its line; what is wrong with the chain is the inner
    /// result.
    pub fn verify_lines(
        &self,
        lines: impl Iterator<Item = std::io::Result<String>>,
        kept: &[[u8; 32]],
    ) -> Result<Result<Whole, Broken>, String> {
        let (mut walk, mut app) = (Walk::default(), None);
        for (number, text) in (1..).zip(lines) {
            let at = |error: String| format!("line {number}: {error}");
            let text = text.map_err(|error| at(error.to_string()))?;
            if text.trim().is_empty() {
                continue;
            }
            let (entry, before) = read_line(&text).map_err(at)?;
            if walk.entries == 0 {
                app = entry.app_id;
                (walk.last, walk.hash) = (entry.no.saturating_sub(1), before);
            }
            if entry.app_id != app {
                return Err(at("it belongs to another log".to_owned()));
            }
            if let Err(broken) = self.step(&mut walk, &entry, kept) {
                return Ok(Err(broken));
            }
        }
        Ok(Ok(walk.whole(app)))
    }

    fn step(&self, walk: &mut Walk, entry: &AuditEntry, kept: &[[u8; 32]]) -> Result<(), Broken> {
        let broken = |what| Broken {
            app_id: entry.app_id,
            no: entry.no,
            what,
        };
        if entry.no != walk.last + 1 {
            return Err(broken("entries before it are missing"));
        }
        if self.link(entry, &walk.hash) != entry.hash {
            return Err(broken("it, or one before it, is not as it was written"));
        }
        (walk.last, walk.hash) = (entry.no, entry.hash);
        walk.entries += 1;
        if kept.contains(&entry.hash) {
            walk.met.push(entry.hash);
        }
        Ok(())
    }

    /// The numbers of the entries of a stretch of time: after the first, up to the second. Entries
    /// between them belong to it even where clocks of several nodes differ.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn span(
        &self,
        app: Option<AppId>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> StoreResult<(u64, u64)> {
        let newest_before = async |until| {
            let query = AuditQuery {
                until,
                limit: 1,
                ..AuditQuery::default()
            };
            let found = self.store.audit(app, &query).await?;
            Ok::<_, StoreError>(found.first().map_or(0, |entry| entry.no))
        };
        let first = match since {
            Some(since) => newest_before(Some(since)).await?,
            None => 0,
        };
        Ok((first, newest_before(until).await?))
    }

    /// The hash of the entry of that number; zeros when there is none, as before the first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hash_of(&self, app: Option<AppId>, no: u64) -> StoreResult<[u8; 32]> {
        let Some(before) = no.checked_sub(1) else {
            return Ok([0; 32]);
        };
        let found = self.store.audit_after(app, before, 1).await?;
        Ok(found.first().map_or([0; 32], |entry| entry.hash))
    }

    /// Every chain, the operators' first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn chains(&self) -> StoreResult<Vec<Option<AppId>>> {
        self.store.audit_chains().await
    }
}

impl Walk {
    fn whole(self, app: Option<AppId>) -> Whole {
        Whole {
            app_id: app,
            entries: self.entries,
            head: self.hash,
            met: self.met,
        }
    }
}

/// One side of a change as text: secrets taken out, and not too long.
fn side(value: &Value) -> String {
    let text = redacted(value).to_string();
    if text.len() <= MAX_SIDE {
        return text;
    }
    Value::from(format!("cut: {} bytes", text.len())).to_string()
}

/// A value without the secrets in it.
#[must_use]
pub fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let shown = members.iter().map(|(name, value)| {
                let lower = name.to_ascii_lowercase();
                let secret = SECRET_NAMES.iter().any(|word| lower.contains(word));
                let hide = secret && !matches!(value, Value::Null | Value::Bool(_));
                let value = if hide { "…".into() } else { redacted(value) };
                (name.clone(), value)
            });
            Value::Object(shown.collect())
        }
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::String(text) => shown(text).into(),
        other => other.clone(),
    }
}

/// Addresses carry secrets too: sign-in links and signed ones in the query, others a password
/// before the host.
fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host
        .rsplit_once('@')
        .map_or(host.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let given = json!({
            "name": "CRM", "webhook_secret": "s1", "config": {"client_secret": "s2", "user": "x"},
            "list": [{"access_token": "s3"}], "api_key": "s4", "Password": "s5", "secret": null,
        });
        let shown = redacted(&given).to_string();
        for secret in ["s1", "s2", "s3", "s4", "s5"] {
            assert!(!shown.contains(&format!("\"{secret}\"")), "{shown}");
        }
        let link = json!({"url": "https://cti.example/sign-in?token=s6"});
        assert_eq!(redacted(&link)["url"], "https://cti.example/sign-in?…");
        let pbx = json!({"url": "http://user:s7@pbx.example:8088/ari"});
        assert_eq!(redacted(&pbx)["url"], "http://…@pbx.example:8088/ari");
        assert_eq!(redacted(&json!("a@b.example, ok?")), "a@b.example, ok?");
        assert!(shown.contains("CRM") && shown.contains("\"user\":\"x\""));
    }

    #[test]
    fn a_very_long_side_is_cut() {
        assert!(side(&json!("x".repeat(100_000))).len() < 100);
    }
}
