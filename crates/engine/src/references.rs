//! Secrets given by reference: `env:NAME`, `file:PATH` and `openconnector:SOURCE`. Here is what
//! the first two lead to, and which of them may be followed for whom. Whoever writes the
//! configuration may name any file and variable ([`follow`]). A connection may not
//! ([`References`]): a secret of a connection is sent to an address that is set beside it, so
//! whoever sets up connections could have any file of this machine sent to themselves, the master
//! key first. Not here: what is kept in OpenConnector (`openconnector`).

use std::collections::BTreeSet;
use std::env::VarError;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::adapter::Secret;
use crate::openconnector::is_source;
use crate::seal::SealError;

/// The forms there are, in words for people.
pub const FORMS: &str = "env:NAME, file:PATH or openconnector:SOURCE";
/// The setting that says where files of connections may lie.
pub const SETTING: &str = "security.secret_files";
/// The largest file that is read for a secret, in bytes. A private key has a few thousand.
pub const MAX_FILE: u64 = 64 * 1024;

/// Where the secrets of Docker, Kubernetes and systemd lie, and a folder of our own. They hold
/// nothing but secrets.
pub const USUAL_FOLDERS: [&str; 3] = [
    "/run/secrets",
    "/run/credentials",
    "/etc/switchhook/secrets",
];

/// What the names of our own variables begin with.
const OWN_PREFIXES: [&str; 2] = ["SWITCHHOOK_", "DB_"];
/// Further variables that are the server's own, ours and those of the predecessor.
const OWN_VARIABLES: [&str; 9] = [
    "DATABASE_URL",
    "INTERNAL_API_SECRET",
    "JWT_SECRET",
    "PGHOST",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGSERVICEFILE",
    "PGUSER",
    "SESSION_SECRET",
];

/// True when the secret is given by reference, in one of the [`FORMS`].
#[must_use]
pub fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:") || is_source(text)
}

/// Follows a reference of the configuration, wherever it leads; anything else is the secret
/// itself. Line breaks at the end of a file are not part of the secret.
///
/// # Errors
/// [`SealError::Reference`] when the variable is not set, or the file cannot be read, is empty, is
/// no text or has more than [`MAX_FILE`] bytes.
pub fn follow(text: &Secret) -> Result<Secret, SealError> {
    let text = text.expose();
    if let Some(name) = text.strip_prefix("env:") {
        return variable(name).map_err(SealError::Reference);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let told = |why| SealError::Reference(format!("cannot read {path}: {why}"));
        let real = std::fs::canonicalize(path).map_err(|error| told(error.to_string()))?;
        return file(&real).map_err(told);
    }
    if is_source(text) {
        let why = "an openconnector: reference is possible in connections only";
        return Err(SealError::Reference(why.to_owned()));
    }
    Ok(Secret::new(text))
}

/// Which references connections may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    folders: Vec<PathBuf>,
    own_files: Vec<PathBuf>,
    own_variables: BTreeSet<String>,
}

impl Default for References {
    fn default() -> Self {
        Self::within(USUAL_FOLDERS.map(PathBuf::from))
    }
}

