//! Which project a directory belongs to.

use std::path::{Path, PathBuf};

use brio_landing::{
    BeginError, BeginOptions, Domain, DomainError, HeadError, LowerOptions, StoreBinding,
    WantedLower,
};
use brio_share::{Place, ShareError};
use brio_store::{ProjectId, StoreUrl};

use super::{LOCAL, ProjectHere, StoreError};
use crate::Brio;
use crate::brio::make_private;

/// What a directory is to belong to.
#[derive(Debug, Clone, Default)]
pub struct InitStore {
    /// The store: a URL or a directory; `local`, or `None`, for that of the home.
    pub store: Option<String>,
    /// The project, `org/name`; `None`: made of the directory's name.
    pub project: Option<String>,
}

/// A directory that belongs to a project.
#[derive(Debug)]
pub struct Bound {
    /// The project, from there.
    pub here: ProjectHere,
    /// The project is new in its store.
    pub created: bool,
}

impl Brio {
    /// Makes a project in a store, or finds it there, and has a directory belong to it: its
    /// sessions begin on the head and land there. That the store's server honours the conditions
    /// that heads are moved by is tried out first. Nothing of the directory is stored yet:
    /// [`ProjectHere::import`] does that.
    ///
    /// ```
    /// # use brio_host::stores::{ImportOptions, InitStore};
    /// # use brio_host::{Brio, CommitOptions, Handle, Metadata, OpenOptions, ViewOptions};
    /// # let dir = tempfile::tempdir()?;
    /// # let base = dir.path().join("base");
    /// # std::fs::create_dir(&base)?;
    /// # std::fs::write(base.join("index.html"), "Hello")?;
    /// let brio = Brio::open(dir.path().join("home"))?;
    /// let to = InitStore { project: Some("acme/site".into()), ..InitStore::default() };
    /// let project = brio.init_store(&base, &to)?.here;
    /// project.import(&ImportOptions::default())?;
    ///
    /// let session = brio.begin(&base, Metadata::default())?;
    /// let writer = session.writer("example", ViewOptions::default())?;
    /// let view = writer.view();
    /// let how = OpenOptions { write: true, truncate: true, ..OpenOptions::default() };
    /// if let Handle::File(file) = view.open_at(&view.root(), b"index.html", &how)? {
    ///     file.write_at(b"Bread and rolls", 0)?;
    /// }
    /// writer.finish()?;
    /// // From here on any machine that reaches the store can go on with it …
    /// session.push()?;
    /// // … or it lands, and this directory follows.
    /// let landed = session.commit(CommitOptions::default())?;
    /// assert_eq!(landed.landing, Some(2));
    /// assert_eq!(std::fs::read_to_string(base.join("index.html"))?, "Bread and rolls");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError`]; then the directory belongs to what it did.
    pub fn init_store(&self, dir: &Path, to: &InitStore) -> Result<Bound, StoreError> {
        // What is wrong by itself leaves no trace.
        let named = to.project.as_deref().map(project_id).transpose()?;
        if let Some(url) = to.store.as_deref().filter(|store| *store != LOCAL) {
            url.parse::<StoreUrl>().map_err(ShareError::from)?;
        }
        let (domain, _) = self.domain(dir, true)?;
        let id = match (named, domain.store_binding()?) {
            (Some(id), _) => id,
            (None, Some(binding)) => project_id(&binding.project)?,
            (None, None) => project_id(&name_of(domain.root_path()))?,
        };
        let from = std::env::current_dir()
            .map_err(|source| StoreError::Host { what: "the current directory".into(), source })?;
        let bound = domain.store_binding()?;
        let of_bound = bound.as_ref().map(|bound| bound.store.as_str());
        let store =
            self.stores().named(to.store.as_deref().or(of_bound).unwrap_or(LOCAL), &from)?;
        if let Some(bound) = &bound
            && (&bound.store, bound.project.as_str()) != (&store, id.as_str())
        {
            let (base, bound) = (domain.root_path().to_owned(), bound.clone());
            return Err(StoreError::Bound { base, project: bound.project, store: bound.store });
        }
        if let Ok(StoreUrl::Directory(path)) = store.parse()
            && store != LOCAL
            && path.starts_with(domain.root_path())
        {
            let why = "it lies in the directory that is to be stored there".into();
            return Err(ShareError::from(brio_store::Error::Url { url: store, why }).into());
        }
        let opened = self.stores().make(&store)?;
        let created = self.stores().run({
            let id = id.clone();
            async move { opened.create(&id).await.map(|(_, new)| new) }
        })?;
        if bound.is_none() {
            let position = if created {
                0
            } else {
                self.stores().place(&store, id.as_str())?.head()?.0.position()
            };
            if position > 0 {
                let (base, project) = (domain.root_path().to_owned(), id.to_string());
                return Err(StoreError::NeverSynced { base, project, position, store });
            }
            domain.set_store_binding(Some(&StoreBinding::new(&store, id.as_str())))?;
        }
        let here = self.project_in(domain)?;
        Ok(Bound { here, created })
    }

