//! How people sign in, as configured: passwords, and the identity provider.

use std::collections::BTreeMap;

use switchhook_adapters::oidc::OidcConfig;
use switchhook_domain::id::AppId;
use switchhook_engine::adapter::Secret;
use switchhook_engine::people::oidc::OidcRules;
use switchhook_engine::rights::Role;

use super::{Fault, Reader, secret, truth};

/// How people sign in.
#[derive(Clone, Debug)]
pub struct PeopleConfig {
    /// False when nobody signs in with a password.
    pub passwords: bool,
    /// The identity provider, and whom it may let in.
    pub oidc: Option<(OidcConfig, OidcRules)>,
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self {
            passwords: true,
            oidc: None,
        }
    }
}

impl Reader<'_> {
    /// The sections `people` and `oidc`.
    pub(super) fn people(&mut self) -> PeopleConfig {
        let passwords = self.read("people.password", true, truth);
        let issuer = self.read("oidc.issuer", None, issuer);
        let oidc = match issuer {
            Some(issuer) => Some(self.oidc(issuer)),
            None => {
                self.alone();
                None
            }
        };
        if !passwords && oidc.is_none() {
            self.faults.push(Fault {
                place: "people.password".to_owned(),
                problem: "cannot be false without oidc.issuer: nobody could sign in".to_owned(),
            });
        }
        PeopleConfig { passwords, oidc }
    }

    fn oidc(&mut self, issuer: String) -> (OidcConfig, OidcRules) {
        let client_id = self.read("oidc.client_id", String::new(), some_text);
        if client_id.is_empty() {
            self.missing("oidc.client_id", "must be set when oidc.issuer is");
        }
        let config = OidcConfig {
            issuer,
            client_id,
            client_secret: self.read("oidc.client_secret", None::<Secret>, secret),
            scopes: self.read("oidc.scopes", "openid email profile".to_owned(), scopes),
            role_claim: self.read("oidc.role_claim", None, |text| Ok(named(text))),
        };
        let rules = OidcRules {
            name: self.read("oidc.name", "Single sign-on".to_owned(), some_text),
            app: self.read("oidc.app_id", None, |text| {
                named(text)
                    .map(|id| id.parse::<AppId>())
                    .transpose()
                    .map_err(|_| "must be the id of an app, or empty".to_owned())
            }),
            domains: self.read("oidc.allowed_domains", Vec::new(), |text| Ok(domains(text))),
            roles: self.read("oidc.roles", BTreeMap::new(), roles),
            auto_create: self.read("oidc.auto_create", false, truth),
            default_role: self.read("oidc.default_role", None, |text| {
                named(text).map(|name| role(&name)).transpose()
            }),
        };
        if rules.auto_create && rules.app.is_none() {
            let problem = "must be set when oidc.auto_create is: an account is in an app";
            self.missing("oidc.app_id", problem);
        }
        if !rules.roles.is_empty() && config.role_claim.is_none() {
            self.missing("oidc.role_claim", "must be set when oidc.roles is");
        }
        (config, rules)
    }

    /// Nothing else of the section counts without an issuer; that is told.
    fn alone(&mut self) {
        let set = ["oidc.client_id", "oidc.client_secret", "oidc.auto_create"];
        let given = |key: &&str| {
            let raw = self.raw.get(*key).map(|raw| raw.text.trim());
            raw.is_some_and(|text| !text.is_empty() && text != "false")
        };
        if let Some(key) = set.into_iter().find(given) {
            self.missing("oidc.issuer", &format!("must be set when {key} is"));
        }
    }

    fn missing(&mut self, key: &str, problem: &str) {
        self.faults.push(Fault {
            place: key.to_owned(),
            problem: problem.to_owned(),
        });
    }
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn some_text(text: &str) -> Result<String, String> {
    if text.len() <= 200 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must be a short text".to_owned())
    }
}

