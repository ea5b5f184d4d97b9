//! Where configuration comes from: the TOML file with its line numbers, and the environment with
//! the predecessors' names beside ours. Nothing is judged here but what is not known at all.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Fault, KEYS, Raw};

/// The variable that names the file.
const VARIABLE: &str = "SWITCHHOOK_CONFIG";

/// Raw values by key, and what was wrong with the file.
#[derive(Debug, Default)]
pub struct Values {
    /// By `section.key`.
    pub raw: BTreeMap<String, Raw>,
    /// Faults so far.
    pub faults: Vec<Fault>,
}

/// The environment, as a value: tests hand in their own.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of the process; variables that are not text are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let text = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(text.collect())
    }

    /// A made-up environment.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        )
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn first<'a>(&'a self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        names
            .iter()
            .find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    /// The values it holds; ours win over the predecessors'.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Raw> {
        let mut values = BTreeMap::new();
        let mut put = |key: &str, place: &str, text: String| {
            values.insert(
                key.to_owned(),
                Raw {
                    place: format!("${place}"),
                    text,
                },
            );
        };
        if let Some(port) = self.get("PORT") {
            put("server.listen", "PORT", format!("0.0.0.0:{port}"));
        }
        if let Some(url) = self.database_url() {
            put("database.url", "DB_HOST and its companions", url);
        }
        if let Some((name, url)) = self.public_url() {
            put("server.public_url", name, url);
        }
        let same = [
            ("DATABASE_URL", "database.url"),
            ("INTERNAL_API_SECRET", "security.internal_api_secret"),
            ("NODE_ENV", "server.environment"),
            ("default_country_code", "numbers.country"),
            ("LOG_LEVEL", "log.level"),
        ];
        for (name, key) in same {
            if let Some(text) = self.get(name) {
                let text = match name {
                    "DATABASE_URL" => self.with_tls(text.to_owned()),
                    _ => text.to_owned(),
                };
                put(key, name, text);
            }
        }
        self.pool(&mut put);
        if self.get("JSON_LOGS") == Some("true") {
            put("log.format", "JSON_LOGS", "json".to_owned());
        }
        for key in KEYS {
            let name = format!(
                "SWITCHHOOK__{}",
                key.replace('.', "__").to_ascii_uppercase()
            );
            if let Some(text) = self.get(&name) {
                put(key, &name, text.to_owned());
            }
        }
        values
    }

    /// How many connections, and how long an idle one stays: milliseconds there, seconds here.
    fn pool(&self, put: &mut impl FnMut(&str, &str, String)) {
        let same = [
            (&["DB_MAX_CLIENTS", "DB_POOL_MAX"][..], "max_connections"),
            (&["DB_POOL_MIN"], "min_connections"),
        ];
        for (names, key) in same {
            if let Some((name, text)) = self.first(names) {
                put(&format!("database.{key}"), name, text.to_owned());
            }
        }
        if let Some(text) = self.get("DB_IDLE_TIMEOUT") {
            let seconds = text.trim().parse::<u64>().map(|ms| ms.div_ceil(1000));
            let text = seconds.map_or_else(|_| text.to_owned(), |seconds| seconds.to_string());
            put("database.idle_timeout", "DB_IDLE_TIMEOUT", text);
        }
    }

    /// `DB_HOST`, `DB_USER` and so on, or their `PG…` forms, as one URL.
    fn database_url(&self) -> Option<String> {
        let (_, user) = self.first(&["DB_USER", "PGUSER"])?;
        let (_, host) = self
            .first(&["DB_HOST", "PGHOST"])
            .unwrap_or(("", "localhost"));
        let (_, port) = self.first(&["DB_PORT", "PGPORT"]).unwrap_or(("", "5432"));
        let (_, name) = self.first(&["DB_NAME", "PGDATABASE"])?;
        let password = self.first(&["DB_PASSWORD", "PGPASSWORD"]);
        let password = password
            .map(|(_, p)| format!(":{}", encode(p)))
            .unwrap_or_default();
        let user = encode(user);
        let url = format!("postgres://{user}{password}@{host}:{port}/{}", encode(name));
        let wait = self.get("DB_CONN_TIMEOUT").and_then(|ms| ms.parse().ok());
        Some(self.with_tls(match wait {
            Some(ms) => format!("{url}?connect_timeout={}", u64::div_ceil(ms, 1000).max(1)),
            None => url,
        }))
    }

    /// The address with what `DB_SSL` says, where it does not say itself.
    fn with_tls(&self, url: String) -> String {
        let mode = match self.get("DB_SSL").map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "1" | "require") => "require",
            Some("false" | "0" | "disable") => "disable",
            _ => return url,
        };
        if url.contains("sslmode=") || !url.starts_with("postgres") {
            return url;
        }
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}sslmode={mode}")
    }

    /// True when the predecessor would have run in production.
    pub(super) fn is_production(&self) -> bool {
        self.get("NODE_ENV") == Some("production")
    }

    /// The address this server is reached by, out of the OAuth redirect address or, which the
    /// same variable meant there too, the base of webhook addresses.
    fn public_url(&self) -> Option<(&'static str, String)> {
        let sandbox = [
            "DIALPAD_SANDBOX_REDIRECT_URI",
            "DIALPAD_PROD_REDIRECT_URI",
            "DIALPAD_REDIRECT_URI",
            "REDIRECT_URI",
            "CTI_SERVER_URL",
        ];
        let names = if self.is_production() {
            &sandbox[1..]
        } else {
            &sandbox[..]
        };
        let (name, url) = self.first(names)?;
        let base = url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/auth/dialpad/callback").unwrap_or(base);
        Some((name, base.to_owned()))
    }
}

