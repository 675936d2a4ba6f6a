//! What a file system can do, found out by doing it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use brio_session::{Kind, Op, RelPath, STATE_DIR};
use rustix::fs::{AtFlags, Mode, OFlags, ioctl_ficlone, openat, unlinkat};
use rustix::io::Errno;

use super::btrfs;
use crate::claim::nonce;
use crate::disk::{self, DIR, Disk};
use crate::look::Look;

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

/// How many entries are looked at for a file to try it with.
const LOOKED_AT: usize = 4096;

/// Clones a file of a base into a directory, which may lie on another file system.
pub(crate) fn reflink_across(disk: &Disk, base: impl AsFd, dir: impl AsFd) -> Reflink {
    let (base, dir) = (base.as_fd(), dir.as_fd());
    if let no @ Reflink::No(_) = reflink_in(disk, dir) {
        return no;
    }
    let (mut todo, mut looked) = (vec![RelPath::root()], 0);
    while let Some(at) = todo.pop() {
        let Ok(fd) = disk::open_beneath(base, at.as_bytes(), DIR, true) else { continue };
        for name in disk::names(&fd).unwrap_or_default() {
            looked += 1;
            if looked > LOOKED_AT {
                return Reflink::No("no file was found to try it with".to_owned());
            }
            let Ok(Some(look)) = Look::at(&fd, &name) else { continue };
            match look.kind() {
                Kind::Dir => todo.push(at.join(&name)),
                Kind::File if look.size() > 0 => match cloned(disk, &fd, &name, dir) {
                    Ok(()) => return Reflink::Yes,
                    Err(Errno::XDEV | Errno::OPNOTSUPP) => {
                        let why = "the base lies on another file system than the home";
                        return Reflink::No(why.to_owned());
                    }
                    // It may be this file's matter.
                    Err(_) => {}
                },
                _ => {}
            }
        }
    }
    // Nothing is there to be copied either.
    Reflink::Yes
}

fn cloned(disk: &Disk, at: &OwnedFd, name: &[u8], into: BorrowedFd<'_>) -> Result<(), Errno> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let from = openat(at, name, how, Mode::empty())?;
    let errno = |e: io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    let to = scratch(disk, into).map_err(errno)?;
    disk.0.run(Op::Clone, || Ok(ioctl_ficlone(&to, &from)?)).map_err(errno)
}

/// Takes a snapshot of a base into a directory, which may lie on another file system, and
/// deletes it.
pub(crate) fn snapshot_across(disk: &Disk, base: impl AsFd, dir: impl AsFd) -> Snapshots {
    let (base, dir) = (base.as_fd(), dir.as_fd());
    if let no @ Snapshots::No(_) = snapshots_in(disk, base, dir) {
        return no;
    }
    let tried = disk.0.run(Op::Clone, || btrfs::snapshot(base, dir, super::LOWER));
    match tried.and_then(|()| disk.remove_tree(dir, super::LOWER)) {
        Ok(_) => Snapshots::Yes,
        Err(e) => Snapshots::No(format!("it could not be taken: {e}")),
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
