//! Sessions, trees and landings, lent to the clients of a server that stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use brio_landing::{BindError, DomainError, LeaseError, StoreBindingError, TreeInfo, Trees as _};
use brio_session::{FsResult, Lender, Lent, Lower, RelPath, Time, View, ViewOptions};
use brio_share::ShareError;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::leased::{IDLE_POLL, Leased, POLL, REST, State};
use crate::{Brio, Grants, ListFilter, SessionHandle};

/// The base as of a landing cannot be shown. The text begins with a stable code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LandingViewError {
    /// There is no base.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// It is not kept, or never was.
    #[error(transparent)]
    Landing(#[from] BindError),
    /// To which project it belongs cannot be told.
    #[error(transparent)]
    Binding(#[from] StoreBindingError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] ShareError),
}

/// A session, lent: whoever has it shows the session as it is now, and writes in it when nobody
/// else does. The lease is taken at the first change and given back a moment after the last one,
/// or when somebody wants it. Dropping it gives everything back.
pub struct LentSession {
    leased: Leased,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SessionHandle {
    /// Lends the session to the clients of a server. `purpose` is what others are told who want to
    /// write in it meanwhile; `grants`: what may be changed beyond files.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn lend(&self, purpose: &'static str, grants: Grants) -> Result<LentSession, LeaseError> {
        let state = State::new(self.clone(), purpose, grants.vcs)?;
        let (end, ended) = channel();
        let tended = state.clone();
        let tend = move || {
            loop {
                let (_, writing, _) = tended.standing();
                let wait = if writing { POLL } else { IDLE_POLL };
                match ended.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return tended.let_go(),
                }
                if writing && (tended.is_wanted() || tended.is_at_rest(REST)) {
                    tended.let_go();
                }
            }
        };
        let thread = std::thread::Builder::new().name("brio-lent".into()).spawn(tend);
        let thread = thread
            .map_err(|source| LeaseError::View { id: self.id().clone(), source: source.into() })?;
        Ok(LentSession { leased: Leased(state), end: Some(end), thread: Some(thread) })
    }

    /// What it branches, read-only: its base as of its begin or its last rebase, and for a child
    /// its parent's work of then.
    ///
    /// # Errors
    /// When it has ended, or that cannot be opened.
    pub fn base_view(&self) -> Result<View, LeaseError> {
        let fail = |source| LeaseError::View { id: self.id().clone(), source };
        let base = self.session()?.base().map_err(fail)?;
        self.brio().view_over(base).map_err(fail)
    }
}

impl Lender for LentSession {
    fn read(&self) -> FsResult<Lent> {
        self.leased.read()
    }

    fn write(&self) -> FsResult<Lent> {
        self.leased.write()
    }
}

impl Drop for LentSession {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Brio {
    /// The base that `base` lies in as of a landing, read-only, with what was edited from outside
    /// since; where it belongs to a project in a store, the project as of a position of its head.
    /// Nothing is kept for it: what was collected meanwhile cannot be read, and nothing newer is
    /// ever read for it.
    ///
    /// # Errors
    /// `LANDING_UNKNOWN`, `LANDING_GONE`; the store's.
    pub fn landing_view(&self, base: &Path, landing: u64) -> Result<View, LandingViewError> {
        let (domain, _) = self.domain(base, false)?;
        let view = |source| BindError::View { target: format!("landing:{landing}"), source };
        let lower = match domain.store_binding()? {
            None => domain.as_of(landing)?,
            Some(binding) => {
                let place = self.stores().place(&binding.store, &binding.project)?;
                let tree = TreeInfo {
                    tree: place.tree_at(landing)?.to_string(),
                    store: binding.store,
                    project: binding.project,
                    position: landing,
                    at: Time::default(),
                };
                self.stores().places().open(&tree).map_err(view)?
            }
        };
        Ok(self.view_over(lower).map_err(view)?)
    }

    /// A tree of a project in a store, read-only, by its hash (`sha256:…`): of the project that
    /// `near` belongs to, or one of those that open sessions of this home stand on. Files show no
    /// times: a tree has none.
    ///
    /// # Errors
    /// `None` where none of them has it, or can be asked.
    pub fn tree_view(&self, near: &Path, tree: &str) -> Option<View> {
        let here = self.domain(near, false).ok().and_then(|(d, _)| d.store_binding().ok()?);
        let here = here.map(|binding| (binding.store, binding.project));
        let mut projects: Vec<_> = here.into_iter().collect();
        for row in self.sessions(&ListFilter::default()).unwrap_or_default() {
            let record = self.find(&row.id, None).ok().and_then(|session| session.record().ok());
            if let Some(info) = record.as_ref().and_then(|record| record.lower.tree()) {
                projects.push((info.store.clone(), info.project.clone()));
            }
        }
        let mut asked = std::collections::HashSet::new();
        projects.retain(|project| asked.insert(project.clone()));
        projects.into_iter().find_map(|(store, project)| {
            let at = Time::default();
            let info = TreeInfo { store, project, tree: tree.to_owned(), position: 0, at };
            let lower = self.stores().places().open(&info).ok()?;
            // Opening it fetches nothing; its root says whether it is there.
            lower.list(&RelPath::root()).ok()?;
            self.view_over(lower).ok()
        })
    }

    /// A read-only view of a lower. Its empty layer is needed while it is opened, and no longer.
    pub(crate) fn view_over(&self, lower: Arc<dyn Lower>) -> FsResult<View> {
        let scratch = private_in(&self.scratch())?;
        let open = || {
            let layer = Dir::open_ambient_dir(&scratch, ambient_authority())?;
            let options = ViewOptions { read_only: true, ..ViewOptions::default() };
            View::create_layer(&layer, &options.door)?;
            View::open(layer, lower, options)
        };
        let view = open();
        if let Err(error) = std::fs::remove_dir_all(&scratch) {
            tracing::warn!(path = %scratch.display(), %error, "left behind");
        }
        view
    }
}

/// A new private directory; unique while this process lives.
fn private_in(scratch: &Path) -> std::io::Result<PathBuf> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = scratch.join(format!("mount-{}-{n}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    crate::brio::make_private(&dir)?;
    Ok(dir)
}
