//! Opening a domain: found where it lies, made where there is none, settled before it is used.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_session::RelPath;

use super::Domain;
use crate::claim::Claim;
use crate::disk::Disk;
use crate::errors::Doing;
use crate::home::Home;
use crate::seat::Seat;
use crate::state::State;
use crate::{
    Access, Adopted, DomainError, OpenOptions, RecoverError, create, discover, elsewhere, recover,
    shelf, tidy,
};

impl Domain {
    /// Opens the domain that `base` lies in, found upwards, or makes one at `base`. Also
    /// returns where `base` lies in it. An interrupted landing is recovered.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn open(base: &Path, options: OpenOptions) -> Result<(Domain, RelPath), DomainError> {
        let at = discover::base(base)?;
        let (state, below) = match find_or_make(&at, options.clone()) {
            Err(e) => (shelf::instead(at, e, options)?, RelPath::root()),
            found => found?,
        };
        Ok((Self::opened(state)?, below))
    }

    /// Opens the domain in the home with this claim, whether its base is there or not; `None`:
    /// there is none.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn open_in_home(claim: &str, options: OpenOptions) -> Result<Option<Domain>, DomainError> {
        shelf::open(claim, options)?.map(Self::opened).transpose()
    }

    /// The claim of the domain in the home that has this directory as its base, if there is one.
    /// What it has of its own, in `.brio`, is [`open`](Self::open)'s to say.
    ///
    /// # Errors
    /// When the directory is missing, is none, or cannot be read.
    pub fn claim_in_home(
        base: &Path,
        options: &OpenOptions,
    ) -> Result<Option<String>, DomainError> {
        shelf::claim_of(base, options)
    }

    /// The domains in the home: their claims, and where their bases were last seen.
    pub fn all_in_home(options: &OpenOptions) -> Vec<(String, PathBuf)> {
        shelf::all(options)
    }

    /// Removes what crashes left of domains that were being made: in the home, and, when it is
    /// a minute old, in this directory.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn sweep(base: &Path, options: &OpenOptions) -> Result<(), DomainError> {
        create::sweep(&Disk(options.door.clone()), &discover::base(base)?.fd);
        Ok(shelf::sweep(options).doing("the home")?)
    }

    fn opened(state: State) -> Result<Domain, DomainError> {
        create::tell_home(&state).doing("the home's index")?;
        let domain = Domain::of(&Arc::new(state));
        domain.settle()?;
        Ok(domain)
    }

    /// Finishes and removes what others left.
    fn settle(&self) -> Result<(), DomainError> {
        if recover::pending(&self.state).doing("the landing sequence")? {
            // Damage is no reason to hide the sessions: commit says it.
            match recover::now(&self.state) {
                Ok(done) => self.recovered().add(done),
                Err(RecoverError::Damaged { .. }) => {}
                Err(e) => return Err(Box::new(e).into()),
            }
        }
        if let Err(e) = elsewhere::settle(&self.state) {
            tracing::warn!("a landing on a project's head was not finished here: {e}");
        }
        if let Err(e) = tidy::briefly(&self.state) {
            tracing::warn!("what a crash left was not removed: {e}");
        }
        Ok(())
    }

    /// As [`open`](Self::open), where that would open this domain again: where `base` lies in it.
    /// Who has opened a domain spares its clones what opening costs. `None`: it is another one by
    /// now, or with other options, or the home has forgotten it, or it lies in the home.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn reopen(
        &self,
        base: &Path,
        options: &OpenOptions,
    ) -> Result<Option<RelPath>, DomainError> {
        let (state, own) = (&self.state, &self.state.options);
        let same = own.home == options.home
            && own.user_home == options.user_home
            && own.boot_id == options.boot_id
            && own.trust_uid == options.trust_uid
            && own.retention == options.retention
            && same_one(own.trees.as_ref(), options.trees.as_ref())
            && same_one(own.heads.as_ref(), options.heads.as_ref());
        if !same || state.frozen_only().is_some() {
            return Ok(None);
        }
        let Ok(Some(found)) = discover::find(&discover::base(base)?, options) else {
            return Ok(None);
        };
        let known = || state.home.as_ref().is_none_or(|home| home.knows(&state.claim.claim));
        if found.claim.claim != state.claim.claim
            || found.path != state.root_path
            || !state.is_at(&found.root).doing(found.path.display())?
            || !known()
        {
            return Ok(None);
        }
        self.settle()?;
        Ok(Some(found.below))
    }

    /// Removes a domain from the home's index: nobody asks for it, or for its sessions, any more.
    /// If its base is opened again, it is known again. One that lies in the home itself is
    /// deleted, if its base is gone and no session of it is open; else it stays (false).
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn forget(claim: &str, options: &OpenOptions) -> Result<bool, DomainError> {
        let Some(home) = &options.home else { return Ok(false) };
        if shelf::forget(claim, options)? {
            return Ok(true);
        }
        if shelf::all(options).iter().any(|(known, _)| known == claim) {
            return Ok(false);
        }
        let home = Home::new(home, Disk(options.door.clone()));
        home.remove(claim).doing("the home's index")?;
        Ok(true)
    }

    /// Takes over a copied, restored or lost base: it gets a new claim; sessions that lie there
    /// can be diffed and exported, not landed.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn adopt(base: &Path, options: OpenOptions) -> Result<Adopted, DomainError> {
        create::adopt(base, options)
    }
}

fn same_one<T: ?Sized>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// The domain whose state lies in the base, or above it.
fn find_or_make(
    at: &discover::Base,
    options: OpenOptions,
) -> Result<(State, RelPath), DomainError> {
    loop {
        let found = match discover::find(at, &options) {
            // A `.brio` without a claim, of a root that the home knows, is a lost one.
            Err(e @ DomainError::Corrupt { .. }) => {
                create::check_known(at.fd.as_fd(), &at.path, None, &options)?;
                return Err(e);
            }
            r => r?,
        };
        if let Some(f) = found {
            create::check_known(f.root.as_fd(), &f.path, Some(&f.claim.claim), &options)?;
            let below = f.below.clone();
            return Ok((open_found(f, options)?, below));
        }
        if let Err(lost) = create::check_known(at.fd.as_fd(), &at.path, None, &options) {
            // Whoever makes a domain tells the home after it is there: somebody did, since we
            // looked.
            if discover::find(at, &options)?.is_some() {
                continue;
            }
            return Err(lost);
        }
        if !options.create {
            return Err(DomainError::NoDomain { path: at.path.clone() });
        }
        // False: somebody else made it in this instant. Either way it is found now.
        create::make(at, &options)?;
    }
}

/// Opens a `.brio`. On a base that can only be read nothing of it can be used.
pub(crate) fn open_found(f: discover::Found, options: OpenOptions) -> Result<State, DomainError> {
    let seat = Seat::in_base(&f.root, &f.path).doing(f.path.display())?;
    let path = f.path.clone();
    // What lies in the base is of that base.
    let claim = Claim { base: None, ..f.claim };
    match State::open(seat, Ok(f.root), f.path, claim, options) {
        Err(DomainError::Io(e)) if create::is_denied(&e.source) => {
            let access = Access::of(&path).map(Box::new);
            Err(DomainError::ReadOnly { path, source: e.source, access })
        }
        opened => opened,
    }
}
