//! People with an account: the first one, those who are invited, how they sign in, what they may
//! change. Not here: what a role may do ([`crate::rights`]), and whose session a cookie is
//! ([`crate::access`]).

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, IdMint, UserId};
use switchhook_domain::phone::NumberPlan;

use crate::ports::{Clock, Entropy};
use crate::rights::Role;
use crate::seal::{digest, random_text};
use crate::store::{
    App, LAST_ADMIN, OneTime, Person, PersonChange, PersonSession, Purpose, Store, StoreError,
};

mod account;
pub mod oidc;
pub mod passwords;
pub mod throttle;

pub use account::{Edit, Looked, session_name};
use oidc::{IdentityProvider, OidcRules};
use passwords::{Busy, Passwords};
use throttle::Throttle;

/// How long a set-up link works.
pub const SET_UP_LIFE: SignedDuration = SignedDuration::from_mins(60);
/// How long an invitation stands.
pub const INVITATION_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a link to set a new password works.
pub const RESET_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// After how long without use a person's session ends.
pub const SESSION_IDLE: SignedDuration = SignedDuration::from_hours(12);
/// After how long it ends in any case.
pub const SESSION_MOST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest name, in characters.
const MAX_NAME: usize = 200;
/// The longest address, in bytes (RFC 5321).
const MAX_EMAIL: usize = 254;
/// How much of what a browser calls itself is kept, in characters.
const MAX_BROWSER: usize = 200;
/// In how many apps one address is looked for at sign-in: each costs a hash.
const MAX_ACCOUNTS: usize = 8;

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeopleError {
    /// A field is not acceptable.
    #[error("{field} {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What it must be.
        problem: &'static str,
    },
    /// Address or password is wrong, or there is no such account that may come in: one answer.
    /// The account is for the audit log only.
    #[error("the sign-in was refused")]
    Refused(Option<(AppId, UserId)>),
    /// Too many failures; try again after this long.
    #[error("too many failed sign-ins")]
    Throttled(Duration),
    /// The password fits accounts in several apps.
    #[error("several apps fit")]
    ChooseApp(Vec<App>),
    /// The link was used, replaced or is too old.
    #[error("the link is not good any more")]
    LinkExpired,
    /// Passwords are switched off on this server.
    #[error("passwords are switched off")]
    NoPasswords,
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
    /// The app would be left without an administrator.
    #[error("the last administrator")]
    LastAdmin,
    /// Somebody with that address is in the app already.
    #[error("the address is taken")]
    Taken,
    /// There is no such person or session in this app.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Too many sign in at this moment.
    #[error("too many sign in at once")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(LAST_ADMIN) => Self::LastAdmin,
            StoreError::Conflict("e-mail address") => Self::Taken,
            StoreError::NotFound(what) => Self::NotFound(what),
            other => Self::Store(other),
        }
    }
}

impl From<Busy> for PeopleError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

fn invalid(field: &'static str, problem: &'static str) -> PeopleError {
    PeopleError::Invalid { field, problem }
}

/// How people sign in.
#[derive(Clone, Debug)]
pub struct PeopleSettings {
    /// False when nobody signs in with a password.
    pub passwords: bool,
    /// The identity provider.
    pub oidc: Option<(Arc<dyn IdentityProvider>, OidcRules)>,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            passwords: true,
            oidc: None,
        }
    }
}

/// Where a sign-in comes from.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// The address of the browser.
    pub address: Option<String>,
    /// What it calls itself.
    pub browser: Option<String>,
}

/// Somebody came in: the only time the session's token exists.
#[derive(Debug)]
pub struct SignedIn {
    /// The token, for the cookie.
    pub token: String,
    /// Who.
    pub person: Person,
    /// Where.
    pub app: App,
}

/// A link that was made: the only time its token exists.
#[derive(Debug)]
pub struct NewLink {
    /// For whom.
    pub person: Person,
    /// What goes into the link.
    pub token: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What a set-up makes.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// The name of the first app.
    pub app_name: String,
    /// Its country, ISO 3166-1 alpha-2.
    pub country: String,
    /// The name of its administrator.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
}

