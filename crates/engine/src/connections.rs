//! The connections as the call path needs them: opened, in memory, found by hook id in one look.
//! The database is the truth; this is a copy that is refreshed when something changes here, when
//! a hook is not known, and every few seconds for what other nodes changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::phone::NumberPlan;

use crate::adapter::{Adapter, ConnectionContext, FieldKind, Secret};
use crate::keyring::KeyRing;
use crate::mappings::{self, Compiler, MappingFault};
use crate::openconnector::{Sources, is_source};
use crate::outbound::Guard;
use crate::references::References;
use crate::seal::SealError;
use crate::store::{App, Connection, Store, StoreError, StoreResult};

/// A connection ready for use.
#[derive(Clone)]
pub struct ReadyConnection {
    /// Its app.
    pub app: Arc<App>,
    /// The row.
    pub row: Arc<Connection>,
    /// What the adapter sees.
    pub context: Arc<ConnectionContext>,
    /// The adapter.
    pub adapter: Arc<dyn Adapter>,
    /// Why it cannot be used, when a secret does not open: one sentence.
    pub fault: Option<String>,
}

impl ReadyConnection {
    /// True when there is a link that can be up or down: of our making, or of the platform's.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let (adapter, context) = (&self.adapter, &self.context);
        adapter.is_live(context) || adapter.awaits_socket(context)
    }
}

impl std::fmt::Debug for ReadyConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadyConnection")
            .field("id", &self.row.id)
            .finish_non_exhaustive()
    }
}

/// Where a platform comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Part of this build.
    BuiltIn,
    /// A file of the server's mappings folder.
    File,
    /// A mapping in the database.
    Stored,
}

struct Spoken {
    adapter: Arc<dyn Adapter>,
    origin: Origin,
    /// The mapping file it was made from, when it is stored.
    text: String,
}

type ByName = BTreeMap<&'static str, Spoken>;

/// The platforms this server speaks, by name. Built-in ones are there from the start; mapped ones
/// come and go while it runs. Clones see the same set.
#[derive(Clone, Default)]
pub struct Platforms {
    spoken: Arc<RwLock<ByName>>,
    compiler: Option<Compiler>,
}

impl std::fmt::Debug for Platforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}

impl Platforms {
    /// The given built-in adapters, each under the name in its spec.
    #[must_use]
    pub fn new(adapters: impl IntoIterator<Item = Arc<dyn Adapter>>) -> Self {
        let platforms = Self::default();
        for adapter in adapters {
            platforms.put(adapter, Origin::BuiltIn, "");
        }
        platforms
    }

    /// The same, able to read mapping files.
    #[must_use]
    pub fn with_compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    fn read(&self) -> RwLockReadGuard<'_, ByName> {
        self.spoken.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The adapter of that name, any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Adapter>> {
        let name = name.trim().to_ascii_lowercase();
        self.read().get(name.as_str()).map(|s| s.adapter.clone())
    }

    /// Where the platform of that name comes from, any case.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<Origin> {
        let name = name.trim().to_ascii_lowercase();
        self.read().get(name.as_str()).map(|s| s.origin)
    }

    /// All adapters, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<dyn Adapter>> {
        self.read().values().map(|s| s.adapter.clone()).collect()
    }

    /// Adds a mapping from a file, or replaces the one of the same name.
    pub fn put_file(&self, adapter: Arc<dyn Adapter>) {
        self.put(adapter, Origin::File, "");
    }

    /// Adds a stored mapping, or replaces the one of the same name.
    pub fn put_stored(&self, adapter: Arc<dyn Adapter>, text: &str) {
        self.put(adapter, Origin::Stored, text);
    }

    fn put(&self, adapter: Arc<dyn Adapter>, origin: Origin, text: &str) {
        let mut by_name = self.spoken.write().unwrap_or_else(PoisonError::into_inner);
        let name = adapter.spec().platform;
        let text = text.to_owned();
        by_name.insert(
            name,
            Spoken {
                adapter,
                origin,
                text,
            },
        );
    }

    /// Takes an adapter away; its connections stop working at the next refresh.
    pub fn remove(&self, name: &str) {
        let mut by_name = self.spoken.write().unwrap_or_else(PoisonError::into_inner);
        by_name.remove(name);
    }

    /// Makes an adapter of a mapping file.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn compile(&self, text: &str) -> Result<Arc<dyn Adapter>, Vec<MappingFault>> {
        match self.compiler {
            Some(compile) => compile(text),
            None => Err(vec![MappingFault {
                line: 1,
                column: 1,
                field: String::new(),
                problem: "cannot be read: this server knows no mapping files".to_owned(),
            }]),
        }
    }

    pub(crate) fn has_compiler(&self) -> bool {
        self.compiler.is_some()
    }

    /// The names of the stored mappings spoken.
    pub(crate) fn stored_names(&self) -> Vec<String> {
        let spoken = self.read();
        let stored = spoken.iter().filter(|(_, s)| s.origin == Origin::Stored);
        stored.map(|(name, _)| (*name).to_owned()).collect()
    }

    /// True when the stored mapping of that name is spoken in this very text.
    pub(crate) fn speaks(&self, name: &str, text: &str) -> bool {
        self.read().get(name).is_some_and(|s| s.text == text)
    }
}

