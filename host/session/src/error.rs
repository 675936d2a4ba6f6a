//! What an operation on a view can answer when it does not succeed.

use std::io;

/// The error of one file-system operation on a view.
///
/// It is shaped as `errno` is, because that is what a guest is told: the caller knows the
/// path it asked for. Errors that a person reads (landing, recovery, begin) are typed per
/// operation elsewhere and carry paths and ids.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, serde::Serialize, serde::Deserialize,
)]
#[non_exhaustive]
pub enum FsError {
    /// ENOENT: no such file or directory.
    #[error("no such file or directory")]
    NotFound,
    /// EEXIST: the name is taken.
    #[error("file exists")]
    Exists,
    /// ENOTDIR: a component that must be a directory is not one.
    #[error("not a directory")]
    NotDirectory,
    /// EISDIR: the operation does not work on a directory.
    #[error("is a directory")]
    IsDirectory,
    /// ENOTEMPTY: the directory has entries (also ones whose names a guest cannot see).
    #[error("directory not empty")]
    NotEmpty,
    /// EACCES: the host denies it.
    #[error("permission denied")]
    Access,
    /// EPERM: leaving the view, a reserved name, or something a view never does.
    #[error("operation not permitted")]
    NotPermitted,
    /// EROFS: the path is read-only in this view (`.git` without the `vcs` grant, or a sealed view).
    #[error("read-only file system")]
    ReadOnly,
    /// EINVAL: the arguments make no sense together.
    #[error("invalid argument")]
    Invalid,
    /// EBADF: the handle was not opened for this.
    #[error("bad descriptor")]
    BadDescriptor,
    /// ELOOP: too many symbolic links.
    #[error("too many symbolic links")]
    Loop,
    /// ENAMETOOLONG: a name over 255 bytes or a path over 4096.
    #[error("file name too long")]
    NameTooLong,
    /// EILSEQ: the name cannot be represented.
    #[error("illegal byte sequence")]
    IllegalBytes,
    /// ENOSPC: the disk is full.
    #[error("no space left on device")]
    NoSpace,
    /// EFBIG: the file would be too large.
    #[error("file too large")]
    TooLarge,
    /// ENOTSUP: a kind of file that a view does not carry (device, FIFO, socket).
    #[error("not supported")]
    NotSupported,
    /// ESTALE: the session of this handle has landed, was rolled back or was restored.
    #[error("stale handle: the session has ended, or was restored to a checkpoint")]
    Stale,
    /// SESSION_ENDED: a look-up in a session that has landed or was rolled back.
    #[error("the session has ended")]
    Ended,
    /// SNAPSHOT_GONE: what the base held when the session began is no longer kept.
    #[error("the snapshot this session reads is gone")]
    SnapshotGone,
    /// UNREACHABLE: the store that holds the content cannot be reached, and it is not cached
    /// here.
    #[error("the store cannot be reached, and this content is not cached here")]
    Unreachable,
    /// CORRUPT: what a store gave is not what was asked for.
    #[error("the content does not match its hash")]
    Corrupt,
    /// The run's disk limit (bytes written, copy-up included) is reached.
    #[error("disk limit reached")]
    DiskLimit,
    /// The run's limit of created files is reached.
    #[error("file limit reached")]
    FileLimit,
    /// EIO, or any other error of the host, by its raw number.
    #[error("input/output error (os error {0})")]
    Io(i32),
}

impl FsError {
    /// The stable code with which an error that a person reads begins, if this is its cause.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSpace => "NO_SPACE",
            Self::SnapshotGone => "SNAPSHOT_GONE",
            Self::Ended | Self::Stale => "SESSION_ENDED",
            Self::Unreachable => "UNREACHABLE",
            Self::Corrupt => "CORRUPT",
            _ => "IO",
        }
    }
}

impl From<io::Error> for FsError {
    fn from(e: io::Error) -> Self {
        if let Some(own) = e.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return *own;
        }
        match e.raw_os_error() {
            Some(n) => from_raw(n),
            None => match e.kind() {
                io::ErrorKind::NotFound => Self::NotFound,
                io::ErrorKind::AlreadyExists => Self::Exists,
                io::ErrorKind::PermissionDenied => Self::Access,
                io::ErrorKind::InvalidInput => Self::Invalid,
                _ => Self::Io(0),
            },
        }
    }
}

impl From<FsError> for io::Error {
    /// As the host would say it where it can; else an error that becomes this one again.
    fn from(e: FsError) -> Self {
        match e {
            #[cfg(unix)]
            FsError::NoSpace => rustix::io::Errno::NOSPC.into(),
            FsError::Io(n) if n != 0 => io::Error::from_raw_os_error(n),
            e => io::Error::other(e),
        }
    }
}

#[cfg(unix)]
impl From<rustix::io::Errno> for FsError {
    fn from(e: rustix::io::Errno) -> Self {
        from_raw(e.raw_os_error())
    }
}

#[cfg(unix)]
fn from_raw(n: i32) -> FsError {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(n) {
        Errno::NOENT => FsError::NotFound,
        Errno::EXIST => FsError::Exists,
        Errno::NOTDIR => FsError::NotDirectory,
        Errno::ISDIR => FsError::IsDirectory,
        Errno::NOTEMPTY => FsError::NotEmpty,
        Errno::ACCESS => FsError::Access,
        Errno::PERM => FsError::NotPermitted,
        Errno::ROFS => FsError::ReadOnly,
        Errno::INVAL => FsError::Invalid,
        Errno::BADF => FsError::BadDescriptor,
        Errno::LOOP => FsError::Loop,
        Errno::NAMETOOLONG => FsError::NameTooLong,
        Errno::ILSEQ => FsError::IllegalBytes,
        Errno::NOSPC | Errno::DQUOT => FsError::NoSpace,
        Errno::FBIG => FsError::TooLarge,
        Errno::STALE => FsError::Stale,
        _ => FsError::Io(n),
    }
}

#[cfg(not(unix))]
fn from_raw(n: i32) -> FsError {
    match io::Error::from_raw_os_error(n).kind() {
        io::ErrorKind::NotFound => FsError::NotFound,
        io::ErrorKind::AlreadyExists => FsError::Exists,
        io::ErrorKind::PermissionDenied => FsError::Access,
        io::ErrorKind::DirectoryNotEmpty => FsError::NotEmpty,
        io::ErrorKind::NotADirectory => FsError::NotDirectory,
        io::ErrorKind::StorageFull => FsError::NoSpace,
        _ => FsError::Io(n),
    }
}

/// The result of one file-system operation on a view.
pub type FsResult<T> = Result<T, FsError>;
