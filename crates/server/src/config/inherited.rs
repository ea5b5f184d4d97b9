//! The Dialpad CTI server's variables that have no key in our file: what Dialpad connections fall
//! back on, and how its webhook is believed. `NODE_ENV` decides, as there, whether the ones of
//! production or of the sandbox count. Which of that server's variables are read elsewhere, and
//! which mean nothing here, is in docs/guide/migrating-from-dialpad-cti-server.md.

use std::collections::BTreeMap;

use switchhook_engine::adapter::Secret;
use switchhook_engine::connections::Defaults;
use switchhook_engine::references::follow;

use super::{Environment, Fault};

const PLATFORM: &str = "dialpad";
/// Where that server found Dialpad when it was not told.
const PRODUCTION: &str = "https://dialpad.com";
const SANDBOX: &str = "https://sandbox.dialpad.com";

/// What those variables say.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// Settings of Dialpad connections that have no credential of their own.
    pub defaults: Defaults,
    /// The webhook secret of connections that `POST /internal/webhooks/create` makes.
    pub webhook_secret: Option<Secret>,
    /// A header that names the app at `/webhooks/dialpad`, in lower case.
    pub app_key_header: Option<String>,
}

impl Inherited {
    /// Reads and checks them.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(environment: &Environment) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader {
            environment,
            faults: Vec::new(),
        };
        let mut settings = BTreeMap::new();
        let names = |what: &'static str| reader_names(environment, what);
        for (setting, names) in [
            ("api_key", vec!["DIALPAD_API_KEY".to_owned()]),
            ("client_id", names("CLIENT_ID")),
            ("client_secret", names("CLIENT_SECRET")),
            ("scopes", vec!["DIALPAD_SCOPES".to_owned()]),
            (
                "signature_header",
                vec!["DIALPAD_WEBHOOK_SIGNATURE_HEADER".to_owned()],
            ),
        ] {
            if let Some(value) = reader.secret(&names) {
                settings.insert(setting.to_owned(), value);
            }
        }
        // Only who relies on these variables has Dialpad's address decided by NODE_ENV.
        let asks = ["api_key", "client_id"];
        if asks.iter().any(|name| settings.contains_key(*name)) {
            settings.insert("base_url".to_owned(), reader.base_url());
        }
        let mut defaults = Defaults::new();
        if !settings.is_empty() {
            defaults.insert(PLATFORM.to_owned(), settings);
        }
        let inherited = Self {
            defaults,
            webhook_secret: reader.secret(&["DIALPAD_WEBHOOK_SECRET".to_owned()]),
            app_key_header: reader.header("DIALPAD_APP_KEY_HEADER"),
        };
        if reader.faults.is_empty() {
            Ok(inherited)
        } else {
            Err(reader.faults)
        }
    }
}

/// The names of a variable that there is for production and for the sandbox, the one that counts
/// first, then those that only that server's guides have.
fn reader_names(environment: &Environment, what: &str) -> Vec<String> {
    let kind = if environment.is_production() {
        "PROD"
    } else {
        "SANDBOX"
    };
    vec![
        format!("DIALPAD_{kind}_{what}"),
        format!("DIALPAD_{what}"),
        what.to_owned(),
    ]
}

