//! What `hostdir` does on Unix with system calls of its own, over cap-std alone.
//!
//! Two things are weaker here than on Unix. A name is looked at before it is opened, so a link
//! that somebody puts in its place in between is followed, though never out of the directory.
//! And there is no inode number: the time of creation stands in for it, and every file counts
//! one name.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;

use crate::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Meta, STATE_DIR, Time, from_os, to_os,
};

/// Opens a directory by one name, links not followed.
///
/// # Errors
/// `NotFound`, `NotDirectory`, and the host's.
pub fn open_dir(dir: &Dir, name: &[u8]) -> FsResult<Dir> {
    match stat(dir, name)?.0.kind {
        Kind::Dir => Ok(dir.open_dir(name_of(name)?)?),
        _ => Err(FsError::NotDirectory),
    }
}

/// Metadata and fingerprint of one name in a directory, links not followed; `.` for itself.
///
/// # Errors
/// `NotFound` and the host's.
pub fn stat(dir: &Dir, name: &[u8]) -> FsResult<(Meta, Fingerprint)> {
    let m = if name == b"." { dir.dir_metadata()? } else { dir.symlink_metadata(name_of(name)?)? };
    let kind = kind_of(m.is_file(), m.is_dir(), m.is_symlink());
    let times = Times {
        created: m.created().map(|t| t.into_std()),
        accessed: m.accessed().map(|t| t.into_std()),
        modified: m.modified().map(|t| t.into_std()),
    };
    Ok(describe(kind, m.len(), m.permissions().readonly(), times))
}

/// Metadata and fingerprint of an open file.
///
/// # Errors
/// The host's.
pub fn stat_file(file: &File) -> FsResult<(Meta, Fingerprint)> {
    let m = file.metadata()?;
    let kind = kind_of(m.is_file(), m.is_dir(), m.is_symlink());
    let times = Times { created: m.created(), accessed: m.accessed(), modified: m.modified() };
    Ok(describe(kind, m.len(), m.permissions().readonly(), times))
}

/// Opens a regular file for reading, links not followed.
///
/// # Errors
/// `IsDirectory`, `Loop`, `NotSupported` for other kinds, and the host's.
pub fn open_file(dir: &Dir, name: &[u8]) -> FsResult<File> {
    match stat(dir, name)?.0.kind {
        Kind::File => Ok(dir.open(name_of(name)?)?.into_std()),
        Kind::Dir => Err(FsError::IsDirectory),
        Kind::Symlink => Err(FsError::Loop),
        Kind::Other => Err(FsError::NotSupported),
    }
}

/// The target of a link.
///
/// # Errors
/// `Invalid` for other kinds, and the host's.
pub fn read_link(dir: &Dir, name: &[u8]) -> FsResult<Vec<u8>> {
    if stat(dir, name)?.0.kind != Kind::Symlink {
        return Err(FsError::Invalid);
    }
    let target = dir.read_link_contents(name_of(name)?)?;
    Ok(from_os(target.as_os_str()).to_vec())
}

/// The entries of a directory, without `.`, `..` and reserved names.
///
/// # Errors
/// The host's.
pub fn list(dir: &Dir) -> FsResult<Vec<DirEntry>> {
    let mut out = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let name = from_os(&entry.file_name()).to_vec();
        if name == STATE_DIR.as_bytes() {
            continue;
        }
        let m = stat(dir, &name)?.0;
        out.push(DirEntry { name, kind: m.kind, ino: m.ino });
    }
    Ok(out)
}

/// A name for the host: one component, and none that could mean more than that.
fn name_of(name: &[u8]) -> FsResult<std::borrow::Cow<'_, std::ffi::OsStr>> {
    if std::str::from_utf8(name).is_err() {
        return Err(FsError::IllegalBytes);
    }
    if name.iter().any(|b| matches!(b, b'/' | b'\\' | b':')) || name == b".." {
        return Err(FsError::Invalid);
    }
    Ok(to_os(name))
}

fn kind_of(file: bool, dir: bool, link: bool) -> Kind {
    match (link, dir, file) {
        (true, ..) => Kind::Symlink,
        (_, true, _) => Kind::Dir,
        (.., true) => Kind::File,
        _ => Kind::Other,
    }
}

struct Times {
    created: io::Result<SystemTime>,
    accessed: io::Result<SystemTime>,
    modified: io::Result<SystemTime>,
}

fn describe(kind: Kind, size: u64, read_only: bool, times: Times) -> (Meta, Fingerprint) {
    let at = |t: io::Result<SystemTime>| t.map(time).unwrap_or_default();
    let (created, atime, mtime) = (at(times.created), at(times.accessed), at(times.modified));
    let ino =
        (created.secs as u64).wrapping_mul(1_000_000_000).wrapping_add(u64::from(created.nanos));
    let mode = match (kind, read_only) {
        (Kind::Dir, _) => 0o755,
        (Kind::Symlink, _) => 0o777,
        (_, true) => 0o444,
        (_, false) => 0o644,
    };
    let (nlink, ctime) = (1, mtime);
    (
        Meta { kind, ino, nlink, size, mode, atime, mtime, ctime },
        Fingerprint { kind, ino, mode, nlink, size, mtime, ctime },
    )
}

fn time(t: SystemTime) -> Time {
    match t.duration_since(UNIX_EPOCH) {
        Ok(d) => Time { secs: d.as_secs() as i64, nanos: d.subsec_nanos() },
        Err(before) => {
            let d: Duration = before.duration();
            match d.subsec_nanos() {
                0 => Time { secs: -(d.as_secs() as i64), nanos: 0 },
                n => Time { secs: -(d.as_secs() as i64) - 1, nanos: 1_000_000_000 - n },
            }
        }
    }
}
