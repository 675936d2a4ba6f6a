//! What a store holds during one run.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::core::{CoreCtx, CoreState};
use crate::fs::{FsCtx, FsState};
use crate::limits::Meter;
use crate::plain::PlainCtx;

/// The data of a store.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    /// `None` in the plain form.
    pub(crate) fs: Option<FsState>,
    /// Empty in a session.
    pub(crate) plain: Vec<(wasmtime_wasi::filesystem::Dir, String)>,
    pub(crate) core: CoreState,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl State {
    /// Only the linker of sessions leads here, and its stores always have a view.
    #[allow(clippy::expect_used, reason = "the two linkers never mix their stores")]
    pub(crate) fn fs(&mut self) -> FsCtx<'_> {
        FsCtx {
            fs: self.fs.as_mut().expect("a store of a session has a view"),
            table: &mut self.table,
        }
    }

    pub(crate) fn plain(&mut self) -> PlainCtx<'_> {
        PlainCtx { dirs: &self.plain, table: &mut self.table }
    }

    pub(crate) fn core(&mut self) -> CoreCtx<'_> {
        CoreCtx { core: &mut self.core, fs: self.fs.as_mut() }
    }
}
