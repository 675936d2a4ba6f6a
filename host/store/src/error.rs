//! What can go wrong, and what a person can do about it.

use std::io;

use crate::{Hash, ProjectId};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The error of an operation on a store. Its text begins with a stable code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no store's URL.
    #[error(
        "STORE_URL: `{url}` is no store: {why}; expected a directory, `file:///DIR` or `s3://BUCKET/PREFIX`"
    )]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        why: String,
    },
    /// The store did not answer, or not in time. Trying again later is safe.
    #[error(
        "STORE_UNREACHABLE: {store}: {what}: {why}; nothing was lost, try again when it answers"
    )]
    Unreachable {
        /// The store.
        store: String,
        /// What was asked.
        what: String,
        /// What happened.
        why: String,
    },
    /// The store refuses us.
    #[error(
        "STORE_DENIED: {store}: {what}: {why}; check the credentials, the region and the clock of this machine"
    )]
    Denied {
        /// The store.
        store: String,
        /// What was asked.
        what: String,
        /// Its words.
        why: String,
    },
    /// There are no credentials to be found.
    #[error(
        "STORE_CREDENTIALS: {store}: {why}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile with AWS_PROFILE"
    )]
    Credentials {
        /// The store.
        store: String,
        /// What was looked for.
        why: String,
    },
    /// There is no such bucket.
    #[error(
        "STORE_BUCKET: {store}: there is no such bucket; check its name, the endpoint and the region"
    )]
    NoBucket {
        /// The store.
        store: String,
    },
    /// The server ignores conditions, so two writers would overwrite each other.
    #[error(
        "STORE_CONDITIONS: {store} cannot hold a project: {why}; use a server with conditional writes"
    )]
    NoConditions {
        /// The store.
        store: String,
        /// Which condition was not honoured.
        why: String,
    },
    /// Something in the store is not what its name or its format says.
    #[error(
        "STORE_CORRUPT: {what}: {why}; `brio project fsck` tells what else is, and what can be mended"
    )]
    Corrupt {
        /// Which object.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Something that must be there is not.
    #[error("STORE_MISSING: {what} is not in the store; `brio project fsck` tells what needs it")]
    Missing {
        /// Which object.
        what: String,
    },
    /// A collection that could not see all that is needed, and removed nothing.
    #[error("STORE_UNMARKED: nothing was removed, because {root} cannot be read whole: {source}")]
    Unmarked {
        /// What needs it.
        root: String,
        /// Why not.
        source: Box<Error>,
    },
    /// It was written by a newer version.
    #[error(
        "STORE_FORMAT: {what} has format {found}, and this version knows {known}; use a newer brio"
    )]
    Format {
        /// Which document.
        what: String,
        /// Its format.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// There is no such project.
    #[error(
        "PROJECT_UNKNOWN: {store} has no project {project}; name the store that has it (`--store URL`), or make it: `brio project init --store URL --name {project}`"
    )]
    NoProject {
        /// The store.
        store: String,
        /// The project.
        project: ProjectId,
    },
    /// There is no such session.
    #[error(
        "SESSION_UNKNOWN: project {project} has no session {id} in {store}; `brio session push` brings it there from where it is"
    )]
    NoSession {
        /// The store.
        store: String,
        /// The project.
        project: ProjectId,
        /// The session.
        id: String,
    },
    /// Somebody else moved it.
    #[error("CONFLICT: {what} moved meanwhile: {now}")]
    Moved {
        /// What.
        what: String,
        /// How it stands now.
        now: String,
    },
    /// It moved all the time.
    #[error("STORE_BUSY: {what} kept moving, {attempts} attempts were lost to others; try again")]
    Busy {
        /// What.
        what: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A tree that is asked for, and which cannot be.
    #[error("STORE_INPUT: {path}: {why}")]
    Input {
        /// The path, for people.
        path: String,
        /// Why not.
        why: String,
    },
    /// The host's.
    #[error("{what}: {source}")]
    Host {
        /// What was done.
        what: String,
        /// Its error.
        source: io::Error,
    },
}

impl Error {
    /// The stable code that its text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "STORE_URL",
            Self::Unreachable { .. } => "STORE_UNREACHABLE",
            Self::Denied { .. } => "STORE_DENIED",
            Self::Credentials { .. } => "STORE_CREDENTIALS",
            Self::NoBucket { .. } => "STORE_BUCKET",
            Self::NoConditions { .. } => "STORE_CONDITIONS",
            Self::Corrupt { .. } => "STORE_CORRUPT",
            Self::Missing { .. } => "STORE_MISSING",
            Self::Unmarked { .. } => "STORE_UNMARKED",
            Self::Format { .. } => "STORE_FORMAT",
            Self::NoProject { .. } => "PROJECT_UNKNOWN",
            Self::NoSession { .. } => "SESSION_UNKNOWN",
            Self::Moved { .. } => "CONFLICT",
            Self::Busy { .. } => "STORE_BUSY",
            Self::Input { .. } => "STORE_INPUT",
            Self::Host { .. } => "IO",
        }
    }

    pub(crate) fn corrupt(what: impl ToString, why: impl ToString) -> Self {
        Self::Corrupt { what: what.to_string(), why: why.to_string() }
    }

    pub(crate) fn missing(kind: &str, hash: &Hash) -> Self {
        Self::Missing { what: format!("{kind} {hash}") }
    }

    pub(crate) fn host(what: impl ToString, source: io::Error) -> Self {
        Self::Host { what: what.to_string(), source }
    }
}
