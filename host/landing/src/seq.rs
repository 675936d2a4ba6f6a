//! The landing sequence: `4k + phase`, in eight bytes that only grow; and up to which landing
//! everything is settled, so that nobody has to look at older ones.

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::pread;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::disk::Disk;

const SIZE: usize = 8;
/// The sequence, the last settled landing, and in which boot that was written.
const WHOLE: usize = 24;

/// What a landing is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the first.
    None,
    Sealed,
    Aborting,
    Ended,
}

/// A value of the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Value(pub(crate) u64);

impl Value {
    pub(crate) fn new(landing: u64, phase: Phase) -> Self {
        Self(landing * 4 + phase as u64)
    }

    pub(crate) fn landing(self) -> u64 {
        self.0 / 4
    }

    pub(crate) fn phase(self) -> Phase {
        match self.0 % 4 {
            0 => Phase::None,
            1 => Phase::Sealed,
            2 => Phase::Aborting,
            _ => Phase::Ended,
        }
    }

    /// No landing is in the middle.
    pub(crate) fn quiet(self) -> bool {
        matches!(self.phase(), Phase::None | Phase::Ended)
    }
}

/// The file that holds it. It is written in place and never replaced, so a descriptor and a
/// mapping stay good; it is read after every operation of a view, so a look costs no system call.
pub(crate) struct Seq {
    file: File,
    map: Option<Map>,
    boot: u64,
}

impl Seq {
    pub(crate) fn new(file: File, boot_id: &str) -> io::Result<Self> {
        // A mapping past the end of a file cannot be read; one that lost its bytes is read as 0.
        let whole = file.metadata()?.len() >= SIZE as u64;
        let map = if whole { Map::new(&file) } else { None };
        let boot = u64::from(crc32c::crc32c(boot_id.as_bytes())) << 32 | boot_id.len() as u64;
        Ok(Self { file, map, boot })
    }

    /// Moves the sequence, never back.
    pub(crate) fn raise(&self, disk: &Disk, to: Value) -> io::Result<()> {
        if self.get()? >= to { Ok(()) } else { disk.write_seq(&self.file, &to.0.to_le_bytes()) }
    }

    /// Moves the sequence before recovery inverts landing `k`, wherever it is by now: a reader's
    /// looks are sound only while no rename of a path is taken back under the same value. Past
    /// the landing's own value it takes that of a later number, which is burned.
    pub(crate) fn turn(&self, disk: &Disk, k: u64) -> io::Result<()> {
        let (now, own) = (self.get()?, Value::new(k, Phase::Aborting));
        let to = match now.phase() {
            _ if now < own => own,
            Phase::Sealed => Value::new(now.landing(), Phase::Aborting),
            _ => Value::new(now.landing() + 1, Phase::Aborting),
        };
        self.raise(disk, to)
    }

    /// Moves the sequence to the end of landing `k`, and says that all up to it have ended well
    /// and that their sessions are gone. Not synced: it holds in this boot only.
    pub(crate) fn settle(&self, disk: &Disk, k: u64) -> io::Result<()> {
        let mut raw = [0; WHOLE];
        raw[..8].copy_from_slice(&self.get()?.max(Value::new(k, Phase::Ended)).0.to_le_bytes());
        raw[8..16].copy_from_slice(&k.to_le_bytes());
        raw[16..].copy_from_slice(&self.boot.to_le_bytes());
        disk.write_seq(&self.file, &raw)
    }

    /// Up to which landing everything is settled, if this boot knows.
    pub(crate) fn settled(&self) -> io::Result<Option<u64>> {
        let mut raw = [0; WHOLE];
        if pread(&self.file, &mut raw, 0)? < WHOLE {
            return Ok(None);
        }
        let word = |i: usize| raw[i..i + 8].try_into().map_or(0, u64::from_le_bytes);
        // After a power cut it may speak of records that were lost.
        Ok((word(16) == self.boot).then(|| word(8)))
    }

    pub(crate) fn get(&self) -> io::Result<Value> {
        if let Some(map) = &self.map {
            return Ok(Value(map.get()));
        }
        let mut b = [0; SIZE];
        match pread(&self.file, &mut b, 0)? {
            SIZE => Ok(Value(u64::from_le_bytes(b))),
            _ => Ok(Value(0)),
        }
    }
}

/// The sequence in shared memory: what any process writes to the file is seen here.
struct Map(NonNull<AtomicU64>);

#[allow(unsafe_code, reason = "a mapping is raw memory")]
mod mapped {
    use super::*;

    // SAFETY: the memory is only read, and only atomically.
    unsafe impl Send for Map {}
    // SAFETY: as above.
    unsafe impl Sync for Map {}

    impl Map {
        /// `None` where the file system maps no files: then it is read.
        pub(super) fn new(file: &File) -> Option<Self> {
            // SAFETY: a fresh mapping that aliases no Rust memory. The file has SIZE bytes and is
            // never truncated (who truncates files of `.brio` by hand is told by a SIGBUS).
            let map =
                unsafe { mmap(ptr::null_mut(), SIZE, ProtFlags::READ, MapFlags::SHARED, file, 0) };
            NonNull::new(map.ok()?.cast()).map(Self)
        }

        pub(super) fn get(&self) -> u64 {
            // SAFETY: mapped and page-aligned while `self` lives. Acquire: what a landing did
            // before it moved the sequence is seen by who sees it moved.
            u64::from_le(unsafe { self.0.as_ref() }.load(Ordering::Acquire))
        }
    }

    impl Drop for Map {
        fn drop(&mut self) {
            // SAFETY: mapped by `new` with this size, and nothing borrows it any more.
            let _ = unsafe { munmap(self.0.as_ptr().cast(), SIZE) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_landing_and_phase() {
        assert_eq!(Value(0).phase(), Phase::None);
        assert!(Value(0).quiet());
        let v = Value::new(7, Phase::Aborting);
        assert_eq!((v.landing(), v.phase(), v.quiet()), (7, Phase::Aborting, false));
        assert!(Value::new(7, Phase::Ended) < Value::new(8, Phase::Sealed));
    }
}
