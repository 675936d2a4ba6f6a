//! What a store holds during one run.

use std::time::{SystemTime, UNIX_EPOCH};

use brio_session::Time;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::core::{CoreCtx, CoreState};
use crate::fs::{FsCtx, FsState, Mounts};
use crate::http::HttpState;
use crate::limits::Meter;
use crate::output::Outputs;
use crate::plain::PlainCtx;
use crate::watch::Watch;
use crate::{RunSpec, Workspace};

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
    pub(crate) http: HttpState,
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

impl State {
    /// Sets a run up.
    ///
    /// # Errors
    /// The host's, when the handle of the plain form cannot be duplicated.
    pub(crate) fn new(spec: &RunSpec, outputs: &Outputs, watch: &Watch) -> std::io::Result<Self> {
        let mut wasi = WasiCtx::builder();
        wasi.args(&spec.args)
            .envs(&spec.env)
            .initial_cwd(&spec.at)
            .stdout(outputs.stdout.clone())
            .stderr(outputs.stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut core = CoreState {
            own: spec.task.session_id.clone(),
            sessions: spec.sessions.clone(),
            info: spec.session_info.clone(),
            records: spec.records.clone(),
            begun: Vec::new(),
            ended: Default::default(),
            plain: None,
            plain_binds: Vec::new(),
            watch: watch.clone(),
        };
        let (mut fs, mut plain) = (None, Vec::new());
        match &spec.view {
            Workspace::Session(files) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let since = Time { secs: now.as_secs() as i64, nanos: now.subsec_nanos() };
                let binds = spec.binds.clone();
                fs = Some(FsState::new(Mounts::new(
                    spec.at.clone(),
                    files.clone(),
                    binds,
                    spec.sessions.is_some(),
                    since,
                )));
            }
            Workspace::Plain(dir) => {
                wasi.allow_blocking_current_thread(dir.block_current_thread);
                plain = crate::plain::preopens(dir, &spec.at, &spec.binds)?;
                core.plain = Some((spec.at.clone(), dir.dir.try_clone()?));
                core.plain_binds = spec.binds.clone();
            }
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(spec.limits.handles);
        let meter = Meter::new(spec.limits.memory, spec.memory.clone(), watch.cause().clone());
        Ok(Self {
            wasi: wasi.build(),
            table,
            meter,
            fs,
            plain,
            core,
            http: HttpState::new(spec.net.clone()),
        })
    }

    /// Rolls back what the guest began and did not end, the latest first.
    pub(crate) fn core_end(&mut self) {
        let mut core = self.core();
        for id in core.core.begun.clone().into_iter().rev() {
            core.abandon(&id);
        }
    }
}
