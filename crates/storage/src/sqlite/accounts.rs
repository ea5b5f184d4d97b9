//! People with an account, what works once, and the sessions they have.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, Params, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, UserId};
use switchhook_engine::store::{
    App, LAST_ADMIN, OneTime, PeopleStore, Person, PersonChange, PersonSession, Purpose, Role,
    StoreError, StoreResult,
};
use uuid::Uuid;

use super::SqliteStore;
use super::apps;
use super::session::{blob, conflict, fault, optional, text, uuid, uuid_opt};
use crate::columns::{damaged, micros, time};

const PERSON: &str = "id, app_id, email, name, role, active, password, issuer, subject, \
                      created_at, joined_at, last_sign_in_at";
const ONE_TIME: &str = "token_hash, purpose, app_id, user_id, expires_at";
const SESSION: &str = "token_hash, app_id, user_id, role, started_at, seen_at, expires_at, way, \
                       address, browser";

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn is_untouched(&self) -> StoreResult<bool> {
        self.read(is_untouched).await
    }

    async fn set_up(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
        app: &App,
        person: &Person,
    ) -> StoreResult<bool> {
        let (hash, app, person) = (*token_hash, app.clone(), person.clone());
        self.write(move |c| {
            let link = one_time(c, Purpose::SetUp, &hash, now)?;
            if link.is_none() || !is_untouched(c)? {
                return Ok(false);
            }
            apps::create(c, &app)?;
            insert(c, &person)?;
            let sql = "DELETE FROM one_time_tokens WHERE purpose = ?1";
            execute(c, sql, [Purpose::SetUp.as_str()])?;
            Ok(true)
        })
        .await
    }

    async fn create_person(&self, person: &Person) -> StoreResult<()> {
        let person = person.clone();
        self.write(move |c| {
            apps::must_exist(c, person.app_id)?;
            insert(c, &person)
        })
        .await
    }

    async fn person(&self, app: AppId, id: UserId) -> StoreResult<Option<Person>> {
        self.read(move |c| one(c, app, id)).await
    }

    async fn people(&self, app: AppId, limit: u32, offset: u32) -> StoreResult<(Vec<Person>, u64)> {
        self.readers
            .read_at_once(move |c| {
                let sql = format!(
                    "SELECT {PERSON} FROM people WHERE app_id = ?1 \
                     ORDER BY email LIMIT ?2 OFFSET ?3"
                );
                let page = list(c, &sql, params![blob(&app.0), limit, offset], person)?;
                let sql = "SELECT count(*) FROM people WHERE app_id = ?1";
                let mut statement = c.prepare_cached(sql).map_err(fault)?;
                let total = statement.query_row([blob(&app.0)], |row| row.get::<_, i64>(0));
                let total = u64::try_from(total.map_err(fault)?).unwrap_or(0);
                Ok((page, total))
            })
            .await
    }

    async fn people_by_email(&self, email: &str) -> StoreResult<Vec<Person>> {
        let email = email.to_owned();
        self.read(move |c| {
            let sql = format!("SELECT {PERSON} FROM people WHERE email = ?1 ORDER BY app_id");
            list(c, &sql, [&email], person)
        })
        .await
    }

    async fn people_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Vec<Person>> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |c| {
            let sql = format!(
                "SELECT {PERSON} FROM people WHERE issuer = ?1 AND subject = ?2 ORDER BY app_id"
            );
            list(c, &sql, [&issuer, &subject], person)
        })
        .await
    }

    async fn update_person(
        &self,
        app: AppId,
        id: UserId,
        change: &PersonChange,
    ) -> StoreResult<Person> {
        let change = change.clone();
        self.write(move |c| update(c, app, id, &change)).await
    }

    async fn delete_person(&self, app: AppId, id: UserId) -> StoreResult<()> {
        self.write(move |c| {
            let known = one(c, app, id)?.ok_or(StoreError::NotFound("person"))?;
            if known.keeps_the_app() {
                another_admin(c, app, id)?;
            }
            for table in ["sessions", "one_time_tokens"] {
                let sql = format!("DELETE FROM {table} WHERE user_id = ?1");
                execute(c, &sql, [blob(&id.0)])?;
            }
            execute(c, "DELETE FROM people WHERE id = ?1", [blob(&id.0)]).map(drop)
        })
        .await
    }

    async fn put_one_time(&self, token: &OneTime, now: Timestamp) -> StoreResult<()> {
        let token = token.clone();
        self.write(move |c| put_one_time(c, &token, now)).await
    }

    async fn one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        let hash = *hash;
        self.read(move |c| one_time(c, purpose, &hash, now)).await
    }

    async fn take_one_time(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OneTime>> {
        let hash = *hash;
        self.write(move |c| take_one_time(c, purpose, &hash, now))
            .await
    }

    async fn redeem(
        &self,
        purpose: Purpose,
        hash: &[u8; 32],
        now: Timestamp,
        change: &PersonChange,
    ) -> StoreResult<Option<Person>> {
        let (hash, change) = (*hash, change.clone());
        self.write(move |c| {
            let link = one_time(c, purpose, &hash, now)?;
            let Some((app, id)) = link.and_then(|link| link.person) else {
                return Ok(None);
            };
            if !one(c, app, id)?.is_some_and(|person| person.active) {
                return Ok(None);
            }
            take_one_time(c, purpose, &hash, now)?;
            update(c, app, id, &change).map(Some)
        })
        .await
    }

    async fn start_session(&self, session: &PersonSession) -> StoreResult<bool> {
        let session = session.clone();
        self.write(move |c| start_session(c, &session)).await
    }

    async fn touch_session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
        limit: i64,
    ) -> StoreResult<()> {
        let hash = *hash;
        self.write(move |c| {
            let sql = "UPDATE sessions SET seen_at = ?2, \
                       expires_at = min(?3, started_at + ?4 * 1000000) \
                       WHERE token_hash = ?1 AND started_at IS NOT NULL AND expires_at > ?2";
            let (now, expires_at) = (micros(now), micros(expires_at));
            execute(c, sql, params![hash, now, expires_at, limit]).map(drop)
        })
        .await
    }

    async fn person_sessions(
        &self,
        app: AppId,
        id: UserId,
        now: Timestamp,
    ) -> StoreResult<Vec<PersonSession>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {SESSION} FROM sessions WHERE user_id = ?1 AND app_id = ?2 \
                 AND started_at IS NOT NULL AND expires_at > ?3 \
                 ORDER BY started_at DESC, token_hash"
            );
            list(
                c,
                &sql,
                params![blob(&id.0), blob(&app.0), micros(now)],
                session,
            )
        })
        .await
    }

    async fn end_session(&self, app: AppId, id: UserId, hash: &[u8; 32]) -> StoreResult<bool> {
        let hash = *hash;
        self.write(move |c| {
            let sql = "DELETE FROM sessions WHERE token_hash = ?1 AND user_id = ?2 AND app_id = ?3";
            Ok(execute(c, sql, params![hash, blob(&id.0), blob(&app.0)])? > 0)
        })
        .await
    }

    async fn end_sessions(
        &self,
        app: AppId,
        id: UserId,
        keep: Option<[u8; 32]>,
    ) -> StoreResult<u64> {
        self.write(move |c| end_sessions(c, app, id, keep)).await
    }
}

