//! Where a domain's state lies: `.brio` in the base, or, for a base that can have none, a
//! directory in the person's home (`shelf`). Everything but a landing on the base works in both.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use brio_session::{STATE_DIR, Time};
use rustix::fs::{Mode, openat};
use serde::{Deserialize, Serialize};

use crate::disk::DIR;
use crate::state::State;
use crate::{Access, CommitError, DomainError, SessionId, discover};

/// The directory that holds a state directory, and its name there.
pub(crate) struct Seat {
    pub(crate) holder: OwnedFd,
    pub(crate) name: Vec<u8>,
    /// The state directory, for people.
    pub(crate) path: PathBuf,
}

impl Seat {
    /// `.brio` of a base.
    pub(crate) fn in_base(root: &OwnedFd, path: &Path) -> io::Result<Self> {
        let holder = openat(root, c".", DIR, Mode::empty())?;
        Ok(Self { holder, name: STATE_DIR.into(), path: path.join(STATE_DIR) })
    }
}

/// What a claim in the home says of its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Away {
    /// Where it was last seen.
    #[serde(with = "crate::home::os_path")]
    pub(crate) path: PathBuf,
    pub(crate) dev: u64,
    pub(crate) born: Option<Time>,
    /// Why it can have no `.brio`.
    pub(crate) why: String,
}

/// Why there is no base to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gone {
    /// Nothing is there: it was deleted, or is not mounted.
    #[error("it was deleted, or is not mounted")]
    Missing,
    /// Something is there, and it is not the base.
    #[error("another directory is there now")]
    Replaced,
    /// It cannot be opened.
    #[error("it cannot be read any more")]
    Unreadable,
}

/// Why a base can have no `.brio` of ours, as the error says that met it; `None`: it is about
/// something else.
pub(crate) fn refusal(base: &discover::Base, e: &DomainError) -> Option<String> {
    let access = || Access::at(&base.fd, &base.path).filter(|a| !a.writable);
    match e {
        DomainError::ReadOnly { source, access, .. } => {
            Some(access.as_ref().map_or_else(|| source.to_string(), |a| a.reason()))
        }
        DomainError::Unsupported { why, .. } => Some(why.to_string()),
        DomainError::Foreign { uid, .. } => Some(format!("its .brio belongs to user {uid}")),
        DomainError::Unreadable { path, source } if path != &base.path => {
            Some(format!("its .brio cannot be read: {source}"))
        }
        // What would mend it cannot be done there.
        DomainError::BaseReplaced { .. }
        | DomainError::Corrupt { .. }
        | DomainError::FormatUnknown { .. }
        | DomainError::StateLost { .. } => access().map(|a| a.reason()),
        _ => None,
    }
}

impl State {
    /// The base.
    ///
    /// # Errors
    /// When it is gone; [`base_is_there`](Self::base_is_there) says it with all that is known.
    pub(crate) fn root(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.root {
            Ok(root) => Ok(root.as_fd()),
            Err(gone) => Err(io::Error::new(io::ErrorKind::NotADirectory, *gone)),
        }
    }

    /// Why there is no base.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.root.as_ref().err().copied()
    }

    /// For what looks at the base.
    pub(crate) fn base_is_there(&self) -> Result<(), DomainError> {
        match self.gone() {
            Some(why) => Err(DomainError::Gone { path: self.root_path.clone(), why }),
            None => Ok(()),
        }
    }

    /// Why nothing can land in the base, and its sessions are frozen; `None`: it can.
    pub(crate) fn frozen_only(&self) -> Option<&str> {
        self.claim.base.as_ref().map(|away| away.why.as_str())
    }

    /// For what lands in the base, or reads it live.
    pub(crate) fn may_land(&self) -> Result<(), DomainError> {
        match self.frozen_only() {
            Some(why) => {
                Err(DomainError::FrozenOnly { path: self.root_path.clone(), why: why.to_owned() })
            }
            None => Ok(()),
        }
    }

    /// As [`may_land`](Self::may_land), of a session on the base.
    pub(crate) fn may_land_session(&self, session: &SessionId) -> Result<(), CommitError> {
        match self.frozen_only() {
            Some(why) => Err(CommitError::FrozenOnly {
                session: session.clone(),
                base: self.root_path.clone(),
                why: why.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// What the lock lies on. A base in the home's care may be gone, or know no locks; nobody
    /// else uses its state.
    pub(crate) fn locked(&self) -> io::Result<OwnedFd> {
        match self.frozen_only() {
            Some(_) => Ok(openat(&self.dir, c".", DIR, Mode::empty())?),
            None => Ok(openat(self.root()?, c".", DIR, Mode::empty())?),
        }
    }
}
