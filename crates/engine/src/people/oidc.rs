//! Signing in at an identity provider (OpenID Connect): what begins and ends it, and who somebody
//! is whom the provider names. Not here: HTTP and signatures (the implementation of
//! [`IdentityProvider`]).
//!
//! A sign-in is bound to the browser that began it: a random text in its cookie. State, nonce and
//! PKCE verifier are derived from that text, so that nothing secret is stored; its hash is taken
//! from the store once, by whichever node the browser comes back to.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;

use super::{People, PeopleError, SignedIn, Visit, address};
use crate::access::same_secret;
use crate::rights::Role;
use crate::seal::{digest, random_text};
use crate::store::{LAST_ADMIN, OneTime, Person, PersonChange, Purpose, StoreError};

/// How long a sign-in at the provider may take.
pub const SIGN_IN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Whom a provider may let in, and as what.
#[derive(Clone, Debug, Default)]
pub struct OidcRules {
    /// What the button says.
    pub name: String,
    /// The only app people come into; with several apps and none named, the one they used last.
    pub app: Option<AppId>,
    /// Domains of e-mail addresses that may come in; all when empty.
    pub domains: Vec<String>,
    /// Values of the role claim and the roles they stand for.
    pub roles: BTreeMap<String, Role>,
    /// True when people nobody invited get an account.
    pub auto_create: bool,
    /// As what, when no claim says.
    pub default_role: Option<Role>,
}

/// What one sign-in is recognised by.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// Comes back with it.
    pub state: String,
    /// Stands in the token.
    pub nonce: String,
    /// Proves that who redeems the code is who asked for it.
    pub verifier: String,
}

impl Ask {
    fn of(browser: &str, redirect_uri: &str) -> Self {
        let derived = |what: &str| {
            let hash = digest(format!("switchhook oidc {what}: {browser}").as_bytes());
            URL_SAFE_NO_PAD.encode(hash)
        };
        Self {
            redirect_uri: redirect_uri.to_owned(),
            state: derived("state"),
            nonce: derived("nonce"),
            verifier: derived("verifier"),
        }
    }

    /// The PKCE challenge (S256) of the verifier.
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(self.verifier.as_bytes()))
    }
}

/// Whom a provider named, its token verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Its own, lasting name for them.
    pub subject: String,
    /// Their address.
    pub email: Option<String>,
    /// True when the provider has verified that it is theirs.
    pub email_verified: bool,
    /// Their name.
    pub name: Option<String>,
    /// The values of the role claim.
    pub roles: Vec<String>,
}

/// Why a provider could not say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcFault {
    /// It does not answer, or not as a provider does.
    #[error("the identity provider cannot be reached")]
    Unreachable,
    /// It does not accept the code or our credentials.
    #[error("the identity provider refused")]
    Refused,
    /// Its token is not good; says what about it.
    #[error("the identity provider's token is not good: {0}")]
    Token(&'static str),
}

/// An OpenID provider.
#[async_trait]
pub trait IdentityProvider: Send + Sync + std::fmt::Debug {
    /// Where the browser is sent.
    async fn authorize_url(&self, ask: &Ask) -> Result<String, OidcFault>;

    /// Who it is: redeems the code and verifies the token with its issuer, audience, nonce,
    /// signature and times.
    async fn identify(&self, code: &str, ask: &Ask, now: Timestamp) -> Result<Identity, OidcFault>;
}

/// Why nobody was let in; each has a word that the page explains.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// No provider is configured.
    #[error("no identity provider is configured")]
    NotConfigured,
    /// Not begun by this browser, used, or too old.
    #[error("the sign-in was not begun here, was used or is too old")]
    State,
    /// The provider.
    #[error(transparent)]
    Provider(#[from] OidcFault),
    /// They have no account and none is made for them.
    #[error("nobody here is known by this identity")]
    Unknown,
    /// They would have been found by an address the provider has not verified.
    #[error("the e-mail address is not verified")]
    Unverified,
    /// Their address is of a domain that may not come in.
    #[error("the domain of the e-mail address may not come in")]
    Domain,
    /// The account is bound to another identity.
    #[error("the account is bound to another identity")]
    Taken,
    /// They were shut out.
    #[error("the account is switched off")]
    Disabled(AppId),
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OidcError {
    /// The word for the page.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::State => "expired",
            Self::Provider(OidcFault::Unreachable) => "provider_unreachable",
            Self::Provider(OidcFault::Refused) => "provider_refused",
            Self::Provider(OidcFault::Token(_)) => "token_invalid",
            Self::Unknown => "account_unknown",
            Self::Unverified => "email_unverified",
            Self::Domain => "domain_not_allowed",
            Self::Taken => "account_taken",
            Self::Disabled(_) => "account_disabled",
            Self::InactiveApp => "app_inactive",
            Self::Store(_) => "unavailable",
        }
    }
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser is sent.
    pub url: String,
    /// What goes into its cookie.
    pub browser: String,
}

