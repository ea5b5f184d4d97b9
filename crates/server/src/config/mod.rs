//! The configuration: one TOML file, the environment over it, the command line over both.
//!
//! Everything wrong is said at once, each fault with its place, before anything is started. The
//! default file `config/switchhook.toml` is the documentation; a test keeps it equal to
//! [`Config::default`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use switchhook_api::{LimitsConfig, networks};
use switchhook_domain::phone::NumberPlan;
use switchhook_engine::adapter::Secret;
use switchhook_engine::openconnector::Nextcloud;
use switchhook_engine::outbound::Policy;
use switchhook_engine::references::{References, follow};
use switchhook_engine::seal::MasterKey;

use crate::tls::TlsFiles;

mod database;
mod inherited;
mod limits;
pub mod mappings;
mod own;
pub mod people;
mod source;

pub use database::Pool;
pub use inherited::Inherited;
pub use limits::MaxConnections;
pub use own::Own;
pub use source::{Environment, read_file};

/// The default file, with every key explained.
pub const DEFAULT_FILE: &str = include_str!("../../../../config/switchhook.toml");

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address others reach this server by, without a trailing slash.
    pub public_url: Option<String>,
    /// What this installation is called.
    pub environment: String,
    /// True when plain HTTP is sent on to HTTPS or refused, hooks and health checks apart.
    pub require_https: bool,
    /// Proxies whose word about address and scheme of a client is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate and key, when TLS is spoken here.
    pub tls: Option<TlsFiles>,
    /// The most sockets in all.
    pub max_sockets: usize,
    /// The most sockets of one app.
    pub max_sockets_per_app: usize,
    /// The most connections.
    pub max_connections: MaxConnections,
    /// How much one caller may ask.
    pub limits: LimitsConfig,
    /// Origins whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// Which pages may show ours in a frame.
    pub frame_ancestors: String,
    /// `sqlite://…` or `postgres://…`; may hold a password.
    pub database_url: Secret,
    /// Connections to PostgreSQL.
    pub pool: Pool,
    /// The operators' bearer secret.
    pub internal_api_secret: Option<Secret>,
    /// The master key, unless it is in a file beside the database.
    pub master_key: Option<MasterKey>,
    /// Master keys used before: what is sealed under them still opens.
    pub previous_master_keys: Vec<MasterKey>,
    /// What secrets of connections may refer to.
    pub secret_files: References,
    /// What they may not, wherever it lies.
    pub own: Own,
    /// Where secrets of connections may be kept beside here.
    pub openconnector: Option<Nextcloud>,
    /// How people sign in.
    pub people: people::PeopleConfig,
    /// ISO country of apps made without one.
    pub country: String,
    /// Folder of mapping files.
    pub mappings: Option<PathBuf>,
    /// Where connections may be opened to, beside the internet.
    pub outbound: Policy,
    /// Days to keep notifications.
    pub notifications_days: u32,
    /// Days to keep events.
    pub events_days: u32,
    /// Log filter.
    pub log_level: String,
    /// True for JSON log lines.
    pub log_json: bool,
    /// What the predecessor's variables say besides.
    pub inherited: Inherited,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            public_url: None,
            environment: "sandbox".to_owned(),
            require_https: false,
            trusted_proxies: Vec::new(),
            tls: None,
            max_sockets: 10_000,
            max_sockets_per_app: 2_000,
            max_connections: MaxConnections::default(),
            limits: LimitsConfig::default(),
            cors_origins: Vec::new(),
            frame_ancestors: "'self'".to_owned(),
            database_url: Secret::new("sqlite://switchhook.db"),
            pool: Pool::default(),
            internal_api_secret: None,
            master_key: None,
            previous_master_keys: Vec::new(),
            secret_files: References::default(),
            own: Own::default(),
            openconnector: None,
            people: people::PeopleConfig::default(),
            country: "NL".to_owned(),
            mappings: None,
            outbound: Policy::default(),
            notifications_days: 30,
            events_days: 90,
            log_level: "info".to_owned(),
            log_json: false,
            inherited: Inherited::default(),
        }
    }
}