impl References {
    /// Files in these folders and below, and every variable that is not the server's own.
    #[must_use]
    pub fn within(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            folders: folders.into_iter().collect(),
            own_files: Vec::new(),
            own_variables: BTreeSet::new(),
        }
    }

    /// Reads the setting: folders between commas, from the root; none where it is empty or `none`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let paths = text.split(',').map(str::trim);
        let paths = paths.filter(|path| !path.is_empty() && text != "none");
        let paths: Vec<PathBuf> = paths.map(PathBuf::from).collect();
        if paths.iter().all(|path| path.has_root()) {
            Ok(Self::within(paths))
        } else {
            Err("must be folders from the root, between commas, such as /run/secrets".to_owned())
        }
    }

    /// Keeps what is the server's own out of reach, wherever it lies: its key file and database,
    /// and the files and variables that its configuration refers to.
    #[must_use]
    pub fn without(
        mut self,
        files: impl IntoIterator<Item = PathBuf>,
        variables: impl IntoIterator<Item = String>,
    ) -> Self {
        self.own_files.extend(files);
        let variables = variables.into_iter().map(|name| name.to_ascii_uppercase());
        self.own_variables.extend(variables);
        self
    }

    /// Follows a reference of a connection; anything else is the secret itself.
    ///
    /// # Errors
    /// As [`follow`], and for what connections may not refer to.
    pub fn follow(&self, text: &Secret) -> Result<Secret, SealError> {
        let followed = match text.expose().split_once(':') {
            Some(("env", name)) => self.variable(name),
            Some(("file", path)) => self.file(path),
            _ => return follow(text),
        };
        followed.map_err(SealError::Reference)
    }

    fn variable(&self, name: &str) -> Result<Secret, String> {
        let upper = name.to_ascii_uppercase();
        let own = OWN_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
            || OWN_VARIABLES.contains(&upper.as_str())
            || self.own_variables.contains(&upper);
        if own {
            return Err(format!(
                "the environment variable {name} is the server's own; give the secret in another"
            ));
        }
        variable(name)
    }

    fn file(&self, path: &str) -> Result<Secret, String> {
        // One answer for what is there and what is not: what lies elsewhere is nobody's business.
        let outside = || format!("{path} is not in a folder that {SETTING} names");
        let told = |why| format!("cannot read {path}: {why}");
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if self.folders.iter().any(|folder| leads_into(path, folder)) => {
                return Err(told(error.to_string()));
            }
            Err(_) => return Err(outside()),
        };
        // Folders may be mounted later than we start, and be links themselves.
        let folders = self.folders.iter();
        let mut folders = folders.filter_map(|folder| std::fs::canonicalize(folder).ok());
        if !folders.any(|folder| real.starts_with(folder)) {
            return Err(outside());
        }
        let mut own = self.own_files.iter();
        if own.any(|own| std::fs::canonicalize(own).is_ok_and(|own| own == real)) {
            return Err(format!(
                "{path} is the server's own; give the secret in another file"
            ));
        }
        file(&real).map_err(told)
    }
}

/// True when a path that is not there would lie in the folder, by its words.
fn leads_into(path: &str, folder: &Path) -> bool {
    let mut clean = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean.starts_with(folder)
}

fn variable(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Err(format!("the environment variable {name} is empty")),
        Ok(value) => Ok(Secret::new(value)),
        Err(VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
        Err(VarError::NotUnicode(_)) => Err(format!("the environment variable {name} is no text")),
    }
}

