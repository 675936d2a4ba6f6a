//! Where clients are served: a loopback address, or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tonic::transport::server::Server as Transport;
use tonic_reflection::server::Builder as Reflection;

use super::proto::session_service_server::SessionServiceServer;
use super::service::Service;
use super::socket::Socket;
use super::wire::{Incoming, Listener, Services};
use super::{DESCRIPTORS, Server};
use crate::{BindError, bind};

/// Bytes of a request. What is answered is bounded where it is made.
const LONGEST: usize = 1 << 20;
/// Requests of one connection that go on at one time; others wait.
const STREAMS: u32 = 64;
/// Bytes of the head of a request.
const LONGEST_HEAD: u32 = 16 << 10;
/// A client that says nothing is asked so often whether it is there, and is gone when it does not
/// answer for so long.
const PULSE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(20);
/// Requests that are given up before they are answered: a connection with more is closed.
const RESETS: usize = 128;
/// How long a server that ends waits for answers to be read.
const PATIENCE: Duration = Duration::from_secs(2);

const SERVICE: bind::Service = bind::Service {
    code: "GRPC",
    public: (
        "GRPC_ADDRESS",
        "a socket as unix:PATH: this version serves gRPC to programs on this machine only",
    ),
};

/// Where clients are to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A loopback address; port 0 is any that is free.
    Tcp(SocketAddr),
    /// A Unix socket, `unix:PATH`.
    Unix(PathBuf),
}

/// It is no address.
#[derive(Debug, Clone, thiserror::Error)]
#[error("GRPC_ADDRESS: `{0}` is no address; give one as 127.0.0.1:9466, or a socket as unix:PATH")]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        match text.strip_prefix("unix:") {
            // As gRPC's own names of targets have it: `unix:PATH` and `unix:///ABSOLUTE`.
            Some(path) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(bad()),
                path => Ok(Self::Unix(path.into())),
            },
            None => text.parse().map(Self::Tcp).map_err(|_| bad()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// There is no place to serve at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// An address of the network that cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket that would not be its owner's alone.
    #[error(
        "GRPC_SOCKET: {}: {why}; give a path in a directory of your own that nobody else can enter (chmod 700)",
        path.display()
    )]
    Socket {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// A server that lives has the socket.
    #[error("GRPC_TAKEN: {} is served by another process; end that, or give another path", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
    },
    /// The host refused.
    #[error("GRPC: {address}: {source}")]
    Host {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl EndpointError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind(e) => e.code(),
            Self::Socket { .. } => "GRPC_SOCKET",
            Self::Taken { .. } => "GRPC_TAKEN",
            Self::Host { .. } => "GRPC",
        }
    }
}

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Unix(Socket),
}

/// An address at which clients will be served.
#[derive(Debug)]
pub struct Endpoint {
    bound: Bound,
    address: Address,
}

