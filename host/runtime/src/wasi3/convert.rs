//! Between the types of 0.3 and those of 0.2, or the view's.

use brio_session::{Meta, SetTime, Time};
use wasmtime_wasi::p3::bindings::clocks::system_clock::Instant;

use super::bindings::wasi::filesystem::types as three;
use crate::bindings::wasi::filesystem::types as two;
use crate::fs::{self, Fault};

/// The flags of one version as those of another, by name.
macro_rules! flags {
    ($flags:expr, $from:ty => $to:ty, $($name:ident)*) => {{
        let (flags, mut same) = ($flags, <$to>::empty());
        $(if flags.contains(<$from>::$name) { same |= <$to>::$name; })*
        same
    }};
}

pub(super) fn path_flags(flags: three::PathFlags) -> two::PathFlags {
    flags!(flags, three::PathFlags => two::PathFlags, SYMLINK_FOLLOW)
}

pub(super) fn open_flags(flags: three::OpenFlags) -> two::OpenFlags {
    flags!(flags, three::OpenFlags => two::OpenFlags, CREATE DIRECTORY EXCLUSIVE TRUNCATE)
}

pub(super) fn descriptor_flags(flags: three::DescriptorFlags) -> two::DescriptorFlags {
    flags!(flags, three::DescriptorFlags => two::DescriptorFlags,
        READ WRITE FILE_INTEGRITY_SYNC DATA_INTEGRITY_SYNC REQUESTED_WRITE_SYNC MUTATE_DIRECTORY)
}

pub(super) fn flags_of(flags: two::DescriptorFlags) -> three::DescriptorFlags {
    flags!(flags, two::DescriptorFlags => three::DescriptorFlags,
        READ WRITE FILE_INTEGRITY_SYNC DATA_INTEGRITY_SYNC REQUESTED_WRITE_SYNC MUTATE_DIRECTORY)
}

pub(super) fn kind(kind: two::DescriptorType) -> three::DescriptorType {
    match kind {
        two::DescriptorType::BlockDevice => three::DescriptorType::BlockDevice,
        two::DescriptorType::CharacterDevice => three::DescriptorType::CharacterDevice,
        two::DescriptorType::Directory => three::DescriptorType::Directory,
        two::DescriptorType::Fifo => three::DescriptorType::Fifo,
        two::DescriptorType::SymbolicLink => three::DescriptorType::SymbolicLink,
        two::DescriptorType::RegularFile => three::DescriptorType::RegularFile,
        two::DescriptorType::Socket => three::DescriptorType::Socket,
        two::DescriptorType::Unknown => three::DescriptorType::Other(None),
    }
}

pub(super) fn stat(meta: &Meta) -> three::DescriptorStat {
    let instant = |t: Time| Some(Instant { seconds: t.secs, nanoseconds: t.nanos });
    three::DescriptorStat {
        type_: kind(fs::kind(meta.kind)),
        link_count: meta.nlink,
        size: meta.size,
        data_access_timestamp: instant(meta.atime),
        data_modification_timestamp: instant(meta.mtime),
        status_change_timestamp: instant(meta.ctime),
    }
}

pub(super) fn set_time(t: three::NewTimestamp) -> Result<SetTime, Fault> {
    Ok(match t {
        three::NewTimestamp::NoChange => SetTime::Keep,
        three::NewTimestamp::Now => SetTime::Now,
        three::NewTimestamp::Timestamp(t) if t.nanoseconds >= 1_000_000_000 => {
            return Err(two::ErrorCode::Invalid.into());
        }
        three::NewTimestamp::Timestamp(t) => {
            SetTime::At(Time { secs: t.seconds, nanos: t.nanoseconds })
        }
    })
}

pub(super) fn hash(hash: two::MetadataHashValue) -> three::MetadataHashValue {
    three::MetadataHashValue { lower: hash.lower, upper: hash.upper }
}

/// The variants of one enum as those of another, by name.
macro_rules! same {
    ($code:expr, $($name:ident)*) => {
        match $code {
            $(two::ErrorCode::$name => three::ErrorCode::$name,)*
            // 0.3 has no such code: what would block, waits.
            two::ErrorCode::WouldBlock => three::ErrorCode::Other(None),
        }
    };
}

pub(super) fn code(code: two::ErrorCode) -> three::ErrorCode {
    same!(code,
        Access Already BadDescriptor Busy Deadlock Quota Exist FileTooLarge IllegalByteSequence
        InProgress Interrupted Invalid Io IsDirectory Loop TooManyLinks MessageSize NameTooLong
        NoDevice NoEntry NoLock InsufficientMemory InsufficientSpace NotDirectory NotEmpty
        NotRecoverable Unsupported NoTty NoSuchDevice Overflow NotPermitted Pipe ReadOnly
        InvalidSeek TextFileBusy CrossDevice)
}
