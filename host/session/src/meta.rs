//! What a file is: kinds, metadata, times and fingerprints.

use serde::{Deserialize, Serialize};

/// The kinds of file that a view carries. Devices, FIFOs and sockets of the base are shown
/// as [`Kind::Other`]: they can be listed and removed, never opened or created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

/// A point in time: seconds and nanoseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Time {
    /// Whole seconds; negative before 1970.
    pub secs: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanos: u32,
}

/// What a `set_times` does with one of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// The host's clock.
    Now,
    /// This time.
    At(Time),
}

/// Metadata of one file in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its kind.
    pub kind: Kind,
    /// Identity within the view: equal for two names of one file, stable over copy-up and rename.
    pub ino: u64,
    /// Number of names.
    pub nlink: u64,
    /// Bytes; of a symlink, the length of its target.
    pub size: u64,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Last access.
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of content or metadata.
    pub ctime: Time,
}

/// What identifies the state of a file of the base: if any of it moved, the file has drifted.
///
/// For directories only `ino` and `mode` are compared: their times move with every entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its kind.
    pub kind: Kind,
    /// Inode number.
    pub ino: u64,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of content or metadata.
    pub ctime: Time,
}

impl Fingerprint {
    /// Whether `now` is still the state that `self` recorded.
    pub fn same_as(&self, now: &Fingerprint) -> bool {
        self.same_content(now) && (self.kind == Kind::Dir || self.ctime == now.ctime)
    }

    /// As [`same_as`](Self::same_as), but blind to the change time and the number of links,
    /// which our own renames move.
    pub fn same_content(&self, now: &Fingerprint) -> bool {
        self.kind == now.kind
            && self.ino == now.ino
            && self.mode == now.mode
            && (self.kind == Kind::Dir || (self.size == now.size && self.mtime == now.mtime))
    }
}
