//! The domains in the person's home, of bases that can have no `.brio`: finding, making and
//! deleting them. Which base one is of is told by inode and time of birth.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use brio_session::to_os;
use rustix::fs::{FlockOperation, Mode, flock, openat};

use crate::claim::{CLAIM, Claim, nonce};
use crate::disk::{self, DIR, Disk};
use crate::errors::Doing;
use crate::look::Look;
use crate::seat::{Away, Gone, Seat, refusal};
use crate::state::State;
use crate::{DomainError, OpenOptions, create, discover, meta};

/// The directory in the home that holds them.
const FROZEN: &str = "frozen";
/// One of them that is being made, or deleted.
const NEW: &[u8] = b".new-";

/// `<home>/frozen`.
struct Shelf {
    dir: OwnedFd,
    path: PathBuf,
}

impl Shelf {
    /// `None`: nothing was ever put there.
    fn open(home: &Path) -> io::Result<Option<Self>> {
        let path = home.join(FROZEN);
        match rustix::fs::open(&path, DIR, Mode::empty()) {
            Ok(dir) => Ok(Some(Self { dir, path })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn make(disk: &Disk, home: &Path) -> io::Result<Option<Self>> {
        use std::os::unix::fs::DirBuilderExt;
        let mut b = std::fs::DirBuilder::new();
        b.recursive(true).mode(0o700);
        disk.0.run(brio_session::Op::Mkdir, || b.create(home.join(FROZEN)))?;
        Self::open(home)
    }

    /// Who holds this is the only one who makes or deletes a domain here.
    fn lock(&self) -> io::Result<File> {
        let fd = openat(&self.dir, c".", DIR, Mode::empty())?;
        loop {
            match flock(&fd, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                r => return r.map(|()| fd.into()).map_err(Into::into),
            }
        }
    }

    /// All that can be read.
    fn claims(&self) -> Vec<(Claim, Away)> {
        let names = disk::names(&self.dir).unwrap_or_default();
        names.iter().filter_map(|name| self.claim(name).ok().flatten()).collect()
    }

    fn claim(&self, name: &[u8]) -> Result<Option<(Claim, Away)>, DomainError> {
        let shown = self.path.join(&*to_os(name));
        let dir = match disk::open_dir(&self.dir, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            r => r.doing(shown.display())?,
        };
        let Some(claim) = Claim::read(dir, &shown)? else { return Ok(None) };
        if claim.claim.as_bytes() != name {
            return Ok(None);
        }
        let away = claim.base.clone();
        Ok(away.map(|away| (claim, away)))
    }

    /// The domain of a directory.
    fn of(&self, base: &discover::Base) -> Result<Option<(Claim, Away)>, DomainError> {
        let look = Look::of(&base.fd).doing(base.path.display())?;
        Ok(self.claims().into_iter().find(|(c, away)| is_base(c, away, &look, &base.path)))
    }

    fn seat(&self, claim: &Claim) -> io::Result<Seat> {
        let holder = openat(&self.dir, c".", DIR, Mode::empty())?;
        let path = self.path.join(&claim.claim);
        Ok(Seat { holder, name: claim.claim.clone().into_bytes(), path })
    }

    /// Removes what crashes left. Under the lock.
    fn sweep(&self, disk: &Disk, _lock: &File) {
        for name in disk::names(&self.dir).unwrap_or_default() {
            if name.starts_with(NEW)
                && let Err(e) = disk.remove_tree(&self.dir, &name)
            {
                tracing::warn!("what a crash left in the home was not removed: {e}");
            }
        }
    }
}

/// Whether a directory is the base of a claim. Devices are numbered anew at each boot, and
/// some file systems at each mount.
fn is_base(claim: &Claim, away: &Away, look: &Look, path: &Path) -> bool {
    (claim.root_ino, away.born) == (look.ino(), look.born())
        && (away.dev == look.dev() || away.path == path)
}

/// Opens the domain in the home of a directory that has none of its own; with
/// [`create`](OpenOptions::create) and [`frozen`](OpenOptions::frozen) one is made.
pub(crate) fn instead(
    base: discover::Base,
    refused: DomainError,
    options: OpenOptions,
) -> Result<State, DomainError> {
    let why = refusal(&base, &refused);
    let asked = match &refused {
        DomainError::NoDomain { .. } => true,
        _ => why.is_some() && (options.frozen || !options.create),
    };
    let (true, Some(home)) = (asked, &options.home) else { return Err(refused) };
    let what = home.join(FROZEN);
    let disk = Disk(options.door.clone());
    let make = options.create.then_some(why).flatten();
    let shelf = match make {
        Some(_) => Shelf::make(&disk, home),
        None => Shelf::open(home),
    };
    let Some(shelf) = shelf.doing(what.display())? else { return Err(refused) };
    let found = match make {
        None => shelf.of(&base)?,
        Some(why) => {
            let lock = shelf.lock().doing(what.display())?;
            shelf.sweep(&disk, &lock);
            match shelf.of(&base)? {
                None => {
                    fill(&disk, &shelf, &base, why, &options).doing(what.display())?;
                    shelf.of(&base)?
                }
                found => found,
            }
        }
    };
    let Some((claim, away)) = found else { return Err(refused) };
    let claim = seen(&disk, &shelf, claim, away, &base)?;
    let seat = shelf.seat(&claim).doing(what.display())?;
    State::open(seat, Ok(base.fd), base.path, claim, options)
}

/// Writes down where the base is now, if it is no longer where it was.
fn seen(
    disk: &Disk,
    shelf: &Shelf,
    claim: Claim,
    away: Away,
    base: &discover::Base,
) -> Result<Claim, DomainError> {
    let dev = Look::of(&base.fd).doing(base.path.display())?.dev();
    // A bind mount shows it at several paths.
    let is_there = || at(&claim, &away).is_ok_and(|there| there.is_ok());
    if away.dev == dev && (away.path == base.path || is_there()) {
        return Ok(claim);
    }
    let what = shelf.path.join(&claim.claim);
    let claim = Claim { base: Some(Away { path: base.path.clone(), dev, ..away }), ..claim };
    let dir = disk::open_dir(&shelf.dir, claim.claim.as_bytes()).doing(what.display())?;
    let raw = serde_json::to_vec(&claim).doing("claim")?;
    disk.replace(dir.as_fd(), CLAIM, &raw, true).doing(what.display())?;
    Ok(claim)
}

/// Makes a domain, under the lock.
fn fill(
    disk: &Disk,
    shelf: &Shelf,
    base: &discover::Base,
    why: String,
    options: &OpenOptions,
) -> io::Result<()> {
    let look = Look::of(&base.fd)?;
    let (dev, born) = (look.dev(), look.born());
    let away = Away { path: base.path.clone(), dev, born, why };
    let claim = Claim { base: Some(away), ..Claim::new(look.ino(), options)? };
    let name = [NEW, claim.claim.as_bytes()].concat();
    disk.mkdir(&shelf.dir, &name, 0o700)?;
    let made = disk::open_dir(&shelf.dir, &name)
        .and_then(|dir| create::content(disk, &dir, &claim))
        .and_then(|()| {
            // Nobody else makes one now, and none has this name.
            disk.rename(&shelf.dir, &name, &shelf.dir, claim.claim.as_bytes())
        });
    if made.is_err() {
        let _ = disk.remove_tree(&shelf.dir, &name);
    }
    made
}

/// Opens the domain in the home with this claim, whether its base is there or not.
pub(crate) fn open(claim: &str, options: OpenOptions) -> Result<Option<State>, DomainError> {
    let Some(home) = &options.home else { return Ok(None) };
    let what = home.join(FROZEN);
    let Some(shelf) = Shelf::open(home).doing(what.display())? else { return Ok(None) };
    let Some((claim, away)) = shelf.claim(claim.as_bytes())? else { return Ok(None) };
    let base = at(&claim, &away)?;
    let seat = shelf.seat(&claim).doing(what.display())?;
    State::open(seat, base.map(|b| b.fd), away.path, claim, options).map(Some)
}

/// The base of a claim where it was last seen.
fn at(claim: &Claim, away: &Away) -> Result<Result<discover::Base, Gone>, DomainError> {
    Ok(match discover::base(&away.path) {
        Ok(base) => {
            let look = Look::of(&base.fd).doing(base.path.display())?;
            if is_base(claim, away, &look, &away.path) { Ok(base) } else { Err(Gone::Replaced) }
        }
        Err(DomainError::Missing { .. } | DomainError::NotADirectory { .. }) => Err(Gone::Missing),
        Err(_) => Err(Gone::Unreadable),
    })
}

/// Every domain in the home: its claim, and where its base was last seen.
pub(crate) fn all(options: &OpenOptions) -> Vec<(String, PathBuf)> {
    let shelf = options.home.as_ref().and_then(|home| Shelf::open(home).ok().flatten());
    let claims = shelf.map(|s| s.claims()).unwrap_or_default();
    claims.into_iter().map(|(claim, away)| (claim.claim, away.path)).collect()
}

/// The claim of a directory's domain in the home.
pub(crate) fn claim_of(base: &Path, options: &OpenOptions) -> Result<Option<String>, DomainError> {
    let Some(home) = &options.home else { return Ok(None) };
    let base = discover::base(base)?;
    let shelf = Shelf::open(home).doing(home.join(FROZEN).display())?;
    let found = shelf.map(|s| s.of(&base)).transpose()?.flatten();
    Ok(found.map(|(claim, _)| claim.claim))
}

/// Tries something in a directory of the home, which is removed again.
pub(crate) fn scratch<T>(disk: &Disk, home: &Path, f: impl FnOnce(&OwnedFd) -> T) -> io::Result<T> {
    let Some(shelf) = Shelf::make(disk, home)? else { return Err(io::ErrorKind::NotFound.into()) };
    let _alone = shelf.lock()?;
    let name = [NEW, nonce()?.as_bytes()].concat();
    disk.mkdir(&shelf.dir, &name, 0o700)?;
    let done = disk::open_dir(&shelf.dir, &name).map(|dir| f(&dir));
    disk.remove_tree(&shelf.dir, &name)?;
    done
}

/// Removes what crashes left of domains that were being made.
pub(crate) fn sweep(options: &OpenOptions) -> io::Result<()> {
    let Some(home) = &options.home else { return Ok(()) };
    let Some(shelf) = Shelf::open(home)? else { return Ok(()) };
    let lock = shelf.lock()?;
    shelf.sweep(&Disk(options.door.clone()), &lock);
    Ok(())
}

/// Deletes a domain of the home whose base is gone and which has no open session. False: it has,
/// or its base is there, or there is no such domain.
pub(crate) fn forget(claim: &str, options: &OpenOptions) -> Result<bool, DomainError> {
    let Some(home) = &options.home else { return Ok(false) };
    let what = home.join(FROZEN);
    let Some(shelf) = Shelf::open(home).doing(what.display())? else { return Ok(false) };
    let alone = shelf.lock().doing(what.display())?;
    let Some(state) = open(claim, options.clone())? else { return Ok(false) };
    let _none_begins = state.exclusive()?;
    if state.gone().is_none() || !meta::list(&state).doing("sessions")?.is_empty() {
        return Ok(false);
    }
    let away = [NEW, claim.as_bytes()].concat();
    let moved = state.disk.rename(&shelf.dir, claim.as_bytes(), &shelf.dir, &away);
    moved.doing(what.display())?;
    shelf.sweep(&state.disk, &alone);
    Ok(true)
}
