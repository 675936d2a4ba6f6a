//! What lies at a name: one `statx`, links not followed.

use std::io;
use std::os::fd::AsFd;

use brio_session::{Fingerprint, Kind, Meta, Time};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp, statx};
use rustix::io::Errno;

/// What `statx` says about a name.
#[derive(Clone, Copy)]
pub(crate) struct Look(Statx);

impl Look {
    /// `None` when nothing is there. An empty name is the directory itself.
    pub(crate) fn at(dir: impl AsFd, name: &[u8]) -> io::Result<Option<Look>> {
        match Self::raw(dir, name) {
            Ok(s) => Ok(Some(s)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub(crate) fn raw(dir: impl AsFd, name: &[u8]) -> rustix::io::Result<Look> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::STATX_SYNC_AS_STAT;
        let what = StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID;
        statx(dir, name, flags, what).map(Look)
    }

    /// Of an open file.
    pub(crate) fn of(fd: impl AsFd) -> io::Result<Look> {
        Ok(Self::raw(fd, b"")?)
    }

    pub(crate) fn kind(&self) -> Kind {
        match FileType::from_raw_mode(u32::from(self.0.stx_mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        }
    }

    pub(crate) fn ino(&self) -> u64 {
        self.0.stx_ino
    }

    pub(crate) fn mode(&self) -> u32 {
        u32::from(self.0.stx_mode) & 0o7777
    }

    pub(crate) fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    pub(crate) fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    pub(crate) fn nlink(&self) -> u64 {
        u64::from(self.0.stx_nlink)
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.stx_size
    }

    /// What it takes on the disk; less than its size where it has holes.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.0.stx_blocks * 512
    }

    pub(crate) fn dev(&self) -> u64 {
        (u64::from(self.0.stx_dev_major) << 32) | u64::from(self.0.stx_dev_minor)
    }

    pub(crate) fn mount(&self) -> u64 {
        self.0.stx_mnt_id
    }

    /// Immutable or append-only.
    pub(crate) fn frozen(&self) -> bool {
        self.0.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
    }

    pub(crate) fn mount_root(&self) -> bool {
        self.0.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    }

    /// When it was created, where the file system says.
    pub(crate) fn born(&self) -> Option<Time> {
        (self.0.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(&self.0.stx_btime))
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            kind: self.kind(),
            ino: self.ino(),
            mode: self.mode(),
            nlink: self.nlink(),
            size: self.0.stx_size,
            mtime: time(&self.0.stx_mtime),
            ctime: time(&self.0.stx_ctime),
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        Meta {
            kind: self.kind(),
            ino: self.ino(),
            nlink: self.nlink(),
            size: self.0.stx_size,
            mode: self.mode(),
            atime: time(&self.0.stx_atime),
            mtime: time(&self.0.stx_mtime),
            ctime: time(&self.0.stx_ctime),
        }
    }
}

fn time(t: &StatxTimestamp) -> Time {
    Time { secs: t.tv_sec, nanos: t.tv_nsec }
}
