//! A project in a store, from a directory that belongs to it.

use std::path::Path;

use brio_landing::{BeginOptions, Domain, LowerInfo, SessionId, Synced};
use brio_share::{Place, PushedSession, ShareError, Updated};
use brio_store::{FsckOptions, FsckProgress, FsckReport, GcOptions, GcProgress, GcReport, Hash};

use super::StoreError;
use crate::{Brio, SessionHandle};

/// A project in a store, and the directory here that belongs to it. Cheap to clone.
#[derive(Clone)]
pub struct ProjectHere {
    brio: Brio,
    domain: Domain,
    place: Place,
}

/// Where the head of a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadInfo {
    /// How many landings it has had.
    pub position: u64,
    /// Its tree.
    pub tree: Hash,
    /// When it came to be that; of a project on which nothing ever landed, when it was made.
    pub at: brio_session::Time,
}

/// Where a directory is, beside the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The state of the project that the directory held last; `None`: none yet.
    pub synced: Option<Synced>,
    /// The head.
    pub head: HeadInfo,
}

/// A session that was brought to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The session.
    pub session: SessionId,
    /// The project.
    pub project: String,
    /// Its store.
    pub store: String,
    /// Its tree there.
    pub tree: Hash,
    /// What it stands on.
    pub base: Hash,
    /// How often it was stored.
    pub seq: u64,
    /// Objects that were sent.
    pub objects: u64,
    /// Bytes that were sent.
    pub bytes: u64,
}

impl ProjectHere {
    pub(crate) fn new(brio: Brio, domain: Domain, place: Place) -> Self {
        Self { brio, domain, place }
    }

    pub(super) fn brio(&self) -> &Brio {
        &self.brio
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The project's name: `org/name`.
    pub fn name(&self) -> &str {
        self.place.project().id().as_str()
    }

    /// Its store, as a binding names it.
    pub fn store(&self) -> &str {
        self.place.url()
    }

    /// The directory that belongs to it.
    pub fn base(&self) -> &Path {
        self.domain.root_path()
    }

    /// Whether the directory is one that a person sees, and not a place in the home.
    pub fn has_directory(&self) -> bool {
        !self.base().starts_with(self.brio.projects_dir())
    }

    /// Where the head is. One request.
    ///
    /// # Errors
    /// The store's.
    pub fn head(&self) -> Result<HeadInfo, StoreError> {
        let (head, info) = self.place.head()?;
        Ok(HeadInfo { position: head.position(), tree: head.tree(), at: info.at })
    }

    /// The state of the project that the directory held last; `None`: none yet. Asks nobody.
    ///
    /// # Errors
    /// When its binding cannot be read.
    pub fn synced(&self) -> Result<Option<Synced>, StoreError> {
        Ok(self.domain.store_binding()?.and_then(|b| b.synced))
    }

    /// Where the directory is beside the head. One request.
    ///
    /// # Errors
    /// The store's.
    pub fn standing(&self) -> Result<Standing, StoreError> {
        Ok(Standing { synced: self.synced()?, head: self.head()? })
    }

    /// Begins a session on the head, in the directory. It costs one request.
    ///
    /// # Errors
    /// As [`Brio::begin_with`].
    pub fn begin(&self, options: BeginOptions) -> Result<SessionHandle, StoreError> {
        Ok(self.brio.begin_with(self.base(), options)?)
    }

    /// Brings the directory to where the head is, by a landing there. What somebody changed in
    /// it stays, and is told.
    ///
    /// # Errors
    /// `NOT_SYNCED`, those of a landing, the store's. A crash leaves the directory wholly before
    /// or after it.
    pub fn update(&self) -> Result<Updated, StoreError> {
        Ok(self.place.update(&self.domain)?)
    }

    /// The sessions that the store has of the project, by id.
    ///
    /// # Errors
    /// The store's.
    pub fn stored_sessions(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.place.run(|p| async move { p.sessions().await })?)
    }

    /// Opens a session here that was pushed elsewhere; one that is here is given as it is.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, `SESSION_ENDED`, the store's.
    pub fn open_session(&self, id: &SessionId) -> Result<SessionHandle, StoreError> {
        if let Ok(session) = self.domain.session(id) {
            let id = session.id().clone();
            return Ok(SessionHandle::new(self.brio.clone(), self.domain.clone(), id));
        }
        let opened = self.place.open_session(&self.domain, id.as_str())?;
        Ok(self.brio.begun(self.domain.clone(), opened.id().clone()))
    }

    /// Looks at all that the project needs in the store.
    ///
    /// # Errors
    /// Only where it cannot be looked at; what is wrong is in the report.
    pub fn fsck(
        &self,
        options: FsckOptions,
        told: impl FnMut(FsckProgress) + Send + 'static,
    ) -> Result<FsckReport, StoreError> {
        let mut told = told;
        Ok(self.place.run(move |p| async move { p.fsck(&options, &mut told).await })?)
    }

    /// Removes from the store what nothing of the project names any more.
    ///
    /// # Errors
    /// The store's; what was removed is no loss.
    pub fn collect(
        &self,
        options: GcOptions,
        told: impl FnMut(GcProgress) + Send + 'static,
    ) -> Result<GcReport, StoreError> {
        let mut told = told;
        Ok(self.place.run(move |p| async move { p.collect(&options, &mut told).await })?)
    }
}

impl std::fmt::Debug for ProjectHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjectHere")
            .field("project", &self.name())
            .field("store", &self.store())
            .field("base", &self.base())
            .finish_non_exhaustive()
    }
}

impl SessionHandle {
    /// The place of the project on whose tree it stands; an error: it stands on none.
    fn place(&self) -> Result<Place, StoreError> {
        let record = self.record()?;
        match &record.lower {
            LowerInfo::Tree(tree) => Ok(self.brio().stores().place(&tree.store, &tree.project)?),
            _ => Err(ShareError::NotShared { id: self.id().clone() }.into()),
        }
    }

    /// Brings it to its project's store as it is now: its contents, its tree, its goal, what was
    /// said and decided. Any machine that reaches the store can open it by its id then. Nobody
    /// may be writing in it. Durable when it returns.
    ///
    /// # Errors
    /// `NOT_SHARED` for a session that branches a directory, `CONFLICT` when it was pushed from
    /// elsewhere since, `SESSION_BUSY`, the store's; then the store has it as it had it.
    pub fn push(&self) -> Result<Pushed, StoreError> {
        let place = self.place()?;
        let session = self.session()?;
        let story = self.brio().stores().places().story(&session)?;
        let PushedSession { session, stored } = place.push(&session, &story)?;
        Ok(Pushed {
            session: self.id().clone(),
            project: place.project().id().to_string(),
            store: place.url().to_owned(),
            tree: session.tree,
            base: session.base.tree,
            seq: session.seq,
            objects: stored.objects,
            bytes: stored.bytes,
        })
    }
}