impl People {
    /// Begins a sign-in at the provider.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub async fn begin_oidc(&self, redirect_uri: &str) -> Result<Begun, OidcError> {
        let (provider, _) = self.oidc().ok_or(OidcError::NotConfigured)?;
        let browser = random_text(&*self.entropy, 32);
        let url = provider
            .authorize_url(&Ask::of(&browser, redirect_uri))
            .await?;
        let now = self.clock.now();
        let token = OneTime {
            token_hash: digest(browser.as_bytes()),
            purpose: Purpose::Oidc,
            person: None,
            expires_at: now.checked_add(SIGN_IN_LIFE).unwrap_or(now),
        };
        self.store.put_one_time(&token, now).await?;
        Ok(Begun { url, browser })
    }

    /// Takes a sign-in that came back: checks that this browser began it, once and lately.
    ///
    /// # Errors
    /// [`OidcError::State`] and what the store says.
    pub async fn take_oidc(
        &self,
        browser: &str,
        state: &str,
        redirect_uri: &str,
    ) -> Result<Ask, OidcError> {
        let ask = Ask::of(browser, redirect_uri);
        let hash = digest(browser.as_bytes());
        if !same_secret(state, &ask.state) {
            return Err(OidcError::State);
        }
        let now = self.clock.now();
        let taken = self.store.take_one_time(Purpose::Oidc, &hash, now).await?;
        taken.map(|_| ask).ok_or(OidcError::State)
    }

    /// Ends a sign-in at the provider: who it is, and their session.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub async fn finish_oidc(
        &self,
        ask: &Ask,
        code: &str,
        visit: &Visit,
    ) -> Result<SignedIn, OidcError> {
        let (provider, rules) = self.oidc().ok_or(OidcError::NotConfigured)?;
        let identity = provider.identify(code, ask, self.clock.now()).await?;
        let person = self.person_of(&identity, rules).await?;
        if !person.active {
            return Err(OidcError::Disabled(person.app_id));
        }
        match self.begin_session(person, "oidc", visit).await {
            Ok(signed_in) => Ok(signed_in),
            Err(PeopleError::InactiveApp) => Err(OidcError::InactiveApp),
            Err(PeopleError::Store(error)) => Err(error.into()),
            Err(_) => Err(OidcError::Unknown),
        }
    }

    async fn person_of(&self, identity: &Identity, rules: &OidcRules) -> Result<Person, OidcError> {
        let here = |one: &Person| rules.app.is_none_or(|app| app == one.app_id);
        let bound = self
            .store
            .people_by_identity(&identity.issuer, &identity.subject)
            .await?;
        if let Some(person) = lately(bound.into_iter().filter(here)) {
            return self.with_role(person, identity, rules).await;
        }
        let email = self.trusted_email(identity, rules)?;
        let known = self.store.people_by_email(&email).await?;
        let Some(person) = lately(known.into_iter().filter(here)) else {
            return self.new_person(identity, rules, email).await;
        };
        if person.identity.is_some() {
            return Err(OidcError::Taken);
        }
        if !person.active {
            return Err(OidcError::Disabled(person.app_id));
        }
        let change = PersonChange {
            identity: Some((identity.issuer.clone(), identity.subject.clone())),
            joined_at: Some(self.clock.now()),
            ..PersonChange::default()
        };
        let bound = self
            .store
            .update_person(person.app_id, person.id, &change)
            .await;
        let person = bound.map_err(|error| match error {
            StoreError::Conflict(_) => OidcError::Taken,
            other => other.into(),
        })?;
        self.with_role(person, identity, rules).await
    }

    /// The address, when it may lead to an account.
    fn trusted_email(&self, identity: &Identity, rules: &OidcRules) -> Result<String, OidcError> {
        let email = identity.email.as_deref().and_then(address);
        let email = email.ok_or(OidcError::Unknown)?;
        if !identity.email_verified {
            return Err(OidcError::Unverified);
        }
        let domain = email.rsplit('@').next().unwrap_or_default();
        let allowed = |one: &String| one.eq_ignore_ascii_case(domain);
        if !rules.domains.is_empty() && !rules.domains.iter().any(allowed) {
            return Err(OidcError::Domain);
        }
        Ok(email)
    }

    async fn new_person(
        &self,
        identity: &Identity,
        rules: &OidcRules,
        email: String,
    ) -> Result<Person, OidcError> {
        let Some(app) = rules.app.filter(|_| rules.auto_create) else {
            return Err(OidcError::Unknown);
        };
        let role = claimed(identity, rules).or(rules.default_role);
        let role = role.ok_or(OidcError::Unknown)?;
        let name = identity.name.as_deref().map(str::trim);
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&email);
        let mut person = self.draft(app, &email, name.chars().take(200).collect(), role);
        person.joined_at = Some(person.created_at);
        person.identity = Some((identity.issuer.clone(), identity.subject.clone()));
        self.store.create_person(&person).await?;
        Ok(person)
    }

    /// Gives the role the provider says, where it says one.
    async fn with_role(
        &self,
        person: Person,
        identity: &Identity,
        rules: &OidcRules,
    ) -> Result<Person, OidcError> {
        let Some(role) = claimed(identity, rules).filter(|role| *role != person.role) else {
            return Ok(person);
        };
        let change = PersonChange {
            role: Some(role),
            ..PersonChange::default()
        };
        let changed = self
            .store
            .update_person(person.app_id, person.id, &change)
            .await;
        match changed {
            Err(StoreError::Conflict(LAST_ADMIN)) => {
                tracing::warn!(
                    person.id = %person.id,
                    "the identity provider would take away the last administrator's role"
                );
                Ok(person)
            }
            other => Ok(other?),
        }
    }
}