/// Percent-encodes what may not stand in the user or path part of a URL.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// The file that was named, or the one that is looked for.
pub(super) fn path<'a>(named: Option<&'a Path>, environment: &'a Environment) -> &'a Path {
    let named = named.or_else(|| environment.get(VARIABLE).map(Path::new));
    named.unwrap_or(Path::new("switchhook.toml"))
}

/// Reads the file that was named, or `switchhook.toml` where there is one.
///
/// # Errors
/// When the file cannot be read or is no TOML.
pub fn read_file(named: Option<&Path>, environment: &Environment) -> Result<Values, Vec<Fault>> {
    let named = named.or_else(|| environment.get(VARIABLE).map(Path::new));
    let path = path(named, environment);
    if named.is_none() && !path.exists() {
        return Ok(Values::default());
    }
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Fault {
            place: place.clone(),
            problem: format!("cannot be read: {error}"),
        }]
    })?;
    let table = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(&text, span.start));
        let problem = format!("is not TOML: {}", error.message());
        vec![Fault {
            place: format!("{place}:{line}"),
            problem,
        }]
    })?;
    let mut values = Values::default();
    for (section, content) in table.get_ref() {
        let name = section.get_ref();
        let line = line_of(&text, section.span().start);
        let DeValue::Table(content) = content.get_ref() else {
            let problem = format!("`{name}` must stand in a section, such as [server]");
            values.faults.push(Fault {
                place: format!("{place}:{line}"),
                problem,
            });
            continue;
        };
        if !KEYS.iter().any(|key| key.split('.').next() == Some(name)) {
            let problem = format!("there is no section [{name}]");
            values.faults.push(Fault {
                place: format!("{place}:{line}"),
                problem,
            });
            continue;
        }
        for (key, value) in content {
            let full = format!("{name}.{}", key.get_ref());
            let place = format!("{place}:{}", line_of(&text, key.span().start));
            if !KEYS.contains(&full.as_str()) {
                let problem = format!("there is no key `{full}`{}", suggestion(&full));
                values.faults.push(Fault { place, problem });
                continue;
            }
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Boolean(flag) => flag.to_string(),
                _ => {
                    let problem = format!("`{full}` must be a text or a number");
                    values.faults.push(Fault { place, problem });
                    continue;
                }
            };
            values.raw.insert(full, Raw { place, text });
        }
    }
    Ok(values)
}

fn suggestion(wrong: &str) -> String {
    let section = wrong.split('.').next().unwrap_or_default();
    let known: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| key.strip_prefix(section)?.strip_prefix('.'))
        .collect();
    format!("; [{section}] has {}", known.join(", "))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
