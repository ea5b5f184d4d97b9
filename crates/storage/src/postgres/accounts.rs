//! People with an account, what works once, and the sessions they have.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, UserId};
use switchhook_engine::store::{
    App, LAST_ADMIN, OneTime, PeopleStore, Person, PersonChange, PersonSession, Purpose, Role,
    StoreError, StoreResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::reader::Transaction;
use super::session::{At, column, column_count, column_time, column_time_opt};
use crate::columns::{bytes32, clean, damaged};

const PERSON: &str = "id, app_id, email, name, role, active, password, issuer, subject, \
                      created_at, joined_at, last_sign_in_at";
const ONE_TIME: &str = "token_hash, purpose, app_id, user_id, expires_at";
const SESSION: &str = "token_hash, app_id, user_id, role, started_at, seen_at, expires_at, way, \
                       address, browser";
/// Names the lock under which a server is set up.
const SET_UP_LOCK: i64 = 0x7377_6863_7365_7475;

#[async_trait]
impl PeopleStore for PostgresStore {
    async fn is_untouched(&self) -> StoreResult<bool> {
        // Whether there is any app at all.
        let row = self.readers.everywhere().one(UNTOUCHED, &[]).await?;
        row.as_ref()
            .map_or(Ok(false), |row| column(row, "untouched"))
    }

    async fn set_up(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
        app: &App,
        person: &Person,
    ) -> StoreResult<bool> {
        // There is no app yet.
        let work = self.readers.everywhere().write().await?;
        execute(&work, "SELECT pg_advisory_xact_lock($1)", &[&SET_UP_LOCK]).await?;
        let untouched = query(&work, UNTOUCHED, &[]).await?;
        let untouched = untouched.first().map(|row| column(row, "untouched"));
        let link = one_time(&work, Purpose::SetUp, token_hash, now).await?;
        if link.is_none() || !untouched.transpose()?.unwrap_or(false) {
            return Ok(false);
        }
        let sql = "INSERT INTO apps (id, name, country, active, epoch, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let (name, country) = (clean(&app.name), clean(&app.country));
        let created_at = At::from(app.created_at);
        let values: [&(dyn ToSql + Sync); 6] = [
            &app.id.0,
            &name,
            &country,
            &app.active,
            &app.epoch,
            &created_at,
        ];
        execute(&work, sql, &values).await?;
        insert(&work, person).await?;
        let sql = "DELETE FROM one_time_tokens WHERE purpose = $1";
        execute(&work, sql, &[&Purpose::SetUp.as_str()]).await?;
        work.commit().await?;
        Ok(true)
    }

    async fn create_person(&self, person: &Person) -> StoreResult<()> {
        let work = self.readers.of(person.app_id).write().await?;
        insert(&work, person).await?;
        work.commit().await
    }

    async fn person(&self, app: AppId, id: UserId) -> StoreResult<Option<Person>> {
        let sql = format!("SELECT {PERSON} FROM people WHERE id = $1 AND app_id = $2");
        let found = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(person).transpose()
    }

    async fn people(&self, app: AppId, limit: u32, offset: u32) -> StoreResult<(Vec<Person>, u64)> {
        let sql = format!(
            "SELECT {PERSON}, (SELECT count(*) FROM people WHERE app_id = $1) AS total \
             FROM people WHERE app_id = $1 \
             ORDER BY email COLLATE \"C\" LIMIT $2 OFFSET $3"
        );
        let (limit, offset) = (i64::from(limit), i64::from(offset));
        let db = self.readers.of(app);
        let rows = db.query(&sql, &[&app.0, &limit, &offset]).await?;
        let total = match rows.first() {
            Some(row) => column_count(row, "total")?,
            None => {
                let sql = "SELECT count(*) AS total FROM people WHERE app_id = $1";
                let row = db.one(sql, &[&app.0]).await?;
                row.as_ref()
                    .map_or(Ok(0), |row| column_count(row, "total"))?
            }
        };
        let people: StoreResult<Vec<_>> = rows.iter().map(person).collect();
        Ok((people?, total))
    }

    async fn people_by_email(&self, email: &str) -> StoreResult<Vec<Person>> {
        let sql = format!("SELECT {PERSON} FROM people WHERE email = $1 ORDER BY app_id");
        // Who signs in does not say into which app.
        let db = self.readers.everywhere();
        let rows = db.query(&sql, &[&clean(email)]).await?;
        rows.iter().map(person).collect()
    }

    async fn people_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Vec<Person>> {
        let sql = format!(
            "SELECT {PERSON} FROM people WHERE issuer = $1 AND subject = $2 ORDER BY app_id"
        );
        let values: [&(dyn ToSql + Sync); 2] = [&clean(issuer), &clean(subject)];
        // Who signs in does not say into which app.
        let rows = self.readers.everywhere().query(&sql, &values).await?;
        rows.iter().map(person).collect()
    }

    async fn update_person(
        &self,
        app: AppId,
        id: UserId,
        change: &PersonChange,
    ) -> StoreResult<Person> {
        let work = self.readers.of(app).write().await?;
        let new = update(&work, app, id, change).await?;
        work.commit().await?;
        Ok(new)
    }

    async fn delete_person(&self, app: AppId, id: UserId) -> StoreResult<()> {
        let work = self.readers.of(app).write().await?;
        let (known, another) = locked(&work, app, id).await?;
        if known.keeps_the_app() && !another {
            return Err(StoreError::Conflict(LAST_ADMIN));
        }
        for table in ["sessions", "one_time_tokens"] {
            let sql = format!("DELETE FROM {table} WHERE user_id = $1");
            execute(&work, &sql, &[&id.0]).await?;
        }
        execute(&work, "DELETE FROM people WHERE id = $1", &[&id.0]).await?;
        work.commit().await
    }

    async fn put_one_time(&self, token: &OneTime, now: Timestamp) -> StoreResult<()> {
        // What is over goes for all apps, and not everything here is of one.
        let work = self.readers.everywhere().write().await?;
        let sql = "DELETE FROM one_time_tokens WHERE expires_at <= $1";
        execute(&work, sql, &[&At::from(now)]).await?;
        if let Some((app, id)) = token.person {
            // Of two at once, the later one's link is the one that works.
            locked(&work, app, id).await?;
            let sql = "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2";
            execute(&work, sql, &[&id.0, &token.purpose.as_str()]).await?;
        }
        let sql = format!("INSERT INTO one_time_tokens ({ONE_TIME}) VALUES ($1, $2, $3, $4, $5)");
        let (app, id) = (
            token.person.map_or(Uuid::nil(), |(app, _)| app.0),
            token.person.map(|(_, id)| id.0),
        );
        let (hash, expires_at) = (token.token_hash.as_slice(), At::from(token.expires_at));
        let values: [&(dyn ToSql + Sync); 5] =
            [&hash, &token.purpose.as_str(), &app, &id, &expires_at];
        execute(&work, &sql, &values)
            .await
            .map_err(named("token"))?;
        work.commit().await
    }

    async fn one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        // A link does not say whose it is.
        let work = self.readers.everywhere().read().await?;
        one_time(&work, purpose, hash, now).await
    }

    async fn take_one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        // A link does not say whose it is.
        let work = self.readers.everywhere().write().await?;
        let taken = take_one_time(&work, purpose, hash, now).await?;
        work.commit().await?;
        Ok(taken)
    }

    async fn redeem(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
        change: &PersonChange,
    ) -> StoreResult<Option<Person>> {
        // A link does not say whose it is.
        let work = self.readers.everywhere().write().await?;
        let link = take_one_time(&work, purpose, hash, now).await?;
        let Some((app, id)) = link.and_then(|link| link.person) else {
            return Ok(None);
        };
        // Without a commit the link stays: whoever is let in again may use it.
        if !locked(&work, app, id).await?.0.active {
            return Ok(None);
        }
        let new = update(&work, app, id, change).await?;
        work.commit().await?;
        Ok(Some(new))
    }

    async fn start_session(&self, session: &PersonSession) -> StoreResult<bool> {
        let work = self.readers.of(session.app_id).write().await?;
        let started = start_session(&work, session).await?;
        work.commit().await?;
        Ok(started)
    }

    async fn touch_session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
        limit: i64,
    ) -> StoreResult<()> {
        let sql = "UPDATE sessions SET seen_at = $2, \
                   expires_at = least($3, started_at + $4 * INTERVAL '1 second') \
                   WHERE token_hash = $1 AND started_at IS NOT NULL AND expires_at > $2";
        let seconds = u32::try_from(limit).map_or(f64::MAX, f64::from);
        let values: [&(dyn ToSql + Sync); 4] = [
            &hash.as_slice(),
            &At::from(now),
            &At::from(expires_at),
            &seconds,
        ];
        // A cookie does not say whose it is.
        let db = self.readers.everywhere();
        db.execute(sql, &values).await.map(drop)
    }

    async fn person_sessions(
        &self,
        app: AppId,
        id: UserId,
        now: Timestamp,
    ) -> StoreResult<Vec<PersonSession>> {
        let sql = format!(
            "SELECT {SESSION} FROM sessions WHERE user_id = $1 AND app_id = $2 \
             AND started_at IS NOT NULL AND expires_at > $3 \
             ORDER BY started_at DESC, token_hash"
        );
        let values: [&(dyn ToSql + Sync); 3] = [&id.0, &app.0, &At::from(now)];
        let rows = self.readers.of(app).query(&sql, &values).await?;
        rows.iter().map(session).collect()
    }

    async fn end_session(&self, app: AppId, id: UserId, hash: &[u8; 32]) -> StoreResult<bool> {
        let sql = "DELETE FROM sessions WHERE token_hash = $1 AND user_id = $2 AND app_id = $3";
        let values: [&(dyn ToSql + Sync); 3] = [&hash.as_slice(), &id.0, &app.0];
        Ok(self.readers.of(app).execute(sql, &values).await? > 0)
    }

    async fn end_sessions(
        &self,
        app: AppId,
        id: UserId,
        keep: Option<[u8; 32]>,
    ) -> StoreResult<u64> {
        let keep = keep.as_ref().map(<[u8; 32]>::as_slice);
        let values: [&(dyn ToSql + Sync); 3] = [&id.0, &app.0, &keep];
        self.readers.of(app).execute(END_SESSIONS, &values).await
    }
}