/// The account used last.
fn lately(people: impl Iterator<Item = Person>) -> Option<Person> {
    people.max_by_key(|person| (person.active, person.last_sign_in_at))
}

/// The greatest role that the claim stands for.
fn claimed(identity: &Identity, rules: &OidcRules) -> Option<Role> {
    let given = identity.roles.iter();
    let roles: Vec<Role> = given
        .filter_map(|value| rules.roles.get(value).copied())
        .collect();
    [Role::Admin, Role::Supervisor, Role::Agent, Role::ReadOnly]
        .into_iter()
        .find(|role| roles.contains(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_travels_gives_the_verifier_away() {
        let ask = Ask::of("browser", "https://cti.example.nl/sign-in/oidc/callback");
        let other = Ask::of("other", "https://cti.example.nl/sign-in/oidc/callback");
        let all = [&ask.state, &ask.nonce, &ask.verifier, &ask.challenge()].map(Clone::clone);
        for (index, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 43, "256 bits");
            assert!(all.iter().skip(index + 1).all(|two| one != two));
        }
        assert_ne!(ask.state, other.state);
        assert_ne!(ask.verifier, other.verifier);
    }

    #[test]
    fn the_greatest_role_counts() {
        let rules = OidcRules {
            roles: [("boss", Role::Admin), ("desk", Role::Agent)]
                .map(|(value, role)| (value.to_owned(), role))
                .into(),
            ..OidcRules::default()
        };
        let with = |roles: &[&str]| Identity {
            issuer: String::new(),
            subject: String::new(),
            email: None,
            email_verified: false,
            name: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        assert_eq!(
            claimed(&with(&["desk", "boss", "x"]), &rules),
            Some(Role::Admin)
        );
        assert_eq!(claimed(&with(&["desk"]), &rules), Some(Role::Agent));
        assert_eq!(claimed(&with(&["admin"]), &rules), None);
    }
}