/// Something wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File and line, variable or option.
    pub place: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// A raw value and where it came from.
#[derive(Clone, Debug)]
pub struct Raw {
    /// File and line, variable or option.
    pub place: String,
    /// The value as text.
    pub text: String,
}

/// Every key there is, as `section.key`.
pub const KEYS: [&str; 52] = [
    "server.listen",
    "server.public_url",
    "server.environment",
    "server.require_https",
    "server.trusted_proxies",
    "server.max_sockets",
    "server.max_sockets_per_app",
    "server.max_connections",
    "server.max_connections_per_address",
    "server.cors_origins",
    "server.frame_ancestors",
    "limits.key_requests",
    "limits.app_requests",
    "limits.operator_requests",
    "limits.hook_notifications",
    "limits.failed_keys",
    "limits.failed_sign_ins",
    "limits.socket_messages",
    "limits.socket_opens",
    "tls.certificate",
    "tls.key",
    "database.url",
    "database.max_connections",
    "database.min_connections",
    "database.idle_timeout",
    "security.internal_api_secret",
    "security.master_key",
    "security.previous_master_keys",
    "security.secret_files",
    "openconnector.url",
    "openconnector.username",
    "openconnector.password",
    "people.password",
    "oidc.issuer",
    "oidc.client_id",
    "oidc.client_secret",
    "oidc.name",
    "oidc.scopes",
    "oidc.app_id",
    "oidc.allowed_domains",
    "oidc.role_claim",
    "oidc.roles",
    "oidc.auto_create",
    "oidc.default_role",
    "numbers.country",
    "mappings.dir",
    "outbound.allow_private",
    "outbound.private_pbx",
    "retention.notifications_days",
    "retention.events_days",
    "log.level",
    "log.format",
];

/// Options of the command line that override the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--database-url`.
    pub database_url: Option<String>,
    /// `--public-url`.
    pub public_url: Option<String>,
    /// `--mappings`.
    pub mappings: Option<String>,
}

