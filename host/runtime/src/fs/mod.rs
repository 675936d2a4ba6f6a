//! `wasi:filesystem`, answered from views: as 0.2 has it, and what another version stands on.

mod convert;
mod descriptor;
mod dirs;
mod errors;
mod files;
mod host;
mod memo;
mod mounts;
mod preopens;
mod streams;
#[cfg(all(test, unix))]
mod tests;

#[cfg(feature = "wasi-0-3")]
pub(crate) use convert::kind;
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use descriptor::{Descriptor, DirStream};
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub use errors::Fault;
pub(crate) use errors::wasi;
#[allow(unreachable_pub, reason = "part of what a run is given")]
pub use files::Files;
pub(crate) use files::{Dir, File, Opened};
pub(crate) use mounts::{Located, Mount, Mounts, SESSIONS, below};
#[cfg(feature = "wasi-0-3")]
pub(crate) use streams::{CHUNK, To, Writer};

use wasmtime::component::{HasData, ResourceTable};

/// All that the file system of one run holds beside its handles.
pub(crate) struct FsState {
    pub(crate) mounts: Mounts,
    memo: memo::Memo,
    serial: u64,
}

impl FsState {
    pub(crate) fn new(mounts: Mounts) -> Self {
        Self { mounts, memo: memo::Memo::default(), serial: 0 }
    }

    /// Is told of every change that does not come through `wasi:filesystem`.
    pub(crate) fn forget(&mut self) {
        self.memo.forget();
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// What a host function of the file system gets.
pub(crate) struct FsCtx<'a> {
    pub(crate) fs: &'a mut FsState,
    pub(crate) table: &'a mut ResourceTable,
}

/// Marks the implementation for the linker.
pub(crate) struct BrioFs;

impl HasData for BrioFs {
    type Data<'a> = FsCtx<'a>;
}
