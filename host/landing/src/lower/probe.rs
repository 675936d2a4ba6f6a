//! What a file system can do, found out by doing it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use brio_session::{Op, STATE_DIR};
use rustix::fs::{AtFlags, Mode, OFlags, ioctl_ficlone, openat, unlinkat};
use rustix::io::Errno;

use super::btrfs;
use crate::claim::nonce;
use crate::disk::{DIR, Disk};

/// Whether files can share their blocks in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reflink {
    Yes,
    No(String),
}

/// Whether snapshots of a directory can be made, and deleted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Snapshots {
    Yes,
    No(String),
}

/// Whether a first write in a session of this directory, and a frozen copy of it, share
/// blocks with the base instead of copying them: btrfs, xfs, OCFS2, APFS, ReFS and others.
/// A small file is really cloned, in `.brio` where there is one; nothing of it is left.
/// False also where nothing can be written.
pub fn check_reflink_support(path: &Path) -> bool {
    let open = |p: &Path| rustix::fs::open(p, DIR, Mode::empty());
    match open(&path.join(STATE_DIR)).or_else(|_| open(path)) {
        Ok(dir) => reflink_in(&Disk::default(), dir) == Reflink::Yes,
        Err(_) => false,
    }
}

/// Clones a small file in a directory.
pub(crate) fn reflink_in(disk: &Disk, dir: impl AsFd) -> Reflink {
    let dir = dir.as_fd();
    let cloned = || -> io::Result<()> {
        let (from, to) = (scratch(disk, dir)?, scratch(disk, dir)?);
        disk.0.run(Op::Write, || (&from).write_all(&[b'b'; 4096]))?;
        disk.0.run(Op::Clone, || Ok(ioctl_ficlone(&to, &from)?))
    };
    match cloned() {
        Ok(()) => Reflink::Yes,
        Err(e) => Reflink::No(match Errno::from_io_error(&e) {
            Some(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOTTY | Errno::NOSYS) => {
                "the file system cannot share blocks between files".to_owned()
            }
            _ => format!("a file could not be cloned: {e}"),
        }),
    }
}

/// A file without a name, or with one that is removed at once.
fn scratch(disk: &Disk, dir: impl AsFd) -> io::Result<File> {
    let dir = dir.as_fd();
    let mode = Mode::from_raw_mode(0o600);
    let mut made = None;
    disk.0.run(Op::Create, || {
        made = match openat(dir, c".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(fd) => Some(File::from(fd)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS) => None,
            Err(e) => return Err(e.into()),
        };
        Ok(())
    })?;
    if let Some(file) = made {
        return Ok(file);
    }
    let name = format!(".brio-probe-{}", nonce()?);
    let file = disk.create(dir, name.as_bytes(), 0o600)?;
    disk.0.run(Op::Unlink, || Ok(unlinkat(dir, &*name, AtFlags::empty())?))?;
    Ok(file)
}

/// Makes an empty subvolume in `scratch`, which lies in `root`, and deletes it.
pub(crate) fn snapshots_in(disk: &Disk, root: impl AsFd, scratch: impl AsFd) -> Snapshots {
    match btrfs::no_subvolume(&root) {
        Ok(None) => {}
        Ok(Some(why)) => return Snapshots::No(why.to_owned()),
        Err(e) => return Snapshots::No(format!("the base cannot be looked at: {e}")),
    }
    let scratch = scratch.as_fd();
    let tried = || -> io::Result<bool> {
        let name = format!("probe-{}", nonce()?).into_bytes();
        disk.0.run(Op::Mkdir, || btrfs::create(scratch, &name))?;
        let gone = disk.0.pass(Op::Rmdir, || btrfs::destroy(scratch, &name), || true)?;
        if !gone {
            // An empty one goes as a directory does.
            disk.rmdir(scratch, &name)?;
        }
        Ok(gone)
    };
    match tried() {
        Ok(true) => Snapshots::Yes,
        Ok(false) => Snapshots::No(
            "you may not delete a snapshot again (mount with user_subvol_rm_allowed)".to_owned(),
        ),
        Err(e) => Snapshots::No(format!("a subvolume cannot be made: {e}")),
    }
}
