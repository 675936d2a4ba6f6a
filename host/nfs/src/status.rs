//! How an operation went, in NFS's words.

use brio_session::FsError;

/// `nfsstat3` of RFC 1813, as far as it is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    Perm = 1,
    NoEnt = 2,
    Io = 5,
    Acces = 13,
    Exist = 17,
    XDev = 18,
    NotDir = 20,
    IsDir = 21,
    Inval = 22,
    FBig = 27,
    NoSpc = 28,
    RoFs = 30,
    NameTooLong = 63,
    NotEmpty = 66,
    DQuot = 69,
    Stale = 70,
    BadHandle = 10001,
    NotSync = 10002,
    NotSupp = 10004,
    TooSmall = 10005,
    BadType = 10007,
    JukeBox = 10008,
}

/// Somebody works in the session: what a view answers where the lease cannot be had.
const BUSY: i32 = 16; // EBUSY, on every system that has a View.

impl From<FsError> for Status {
    fn from(e: FsError) -> Self {
        match e {
            FsError::NotFound => Self::NoEnt,
            FsError::Exists => Self::Exist,
            FsError::NotDirectory => Self::NotDir,
            FsError::IsDirectory => Self::IsDir,
            FsError::NotEmpty => Self::NotEmpty,
            FsError::Access => Self::Acces,
            FsError::NotPermitted => Self::Perm,
            FsError::ReadOnly => Self::RoFs,
            FsError::Invalid | FsError::BadDescriptor | FsError::Loop | FsError::IllegalBytes => {
                Self::Inval
            }
            FsError::NameTooLong => Self::NameTooLong,
            FsError::NoSpace => Self::NoSpc,
            FsError::TooLarge => Self::FBig,
            FsError::NotSupported => Self::NotSupp,
            FsError::Stale | FsError::Ended => Self::Stale,
            FsError::DiskLimit | FsError::FileLimit => Self::DQuot,
            FsError::Io(BUSY) => Self::RoFs,
            // Bytes that are no longer kept, or that a store did not give; and whatever a later
            // version may answer.
            _ => Self::Io,
        }
    }
}

impl Status {
    /// The same, for what a client cannot give up without losing what it holds: it asks again, for
    /// as long as somebody works in the session.
    pub(crate) fn keep_trying(e: FsError) -> Self {
        if e == FsError::Io(BUSY) { Self::JukeBox } else { e.into() }
    }
}
