//! Sessions for programs, by gRPC: `brio.v1.SessionService` of `proto/brio/v1/session.proto`.
//!
//! [`Server`] is what a home offers, [`Endpoint`] the address at which it is offered, [`Serving`]
//! the server at work. [`proto`] is the code that is made from the proto.
//!
//! | module | what |
//! |---|---|
//! | `service` | each method: counted, bounded, cancelled with its client |
//! | `sessions`, `diff`, `run`, `events` | what they do |
//! | `desk` | what calls share: the home, what clients may use |
//! | `answers` | streams of messages, and who does not read them |
//! | `status`, `fault`, `convert` | errors, and what the host knows, as messages |
//! | `counts` | what is counted |
//! | `endpoint`, `socket`, `wire` | addresses, connections and their limits |
mod answers;
mod convert;
mod counts;
mod desk;
mod diff;
mod endpoint;
mod events;
mod fault;
mod run;
mod service;
mod sessions;
mod socket;
mod status;
mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use brio_host::{Brio, RunLimits};

use crate::news;
use desk::Desk;

pub use counts::Counts;
pub use endpoint::{Address, BadAddress, Endpoint, EndpointError, Serving};

/// The messages and the service, as the proto has them.
#[allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    reason = "generated"
)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/brio.v1.rs"));
}

/// The proto with all that it imports, as reflection tells it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/session.bin"));

/// What clients may do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The directories that they may begin sessions on, and what is below those.
    pub bases: Vec<PathBuf>,
    /// What a run of an agent may use.
    pub limits: RunLimits,
    /// Bytes that it may write.
    pub disk: Option<u64>,
    /// Files that it may create.
    pub files: Option<u64>,
    /// Sessions are exported by NFS too, so that clients are told where.
    pub nfs: bool,
}

/// A server cannot be made so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A directory is not there.
    #[error("GRPC_BASE: {}: {source}; give a directory that is there", path.display())]
    Base {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The host failed.
    #[error("GRPC: {0}")]
    Host(#[from] io::Error),
}

impl SetupError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Base { .. } => "GRPC_BASE",
            Self::Host(_) => "GRPC",
        }
    }
}

/// A home, as clients of gRPC see it. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Server {
    desk: Arc<Desk>,
}

impl Server {
    /// Offers the home's sessions on some directories, and on the projects that it knows by name.
    /// Sessions that clients begin stay when they are gone; nothing else does.
    ///
    /// # Errors
    /// [`SetupError`]: a directory that is not there.
    pub fn new(brio: Brio, options: Options) -> Result<Self, SetupError> {
        let desk = Arc::new(Desk::new(brio, options)?);
        news::listen(&desk.brio, &desk, "brio-grpc")?;
        Ok(Self { desk })
    }

    /// What is counted of its requests.
    pub fn counts(&self) -> Counts {
        self.desk.counts.clone()
    }

    /// Ends what runs for clients, and waits until no call goes on: each gives its lease back.
    fn end(&self) {
        self.desk.end();
        self.desk.live.wait("gRPC");
    }
}
