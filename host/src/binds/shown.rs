//! What a session shows, opened for one run.

use std::path::{Path, PathBuf};

use brio_landing::{Bind, BindAccess, BindError, BindSource};
use brio_runtime::Files;
use brio_session::{Direct, DirectOptions, View};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::judge;
use crate::SessionHandle;

/// What one run finds beside the session.
#[derive(Default)]
pub(crate) struct Shown {
    directories: Vec<Directory>,
    views: Vec<(String, View)>,
}

/// A directory of the host.
pub(crate) struct Directory {
    pub(crate) target: String,
    pub(crate) path: PathBuf,
    pub(crate) writable: bool,
    /// State directories in it, which are not shown.
    pub(crate) states: Vec<PathBuf>,
    files: Direct,
}

impl SessionHandle {
    /// Opens what the session shows, for a run that works in `view`. Each thing is there as it was
    /// asked for, or the run is refused: none is left out.
    pub(crate) fn shown(&self, view: &View, vcs: bool) -> Result<Shown, BindError> {
        let mut shown = Shown::default();
        for bind in self.binds()? {
            match &bind.source {
                BindSource::Directory(path) => {
                    let directory = self.directory(&bind, path, view, vcs)?;
                    shown.directories.push(directory);
                }
                BindSource::Session(id) => {
                    let other = self.other(id).map_err(|why| self.gone(&bind, why))?;
                    let view = other.view().map_err(|e| super::unreadable(&bind.target, e))?;
                    shown.views.push((bind.target, view));
                }
                BindSource::Landing(number) => {
                    let base = self.session()?.base_as_of(*number).map_err(|e| match e {
                        BindError::LandingGone { .. } => {
                            self.gone(&bind, "is not kept any more".to_owned())
                        }
                        e => e,
                    })?;
                    let failed = |source| BindError::View { target: bind.target.clone(), source };
                    let view = self.brio().view_over(base).map_err(failed)?;
                    shown.views.push((bind.target, view));
                }
            }
        }
        Ok(shown)
    }

    fn gone(&self, bind: &Bind, why: String) -> BindError {
        BindError::Gone {
            session: self.id().clone(),
            target: bind.target.clone(),
            source_: bind.source.to_string(),
            is: bind.source.kind(),
            why,
        }
    }

    /// It is judged again: what lies there may have changed since it was bound.
    fn directory(
        &self,
        bind: &Bind,
        path: &Path,
        view: &View,
        vcs: bool,
    ) -> Result<Directory, BindError> {
        let real = judge::directory(self, path, bind.access).map_err(|e| match e {
            BindError::Source { why, .. } => self.gone(bind, why),
            e => e,
        })?;
        if real != path {
            return Err(self.gone(bind, format!("leads to {} now", real.display())));
        }
        let failed = |source| BindError::View { target: bind.target.clone(), source };
        let root = Dir::open_ambient_dir(&real, ambient_authority());
        let root = root.map_err(|e| failed(e.into()))?;
        // What a reviewer writes is nobody's change.
        let writable = bind.access == BindAccess::ReadWrite && !view.is_read_only();
        let (limits, account) = view.limits();
        let options = DirectOptions {
            read_only: !writable,
            vcs,
            in_vcs: real.components().any(|c| c.as_os_str() == ".git"),
            limits,
            account,
        };
        Ok(Directory {
            target: bind.target.clone(),
            writable,
            states: judge::states_below(self, &real),
            files: Direct::new(root, options).map_err(failed)?,
            path: real,
        })
    }
}

impl Shown {
    /// Where it is shown.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let directories = self.directories.iter().map(|d| d.target.as_str());
        directories.chain(self.views.iter().map(|(target, _)| target.as_str()))
    }

    pub(crate) fn directories(&self) -> &[Directory] {
        &self.directories
    }

    pub(crate) fn views(&self) -> &[(String, View)] {
        &self.views
    }

    /// As an agent finds it whose session is called `at`.
    ///
    /// # Errors
    /// Where the session's own name would hide something, or the plain form cannot show it.
    pub(crate) fn files(&self, at: &str, plain: bool) -> Result<Vec<(String, Files)>, BindError> {
        if let Some(target) = self.targets().find(|target| Path::new(at).starts_with(target)) {
            let why = format!("holds {at}, where this run has its session");
            return Err(BindError::Target { target: target.to_owned(), why });
        }
        if plain {
            self.in_plain_form()?;
        }
        let directories = self.directories.iter();
        let directories = directories.map(|d| (d.target.clone(), Files::from(d.files.clone())));
        let views = self.views.iter().map(|(target, view)| (target.clone(), view.clone().into()));
        Ok(directories.chain(views).collect())
    }

    /// The plain form shows directories, as they are.
    fn in_plain_form(&self) -> Result<(), BindError> {
        let without = "run without --preopen, or take it away first".to_owned();
        if let Some((target, _)) = self.views.first() {
            let how = "by --preopen, which shows directories of the host only".to_owned();
            return Err(BindError::NotShown { target: target.clone(), how, next: without });
        }
        let with_state = |d: &&Directory| !d.states.is_empty();
        if let Some(Directory { target, states, .. }) = self.directories.iter().find(with_state) {
            let state = states.first().map(|s| s.display().to_string()).unwrap_or_default();
            let how = format!("by --preopen, which would show {state} as well");
            return Err(BindError::NotShown { target: target.clone(), how, next: without });
        }
        Ok(())
    }
}
