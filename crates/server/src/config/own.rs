//! What is the server's own: the files and variables its configuration takes secrets from, and the
//! files it keeps its own in. No connection may refer to them, wherever they lie; which further
//! ones it may is for `security.secret_files` to say (`switchhook_engine::references`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, Environment, Raw, source};
use crate::wire::{key_file, sqlite_path};

/// Files and variables of the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Files, as they were named.
    pub files: Vec<PathBuf>,
    /// Names of variables.
    pub variables: Vec<String>,
}

impl Own {
    /// Collects them.
    pub(super) fn read(
        raw: &BTreeMap<String, Raw>,
        config: &Config,
        named: Option<&Path>,
        environment: &Environment,
    ) -> Self {
        let mut own = Self::default();
        // Master keys stand between commas.
        let texts = raw.values().flat_map(|raw| raw.text.split(','));
        for text in texts.map(str::trim) {
            if let Some(path) = text.strip_prefix("file:") {
                own.files.push(path.into());
            } else if let Some(name) = text.strip_prefix("env:") {
                own.variables.push(name.to_owned());
            }
        }
        own.files.push(source::path(named, environment).to_owned());
        own.files
            .extend(config.tls.iter().map(|tls| tls.key.clone()));
        let url = config.database_url.expose();
        own.files.extend(key_file(url));
        if let Some(path) = sqlite_path(url) {
            own.files.push(path.to_owned());
            let beside = |end| PathBuf::from(format!("{}{end}", path.display()));
            own.files.extend(["-wal", "-shm"].map(beside));
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::*;

    #[test]
    fn what_the_configuration_refers_to_is_the_servers_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let file = |name: &str, text: &str| {
            std::fs::write(path(name), text).unwrap();
            format!("file:{}", path(name).display())
        };
        let key = file("master", &"ab".repeat(32));
        let former = format!(
            "{},{}",
            file("a", &"cd".repeat(32)),
            file("b", &"ef".repeat(32))
        );
        let database = format!("sqlite://{}", path("x.db").display());
        let environment = Environment::from_pairs([
            ("SWITCHHOOK__SECURITY__MASTER_KEY", key.as_str()),
            ("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS", &former),
            ("DATABASE_URL", &database),
            // It is there wherever the tests run.
            ("INTERNAL_API_SECRET", "env:CARGO_MANIFEST_DIR"),
        ]);
        let own = Config::load(&Overrides::default(), &environment)
            .unwrap()
            .own;
        for name in ["master", "a", "b", "x.db", "x.db.key", "x.db-wal"] {
            assert!(own.files.contains(&path(name)), "{name}: {own:?}");
        }
        assert!(own.files.contains(&PathBuf::from("switchhook.toml")));
        assert_eq!(own.variables, ["CARGO_MANIFEST_DIR"]);
    }
}
