//! Sessions as tools and resources, for clients of the Model Context Protocol (MCP).
//!
//! [`Server`] is what a home offers; [`Server::serve_stdio`] speaks to one client through standard
//! input and output, [`Endpoint`] to many by streamable HTTP. The protocol is the SDK's matter.
//!
//! | module | what |
//! |---|---|
//! | `tools` | the tools: a module for each family, and the list of all |
//! | `resources`, `name` | sessions, their diffs and notes as resources, and what those are called |
//! | `desk` | what connections share: the home, the bases that clients may use, the calls |
//! | `watch` | what is told of resources |
//! | `handler` | one connection |
//! | `failure`, `json` | what is answered |
//! | `stdio`, `http` | the transports |
mod desk;
mod failure;
mod handler;
mod http;
mod json;
mod name;
mod resources;
mod stdio;
mod tools;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use brio_host::{Brio, RunError, RunLimits};

use crate::news;
use desk::Desk;
use tools::ToolDef;

pub use http::{Endpoint, HttpOptions, Serving, Token, TokenError};

/// What clients may do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The directories that they may begin sessions on, and what is below those. The first is
    /// what is meant when a client names none.
    pub bases: Vec<PathBuf>,
    /// Agents that are tools of their own.
    pub agents: Vec<PathBuf>,
    /// What a run of an agent may use.
    pub limits: RunLimits,
    /// Bytes that it may write.
    pub disk: Option<u64>,
    /// Files that it may create.
    pub files: Option<u64>,
}

/// A server cannot be made so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A base is not there.
    #[error("MCP_BASE: {}: {source}; give a directory that is there", path.display())]
    Base {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An agent cannot be offered.
    #[error(transparent)]
    Agent {
        /// Why.
        #[from]
        source: RunError,
    },
    /// Two agents have one name.
    #[error("MCP_AGENT: two agents would be the tool {name}; rename the file of one")]
    Twice {
        /// The tool.
        name: String,
    },
    /// The host failed.
    #[error("MCP: {0}")]
    Host(#[from] io::Error),
}

impl SetupError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Base { .. } => "MCP_BASE",
            Self::Agent { source } => source.code(),
            Self::Twice { .. } => "MCP_AGENT",
            Self::Host(_) => "MCP",
        }
    }
}

/// A home, as clients of MCP see it. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Server {
    desk: Arc<Desk>,
    tools: Arc<Vec<ToolDef>>,
}

impl Server {
    /// Offers the home's sessions on some bases. Sessions that clients begin stay when they are
    /// gone; nothing else does.
    ///
    /// # Errors
    /// [`SetupError`]: a base that is not there, an agent that does not run.
    pub fn new(brio: Brio, options: Options) -> Result<Self, SetupError> {
        let desk = Arc::new(Desk::new(brio, options)?);
        news::listen(&desk.brio, &desk, "brio-mcp")?;
        let tools = Arc::new(tools::all(&desk));
        Ok(Self { desk, tools })
    }
}
