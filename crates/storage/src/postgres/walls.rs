//! Tests of the second wall from inside: connections carry no scope over, a writer's batch reaches
//! no app outside it, and the policies leave the plans of the call path as they were. What the
//! policies show and refuse is tested from outside, in `tests/it/second_wall.rs`.

use futures_util::FutureExt;
use switchhook_domain::id::AppId;
use uuid::Uuid;

use super::reader::Readers;
use super::scope::{EVERYWHERE_FOR_SESSION, Mode, Scope};
use super::session::Target;
use super::writer::{PLANS, Session, Step};
use super::{flush, load};

const A: AppId = AppId(Uuid::from_u128(1));
const B: AppId = AppId(Uuid::from_u128(2));
const COUNT: &str = "SELECT count(*) AS n FROM apps";

/// A schema of its own with two apps, and the address that leads there.
struct Place {
    target: Target,
    admin: tokio_postgres::Client,
    schema: String,
}

impl Place {
    async fn new(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("SWITCHHOOK_TEST_POSTGRES") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "PostgreSQL must run in CI"
            );
            eprintln!("LEFT OUT: SWITCHHOOK_TEST_POSTGRES is not set");
            return None;
        };
        let schema = format!("wall_{name}_{}", std::process::id());
        let mut target = Target::parse(&url).unwrap();
        target.config.options(format!("-c search_path={schema}"));
        let mut admin = target.connect().await.unwrap();
        let own = format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; \
             {EVERYWHERE_FOR_SESSION}"
        );
        admin.batch_execute(&own).await.unwrap();
        crate::migrate::run_postgres(&mut admin).await.unwrap();
        for app in [A, B] {
            let sql = "INSERT INTO apps VALUES ($1, 'App', 'NL', true, $1, now(), 0)";
            admin.execute(sql, &[&app.0]).await.unwrap();
        }
        Some(Self {
            target,
            admin,
            schema,
        })
    }

    async fn clean(self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.schema);
        self.admin.batch_execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_carries_no_scope_over() {
    let Some(place) = Place::new("pool").await else {
        return;
    };
    // One connection, so that each step has the one of the step before.
    let db = Readers::new(&place.target, 1).unwrap();
    let bare = async |after: &str| {
        let seen: i64 = db.bare().await.query_one(COUNT, &[]).await.unwrap().get(0);
        assert_eq!(seen, 0, "without a scope, after {after}");
        // The clock of a transaction stands still.
        let client = db.bare().await;
        let mut clocks = [String::new(), String::new()];
        for clock in &mut clocks {
            *clock = client
                .query_one("SELECT now()::text", &[])
                .await
                .unwrap()
                .get(0);
        }
        assert_ne!(
            clocks[0], clocks[1],
            "a transaction was left open by {after}"
        );
    };
    let count = async |rows: Vec<tokio_postgres::Row>| rows[0].get::<_, i64>("n");
    bare("nothing").await;
    assert_eq!(count(db.of(A).query(COUNT, &[]).await.unwrap()).await, 1);
    bare("a statement").await;
    assert_eq!(
        count(db.everywhere().query(COUNT, &[]).await.unwrap()).await,
        2
    );
    bare("a statement everywhere").await;
    assert_eq!(count(db.no_app().query(COUNT, &[]).await.unwrap()).await, 0);
    db.everywhere()
        .query("SELECT 1 / 0", &[])
        .await
        .unwrap_err();
    bare("an error").await;
    let reads = db.everywhere().read().await.unwrap();
    assert_eq!(count(reads.query(COUNT, &[]).await.unwrap()).await, 2);
    drop(reads);
    bare("a dropped transaction").await;
    let writes = db.of(A).write().await.unwrap();
    let seen = writes.execute("UPDATE apps SET name = 'Mine'", &[]).await;
    assert_eq!(seen.unwrap(), 1);
    writes.commit().await.unwrap();
    bare("a committed transaction").await;
    // Given up at every place at which they wait.
    for polls in 1..6 {
        let everywhere = db.everywhere();
        let mut given_up = Box::pin(everywhere.query("SELECT count(*) AS n FROM apps a", &[]));
        for _ in 0..polls {
            if (&mut given_up).now_or_never().is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        drop(given_up);
        bare("a statement nobody waited for").await;
        let mut given_up = Box::pin(everywhere.read());
        for _ in 0..polls {
            if (&mut given_up).now_or_never().is_some() {
                break;
            }
        }
        drop(given_up);
        bare("a beginning nobody waited for").await;
    }
    db.close();
    place.clean().await;
}

#[tokio::test]
async fn a_missing_wall_is_noticed() {
    let Some(place) = Place::new("missing").await else {
        return;
    };
    let db = Readers::new(&place.target, 1).unwrap();
    assert!(db.second_wall_stands().await.unwrap());
    // To a role that bypasses the policies the server says the same.
    let down = "ALTER TABLE apps DISABLE ROW LEVEL SECURITY";
    place.admin.batch_execute(down).await.unwrap();
    assert!(!db.second_wall_stands().await.unwrap());
    db.close();
    place.clean().await;
}

fn statement(start: &str) -> String {
    let mut all = flush::statements().into_iter();
    all.find(|text| text.starts_with(start)).unwrap()
}

#[tokio::test]
async fn a_batch_reaches_no_app_outside_it() {
    let Some(place) = Place::new("batch").await else {
        return;
    };
    let session = Session::connect(&place.target).await.unwrap();
    let (heads, events) = (statement("UPDATE apps"), statement("INSERT INTO events"));
    let begin = Scope::apps([A]).begin(Mode::Write);
    // An update finds no row of the other app.
    let (both, seqs) = (vec![A.0, B.0], vec![7_i64, 7]);
    let steps = [
        Step::Run(&begin),
        Step::when(true, &heads, [&both, &seqs]),
        Step::Run("COMMIT"),
    ];
    session.pipeline(&steps).await.unwrap();
    let sql = "SELECT id FROM apps WHERE head_seq = 7";
    let moved = place.admin.query(sql, &[]).await.unwrap();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].get::<_, Uuid>(0), A.0);
    // A new row for it is refused, and with it the whole batch.
    let (ids, kinds) = ([A.0, B.0].to_vec(), vec!["call.started"; 2]);
    let calls: Vec<Option<Uuid>> = vec![None; 2];
    let at = vec![super::session::At(0); 2];
    let data = vec!["{}"; 2];
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&both, &seqs, &ids, &kinds, &calls, &at, &at, &data];
    let steps = [
        Step::Run(&begin),
        Step::when(true, &events, params),
        Step::Run("COMMIT"),
    ];
    let refused = session.pipeline(&steps).await.unwrap_err();
    assert!(refused.to_string().contains("42501"), "{refused}");
    let sql = "SELECT count(*) FROM events";
    let stored: i64 = place.admin.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(stored, 0);
    place.clean().await;
}