const UNTOUCHED: &str = "SELECT NOT EXISTS (SELECT 1 FROM apps) \
                         AND NOT EXISTS (SELECT 1 FROM people) AS untouched";
const END_SESSIONS: &str = "DELETE FROM sessions WHERE user_id = $1 AND app_id = $2 \
                            AND ($3::bytea IS NULL OR token_hash <> $3)";

async fn query(
    work: &Transaction,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> StoreResult<Vec<Row>> {
    work.query(sql, values).await
}

async fn execute(
    work: &Transaction,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> StoreResult<u64> {
    work.execute(sql, values).await
}

/// Says what a broken uniqueness is about.
fn named(what: &'static str) -> impl Fn(StoreError) -> StoreError {
    move |error| match error {
        StoreError::Conflict(_) => StoreError::Conflict(what),
        other => other,
    }
}

async fn insert(work: &Transaction, person: &Person) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO people ({PERSON}) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    );
    let (email, name) = (clean(&person.email), clean(&person.name));
    let (issuer, subject) = split(person);
    let created_at = At::from(person.created_at);
    let joined_at = person.joined_at.map(At::from);
    let last_sign_in_at = person.last_sign_in_at.map(At::from);
    let values: [&(dyn ToSql + Sync); 12] = [
        &person.id.0,
        &person.app_id.0,
        &email,
        &name,
        &person.role.as_str(),
        &person.active,
        &person.password,
        &issuer,
        &subject,
        &created_at,
        &joined_at,
        &last_sign_in_at,
    ];
    let inserted = execute(work, &sql, &values).await;
    inserted.map(drop).map_err(named("e-mail address"))
}

