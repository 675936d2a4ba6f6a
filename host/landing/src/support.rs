//! Whether a directory can have live sessions at all.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{IFlags, fstatfs, ioctl_getflags};
use rustix::io::Errno;

use crate::disk::Disk;
use crate::{DomainError, Unsupported};

/// Magic numbers of `statfs(2)`: NFS, SMB, CIFS, SMB2, 9p, AFS, Ceph, Coda, OCFS2, GFS2, Lustre.
const NETWORK: [u64; 11] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x7375_7245,
    0x7461_636f,
    0x0116_1970,
    0x0bd0_0bd0,
];

/// File systems whose times are coarse, or another machine's: FAT, exFAT, HFS, HFS+, FUSE.
const COARSE: [u64; 5] = [0x4d44, 0x2011_bab0, 0x4244, 0x482b, 0x6573_5546];

const CASEFOLD: u32 = 0x4000_0000;

pub(crate) fn check(root: impl AsFd, shown: &Path) -> Result<(), DomainError> {
    let refuse = |why| Err(DomainError::Unsupported { path: shown.to_owned(), why });
    if let Ok(s) = fstatfs(&root)
        && NETWORK.contains(&(s.f_type as u64 & 0xffff_ffff))
    {
        return refuse(Unsupported::Network);
    }
    if ioctl_getflags(&root).is_ok_and(|f| f.contains(IFlags::from_bits_retain(CASEFOLD))) {
        return refuse(Unsupported::CaseInsensitive);
    }
    Ok(())
}

/// Whether times there cannot be compared closely with those of another file system.
pub(crate) fn is_coarse(dir: impl AsFd) -> bool {
    fstatfs(&dir).is_ok_and(|s| {
        let magic = s.f_type as u64 & 0xffff_ffff;
        COARSE.contains(&magic) || NETWORK.contains(&magic)
    })
}

/// Tries an exchange in `dir`, a fresh directory of ours.
pub(crate) fn can_exchange(disk: &Disk, dir: impl AsFd) -> io::Result<bool> {
    disk.mkdir(&dir, b"x", 0o700)?;
    disk.mkdir(&dir, b"y", 0o700)?;
    let tried = disk.exchange(&dir, b"x", &dir, b"y");
    disk.rmdir(&dir, b"x")?;
    disk.rmdir(&dir, b"y")?;
    let missing = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP].map(|e| Some(e.raw_os_error()));
    match tried {
        Ok(()) => Ok(true),
        Err(e) if missing.contains(&e.raw_os_error()) => Ok(false),
        Err(e) => Err(e),
    }
}
