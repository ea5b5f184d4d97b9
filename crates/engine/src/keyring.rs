//! The keys of an installation. Secrets are sealed under the current master key and open under
//! previous ones too, so that the master key can be changed while servers run. What must outlast
//! such a change, the key that API keys are hashed under and the audit log is chained with, is a
//! key of its own, kept in the database sealed under the master key. Not here: the sealing itself
//! (`seal`) and sealing everything anew (`reseal`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::adapter::Secret;
use crate::ports::Entropy;
use crate::reseal::texts;
use crate::seal::{MasterKey, SealError, keyed_hash, sealed_under};
use crate::store::{SealedTable, Store, StoreError};

/// The installation key that API keys are hashed under and the audit log is chained with.
const HASHING: &str = "hashing";
/// How many connections are looked at to learn which master key is in use.
const LOOKED_AT: u32 = 100;

/// The place an installation key is sealed for.
#[must_use]
pub fn place(name: &str) -> String {
    format!("installation/{name}")
}

/// Why the keys of an installation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the database holds was sealed under a key that was not given.
    #[error(
        "this database needs another master key: its secrets are sealed under key {sealed}, and \
         this server has {given}. Set security.master_key to the key it was used with; after a \
         change of keys, name the former one in security.previous_master_keys"
    )]
    OtherKey {
        /// The id of the key that is needed.
        sealed: String,
        /// The ids of the keys that were given.
        given: String,
    },
    /// The key was changed by somebody else than this program.
    #[error("the installation's own key in the database is damaged: {0}")]
    Damaged(SealError),
}

/// The keys of an installation.
#[derive(Clone)]
pub struct KeyRing {
    current: MasterKey,
    previous: Vec<MasterKey>,
    hashing: [u8; 32],
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.ids())
    }
}

/// One master key that was never changed.
impl From<MasterKey> for KeyRing {
    fn from(current: MasterKey) -> Self {
        Self {
            hashing: current.hashing(),
            current,
            previous: Vec::new(),
        }
    }
}

impl KeyRing {
    /// The keys of the installation in this database. Its own key is made there if there is none:
    /// the value that was derived from the master key until then, so that what was hashed before
    /// stays good. That master key is the one its connections are sealed under; the current one
    /// where there are none.
    ///
    /// # Errors
    /// See [`RingError`].
    pub async fn unlock(
        store: &dyn Store,
        current: MasterKey,
        previous: Vec<MasterKey>,
        entropy: &dyn Entropy,
    ) -> Result<Self, RingError> {
        let mut ring = Self {
            previous,
            ..Self::from(current)
        };
        let kept = if let Some(kept) = store.installation_key(HASHING).await? {
            kept
        } else {
            let hashing = ring.in_use(store).await?.hashing();
            let text = Secret::new(URL_SAFE_NO_PAD.encode(hashing));
            let sealed = ring.seal(&text, &place(HASHING), entropy);
            store.keep_installation_key(HASHING, &sealed).await?
        };
        let opened = ring.open(&kept, &place(HASHING));
        let text = opened.map_err(|error| ring.locked_out(error))?;
        let bytes = URL_SAFE_NO_PAD.decode(text.expose()).ok();
        ring.hashing = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(RingError::Damaged(SealError::Format))?;
        Ok(ring)
    }

    /// The master key that connections are sealed under, before an installation gets its own key:
    /// made of a wrong one, that would be wrong for good.
    async fn in_use(&self, store: &dyn Store) -> Result<&MasterKey, RingError> {
        let rows = store
            .sealed_after(SealedTable::Connections, None, LOOKED_AT)
            .await?;
        let mut stranger = None;
        for (_, sealed) in rows.iter().flat_map(texts) {
            let Some(id) = sealed_under(&sealed) else {
                continue;
            };
            match self.all().find(|key| key.id() == id) {
                Some(key) => return Ok(key),
                None => stranger = Some(SealError::OtherKey(id.to_owned())),
            }
        }
        stranger.map_or(Ok(&self.current), |error| Err(self.locked_out(error)))
    }

    fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    fn locked_out(&self, error: SealError) -> RingError {
        match error {
            SealError::OtherKey(sealed) => RingError::OtherKey {
                sealed,
                given: self.ids(),
            },
            other => RingError::Damaged(other),
        }
    }

    fn ids(&self) -> String {
        self.all().map(MasterKey::id).collect::<Vec<_>>().join(", ")
    }

    /// The id of the master key secrets are sealed under now.
    #[must_use]
    pub fn current_id(&self) -> &str {
        self.current.id()
    }

    /// Seals a secret for one place, under the current master key.
    #[must_use]
    pub fn seal(&self, secret: &Secret, place: &str, entropy: &dyn Entropy) -> String {
        self.current.seal(secret, place, entropy)
    }

    /// Opens what was sealed for this place, under whichever of the keys.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, sealed: &str, place: &str) -> Result<Secret, SealError> {
        let id = sealed_under(sealed);
        let former = self.previous.iter().find(|key| id == Some(key.id()));
        former.unwrap_or(&self.current).open(sealed, place)
    }

    /// The hash an API key is stored and compared by: HMAC-SHA256 under the installation's own
    /// key, so that a stolen table is of no use without it. It outlasts a change of master keys.
    #[must_use]
    pub fn hash(&self, text: &str) -> [u8; 32] {
        keyed_hash(&self.hashing, text.as_bytes())
    }
}
