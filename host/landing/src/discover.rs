//! Finding the `.brio` that a directory belongs to, upwards by `openat("..")` as git finds `.git`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use brio_session::{Kind, RelPath, STATE_DIR, from_os};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::claim::Claim;
use crate::disk::{self, DIR};
use crate::errors::Doing;
use crate::look::Look;
use crate::state::trusts;
use crate::{DomainError, OpenOptions};

/// A base that exists, opened once.
pub(crate) struct Base {
    pub(crate) fd: OwnedFd,
    pub(crate) path: PathBuf,
}

/// A domain's root above (or at) a base.
pub(crate) struct Found {
    pub(crate) root: OwnedFd,
    pub(crate) path: PathBuf,
    pub(crate) claim: Claim,
    /// The base, inside.
    pub(crate) below: RelPath,
}

/// Opens the directory that a user named.
pub(crate) fn base(path: &Path) -> Result<Base, DomainError> {
    let at = || path.to_owned();
    let full = match path.canonicalize() {
        Ok(full) => full,
        Err(e) => {
            return Err(match Errno::from_io_error(&e) {
                Some(Errno::NOENT) => DomainError::Missing { path: at() },
                Some(Errno::NOTDIR) => DomainError::NotADirectory { path: at() },
                _ => DomainError::Unreadable { path: at(), source: e },
            });
        }
    };
    if full.components().any(|c| c.as_os_str() == STATE_DIR) {
        return Err(DomainError::InsideState { path: at() });
    }
    match rustix::fs::open(&full, DIR, Mode::empty()) {
        Ok(fd) => Ok(Base { fd, path: full }),
        Err(Errno::NOTDIR) => Err(DomainError::NotADirectory { path: at() }),
        Err(Errno::NOENT) => Err(DomainError::Missing { path: at() }),
        Err(e) => Err(DomainError::Unreadable { path: at(), source: e.into() }),
    }
}

/// The nearest domain at or above a base. The search stops at a mount boundary and, for a
/// base below it, at the user's home.
pub(crate) fn find(base: &Base, options: &OpenOptions) -> Result<Option<Found>, DomainError> {
    let what = base.path.display();
    let stop = options.user_home.as_ref().and_then(|h| h.canonicalize().ok());
    let mut at =
        openat(&base.fd, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .doing(&what)?;
    let mut path = base.path.clone();
    let mut look = Look::of(&at).doing(&what)?;
    loop {
        if let Some(claim) = claim_at(&at, &path, path == base.path, options)? {
            let root = openat(&at, c".", DIR, Mode::empty()).doing(path.display())?;
            if claim.root_ino != look.ino() {
                return Err(DomainError::BaseReplaced { path });
            }
            let below = base.path.strip_prefix(&path).unwrap_or(Path::new(""));
            let below = RelPath::new(from_os(below.as_os_str())).unwrap_or_default();
            return Ok(Some(Found { root, path, claim, below }));
        }
        if stop.as_deref() == Some(&path) || !path.pop() {
            return Ok(None);
        }
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(up) = openat(&at, c"..", how, Mode::empty()) else { return Ok(None) };
        let up_look = Look::of(&up).doing(path.display())?;
        if up_look.mount() != look.mount()
            || (up_look.ino(), up_look.dev()) == (look.ino(), look.dev())
        {
            return Ok(None);
        }
        (at, look) = (up, up_look);
    }
}

/// The claim in a directory's `.brio`. Another user's is an error at the base itself, and
/// ignored above it.
fn claim_at(
    dir: &OwnedFd,
    path: &Path,
    own: bool,
    options: &OpenOptions,
) -> Result<Option<Claim>, DomainError> {
    let shown = path.join(STATE_DIR);
    let look = match Look::at(dir, STATE_DIR.as_bytes()) {
        Ok(Some(l)) if l.kind() == Kind::Dir => l,
        Ok(Some(_)) if own => {
            return Err(DomainError::Corrupt {
                path: shown,
                what: "it is not a directory".to_owned(),
            });
        }
        Ok(_) => return Ok(None),
        Err(e) if own => return Err(DomainError::Unreadable { path: shown, source: e }),
        Err(_) => return Ok(None),
    };
    if !trusts(options, look.uid()) {
        return if own {
            Err(DomainError::Foreign { path: shown, uid: look.uid() })
        } else {
            Ok(None)
        };
    }
    let state = match disk::open_dir(dir, STATE_DIR.as_bytes()) {
        Ok(state) => state,
        Err(e) if own => return Err(DomainError::Unreadable { path: shown, source: e }),
        Err(_) => return Ok(None),
    };
    match Claim::read(&state, &shown) {
        Ok(None) if own => {
            Err(DomainError::Corrupt { path: shown, what: "it has no claim".to_owned() })
        }
        r => r,
    }
}
