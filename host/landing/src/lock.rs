//! The domain's lock: `flock` on the base's root directory itself, so that deleting `.brio`
//! cannot split a domain into two that don't see each other. Of one in the home: on its state.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, flock};

use crate::DomainError;
use crate::claim::Claim;
use crate::errors::Doing;
use crate::look::Look;
use crate::seat::Seat;
use crate::state::State;

/// The lock, held. Dropping it releases it.
pub(crate) struct Lock {
    _fd: OwnedFd,
}

impl State {
    /// Begin: many at a time, none during a landing.
    pub(crate) fn shared(&self) -> Result<Lock, DomainError> {
        self.lock(FlockOperation::LockShared)
    }

    /// Seal to finish, recovery, gc, rollback's removal.
    pub(crate) fn exclusive(&self) -> Result<Lock, DomainError> {
        self.lock(FlockOperation::LockExclusive)
    }

    /// For adoption, which is about to change whose `.brio` it is.
    pub(crate) fn exclusive_unchecked(&self) -> Result<Lock, DomainError> {
        self.flock(FlockOperation::LockExclusive)
    }

    fn lock(&self, how: FlockOperation) -> Result<Lock, DomainError> {
        let lock = self.flock(how)?;
        self.still_ours()?;
        Ok(lock)
    }

    fn flock(&self, how: FlockOperation) -> Result<Lock, DomainError> {
        let what = self.root_path.display();
        // A descriptor of its own: flock belongs to the open file description.
        let fd = self.locked().doing(&what)?;
        loop {
            match flock(&fd, how) {
                Err(rustix::io::Errno::INTR) => {}
                r => break r.doing(&what)?,
            }
        }
        Ok(Lock { _fd: fd })
    }

    /// The claim is re-read through the root: `.brio` may have been deleted or replaced.
    fn still_ours(&self) -> Result<(), DomainError> {
        let what = self.root_path.display();
        let lost = || {
            let sessions =
                self.home.as_ref().map(|h| h.open_sessions(&self.claim.claim)).unwrap_or_default();
            DomainError::StateLost { path: self.root_path.clone(), sessions }
        };
        let Seat { holder, name, path } = &self.seat;
        match Look::at(holder, name).doing(&what)? {
            Some(l) if l.ino() == self.dir_ino => Ok(()),
            _ if self.frozen_only().is_some() => {
                Err(DomainError::NoDomain { path: self.root_path.clone() })
            }
            None => Err(lost()),
            Some(_) => {
                let dir = crate::disk::open_dir(holder, name).doing(&what)?;
                match Claim::read(dir, path)? {
                    Some(c) if c.root_ino != self.root_ino => {
                        Err(DomainError::BaseReplaced { path: self.root_path.clone() })
                    }
                    _ => Err(lost()),
                }
            }
        }
    }
}