/// The secret in a file of this very path, or why there is none.
fn file(path: &Path) -> Result<Secret, String> {
    let told = |error: std::io::Error| error.to_string();
    // A pipe or a device would be waited for, perhaps for ever.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(told)?;
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!(
            "it has more than {MAX_FILE} bytes, which is no secret"
        ));
    }
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let text = text.ok_or("it is no text in UTF-8")?;
    // Editors and `echo` end a file with a line break; inside, as in a private key, they stay.
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        root: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("allowed")).unwrap();
            std::fs::create_dir(root.path().join("allowed-too-much")).unwrap();
            Self { root }
        }

        fn put(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.root.path().join(path);
            std::fs::write(&path, bytes).unwrap();
            path
        }

        fn rules(&self) -> References {
            References::within([self.root.path().join("allowed")])
        }

        fn ask(&self, rules: &References, path: &str) -> Result<String, String> {
            let path = self.root.path().join(path);
            let reference = Secret::new(format!("file:{}", path.display()));
            said(rules.follow(&reference))
        }
    }

    fn said(result: Result<Secret, SealError>) -> Result<String, String> {
        let secret = result.map_err(|error| error.to_string())?;
        Ok(secret.expose().to_owned())
    }

    fn refused(result: Result<String, String>, why: &str) {
        let told = result.unwrap_err();
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn only_files_in_the_folders_of_the_setting_are_read() {
        let place = Place::new();
        place.put("allowed/pbx", "hush\n");
        place.put("outside", "hush");
        place.put("allowed-too-much/pbx", "hush");
        let rules = place.rules();
        assert_eq!(place.ask(&rules, "allowed/pbx").unwrap(), "hush");
        assert_eq!(place.ask(&rules, "allowed/../allowed/pbx").unwrap(), "hush");
        for path in [
            "outside",
            "allowed/../outside",
            "allowed-too-much/pbx",
            "not there",
            "allowed/../not there",
        ] {
            refused(place.ask(&rules, path), "security.secret_files");
        }
        for path in ["/etc/passwd", "/proc/self/environ", "relative", ""] {
            let told = said(rules.follow(&Secret::new(format!("file:{path}"))));
            refused(told, "security.secret_files");
        }
        refused(place.ask(&rules, "allowed/missing"), "cannot read");
        let none = References::parse("").unwrap();
        refused(place.ask(&none, "allowed/pbx"), "security.secret_files");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_before_it_is_judged_where_a_file_lies() {
        use std::os::unix::fs::symlink;
        let place = Place::new();
        let path = |name: &str| place.root.path().join(name);
        place.put("outside", "hush");
        place.put("allowed/real", "hush");
        symlink(path("outside"), path("allowed/out")).unwrap();
        symlink(path("."), path("allowed/up")).unwrap();
        symlink(path("allowed/real"), path("in")).unwrap();
        symlink(path("allowed"), path("folder")).unwrap();
        let rules = place.rules();
        refused(place.ask(&rules, "allowed/out"), "security.secret_files");
        refused(
            place.ask(&rules, "allowed/up/outside"),
            "security.secret_files",
        );
        assert_eq!(place.ask(&rules, "in").unwrap(), "hush");
        // As Kubernetes mounts them: the folder of the setting is a link itself.
        let linked = References::within([path("folder")]);
        assert_eq!(place.ask(&linked, "allowed/real").unwrap(), "hush");
        assert_eq!(place.ask(&linked, "folder/real").unwrap(), "hush");
    }

    #[test]
    fn a_file_that_is_no_secret_says_why() {
        let place = Place::new();
        let rules = place.rules();
        std::fs::create_dir(place.root.path().join("allowed/folder")).unwrap();
        let limit = usize::try_from(MAX_FILE).unwrap();
        for (name, bytes, why) in [
            ("empty", &b""[..], "it is empty"),
            ("breaks", b"\r\n\n", "it is empty"),
            ("bytes", &[0xff, 0xfe], "no text"),
            ("environ", b"A=1\0B=2\0", "no text"),
            ("large", &vec![b'x'; limit + 1], "more than 65536 bytes"),
        ] {
            let path = place.put(&format!("allowed/{name}"), bytes);
            refused(place.ask(&rules, &format!("allowed/{name}")), why);
            let own = said(follow(&Secret::new(format!("file:{}", path.display()))));
            refused(own, why);
        }
        refused(place.ask(&rules, "allowed/folder"), "it is no file");
        place.put("allowed/most", vec![b'x'; limit]);
        assert_eq!(place.ask(&rules, "allowed/most").unwrap().len(), limit);
    }

    #[test]
    fn line_breaks_at_the_end_are_not_part_of_a_secret_and_others_are() {
        let place = Place::new();
        for (text, secret) in [
            ("hush", "hush"),
            ("hush\n", "hush"),
            ("hush\r\n", "hush"),
            ("hush\n\n", "hush"),
            ("a\nb\n", "a\nb"),
            (" hush \n", " hush "),
        ] {
            place.put("allowed/pbx", text);
            assert_eq!(place.ask(&place.rules(), "allowed/pbx").unwrap(), secret);
        }
    }

    #[test]
    fn what_is_the_servers_own_is_no_secret_of_a_connection() {
        let place = Place::new();
        let key = place.put("allowed/master.key", "the master key");
        let rules = place.rules().without([key.clone()], ["MY_OWN".to_owned()]);
        refused(place.ask(&rules, "allowed/master.key"), "the server's own");
        assert!(follow(&Secret::new(format!("file:{}", key.display()))).is_ok());
        for name in [
            "SWITCHHOOK__SECURITY__MASTER_KEY",
            "switchhook__security__master_key",
            "SWITCHHOOK_ANYTHING",
            "INTERNAL_API_SECRET",
            "DATABASE_URL",
            "DB_PASSWORD",
            "PGPASSWORD",
            "MY_OWN",
        ] {
            let told = said(rules.follow(&Secret::new(format!("env:{name}"))));
            refused(told, "the server's own");
        }
        let home = said(rules.follow(&Secret::new("env:PATH")));
        assert_eq!(home.ok(), std::env::var("PATH").ok());
        let unset = said(rules.follow(&Secret::new("env:NOBODY_SETS_THIS")));
        refused(unset, "is not set");
    }

    #[test]
    fn the_setting_is_folders_from_the_root() {
        let usual = References::parse("/run/secrets, /run/credentials,/etc/switchhook/secrets");
        assert_eq!(usual, Ok(References::default()));
        assert_eq!(References::parse("none"), References::parse(""));
        assert!(References::parse("secrets").is_err());
        assert!(References::parse("/run/secrets, ../x").is_err());
    }
}
