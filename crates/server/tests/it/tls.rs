//! TLS of our own: a real handshake, a certificate replaced while the server runs, a plain
//! client turned away.

use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};

use crate::program::Server;

/// Puts a new self-signed certificate into the folder and gives it back.
fn certificate(folder: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Key first: the server may look in between, and must then stay with the old pair.
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

/// A client that believes this certificate alone and keeps no connection.
fn believing(certificate: Certificate) -> Client {
    Client::builder()
        .tls_certs_only([certificate])
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

fn server(folder: &Path, more: &[(&str, &str)]) -> Server {
    let mut settings = vec![
        ("SWITCHHOOK__TLS__CERTIFICATE", "cert.pem"),
        ("SWITCHHOOK__TLS__KEY", "key.pem"),
    ];
    settings.extend(more);
    Server::start_with(folder, &settings)
}

#[tokio::test]
async fn https_is_served_and_a_renewed_certificate_is_picked_up() {
    let folder = tempfile::tempdir().unwrap();
    let old = certificate(folder.path());
    let first = believing(old.clone());
    let required = [("SWITCHHOOK__SERVER__REQUIRE_HTTPS", "true")];
    let server = server(folder.path(), &required);
    let url = server.url.replace("127.0.0.1", "localhost") + "/health";
    assert!(url.starts_with("https://"), "{url}");
    let health = first.get(&url).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(
        health.headers()["strict-transport-security"],
        "max-age=31536000"
    );
    let plain = url.replace("https://", "http://");
    assert!(first.get(&plain).send().await.is_err(), "no plain HTTP");

    let second = believing(certificate(folder.path()));
    let patience = Instant::now() + Duration::from_secs(20);
    while second.get(&url).send().await.is_err() {
        assert!(Instant::now() < patience, "the new certificate never came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // A new client: the first may resume its session without looking at a certificate.
    let late = believing(old).get(&url).send().await;
    assert!(late.is_err(), "the old one is gone");
}

#[tokio::test]
async fn half_a_certificate_does_not_put_the_server_out() {
    let folder = tempfile::tempdir().unwrap();
    let client = believing(certificate(folder.path()));
    let server = server(folder.path(), &[]);
    let url = server.url.replace("127.0.0.1", "localhost") + "/health";
    std::fs::write(folder.path().join("cert.pem"), "half a certi").unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}
