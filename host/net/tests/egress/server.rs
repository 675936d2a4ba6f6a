//! Servers that answer as told, on the loopback, and keep what they were sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

type Answer = dyn Fn(&str, &mut dyn Write) + Send + Sync;

/// A server; its thread ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// Its authority, in DER and as a file has it.
    pub(crate) ca: Vec<u8>,
    pub(crate) ca_pem: String,
}

impl Server {
    pub(crate) fn plain(answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Self {
        Self::start(None, answer)
    }

    /// With a certificate for these names, from an authority of its own.
    pub(crate) fn tls(
        names: &[&str],
        answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        let (ca, ca_pem, config) = certificates(names);
        Self { ca, ca_pem, ..Self::start(Some(Arc::new(config)), answer) }
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, answer): (_, Arc<Answer>) = (seen.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let (tls, all, answer) = (tls.clone(), all.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut wire: Box<dyn Wire> = match tls {
                        None => Box::new(tcp),
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            Box::new(StreamOwned::new(connection, tcp))
                        }
                    };
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") {
                        match wire.read(&mut byte) {
                            Ok(1) => head.push(byte[0]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let request = format!("{head}{}", body(&head, &mut wire));
                    all.lock().unwrap().push(request.clone());
                    answer(&request, &mut wire);
                    let _ = wire.flush();
                });
            }
        });
        Self { address, seen, ca: Vec::new(), ca_pem: String::new() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// As long as the head says; of one in chunks everything, chunks' heads too.
fn body(head: &str, wire: &mut dyn Wire) -> String {
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let chunked = lower.contains("transfer-encoding: chunked");
    let mut body = Vec::new();
    let mut piece = [0; 4096];
    while body.len() < length.unwrap_or(0) || (chunked && !body.ends_with(b"0\r\n\r\n")) {
        match wire.read(&mut piece) {
            Ok(n @ 1..) => body.extend_from_slice(&piece[..n]),
            _ => break,
        }
    }
    String::from_utf8(body).unwrap()
}

/// Writes a whole response.
pub(crate) fn reply(to: &mut dyn Write, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(to, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
}

fn certificates(names: &[&str]) -> (Vec<u8>, String, ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (ca.der().to_vec(), ca.pem(), config)
}