#[derive(Default)]
struct Known {
    by_id: HashMap<ConnectionId, ReadyConnection>,
    by_hook: HashMap<String, ConnectionId>,
}

/// Settings of connections without a credential of their own: by platform, then by setting.
pub type Defaults = BTreeMap<String, BTreeMap<String, Secret>>;

/// All connections of all apps.
pub struct Connections {
    store: Arc<dyn Store>,
    platforms: Platforms,
    keys: KeyRing,
    defaults: Defaults,
    outbound: Guard,
    sources: Sources,
    references: References,
    known: RwLock<Known>,
    /// One refresh at a time, so that what was read earlier never replaces what was read later.
    refreshing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// The place a secret of a connection is sealed for.
#[must_use]
pub fn place(app: AppId, connection: ConnectionId, field: &str) -> String {
    format!("{app}/{connection}/{field}")
}

impl Connections {
    /// An empty copy; call [`Self::refresh`] before use.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, platforms: Platforms, keys: impl Into<KeyRing>) -> Self {
        Self {
            store,
            platforms,
            keys: keys.into(),
            defaults: Defaults::new(),
            outbound: Guard::default(),
            sources: Sources::new(None),
            references: References::default(),
            known: RwLock::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    /// The same, with the operator's settings for connections that have no credential of their
    /// own; what such a connection does set stays.
    #[must_use]
    pub fn with_defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// The same, with what the operator allows outward.
    #[must_use]
    pub fn with_outbound(mut self, outbound: Guard) -> Self {
        self.outbound = outbound;
        self
    }

    /// The same, with secrets that are kept in OpenConnector.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// The same, with what references of connections may lead to.
    #[must_use]
    pub fn with_references(mut self, references: References) -> Self {
        self.references = references;
        self
    }

    /// Asks OpenConnector for those of these texts that are references to it, where they are due.
    pub async fn look_up(&self, texts: impl IntoIterator<Item = String>) {
        if self.sources.is_set() {
            let references: BTreeSet<String> = texts.into_iter().filter(|t| is_source(t)).collect();
            self.sources.look_up(&references, &self.outbound).await;
        }
    }

    /// Follows a reference to its secret, as [`References::follow`] does; what is kept in
    /// OpenConnector is as it was last looked up.
    ///
    /// # Errors
    /// [`SealError::Reference`] when it leads nowhere.
    pub fn resolve(&self, text: &Secret) -> Result<Secret, SealError> {
        if is_source(text.expose()) {
            return self.sources.secret(text.expose());
        }
        self.references.follow(text)
    }

    /// What the sealed texts of these rows say, where they open.
    fn opened(&self, rows: &[Connection]) -> Vec<String> {
        let open = |row: &Connection, sealed: &str, field: &str| {
            let opened = self.keys.open(sealed, &place(row.app_id, row.id, field));
            opened.ok().map(|secret| secret.expose().to_owned())
        };
        let texts = rows.iter().flat_map(|row| {
            let credentials = row.credentials.iter();
            let credentials = credentials.filter_map(|(name, s)| open(row, s.as_str()?, name));
            let secrets = row.webhook_secrets.iter();
            let secrets = secrets.filter_map(|s| open(row, s, "webhook_secret"));
            credentials.chain(secrets).collect::<Vec<_>>()
        });
        texts.collect()
    }

    /// The way out of every connection.
    #[must_use]
    pub fn outbound(&self) -> &Guard {
        &self.outbound
    }

    /// Reads all connections anew, and the mappings they may need.
    ///
    /// # Errors
    /// When the database is away; the copy stays as it was.
    pub async fn refresh(&self) -> StoreResult<()> {
        let _turn = self.refreshing.lock().await;
        mappings::refresh(&*self.store, &self.platforms).await?;
        let apps: HashMap<AppId, Arc<App>> = self
            .store
            .apps()
            .await?
            .into_iter()
            .map(|app| (app.id, Arc::new(app)))
            .collect();
        let rows = self.store.connections(None).await?;
        if self.sources.is_set() {
            self.look_up(self.opened(&rows)).await;
        }
        let ready = rows.into_iter().filter_map(|row| {
            let app = apps.get(&row.app_id)?;
            self.prepare(app.clone(), row)
        });
        let known = ready.fold(Known::default(), |mut known, connection| {
            known
                .by_hook
                .insert(connection.row.hook_id.clone(), connection.row.id);
            known.by_id.insert(connection.row.id, connection);
            known
        });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// The connection of a hook id. A hook that is not known is asked for once at the database,
    /// since another node may just have made it.
    ///
    /// # Errors
    /// When the hook is not known here and the database is away.
    pub async fn by_hook(&self, hook_id: &str) -> StoreResult<Option<ReadyConnection>> {
        if let Some(known) = self.known_hook(hook_id) {
            return Ok(Some(known));
        }
        if !plausible_hook(hook_id) || self.store.connection_by_hook(hook_id).await?.is_none() {
            return Ok(None);
        }
        self.refresh().await?;
        Ok(self.known_hook(hook_id))
    }

    fn known_hook(&self, hook_id: &str) -> Option<ReadyConnection> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .by_hook
            .get(hook_id)
            .and_then(|id| known.by_id.get(id))
            .cloned()
    }

    /// One connection.
    #[must_use]
    pub fn get(&self, id: ConnectionId) -> Option<ReadyConnection> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .get(&id)
            .cloned()
    }

