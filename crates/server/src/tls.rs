//! TLS of our own, for those without a proxy: certificate and key from two PEM files, read again
//! when they change, so that a renewal needs no restart. Not here: what is served over it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::serve::Listener;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tls_listener::TlsListener;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a client has for the handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to the authority, PEM, ours first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    fn read(&self, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
        let place = |path: &Path| format!("cannot read {}", path.display());
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .with_context(|| place(&self.certificate))?
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| place(&self.certificate))?;
        anyhow::ensure!(
            !chain.is_empty(),
            "there is no certificate in {}",
            self.certificate.display()
        );
        let key = PrivateKeyDer::from_pem_file(&self.key).with_context(|| place(&self.key))?;
        let certified = CertifiedKey::from_der(chain, key, provider);
        certified.with_context(|| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("{certificate} and {key} do not belong together")
        })
    }

    /// Changes whenever one of the files is written or replaced.
    fn stamp(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|path| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }
}

/// The certificate of the moment.
struct Current(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(…)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

/// A listener that speaks TLS.
pub struct Secured(TlsListener<TcpListener, TlsAcceptor>);

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                // No descriptors left, or the like: waiting is all that helps.
                Err(tls_listener::Error::ListenerError(error)) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                // Scanners and plain HTTP do this all day; it is no fault of ours.
                Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.listener().local_addr()
    }
}

/// TLS, ready to be put in front of a listener.
#[derive(Clone, Debug)]
pub struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, holds nothing of use, or they do not belong together.
    pub fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = files.read(&provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        // No h2: browsers would then open WebSockets by RFC 8441, which proxies and some of our
        // clients do not know; one agent's page needs two connections.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            files,
            provider,
            current,
            config: Arc::new(config),
        })
    }

    /// Puts it in front of a listener. Handshakes run beside one another, each with a limit.
    #[must_use]
    pub fn listen(&self, listener: TcpListener) -> Secured {
        let acceptor = TlsAcceptor::from(self.config.clone());
        let builder = tls_listener::builder(acceptor)
            .handshake_timeout(HANDSHAKE_LIMIT)
            .listen(listener);
        Secured(builder)
    }

    /// Reads the files again whenever they change, until `stop`. What cannot be used is told and
    /// the old certificate goes on.
    pub async fn watch(self, stop: CancellationToken) {
        let mut known = self.files.stamp();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
            let now = self.files.stamp();
            if now == known {
                continue;
            }
            known = now;
            match self.files.read(&self.provider) {
                Ok(certified) => {
                    let mut current = self
                        .current
                        .0
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::new(certified);
                    tracing::info!("the TLS certificate was read again");
                }
                // Two files are replaced one after the other: the second change comes at the next
                // look, and then they belong together again.
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "the old TLS certificate stays");
                }
            }
        }
    }
}
