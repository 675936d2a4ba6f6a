//! How much one run may do with what it is granted.

use std::time::Duration;

/// Limits of the requests of one run. A guest may ask for shorter times, never for longer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// From the request to a connection that can be used: the wait for a free one, the name, the
    /// address, TLS.
    pub connect: Duration,
    /// From there to the head of the response, with the request's body sent.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub between_bytes: Duration,
    /// Requests in all, refused ones included.
    pub requests: u32,
    /// Requests at one time, until the response's body is read to its end or dropped.
    pub concurrent: u32,
    /// Bytes of all requests' bodies together.
    pub sent: u64,
    /// Bytes of all responses' bodies together.
    pub received: u64,
}

impl Default for NetLimits {
    /// 10 s, 5 minutes (a language model thinks before it answers), 1 minute; 1,000 requests, 16 at
    /// one time; 256 MiB sent, 1 GiB received.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            between_bytes: Duration::from_secs(60),
            requests: 1000,
            concurrent: 16,
            sent: 256 << 20,
            received: 1 << 30,
        }
    }
}
