//! `brio:core`: what a guest may ask beside WASI.

/// Hands an error of the guest's own kind back to the guest; `?` is for traps.
macro_rules! attempt {
    ($e:expr) => {
        match $e {
            Ok(v) => v,
            Err(e) => return Ok(Err(e)),
        }
    };
}

mod checkpoints;
mod convert;
mod edit;
mod files;
mod journal;
mod plain;
mod record;
mod session;
mod session_fs;
mod tools;
mod tree;

pub use files::{FileEntry, FileToolError, FileTools};

pub(crate) use convert::{agent_error, context, output, verdict};

use std::collections::BTreeSet;
use std::sync::Arc;

use cap_std::fs::Dir;
use wasmtime::component::HasData;

use crate::fs::{Files, FsState};
use crate::watch::Watch;
use crate::{Records, Sessions};

/// What the interfaces of `brio:core` know of a run.
pub(crate) struct CoreState {
    /// The id of the guest's own session.
    pub(crate) own: Option<String>,
    /// The grant of `session-fs`.
    pub(crate) sessions: Option<Arc<dyn Sessions>>,
    /// Who can tell about sessions and writes the journal; nothing of a session is changed
    /// through it.
    pub(crate) info: Option<Arc<dyn Sessions>>,
    /// The grant of `project-record`.
    pub(crate) records: Option<Arc<dyn Records>>,
    /// Children that this guest began, in their order, and that it has ended.
    pub(crate) begun: Vec<String>,
    pub(crate) ended: BTreeSet<String>,
    /// The directory of the plain form, under the session's name.
    pub(crate) plain: Option<(String, Dir)>,
    /// What is bound beside it.
    pub(crate) plain_binds: Vec<(String, Files)>,
    /// For calls that take long.
    pub(crate) watch: Watch,
}

/// What a host function of `brio:core` gets.
pub(crate) struct CoreCtx<'a> {
    pub(crate) core: &'a mut CoreState,
    /// `None` in the plain form.
    pub(crate) fs: Option<&'a mut FsState>,
}

/// Marks the implementation for the linker.
pub(crate) struct BrioCore;

impl HasData for BrioCore {
    type Data<'a> = CoreCtx<'a>;
}

impl crate::bindings::brio::core::types::Host for CoreCtx<'_> {}
