//! Mutations of a base and of `.brio`, each through the door, by directory handle and name.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use brio_session::{Door, Op, Source, Time};
use rustix::fs::{
    self as rfs, AtFlags, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;

/// The door, with the system calls behind it.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) Door);

impl Disk {
    pub(crate) fn mkdir(&self, dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
        self.0.run(Op::Mkdir, || Ok(rfs::mkdirat(dir, name, Mode::from_raw_mode(mode))?))
    }

    /// Makes a file that must not exist.
    pub(crate) fn create(&self, dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<File> {
        let how = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut made = Err(io::ErrorKind::NotFound.into());
        self.0.run(Op::Create, || {
            made = Ok(File::from(rfs::openat(dir, name, how, Mode::from_raw_mode(mode))?));
            Ok(())
        })?;
        // A door that lied made nothing; writing into the void goes on with the lie.
        made.or_else(|_: io::Error| File::options().write(true).open("/dev/null"))
    }

    /// Writes a new file.
    pub(crate) fn write_new(&self, dir: impl AsFd, name: &[u8], bytes: &[u8]) -> io::Result<File> {
        let file = self.create(dir, name, 0o600)?;
        self.0.run(Op::Write, || (&file).write_all(bytes))?;
        Ok(file)
    }

    /// Writes `<name>.new` beside and renames it over `name`. `durable`: synced before the
    /// rename, and the directory after it.
    pub(crate) fn replace(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        bytes: &[u8],
        durable: bool,
    ) -> io::Result<()> {
        self.put(dir, name, bytes, durable)?;
        if durable { self.sync_dir(dir) } else { Ok(()) }
    }

    /// As [`replace`](Self::replace), its name not durable. `synced`: its content is before it
    /// takes the place of what may be durable, so that a power cut leaves one of the two.
    pub(crate) fn put(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        bytes: &[u8],
        synced: bool,
    ) -> io::Result<()> {
        let beside = [name, b".new"].concat();
        match rfs::unlinkat(dir, &*beside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let file = self.write_new(dir, &beside, bytes)?;
        if synced {
            self.sync_file(&file)?;
        }
        self.rename(dir, &beside, dir, name)
    }

    pub(crate) fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.0.run(Op::Append, || {
            let mut f = file;
            f.write_all(bytes)
        })
    }

    pub(crate) fn write_seq(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.0.run(Op::Seq, || file.write_all_at(bytes, 0))
    }

    pub(crate) fn rename(
        &self,
        from: impl AsFd,
        a: &[u8],
        to: impl AsFd,
        b: &[u8],
    ) -> io::Result<()> {
        self.0.run(Op::Rename, || Ok(rfs::renameat(from, a, to, b)?))
    }

    pub(crate) fn rename_noreplace(
        &self,
        from: impl AsFd,
        a: &[u8],
        to: impl AsFd,
        b: &[u8],
    ) -> io::Result<()> {
        self.0.run(Op::RenameNoReplace, || {
            Ok(rfs::renameat_with(from, a, to, b, RenameFlags::NOREPLACE)?)
        })
    }

    pub(crate) fn exchange(
        &self,
        from: impl AsFd,
        a: &[u8],
        to: impl AsFd,
        b: &[u8],
    ) -> io::Result<()> {
        self.0.run(Op::Exchange, || Ok(rfs::renameat_with(from, a, to, b, RenameFlags::EXCHANGE)?))
    }

    pub(crate) fn link(
        &self,
        from: impl AsFd,
        a: &[u8],
        to: impl AsFd,
        b: &[u8],
    ) -> io::Result<()> {
        self.0.run(Op::Link, || Ok(rfs::linkat(from, a, to, b, AtFlags::empty())?))
    }

    pub(crate) fn symlink(&self, target: &[u8], dir: impl AsFd, name: &[u8]) -> io::Result<()> {
        self.0.run(Op::Symlink, || Ok(rfs::symlinkat(target, dir, name)?))
    }

    pub(crate) fn unlink(&self, dir: impl AsFd, name: &[u8]) -> io::Result<()> {
        self.0.run(Op::Unlink, || Ok(rfs::unlinkat(dir, name, AtFlags::empty())?))
    }

    pub(crate) fn rmdir(&self, dir: impl AsFd, name: &[u8]) -> io::Result<()> {
        self.0.run(Op::Rmdir, || Ok(rfs::unlinkat(dir, name, AtFlags::REMOVEDIR)?))
    }

    pub(crate) fn chmod(&self, file: impl AsFd, mode: u32) -> io::Result<()> {
        self.0.run(Op::Chmod, || Ok(rfs::fchmod(file, Mode::from_raw_mode(mode))?))
    }

    /// Changes the owner of a name, links not followed.
    pub(crate) fn chown(
        &self,
        dir: impl AsFd,
        name: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> io::Result<()> {
        self.0.run(Op::Chown, || {
            let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            Ok(rfs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Sets the times of a name, links not followed.
    pub(crate) fn set_times(
        &self,
        dir: impl AsFd,
        name: &[u8],
        atime: Time,
        mtime: Time,
    ) -> io::Result<()> {
        let times = Timestamps { last_access: timespec(atime), last_modification: timespec(mtime) };
        self.0
            .run(Op::SetTimes, || Ok(rfs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    pub(crate) fn set_xattr(&self, file: impl AsFd, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.0
            .run(Op::SetXattr, || Ok(rfs::fsetxattr(file, name, value, rfs::XattrFlags::empty())?))
    }

    /// Copies what a store holds into an empty file.
    pub(crate) fn fetch_into(&self, from: &Source, into: &File) -> io::Result<()> {
        self.0.run(Op::Clone, || from.copy_to(into, false).map(drop))
    }

    /// Clones or copies all content of one file into another, empty one.
    pub(crate) fn clone_into(&self, from: &File, into: &File) -> io::Result<()> {
        self.0.run(Op::Clone, || {
            if rfs::ioctl_ficlone(into, from).is_ok() {
                return Ok(());
            }
            let mut at = 0u64;
            loop {
                match rfs::copy_file_range(from, Some(&mut at), into, None, 1 << 30) {
                    Ok(0) if at == 0 => break, // some file systems (procfs) report nothing; read instead
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(_) if at == 0 => break,
                    Err(e) => return Err(e.into()),
                }
            }
            let mut buf = vec![0; 1 << 18];
            loop {
                let n = from.read_at(&mut buf, at)?;
                if n == 0 {
                    return Ok(());
                }
                into.write_all_at(&buf[..n], at)?;
                at += n as u64;
            }
        })
    }

    pub(crate) fn sync_file(&self, file: &File) -> io::Result<()> {
        self.0.run(Op::Sync, || file.sync_all())
    }

    pub(crate) fn sync_dir(&self, dir: impl AsFd) -> io::Result<()> {
        self.0.run(Op::Sync, || {
            let fd = rfs::openat(dir, c".", DIR, Mode::empty())?;
            Ok(rfs::fsync(fd)?)
        })
    }

    pub(crate) fn sync_fs(&self, fd: impl AsFd) -> io::Result<()> {
        self.0.run(Op::SyncFs, || Ok(rfs::syncfs(fd)?))
    }

    pub(crate) fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.0.run(Op::Truncate, || file.set_len(len))
    }

    /// Deletes a name and all below it; what is missing already is no error. Returns the bytes
    /// on disk that no other name holds.
    pub(crate) fn remove_tree(&self, dir: impl AsFd, name: &[u8]) -> io::Result<u64> {
        let dir = dir.as_fd();
        let s = match rfs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(s) => s,
            Err(Errno::NOENT) => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        let own = if s.st_nlink <= 1 || is_dir(s.st_mode) { s.st_blocks as u64 * 512 } else { 0 };
        if !is_dir(s.st_mode) {
            return match self.unlink(dir, name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
                r => r.map(|()| own),
            };
        }
        if s.st_ino == crate::lower::SUBVOLUME_INO
            && self.0.pass(Op::Rmdir, || crate::lower::destroy_subvolume(dir, name), || true)?
        {
            return Ok(0);
        }
        let inner = match rfs::openat(dir, name, DIR | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::ACCESS) => {
                // A staged directory may have lost the bits that its owner needs to empty it.
                let fd = rfs::openat(
                    dir,
                    name,
                    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?;
                let by_fd = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
                self.0.run(Op::Chmod, || Ok(rfs::chmod(&*by_fd, Mode::from_raw_mode(0o700))?))?;
                rfs::openat(dir, name, DIR | OFlags::NOFOLLOW, Mode::empty())?
            }
            Err(Errno::NOENT) => return Ok(0),
            r => r?,
        };
        let mut freed = own;
        for child in gone_is_empty(names(&inner))? {
            freed += self.remove_tree(&inner, &child)?;
        }
        match self.rmdir(dir, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(freed),
            r => r.map(|()| freed),
        }
    }

    /// As [`remove_tree`](Self::remove_tree), as far as `budget` goes: it counts the entries of
    /// `name` itself, where a layer and a landing have their many files.
    pub(crate) fn remove_some(
        &self,
        dir: impl AsFd,
        name: &[u8],
        budget: &mut usize,
    ) -> io::Result<u64> {
        let dir = dir.as_fd();
        let mut freed = 0;
        if *budget < usize::MAX
            && let Ok(inner) = open_dir(dir, name)
        {
            for child in gone_is_empty(names(&inner))? {
                if *budget == 0 {
                    return Ok(freed);
                }
                *budget -= 1;
                freed += self.remove_tree(&inner, &child)?;
            }
        }
        Ok(freed + self.remove_tree(dir, name)?)
    }
}

/// A directory that is removed while it is open cannot be read any more.
pub(crate) fn gone_is_empty(names: io::Result<Vec<Vec<u8>>>) -> io::Result<Vec<Vec<u8>>> {
    match names {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        r => r,
    }
}

/// How directories are opened for reading.
pub(crate) const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn is_dir(mode: u32) -> bool {
    rfs::FileType::from_raw_mode(mode) == rfs::FileType::Directory
}

fn timespec(t: Time) -> Timespec {
    Timespec { tv_sec: t.secs, tv_nsec: t.nanos as _ }
}

/// The names in a directory, without `.` and `..`, sorted.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    for e in rfs::Dir::new(rfs::openat(dir, c".", DIR, Mode::empty())?)? {
        let e = e?;
        let name = e.file_name().to_bytes();
        if name != b"." && name != b".." {
            out.push(name.to_vec());
        }
    }
    out.sort_unstable();
    Ok(out)
}

/// What a name and all below it take on disk, as `du` says: hard links count once. `seen` are
/// the inodes with several names that were counted.
pub(crate) fn usage(
    dir: impl AsFd,
    name: &[u8],
    seen: &mut std::collections::HashSet<u64>,
) -> io::Result<u64> {
    let s = match rfs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(s) => s,
        Err(Errno::NOENT) => return Ok(0),
        Err(e) => return Err(e.into()),
    };
    let mut bytes = s.st_blocks as u64 * 512;
    if is_dir(s.st_mode) {
        let inner = match open_dir(&dir, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
            r => r?,
        };
        for child in gone_is_empty(names(&inner))? {
            bytes += usage(&inner, &child, seen)?;
        }
    } else if s.st_nlink > 1 && !seen.insert(s.st_ino) {
        bytes = 0;
    }
    Ok(bytes)
}

/// Opens a directory one name down, links not followed.
pub(crate) fn open_dir(dir: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rfs::openat(dir, name, DIR | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Reads a whole file of ours; `None` when it is missing.
pub(crate) fn read(dir: impl AsFd, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut out = Vec::new();
    match rfs::openat(dir, name, how, Mode::empty()) {
        Ok(fd) => File::from(fd).read_to_end(&mut out)?,
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(Some(out))
}

/// Opens what lies at a path below `root` without following any link or leaving it.
/// `stay`: nor crossing a mount.
pub(crate) fn open_beneath(
    root: impl AsFd,
    path: &[u8],
    how: OFlags,
    stay: bool,
) -> rustix::io::Result<OwnedFd> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    if stay {
        resolve |= ResolveFlags::NO_XDEV;
    }
    let path = if path.is_empty() { b"." } else { path };
    loop {
        // AGAIN: a rename elsewhere made the kernel unsure that we stayed beneath.
        match rfs::openat2(&root, path, how | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            r => return r,
        }
    }
}

impl Disk {
    /// Changes the mode of a name that is no link.
    pub(crate) fn chmod_at(&self, dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
        self.0.run(Op::Chmod, || {
            Ok(rfs::chmodat(dir, name, Mode::from_raw_mode(mode), AtFlags::empty())?)
        })
    }
}
