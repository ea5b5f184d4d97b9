//! People, what works once, and their sessions in the reference store.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, UserId};
use switchhook_engine::store::{
    App, Grant, LAST_ADMIN, OneTime, PeopleStore, Person, PersonChange, PersonSession, Purpose,
    StoreError, StoreResult,
};

use super::{All, MemoryStore, micros};

impl All {
    fn find(&self, app: AppId, id: UserId) -> StoreResult<&Person> {
        let known = self.people.get(&id).filter(|person| person.app_id == app);
        known.ok_or(StoreError::NotFound("person"))
    }

    fn another_admin(&self, app: AppId, but: UserId) -> StoreResult<()> {
        let mut people = self.people.values();
        people
            .any(|one| one.app_id == app && one.id != but && one.keeps_the_app())
            .then_some(())
            .ok_or(StoreError::Conflict(LAST_ADMIN))
    }

    fn insert(&mut self, person: &Person) -> StoreResult<()> {
        self.app_must_exist(person.app_id)?;
        let taken = |one: &Person| one.app_id == person.app_id && one.email == person.email;
        if self.people.values().any(taken) {
            return Err(StoreError::Conflict("e-mail address"));
        }
        let person = Person {
            created_at: micros(person.created_at),
            joined_at: person.joined_at.map(micros),
            last_sign_in_at: person.last_sign_in_at.map(micros),
            ..person.clone()
        };
        self.people.insert(person.id, person);
        Ok(())
    }

    fn update(&mut self, app: AppId, id: UserId, change: &PersonChange) -> StoreResult<Person> {
        let known = self.find(app, id)?.clone();
        let new = known.changed(change);
        if known.keeps_the_app() && !new.keeps_the_app() {
            self.another_admin(app, id)?;
        }
        let taken =
            |one: &Person| one.app_id == app && one.id != id && one.identity == new.identity;
        if new.identity.is_some() && self.people.values().any(taken) {
            return Err(StoreError::Conflict("identity"));
        }
        self.people.insert(id, new.clone());
        if known.ends_sessions(change) {
            self.end_sessions(app, id, change.keep);
        }
        if change.password.is_some() || change.active == Some(false) {
            self.one_times.retain(|_, token| {
                token.purpose != Purpose::Reset || token.person.is_none_or(|(_, of)| of != id)
            });
        }
        Ok(new)
    }

    fn one_time(&self, purpose: Purpose, hash: &[u8; 32], now: Timestamp) -> Option<OneTime> {
        let token = self.one_times.get(hash)?;
        let good = token.purpose == purpose && token.expires_at > micros(now);
        good.then(|| token.clone())
    }

    fn end_sessions(&mut self, app: AppId, id: UserId, keep: Option<[u8; 32]>) -> u64 {
        let before = self.sessions.len();
        self.sessions.retain(|hash, grant| {
            grant.app_id != app || grant.user_id != Some(id) || keep == Some(*hash)
        });
        (before - self.sessions.len()) as u64
    }
}

#[async_trait]
impl PeopleStore for MemoryStore {
    async fn is_untouched(&self) -> StoreResult<bool> {
        let all = self.all();
        Ok(all.apps.is_empty() && all.people.is_empty())
    }

    async fn set_up(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
        app: &App,
        person: &Person,
    ) -> StoreResult<bool> {
        let mut all = self.all();
        let good = all.one_time(Purpose::SetUp, token_hash, now).is_some();
        if !good || !all.apps.is_empty() || !all.people.is_empty() {
            return Ok(false);
        }
        all.apps.insert(app.id, app.clone());
        all.insert(person)?;
        all.one_times
            .retain(|_, token| token.purpose != Purpose::SetUp);
        Ok(true)
    }

    async fn create_person(&self, person: &Person) -> StoreResult<()> {
        self.all().insert(person)
    }

    async fn person(&self, app: AppId, id: UserId) -> StoreResult<Option<Person>> {
        Ok(self.all().find(app, id).ok().cloned())
    }

    async fn people(&self, app: AppId, limit: u32, offset: u32) -> StoreResult<(Vec<Person>, u64)> {
        let all = self.all();
        let mut own: Vec<_> = all.people.values().filter(|p| p.app_id == app).collect();
        own.sort_by(|a, b| a.email.cmp(&b.email));
        let total = own.len() as u64;
        let page = own.into_iter().skip(offset as usize).take(limit as usize);
        Ok((page.cloned().collect(), total))
    }

    async fn people_by_email(&self, email: &str) -> StoreResult<Vec<Person>> {
        let all = self.all();
        let found = all.people.values().filter(|person| person.email == email);
        let mut found: Vec<Person> = found.cloned().collect();
        found.sort_by_key(|person| person.app_id);
        Ok(found)
    }

    async fn people_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Vec<Person>> {
        let all = self.all();
        let wanted = Some((issuer.to_owned(), subject.to_owned()));
        let found = all.people.values().filter(|one| one.identity == wanted);
        let mut found: Vec<Person> = found.cloned().collect();
        found.sort_by_key(|person| person.app_id);
        Ok(found)
    }

