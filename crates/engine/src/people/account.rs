//! Accounts: inviting people, taking an invitation up, changing them, new passwords, sessions.

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, UserId};

use super::{
    INVITATION_LIFE, NewLink, People, PeopleError, RESET_LIFE, SignedIn, Visit, invalid, text,
};
use crate::rights::Role;
use crate::seal::digest;
use crate::store::{App, Person, PersonChange, PersonSession, Purpose, StoreError};

/// What an administrator changes of a person.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// A new name.
    pub name: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// Shut out or let in again.
    pub active: Option<bool>,
}

/// What a link is for.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Into which app it leads.
    pub app: App,
    /// For whom.
    pub person: Person,
    /// True when it sets a new password; else it is an invitation.
    pub is_reset: bool,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl People {
    /// Invites somebody, or invites them anew: then the links of before are worthless.
    ///
    /// # Errors
    /// See [`PeopleError`]; taken when they have joined already.
    pub async fn invite(
        &self,
        app: AppId,
        email: &str,
        name: Option<&str>,
        role: Role,
    ) -> Result<NewLink, PeopleError> {
        let there = self.store.app(app).await?;
        let there = there.ok_or(PeopleError::NotFound("app"))?;
        if !there.active {
            return Err(PeopleError::InactiveApp);
        }
        let email = self.email(email)?;
        let name = name.map(|name| text(name, "name")).transpose()?;
        let known = self.store.people_by_email(&email).await?;
        let known = known.into_iter().find(|one| one.app_id == app);
        let person = match known {
            Some(known) if known.joined_at.is_some() => return Err(PeopleError::Taken),
            Some(known) => {
                let change = PersonChange {
                    name,
                    role: Some(role),
                    active: Some(true),
                    ..PersonChange::default()
                };
                self.store.update_person(app, known.id, &change).await?
            }
            None => {
                let name = name.unwrap_or_else(|| email.clone());
                let person = self.draft(app, &email, name, role);
                self.store.create_person(&person).await?;
                person
            }
        };
        let (token, expires_at) = self
            .link(Purpose::Invitation, Some(&person), INVITATION_LIFE)
            .await?;
        Ok(NewLink {
            person,
            token,
            expires_at,
        })
    }

    /// Whom a link is for, and what it does, without using it: an invitation, or a new password.
    ///
    /// # Errors
    /// [`PeopleError::LinkExpired`], the database.
    pub async fn look(&self, token: &str) -> Result<Looked, PeopleError> {
        let (hash, now) = (digest(token.as_bytes()), self.clock.now());
        let invitation = self.store.one_time(Purpose::Invitation, &hash, now).await?;
        let found = match invitation {
            Some(found) => Some(found),
            None => self.store.one_time(Purpose::Reset, &hash, now).await?,
        };
        let found = found.ok_or(PeopleError::LinkExpired)?;
        let (app, id) = found.person.ok_or(PeopleError::LinkExpired)?;
        let person = self.store.person(app, id).await?;
        // Who came in by the identity provider meanwhile has no use for an invitation.
        let is_reset = found.purpose == Purpose::Reset;
        let open = |one: &Person| one.active && (is_reset || one.joined_at.is_none());
        let person = person.filter(open).ok_or(PeopleError::LinkExpired)?;
        let app = self.store.app(app).await?;
        let app = app.ok_or(PeopleError::LinkExpired)?;
        if !app.active {
            return Err(PeopleError::InactiveApp);
        }
        Ok(Looked {
            app,
            person,
            is_reset,
            expires_at: found.expires_at,
        })
    }

    /// Uses a link. An invitation is taken up, with name and password; a new password ends every
    /// session of before, and the name stays. Either way a session begins.
    ///
    /// # Errors
    /// See [`PeopleError`]; the link goes on working after a field was refused.
    pub async fn accept(
        &self,
        token: &str,
        name: Option<&str>,
        password: &str,
        visit: &Visit,
    ) -> Result<SignedIn, PeopleError> {
        let looked = self.look(token).await?;
        let (app, person) = (looked.app, looked.person);
        let name = match name.filter(|_| !looked.is_reset) {
            Some(name) => text(name, "name")?,
            None => person.name,
        };
        self.check_password(password, "password", &[&person.email, &name, &app.name])?;
        let change = PersonChange {
            name: Some(name),
            password: Some(self.passwords.hash(password).await?),
            joined_at: Some(self.clock.now()),
            ends_sessions: true,
            ..PersonChange::default()
        };
        let (purpose, way) = if looked.is_reset {
            (Purpose::Reset, "reset")
        } else {
            (Purpose::Invitation, "invitation")
        };
        let (hash, now) = (digest(token.as_bytes()), self.clock.now());
        let redeemed = self.store.redeem(purpose, &hash, now, &change).await?;
        let person = redeemed.ok_or(PeopleError::LinkExpired)?;
        self.begin_session(person, way, visit).await
    }

    /// Makes a link with which somebody sets a new password.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn reset_link(&self, app: AppId, id: UserId) -> Result<NewLink, PeopleError> {
        if !self.settings.passwords {
            return Err(PeopleError::NoPasswords);
        }
        let person = self.person(app, id).await?;
        if !person.active || person.joined_at.is_none() {
            let problem = "must be of somebody who has joined and is active; invite them instead";
            return Err(invalid("id", problem));
        }
        let (token, expires_at) = self.link(Purpose::Reset, Some(&person), RESET_LIFE).await?;
        Ok(NewLink {
            person,
            token,
            expires_at,
        })
    }

    /// One person.
    ///
    /// # Errors
    /// Not found, the database.
    pub async fn person(&self, app: AppId, id: UserId) -> Result<Person, PeopleError> {
        let person = self.store.person(app, id).await?;
        person.ok_or(PeopleError::NotFound("person"))
    }

    /// Changes a person. Another role and being shut out end their sessions.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn edit(&self, app: AppId, id: UserId, edit: &Edit) -> Result<Person, PeopleError> {
        let name = edit.name.as_deref().map(|name| text(name, "name"));
        let change = PersonChange {
            name: name.transpose()?,
            role: edit.role,
            active: edit.active,
            ..PersonChange::default()
        };
        Ok(self.store.update_person(app, id, &change).await?)
    }

    /// Deletes a person.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove(&self, app: AppId, id: UserId) -> Result<(), PeopleError> {
        Ok(self.store.delete_person(app, id).await?)
    }

    /// Changes one's own password: the other sessions end.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn change_password(
        &self,
        person: &Person,
        current: &str,
        new: &str,
        keep: [u8; 32],
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        let from = visit.address.as_deref();
        let now = self.clock.now();
        if let Some(wait) = self.throttle.wait(&person.email, from, now) {
            return Err(PeopleError::Throttled(wait));
        }
        let hash = person.password.as_deref();
        if !self.passwords.verify(current, hash).await? {
            self.throttle.failed(&person.email, from, now);
            return Err(invalid("current", "must be your present password"));
        }
        let app = self.store.app(person.app_id).await?;
        let app = app.ok_or(PeopleError::NotFound("app"))?;
        let personal = [&*person.email, &person.name, &app.name];
        self.check_password(new, "new", &personal)?;
        let change = PersonChange {
            password: Some(self.passwords.hash(new).await?),
            ends_sessions: true,
            keep: Some(keep),
            ..PersonChange::default()
        };
        self.store
            .update_person(person.app_id, person.id, &change)
            .await?;
        Ok(())
    }

    /// A person's sessions, the newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn sessions(
        &self,
        app: AppId,
        id: UserId,
    ) -> Result<Vec<PersonSession>, PeopleError> {
        let now = self.clock.now();
        Ok(self.store.person_sessions(app, id, now).await?)
    }

    /// Ends one of a person's sessions, by the name [`session_name`] gives it.
    ///
    /// # Errors
    /// Not found, the database.
    pub async fn end_session(
        &self,
        app: AppId,
        id: UserId,
        name: &str,
    ) -> Result<[u8; 32], PeopleError> {
        let sessions = self.sessions(app, id).await?;
        let mut named = sessions.into_iter().map(|session| session.token_hash);
        let hash = named.find(|hash| session_name(hash) == name);
        let hash = hash.ok_or(PeopleError::NotFound("session"))?;
        if !self.store.end_session(app, id, &hash).await? {
            return Err(PeopleError::NotFound("session"));
        }
        Ok(hash)
    }

    /// Ends a person's sessions, all but one; how many.
    ///
    /// # Errors
    /// The database.
    pub async fn end_sessions(
        &self,
        app: AppId,
        id: UserId,
        keep: Option<[u8; 32]>,
    ) -> Result<u64, StoreError> {
        self.store.end_sessions(app, id, keep).await
    }
}

/// What a session is called where people see it: the start of its hash, which opens nothing.
#[must_use]
pub fn session_name(hash: &[u8; 32]) -> String {
    hash.iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