    /// All connections, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<ReadyConnection> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .values()
            .cloned()
            .collect()
    }

    /// Opens the secrets of a row. `None` when this build does not speak its platform.
    #[must_use]
    pub fn prepare(&self, app: Arc<App>, row: Connection) -> Option<ReadyConnection> {
        let adapter = self.platforms.get(&row.platform)?;
        let mut fault = None;
        let mut open = |sealed: &str, field: &str| -> Option<Secret> {
            let opened = self
                .keys
                .open(sealed, &place(row.app_id, row.id, field))
                .and_then(|secret| self.resolve(&secret));
            opened
                .map_err(|error| fault = Some(format!("`{field}`: {error}")))
                .ok()
        };
        let mut credentials: BTreeMap<String, Secret> = row
            .credentials
            .iter()
            .filter_map(|(name, sealed)| Some((name.clone(), open(sealed.as_str()?, name)?)))
            .collect();
        let webhook_secrets = row
            .webhook_secrets
            .iter()
            .filter_map(|sealed| open(sealed, "webhook_secret"))
            .collect();
        let mut config = row.config.clone();
        let defaults = self.defaults.get(&row.platform);
        let defaults = defaults.filter(|_| row.credentials.is_empty());
        for (name, value) in defaults.into_iter().flatten() {
            let fields = adapter.spec().config;
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                continue;
            };
            if field.kind == FieldKind::Secret {
                credentials.insert(name.clone(), value.clone());
            } else {
                let value = || value.expose().into();
                config.entry(name.clone()).or_insert_with(value);
            }
        }
        for field in adapter.spec().config {
            if let (Some(default), None) = (field.default, config.get(field.name)) {
                config.insert(field.name.to_owned(), default.into());
            }
        }
        let country = config
            .get("country")
            .and_then(|c| c.as_str())
            .unwrap_or(&app.country);
        let numbers = NumberPlan::for_country(country)
            .or_else(|| NumberPlan::for_country(&app.country))
            .unwrap_or_default();
        let context = ConnectionContext {
            app_id: row.app_id,
            id: row.id,
            name: row.name.clone(),
            config,
            credentials,
            webhook_secrets,
            numbers,
            outbound: self.outbound.clone(),
        };
        Some(ReadyConnection {
            app,
            row: Arc::new(row),
            context: Arc::new(context),
            adapter,
            fault,
        })
    }

    /// The platforms this server speaks.
    #[must_use]
    pub fn platforms(&self) -> &Platforms {
        &self.platforms
    }

    /// The keys secrets are sealed under.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }
}

/// Hook ids are ours; anything of another shape is not worth a question to the database.
fn plausible_hook(hook_id: &str) -> bool {
    (16..=64).contains(&hook_id.len())
        && hook_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl From<StoreError> for crate::intake::IntakeError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