    async fn update_person(
        &self,
        app: AppId,
        id: UserId,
        change: &PersonChange,
    ) -> StoreResult<Person> {
        self.all().update(app, id, change)
    }

    async fn delete_person(&self, app: AppId, id: UserId) -> StoreResult<()> {
        let mut all = self.all();
        if all.find(app, id)?.keeps_the_app() {
            all.another_admin(app, id)?;
        }
        all.end_sessions(app, id, None);
        all.one_times
            .retain(|_, token| token.person.is_none_or(|(_, of)| of != id));
        all.people.remove(&id);
        Ok(())
    }

    async fn put_one_time(&self, token: &OneTime, now: Timestamp) -> StoreResult<()> {
        let mut all = self.all();
        if let Some((app, id)) = token.person {
            all.find(app, id)?;
        }
        let other = |old: &OneTime| old.purpose != token.purpose || old.person != token.person;
        all.one_times.retain(|_, old| {
            old.expires_at > micros(now) && (token.person.is_none() || other(old))
        });
        let token = OneTime {
            expires_at: micros(token.expires_at),
            ..token.clone()
        };
        all.one_times.insert(token.token_hash, token);
        Ok(())
    }

    async fn one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        Ok(self.all().one_time(purpose, hash, now))
    }

    async fn take_one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        let mut all = self.all();
        let taken = all.one_time(purpose, hash, now);
        all.one_times
            .retain(|_, token| token.token_hash != *hash || token.purpose != purpose);
        Ok(taken)
    }

    async fn redeem(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
        change: &PersonChange,
    ) -> StoreResult<Option<Person>> {
        let mut all = self.all();
        let link = all.one_time(purpose, hash, now);
        let Some((app, id)) = link.and_then(|link| link.person) else {
            return Ok(None);
        };
        if !all.find(app, id).is_ok_and(|person| person.active) {
            return Ok(None);
        }
        let new = all.update(app, id, change)?;
        all.one_times.remove(hash);
        Ok(Some(new))
    }

    async fn start_session(&self, session: &PersonSession) -> StoreResult<bool> {
        let mut all = self.all();
        let fits = |person: &&mut Person| {
            person.app_id == session.app_id && person.active && person.role == session.role
        };
        let person = all.people.get_mut(&session.user_id).filter(fits);
        let Some(person) = person else {
            return Ok(false);
        };
        person.last_sign_in_at = Some(micros(session.started_at));
        let session = PersonSession {
            started_at: micros(session.started_at),
            seen_at: micros(session.seen_at),
            expires_at: micros(session.expires_at),
            ..session.clone()
        };
        let grant = Grant {
            token_hash: session.token_hash,
            app_id: session.app_id,
            role: session.role,
            user_id: Some(session.user_id),
            agent_id: None,
            key_id: None,
            expires_at: session.expires_at,
        };
        all.sessions.insert(session.token_hash, grant);
        all.person_sessions.insert(session.token_hash, session);
        Ok(true)
    }

    async fn touch_session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
        limit: i64,
    ) -> StoreResult<()> {
        let all = &mut *self.all();
        let grant = all.sessions.get_mut(hash);
        let grant = grant.filter(|grant| grant.expires_at > micros(now));
        let (Some(grant), Some(session)) = (grant, all.person_sessions.get_mut(hash)) else {
            return Ok(());
        };
        let last = session.started_at + jiff::SignedDuration::from_secs(limit);
        session.seen_at = micros(now);
        session.expires_at = micros(expires_at).min(last);
        grant.expires_at = session.expires_at;
        Ok(())
    }

    async fn person_sessions(
        &self,
        app: AppId,
        id: UserId,
        now: Timestamp,
    ) -> StoreResult<Vec<PersonSession>> {
        let all = self.all();
        let own = all.person_sessions.values().filter(|session| {
            let there = all.sessions.contains_key(&session.token_hash);
            let whose = session.app_id == app && session.user_id == id;
            there && whose && session.expires_at > micros(now)
        });
        let mut own: Vec<PersonSession> = own.cloned().collect();
        own.sort_by_key(|one| (std::cmp::Reverse(one.started_at), one.token_hash));
        Ok(own)
    }

    async fn end_session(&self, app: AppId, id: UserId, hash: &[u8; 32]) -> StoreResult<bool> {
        let mut all = self.all();
        let grant = all.sessions.get(hash);
        let own = grant.is_some_and(|grant| grant.app_id == app && grant.user_id == Some(id));
        if own {
            all.sessions.remove(hash);
        }
        Ok(own)
    }

    async fn end_sessions(
        &self,
        app: AppId,
        id: UserId,
        keep: Option<[u8; 32]>,
    ) -> StoreResult<u64> {
        Ok(self.all().end_sessions(app, id, keep))
    }
}
