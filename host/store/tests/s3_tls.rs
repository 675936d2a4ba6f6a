//! S3 over TLS, by ring, with the certificates that are asked for and no others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod places;

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_store::Put;
use brio_store::backend::{Backend, S3, S3Options, prove};
use bytes::Bytes;
use places::http::Request;
use places::options;
use places::server::{Rules, Server};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server behind TLS, and its certificate.
fn start(dir: &Path, name: &str) -> (String, PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let bundle = dir.join(format!("{name}.pem"));
    std::fs::write(&bundle, made.cert.pem()).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let server = Server::start(Rules::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let state = server.state.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream));
                while let Some(request) = Request::read(&mut reader) {
                    let head = request.method == "HEAD";
                    if state.answer(&request).write(reader.get_mut(), head).is_err() {
                        return;
                    }
                    let _ = reader.get_mut().flush();
                }
            });
        }
    });
    (format!("https://localhost:{}", address.port()), bundle)
}

#[tokio::test]
async fn a_store_behind_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (url, bundle) = start(dir.path(), "localhost");
    let options = S3Options { ca_bundle: Some(bundle), allow_http: false, ..options(&url) };
    let store = S3::open(options).unwrap();
    prove(&store).await.unwrap();
    let bytes: Bytes = vec![1; 1 << 20].into();
    assert_eq!(store.create("a", bytes.clone()).await.unwrap(), Put::Created);
    assert_eq!(store.get("a").await.unwrap(), Some(bytes));
}

#[tokio::test]
async fn who_is_not_trusted_is_not_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    let (url, _) = start(dir.path(), "localhost");
    let (_, others) = start(dir.path(), "elsewhere");
    let (wrong_name, own) = start(dir.path(), "other.example");
    for (url, ca_bundle) in [(&url, None), (&url, Some(others)), (&wrong_name, Some(own))] {
        let mut options = S3Options { ca_bundle, ..options(url) };
        options.patience.retries = 1;
        let e = S3::open(options).unwrap().get("a").await.unwrap_err();
        assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
        assert!(e.to_string().contains("certificate"), "{e}");
    }
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for bundle in [empty, dir.path().join("none.pem")] {
        let options = S3Options { ca_bundle: Some(bundle), ..options("https://localhost") };
        let e = S3::open(options).err().unwrap();
        assert!(e.code() == "IO" && e.to_string().contains(".pem"), "{e}");
    }
}