fn is_untouched(conn: &Sql) -> StoreResult<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM apps) AND NOT EXISTS (SELECT 1 FROM people)";
    super::session::single(conn, sql)
}

fn insert(conn: &Sql, person: &Person) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO people ({PERSON}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    );
    let identity = person.identity.as_ref();
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&person.id.0),
            blob(&person.app_id.0),
            person.email,
            person.name,
            person.role.as_str(),
            person.active,
            person.password,
            identity.map(|(issuer, _)| issuer),
            identity.map(|(_, subject)| subject),
            micros(person.created_at),
            person.joined_at.map(micros),
            person.last_sign_in_at.map(micros),
        ])
        .map(drop)
        .map_err(conflict("e-mail address"))
}

fn one(conn: &Sql, app: AppId, id: UserId) -> StoreResult<Option<Person>> {
    let sql = format!("SELECT {PERSON} FROM people WHERE id = ?1 AND app_id = ?2");
    Ok(list(conn, &sql, params![blob(&id.0), blob(&app.0)], person)?.pop())
}

/// Fails when nobody else keeps the app.
fn another_admin(conn: &Sql, app: AppId, but: UserId) -> StoreResult<()> {
    let sql = "SELECT 1 FROM people WHERE app_id = ?1 AND id <> ?2 AND role = 'admin' \
               AND active AND joined_at IS NOT NULL LIMIT 1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![blob(&app.0), blob(&but.0)], |_| Ok(()));
    optional(found)?.ok_or(StoreError::Conflict(LAST_ADMIN))
}

