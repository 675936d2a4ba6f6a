//! Between the view's types and WASI's.

use brio_session::{FsError, Kind, Meta, OpenOptions, SetTime, Time};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use super::Fault;
use super::memo::Id;
use crate::bindings::wasi::filesystem::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};

pub(crate) fn kind(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Dir => DescriptorType::Directory,
        Kind::Symlink => DescriptorType::SymbolicLink,
        Kind::Other => DescriptorType::Unknown,
    }
}

pub(super) fn stat(meta: &Meta) -> DescriptorStat {
    DescriptorStat {
        type_: kind(meta.kind),
        link_count: meta.nlink,
        size: meta.size,
        data_access_timestamp: datetime(meta.atime),
        data_modification_timestamp: datetime(meta.mtime),
        status_change_timestamp: datetime(meta.ctime),
    }
}

/// WASI has no time before 1970.
pub(super) fn datetime(t: Time) -> Option<Datetime> {
    Some(Datetime { seconds: t.secs.try_into().ok()?, nanoseconds: t.nanos })
}

pub(super) fn set_time(t: NewTimestamp) -> Result<SetTime, Fault> {
    Ok(match t {
        NewTimestamp::NoChange => SetTime::Keep,
        NewTimestamp::Now => SetTime::Now,
        NewTimestamp::Timestamp(d) => {
            let secs = d.seconds.try_into().map_err(|_| ErrorCode::Overflow)?;
            if d.nanoseconds >= 1_000_000_000 {
                return Err(ErrorCode::Invalid.into());
            }
            SetTime::At(Time { secs, nanos: d.nanoseconds })
        }
    })
}

pub(super) fn follow(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

/// A path that goes to a view: it refuses what no file system call would take.
pub(super) fn check_path(path: &str) -> Result<(), Fault> {
    if path.is_empty() {
        return Err(ErrorCode::NoEntry.into());
    }
    if path.contains('\0') {
        return Err(ErrorCode::Invalid.into());
    }
    Ok(())
}

/// How a view is asked to open.
///
/// # Errors
/// `invalid` for combinations that make no sense.
pub(super) fn open(
    path: PathFlags,
    open: OpenFlags,
    flags: DescriptorFlags,
) -> Result<OpenOptions, Fault> {
    let directory = open.contains(OpenFlags::DIRECTORY);
    if directory && open.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
    {
        return Err(FsError::Invalid.into());
    }
    let write = flags.contains(DescriptorFlags::WRITE);
    Ok(OpenOptions {
        // Something is always opened: a handle without either right can still be asked for its type.
        read: flags.contains(DescriptorFlags::READ) || !write,
        write,
        create: open.contains(OpenFlags::CREATE),
        exclusive: open.contains(OpenFlags::EXCLUSIVE),
        truncate: open.contains(OpenFlags::TRUNCATE),
        directory,
        follow: follow(path),
        owner: false,
        mode: None,
    })
}

/// Two names of one file have one hash; a preview-1 guest sees `lower` as the inode. It is
/// mixed, so that inodes of different mounts do not meet.
pub(super) fn hash((mount, ino): Id) -> MetadataHashValue {
    let lower = mix(ino ^ u64::from(mount).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    MetadataHashValue { lower, upper: mix(lower ^ u64::from(mount)) }
}

/// The finaliser of SplitMix64, a bijection.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
