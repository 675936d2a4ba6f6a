//! Errors of the operations that are more than one crate's.

use std::io;
use std::path::PathBuf;

use brio_landing::{BeginError, BindError, DomainError, LeaseError, SessionError};
use brio_registry::RegistryError;
use brio_runtime::net::EgressError;
use brio_runtime::{EngineError, LoadError};

use crate::inputs::InputError;
use crate::plain::PlainError;

/// Brio could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The home cannot be made or used.
    #[error("HOME: {} cannot be used ({source}); set BRIO_HOME to a directory of your own", path.display())]
    Home {
        /// The home.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] RegistryError),
}

impl OpenError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Home { .. } => "HOME",
            Self::Index(e) => e.code(),
        }
    }
}

/// A session could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// It has ended, the index says.
    #[error("SESSION_ENDED: {id} has ended ({state}); begin a new one")]
    Ended {
        /// The session.
        id: String,
        /// How it ended.
        state: String,
    },
    /// None was named, and none is current.
    #[error(
        "NO_CURRENT: no session is current here; name one (`brio session list` shows them), or make it so: `brio session resume ID`"
    )]
    NoCurrent,
    /// It is not there, or cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The index cannot be used, or the prefix fits several.
    #[error(transparent)]
    Index(#[from] RegistryError),
    /// It may be in a project's store, which cannot be asked, or says that it has ended.
    #[error(transparent)]
    Store(Box<crate::StoreError>),
}

impl From<DomainError> for FindError {
    fn from(e: DomainError) -> Self {
        Self::Session(e.into())
    }
}

impl FindError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ended { .. } => "SESSION_ENDED",
            Self::NoCurrent => "NO_CURRENT",
            Self::Session(e) => e.code(),
            Self::Index(e) => e.code(),
            Self::Store(e) => e.code(),
        }
    }
}

/// An agent could not be run. No session is left behind that was not there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No such file, and no bundled agent of that name.
    #[error("AGENT_UNKNOWN: {} is no file, and no bundled agent; `brio agent list` shows those", name.display())]
    UnknownAgent {
        /// What was asked for.
        name: PathBuf,
    },
    /// The file cannot be read.
    #[error("AGENT_UNREADABLE: {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no agent.
    #[error("{}", with_name(name, source))]
    Load {
        /// Which.
        name: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// It was to work, and is a reviewer.
    #[error("AGENT_REVIEWER: {} is a reviewer, and changes nothing; name it as one, or name another agent", name.display())]
    Reviewer {
        /// Which.
        name: PathBuf,
    },
    /// It was to judge, and is no reviewer.
    #[error("AGENT_NO_REVIEWER: {} gives no verdict; name an agent of the world `reviewer`", name.display())]
    NoReviewer {
        /// Which.
        name: PathBuf,
    },
    /// It imports a capability that was not granted.
    #[error("NOT_GRANTED: {} {}; allow it with --grant {grant}", name.display(), use_of(grant))]
    NotGranted {
        /// Which.
        name: PathBuf,
        /// The grant that it needs.
        grant: &'static str,
    },
    /// A file of the task cannot be given to it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// WebAssembly cannot be run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There was no session to run in.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The session cannot be written in.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// What the session shows beside itself cannot be shown.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The plain directory could not be made or taken back.
    #[error(transparent)]
    Plain(#[from] PlainError),
    /// It was to run in a process of its own, and cannot.
    #[error(
        "SANDBOX: {why}; leave --require-sandbox out to run it in the supervisor's process, kept by WebAssembly alone"
    )]
    Sandbox {
        /// What is missing.
        why: String,
    },
    /// What it was granted of the network does not fit together.
    #[error(transparent)]
    Net(#[from] EgressError),
}

fn with_name(name: &std::path::Path, source: &LoadError) -> String {
    let text = source.to_string();
    match text.split_once(": ") {
        Some((code, rest)) => format!("{code}: {}: {rest}", name.display()),
        None => format!("AGENT: {}: {text}", name.display()),
    }
}

/// What an agent does with a grant.
fn use_of(grant: &str) -> &'static str {
    match grant {
        "session-fs" => "begins sessions of its own",
        "project-record" => "reads and writes the project's record and notes",
        _ => "needs what it was not given",
    }
}

impl RunError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAgent { .. } => "AGENT_UNKNOWN",
            Self::Unreadable { .. } => "AGENT_UNREADABLE",
            Self::Load { source, .. } => source.code(),
            Self::Reviewer { .. } => "AGENT_REVIEWER",
            Self::NoReviewer { .. } => "AGENT_NO_REVIEWER",
            Self::NotGranted { .. } => "NOT_GRANTED",
            Self::Input(_) => "INPUT",
            Self::Engine(e) => e.code(),
            Self::Begin(e) => e.code(),
            Self::Lease(e) => e.code(),
            Self::Bind(e) => e.code(),
            Self::Plain(e) => e.code(),
            Self::Sandbox { .. } => "SANDBOX",
            Self::Net(e) => e.code(),
        }
    }
}
