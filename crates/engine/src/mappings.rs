//! Mapping files: platforms described in a TOML text and compiled while the server runs. Whoever
//! wires the server hands the compiler in ([`Platforms::with_compiler`]); this module keeps what
//! is stored and what is spoken the same on every node. Not here: what a mapping file says.
//!
//! [`Platforms::with_compiler`]: crate::connections::Platforms::with_compiler

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use switchhook_domain::Timestamp;

use crate::adapter::Adapter;
use crate::connections::{Origin, Platforms};
use crate::store::{Store, StoreError, StoreResult, StoredMapping};

/// The largest mapping file, in bytes.
pub const MAX_MAPPING: usize = 64 * 1024;

/// One thing wrong with a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MappingFault {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The key at fault, such as `times.unit`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for MappingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "`{}` ", self.field)?;
        }
        f.write_str(&self.problem)
    }
}

/// Makes an adapter of a mapping file, or says everything that is wrong with it.
pub type Compiler = fn(&str) -> Result<Arc<dyn Adapter>, Vec<MappingFault>>;

/// Why a mapping was not taken in or away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The file has faults, all of them here.
    #[error("the mapping file has {} faults", .0.len())]
    Faulty(Vec<MappingFault>),
    /// The platform of that name cannot be replaced or deleted here.
    #[error("{0}")]
    Taken(String),
    /// Connections use it.
    #[error("{0} connections use this platform")]
    InUse(usize),
    /// There is no such mapping.
    #[error("there is no mapping of this name")]
    NotFound,
    /// The database is away or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks and stores a mapping, and speaks it on this node from now on.
///
/// # Errors
/// See [`MappingError`]; nothing is stored then.
pub async fn put(
    store: &dyn Store,
    platforms: &Platforms,
    platform: &str,
    text: &str,
    now: Timestamp,
) -> Result<Arc<dyn Adapter>, MappingError> {
    let adapter = platforms.compile(text).map_err(MappingError::Faulty)?;
    let name = adapter.spec().platform;
    if !name.eq_ignore_ascii_case(platform.trim()) {
        let (line, column) = (1, 1);
        let problem = format!(
            "must be the name in the address, which is {}",
            platform.trim()
        );
        let field = "platform".to_owned();
        return Err(MappingError::Faulty(vec![MappingFault {
            line,
            column,
            field,
            problem,
        }]));
    }
    refuse_taken(platforms, name)?;
    let mapping = StoredMapping {
        platform: name.to_owned(),
        text: text.to_owned(),
        updated_at: now,
    };
    store.put_mapping(&mapping).await?;
    platforms.put_stored(adapter.clone(), text);
    Ok(adapter)
}

/// Deletes a mapping that no connection uses.
///
/// # Errors
/// See [`MappingError`]; nothing is deleted then.
pub async fn delete(
    store: &dyn Store,
    platforms: &Platforms,
    platform: &str,
) -> Result<(), MappingError> {
    let name = platform.trim().to_ascii_lowercase();
    let stored = get(store, &name).await?.ok_or(MappingError::NotFound);
    if stored.is_err() {
        refuse_taken(platforms, &name)?;
    }
    stored?;
    let rows = store.connections(None).await?;
    let users = rows.iter().filter(|row| row.platform == name).count();
    if users > 0 {
        return Err(MappingError::InUse(users));
    }
    store.delete_mapping(&name).await?;
    if platforms.origin(&name) == Some(Origin::Stored) {
        platforms.remove(&name);
    }
    Ok(())
}

/// The stored mapping of that name.
///
/// # Errors
/// When the database is away.
pub async fn get(store: &dyn Store, platform: &str) -> StoreResult<Option<StoredMapping>> {
    let name = platform.trim().to_ascii_lowercase();
    let all = store.mappings().await?;
    Ok(all.into_iter().find(|mapping| mapping.platform == name))
}

fn refuse_taken(platforms: &Platforms, name: &str) -> Result<(), MappingError> {
    match platforms.origin(name) {
        Some(Origin::BuiltIn) => Err(MappingError::Taken(format!(
            "{name} is a built-in platform; give yours another name"
        ))),
        Some(Origin::File) => Err(MappingError::Taken(format!(
            "{name} comes from a file of the server's mappings folder; change it there"
        ))),
        Some(Origin::Stored) | None => Ok(()),
    }
}

/// Makes this node speak exactly the mappings that are stored. A stored mapping that no longer
/// compiles (after a downgrade) is left out and said in the log.
///
/// # Errors
/// When the database is away; nothing changes then.
pub async fn refresh(store: &dyn Store, platforms: &Platforms) -> StoreResult<()> {
    if !platforms.has_compiler() {
        return Ok(());
    }
    let stored = store.mappings().await?;
    for name in platforms.stored_names() {
        if !stored.iter().any(|mapping| mapping.platform == name) {
            platforms.remove(&name);
        }
    }
    for mapping in stored {
        let known = platforms.origin(&mapping.platform);
        if matches!(known, Some(Origin::BuiltIn | Origin::File))
            || platforms.speaks(&mapping.platform, &mapping.text)
        {
            continue;
        }
        match platforms.compile(&mapping.text) {
            Ok(adapter) => platforms.put_stored(adapter, &mapping.text),
            Err(faults) => tracing::error!(
                platform = mapping.platform,
                fault = faults.first().map(ToString::to_string),
                "a stored mapping cannot be used"
            ),
        }
    }
    Ok(())
}
