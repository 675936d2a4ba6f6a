//! A connection to an address that was looked at.
//!
//! A name is resolved once; what the resolver answers is checked, and one of those very
//! addresses is connected to. So a name that answers otherwise the next time gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{AllowHost, Host, NetError, Resolve, Scheme, Trust, not_public};

/// So many addresses of one host are tried.
const MOST_ADDRESSES: usize = 8;
/// An address that does not answer keeps the next one waiting for so long.
const EACH: Duration = Duration::from_secs(3);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whom to connect to, and what is granted.
pub(crate) struct Target<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a Host,
    pub(crate) port: u16,
    pub(crate) allow: &'a [AllowHost],
}

impl Target<'_> {
    pub(crate) async fn connect(
        &self,
        resolver: &dyn Resolve,
        trust: &Trust,
    ) -> Result<Box<dyn Stream>, NetError> {
        let addresses = self.permitted(self.addresses(resolver).await?)?;
        let tcp = self.tcp(&addresses).await?;
        match self.scheme {
            Scheme::Http => Ok(Box::new(tcp)),
            Scheme::Https => self.tls(tcp, trust).await,
        }
    }

    async fn addresses(&self, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, NetError> {
        let name = match self.host {
            Host::Address(address) => return Ok(vec![*address]),
            // By RFC 6761, whatever a resolver says.
            host if host.is_localhost() => {
                return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
            }
            Host::Name(name) => name,
        };
        let dns = |reason: String| NetError::Dns { host: self.host.clone(), reason };
        let found = resolver.resolve(name).await.map_err(|e| dns(e.to_string()))?;
        match found.is_empty() {
            true => Err(dns("the name has no address".into())),
            false => Ok(found),
        }
    }

    /// The addresses that may be connected to.
    fn permitted(&self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, NetError> {
        let mut refused = None;
        let mut permitted = Vec::new();
        for address in found.into_iter().map(|a| a.to_canonical()) {
            match not_public(address) {
                Some(what) if !self.named(address) => refused = refused.or(Some((address, what))),
                _ if permitted.contains(&address) => {}
                _ => permitted.push(address),
            }
        }
        permitted.truncate(MOST_ADDRESSES);
        match refused {
            Some((address, what)) if permitted.is_empty() => Err(NetError::Address {
                host: self.host.clone(),
                address,
                what,
                grant: AllowHost::exact(self.scheme, Host::Address(address), self.port),
            }),
            _ => Ok(permitted),
        }
    }

    /// Whether a grant names that address. The host itself is granted, or this is not reached.
    fn named(&self, address: IpAddr) -> bool {
        let local = self.host.is_localhost() && address.is_loopback();
        local || self.allow.iter().any(|grant| grant.names_address(address, self.port))
    }

    async fn tcp(&self, addresses: &[IpAddr]) -> Result<TcpStream, NetError> {
        let mut last = None;
        for (i, address) in addresses.iter().enumerate() {
            let connecting = TcpStream::connect(SocketAddr::new(*address, self.port));
            // The last one has all the time that is left.
            let done = if i + 1 == addresses.len() {
                connecting.await
            } else {
                let slow = |_| io::ErrorKind::TimedOut.into();
                tokio::time::timeout(EACH, connecting).await.map_err(slow).and_then(|done| done)
            };
            match done {
                Ok(tcp) => {
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Err(e) => last = Some((*address, e)),
            }
        }
        let (address, e) =
            last.unwrap_or((IpAddr::V4(Ipv4Addr::UNSPECIFIED), io::ErrorKind::NotFound.into()));
        Err(NetError::Connect {
            host: self.host.clone(),
            address,
            refused: e.kind() == io::ErrorKind::ConnectionRefused,
            reason: e.to_string(),
        })
    }

    async fn tls(&self, tcp: TcpStream, trust: &Trust) -> Result<Box<dyn Stream>, NetError> {
        let fail = |reason: String, certificate| NetError::Tls {
            host: self.host.clone(),
            reason,
            certificate,
        };
        // Files are read the first time.
        let trust = trust.clone();
        let config = tokio::task::spawn_blocking(move || trust.config()).await;
        let config = config.map_err(|e| fail(e.to_string(), false))?;
        let config = config.map_err(|e| fail(e.to_string(), false))?;
        let name = match self.host {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| fail("no certificate can be for such a name".into(), false))?,
        };
        match TlsConnector::from(config).connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(e) => {
                let inner = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
                let certificate = matches!(inner, Some(rustls::Error::InvalidCertificate(_)));
                Err(fail(e.to_string(), certificate))
            }
        }
    }
}
