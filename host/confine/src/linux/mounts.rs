//! Mounts in the room's own mount namespace.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_remount};

use super::root::HOST;
use super::wire::{Failure, Needing as _, errno};
use crate::Needed;
use crate::room::Access;

const EVERY_RESTRICTION: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Where a path of the host is while the root is built.
pub(super) fn on_host(path: &Path) -> PathBuf {
    Path::new(HOST).join(path.strip_prefix("/").unwrap_or(path))
}

pub(super) fn errno_failure(path: &Path, e: &io::Error) -> Failure {
    Failure::Bind { path: path.as_os_str().to_owned().into_vec(), errno: errno(e) }
}

/// Mounts, and remembers which file systems are the room's own.
pub(super) struct Mounter {
    /// Directories are made only on these: never on the host's.
    own: BTreeSet<u64>,
    /// Where the host has mounts, to find those inside of what is bound.
    host_mounts: Vec<PathBuf>,
    private_bytes: u64,
}

impl Mounter {
    pub(super) fn new(private_bytes: u64) -> Result<Self, Failure> {
        let text = fs::read("/proc/self/mountinfo")
            .needing(Needed::Helper, "read /proc/self/mountinfo")?;
        let host_mounts = text.split(|byte| *byte == b'\n').filter_map(mount_point).collect();
        Ok(Self { own: BTreeSet::new(), host_mounts, private_bytes })
    }

    /// A tmpfs over an existing directory.
    pub(super) fn tmpfs(&mut self, path: &Path, mode: u32, bytes: u64) -> Result<(), Failure> {
        mount_at("tmpfs", path, "tmpfs", &format!("mode={mode:o},size={bytes}"))
            .needing(Needed::Mount, &format!("mount a tmpfs at {}", path.display()))?;
        let meta = path.metadata().map_err(|e| errno_failure(path, &e))?;
        self.own.insert(meta.dev());
        Ok(())
    }

    /// A private directory.
    pub(super) fn private(&mut self, path: &Path, mode: u32) -> Result<(), Failure> {
        self.point(path, false)?;
        self.tmpfs(path, mode, self.private_bytes)
    }

    /// Makes sure that there is something to mount on, and makes nothing on the host's file
    /// systems.
    pub(super) fn point(&self, path: &Path, file: bool) -> Result<(), Failure> {
        let fail = |e: io::Error| errno_failure(path, &e);
        match path.metadata() {
            Ok(meta) if meta.is_dir() != file => return Ok(()),
            Ok(_) => {
                let code = if file { libc::EISDIR } else { libc::ENOTDIR };
                return Err(fail(io::Error::from_raw_os_error(code)));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(fail(e)),
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.point(parent, false)?;
        if !self.own.contains(&parent.metadata().map_err(fail)?.dev()) {
            return Err(fail(io::Error::from_raw_os_error(libc::ENOENT)));
        }
        if file { fs::File::create_new(path).map(drop) } else { fs::create_dir(path) }.map_err(fail)
    }

    /// Shows something of the host, with the mounts inside of it.
    pub(super) fn bind(
        &mut self,
        source: &Path,
        path: &Path,
        access: Access,
        file: bool,
    ) -> Result<(), Failure> {
        if access == Access::Hidden {
            return self.hide(path, file);
        }
        self.point(path, file)?;
        mount_bind_recursive(on_host(source), path)
            .map_err(|e| errno_failure(source, &e.into()))?;
        restrict(path, access)?;
        for inside in self.host_mounts.iter().filter(|mount| *mount != source) {
            let Ok(rest) = inside.strip_prefix(source) else { continue };
            let inside = path.join(rest);
            match restrict(&inside, access) {
                // Another mount hides it: it cannot be reached.
                Err(Failure::Refused {
                    errno: libc::EINVAL | libc::ENOENT | libc::ENOTDIR,
                    ..
                }) => {}
                // A FUSE mount of somebody else, or one whose server is gone, tells nothing of
                // itself. It is restricted as far as that goes.
                Err(Failure::Refused { errno: libc::EACCES | libc::ENOTCONN, .. }) => {
                    remount(&inside, EVERY_RESTRICTION)?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Shows one device. On a read-only mount it can be written to, but its mode cannot be
    /// changed: it is the host's own.
    pub(super) fn device(&self, source: &Path, path: &Path) -> Result<(), Failure> {
        self.point(path, true)?;
        mount_bind(on_host(source), path).map_err(|e| errno_failure(source, &e.into()))?;
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
        remount(path, flags_of(path)? | flags)
    }

    /// Lays an empty file or directory over something that is there.
    pub(super) fn hide(&mut self, path: &Path, file: bool) -> Result<(), Failure> {
        if file {
            mount_bind(on_host(Path::new("/dev/null")), path)
                .map_err(|e| errno_failure(path, &e.into()))?;
            let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
            return remount(path, flags_of(path)? | flags);
        }
        self.tmpfs(path, 0o555, 4096)?;
        restrict(path, Access::Read)
    }
}

/// Mounts a file system without set-user-ID programs and devices.
pub(super) fn mount_at(source: &str, path: &Path, kind: &str, data: &str) -> io::Result<()> {
    let data = CString::new(data)?;
    Ok(mount(source, path, kind, MountFlags::NOSUID | MountFlags::NODEV, &*data)?)
}

/// A FUSE mount. It is read-only from the start: to restrict it later, it would have to be asked
/// about itself, and nobody serves it yet.
pub(super) fn mount_fuse(path: &Path, data: &str, read_only: bool) -> io::Result<()> {
    let data = CString::new(data)?;
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
    if read_only {
        flags |= MountFlags::RDONLY;
    }
    Ok(mount("brio", path, "fuse.brio", flags, &*data)?)
}

/// The same, for what holds no programs. `/dev/pts` holds devices.
pub(super) fn mount_noexec(source: &str, path: &Path, kind: &str, data: &str) -> io::Result<()> {
    let data = CString::new(data)?;
    let mut flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    if kind != "devpts" {
        flags |= MountFlags::NODEV;
    }
    Ok(mount(source, path, kind, flags, &*data)?)
}

/// Takes set-user-ID and devices from one mount, and writing unless it is granted.
pub(super) fn restrict(path: &Path, access: Access) -> Result<(), Failure> {
    let mut flags = flags_of(path)? | MountFlags::NOSUID | MountFlags::NODEV;
    if access != Access::Write {
        flags |= MountFlags::RDONLY;
    }
    remount(path, flags)
}

/// Makes a part of a mount read-only where it is.
pub(super) fn read_only_in_place(path: &Path) -> Result<(), Failure> {
    mount_bind(path, path).map_err(|e| errno_failure(path, &e.into()))?;
    restrict(path, Access::Read)
}

/// What a mount has already: in a user namespace none of it may be taken away.
fn flags_of(path: &Path) -> Result<MountFlags, Failure> {
    let has = statvfs(path).needing(Needed::Mount, &format!("look at {}", path.display()))?.f_flag;
    let mut flags = MountFlags::empty();
    for (has_flag, flag) in [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    ] {
        if has.contains(has_flag) {
            flags |= flag;
        }
    }
    Ok(flags)
}

fn remount(path: &Path, flags: MountFlags) -> Result<(), Failure> {
    mount_remount(path, MountFlags::BIND | flags, c"")
        .needing(Needed::Mount, &format!("restrict {}", path.display()))
}

/// The mount point of a line of mountinfo.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(escaped) => {
                path.push(escaped);
                rest = &after[3..];
            }
            None => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    Some(super::wire::path_of(path))
}
