//! PostgreSQL connections: the address, TLS, times as columns, and what errors mean.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use switchhook_domain::Timestamp;
use switchhook_engine::store::{StoreError, StoreResult};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::columns::{damaged, micros, time};

/// How long making a connection may take, where the address does not say. Also how long a short
/// question to the server may.
pub(super) const CONNECT: Duration = Duration::from_secs(4);
/// What of an address's `connect_timeout` makes sense.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may leave what was sent to it unconfirmed.
const SILENCE: Duration = Duration::from_secs(10);

/// Where the server is and how to talk to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// How long making a connection may take: `connect_timeout` of the address.
    pub(super) patience: Duration,
}

impl Target {
    /// Reads the address. TLS is used when `sslmode` asks for it (`require`, `verify-ca`,
    /// `verify-full`), and then the certificate is always verified: against the machine's own
    /// list, or against the file named by `sslrootcert`.
    pub(crate) fn parse(url: &str) -> StoreResult<Self> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut verified = false;
        let mut roots = None;
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => verified = true,
                Some(("sslrootcert", path)) => roots = Some(path.to_owned()),
                _ => kept.push(pair),
            }
        }
        kept.retain(|pair| !pair.starts_with("sslmode="));
        kept.push(if verified {
            "sslmode=require"
        } else {
            "sslmode=disable"
        });
        // The message of the parser may quote the address, and with it a password.
        let mut config: Config = format!("{base}?{}", kept.join("&"))
            .parse()
            .map_err(|_| StoreError::Unusable("its address cannot be read".to_owned()))?;
        let patience = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        let patience = patience.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        config.connect_timeout(patience);
        // A server that is gone without a word is noticed in bounded time.
        config.keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("switchhook");
        }
        let tls = verified.then(|| tls(roots.as_deref())).transpose()?;
        Ok(Self {
            config,
            tls,
            patience,
        })
    }

    /// A connection of one's own. The task that drives it ends with the client.
    pub(crate) async fn connect(&self) -> StoreResult<Client> {
        let connecting = async {
            match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await.map_err(fault)?;
                    tokio::spawn(async move { drop(connection.await) });
                    Ok(client)
                }
                Some(tls) => {
                    let (client, connection) =
                        self.config.connect(tls.clone()).await.map_err(fault)?;
                    tokio::spawn(async move { drop(connection.await) });
                    Ok(client)
                }
            }
        };
        in_time(self.patience, Box::pin(connecting)).await
    }
}

/// The result, or that the database did not answer in time.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = StoreResult<T>>,
) -> StoreResult<T> {
    let late = || StoreError::Unavailable("PostgreSQL did not answer in time".to_owned());
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(late()))
}

