//! What the kernel is told when an operation does not succeed.

use brio_session::FsError;
use fuser::Errno;

pub(crate) fn errno(e: FsError) -> Errno {
    match e {
        FsError::NotFound => Errno::ENOENT,
        FsError::Exists => Errno::EEXIST,
        FsError::NotDirectory => Errno::ENOTDIR,
        FsError::IsDirectory => Errno::EISDIR,
        FsError::NotEmpty => Errno::ENOTEMPTY,
        FsError::Access => Errno::EACCES,
        FsError::NotPermitted => Errno::EPERM,
        FsError::ReadOnly => Errno::EROFS,
        FsError::Invalid => Errno::EINVAL,
        FsError::BadDescriptor => Errno::EBADF,
        FsError::Loop => Errno::ELOOP,
        FsError::NameTooLong => Errno::ENAMETOOLONG,
        FsError::IllegalBytes => Errno::EILSEQ,
        FsError::NoSpace => Errno::ENOSPC,
        FsError::TooLarge => Errno::EFBIG,
        FsError::NotSupported => Errno::EOPNOTSUPP,
        FsError::Stale | FsError::Ended => Errno::ESTALE,
        FsError::DiskLimit | FsError::FileLimit => Errno::EDQUOT,
        FsError::Io(n) => Errno::from_i32(n),
        // Bytes that are no longer kept, or that a store did not give; and whatever a later version may answer.
        _ => Errno::EIO,
    }
}