impl Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Self, Vec<Fault>> {
        let mut values = read_file(overrides.file.as_deref(), environment)?;
        let mut faults = values.faults;
        let inherited = Inherited::read(environment).unwrap_or_else(|found| {
            faults.extend(found);
            Inherited::default()
        });
        values.raw.extend(environment.values());
        let options = [
            ("server.listen", "--listen", &overrides.listen),
            ("database.url", "--database-url", &overrides.database_url),
            ("server.public_url", "--public-url", &overrides.public_url),
            ("mappings.dir", "--mappings", &overrides.mappings),
        ];
        for (key, option, value) in options {
            if let Some(text) = value {
                let raw = Raw {
                    place: option.to_owned(),
                    text: text.clone(),
                };
                values.raw.insert(key.to_owned(), raw);
            }
        }
        let config = Self::check(&values.raw, faults)?;
        let own = Own::read(&values.raw, &config, overrides.file.as_deref(), environment);
        Ok(Self {
            inherited,
            own,
            ..config
        })
    }

    /// What is allowed but should not stay so.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let url = self.public_url.as_deref().unwrap_or_default();
        let (production, https) = (
            self.environment == "production",
            url.starts_with("https://"),
        );
        let mut warnings = Vec::new();
        if production && https && !self.require_https {
            warnings.push(
                "keys sent in the clear are taken: set server.require_https to true, since \
                 server.public_url is https and this is production",
            );
        }
        if production && !https && !self.listen.ip().is_loopback() && self.tls.is_none() {
            warnings.push(
                "this is production and listens to the network without TLS: set server.public_url \
                 to the https address of the proxy before it, or give it a certificate in [tls]",
            );
        }
        if self.require_https && !https {
            warnings.push(
                "server.require_https has nowhere to send browsers: set server.public_url to an \
                 https address",
            );
        }
        if self.require_https && self.tls.is_none() && self.trusted_proxies.is_empty() {
            warnings.push(
                "nobody is seen to come by https: name the proxy in server.trusted_proxies, or \
                 server.require_https refuses everybody who is not on this machine",
            );
        }
        warnings
    }

    fn check(raw: &BTreeMap<String, Raw>, faults: Vec<Fault>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader { raw, faults };
        let default = Self::default();
        let config = Self {
            listen: reader.read("server.listen", default.listen, |text| {
                text.parse()
                    .map_err(|_| "must be an address and port such as 127.0.0.1:4000".into())
            }),
            public_url: reader.read("server.public_url", None, public_url),
            environment: reader.read("server.environment", default.environment, word),
            require_https: reader.read("server.require_https", false, truth),
            trusted_proxies: reader.read("server.trusted_proxies", Vec::new(), networks),
            tls: reader.tls(),
            max_sockets: reader.read("server.max_sockets", default.max_sockets, count),
            max_sockets_per_app: reader.read(
                "server.max_sockets_per_app",
                default.max_sockets_per_app,
                count,
            ),
            max_connections: MaxConnections::read(&mut reader),
            limits: limits::read(&mut reader),
            cors_origins: reader.read("server.cors_origins", Vec::new(), limits::origins),
            frame_ancestors: reader.read(
                "server.frame_ancestors",
                default.frame_ancestors,
                limits::frames,
            ),
            pool: Pool::read(&mut reader),
            database_url: reader.read("database.url", default.database_url, database_url),
            internal_api_secret: reader.read("security.internal_api_secret", None, long_secret),
            master_key: reader.read("security.master_key", None, master_key),
            previous_master_keys: reader.read(
                "security.previous_master_keys",
                Vec::new(),
                master_keys,
            ),
            secret_files: reader.read(
                "security.secret_files",
                default.secret_files,
                References::parse,
            ),
            own: default.own,
            people: reader.people(),
            openconnector: reader.openconnector(),
            country: reader.read("numbers.country", default.country, |text| {
                NumberPlan::for_country(text)
                    .map(|plan| plan.country)
                    .ok_or_else(|| "must be a two-letter country code such as NL".to_owned())
            }),
            mappings: reader.read("mappings.dir", None, |text| {
                Ok((!text.is_empty()).then(|| PathBuf::from(text)))
            }),
            outbound: {
                let allowed = reader.read(
                    "outbound.allow_private",
                    Policy::default(),
                    Policy::allowing,
                );
                allowed.private_pbx(reader.read("outbound.private_pbx", true, truth))
            },
            notifications_days: reader.read(
                "retention.notifications_days",
                default.notifications_days,
                days,
            ),
            events_days: reader.read("retention.events_days", default.events_days, days),
            log_level: reader.read("log.level", default.log_level, log_filter),
            log_json: reader.read("log.format", default.log_json, |text| match text {
                "text" => Ok(false),
                "json" => Ok(true),
                _ => Err("must be text or json".to_owned()),
            }),
            inherited: default.inherited,
        };
        config.check_together(&mut reader);
        if reader.faults.is_empty() {
            Ok(config)
        } else {
            Err(reader.faults)
        }
    }

    /// What no setting shows alone.
    fn check_together(&self, reader: &mut Reader<'_>) {
        if let Some(Err(faults)) = self.mappings.as_deref().map(mappings::read) {
            reader.faults.extend(faults);
        }
        if !self.database_url.expose().starts_with("postgres") {
            return;
        }
        self.pool.check(reader);
        if self.master_key.is_none() && reader.faults.is_empty() {
            reader.faults.push(Fault {
                place: "security.master_key".to_owned(),
                problem: "must be set with PostgreSQL, the same on every node; make one with \
                          `switchhook secrets new-key` or `openssl rand -base64 32`"
                    .to_owned(),
            });
        }
    }
}

fn long_secret(text: &str) -> Result<Option<Secret>, String> {
    match secret(text)? {
        Some(secret) if secret.expose().len() < 16 => {
            Err("must have at least 16 characters".to_owned())
        }
        other => Ok(other),
    }
}

