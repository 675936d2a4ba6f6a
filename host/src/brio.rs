//! Opening Brio, and beginning sessions.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use brio_landing::{
    BeginError, BeginOptions, Domain, DomainError, Figures, LowerOptions, Metadata, NotesOptions,
    OpenOptions, RunTag, WantedLower,
};
use brio_registry::{DomainRow, Opened, Registry};
use brio_runtime::{Engine, EngineError, EngineOptions};
use brio_session::{RelPath, Time};

use crate::agents::Agents;
use crate::domains::Domains;
use crate::events::{Listeners, SessionEvent, SessionEvents};
use crate::listing::begun_row;
use crate::metrics::Meter;
use crate::remotes::Remotes;
use crate::store::Stores;
use crate::workers::Workers;
use crate::{BrioBuilder, OpenError, SessionHandle, SessionLimits, SessionMetadata};

/// Brio, opened with a home. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Brio(Arc<Inner>);

struct Inner {
    options: BrioBuilder,
    registry: Registry,
    domains: Domains,
    agents: Agents,
    listeners: Listeners,
    /// Made when the first agent is loaded: most commands run none.
    engine: Mutex<Option<Engine>>,
    meter: Arc<Meter>,
    workers: Workers,
    remotes: Remotes,
    stores: Stores,
}