fn update(conn: &Sql, app: AppId, id: UserId, change: &PersonChange) -> StoreResult<Person> {
    let known = one(conn, app, id)?.ok_or(StoreError::NotFound("person"))?;
    let new = known.changed(change);
    if known.keeps_the_app() && !new.keeps_the_app() {
        another_admin(conn, app, id)?;
    }
    let sql = "UPDATE people SET name = ?2, role = ?3, active = ?4, password = ?5, issuer = ?6, \
               subject = ?7, joined_at = ?8 WHERE id = ?1";
    let identity = new.identity.as_ref();
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&id.0),
            new.name,
            new.role.as_str(),
            new.active,
            new.password,
            identity.map(|(issuer, _)| issuer),
            identity.map(|(_, subject)| subject),
            new.joined_at.map(micros),
        ])
        .map_err(conflict("identity"))?;
    if known.ends_sessions(change) {
        end_sessions(conn, app, id, change.keep)?;
    }
    if change.password.is_some() || change.active == Some(false) {
        let sql = "DELETE FROM one_time_tokens WHERE user_id = ?1 AND purpose = 'reset'";
        execute(conn, sql, [blob(&id.0)])?;
    }
    Ok(one(conn, app, id)?.unwrap_or(new))
}

fn put_one_time(conn: &Sql, token: &OneTime, now: Timestamp) -> StoreResult<()> {
    let sql = "DELETE FROM one_time_tokens WHERE expires_at <= ?1";
    execute(conn, sql, [micros(now)])?;
    if let Some((app, id)) = token.person {
        one(conn, app, id)?.ok_or(StoreError::NotFound("person"))?;
        let sql = "DELETE FROM one_time_tokens WHERE user_id = ?1 AND purpose = ?2";
        execute(conn, sql, params![blob(&id.0), token.purpose.as_str()])?;
    }
    let app = token.person.map_or(AppId(Uuid::nil()), |(app, _)| app);
    let sql = format!("INSERT INTO one_time_tokens ({ONE_TIME}) VALUES (?1, ?2, ?3, ?4, ?5)");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            token.token_hash,
            token.purpose.as_str(),
            blob(&app.0),
            token.person.as_ref().map(|(_, id)| blob(&id.0)),
            micros(token.expires_at),
        ])
        .map(drop)
        .map_err(conflict("token"))
}

fn one_time(
    conn: &Sql,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<OneTime>> {
    let sql = format!(
        "SELECT {ONE_TIME} FROM one_time_tokens \
         WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3"
    );
    let read = |row: &Row<'_>| {
        let (app, id) = (AppId(uuid(row, 2)?), uuid_opt(row, 3)?);
        Ok(Ok(OneTime {
            token_hash: *hash,
            purpose,
            person: id.map(|id| (app, UserId(id))),
            expires_at: time(row.get(4)?),
        }))
    };
    Ok(list(
        conn,
        &sql,
        params![hash, purpose.as_str(), micros(now)],
        read,
    )?
    .pop())
}

