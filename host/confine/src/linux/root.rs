//! The room's root directory.
//!
//! Every path here is resolved in the room: the root changes first, and the host's tree hangs
//! below [`HOST`] until [`seal`] takes it away.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount_change, unmount,
};
use rustix::process::{chdir, getegid, geteuid, pivot_root};

use super::mounts::{self, Mounter, errno_failure};
use super::wire::{Bytes, Failure, Needing as _, WirePlace, errno, path_of};
use crate::Needed;
use crate::room::Access;

/// Where the host's tree is while the root is built.
pub(super) const HOST: &str = "/.host";

/// Of `/proc`, what can be read but changes the host when written.
const PROC_READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Of `/proc`, what tells about the host beyond the room, and what no tool needs.
const PROC_HIDDEN: &[&str] = &[
    "acpi",
    "asound",
    "driver",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "modules",
    "sched_debug",
    "scsi",
    "slabinfo",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

const DEV_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Changes the root and puts every place into it; a descriptor of `/dev/fuse` for each that is a
/// FUSE mount, in their order. From such a mount on, nothing below its path is touched here.
pub(super) fn build(
    places: &[(Bytes, WirePlace)],
    private_bytes: u64,
) -> Result<Vec<OwnedFd>, Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .needing(Needed::Mount, "make / private")?;
    // The device is not there any more once the root has changed.
    let mounts = places.iter().filter(|(_, place)| matches!(place, WirePlace::Fuse { .. }));
    let fuse = mounts.map(|_| open_fuse()).collect::<Result<Vec<_>, _>>()?;
    let mut unused = fuse.iter();
    let mut mounter = Mounter::new(private_bytes)?;
    change_root(&mut mounter)?;
    for (path, place) in places {
        let path = path_of(path.clone());
        match place {
            WirePlace::Bind { source, access, file } => {
                mounter.bind(&path_of(source.clone()), &path, *access, *file)?;
            }
            WirePlace::Private { mode } => mounter.private(&path, *mode)?,
            WirePlace::Empty => mounter.point(&path, false)?,
            WirePlace::Link { target } => link(&path_of(target.clone()), &path, &mounter)?,
            WirePlace::Fuse { options, read_only } => {
                if let Some(fuse) = unused.next() {
                    mount_fuse(&mounter, fuse, &path, options, *read_only)?;
                }
            }
            WirePlace::Proc => proc(&mut mounter, &path)?,
            WirePlace::Dev => dev(&mut mounter, &path)?,
        }
    }
    Ok(fuse)
}

/// Changes the root to an empty directory, for good: nothing of the host's tree can be reached
/// then. What comes back is the host's `/dev/null`, opened where its mode cannot be changed.
pub(super) fn empty() -> Result<OwnedFd, Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .needing(Needed::Mount, "make / private")?;
    let mut mounter = Mounter::new(0)?;
    change_root(&mut mounter)?;
    let path = Path::new("/null");
    mounter.device(Path::new("/dev/null"), path)?;
    let null = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| errno_failure(path, &e.into()))?;
    unmount(path, UnmountFlags::DETACH).needing(Needed::Mount, "take /null away")?;
    fs::remove_file(path).needing(Needed::Mount, "remove /null")?;
    seal()?;
    Ok(null)
}

/// `/proc` of this PID namespace, mounted nowhere: it is gone with the descriptor.
pub(super) fn own_proc() -> io::Result<OwnedFd> {
    let proc = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&proc)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(&proc, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Takes the host's tree away, and makes the root and what can be written in `/proc` read-only.
pub(super) fn seal() -> Result<(), Failure> {
    for name in PROC_READ_ONLY {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            mounts::read_only_in_place(&path)?;
        }
    }
    unmount(HOST, UnmountFlags::DETACH).needing(Needed::PivotRoot, "take the host's root away")?;
    fs::remove_dir(HOST).needing(Needed::PivotRoot, "remove /.host")?;
    mounts::restrict(Path::new("/"), Access::Read)
}

fn change_root(mounter: &mut Mounter) -> Result<(), Failure> {
    // Any directory will do: what it hides comes back below HOST when the root has changed.
    let base = ["/tmp", "/var", "/usr"].into_iter().find(|dir| Path::new(dir).is_dir());
    let base = Path::new(base.unwrap_or("/usr"));
    mounter.tmpfs(base, 0o755, 16 << 20)?;
    let old = base.join(".host");
    fs::create_dir(&old).needing(Needed::PivotRoot, "make /.host")?;
    pivot_root(base, &old).needing(Needed::PivotRoot, "pivot_root")?;
    chdir("/").needing(Needed::PivotRoot, "chdir /")
}

fn open_fuse() -> Result<OwnedFd, Failure> {
    rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Failure::NoFuse { step: "open /dev/fuse".to_owned(), errno: e.raw_os_error() })
}

fn mount_fuse(
    mounter: &Mounter,
    fuse: &OwnedFd,
    path: &Path,
    options: &str,
    read_only: bool,
) -> Result<(), Failure> {
    mounter.point(path, false)?;
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let mut data = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions",
        fuse.as_raw_fd()
    );
    if !options.is_empty() {
        data.push(',');
        data.push_str(options);
    }
    mounts::mount_fuse(path, &data, read_only).map_err(|e| Failure::NoFuse {
        step: format!("mount FUSE at {}", path.display()),
        errno: errno(&e),
    })
}

fn link(target: &Path, path: &Path, mounter: &Mounter) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        mounter.point(parent, false)?;
    }
    std::os::unix::fs::symlink(target, path).map_err(|e| errno_failure(path, &e))
}

fn proc(mounter: &mut Mounter, path: &Path) -> Result<(), Failure> {
    mounter.point(path, false)?;
    mounts::mount_noexec("proc", path, "proc", "").needing(Needed::Proc, "mount /proc")?;
    for name in PROC_HIDDEN {
        let hidden = path.join(name);
        if let Ok(meta) = hidden.symlink_metadata() {
            mounter.hide(&hidden, !meta.is_dir())?;
        }
    }
    Ok(())
}

fn dev(mounter: &mut Mounter, path: &Path) -> Result<(), Failure> {
    mounter.point(path, false)?;
    mounter.tmpfs(path, 0o755, 1 << 16)?;
    for name in DEVICES {
        let source = Path::new("/dev").join(name);
        if mounts::on_host(&source).exists() {
            mounter.device(&source, &path.join(name))?;
        }
    }
    for (target, link) in DEV_LINKS {
        std::os::unix::fs::symlink(target, link).map_err(|e| errno_failure(Path::new(link), &e))?;
    }
    let pts = PathBuf::from("/dev/pts");
    mounter.point(&pts, false)?;
    mounts::mount_noexec("devpts", &pts, "devpts", "newinstance,ptmxmode=0666,mode=0620")
        .needing(Needed::Mount, "mount /dev/pts")?;
    mounter.private(Path::new("/dev/shm"), 0o1777)?;
    mounts::restrict(path, Access::Read)
}
