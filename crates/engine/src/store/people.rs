//! People as stored: accounts, what works once (links, sign-ins under way), and the sessions a
//! person has. Who may do what with them is decided in [`crate::people`]; here is only what lasts,
//! and what must be decided in one piece with it: that a link works once, that an app keeps an
//! administrator, that sessions end with the right to have them.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, UserId};

use super::{App, StoreResult};
use crate::rights::Role;

/// What a refusal to take away the last administrator is called:
/// [`super::StoreError::Conflict`] with this word.
pub const LAST_ADMIN: &str = "last administrator";

/// Somebody with an account in one app.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// The app.
    pub app_id: AppId,
    /// Their address, lower case; unique in the app.
    pub email: String,
    /// Their name.
    pub name: String,
    /// As what they come in.
    pub role: Role,
    /// False when they were shut out.
    pub active: bool,
    /// The hash of their password, as a PHC text.
    pub password: Option<String>,
    /// Issuer and subject at the identity provider they were seen at.
    pub identity: Option<(String, String)>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When they took up their invitation; `None` while it is open.
    pub joined_at: Option<Timestamp>,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .field("app_id", &self.app_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Person {
    /// True for an administrator who can come in: an app needs one.
    #[must_use]
    pub fn keeps_the_app(&self) -> bool {
        self.role == Role::Admin && self.active && self.joined_at.is_some()
    }

    /// What becomes of them by a change.
    #[must_use]
    pub fn changed(&self, change: &PersonChange) -> Self {
        let mut new = self.clone();
        if let Some(name) = &change.name {
            new.name.clone_from(name);
        }
        new.role = change.role.unwrap_or(self.role);
        new.active = change.active.unwrap_or(self.active);
        new.password = change.password.clone().or(new.password);
        new.identity = change.identity.clone().or(new.identity);
        new.joined_at = self.joined_at.or(change.joined_at);
        new
    }

    /// True when their sessions may not outlive this change.
    #[must_use]
    pub fn ends_sessions(&self, change: &PersonChange) -> bool {
        let other_role = change.role.is_some_and(|role| role != self.role);
        other_role || change.active == Some(false) || change.ends_sessions
    }
}

/// A change of a person: what is `None` stays.
#[derive(Clone, Default)]
pub struct PersonChange {
    /// A new name.
    pub name: Option<String>,
    /// Another role; ends their sessions.
    pub role: Option<Role>,
    /// Shut out, which ends their sessions, or let in again.
    pub active: Option<bool>,
    /// The hash of a new password.
    pub password: Option<String>,
    /// Where they were seen: issuer and subject.
    pub identity: Option<(String, String)>,
    /// When they took up their invitation; the first time stays.
    pub joined_at: Option<Timestamp>,
    /// Ends their sessions in any case.
    pub ends_sessions: bool,
    /// The session that goes on when the others end.
    pub keep: Option<[u8; 32]>,
}

impl std::fmt::Debug for PersonChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonChange")
            .field("role", &self.role)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// What a thing that works once is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The first app and its administrator.
    SetUp,
    /// Taking up an invitation.
    Invitation,
    /// Setting a new password.
    Reset,
    /// A sign-in at an identity provider that has begun.
    Oidc,
}

impl Purpose {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::SetUp, Self::Invitation, Self::Reset, Self::Oidc];

    /// The name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set_up",
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::Oidc => "oidc",
        }
    }

    /// The purpose of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// Something that works once, by the hash of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTime {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// What for.
    pub purpose: Purpose,
    /// The person it is for, with their app.
    pub person: Option<(AppId, UserId)>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A person's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSession {
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// The app.
    pub app_id: AppId,
    /// Whose.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// When they signed in.
    pub started_at: Timestamp,
    /// When it was last used, to a few minutes.
    pub seen_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// How they signed in: `password`, `oidc`, `invitation`, `reset`, `set_up`.
    pub way: String,
    /// From which address.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub browser: Option<String>,
}

/// Accounts, links and sessions of people.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// True while there is neither an app nor a person.
    async fn is_untouched(&self) -> StoreResult<bool>;

    /// Makes the first app and its first person, if the link is good and there is none of either;
    /// of two at once one does it. False when it was not done. All set-up links are gone then.
    async fn set_up(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
        app: &App,
        person: &Person,
    ) -> StoreResult<bool>;

    /// Stores a new person. Conflict `e-mail address` when the app knows the address.
    async fn create_person(&self, person: &Person) -> StoreResult<()>;

    /// One person.
    async fn person(&self, app: AppId, id: UserId) -> StoreResult<Option<Person>>;

    /// The people of an app by address, and how many there are.
    async fn people(&self, app: AppId, limit: u32, offset: u32) -> StoreResult<(Vec<Person>, u64)>;

    /// Who has this address, in any app; by app.
    async fn people_by_email(&self, email: &str) -> StoreResult<Vec<Person>>;

    /// Who is this at an identity provider, in any app; by app.
    async fn people_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Vec<Person>>;

    /// Changes a person, with what follows for their sessions, and gives what they are then.
    /// A new password makes open reset links worthless. Not found; conflict [`LAST_ADMIN`] when
    /// the app would be left without an administrator; conflict `identity` when somebody else in
    /// the app is bound to it.
    async fn update_person(
        &self,
        app: AppId,
        id: UserId,
        change: &PersonChange,
    ) -> StoreResult<Person>;

    /// Deletes a person with their sessions and links. Not found; conflict [`LAST_ADMIN`].
    async fn delete_person(&self, app: AppId, id: UserId) -> StoreResult<()>;

    /// Stores something that works once. For a person it replaces what they had for the same
    /// purpose; what is past its time goes.
    async fn put_one_time(&self, token: &OneTime, now: Timestamp) -> StoreResult<()>;

    /// Looks at something that works once, unless its time is over.
    async fn one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>>;

    /// Takes it: it works once, and not after its time.
    async fn take_one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>>;

    /// Takes a person's link and changes them, both or neither. `None` when the link is not good
    /// or the person is shut out.
    async fn redeem(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
        change: &PersonChange,
    ) -> StoreResult<Option<Person>>;

    /// Stores a session and notes the sign-in. False, and nothing stored, when the person is not
    /// there, is shut out or has another role by now.
    async fn start_session(&self, session: &PersonSession) -> StoreResult<bool>;

    /// Notes that a session is used: it then lasts until `expires_at`, but not beyond `limit`
    /// after its start, in seconds.
    async fn touch_session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
        limit: i64,
    ) -> StoreResult<()>;

    /// The sessions of a person that are not over, the newest first.
    async fn person_sessions(
        &self,
        app: AppId,
        id: UserId,
        now: Timestamp,
    ) -> StoreResult<Vec<PersonSession>>;

    /// Ends a person's session. False when they have none of that hash.
    async fn end_session(&self, app: AppId, id: UserId, hash: &[u8; 32]) -> StoreResult<bool>;

    /// Ends all of a person's sessions but one; how many ended.
    async fn end_sessions(
        &self,
        app: AppId,
        id: UserId,
        keep: Option<[u8; 32]>,
    ) -> StoreResult<u64>;
}
