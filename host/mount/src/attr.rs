//! Between the kernel's attributes and a view's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brio_session::{Kind, Meta, SetTime, Time};
use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};

const BLOCK: u32 = 4096;

pub(crate) fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Dir => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        // The kernel opens none of its own accord, as it would a FIFO or a device.
        Kind::Other => FileType::Socket,
    }
}

pub(crate) fn file_attr(ino: u64, kind: FileType, m: &Meta, owner: (u32, u32)) -> FileAttr {
    FileAttr {
        ino: INodeNo(ino),
        size: m.size,
        blocks: m.size.div_ceil(512),
        atime: system_time(m.atime),
        mtime: system_time(m.mtime),
        ctime: system_time(m.ctime),
        crtime: UNIX_EPOCH,
        kind,
        perm: (m.mode & 0o7777) as u16,
        nlink: links(m),
        uid: owner.0,
        gid: owner.1,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

/// What the kernel is told of a name that leads to nothing: number 0.
pub(crate) fn nothing() -> FileAttr {
    let meta = Meta {
        kind: Kind::File,
        ino: 0,
        nlink: 0,
        size: 0,
        mode: 0,
        atime: Time::default(),
        mtime: Time::default(),
        ctime: Time::default(),
    };
    file_attr(0, FileType::RegularFile, &meta, (0, 0))
}

/// A view does not count a directory's subdirectories; 1 says so, as it does on btrfs.
fn links(m: &Meta) -> u32 {
    match m.kind {
        Kind::Dir => m.nlink.min(1) as u32,
        _ => u32::try_from(m.nlink).unwrap_or(u32::MAX),
    }
}

fn system_time(t: Time) -> SystemTime {
    let whole = Duration::from_secs(t.secs.unsigned_abs());
    let secs = match t.secs {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    secs.and_then(|s| s.checked_add(Duration::from_nanos(t.nanos.into()))).unwrap_or(UNIX_EPOCH)
}

pub(crate) fn set_time(t: Option<TimeOrNow>) -> SetTime {
    match t {
        None => SetTime::Keep,
        Some(TimeOrNow::Now) => SetTime::Now,
        Some(TimeOrNow::SpecificTime(t)) => SetTime::At(match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Time { secs: d.as_secs() as i64, nanos: d.subsec_nanos() },
            // The library takes the nanoseconds of a time before 1970 off as well, where the
            // kernel means them to be added: what it subtracted is what the kernel said.
            Err(e) => {
                let d = e.duration();
                Time { secs: -(d.as_secs() as i64), nanos: d.subsec_nanos() }
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_come_back_as_they_were() {
        // What fuser makes of the kernel's -1 s + 0.2 s.
        let odd = UNIX_EPOCH - Duration::new(1, 200_000_000);
        let time = Time { secs: -1, nanos: 200_000_000 };
        assert_eq!(set_time(Some(TimeOrNow::SpecificTime(odd))), SetTime::At(time));
        assert_eq!(system_time(time), UNIX_EPOCH - Duration::from_millis(800));
        // No time that a layer may hold is too far away to be told.
        for secs in [i64::MIN, i64::MAX] {
            let _ = system_time(Time { secs, nanos: 999_999_999 });
        }
    }
}