/// People and how they come in. Cheap to clone.
#[derive(Clone)]
pub struct People {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: Passwords,
    throttle: Arc<Throttle>,
    settings: Arc<PeopleSettings>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Wires it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: PeopleSettings,
    ) -> Self {
        Self {
            store,
            clock,
            passwords: Passwords::new(entropy.clone()),
            entropy,
            throttle: Arc::default(),
            settings: Arc::new(settings),
        }
    }

    /// True when people may sign in with a password.
    #[must_use]
    pub fn takes_passwords(&self) -> bool {
        self.settings.passwords
    }

    /// The identity provider, where there is one, and whom it may let in.
    #[must_use]
    pub fn oidc(&self) -> Option<(&Arc<dyn IdentityProvider>, &OidcRules)> {
        let oidc = self.settings.oidc.as_ref();
        oidc.map(|(provider, rules)| (provider, rules))
    }

    /// The hashing, for those who count what it does.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// True while nobody has set this server up.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_up_needed(&self) -> Result<bool, PeopleError> {
        Ok(self.store.is_untouched().await?)
    }

    /// The token of a set-up link; `None` when there is nothing to set up any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_up_link(&self) -> Result<Option<String>, PeopleError> {
        if !self.store.is_untouched().await? {
            return Ok(None);
        }
        let (token, _) = self.link(Purpose::SetUp, None, SET_UP_LIFE).await?;
        Ok(Some(token))
    }

    /// Sets the server up: the first app, its administrator, and their session. Works once.
    ///
    /// # Errors
    /// See [`PeopleError`]; the link goes on working after a field was refused.
    pub async fn set_up(
        &self,
        token: &str,
        new: &SetUp,
        visit: &Visit,
    ) -> Result<SignedIn, PeopleError> {
        let (hash, now) = (digest(token.as_bytes()), self.clock.now());
        let link = self.store.one_time(Purpose::SetUp, &hash, now).await?;
        link.ok_or(PeopleError::LinkExpired)?;
        let mint = self.mint();
        let country = NumberPlan::for_country(new.country.trim());
        let country = country
            .ok_or_else(|| invalid("country", "must be a two-letter country code such as NL"))?;
        let app = App {
            id: AppId(mint.uuid()),
            name: text(&new.app_name, "app_name")?,
            country: country.country,
            active: true,
            epoch: mint.uuid(),
            created_at: now,
        };
        let email = self.email(&new.email)?;
        let name = text(&new.name, "name")?;
        self.check_password(&new.password, "password", &[&email, &name, &app.name])?;
        let mut person = self.draft(app.id, &email, name, Role::Admin);
        person.joined_at = Some(now);
        person.password = Some(self.passwords.hash(&new.password).await?);
        if !self.store.set_up(&hash, now, &app, &person).await? {
            return Err(PeopleError::LinkExpired);
        }
        self.begin_session(person, "set_up", visit).await
    }

    /// Signs somebody in by address and password.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        app: Option<AppId>,
        visit: &Visit,
    ) -> Result<SignedIn, PeopleError> {
        if !self.settings.passwords {
            return Err(PeopleError::NoPasswords);
        }
        let account = address(email).unwrap_or_default();
        let from = visit.address.as_deref();
        if let Some(wait) = self.throttle.wait(&account, from, self.clock.now()) {
            return Err(PeopleError::Throttled(wait));
        }
        let mut known = self.store.people_by_email(&account).await?;
        known.retain(|one| app.is_none_or(|app| app == one.app_id));
        let first = known.first().map(|one| (one.app_id, one.id));
        let may = |one: &Person| one.active && one.joined_at.is_some() && one.password.is_some();
        known.retain(may);
        known.truncate(MAX_ACCOUNTS);
        if known.is_empty() {
            // As slow as a wrong password.
            self.passwords.verify(password, None).await?;
        }
        let mut fitting = Vec::new();
        for person in known {
            if self
                .passwords
                .verify(password, person.password.as_deref())
                .await?
            {
                fitting.push(person);
            }
        }
        if fitting.is_empty() {
            self.throttle.failed(&account, from, self.clock.now());
            return Err(PeopleError::Refused(first));
        }
        self.throttle.succeeded(&account, from, self.clock.now());
        let person = self.only_one(fitting).await?;
        let person = self.rehashed(person, password).await?;
        self.begin_session(person, "password", visit).await
    }

    async fn only_one(&self, mut fitting: Vec<Person>) -> Result<Person, PeopleError> {
        if fitting.len() > 1 {
            let mut apps = Vec::new();
            for person in &fitting {
                let app = self.store.app(person.app_id).await?;
                apps.extend(app.filter(|app| app.active));
            }
            if apps.len() > 1 {
                return Err(PeopleError::ChooseApp(apps));
            }
            fitting.retain(|one| apps.iter().any(|app| app.id == one.app_id));
        }
        fitting.pop().ok_or(PeopleError::InactiveApp)
    }

    /// Hashes a good password anew when the parameters have been raised since.
    async fn rehashed(&self, person: Person, password: &str) -> Result<Person, PeopleError> {
        let outdated = person
            .password
            .as_deref()
            .is_some_and(Passwords::is_outdated);
        if !outdated {
            return Ok(person);
        }
        let change = PersonChange {
            password: Some(self.passwords.hash(password).await?),
            ..PersonChange::default()
        };
        let (app, id) = (person.app_id, person.id);
        Ok(self.store.update_person(app, id, &change).await?)
    }

    /// Begins a session, with a token of its own.
    async fn begin_session(
        &self,
        person: Person,
        way: &str,
        visit: &Visit,
    ) -> Result<SignedIn, PeopleError> {
        let app = self.store.app(person.app_id).await?;
        let app = app.ok_or(PeopleError::NotFound("app"))?;
        if !app.active {
            return Err(PeopleError::InactiveApp);
        }
        let (token, now) = (random_text(&*self.entropy, 32), self.clock.now());
        let browser = visit.browser.as_deref();
        let session = PersonSession {
            token_hash: digest(token.as_bytes()),
            app_id: person.app_id,
            user_id: person.id,
            role: person.role,
            started_at: now,
            seen_at: now,
            expires_at: now.checked_add(SESSION_IDLE).unwrap_or(now),
            way: way.to_owned(),
            address: visit.address.clone(),
            browser: browser.map(|text| text.chars().take(MAX_BROWSER).collect()),
        };
        if !self.store.start_session(&session).await? {
            return Err(PeopleError::Refused(Some((person.app_id, person.id))));
        }
        Ok(SignedIn { token, person, app })
    }

    /// Makes and stores something that works once.
    async fn link(
        &self,
        purpose: Purpose,
        person: Option<&Person>,
        life: SignedDuration,
    ) -> Result<(String, Timestamp), PeopleError> {
        let (token, now) = (random_text(&*self.entropy, 32), self.clock.now());
        let one_time = OneTime {
            token_hash: digest(token.as_bytes()),
            purpose,
            person: person.map(|person| (person.app_id, person.id)),
            expires_at: now.checked_add(life).unwrap_or(now),
        };
        self.store.put_one_time(&one_time, now).await?;
        Ok((token, one_time.expires_at))
    }

    fn mint(&self) -> IdMint {
        IdMint::new(self.clock.now(), self.entropy.random())
    }

    /// A person who is not stored yet and has not joined.
    fn draft(&self, app: AppId, email: &str, name: String, role: Role) -> Person {
        Person {
            id: UserId(self.mint().uuid()),
            app_id: app,
            email: email.to_owned(),
            name,
            role,
            active: true,
            password: None,
            identity: None,
            created_at: self.clock.now(),
            joined_at: None,
            last_sign_in_at: None,
        }
    }

    fn email(&self, given: &str) -> Result<String, PeopleError> {
        address(given).ok_or_else(|| invalid("email", "must be an e-mail address"))
    }

    fn check_password(
        &self,
        password: &str,
        field: &'static str,
        personal: &[&str],
    ) -> Result<(), PeopleError> {
        if !self.settings.passwords {
            return Err(PeopleError::NoPasswords);
        }
        passwords::check(password, personal).map_err(|problem| invalid(field, problem))
    }
}

/// An e-mail address in the one form it is kept in; `None` when it is none.
#[must_use]
pub fn address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |part: &str| {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "@,;<>()\"\\".contains(c);
        !part.is_empty() && !part.contains(bad)
    };
    let labels = domain.split('.').all(|label| !label.is_empty());
    let fits = plain(local) && plain(domain) && labels && text.len() <= MAX_EMAIL;
    fits.then(|| text.clone())
}

/// A name, trimmed.
fn text(given: &str, field: &'static str) -> Result<String, PeopleError> {
    let given = given.trim();
    let length = given.chars().count();
    if (1..=MAX_NAME).contains(&length) && !given.chars().any(char::is_control) {
        Ok(given.to_owned())
    } else {
        Err(invalid(field, "must have 1 to 200 characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(
            address(" Jan@Example.NL "),
            Some("jan@example.nl".to_owned())
        );
        for bad in [
            "",
            "jan",
            "@example.nl",
            "jan@",
            "jan@@x",
            "j an@x",
            "jan@x..nl",
            "a,b@x",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
        assert_eq!(address(&format!("{}@example.nl", "x".repeat(250))), None);
    }
}
