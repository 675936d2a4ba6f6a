//! What an agent reaches of the network: nothing, but for what is granted.
//!
//! An [`Egress`] sends the HTTP requests of one run. It knows no WebAssembly and no session: a
//! request goes in, a response or a [`NetError`] comes out, and a [`RequestRecord`] is left of
//! each. It reads no environment; proxies are not used.
//!
//! ```
//! use brio_net::{AllowHost, Egress, EgressOptions};
//!
//! let grants: Vec<AllowHost> = vec!["api.example.com".parse()?, "http://localhost:8080".parse()?];
//! let egress = Egress::new(EgressOptions { allow: grants, ..EgressOptions::default() })?;
//! assert!(egress.close().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | |
//! |---|---|
//! | `host`, `grant` | names and addresses as they are written; what an allow-list opens |
//! | `address` | which addresses are nobody's to reach unless they are named |
//! | `secret` | what the host puts into headers, and nobody sees |
//! | `resolve`, `connect`, `tls` | from a name to a connection to an address that was looked at |
//! | `egress`, `body` | one request: checked, sent, counted, timed |
//! | `relay` | requests of a process that has no network, over a socket |
//! | `limits`, `record`, `error` | how much, what is left of it, what went wrong |
#![deny(missing_docs)]

mod address;
mod body;
mod connect;
mod egress;
mod error;
mod grant;
mod host;
mod limits;
mod record;
#[cfg(unix)]
mod relay;
mod resolve;
mod secret;
mod tls;

pub use address::not_public;
pub use body::ResponseBody;
pub use egress::{Egress, EgressError, EgressOptions, Timeouts};
pub use error::{NetError, NetErrorKind, NetLimit, Phase};
pub use grant::AllowHost;
pub use host::{Host, HostError, Scheme};
pub use limits::NetLimits;
pub use record::{Observer, RequestRecord};
#[cfg(unix)]
pub use relay::{Relay, RelayBody, serve};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use secret::{Secret, SecretError, SecretSource, SecretSpec};
pub use tls::{Trust, TrustError};
