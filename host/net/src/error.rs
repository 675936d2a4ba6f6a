//! Why a request got no response.

use std::net::IpAddr;
use std::time::Duration;

use crate::{AllowHost, Host};

/// Why a request got no response, or not all of it. None of them has a secret, a query or a body
/// in its text.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The host is not on the allow-list.
    #[error("NET_DENIED: {grant} is not granted; to allow it: --allow-host {grant}")]
    Denied {
        /// The grant that would open it.
        grant: AllowHost,
    },
    /// The host has only addresses that are not public, and that nobody named.
    #[error(
        "NET_ADDRESS: {host} is {address}, which is not public ({what}); to allow it, name the address too: --allow-host {grant}"
    )]
    Address {
        /// The host.
        host: Host,
        /// Its address.
        address: IpAddr,
        /// What that is.
        what: &'static str,
        /// The grant that would open it, beside the one for the host.
        grant: AllowHost,
    },
    /// The request is none that is sent: no host in it, a user in it, another scheme, CONNECT or
    /// TRACE.
    #[error("NET_REQUEST: {0}")]
    Request(&'static str),
    /// The name has no address, or nobody says.
    #[error("NET_DNS: {host}: {reason}")]
    Dns {
        /// The name.
        host: Host,
        /// What the resolver said.
        reason: String,
    },
    /// No connection.
    #[error("NET_CONNECT: {host}, {address}: {reason}")]
    Connect {
        /// The host.
        host: Host,
        /// The last address that was tried.
        address: IpAddr,
        /// What the system said.
        reason: String,
        /// Whether there was somebody who refused.
        refused: bool,
    },
    /// TLS could not be agreed upon, or the certificate is not trusted.
    #[error("NET_TLS: {host}: {reason}")]
    Tls {
        /// The host.
        host: Host,
        /// What was wrong.
        reason: String,
        /// Whether it is the certificate.
        certificate: bool,
    },
    /// It took too long.
    #[error("NET_TIMEOUT: {}: nothing within {} s", .phase.what(), .after.as_secs_f64())]
    Timeout {
        /// What did.
        phase: Phase,
        /// The time that it had.
        after: Duration,
    },
    /// The run has used up what it may.
    #[error("NET_LIMIT: {}", .0.what())]
    Limit(NetLimit),
    /// The connection broke, or what came is no HTTP.
    #[error("NET_PROTOCOL: {0}")]
    Protocol(String),
    /// The run ended, or nobody wanted the response any more.
    #[error("NET_CANCELLED: it was given up before it was complete")]
    Cancelled,
}

impl NetError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "NET_DENIED",
            Self::Address { .. } => "NET_ADDRESS",
            Self::Request(_) => "NET_REQUEST",
            Self::Dns { .. } => "NET_DNS",
            Self::Connect { .. } => "NET_CONNECT",
            Self::Tls { .. } => "NET_TLS",
            Self::Timeout { .. } => "NET_TIMEOUT",
            Self::Limit(_) => "NET_LIMIT",
            Self::Protocol(_) => "NET_PROTOCOL",
            Self::Cancelled => "NET_CANCELLED",
        }
    }

    /// What a guest is told of it.
    pub fn kind(&self) -> NetErrorKind {
        match self {
            Self::Denied { .. } => NetErrorKind::Denied,
            Self::Address { .. } => NetErrorKind::Address,
            Self::Request(_) => NetErrorKind::Request,
            Self::Dns { .. } => NetErrorKind::Dns,
            Self::Connect { refused: true, .. } => NetErrorKind::ConnectRefused,
            Self::Connect { .. } => NetErrorKind::Connect,
            Self::Tls { certificate: true, .. } => NetErrorKind::TlsCertificate,
            Self::Tls { .. } => NetErrorKind::Tls,
            Self::Timeout { phase: Phase::Connect, .. } => NetErrorKind::TimeoutConnect,
            Self::Timeout { phase: Phase::FirstByte, .. } => NetErrorKind::TimeoutFirstByte,
            Self::Timeout { phase: Phase::BetweenBytes, .. } => NetErrorKind::TimeoutBetweenBytes,
            Self::Limit(NetLimit::Requests) => NetErrorKind::LimitRequests,
            Self::Limit(NetLimit::Concurrent) => NetErrorKind::LimitConcurrent,
            Self::Limit(NetLimit::Sent) => NetErrorKind::LimitSent,
            Self::Limit(NetLimit::Received) => NetErrorKind::LimitReceived,
            Self::Protocol(_) => NetErrorKind::Protocol,
            Self::Cancelled => NetErrorKind::Cancelled,
        }
    }

    /// The grant that would open what was refused.
    pub fn grant(&self) -> Option<&AllowHost> {
        match self {
            Self::Denied { grant } | Self::Address { grant, .. } => Some(grant),
            _ => None,
        }
    }
}