impl Brio {
    /// Opens a home, and makes it (0700) when it is not there: one per person, which keeps what
    /// is no base's own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(home: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::builder(home).open()
    }

    /// As [`open`](Self::open), with a say in more than the home.
    pub fn builder(home: impl Into<PathBuf>) -> BrioBuilder {
        BrioBuilder::new(home.into())
    }

    pub(crate) fn open_as(mut options: BrioBuilder) -> Result<Self, OpenError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Home { path, source }
        };
        options.home = std::path::absolute(&options.home).map_err(fail(&options.home))?;
        make_private(&options.home).map_err(fail(&options.home))?;
        let index = options.home.join("metadata.db");
        let (registry, opened) = Registry::open_or_remake(&index)?;
        match opened {
            Opened::AsItWas => {}
            Opened::Remade => tracing::warn!(
                "the index was broken, and is {}.broken now; the next listing makes it anew",
                index.display()
            ),
            Opened::InMemory => {
                tracing::warn!(
                    "{} cannot be written, or its disk is full: no base can be worked on that is not known there",
                    options.home.display()
                );
            }
        }
        let workers = Workers::new(options.workers);
        let (home, user_home) = (options.home.clone(), options.user_home.clone());
        let stores = Stores::new(home, user_home, options.stores.clone());
        Ok(Self(Arc::new(Inner {
            options,
            registry,
            domains: Domains::default(),
            agents: Agents::default(),
            listeners: Listeners::default(),
            engine: Mutex::new(None),
            meter: Arc::default(),
            workers,
            remotes: Remotes::default(),
            stores,
        })))
    }

    /// The home.
    pub fn home(&self) -> &Path {
        &self.0.options.home
    }

    /// What becomes of the sessions of this process from here on, as it happens.
    pub fn session_events(&self) -> SessionEvents {
        self.0.listeners.listen()
    }

    pub(crate) fn tell(&self, event: SessionEvent) {
        self.0.listeners.tell(event);
    }

    /// The wall clock.
    pub fn now(&self) -> Time {
        (self.0.options.now)()
    }

    /// Begins a session on a directory. Nothing is copied and nothing scanned. Where the
    /// directory can have no `.brio`, which only a frozen session does without, it is refused.
    ///
    /// # Errors
    /// [`BeginError`]; nothing of the session is left then.
    pub fn begin(&self, base: &Path, metadata: Metadata) -> Result<SessionHandle, BeginError> {
        self.begin_on(base, metadata, LowerOptions::default())
    }

    /// As [`begin`](Self::begin), with a say in what the session sees of the directory: all of
    /// it as it is now, or without what is excluded, or a frozen copy.
    ///
    /// # Errors
    /// [`BeginError`]; nothing of the session is left then.
    pub fn begin_on(
        &self,
        base: &Path,
        metadata: Metadata,
        lower: LowerOptions,
    ) -> Result<SessionHandle, BeginError> {
        self.begin_with(base, BeginOptions { metadata, lower, ..BeginOptions::default() })
    }

    /// As [`begin`](Self::begin), with all that can be said about a session. Where the directory
    /// lies in its domain is found out here, and the session has no parent. Where it belongs to a
    /// project in a store, a session that asks for no other lower begins on the project's head.
    ///
    /// # Errors
    /// [`BeginError`]; nothing of the session is left then.
    pub fn begin_with(
        &self,
        base: &Path,
        options: BeginOptions,
    ) -> Result<SessionHandle, BeginError> {
        let frozen = options.lower.wanted == WantedLower::Frozen;
        let how = OpenOptions { frozen, ..self.domain_options(base, true) };
        let (domain, subdir) =
            if frozen { Domain::open(base, how)? } else { self.0.domains.open(base, how)? };
        self.admit(&domain)?;
        let options = self.on_head(&domain, BeginOptions { subdir, parent: None, ..options })?;
        let session = domain.begin(options)?;
        Ok(self.begun(domain, session.id().clone()))
    }

    pub(crate) fn session_limits(&self) -> SessionLimits {
        self.0.options.sessions
    }

    /// Whether one more session may begin.
    pub(crate) fn admit(&self, domain: &Domain) -> Result<(), BeginError> {
        let limits = self.0.options.sessions;
        if let Some(max) = limits.max_sessions {
            let open = || self.0.registry.open_sessions().unwrap_or(0);
            // What ended elsewhere may still be counted: it is looked before anybody is refused.
            let full = open() >= max && {
                self.refresh_index();
                open() >= max
            };
            if full {
                self.meter().limit("sessions");
                return Err(BeginError::TooMany { open: open(), max });
            }
        }
        if let Some(min) = limits.min_free {
            let path = domain.root_path();
            // What cannot be asked is no reason to refuse: writing will tell.
            if let Ok(stat) = rustix::fs::statvfs(path) {
                let free = stat.f_bavail.saturating_mul(stat.f_frsize);
                if free < min {
                    self.meter().limit("free-space");
                    return Err(BeginError::LowDisk { path: path.to_owned(), free, min });
                }
            }
        }
        Ok(())
    }

    /// Opens the domain that a directory lies in.
    pub(crate) fn domain(
        &self,
        base: &Path,
        create: bool,
    ) -> Result<(Domain, RelPath), DomainError> {
        self.0.domains.open(base, self.domain_options(base, create))
    }

    /// Opens a domain that the index or the home knows; one in the home also if its base is gone.
    pub(crate) fn known_domain(&self, place: &DomainRow) -> Result<Domain, DomainError> {
        match Domain::open_in_home(&place.claim, self.domain_options(&place.path, false))? {
            Some(domain) => Ok(domain),
            None => self.domain(&place.path, false).map(|(domain, _)| domain),
        }
    }

    pub(crate) fn domain_options(&self, base: &Path, create: bool) -> OpenOptions {
        let o = &self.0.options;
        OpenOptions {
            home: Some(o.home.clone()),
            user_home: o.user_home.clone(),
            create,
            frozen: false,
            boot_id: o.boot_id.clone(),
            now: o.now,
            door: o.door.clone(),
            trust_uid: None,
            retention: (o.retention)(base),
            notes: NotesOptions { observer: self.meter().clone(), ..NotesOptions::default() },
            trees: Some(self.0.stores.places().clone()),
            heads: Some(self.0.stores.places().clone()),
        }
    }

    /// Enters a new session in the index and in the log.
    pub(crate) fn begun(&self, domain: Domain, id: brio_landing::SessionId) -> SessionHandle {
        let session = SessionHandle::new(self.clone(), domain, id);
        if let Ok(record) = session.record() {
            SessionMetadata::from(&record).log_session_created();
            let d = session.domain();
            self.index(|r| {
                r.upsert_domain(&DomainRow {
                    claim: d.claim_id().to_owned(),
                    path: d.root_path().to_owned(),
                })?;
                r.upsert(&begun_row(d.claim_id(), &record))
            });
        }
        // Who hears of it finds it in the index.
        self.tell(SessionEvent::Begun(session.id().clone()));
        session
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Changes the index. It can be rebuilt, so a failure is no failure of the operation.
    pub(crate) fn index(
        &self,
        change: impl FnOnce(&Registry) -> Result<(), brio_registry::RegistryError>,
    ) {
        if let Err(error) = change(&self.0.registry) {
            tracing::warn!(%error, "the index could not be changed; the next listing rebuilds it");
        }
    }

    /// The engine, made at its first use.
    pub(crate) fn engine(&self) -> Result<Engine, EngineError> {
        let mut engine = self.0.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        let cache_dir = self.0.options.cache.then(|| self.home().join("cache"));
        let made = Engine::new(EngineOptions {
            cache_dir: cache_dir.filter(|d| make_private(d).is_ok()),
        })?;
        Ok(engine.insert(made).clone())
    }

    pub(crate) fn options(&self) -> &BrioBuilder {
        &self.0.options
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.0.stores
    }

    pub(crate) fn remotes(&self) -> &Remotes {
        &self.0.remotes
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    /// Begins to make the workers that [`BrioBuilder::workers`] asks for.
    pub fn make_workers(&self) {
        self.0.workers.refill();
    }

    /// What a run of this process says of itself.
    pub(crate) fn run_tag(&self, purpose: &str, program: &str, limits: Figures) -> RunTag {
        RunTag {
            program: Some(program.to_owned()),
            limits,
            expendable: self.0.options.expendable,
            ..RunTag::new(purpose)
        }
    }

    /// Where what this process does is counted.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.0.meter
    }

    /// Whose certificates are believed.
    pub(crate) fn trust(&self) -> brio_runtime::net::Trust {
        self.0.options.trust.clone()
    }

    /// Agents of that engine.
    pub(crate) fn agents(&self) -> &Agents {
        &self.0.agents
    }

    /// A private directory in the home for work that ends with this process.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.home().join("plain")
    }
}

impl fmt::Debug for Brio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brio").field("home", &self.home()).finish_non_exhaustive()
    }
}

/// Makes a directory that only its owner may use. One that is there keeps its mode, except
/// that what others may do with it is taken away: it holds code that runs as its owner.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700);
        builder.create(path)?;
        let mode = std::fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode & 0o7700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(path)
}
