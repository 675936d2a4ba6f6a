//! The ioctls of btrfs that a frozen copy takes, as `linux/btrfs.h` has them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use brio_session::RelPath;
use rustix::fs::fstatfs;

use crate::look::Look;

const MAGIC: u64 = 0x9123_683e;
/// The inode number of a subvolume's root.
pub(crate) const ROOT_INO: u64 = 256;

const NAME_MAX: usize = 4039;

/// `struct btrfs_ioctl_vol_args_v2`.
#[repr(C)]
struct VolArgs2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; NAME_MAX + 1],
}

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct RootRefs {
    min_treeid: u64,
    /// Tree and directory of each.
    rootref: [[u64; 2]; 255],
    num_items: u8,
    align: [u8; 7],
}

/// `struct btrfs_ioctl_ino_lookup_user_args`.
#[repr(C)]
struct LookupUser {
    dirid: u64,
    treeid: u64,
    name: [u8; 256],
    path: [u8; 3824],
}

const _: () = assert!(size_of::<VolArgs2>() == 4096 && size_of::<VolArgs>() == 4096);
const _: () = assert!(size_of::<RootRefs>() == 4096 && size_of::<LookupUser>() == 4096);

/// `_IOW(0x94, nr, [u8; 4096])`.
const fn iow(nr: u64) -> u64 {
    (1 << 30) | (4096 << 16) | (0x94 << 8) | nr
}

/// `_IOWR(0x94, nr, [u8; 4096])`.
const fn iowr(nr: u64) -> u64 {
    (3 << 30) | (4096 << 16) | (0x94 << 8) | nr
}

const SUBVOL_CREATE: u64 = iow(14);
const SNAP_DESTROY: u64 = iow(15);
const SNAP_CREATE_V2: u64 = iow(23);
const GET_SUBVOL_ROOTREF: u64 = iowr(61);
const INO_LOOKUP_USER: u64 = iowr(62);

#[allow(unsafe_code, reason = "rustix has no ioctls of btrfs")]
fn ioctl<T>(fd: BorrowedFd<'_>, request: u64, args: &mut T) -> io::Result<()> {
    const { assert!(size_of::<T>() == 4096) };
    // SAFETY: every request above reads or writes exactly 4096 bytes at the pointer, which is
    // what `T` has; `T` is `repr(C)` of integers, so that any bytes written are a value of it.
    // The descriptor is open as long as `fd` is borrowed.
    match unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(args)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn is_btrfs(fd: impl AsFd) -> bool {
    fstatfs(fd).is_ok_and(|s| s.f_type as u64 & 0xffff_ffff == MAGIC)
}

/// Why a directory is no root of a subvolume; `None`: it is.
pub(super) fn no_subvolume(dir: impl AsFd) -> io::Result<Option<&'static str>> {
    if !is_btrfs(&dir) {
        return Ok(Some("the file system is not btrfs"));
    }
    let root = Look::of(&dir)?.ino() == ROOT_INO;
    Ok((!root).then_some("the base is not the root of a subvolume"))
}

/// Makes an empty subvolume.
pub(super) fn create(parent: impl AsFd, name: &[u8]) -> io::Result<()> {
    let mut args = VolArgs { fd: 0, name: [0; 4088] };
    put(&mut args.name, name)?;
    ioctl(parent.as_fd(), SUBVOL_CREATE, &mut args)
}

/// Makes a snapshot of a subvolume.
pub(super) fn snapshot(of: impl AsFd, parent: impl AsFd, name: &[u8]) -> io::Result<()> {
    let mut args = VolArgs2 {
        fd: i64::from(of.as_fd().as_raw_fd()),
        transid: 0,
        flags: 0,
        unused: [0; 4],
        name: [0; NAME_MAX + 1],
    };
    put(&mut args.name, name)?;
    ioctl(parent.as_fd(), SNAP_CREATE_V2, &mut args)
}

/// Deletes a subvolume with all that is in it. Its bytes become free in the background.
/// False: it is none, or may not be deleted so.
pub(crate) fn destroy(parent: impl AsFd, name: &[u8]) -> io::Result<bool> {
    let parent = parent.as_fd();
    if Look::raw(parent, name)?.ino() != ROOT_INO || !is_btrfs(parent) {
        return Ok(false);
    }
    let mut args = VolArgs { fd: 0, name: [0; 4088] };
    put(&mut args.name, name)?;
    Ok(ioctl(parent, SNAP_DESTROY, &mut args).is_ok())
}

/// Where subvolumes lie in the one that `root` is the root of.
pub(super) fn nested(root: impl AsFd) -> io::Result<Vec<RelPath>> {
    let root = root.as_fd();
    let mut out = Vec::new();
    let mut min_treeid = 0;
    loop {
        let mut refs = RootRefs { min_treeid, rootref: [[0; 2]; 255], num_items: 0, align: [0; 7] };
        let more = match ioctl(root, GET_SUBVOL_ROOTREF, &mut refs) {
            Ok(()) => false,
            // There are more than fit.
            Err(e) if e.raw_os_error() == Some(libc::EOVERFLOW) => true,
            Err(e) => return Err(e),
        };
        for [treeid, dirid] in refs.rootref.iter().take(usize::from(refs.num_items)) {
            let mut at =
                LookupUser { dirid: *dirid, treeid: *treeid, name: [0; 256], path: [0; 3824] };
            ioctl(root, INO_LOOKUP_USER, &mut at)?;
            let path = [text(&at.path), text(&at.name)].concat();
            out.push(RelPath::new(path).unwrap_or_default());
        }
        if !more {
            return Ok(out);
        }
        min_treeid = refs.min_treeid;
    }
}

fn put(into: &mut [u8], name: &[u8]) -> io::Result<()> {
    // One byte stays 0.
    match into.get_mut(..name.len()) {
        Some(at) if name.len() < 4088 => {
            at.copy_from_slice(name);
            Ok(())
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn text(bytes: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes)
}