/// The endpoint at work. Dropping it ends it, and what runs for its clients.
#[must_use = "dropping it ends it"]
pub struct Serving {
    server: Server,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Takes an address. One that other machines reach is refused: nobody is asked who they are.
    /// Programs of other users are turned away, where the system (Linux) tells whose they are.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn bind(address: &Address) -> Result<Self, EndpointError> {
        Ok(match address {
            Address::Tcp(address) => {
                let (listener, address) = SERVICE.bind(*address, false)?;
                Self { bound: Bound::Tcp(listener), address: Address::Tcp(address) }
            }
            Address::Unix(path) => {
                let socket = Socket::bind(path)?;
                let address = Address::Unix(socket.path.clone());
                Self { bound: Bound::Unix(socket), address }
            }
        })
    }

    /// The address, with the port that was free, or the path from the root.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves, on threads of its own: sessions, health (`grpc.health.v1`) and reflection.
    ///
    /// # Errors
    /// The host's, when there is no thread to be had.
    pub fn serve(self, server: Server) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("brio-grpc")
            .enable_all()
            .build()?;
        let (listener, socket) = {
            let _inside = runtime.enter();
            match self.bound {
                Bound::Tcp(listener) => {
                    (Listener::Tcp(tokio::net::TcpListener::from_std(listener)?), None)
                }
                Bound::Unix(socket) => {
                    let listener = socket.listener.try_clone()?;
                    (Listener::Unix(tokio::net::UnixListener::from_std(listener)?), Some(socket))
                }
            }
        };
        let sessions = SessionServiceServer::new(Service::new(server.desk.clone()))
            .max_decoding_message_size(LONGEST);
        let (health, health_server) = tonic_health::server::health_reporter();
        let fail = |e: tonic_reflection::server::Error| io::Error::other(e.to_string());
        let described = || {
            Reflection::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let services = Services::default()
            .with(sessions)
            .with(health_server)
            .with(described().build_v1().map_err(fail)?)
            .with(described().build_v1alpha().map_err(fail)?);
        let (end, ended) = oneshot::channel::<()>();
        let desk = server.desk.clone();
        let thread = std::thread::Builder::new().name("brio-grpc".into()).spawn(move || {
            runtime.block_on(async {
                health.set_serving::<SessionServiceServer<Service>>().await;
                let (ends, mut ending) = tokio::sync::watch::channel(false);
                let serving = transport().serve_with_incoming_shutdown(
                    services,
                    Incoming::of(listener),
                    async move { drop(ending.wait_for(|ending| *ending).await) },
                );
                tokio::pin!(serving);
                let broke = tokio::select! {
                    served = &mut serving => Some(served),
                    _ = ended => None,
                };
                if let Some(Err(error)) = broke {
                    tracing::error!(%error, "gRPC is not served any more");
                    return;
                }
                health.set_not_serving::<SessionServiceServer<Service>>().await;
                desk.end();
                let _ = ends.send(true);
                // Nobody waits for who reads slowly.
                let _ = tokio::time::timeout(PATIENCE, serving).await;
            });
            runtime.shutdown_background();
            drop(socket);
        })?;
        Ok(Serving { server, end: Some(end), thread: Some(thread) })
    }
}

fn transport() -> Transport {
    Transport::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(LONGEST_HEAD)
        .http2_keepalive_interval(Some(PULSE))
        .http2_keepalive_timeout(Some(SILENCE))
        .http2_max_pending_accept_reset_streams(Some(RESETS))
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.server.end();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_grpc_names_them() {
        for (text, is) in [
            ("unix:s", Address::Unix("s".into())),
            ("unix:/run/s", Address::Unix("/run/s".into())),
            ("unix:///run/s", Address::Unix("/run/s".into())),
            ("127.0.0.1:0", Address::Tcp(([127, 0, 0, 1], 0).into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), is);
        }
        for bad in ["", "unix:", "unix://", "localhost:1", "127.0.0.1", "/run/s"] {
            assert!(bad.parse::<Address>().unwrap_err().to_string().starts_with("GRPC_ADDRESS: "));
        }
    }

    #[test]
    fn others_than_this_machine_are_refused() {
        for public in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let e = Endpoint::bind(&public.parse().unwrap()).unwrap_err();
            assert_eq!(e.code(), "GRPC_ADDRESS");
            assert!(e.to_string().contains("unix:PATH"), "{e}");
        }
        assert!(Endpoint::bind(&"127.0.0.1:0".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_socket_is_its_owners_and_a_dead_ones_is_taken_over() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| Address::Unix(dir.path().join(name));
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let e = Endpoint::bind(&at("s")).unwrap_err();
        assert_eq!(e.code(), "GRPC_SOCKET", "{e}");
        // One of its own is made where there is none.
        let own = at("own/s");
        let Address::Unix(path) = &own else { unreachable!() };
        let endpoint = Endpoint::bind(&own).unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(path) & 0o777, 0o600);
        assert_eq!(mode(path.parent().unwrap()) & 0o777, 0o700);
        assert_eq!(Endpoint::bind(&own).unwrap_err().code(), "GRPC_TAKEN");
        drop(endpoint);
        assert!(!path.exists());
        // As a process that was killed leaves it.
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        assert!(path.exists());
        drop(Endpoint::bind(&own).unwrap());
        // Another program's, which lives.
        let other = std::os::unix::net::UnixListener::bind(path).unwrap();
        assert_eq!(Endpoint::bind(&own).unwrap_err().code(), "GRPC_TAKEN");
        drop(other);
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, "no socket").unwrap();
        assert_eq!(Endpoint::bind(&own).unwrap_err().code(), "GRPC_SOCKET");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "no socket");
        let long = at(&format!("own/{}", "x".repeat(200)));
        assert_eq!(Endpoint::bind(&long).unwrap_err().code(), "GRPC");
    }
}
