//! Reading, and the writes that are not on the call path: pooled connections. Nothing runs on them
//! but under a stated [`Scope`]: only this file has the connections.

use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::FutureExt;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{StoreError, StoreLoad, StoreResult};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};

use super::scope::{Mode, Scope};
use super::session::{Target, column, fault, pool_fault};

/// How long a caller waits for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// The pool.
#[derive(Clone)]
pub(super) struct Readers(Pool);

impl Readers {
    /// A pool of that many connections, made when they are needed.
    pub(super) fn new(target: &Target, size: usize) -> StoreResult<Self> {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match &target.tls {
            None => Manager::from_config(target.config.clone(), NoTls, config),
            Some(tls) => Manager::from_config(target.config.clone(), tls.clone(), config),
        };
        let timeouts = Timeouts {
            wait: Some(WAIT),
            create: Some(target.patience),
            recycle: Some(target.patience),
        };
        Pool::builder(manager)
            .max_size(size)
            .timeouts(timeouts)
            // The last one back goes out first, so that those not needed get old.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self)
            .map_err(|_| StoreError::Unusable("no pool of connections".to_owned()))
    }

    /// Only rows of this app.
    pub(super) fn of(&self, app: AppId) -> Scoped<'_> {
        self.within(Scope::apps([app]))
    }

    /// Only rows of these.
    pub(super) fn of_all(&self, apps: impl IntoIterator<Item = AppId>) -> Scoped<'_> {
        self.within(Scope::apps(apps))
    }

    /// Rows of all apps. Only for what really crosses them, and each use says why.
    pub(super) fn everywhere(&self) -> Scoped<'_> {
        self.within(Scope::everywhere())
    }

    /// Rows of no app: for tables of the whole server.
    pub(super) fn no_app(&self) -> Scoped<'_> {
        self.within(Scope::no_app())
    }

    /// Whether the policies hold for our role: superusers and roles with `BYPASSRLS` go through
    /// them.
    pub(super) async fn second_wall_stands(&self) -> StoreResult<bool> {
        let sql = "SELECT row_security_active('apps') AS stands";
        match self.no_app().one(sql, &[]).await? {
            Some(row) => column(&row, "stands"),
            None => Ok(false),
        }
    }

    fn within(&self, scope: Scope) -> Scoped<'_> {
        Scoped { db: self, scope }
    }

    /// Closes those that were not used for so long, but keeps at least this many open.
    pub(super) fn close_idle(&self, unused: Duration, keep: usize) {
        let mut open = self.0.status().size;
        self.0.retain(|_, metrics| {
            let stays = open <= keep || metrics.last_used() < unused;
            open -= usize::from(!stays);
            stays
        });
    }

    /// How many there are and how many wait for one.
    pub(super) fn load(&self) -> StoreLoad {
        let status = self.0.status();
        let idle = status.available;
        StoreLoad {
            idle,
            active: status.size.saturating_sub(idle),
            waiting: status.waiting,
            queued: 0,
        }
    }

    /// A connection as it comes out of the pool, without a scope.
    #[cfg(test)]
    pub(super) async fn bare(&self) -> Object {
        self.0.get().await.unwrap()
    }

    /// Lets no connection out any more.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// The pool, under a scope.
pub(super) struct Scoped<'a> {
    db: &'a Readers,
    scope: Scope,
}

impl Scoped<'_> {
    async fn get(&self) -> StoreResult<Object> {
        self.db.0.get().await.map_err(pool_fault)
    }

    /// One prepared statement.
    pub(super) async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Vec<Row>> {
        let client = self.get().await?;
        let statement = client.prepare_cached(sql).await.map_err(fault)?;
        self.run(&client, client.query(&statement, params)).await
    }

    /// One prepared statement that gives at most one row.
    pub(super) async fn one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// One prepared statement that gives a number of rows changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<u64> {
        let client = self.get().await?;
        let statement = client.prepare_cached(sql).await.map_err(fault)?;
        self.run(&client, client.execute(&statement, params)).await
    }

    /// One statement in a transaction of its own, in one round trip. All three commands are sent
    /// when they are first polled, in this order and without an await between them: whoever
    /// drops this future leaves no transaction open behind it.
    async fn run<T>(
        &self,
        client: &Object,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> StoreResult<T> {
        let begin = self.scope.begin(Mode::Write);
        let (begun, done, ended) = futures_util::join!(
            client.batch_execute(&begin),
            statement,
            client.batch_execute("COMMIT")
        );
        begun.map_err(fault)?;
        let done = done.map_err(fault)?;
        ended.map_err(fault)?;
        Ok(done)
    }

    /// Several reads at one instant.
    pub(super) async fn read(&self) -> StoreResult<Transaction> {
        self.begin(Mode::Read).await
    }

    /// Several statements, all or none.
    pub(super) async fn write(&self) -> StoreResult<Transaction> {
        self.begin(Mode::Write).await
    }

    async fn begin(&self, mode: Mode) -> StoreResult<Transaction> {
        // First the guard: it also ends a transaction whose beginning was not waited for.
        let transaction = Transaction {
            client: self.get().await?,
            over: false,
        };
        let begin = self.scope.begin(mode);
        let begun = transaction.client.batch_execute(&begin).await;
        begun.map_err(fault)?;
        Ok(transaction)
    }
}

/// A transaction under a scope. Dropped without a commit it is rolled back.
pub(super) struct Transaction {
    client: Object,
    over: bool,
}

impl Transaction {
    /// A statement's rows.
    pub(super) async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Vec<Row>> {
        self.client.query(sql, params).await.map_err(fault)
    }

    /// The row of a statement that gives one.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Row> {
        self.client.query_one(sql, params).await.map_err(fault)
    }

    /// The row of a statement that gives at most one.
    pub(super) async fn query_opt(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Option<Row>> {
        self.client.query_opt(sql, params).await.map_err(fault)
    }

    /// A statement's rows; planned for these values, without being prepared.
    pub(super) async fn query_typed(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> StoreResult<Vec<Row>> {
        self.client.query_typed(sql, params).await.map_err(fault)
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<u64> {
        self.client.execute(sql, params).await.map_err(fault)
    }

    /// Makes it last.
    pub(super) async fn commit(mut self) -> StoreResult<()> {
        // The command is sent at once, below, whether or not somebody waits for its answer.
        self.over = true;
        self.client.batch_execute("COMMIT").await.map_err(fault)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.over {
            // Polled once it is sent; nobody needs the answer.
            drop(self.client.batch_execute("ROLLBACK").now_or_never());
        }
    }
}