    /// The project in a store that a directory belongs to.
    ///
    /// # Errors
    /// `NOT_BOUND`; [`StoreError`].
    pub fn project_here(&self, dir: &Path) -> Result<ProjectHere, StoreError> {
        match self.domain(dir, false) {
            Ok((domain, _)) => self.project_in(domain),
            Err(DomainError::NoDomain { .. }) => {
                let base = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
                Err(ShareError::NotBound { base }.into())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Whether a directory belongs to a project in a store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store_binding(&self, dir: &Path) -> Result<Option<StoreBinding>, StoreError> {
        match self.domain(dir, false) {
            Ok((domain, _)) => Ok(domain.store_binding()?),
            Err(DomainError::NoDomain { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub(crate) fn project_in(&self, domain: Domain) -> Result<ProjectHere, StoreError> {
        let place = self.bound_place(&domain)?;
        Ok(ProjectHere::new(self.clone(), domain, place))
    }

    /// The place of the project that a base belongs to; `None`: to none.
    pub(crate) fn place_of(&self, domain: &Domain) -> Result<Option<Place>, ShareError> {
        domain.store_binding()?.map(|binding| self.stores().bound(&binding)).transpose()
    }

    /// As [`place_of`](Self::place_of), where it must belong to one.
    pub(crate) fn bound_place(&self, domain: &Domain) -> Result<Place, ShareError> {
        let none = || ShareError::NotBound { base: domain.root_path().to_owned() };
        self.place_of(domain)?.ok_or_else(none)
    }

    /// A project by its name: that of the directory, if it belongs to that; else one for which
    /// this home has a place for sessions without a directory, or, if the store has the project,
    /// makes it.
    ///
    /// # Errors
    /// `PROJECT_UNKNOWN`; [`StoreError`].
    pub fn project_named(
        &self,
        project: &str,
        store: Option<&str>,
        near: Option<&Path>,
    ) -> Result<ProjectHere, StoreError> {
        let id = project_id(project)?;
        let here = std::env::current_dir().unwrap_or_default();
        let store = store.map(|store| self.stores().named(store, &here)).transpose()?;
        let fits = |b: &StoreBinding| {
            b.project == id.as_str() && store.as_ref().is_none_or(|store| *store == b.store)
        };
        if let Some(near) = near
            && let Ok((domain, _)) = self.domain(near, false)
            && domain.store_binding()?.as_ref().is_some_and(fits)
        {
            return self.project_in(domain);
        }
        let base = self.projects_dir().join(id.as_str());
        if let Ok((domain, _)) = self.domain(&base, false)
            && domain.root_path().starts_with(self.projects_dir())
            && let Some(bound) = domain.store_binding()?
        {
            if fits(&bound) {
                return self.project_in(domain);
            }
            return Err(StoreError::Bound { base, project: bound.project, store: bound.store });
        }
        let store = store.unwrap_or_else(|| LOCAL.to_owned());
        let place = self.stores().place(&store, id.as_str())?;
        place.run(|p| async move { p.check().await }).map_err(ShareError::from)?;
        make_private(&base)
            .map_err(|source| StoreError::Host { what: base.display().to_string(), source })?;
        let (domain, _) = self.domain(&base, true)?;
        domain.set_store_binding(Some(&StoreBinding::new(store, id.as_str())))?;
        self.project_in(domain)
    }

    /// Where bases of projects lie that have no directory here: `ORG/NAME` below it, empty.
    pub fn projects_dir(&self) -> PathBuf {
        self.home().join("projects")
    }

    /// The projects of which this home has a place without a directory.
    pub(crate) fn home_projects(&self) -> Vec<PathBuf> {
        let dirs = |dir: &Path| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| e.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        dirs(&self.projects_dir()).iter().flat_map(|org| dirs(org)).collect()
    }

    /// In a directory that belongs to a project a session begins on the head of that.
    pub(crate) fn on_head(
        &self,
        domain: &Domain,
        options: BeginOptions,
    ) -> Result<BeginOptions, BeginError> {
        if options.lower.wanted != WantedLower::Live || options.parent.is_some() {
            return Ok(options);
        }
        let refused = |e: StoreError| HeadError { code: e.code(), text: e.to_string() };
        let Some(binding) = domain.store_binding().map_err(|e| refused(e.into()))? else {
            return Ok(options);
        };
        let base = domain.root_path();
        if binding.synced.is_none() && !base.starts_with(self.projects_dir()) {
            let (base, project) = (base.to_owned(), binding.project);
            return Err(refused(ShareError::NotSynced { base, project }.into()).into());
        }
        let head =
            self.stores().bound(&binding).and_then(|place| place.head()).map_err(|e| e.head())?;
        let lower = LowerOptions { wanted: WantedLower::Tree(head.1), ..options.lower };
        Ok(BeginOptions { lower, ..options })
    }
}

fn project_id(name: &str) -> Result<ProjectId, StoreError> {
    name.parse().map_err(|_| StoreError::Name { name: name.chars().take(100).collect() })
}

/// A name for the project of a directory.
fn name_of(base: &Path) -> String {
    let name = base.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') => c.to_ascii_lowercase(),
        _ => '-',
    };
    format!("local/{}", name.chars().map(plain).collect::<String>().trim_matches(['.', '-', '_']))
}
