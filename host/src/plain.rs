//! The plain form of a run: the session as a directory of its own, given to the guest through
//! an ordinary preopen, and what it changed there taken back.
//!
//! It cannot enforce limits on disk and files, nor show child sessions. After a crash nothing
//! is taken back: the session is as it was before the run.

use std::fs::{File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brio_landing::{Short, SpaceGuards};
use brio_session::{DirHandle, DirLower, RelPath, SetTime, Time, View};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::DirectoryError;
use crate::directory::{
    Known, Listing, Sides, Watch, in_git, look, make_private_and_write, outlast, space_left,
    stamps_of, take_back,
};
use crate::scratch::Scratch;

/// The plain directory could not be made or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlainError {
    /// A flag that the plain form cannot honour.
    #[error("PREOPEN: {flag} cannot be enforced with --preopen; leave one of them out")]
    Flag {
        /// The flag.
        flag: &'static str,
    },
    /// The 2x guard: the copy and as much again to work in.
    #[error("NO_SPACE: {0}; free some, or run without --preopen")]
    Space(Short),
    /// The session or the directory could not be read or written.
    #[error("PREOPEN: {0}; what the agent changed is not taken back")]
    Directory(#[from] DirectoryError),
}

impl PlainError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Space(_) => "NO_SPACE",
            _ => "PREOPEN",
        }
    }
}

/// The copy and as much again; of the whole disk, if need be.
const GUARDS: SpaceGuards = SpaceGuards { share: 100, factor: 2 };

/// A session as a directory, until it is dropped.
pub(crate) struct Plain {
    at: Scratch,
    known: Known,
    /// When the guest got it.
    given: SystemTime,
}

/// The root is the guest's alone.
const ROOT_MODE: u32 = 0o700;

/// A clock of files lags behind the system's by less.
const LAG: Duration = Duration::from_millis(20);

impl Plain {
    /// Copies what `root` shows into a directory below `scratch`.
    pub(crate) fn make(
        scratch: &Path,
        name: &str,
        view: &View,
        root: &DirHandle,
    ) -> Result<Self, PlainError> {
        let at = Scratch::take(scratch, name).map_err(DirectoryError::host(scratch))?;
        let mut plain = Self { at, known: Known::default(), given: SystemTime::now() };
        let listing = Listing::of(view, root, &Watch::default())?;
        GUARDS.check(listing.bytes, space_left(scratch)?).map_err(PlainError::Space)?;
        make_private_and_write(view, root, &listing, plain.path(), false)?;
        plain.time_root(root)?;
        // Stamped last: a second name moves the change time of the first.
        plain.known = stamps_of(plain.path())?;
        outlast(&plain.known, plain.at.lock()).map_err(DirectoryError::host(plain.path()))?;
        plain.given = SystemTime::now();
        Ok(plain)
    }

    /// Gives the root the modification time that it has in the view.
    fn time_root(&self, root: &DirHandle) -> Result<(), PlainError> {
        let Time { secs, nanos } =
            root.meta().map_err(DirectoryError::view(&RelPath::root()))?.mtime;
        let whole = Duration::from_secs(secs.unsigned_abs());
        let time = if secs < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
        let times = FileTimes::new().set_modified(time + Duration::from_nanos(nanos.into()));
        let set = File::open(self.path()).and_then(|dir| dir.set_times(times));
        Ok(set.map_err(DirectoryError::host(self.path()))?)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    /// The directory, to preopen.
    pub(crate) fn open(&self) -> Result<Dir, PlainError> {
        let opened = Dir::open_ambient_dir(self.path(), ambient_authority());
        Ok(opened.map_err(DirectoryError::host(self.path()))?)
    }

    /// Leaves the directory where it is, for a person.
    pub(crate) fn keep(self) -> PathBuf {
        self.at.keep()
    }

    /// Writes into the session what differs from what was copied out; of `.git` nothing, if it
    /// is to be left alone. Returns whether something was left there.
    pub(crate) fn take_back(
        &self,
        view: &View,
        root: &DirHandle,
        leave_git: bool,
    ) -> Result<bool, PlainError> {
        let (dir, watch) = (DirLower::new(self.open()?), Watch::default());
        let mut now = look(&dir, self.path())?.known;
        let mut known = self.known.clone();
        let mut left = false;
        if leave_git {
            let of =
                |all: &mut Known| -> Known { all.extract_if(.., |path, _| in_git(path)).collect() };
            left = of(&mut now) != of(&mut known);
        }
        let sides =
            Sides { dir: &dir, shown: self.path(), view, root, watch: &watch, dir_times: true };
        take_back(&sides, &known, &now)?;
        self.take_root(root)?;
        Ok(left)
    }

    /// The root's own mode and time, where they were told. A time between the start and now came
    /// with its entries, which have moved the view's root as well.
    fn take_root(&self, root: &DirHandle) -> Result<(), PlainError> {
        let fail = |e| DirectoryError::view(&RelPath::root())(e);
        let meta =
            std::fs::symlink_metadata(self.path()).map_err(DirectoryError::host(self.path()))?;
        let modified = meta.modified().map_err(DirectoryError::host(self.path()))?;
        let mtime =
            Time { secs: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
        let by_entries = (self.given - LAG..=SystemTime::now()).contains(&modified);
        let told = !by_entries && root.meta().map_err(fail)?.mtime != mtime;
        if told {
            root.set_times(SetTime::Keep, SetTime::At(mtime)).map_err(fail)?;
        }
        let mode = meta.mode() & 0o7777;
        if mode != ROOT_MODE {
            root.set_mode(mode).map_err(fail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{GUARDS, PlainError};

    // B-114: twice the source must be free, and the message says how much is missing.
    #[test]
    fn twice_the_size_must_be_free() {
        assert!(GUARDS.check(10_000_000, 20_000_000).is_ok());
        let short = GUARDS.check(10_000_001, 20_000_000).expect_err("one byte too many");
        let error = PlainError::Space(short).to_string();
        assert!(error.starts_with("NO_SPACE: Insufficient space: need 21MB, have 20MB"), "{error}");
    }
}