/// What a guest is told of a [`NetError`]: no name, address or reason. Those are the person's, in
/// the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NetErrorKind {
    /// [`NetError::Denied`].
    #[error("NET_DENIED: the host is not granted")]
    Denied,
    /// [`NetError::Address`].
    #[error("NET_ADDRESS: the host's address is not public")]
    Address,
    /// [`NetError::Request`].
    #[error("NET_REQUEST: it is no request that is sent")]
    Request,
    /// [`NetError::Dns`].
    #[error("NET_DNS: the host has no address")]
    Dns,
    /// [`NetError::Connect`], by somebody who is there.
    #[error("NET_CONNECT: the connection was refused")]
    ConnectRefused,
    /// [`NetError::Connect`] otherwise.
    #[error("NET_CONNECT: the host is not reachable")]
    Connect,
    /// [`NetError::Tls`], for the certificate.
    #[error("NET_TLS: the certificate is not trusted")]
    TlsCertificate,
    /// [`NetError::Tls`] otherwise.
    #[error("NET_TLS: TLS could not be agreed upon")]
    Tls,
    /// [`NetError::Timeout`] in [`Phase::Connect`].
    #[error("NET_TIMEOUT: {}", Phase::Connect.what())]
    TimeoutConnect,
    /// [`NetError::Timeout`] in [`Phase::FirstByte`].
    #[error("NET_TIMEOUT: {}", Phase::FirstByte.what())]
    TimeoutFirstByte,
    /// [`NetError::Timeout`] in [`Phase::BetweenBytes`].
    #[error("NET_TIMEOUT: {}", Phase::BetweenBytes.what())]
    TimeoutBetweenBytes,
    /// [`NetError::Limit`] of [`NetLimit::Requests`].
    #[error("NET_LIMIT: {}", NetLimit::Requests.what())]
    LimitRequests,
    /// [`NetError::Limit`] of [`NetLimit::Concurrent`].
    #[error("NET_LIMIT: {}", NetLimit::Concurrent.what())]
    LimitConcurrent,
    /// [`NetError::Limit`] of [`NetLimit::Sent`].
    #[error("NET_LIMIT: {}", NetLimit::Sent.what())]
    LimitSent,
    /// [`NetError::Limit`] of [`NetLimit::Received`].
    #[error("NET_LIMIT: {}", NetLimit::Received.what())]
    LimitReceived,
    /// [`NetError::Protocol`].
    #[error("NET_PROTOCOL: the connection broke, or what came is no HTTP")]
    Protocol,
    /// [`NetError::Cancelled`]; also of a relay whose other end is gone.
    #[error("NET_CANCELLED: it was given up before it was complete")]
    Cancelled,
}

/// What of a request took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// To a connection.
    Connect,
    /// To the head of the response.
    FirstByte,
    /// To more of its body.
    BetweenBytes,
}

impl Phase {
    fn what(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::FirstByte => "no response",
            Self::BetweenBytes => "no more of the response",
        }
    }
}

/// Which of [`NetLimits`](crate::NetLimits) was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetLimit {
    /// Requests in all.
    Requests,
    /// Requests at one time.
    Concurrent,
    /// Bytes sent.
    Sent,
    /// Bytes received.
    Received,
}

impl NetLimit {
    fn what(self) -> &'static str {
        match self {
            Self::Requests => "the run has made as many requests as it may",
            Self::Concurrent => "as many requests as may be at one time are under way",
            Self::Sent => "the run has sent as many bytes as it may",
            Self::Received => "the run has received as many bytes as it may",
        }
    }
}