fn take_one_time(
    conn: &Sql,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<OneTime>> {
    let found = one_time(conn, purpose, hash, now)?;
    let sql = "DELETE FROM one_time_tokens WHERE token_hash = ?1 AND purpose = ?2";
    execute(conn, sql, params![hash, purpose.as_str()])?;
    Ok(found)
}

fn start_session(conn: &Sql, new: &PersonSession) -> StoreResult<bool> {
    let sql = format!(
        "INSERT INTO sessions ({SESSION}) SELECT ?1, app_id, id, role, ?5, ?6, ?7, ?8, ?9, ?10 \
         FROM people WHERE app_id = ?2 AND id = ?3 AND role = ?4 AND active"
    );
    let started = execute(
        conn,
        &sql,
        params![
            new.token_hash,
            blob(&new.app_id.0),
            blob(&new.user_id.0),
            new.role.as_str(),
            micros(new.started_at),
            micros(new.seen_at),
            micros(new.expires_at),
            new.way,
            new.address,
            new.browser,
        ],
    )?;
    let sql = "UPDATE people SET last_sign_in_at = ?2 WHERE id = ?1";
    if started > 0 {
        execute(
            conn,
            sql,
            params![blob(&new.user_id.0), micros(new.started_at)],
        )?;
    }
    let sql = "DELETE FROM sessions WHERE expires_at <= ?1";
    execute(conn, sql, [micros(new.started_at)])?;
    Ok(started > 0)
}

fn end_sessions(conn: &Sql, app: AppId, id: UserId, keep: Option<[u8; 32]>) -> StoreResult<u64> {
    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND app_id = ?2 \
               AND (?3 IS NULL OR token_hash <> ?3)";
    execute(conn, sql, params![blob(&id.0), blob(&app.0), keep])
}

fn execute(conn: &Sql, sql: &str, values: impl Params) -> StoreResult<u64> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    Ok(statement.execute(values).map_err(fault)? as u64)
}

/// All rows of a statement; the inner error is of a row that cannot be read back.
fn list<T>(
    conn: &Sql,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<StoreResult<T>>,
) -> StoreResult<Vec<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let rows = statement.query_map(values, read).map_err(fault)?;
    rows.map(|row| row.map_err(fault).and_then(|inner| inner))
        .collect()
}

fn person(row: &Row<'_>) -> rusqlite::Result<StoreResult<Person>> {
    let Some(role) = Role::from_name(text(row, 4)?) else {
        return Ok(Err(damaged("people", "role")));
    };
    let (issuer, subject): (Option<String>, Option<String>) = (row.get(7)?, row.get(8)?);
    Ok(Ok(Person {
        id: UserId(uuid(row, 0)?),
        app_id: AppId(uuid(row, 1)?),
        email: row.get(2)?,
        name: row.get(3)?,
        role,
        active: row.get(5)?,
        password: row.get(6)?,
        identity: issuer.zip(subject),
        created_at: time(row.get(9)?),
        joined_at: row.get::<_, Option<i64>>(10)?.map(time),
        last_sign_in_at: row.get::<_, Option<i64>>(11)?.map(time),
    }))
}

fn session(row: &Row<'_>) -> rusqlite::Result<StoreResult<PersonSession>> {
    let Some(role) = Role::from_name(text(row, 3)?) else {
        return Ok(Err(damaged("sessions", "role")));
    };
    Ok(Ok(PersonSession {
        token_hash: row.get(0)?,
        app_id: AppId(uuid(row, 1)?),
        user_id: UserId(uuid(row, 2)?),
        role,
        started_at: time(row.get(4)?),
        seen_at: time(row.get(5)?),
        expires_at: time(row.get(6)?),
        way: row.get(7)?,
        address: row.get(8)?,
        browser: row.get(9)?,
    }))
}