fn tls(roots: Option<&str>) -> StoreResult<MakeRustlsConnect> {
    let unusable = |why: String| StoreError::Unusable(format!("TLS cannot be set up: {why}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let config = match roots {
        None => builder
            .with_platform_verifier()
            .map_err(|error| unusable(error.to_string()))?
            .with_no_client_auth(),
        Some(path) => {
            let mut store = rustls::RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|error| unusable(format!("sslrootcert: {error}")))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                store
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// A time as a `TIMESTAMPTZ`, exact to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(pub(super) i64);

/// Microseconds from 1970, where we count from, to 2000, where PostgreSQL does.
const EPOCH: i64 = 946_684_800_000_000;

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(micros(at))
    }
}

impl From<At> for Timestamp {
    fn from(at: At) -> Self {
        time(at.0)
    }
}

impl ToSql for At {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0 - EPOCH);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for At {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let bytes: [u8; 8] = raw.try_into()?;
        Ok(Self(i64::from_be_bytes(bytes).saturating_add(EPOCH)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// A column of a row.
pub(crate) fn column<'r, T: FromSql<'r>>(row: &'r Row, name: &str) -> StoreResult<T> {
    row.try_get(name).map_err(|_| damaged("a table", name))
}

/// A time from a column.
pub(super) fn column_time(row: &Row, name: &str) -> StoreResult<Timestamp> {
    column::<At>(row, name).map(Timestamp::from)
}

/// A time from a column that may be empty.
pub(super) fn column_time_opt(row: &Row, name: &str) -> StoreResult<Option<Timestamp>> {
    Ok(column::<Option<At>>(row, name)?.map(Timestamp::from))
}

/// A count from a column.
pub(super) fn column_count(row: &Row, name: &str) -> StoreResult<u64> {
    let count: i64 = column(row, name)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// What an error of PostgreSQL means to the caller. Never quotes data: the messages of the
/// server may.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn fault(error: tokio_postgres::Error) -> StoreError {
    let Some(state) = error.code() else {
        // There is no other way to tell: what could not be written as a parameter.
        if error.to_string().starts_with("error serializing parameter") {
            return StoreError::Damaged("a value cannot be stored".to_owned());
        }
        // The cause is the network's or TLS's own and quotes no data.
        let text = match error.source() {
            _ if error.is_closed() => "the connection was closed".to_owned(),
            Some(cause) => format!("no connection ({cause})"),
            None => "no connection".to_owned(),
        };
        return StoreError::Unavailable(format!("PostgreSQL: {text}"));
    };
    if *state == SqlState::UNIQUE_VIOLATION {
        let constraint = error.as_db_error().and_then(|cause| cause.constraint());
        return StoreError::Conflict(match constraint {
            Some("notifications_pkey") => "notification",
            Some("apps_pkey") => "app",
            Some("api_keys_pkey" | "api_keys_lookup_key" | "api_keys_replaces") => "key",
            Some("connections_pkey" | "connections_hook_id_key") => "connection",
            _ => "row",
        });
    }
    if *state == SqlState::FOREIGN_KEY_VIOLATION {
        let constraint = error.as_db_error().and_then(|cause| cause.constraint());
        let connection = constraint.is_some_and(|name| name.ends_with("_connection_id_fkey"));
        return StoreError::NotFound(if connection { "connection" } else { "app" });
    }
    // A row of an app that the transaction did not name. Trying again would not help.
    if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        return StoreError::Damaged(
            "PostgreSQL refused access to a row or table (42501)".to_owned(),
        );
    }
    // Class 22: data the server refuses; 54: over one of its limits.
    if state.code().starts_with("22") || state.code().starts_with("54") {
        return StoreError::Damaged(format!("PostgreSQL refused a value ({})", state.code()));
    }
    StoreError::Unavailable(format!("PostgreSQL answered {}", state.code()))
}

/// [`fault`], for `map_err` of the pool.
pub(super) fn pool_fault(error: deadpool_postgres::PoolError) -> StoreError {
    match error {
        deadpool_postgres::PoolError::Backend(error) => fault(error),
        other => StoreError::Unavailable(format!("PostgreSQL: {}", pool_text(&other))),
    }
}

fn pool_text(error: &deadpool_postgres::PoolError) -> &'static str {
    match error {
        deadpool_postgres::PoolError::Timeout(_) => "no connection in time",
        deadpool_postgres::PoolError::Closed => "the store is closed",
        _ => "no connection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_only_when_asked_for() {
        for (url, tls) in [
            ("postgres://u@h/d", false),
            ("postgres://u@h/d?sslmode=disable", false),
            ("postgres://u@h/d?sslmode=prefer&connect_timeout=3", false),
            ("postgres://u@h/d?sslmode=require", true),
            ("postgres://u@h/d?sslmode=verify-full", true),
        ] {
            assert_eq!(Target::parse(url).unwrap().tls.is_some(), tls, "{url}");
        }
    }

    #[test]
    fn the_address_says_how_long_connecting_may_take() {
        let patience = |url: &str| Target::parse(url).unwrap().patience.as_secs();
        assert_eq!(patience("postgres://u@h/d"), 4);
        assert_eq!(patience("postgres://u@h/d?connect_timeout=9"), 9);
        assert_eq!(patience("postgres://u@h/d?connect_timeout=86400"), 60);
    }

    #[test]
    fn an_unreadable_address_does_not_show_its_password() {
        let error = Target::parse("postgres://u:secret@h:port/d")
            .err()
            .unwrap()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