fn master_key(text: &str) -> Result<Option<MasterKey>, String> {
    let key = secret(text)?;
    key.map(|key| MasterKey::parse(key.expose()).map_err(|error| error.to_string()))
        .transpose()
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

struct Reader<'a> {
    raw: &'a BTreeMap<String, Raw>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The section `openconnector`: all of it or nothing.
    fn openconnector(&mut self) -> Option<Nextcloud> {
        let url = self.read("openconnector.url", None, public_url)?;
        let username = self.read("openconnector.username", None, secret);
        let password = self.read("openconnector.password", None, secret);
        let (Some(username), Some(password)) = (username, password) else {
            self.faults.push(Fault {
                place: "openconnector.password".to_owned(),
                problem: "and openconnector.username must be set when openconnector.url is"
                    .to_owned(),
            });
            return None;
        };
        Some(Nextcloud {
            url,
            username: username.expose().to_owned(),
            password,
        })
    }

    /// Certificate and key: both or neither.
    fn tls(&mut self) -> Option<TlsFiles> {
        let path = |text: &str| Ok(Some(PathBuf::from(text)).filter(|_| !text.is_empty()));
        let certificate = self.read("tls.certificate", None, path);
        let key = self.read("tls.key", None, path);
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (given, _) => {
                let (have, lack) = if given.is_some() {
                    ("tls.certificate", "tls.key")
                } else {
                    ("tls.key", "tls.certificate")
                };
                self.faults.push(Fault {
                    place: lack.to_owned(),
                    problem: format!("must be set when {have} is"),
                });
                None
            }
        }
    }

    fn read<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(raw) = self.raw.get(key) else {
            return default;
        };
        match parse(raw.text.trim()) {
            Ok(value) => value,
            Err(problem) => {
                let place = format!("{} ({key})", raw.place);
                self.faults.push(Fault { place, problem });
                default
            }
        }
    }
}

fn public_url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let http = text.starts_with("http://") || text.starts_with("https://");
    let plain = !text.contains(['?', '#', ' ']);
    if http && plain {
        Ok(Some(text.trim_end_matches('/').to_owned()))
    } else {
        Err("must be an address such as https://cti.example.com".to_owned())
    }
}

fn word(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= 40 && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be a short word".to_owned())
    }
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=1_000_000).contains(n));
    number.ok_or_else(|| "must be a number from 1 to 1000000".to_owned())
}

fn days(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| (1..=36_500).contains(n));
    number.ok_or_else(|| "must be a number of days from 1 to 36500".to_owned())
}

fn database_url(text: &str) -> Result<Secret, String> {
    let url = follow(&Secret::new(text)).map_err(|error| error.to_string())?;
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if known.iter().any(|scheme| url.expose().starts_with(scheme)) {
        Ok(url)
    } else {
        Err("must begin with sqlite://, postgres:// or postgresql://".to_owned())
    }
}

fn secret(text: &str) -> Result<Option<Secret>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    follow(&Secret::new(text))
        .map(Some)
        .map_err(|error| error.to_string())
}

/// Master keys between commas, each of which may be a reference.
fn master_keys(text: &str) -> Result<Vec<MasterKey>, String> {
    let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(|key| {
        let key = follow(&Secret::new(key)).map_err(|error| error.to_string())?;
        MasterKey::parse(key.expose()).map_err(|error| error.to_string())
    })
    .collect()
}

