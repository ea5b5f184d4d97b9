//! PostgreSQL's row-level security, asked from outside with raw SQL: every table that holds rows of
//! apps is guarded, and what a transaction did not name it neither sees nor writes. The rows are
//! made from the catalogue, so a table that a later migration adds is in these tests by itself.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::backends;

/// Tables that hold nothing of an app. Whoever adds one here says that it is so.
const OF_THE_SERVER: [&str; 5] = [
    "imports",
    "installation_keys",
    "leases",
    "mappings",
    "refinery_schema_history",
];

const A: Uuid = Uuid::from_u128(1);
const B: Uuid = Uuid::from_u128(2);

/// The guarded tables, and the column that names the app.
async fn guarded(client: &Client) -> Vec<(String, String)> {
    let sql = "SELECT c.relname::text AS name FROM pg_class c \
               WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace \
               AND c.relname <> ALL ($1) ORDER BY 1";
    let rows = client.query(sql, &[&&OF_THE_SERVER[..]]).await.unwrap();
    let owner = |table: &str| match table {
        "apps" => "id",
        "audit" | "audit_begun" => "chain",
        _ => "app_id",
    };
    let names = rows.iter().map(|row| row.get::<_, String>("name"));
    names
        .map(|name| (name.clone(), owner(&name).to_owned()))
        .collect()
}

#[tokio::test]
async fn every_table_with_rows_of_apps_is_guarded() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let client = backends::connect(&place.url).await;
    let tables = guarded(&client).await;
    assert!(tables.len() >= 22, "{tables:?}");
    for (table, owner) in tables {
        let sql = "SELECT c.relrowsecurity AND c.relforcerowsecurity AS forced, \
                   (SELECT string_agg(p.polcmd::text || p.polpermissive::text || \
                   pg_get_expr(p.polqual, p.polrelid), '; ') \
                   FROM pg_policy p WHERE p.polrelid = c.oid) AS policy \
                   FROM pg_class c WHERE c.oid = $1::text::regclass";
        let row = client.query_one(sql, &[&table]).await.unwrap();
        let hint = "call switchhook_guard() in its migration, or enter it in OF_THE_SERVER";
        assert!(
            row.get::<_, bool>("forced"),
            "{table} is not guarded: {hint}"
        );
        let policy: Option<String> = row.get("policy");
        let policy = policy.unwrap_or_else(|| panic!("{table} has no policy: {hint}"));
        // One, for all commands, by the column that names the app.
        assert!(
            policy.starts_with(&format!("*true(({owner} = ANY")),
            "{table}: {policy}"
        );
        assert!(!policy.contains("; "), "{table}: {policy}");
    }
    place.clean().await;
}

/// A value that fits a column of this type.
fn value(kind: &str) -> &'static str {
    match kind {
        "uuid" => "gen_random_uuid()",
        "text" => "gen_random_uuid()::text",
        "bytea" => "decode(md5(random()::text), 'hex')",
        "timestamptz" => "now()",
        "bool" => "true",
        "int2" | "int4" | "int8" | "float8" | "numeric" => "1",
        "json" | "jsonb" => "'{}'",
        kind if kind.starts_with('_') => "'{}'",
        other => panic!("say here what a value of type {other} looks like"),
    }
}

/// A statement that puts a row of this app, or of several, into the table.
async fn insert(client: &Client, table: &str, owner: &str, app: Uuid) -> String {
    let sql = "SELECT a.attname::text, t.typname::text FROM pg_attribute a \
               JOIN pg_type t ON t.oid = a.atttypid \
               WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped \
               AND a.attnotnull AND a.attgenerated = '' AND a.attidentity = ''";
    let rows = client.query(sql, &[&table]).await.unwrap();
    let (mut names, mut values) = (vec![], vec![]);
    for row in rows {
        let name: String = row.get(0);
        values.push(if name == owner {
            format!("'{app}'")
        } else {
            value(row.get(1)).to_owned()
        });
        names.push(format!("\"{name}\""));
    }
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({names}) VALUES ({values})")
}

/// What would get in the way of rows made up from the catalogue, and is tested elsewhere.
async fn disarm(client: &Client, tables: &[(String, String)]) {
    let sql = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) \
               FROM pg_constraint WHERE contype IN ('f', 'c') \
               AND connamespace = 'public'::regnamespace";
    for row in client.query(sql, &[]).await.unwrap() {
        client.batch_execute(row.get(0)).await.unwrap();
    }
    for (table, _) in tables {
        let sql = format!("ALTER TABLE {table} DISABLE TRIGGER USER");
        client.batch_execute(&sql).await.unwrap();
    }
}

async fn scope(client: &Client, apps: &str) {
    let sql = format!("SET switchhook.apps = '{apps}'");
    client.batch_execute(&sql).await.unwrap();
}

/// How many rows a statement finds, in a transaction that is rolled back.
async fn tried(client: &Client, sql: &str) -> Result<u64, SqlState> {
    client.batch_execute("BEGIN").await.unwrap();
    let done = client.execute(sql, &[]).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    done.map_err(|error| error.code().unwrap().clone())
}

#[tokio::test]
async fn what_is_not_named_is_neither_seen_nor_written() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let client = backends::connect(&place.url).await;
    let tables = guarded(&client).await;
    disarm(&client, &tables).await;
    for (table, owner) in &tables {
        for app in [A, B] {
            scope(&client, &app.to_string()).await;
            let sql = insert(&client, table, owner, app).await;
            assert_eq!(client.execute(&sql, &[]).await.unwrap(), 1, "{sql}");
        }
    }
    let denied = Err(SqlState::INSUFFICIENT_PRIVILEGE);
    let other = backends::connect(&place.url).await;
    for (table, owner) in &tables {
        let all = format!("SELECT {owner} FROM {table}");
        // Nothing was ever said on this connection.
        assert_eq!(other.query(&all, &[]).await.unwrap().len(), 0, "{table}");
        for (apps, seen) in [
            (String::new(), vec![]),
            (A.to_string(), vec![A]),
            (B.to_string(), vec![B]),
            (format!("{A},{B}"), vec![A, B]),
            (Uuid::max().to_string(), vec![]),
            ("*".to_owned(), vec![A, B]),
        ] {
            scope(&client, &apps).await;
            let sql = format!("{all} ORDER BY 1");
            let rows = client.query(&sql, &[]).await.unwrap();
            let found: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(found, seen, "{table} under {apps:?}");
        }
        scope(&client, &A.to_string()).await;
        let foreign = insert(&client, table, owner, B).await;
        assert_eq!(tried(&client, &foreign).await, denied, "{foreign}");
        let away = format!("UPDATE {table} SET {owner} = '{B}'");
        assert_eq!(tried(&client, &away).await, denied, "{away}");
        let touched = format!("UPDATE {table} SET {owner} = {owner}");
        assert_eq!(tried(&client, &touched).await, Ok(1), "{touched}");
        let theirs = format!("UPDATE {table} SET {owner} = {owner} WHERE {owner} = '{B}'");
        assert_eq!(tried(&client, &theirs).await, Ok(0), "{theirs}");
        let emptied = format!("DELETE FROM {table}");
        assert_eq!(tried(&client, &emptied).await, Ok(1), "{emptied}");
        scope(&client, "").await;
        let own = insert(&client, table, owner, A).await;
        assert_eq!(tried(&client, &own).await, denied, "no scope: {own}");
        assert_eq!(tried(&client, &emptied).await, Ok(0), "no scope: {emptied}");
    }
    place.clean().await;
}