fn split(person: &Person) -> (Option<String>, Option<String>) {
    let identity = person.identity.as_ref();
    let kept = |text: &String| clean(text).into_owned();
    (
        identity.map(|(issuer, _)| kept(issuer)),
        identity.map(|(_, subject)| kept(subject)),
    )
}

/// The person, and whether somebody else keeps the app; both stay so until the end of the
/// transaction. The administrators are always locked first and in one order.
async fn locked(work: &Transaction, app: AppId, id: UserId) -> StoreResult<(Person, bool)> {
    let sql = "SELECT id FROM people WHERE app_id = $1 AND role = 'admin' AND active \
               AND joined_at IS NOT NULL ORDER BY id FOR UPDATE";
    let admins = query(work, sql, &[&app.0]).await?;
    let mut another = false;
    for row in &admins {
        another |= UserId(column(row, "id")?) != id;
    }
    let sql = format!("SELECT {PERSON} FROM people WHERE id = $1 AND app_id = $2 FOR UPDATE");
    let found = query(work, &sql, &[&id.0, &app.0]).await?;
    let known = found.first().ok_or(StoreError::NotFound("person"))?;
    Ok((person(known)?, another))
}

async fn update(
    work: &Transaction,
    app: AppId,
    id: UserId,
    change: &PersonChange,
) -> StoreResult<Person> {
    let (known, another) = locked(work, app, id).await?;
    let new = known.changed(change);
    if known.keeps_the_app() && !new.keeps_the_app() && !another {
        return Err(StoreError::Conflict(LAST_ADMIN));
    }
    let sql = format!(
        "UPDATE people SET name = $2, role = $3, active = $4, password = $5, issuer = $6, \
         subject = $7, joined_at = $8 WHERE id = $1 RETURNING {PERSON}"
    );
    let name = clean(&new.name);
    let (issuer, subject) = split(&new);
    let joined_at = new.joined_at.map(At::from);
    let values: [&(dyn ToSql + Sync); 8] = [
        &id.0,
        &name,
        &new.role.as_str(),
        &new.active,
        &new.password,
        &issuer,
        &subject,
        &joined_at,
    ];
    let rows = query(work, &sql, &values)
        .await
        .map_err(named("identity"))?;
    if known.ends_sessions(change) {
        let keep = change.keep.as_ref().map(<[u8; 32]>::as_slice);
        execute(work, END_SESSIONS, &[&id.0, &app.0, &keep]).await?;
    }
    if change.password.is_some() || change.active == Some(false) {
        let sql = "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = 'reset'";
        execute(work, sql, &[&id.0]).await?;
    }
    rows.first().map_or(Ok(new), person)
}

