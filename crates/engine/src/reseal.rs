//! Sealing everything anew under the current master key, and counting what is sealed under which.
//! Safe while servers run: a row that changed meanwhile is left to whoever changed it and looked
//! at again. Not here: the keys (`keyring`) and how rows are kept (the store).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::connections;
use crate::keyring::{self, KeyRing};
use crate::ports::Entropy;
use crate::seal::{SealError, sealed_under};
use crate::store::{SealedRow, SealedTable, Store, StoreResult};

/// Rows read at a time.
const PAGE: u32 = 200;
/// How often a row that others keep changing is tried.
const TRIES: u32 = 5;

/// A sealed text that could not be opened: where it is, never what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The table.
    pub table: SealedTable,
    /// The place it is sealed for: app, connection and field.
    pub place: String,
    /// Why it does not open.
    pub why: String,
}

/// What was found or done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many sealed texts there are, by table and id of the key they need.
    pub sealed: BTreeMap<(SealedTable, String), u64>,
    /// How many were sealed anew.
    pub resealed: u64,
    /// What does not open.
    pub stuck: Vec<Stuck>,
}

/// The sealed texts of a row, each with the place it is sealed for.
pub(crate) fn texts(row: &SealedRow) -> Vec<(String, String)> {
    let one = |place: String| vec![(place, row.sealed.clone())];
    let of = |field: &str| {
        row.owner
            .map(|(app, connection)| connections::place(app, connection, field))
            .unwrap_or_default()
    };
    match row.table {
        SealedTable::InstallationKeys => one(keyring::place(&String::from_utf8_lossy(&row.key))),
        SealedTable::OauthTokens => one(of("oauth_tokens")),
        SealedTable::OauthStarts => one(of("oauth_verifier")),
        SealedTable::Connections => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let credentials: Value = serde_json::from_str(&row.sealed).unwrap_or_default();
            let secrets: Value = serde_json::from_str(&row.more).unwrap_or_default();
            let credentials = credentials.as_object().into_iter().flatten();
            let credentials = credentials.map(|(name, sealed)| (of(name), text(sealed)));
            let secrets = secrets.as_array().into_iter().flatten();
            let secrets = secrets.map(|sealed| (of("webhook_secret"), text(sealed)));
            credentials.chain(secrets).collect()
        }
    }
}

/// The row's columns with every sealed text replaced by what `new` makes of it; as they are where
/// it makes nothing.
fn rewritten(
    row: &SealedRow,
    mut new: impl FnMut(&str, &str) -> Option<String>,
) -> (String, String) {
    if row.table != SealedTable::Connections {
        let all = texts(row);
        let sealed = all.first().and_then(|(place, sealed)| new(place, sealed));
        return (
            sealed.unwrap_or_else(|| row.sealed.clone()),
            row.more.clone(),
        );
    }
    let places: Vec<_> = texts(row);
    let mut places = places.into_iter();
    let mut credentials: Value = serde_json::from_str(&row.sealed).unwrap_or_default();
    let mut secrets: Value = serde_json::from_str(&row.more).unwrap_or_default();
    let values = credentials.as_object_mut().into_iter().flatten();
    let values = values.map(|(_, value)| value);
    let values = values.chain(secrets.as_array_mut().into_iter().flatten());
    // The same order as in `texts`.
    for (value, (place, sealed)) in values.zip(&mut places) {
        if let Some(text) = new(&place, &sealed) {
            *value = text.into();
        }
    }
    let written = |value: &Value, before: &str| match value {
        Value::Null => before.to_owned(),
        value => value.to_string(),
    };
    (
        written(&credentials, &row.sealed),
        written(&secrets, &row.more),
    )
}

/// Counts the sealed texts and tries to open each. Changes nothing.
///
/// # Errors
/// When the database is away.
pub async fn status(store: &dyn Store, keys: &KeyRing) -> StoreResult<Tally> {
    let mut tally = Tally::default();
    for table in SealedTable::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.sealed_after(table, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for row in &page {
                look(row, keys, &mut tally);
            }
        }
    }
    Ok(tally)
}

fn look(row: &SealedRow, keys: &KeyRing, tally: &mut Tally) {
    for (place, sealed) in texts(row) {
        let id = sealed_under(&sealed).unwrap_or("(none)").to_owned();
        *tally.sealed.entry((row.table, id)).or_default() += 1;
        if let Err(error) = keys.open(&sealed, &place) {
            tally.stuck.push(stuck(row.table, place, &error));
        }
    }
}

fn stuck(table: SealedTable, place: String, error: &SealError) -> Stuck {
    Stuck {
        table,
        place,
        why: error.to_string(),
    }
}

/// Seals every text that is not sealed under the current key anew, row by row, and tells `step` of
/// each row looked at. Can be stopped at any time and run again: what is done stays done.
///
/// # Errors
/// When the database is away.
pub async fn reseal(
    store: &dyn Store,
    keys: &KeyRing,
    entropy: &dyn Entropy,
    step: impl Fn(),
) -> StoreResult<Tally> {
    let mut done = 0;
    for table in SealedTable::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.sealed_after(table, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            let end = last.key.clone();
            let mut before = after;
            for row in page {
                let key = row.key.clone();
                done += row_anew(store, keys, entropy, row, before.as_deref()).await?;
                before = Some(key);
                step();
            }
            after = Some(end);
        }
    }
    // What was changed meanwhile by a server that does not know the new key yet shows here.
    Ok(Tally {
        resealed: done,
        ..status(store, keys).await?
    })
}

/// Seals one row anew; `before` is the key of the row before it.
async fn row_anew(
    store: &dyn Store,
    keys: &KeyRing,
    entropy: &dyn Entropy,
    mut row: SealedRow,
    before: Option<&[u8]>,
) -> StoreResult<u64> {
    for _ in 0..TRIES {
        let mut count = 0;
        let (sealed, more) = rewritten(&row, |place, sealed| {
            if sealed_under(sealed) == Some(keys.current_id()) {
                return None;
            }
            let secret = keys.open(sealed, place).ok()?;
            count += 1;
            Some(keys.seal(&secret, place, entropy))
        });
        if count == 0 || store.reseal(&row, &sealed, &more).await? {
            return Ok(count);
        }
        let again = store.sealed_after(row.table, before, 1).await?.pop();
        match again.filter(|again| again.key == row.key) {
            Some(changed) => row = changed,
            // It is gone, or something came before it that the next run looks at.
            None => return Ok(0),
        }
    }
    Ok(0)
}
