//! The table of platforms: one line each, sorted by name. Nothing registers itself elsewhere.

use std::sync::Arc;

use switchhook_engine::adapter::Adapter;

struct Entry {
    adapter: &'static dyn Adapter,
    shared: fn() -> Arc<dyn Adapter>,
}

macro_rules! adapters {
    ($(& $adapter:path),* $(,)?) => {
        static ADAPTERS: &[Entry] =
            &[$(Entry { adapter: &$adapter, shared: || Arc::new($adapter) }),*];
    };
}

// Every platform we can speak to.
adapters![
    &crate::mapped::ThreeCx, // 3cx
    &crate::mapped::Aircall, //
    &crate::asterisk::Asterisk,
    &crate::callvoip::CallVoip,
    &crate::dialpad::Dialpad,
    &crate::generic::Generic,
    &crate::ringcentral::RingCentral,
    &crate::wildix::Wildix,
    &crate::zammad::Zammad,
];

/// The platforms this build can speak to.
#[derive(Clone, Copy)]
pub struct Registry {
    adapters: &'static [Entry],
}

/// All platforms of this build.
#[must_use]
pub fn registry() -> Registry {
    Registry { adapters: ADAPTERS }
}

impl Registry {
    /// The adapter of a platform; the name is trimmed and its case does not matter.
    #[must_use]
    pub fn get(&self, platform: &str) -> Option<&'static dyn Adapter> {
        let wanted = platform.trim();
        self.all()
            .find(|adapter| adapter.spec().platform.eq_ignore_ascii_case(wanted))
    }

    /// All adapters, sorted by platform name.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn Adapter> + use<> {
        self.adapters.iter().map(|entry| entry.adapter)
    }

    /// The same, for the engine, which shares them with its tasks.
    #[must_use]
    pub fn shared(&self) -> Vec<Arc<dyn Adapter>> {
        self.adapters.iter().map(|entry| (entry.shared)()).collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.all().map(|adapter| adapter.spec().platform))
            .finish()
    }
}