async fn one_time(
    work: &Transaction,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<OneTime>> {
    let sql = format!(
        "SELECT {ONE_TIME} FROM one_time_tokens \
         WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3"
    );
    let values: [&(dyn ToSql + Sync); 3] = [&hash.as_slice(), &purpose.as_str(), &At::from(now)];
    let rows = query(work, &sql, &values).await?;
    rows.first().map(one_time_from_row).transpose()
}

/// Of two at once, the one that deletes the row has it.
async fn take_one_time(
    work: &Transaction,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<OneTime>> {
    let sql = format!(
        "DELETE FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 RETURNING {ONE_TIME}"
    );
    let rows = query(work, &sql, &[&hash.as_slice(), &purpose.as_str()]).await?;
    let taken = rows.first().map(one_time_from_row).transpose()?;
    Ok(taken.filter(|token| At::from(token.expires_at).0 > At::from(now).0))
}

async fn start_session(work: &Transaction, new: &PersonSession) -> StoreResult<bool> {
    // The person's row is held, so that a change of them waits for this session and ends it.
    let sql = "SELECT 1 FROM people WHERE app_id = $1 AND id = $2 AND role = $3 AND active \
               FOR UPDATE";
    let values: [&(dyn ToSql + Sync); 3] = [&new.app_id.0, &new.user_id.0, &new.role.as_str()];
    if query(work, sql, &values).await?.is_empty() {
        return Ok(false);
    }
    let started_at = At::from(new.started_at);
    let sql = "UPDATE people SET last_sign_in_at = $2 WHERE id = $1";
    execute(work, sql, &[&new.user_id.0, &started_at]).await?;
    let sql = "DELETE FROM sessions WHERE expires_at <= $1";
    execute(work, sql, &[&started_at]).await?;
    let sql = format!(
        "INSERT INTO sessions ({SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    );
    let (seen_at, expires_at) = (At::from(new.seen_at), At::from(new.expires_at));
    let text = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    let (address, browser) = (text(&new.address), text(&new.browser));
    let values: [&(dyn ToSql + Sync); 10] = [
        &new.token_hash.as_slice(),
        &new.app_id.0,
        &new.user_id.0,
        &new.role.as_str(),
        &started_at,
        &seen_at,
        &expires_at,
        &new.way,
        &address,
        &browser,
    ];
    execute(work, &sql, &values).await?;
    Ok(true)
}

fn person(row: &Row) -> StoreResult<Person> {
    let role = Role::from_name(column(row, "role")?);
    let issuer: Option<String> = column(row, "issuer")?;
    Ok(Person {
        id: UserId(column(row, "id")?),
        app_id: AppId(column(row, "app_id")?),
        email: column(row, "email")?,
        name: column(row, "name")?,
        role: role.ok_or_else(|| damaged("people", "role"))?,
        active: column(row, "active")?,
        password: column(row, "password")?,
        identity: issuer.zip(column::<Option<String>>(row, "subject")?),
        created_at: column_time(row, "created_at")?,
        joined_at: column_time_opt(row, "joined_at")?,
        last_sign_in_at: column_time_opt(row, "last_sign_in_at")?,
    })
}

fn one_time_from_row(row: &Row) -> StoreResult<OneTime> {
    let purpose = Purpose::from_name(column(row, "purpose")?);
    let app = AppId(column(row, "app_id")?);
    let id: Option<Uuid> = column(row, "user_id")?;
    Ok(OneTime {
        token_hash: bytes32(column(row, "token_hash")?, "one_time_tokens", "token_hash")?,
        purpose: purpose.ok_or_else(|| damaged("one_time_tokens", "purpose"))?,
        person: id.map(|id| (app, UserId(id))),
        expires_at: column_time(row, "expires_at")?,
    })
}

fn session(row: &Row) -> StoreResult<PersonSession> {
    let role = Role::from_name(column(row, "role")?);
    Ok(PersonSession {
        token_hash: bytes32(column(row, "token_hash")?, "sessions", "token_hash")?,
        app_id: AppId(column(row, "app_id")?),
        user_id: UserId(column(row, "user_id")?),
        role: role.ok_or_else(|| damaged("sessions", "role"))?,
        started_at: column_time(row, "started_at")?,
        seen_at: column_time(row, "seen_at")?,
        expires_at: column_time(row, "expires_at")?,
        way: column(row, "way")?,
        address: column(row, "address")?,
        browser: column(row, "browser")?,
    })
}