struct Reader<'a> {
    environment: &'a Environment,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The first of these that is set, references followed.
    fn secret(&mut self, names: &[String]) -> Option<Secret> {
        let mut set = names.iter().filter_map(|name| {
            let value = self.environment.get(name)?;
            Some((name, value.trim()))
        });
        let (name, value) = set.next()?;
        match follow(&Secret::new(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.faults.push(Fault {
                    place: format!("${name}"),
                    problem: error.to_string(),
                });
                None
            }
        }
    }

    fn base_url(&mut self) -> Secret {
        let (name, usual) = if self.environment.is_production() {
            ("DIALPAD_PROD_BASE_URL", PRODUCTION)
        } else {
            ("DIALPAD_SANDBOX_BASE_URL", SANDBOX)
        };
        let given = self.environment.get(name).unwrap_or(usual).trim();
        let given = given.trim_end_matches('/');
        if !given.starts_with("https://") && !given.starts_with("http://") {
            self.faults.push(Fault {
                place: format!("${name}"),
                problem: format!("must be an address such as {usual}"),
            });
        }
        Secret::new(given)
    }

    fn header(&mut self, name: &str) -> Option<String> {
        let header = self.environment.get(name)?.trim().to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if header.bytes().all(fits) {
            return Some(header);
        }
        self.faults.push(Fault {
            place: format!("${name}"),
            problem: "must be the name of a header, such as x-app-api-key".to_owned(),
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Inherited, Vec<Fault>> {
        Inherited::read(&Environment::from_pairs(variables.iter().copied()))
    }

    fn settings(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let defaults = read(variables).unwrap().defaults;
        let all = defaults.get(PLATFORM).into_iter().flatten();
        all.map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect()
    }

    #[test]
    fn nothing_set_changes_nothing() {
        let inherited = read(&[("NODE_ENV", "production"), ("SESSION_SECRET", "x")]).unwrap();
        assert!(inherited.defaults.is_empty());
        assert!(inherited.webhook_secret.is_none() && inherited.app_key_header.is_none());
    }

    #[test]
    fn an_api_key_is_for_all_dialpad_connections() {
        let found = settings(&[("DIALPAD_API_KEY", " key "), ("NODE_ENV", "production")]);
        assert_eq!(found["api_key"], "key");
        assert_eq!(found["base_url"], "https://dialpad.com");
        let sandbox = settings(&[("DIALPAD_API_KEY", "key")]);
        assert_eq!(sandbox["base_url"], "https://sandbox.dialpad.com");
        let own = settings(&[
            ("DIALPAD_API_KEY", "key"),
            ("DIALPAD_SANDBOX_BASE_URL", "http://127.0.0.1:9/"),
        ]);
        assert_eq!(own["base_url"], "http://127.0.0.1:9");
    }

    #[test]
    fn the_environment_decides_whose_client_it_is() {
        let both = [
            ("DIALPAD_SANDBOX_CLIENT_ID", "sandbox"),
            ("DIALPAD_SANDBOX_CLIENT_SECRET", "sandbox secret"),
            ("DIALPAD_PROD_CLIENT_ID", "prod"),
            ("DIALPAD_PROD_CLIENT_SECRET", "prod secret"),
            ("DIALPAD_SCOPES", "calls:list offline_access"),
        ];
        let found = settings(&both);
        assert_eq!(found["client_id"], "sandbox");
        assert_eq!(found["client_secret"], "sandbox secret");
        assert_eq!(found["scopes"], "calls:list offline_access");
        let production = [&both[..], &[("NODE_ENV", "production")]].concat();
        assert_eq!(settings(&production)["client_id"], "prod");
        assert_eq!(settings(&production)["client_secret"], "prod secret");
        // The names that only its guides have.
        let short = settings(&[("CLIENT_ID", "a"), ("DIALPAD_CLIENT_SECRET", "b")]);
        assert_eq!(
            (short["client_id"].as_str(), short["client_secret"].as_str()),
            ("a", "b")
        );
    }

    #[test]
    fn the_webhook_is_believed_as_there() {
        let inherited = read(&[
            ("DIALPAD_WEBHOOK_SECRET", "the global secret"),
            ("DIALPAD_APP_KEY_HEADER", "X-Our-App"),
            ("DIALPAD_WEBHOOK_SIGNATURE_HEADER", "x-our-signature"),
        ])
        .unwrap();
        assert_eq!(
            inherited.webhook_secret.unwrap().expose(),
            "the global secret"
        );
        assert_eq!(inherited.app_key_header.as_deref(), Some("x-our-app"));
        let header = &inherited.defaults[PLATFORM]["signature_header"];
        assert_eq!(header.expose(), "x-our-signature");
    }

    #[test]
    fn faults_are_told_at_once_and_secrets_never() {
        let faults = read(&[
            ("DIALPAD_API_KEY", "env:NOT_SET_ANYWHERE"),
            ("DIALPAD_CLIENT_ID", "id"),
            ("DIALPAD_SANDBOX_BASE_URL", "dialpad"),
            ("DIALPAD_APP_KEY_HEADER", "two words"),
        ]);
        assert_eq!(faults.unwrap_err().len(), 3);
        let inherited = read(&[("DIALPAD_API_KEY", "the key itself")]).unwrap();
        assert!(!format!("{inherited:?}").contains("the key itself"));
    }
}
