//! Why permission is denied: modes and owners, compared with who asks.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access as Want, AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, accessat, fstatvfs,
};

use crate::look::Look;

/// Who may do what with a file or directory, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What it is about.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The user who asks.
    pub as_uid: u32,
    /// That user's group.
    pub as_gid: u32,
    /// Its file system is mounted read-only.
    pub read_only: bool,
    /// That user may write there.
    pub writable: bool,
}

impl Access {
    /// Looks at a path; `None` when that cannot even be looked at.
    pub fn of(path: &Path) -> Option<Self> {
        let how = OFlags::PATH | OFlags::CLOEXEC;
        Self::at(rustix::fs::open(path, how, Mode::empty()).ok()?, path)
    }

    pub(crate) fn at(fd: impl AsFd, path: &Path) -> Option<Self> {
        let look = Look::of(&fd).ok()?;
        let flags = fstatvfs(&fd).map_or(StatVfsMountFlags::empty(), |s| s.f_flag);
        let want = if look.kind() == brio_session::Kind::Dir {
            Want::WRITE_OK | Want::EXEC_OK
        } else {
            Want::WRITE_OK
        };
        // By its descriptor: a path may lead elsewhere by now.
        let by_fd = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        let writable = accessat(CWD, by_fd, want, AtFlags::EACCESS).is_ok();
        Some(Self {
            path: path.to_owned(),
            mode: look.mode(),
            uid: look.uid(),
            gid: look.gid(),
            as_uid: rustix::process::geteuid().as_raw(),
            as_gid: rustix::process::getegid().as_raw(),
            read_only: flags.contains(StatVfsMountFlags::RDONLY),
            writable,
        })
    }

    /// What keeps the caller from it, in words.
    pub(crate) fn reason(&self) -> String {
        let Self { mode, uid, gid, as_uid, as_gid, .. } = self;
        if self.read_only {
            return "its file system is mounted read-only".to_owned();
        }
        format!(
            "it is {mode:04o} and belongs to user {uid}, group {gid}; you are user {as_uid}, group {as_gid}"
        )
    }

    /// `UID mismatch (orig, session)`, where owner and caller differ.
    pub fn mismatch(&self) -> Option<String> {
        (self.uid != self.as_uid)
            .then(|| format!("Warning: UID mismatch ({}, {})", self.uid, self.as_uid))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        match self.mismatch().filter(|_| !self.read_only) {
            Some(warning) => write!(f, ". {warning}"),
            None => Ok(()),
        }
    }
}
