//! What a handle of the guest stands for.

use std::cell::Cell;
use std::sync::Arc;

use super::Fault;
use super::files::{Dir, File};
use super::memo::Id;
use super::mounts::Mount;
use crate::bindings::wasi::filesystem::types::{DescriptorFlags, DescriptorType, ErrorCode};

/// An open file or directory.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Descriptor {
    /// Never reused within a run: the key of what is remembered about this directory.
    pub(super) serial: u64,
    /// As they were asked for.
    pub(super) flags: DescriptorFlags,
    pub(super) node: Node,
    /// Who it is, once that was asked: a handle stays with its file over copy-up and rename,
    /// and a libc asks for the hash after every `fstat`.
    pub(super) id: Cell<Option<Id>>,
}

/// What is open.
pub(super) enum Node {
    File(Mount, Arc<File>),
    Dir(Mount, Dir),
    /// The directory of child sessions: read-only, made of thin air.
    Sessions,
}

impl Descriptor {
    /// For file-only operations. On a directory that is EBADF, as wasi-testsuite wants it.
    pub(super) fn file(&self) -> Result<&Arc<File>, Fault> {
        match &self.node {
            Node::File(_, f) => Ok(f),
            _ => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// Whether written data is to be synced at once.
    pub(super) fn syncs(&self) -> bool {
        self.flags
            .intersects(DescriptorFlags::FILE_INTEGRITY_SYNC | DescriptorFlags::DATA_INTEGRITY_SYNC)
    }
}

/// A directory that is being read: a snapshot, so that it is stable.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct DirStream {
    /// The serial of the directory's descriptor.
    pub(super) dir: u64,
    pub(super) entries: std::vec::IntoIter<Entry>,
}

#[cfg(feature = "wasi-0-3")]
impl DirStream {
    pub(crate) fn into_names(self) -> impl Iterator<Item = (String, DescriptorType)> {
        self.entries.map(|entry| (entry.name, entry.kind))
    }
}

/// One entry to come.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: DescriptorType,
    /// Its identity, if it is known without a look at it.
    pub(super) id: Option<(u32, u64)>,
}
