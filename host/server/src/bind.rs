//! Taking an address.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// There is no place to serve at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Others than this machine could ask, and nothing says that they may.
    #[error(
        "{code}: {address} can be reached from other machines; name a loopback address, or {or}"
    )]
    Public {
        /// The address.
        address: SocketAddr,
        /// The stable code.
        code: &'static str,
        /// What would let them.
        or: &'static str,
    },
    /// The host refused.
    #[error("{code}: {address}: {source}")]
    Host {
        /// The address.
        address: SocketAddr,
        /// The stable code.
        code: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl BindError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Public { code, .. } | Self::Host { code, .. } => code,
        }
    }
}

/// What is served, as errors name it.
pub(crate) struct Service {
    /// The code of what the host refuses.
    pub(crate) code: &'static str,
    /// The code of an address that others reach, and what would let them.
    pub(crate) public: (&'static str, &'static str),
}

impl Service {
    /// Takes an address, for a runtime; port 0 is any that is free. `public`: it need not be a
    /// loopback address.
    pub(crate) fn bind(
        &self,
        address: SocketAddr,
        public: bool,
    ) -> Result<(TcpListener, SocketAddr), BindError> {
        if !public && !address.ip().to_canonical().is_loopback() {
            let (code, or) = self.public;
            return Err(BindError::Public { address, code, or });
        }
        let fail = |source| BindError::Host { address, code: self.code, source };
        let listener = TcpListener::bind(address).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok((listener, address))
    }
}

/// Whether a program that connected from this machine is the owner's of this process, or root's:
/// those of other users are turned away, where nothing else says who asks. Reads.
#[cfg(all(unix, any(feature = "grpc", feature = "mcp")))]
pub(crate) async fn is_owner(stream: &tokio::net::TcpStream, client: SocketAddr) -> bool {
    use brio_peer::{Peer, peer};
    let server = stream.local_addr();
    let look = move || server.map_or(Peer::Nobody, |server| peer(client, server));
    let peer = tokio::task::spawn_blocking(look).await.unwrap_or(Peer::Nobody);
    let is = peer.may_be(rustix::process::geteuid().as_raw());
    if !is {
        tracing::warn!(%client, ?peer, "turned away: another user of this machine");
    }
    is
}

/// Users are not told apart here.
#[cfg(all(not(unix), any(feature = "grpc", feature = "mcp")))]
pub(crate) async fn is_owner(_: &tokio::net::TcpStream, _: SocketAddr) -> bool {
    true
}
