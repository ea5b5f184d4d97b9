//! Reading, and the writes that are not on the call path: pooled connections.

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::time::Duration;
use switchhook_engine::store::{StoreError, StoreResult};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, NoTls, Row, Transaction};

use super::session::{CONNECT, Target, fault, pool_fault};

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
            create: Some(CONNECT),
            recycle: Some(CONNECT),
        };
        Pool::builder(manager)
            .max_size(size)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self)
            .map_err(|_| StoreError::Unusable("no pool of connections".to_owned()))
    }

    /// A connection.
    pub(super) async fn get(&self) -> StoreResult<Object> {
        self.0.get().await.map_err(pool_fault)
    }

    /// One prepared statement.
    pub(super) async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> StoreResult<Vec<Row>> {
        let client = self.get().await?;
        let statement = client.prepare_cached(sql).await.map_err(fault)?;
        client.query(&statement, params).await.map_err(fault)
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
        client.execute(&statement, params).await.map_err(fault)
    }

    /// Lets no connection out any more.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// Several reads at one instant.
pub(super) async fn at_once(client: &mut Object) -> StoreResult<Transaction<'_>> {
    let builder: tokio_postgres::TransactionBuilder<'_> = {
        let client: &mut tokio_postgres::Client = client;
        client.build_transaction()
    };
    builder
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(fault)
}