/// Enough rows of many apps that no plan of sense reads a whole table.
const FILL: &str = "INSERT INTO apps SELECT gen_random_uuid(), 'a', 'NL', true, \
    gen_random_uuid(), now(), 0 FROM generate_series(1, 20); \
    INSERT INTO calls SELECT a.id, gen_random_uuid(), gen_random_uuid(), 'dialpad', true, \
    n % 500 = 0, 'ended', 'inbound', '+3161' || (n % 900), NULL, '201', NULL, now() \
    FROM apps a, generate_series(1, 1000) n; \
    INSERT INTO call_bodies SELECT app_id, id, NULL, repeat('x', 300), '' FROM calls; \
    INSERT INTO call_keys SELECT connection_id, 'k', app_id, id FROM calls; \
    INSERT INTO messages SELECT connection_id, 'm', app_id, now(), '{}', '{}', id FROM calls; \
    INSERT INTO presence SELECT connection_id, 'p', app_id, '{}' FROM calls; \
    INSERT INTO contacts SELECT app_id, id, 'n', 's', '{}' FROM calls; \
    INSERT INTO contact_numbers SELECT app_id, id, 0, '+31' || n, '31' || n \
    FROM (SELECT *, row_number() OVER () AS n FROM contacts) c; \
    ANALYZE apps, calls, call_bodies, call_keys, messages, presence, contacts, contact_numbers";
const FILLED: [&str; 7] = [
    "calls",
    "call_bodies",
    "call_keys",
    "messages",
    "presence",
    "contacts",
    "contact_numbers",
];

/// The statements of the call path, planned for any values as a prepared statement is, still find
/// their rows by index, and the scope is read once a statement.
#[tokio::test]
async fn the_call_path_uses_its_indexes() {
    let Some(place) = Place::new("plans").await else {
        return;
    };
    let generic = format!("SET plan_cache_mode = force_generic_plan; {PLANS}");
    place.admin.batch_execute(&generic).await.unwrap();
    by_index(&place.admin).await;
    // With rows and what PostgreSQL knows of them it finds the same by itself.
    let by_itself = "SET enable_seqscan = on; SET enable_hashjoin = on; SET enable_mergejoin = on";
    place.admin.batch_execute(by_itself).await.unwrap();
    place.admin.batch_execute(FILL).await.unwrap();
    by_index(&place.admin).await;
    place.clean().await;
}

async fn by_index(admin: &tokio_postgres::Client) {
    let mut texts = load::statements();
    texts.extend(flush::statements());
    for text in texts {
        let count = (1..=20).rev().find(|n| text.contains(&format!("${n}")));
        let nulls = vec!["NULL"; count.unwrap_or(0)].join(", ");
        let explain = format!("PREPARE tried AS {text}; EXPLAIN EXECUTE tried ({nulls})");
        let shown = admin.simple_query(&explain).await.unwrap();
        let lines = shown.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let plan = lines.collect::<Vec<_>>().join("\n");
        admin.batch_execute("DEALLOCATE tried").await.unwrap();
        for table in FILLED {
            let whole = format!("Seq Scan on {table} ");
            assert!(!plan.contains(&whole), "{text}\n{plan}");
        }
        assert!(!plan.contains("SubPlan"), "once a row: {text}\n{plan}");
        // Without it the policies would not be in the plan at all.
        let guarded = plan.contains("InitPlan") || text.contains("pg_notify");
        assert!(guarded, "{text}\n{plan}");
    }
}