fn issuer(text: &str) -> Result<Option<String>, String> {
    let http = text.starts_with("https://") || text.starts_with("http://");
    if text.is_empty() {
        Ok(None)
    } else if http && !text.contains(['?', '#', ' ']) {
        Ok(Some(text.to_owned()))
    } else {
        Err("must be an address such as https://id.example.com/realms/office".to_owned())
    }
}

fn scopes(text: &str) -> Result<String, String> {
    if text.split_ascii_whitespace().any(|scope| scope == "openid") {
        Ok(text.to_owned())
    } else {
        Err("must have openid among its words".to_owned())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn domains(text: &str) -> Vec<String> {
    words(text)
        .map(|word| word.trim_start_matches('@').to_lowercase())
        .collect()
}

fn role(name: &str) -> Result<Role, String> {
    let problem = "must be admin, supervisor, agent or read_only";
    Role::from_name(name).ok_or_else(|| problem.to_owned())
}

fn roles(text: &str) -> Result<BTreeMap<String, Role>, String> {
    words(text)
        .map(|pair| {
            let problem = "must be pairs such as cti-admins=admin, service-desk=agent";
            let (value, name) = pair.rsplit_once('=').ok_or_else(|| problem.to_owned())?;
            Ok((value.trim().to_owned(), role(name.trim())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Overrides};
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<PeopleConfig, Vec<Fault>> {
        let names: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (format!("SWITCHHOOK__{key}"), *value))
            .collect();
        let pairs = names.iter().map(|(name, value)| (&**name, *value));
        let environment = Environment::from_pairs(pairs);
        Config::load(&Overrides::default(), &environment).map(|config| config.people)
    }

    #[test]
    fn a_provider_is_read_whole() {
        let people = load(&[
            ("OIDC__ISSUER", "https://id.example/realms/office"),
            ("OIDC__CLIENT_ID", "switchhook"),
            ("OIDC__CLIENT_SECRET", "a secret"),
            ("OIDC__ALLOWED_DOMAINS", "Example.nl, @example.com"),
            ("OIDC__ROLE_CLAIM", "groups"),
            ("OIDC__ROLES", "cti-admins=admin, desk=agent"),
            ("PEOPLE__PASSWORD", "false"),
        ])
        .unwrap();
        assert!(!people.passwords);
        assert!(!format!("{people:?}").contains("a secret"));
        let (config, rules) = people.oidc.unwrap();
        assert_eq!(config.scopes, "openid email profile");
        assert_eq!(rules.domains, ["example.nl", "example.com"]);
        assert_eq!(rules.roles["cti-admins"], Role::Admin);
        assert!(!rules.auto_create && rules.default_role.is_none());
    }

    #[test]
    fn what_would_let_nobody_in_or_anybody_is_refused() {
        for (pairs, place) in [
            (&[("PEOPLE__PASSWORD", "false")][..], "people.password"),
            (&[("OIDC__CLIENT_ID", "x")], "oidc.issuer"),
            (&[("OIDC__ISSUER", "https://id.example")], "oidc.client_id"),
            (
                &[
                    ("OIDC__ISSUER", "https://id.example"),
                    ("OIDC__CLIENT_ID", "x"),
                    ("OIDC__AUTO_CREATE", "true"),
                ],
                "oidc.app_id",
            ),
            (
                &[
                    ("OIDC__ISSUER", "https://id.example"),
                    ("OIDC__CLIENT_ID", "x"),
                    ("OIDC__ROLES", "a=admin"),
                ],
                "oidc.role_claim",
            ),
            (
                &[
                    ("OIDC__ISSUER", "https://id.example"),
                    ("OIDC__CLIENT_ID", "x"),
                    ("OIDC__ROLES", "a=king"),
                    ("OIDC__ROLE_CLAIM", "groups"),
                ],
                "oidc.roles",
            ),
        ] {
            let faults = load(pairs).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].place.contains(place), "{}", faults[0]);
        }
    }
}