fn log_filter(text: &str) -> Result<String, String> {
    text.parse::<tracing_subscriber::filter::Targets>()
        .map(|_| text.to_owned())
        .map_err(|_| "must be error, warn, info, debug, trace, or target=level pairs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
        let environment = Environment::from_pairs(variables.iter().copied());
        Config::load(&Overrides::default(), &environment)
    }

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), DEFAULT_FILE).unwrap();
        let overrides = Overrides {
            file: Some(file.path().into()),
            ..Overrides::default()
        };
        let from_file = Config::load(&overrides, &Environment::default()).unwrap();
        let from_file = Config {
            own: Own::default(),
            ..from_file
        };
        assert_eq!(format!("{from_file:?}"), format!("{:?}", Config::default()));
        for key in KEYS {
            let (_, name) = key.split_once('.').unwrap();
            assert!(
                DEFAULT_FILE.contains(&format!("\n{name} = ")),
                "{key} is not documented"
            );
        }
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[server]\nlisten = \"nowhere\"\nprot = 1\n\
             [log]\nformat = \"xml\"\n[moon]\nphase = 1\n",
        )
        .unwrap();
        let overrides = Overrides {
            file: Some(file.path().into()),
            ..Overrides::default()
        };
        let environment = Environment::from_pairs([("SWITCHHOOK__NUMBERS__COUNTRY", "Holland")]);
        let faults = Config::load(&overrides, &environment).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let all = told.join("\n");
        assert_eq!(faults.len(), 5, "{all}");
        assert!(all.contains(":2 (server.listen)"), "{all}");
        assert!(all.contains("server.prot"), "{all}");
        assert!(all.contains("moon"), "{all}");
        assert!(all.contains(":5 (log.format)"), "{all}");
        assert!(all.contains("SWITCHHOOK__NUMBERS__COUNTRY"), "{all}");
    }

    #[test]
    fn the_predecessors_variables_are_understood() {
        let config = load(&[
            ("PORT", "4321"),
            ("DB_HOST", "db.internal"),
            ("DB_USER", "cti"),
            ("DB_PASSWORD", "p@ss/word"),
            ("DB_NAME", "CTI"),
            ("INTERNAL_API_SECRET", "0123456789abcdef"),
            ("NODE_ENV", "production"),
            ("default_country_code", "BE"),
            ("JSON_LOGS", "true"),
            ("SWITCHHOOK__SECURITY__MASTER_KEY", &"ab".repeat(32)),
        ])
        .unwrap();
        assert_eq!(config.listen.port(), 4321);
        assert!(
            config.listen.ip().is_unspecified(),
            "PORT listens everywhere, as it did there"
        );
        let url = config.database_url.expose();
        assert_eq!(url, "postgres://cti:p%40ss%2Fword@db.internal:5432/CTI");
        assert_eq!(config.environment, "production");
        assert_eq!(config.country, "BE");
        assert!(config.log_json);
    }

    #[test]
    fn the_redirect_address_says_where_we_are() {
        let redirect = "https://cti.example.nl/auth/dialpad/callback";
        let public = |variables: &[(&str, &str)]| load(variables).unwrap().public_url;
        let wanted = Some("https://cti.example.nl".to_owned());
        for name in [
            "DIALPAD_SANDBOX_REDIRECT_URI",
            "DIALPAD_PROD_REDIRECT_URI",
            "DIALPAD_REDIRECT_URI",
            "REDIRECT_URI",
        ] {
            assert_eq!(public(&[(name, redirect)]), wanted, "{name}");
        }
        // The other meaning it had there, and our own key before both.
        assert_eq!(
            public(&[("CTI_SERVER_URL", "https://cti.example.nl/")]),
            wanted
        );
        let production = [
            ("NODE_ENV", "production"),
            (
                "DIALPAD_SANDBOX_REDIRECT_URI",
                "https://localhost:4000/auth/dialpad/callback",
            ),
            ("DIALPAD_PROD_REDIRECT_URI", redirect),
        ];
        assert_eq!(public(&production), wanted);
        let ours = ("SWITCHHOOK__SERVER__PUBLIC_URL", "https://own.example.nl");
        let own = public(&[ours, ("DIALPAD_PROD_REDIRECT_URI", redirect)]);
        assert_eq!(own.as_deref(), Some("https://own.example.nl"));
    }

    #[test]
    fn the_databases_variables_make_an_address() {
        let key = "ab".repeat(32);
        let url = |more: &[(&str, &str)]| {
            let own = [("SWITCHHOOK__SECURITY__MASTER_KEY", key.as_str())];
            let config = load(&[&own, more].concat()).unwrap();
            config.database_url.expose().to_owned()
        };
        let whole = [
            ("PGHOST", "db"),
            ("PGPORT", "5433"),
            ("PGUSER", "cti"),
            ("PGPASSWORD", "x"),
            ("PGDATABASE", "CTI"),
        ];
        assert_eq!(url(&whole), "postgres://cti:x@db:5433/CTI");
        let ours = [&whole[..], &[("DB_HOST", "other"), ("DB_PORT", "1")]].concat();
        assert_eq!(url(&ours), "postgres://cti:x@other:1/CTI");
        let tls = [("DB_USER", "u"), ("DB_NAME", "d"), ("DB_SSL", "true")];
        assert_eq!(url(&tls), "postgres://u@localhost:5432/d?sslmode=require");
        let slow = [
            &tls[..2],
            &[("DB_CONN_TIMEOUT", "2500"), ("DB_SSL", "false")],
        ]
        .concat();
        let wanted = "postgres://u@localhost:5432/d?connect_timeout=3&sslmode=disable";
        assert_eq!(url(&slow), wanted);
        let given = [
            ("DATABASE_URL", "postgres://u@h/d?sslmode=verify-full"),
            ("DB_SSL", "true"),
        ];
        assert_eq!(url(&given), "postgres://u@h/d?sslmode=verify-full");
        let bare = [("DATABASE_URL", "postgresql://u@h/d"), ("DB_SSL", "true")];
        assert_eq!(url(&bare), "postgresql://u@h/d?sslmode=require");
    }

    #[test]
    fn variables_that_mean_nothing_here_do_no_harm() {
        let config = load(&[
            ("SESSION_SECRET", "x"),
            ("JWT_SECRET", "x"),
            ("LOG_TRANSPORT", "console"),
            ("WEBSOCKET_HEARTBEAT_INTERVAL", "30000"),
            ("LOG_LEVEL", "warn"),
            ("PORT", "4100"),
        ])
        .unwrap();
        assert_eq!(config.log_level, "warn");
        assert_eq!(config.listen.port(), 4100);
        let rest = Config {
            own: Own::default(),
            log_level: "info".to_owned(),
            listen: Config::default().listen,
            ..config
        };
        assert_eq!(format!("{rest:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn production_without_https_is_warned_about() {
        let warnings = |variables: &[(&str, &str)]| load(variables).unwrap().warnings();
        assert!(warnings(&[]).is_empty());
        let url = ("SWITCHHOOK__SERVER__PUBLIC_URL", "https://cti.example.com");
        let production = ("NODE_ENV", "production");
        let required = ("SWITCHHOOK__SERVER__REQUIRE_HTTPS", "true");
        let proxy = ("SWITCHHOOK__SERVER__TRUSTED_PROXIES", "10.0.0.1");
        assert!(warnings(&[production, url])[0].contains("require_https"));
        assert!(warnings(&[production, url, required])[0].contains("trusted_proxies"));
        assert!(warnings(&[production, url, required, proxy]).is_empty());
        assert!(warnings(&[production, ("PORT", "4000")])[0].contains("without TLS"));
        assert!(warnings(&[required, proxy])[0].contains("public_url"));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let config = load(&[("INTERNAL_API_SECRET", "0123456789abcdef")]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn postgres_needs_a_master_key_and_says_how_to_make_one() {
        let faults = load(&[("DATABASE_URL", "postgres://cti@localhost/cti")]).unwrap_err();
        assert!(faults[0].problem.contains("openssl rand"), "{}", faults[0]);
    }

    #[test]
    fn a_secret_may_be_a_reference() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a secret from a file\n").unwrap();
        let reference = format!("file:{}", file.path().display());
        let config = load(&[("INTERNAL_API_SECRET", &reference)]).unwrap();
        assert_eq!(
            config.internal_api_secret.unwrap().expose(),
            "a secret from a file"
        );
    }
}
