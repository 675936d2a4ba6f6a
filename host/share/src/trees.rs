//! Which store and which project: each is opened once, and kept open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use brio_landing::{TreeInfo, Trees};
use brio_session::{FsError, FsResult, Lower};
use brio_store::{Error, Project, ProjectId, Result, Runner, Store};

use crate::lower::{TreeLower, fs_error};

/// Opens the store at a URL, as a session's record or a base's binding names it. It asks nobody.
pub type Opener = dyn Fn(&str) -> Result<Store> + Send + Sync;

/// The stores that a home uses.
pub struct Places {
    /// Made when one is first needed: most commands need none.
    runner: Mutex<Option<Arc<Runner>>>,
    open: Box<Opener>,
    who: Option<String>,
    machine: Option<String>,
    known: Mutex<HashMap<(String, ProjectId), Project>>,
}

/// A project in a store, and the threads that its work is done on. Cheap to clone.
#[derive(Clone)]
pub struct Place {
    pub(crate) runner: Arc<Runner>,
    pub(crate) project: Project,
    pub(crate) url: Arc<str>,
    /// Who lands, as its records say.
    pub(crate) who: Option<String>,
}

impl Places {
    /// Stores that `open` opens, each when it is first needed.
    pub fn new(open: impl Fn(&str) -> Result<Store> + Send + Sync + 'static) -> Self {
        let (runner, known) = (Mutex::default(), Mutex::default());
        Self { runner, open: Box::new(open), who: None, machine: None, known }
    }

    /// With who lands, and on which machine sessions are, as stores are told.
    #[must_use]
    pub fn told_by(self, who: Option<String>, machine: Option<String>) -> Self {
        Self { who, machine, ..self }
    }

    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    /// A project at a URL. The store is not asked.
    ///
    /// # Errors
    /// When the URL is none, or has no credentials; when no threads can be had.
    pub fn get(&self, url: &str, id: &ProjectId) -> Result<Place> {
        let threads = |source| Error::Host { what: "threads for stores".into(), source };
        let runner = self.runner().map_err(threads)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.to_owned(), id.clone());
        let project = match known.get(&key) {
            Some(project) => project.clone(),
            None => {
                let project = (self.open)(url)?.project(id);
                known.insert(key, project.clone());
                project
            }
        };
        Ok(Place { runner, project, url: url.into(), who: self.who.clone() })
    }

    /// The store at a URL, for what is about no project in it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn store(&self, url: &str) -> Result<Store> {
        (self.open)(url)
    }

    /// The threads that the work is done on.
    ///
    /// # Errors
    /// When none can be had.
    pub fn runner(&self) -> std::io::Result<Arc<Runner>> {
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        match &*runner {
            Some(runner) => Ok(runner.clone()),
            None => Ok(runner.insert(Arc::new(Runner::new()?)).clone()),
        }
    }
}

impl Place {
    /// The project.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The store, as a binding names it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The threads that its work is done on.
    pub fn runner(&self) -> &Arc<Runner> {
        &self.runner
    }

    /// Carries out work on it, and waits.
    ///
    /// # Errors
    /// The work's.
    pub fn run<T, F>(&self, work: impl FnOnce(Project) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runner.run(work(self.project.clone()))
    }

    /// A tree of it, as what a session stands on. Nothing is fetched, but what is needed first is
    /// asked for ahead.
    pub fn lower(&self, tree: brio_store::Hash) -> Arc<dyn Lower> {
        let warm = self.project.clone();
        self.runner.spawn(async move {
            if let Err(e) = warm.warm().await {
                tracing::debug!("what lies in packs is not known yet: {e}");
            }
        });
        let tree = self.project.tree(tree);
        Arc::new(TreeLower::new(self.runner.clone(), self.project.clone(), tree))
    }
}

impl Trees for Places {
    fn open(&self, info: &TreeInfo) -> FsResult<Arc<dyn Lower>> {
        let (Ok(id), Ok(tree)) = (info.project.parse(), info.tree.parse()) else {
            return Err(FsError::Corrupt);
        };
        Ok(self.get(&info.store, &id).map_err(|e| fs_error(&e))?.lower(tree))
    }
}
