//! What a directory of the host holds, and what tells whether something in it was touched.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use brio_session::{DirLower, FsError, Kind, RelPath, STATE_DIR, Time};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};

use super::DirectoryError;

/// How long a file system's clock may stand still.
const CLOCK_PATIENCE: Duration = Duration::from_secs(2);

/// What lies somewhere; one that equals another was not touched in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(super) kind: Kind,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
}

/// What lies in a directory, by path; its order puts a directory before what it holds.
pub(crate) type Known = BTreeMap<RelPath, Stamp>;

/// What a look at a directory found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) known: Known,
    /// Devices, FIFOs and sockets.
    pub(crate) special: Vec<RelPath>,
}

/// Looks at everything in a directory; no link is followed. `shown` is its path for messages.
pub(crate) fn look(dir: &DirLower, shown: &Path) -> Result<Looked, DirectoryError> {
    dir.clear();
    let mut found = Looked::default();
    let mut left = vec![RelPath::root()];
    let mut device = None;
    while let Some(at) = left.pop() {
        let here = shown.join(at.to_path());
        let fd = dir.dir(&at).map_err(DirectoryError::host(&here))?;
        let dev = fstat(&*fd).map_err(DirectoryError::host(&here))?.st_dev;
        // Inode numbers tell what is one file only within a file system.
        if *device.get_or_insert(dev) != dev {
            return Err(elsewhere(&here));
        }
        // What DirLower holds cannot be read from.
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(&*fd, c".", how, Mode::empty()).map_err(DirectoryError::host(&here))?;
        for entry in Dir::read_from(&fd).map_err(DirectoryError::host(&here))? {
            let entry = entry.map_err(DirectoryError::host(&here))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || name == STATE_DIR.as_bytes() {
                continue;
            }
            let path = at.join(name);
            let host = || shown.join(path.to_path());
            let stat = statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| DirectoryError::host(&host())(e))?;
            if stat.st_dev != dev {
                return Err(elsewhere(&host()));
            }
            let stamp = Stamp::of(&stat);
            match stamp.kind {
                Kind::Other => {
                    found.special.push(path);
                    continue;
                }
                Kind::Dir => left.push(path.clone()),
                _ => {}
            }
            found.known.insert(path, stamp);
        }
    }
    found.special.sort_unstable();
    Ok(found)
}

fn elsewhere(path: &Path) -> DirectoryError {
    let e = io::Error::from_raw_os_error(rustix::io::Errno::XDEV.raw_os_error());
    DirectoryError::host(path)(e)
}

/// The stamps of a directory that was just written.
pub(crate) fn stamps_of(dir: &Path) -> Result<Known, DirectoryError> {
    Ok(look(&open(dir)?, dir)?.known)
}

/// Opens a directory of the host, to look at it and read from it.
pub(super) fn open(dir: &Path) -> Result<DirLower, DirectoryError> {
    let opened = cap_std::fs::Dir::open_ambient_dir(dir, cap_std::ambient_authority());
    Ok(DirLower::new(opened.map_err(DirectoryError::host(dir))?))
}

/// Waits until what changes from here on carries a later change time than all that was
/// stamped: a clock may stand still for some milliseconds, and a change in the instant of its
/// stamp would look like none. `probe` is a file of ours in the same file system.
pub(crate) fn outlast(known: &Known, probe: &File) -> io::Result<()> {
    let Some(newest) = known.values().map(|stamp| stamp.ctime).max() else { return Ok(()) };
    let begun = Instant::now();
    loop {
        probe.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
        if Stamp::of(&fstat(probe)?).ctime > newest {
            return Ok(());
        }
        if begun.elapsed() > CLOCK_PATIENCE {
            return Err(io::Error::other("the clock of this file system stands still"));
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Dir,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        Self {
            kind,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode & 0o7777,
            mtime: Time {
                secs: stat.st_mtime,
                nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            ctime: Time {
                secs: stat.st_ctime,
                nanos: u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
            },
        }
    }

    /// Opens the file that has this stamp, and no other.
    pub(super) fn open(
        &self,
        dir: &DirLower,
        path: &RelPath,
        shown: &Path,
    ) -> Result<File, DirectoryError> {
        let host = shown.join(path.to_path());
        let file = match dir.open_file(path) {
            Ok(file) => file,
            Err(FsError::NotFound | FsError::NotDirectory | FsError::Loop) => {
                return Err(DirectoryError::Changing { path: host });
            }
            Err(e) => return Err(DirectoryError::host(&host)(e)),
        };
        self.still(&file, &host)?;
        Ok(file)
    }

    /// Whether an open file still has this stamp.
    pub(super) fn still(&self, file: &File, host: &Path) -> Result<(), DirectoryError> {
        let now = Stamp::of(&fstat(file).map_err(DirectoryError::host(host))?);
        if now == *self { Ok(()) } else { Err(DirectoryError::Changing { path: host.to_owned() }) }
    }
}
