//! The one place where an error of the view becomes an error of WASI, or ends the run.

use brio_session::FsError;
use wasmtime_wasi::ResourceTableError;
use wasmtime_wasi::p2::StreamError;

use crate::Limit;
use crate::bindings::wasi::filesystem::types::ErrorCode;
use crate::limits::LimitHit;

/// Why a call of the guest did not succeed: a code that the guest is told, or a trap.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Fault {
    /// The guest is told.
    Code(ErrorCode),
    /// The guest ends.
    Trap(wasmtime::Error),
}

/// What the guest is told, or the limit that ends its run.
pub(crate) fn wasi(e: FsError) -> Result<ErrorCode, Limit> {
    Ok(match e {
        FsError::NotFound => ErrorCode::NoEntry,
        FsError::Exists => ErrorCode::Exist,
        FsError::NotDirectory => ErrorCode::NotDirectory,
        FsError::IsDirectory => ErrorCode::IsDirectory,
        FsError::NotEmpty => ErrorCode::NotEmpty,
        FsError::Access => ErrorCode::Access,
        FsError::NotPermitted => ErrorCode::NotPermitted,
        FsError::ReadOnly => ErrorCode::ReadOnly,
        FsError::Invalid => ErrorCode::Invalid,
        FsError::BadDescriptor => ErrorCode::BadDescriptor,
        FsError::Loop => ErrorCode::Loop,
        FsError::NameTooLong => ErrorCode::NameTooLong,
        FsError::IllegalBytes => ErrorCode::IllegalByteSequence,
        FsError::NoSpace => ErrorCode::InsufficientSpace,
        FsError::TooLarge => ErrorCode::FileTooLarge,
        FsError::NotSupported => ErrorCode::Unsupported,
        // WASI has no ESTALE; the WIT of `commit-session` promises this code.
        FsError::Stale => ErrorCode::BadDescriptor,
        FsError::Ended => ErrorCode::NoEntry,
        FsError::DiskLimit => return Err(Limit::Disk),
        FsError::FileLimit => return Err(Limit::Files),
        // SnapshotGone, Unreachable and Corrupt among them: nothing that a program could handle by its number.
        _ => ErrorCode::Io,
    })
}

impl From<FsError> for Fault {
    fn from(e: FsError) -> Self {
        match wasi(e) {
            Ok(code) => Self::Code(code),
            Err(limit) => Self::Trap(LimitHit(limit).into()),
        }
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<ResourceTableError> for Fault {
    fn from(e: ResourceTableError) -> Self {
        Self::Trap(e.into())
    }
}

/// The error of a stream. A guest can ask what the `error` resource stands for
/// ([`from_stream`]).
pub(super) fn stream(e: FsError) -> StreamError {
    match wasi(e) {
        Ok(_) => StreamError::LastOperationFailed(e.into()),
        Err(limit) => StreamError::Trap(LimitHit(limit).into()),
    }
}

/// What `filesystem-error-code` answers.
pub(super) fn from_stream(e: &wasmtime::Error) -> Option<ErrorCode> {
    e.downcast_ref::<FsError>().and_then(|e| wasi(*e).ok())
}
