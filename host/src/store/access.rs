//! The stores of a home, each opened when it is first used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_landing::StoreBinding;
use brio_share::{Place, Places, ShareError};
use brio_store::backend::{Directory, S3, S3Options, prove};
use brio_store::{Backend, Compression, DiskCache, Error, Hash, Store, StoreOptions, StoreUrl};

use crate::brio::make_private;

/// The store of the home itself, as a binding names it.
pub const LOCAL: &str = "local";

/// Environment variables, by name.
pub type StoreEnv = dyn Fn(&str) -> Option<String> + Send + Sync;

/// How stores are reached, and what is kept of them here.
#[derive(Clone)]
pub struct StoreSettings {
    /// What names the server of an `s3://` store and its keys: the variables of the usual AWS
    /// tools (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_ENDPOINT_URL` and so on). None by default.
    pub env: Arc<StoreEnv>,
    /// Bytes of memory that may hold what was read of a project; 64 MiB by default.
    pub memory: u64,
    /// Bytes of the disk, in the home, that may hold what was read; 10 GiB by default.
    pub disk: u64,
    /// How what is stored is compressed.
    pub compression: Compression,
    /// Who lands, as a landing's record says; nobody by default.
    pub who: Option<String>,
    /// What this machine is called; its host name by default.
    pub machine: Option<String>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            env: Arc::new(|_| None),
            memory: 64 << 20,
            disk: 10 << 30,
            compression: Compression::default(),
            who: None,
            machine: host_name(),
        }
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("memory", &self.memory)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}

/// The stores of a home.
pub(crate) struct Stores {
    how: How,
    places: Arc<Places>,
}

#[derive(Clone)]
struct How {
    home: PathBuf,
    user_home: Option<PathBuf>,
    settings: StoreSettings,
}

impl Stores {
    pub(crate) fn new(home: PathBuf, user_home: Option<PathBuf>, settings: StoreSettings) -> Self {
        let (who, machine) = (settings.who.clone(), settings.machine.clone());
        let how = How { home, user_home, settings };
        let opener = how.clone();
        let places = Places::new(move |url| opener.open(url)).told_by(who, machine);
        Self { how, places: Arc::new(places) }
    }

    /// All of them, each opened when it is first needed.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Carries out work on a store, and waits.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, ShareError> {
        let threads = |source| ShareError::Host { what: "threads for stores".into(), source };
        Ok(self.places.runner().map_err(threads)?.run(work)?)
    }

    /// A project in a store that a binding names. That the store honours conditions is proven
    /// when this home first uses it.
    pub(crate) fn place(&self, store: &str, project: &str) -> Result<Place, ShareError> {
        let id = project.parse().map_err(|e: brio_store::NoProjectId| Error::Input {
            path: project.to_owned(),
            why: e.to_string(),
        })?;
        let place = self.places.get(store, &id)?;
        self.prove(store)?;
        Ok(place)
    }

    /// The project that a base belongs to.
    pub(crate) fn bound(&self, to: &StoreBinding) -> Result<Place, ShareError> {
        self.place(&to.store, &to.project)
    }

    /// A store as it is written down.
    pub(crate) fn named(&self, store: &str, from: &Path) -> Result<String, ShareError> {
        if store == LOCAL {
            return Ok(LOCAL.to_owned());
        }
        Ok(match store.parse::<StoreUrl>()?.from_base(from) {
            // Without `.` and what is above a directory by its name.
            StoreUrl::Directory(path) => {
                let real = path.canonicalize().unwrap_or_else(|_| path.components().collect());
                StoreUrl::Directory(real)
            }
            url => url,
        }
        .to_string())
    }

    /// The store of this name, made if it is a directory.
    pub(crate) fn make(&self, store: &str) -> Result<Store, ShareError> {
        if let StoreUrl::Directory(path) = self.how.url(store)? {
            if path.exists() && !path.is_dir() {
                let why = "it is no directory; give one, or a name that is free".into();
                return Err(Error::Url { url: store.into(), why }.into());
            }
            Directory::open(&path)?;
        }
        let made = self.places.store(store)?;
        self.prove(store)?;
        Ok(made)
    }

    /// Tries out that a server honours the conditions that heads are moved by, once.
    fn prove(&self, store: &str) -> Result<(), ShareError> {
        if !matches!(self.how.url(store)?, StoreUrl::S3 { .. }) {
            return Ok(());
        }
        let endpoint = self.how.s3(store)?.endpoint.unwrap_or_default();
        let name = file_name(format!("{store}\n{endpoint}").as_bytes());
        let proven = self.how.home.join("stores").join(name);
        if proven.exists() {
            return Ok(());
        }
        let backend = self.places.store(store)?.backend().clone();
        self.run(async move { prove(&*backend).await })?;
        let write = || {
            make_private(&self.how.home.join("stores"))?;
            std::fs::write(&proven, format!("{store}\n{endpoint}\n"))
        };
        // It is only proven again, then.
        if let Err(e) = write() {
            tracing::warn!("that {store} is fit is not remembered: {e}");
        }
        Ok(())
    }
}

/// A name for a file in the home about what has no name that fits.
pub(super) fn file_name(of: &[u8]) -> String {
    let mut name = Hash::of(of).hex();
    name.truncate(32);
    name
}

impl How {
    fn url(&self, store: &str) -> Result<StoreUrl, Error> {
        match store {
            LOCAL => Ok(StoreUrl::Directory(self.home.join("store"))),
            url => url.parse(),
        }
    }

    fn s3(&self, store: &str) -> Result<S3Options, Error> {
        match self.url(store)? {
            StoreUrl::S3 { bucket, prefix } => {
                let env = |name: &str| (self.settings.env)(name);
                S3Options::from_env(bucket, prefix, env, self.user_home.as_deref())
            }
            StoreUrl::Directory(_) => {
                Err(Error::Url { url: store.into(), why: "it is no server".into() })
            }
        }
    }

    fn open(&self, store: &str) -> Result<Store, Error> {
        let backend: Arc<dyn Backend> = match self.url(store)? {
            StoreUrl::S3 { .. } => Arc::new(S3::open(self.s3(store)?)?),
            StoreUrl::Directory(path) => {
                // What is not mounted is not made in its place.
                if store != LOCAL && !path.is_dir() {
                    return Err(Error::Unreachable {
                        store: store.into(),
                        what: "look into it".into(),
                        why: "there is no such directory, perhaps it is not mounted".into(),
                    });
                }
                Arc::new(Directory::open(&path)?)
            }
        };
        let cache = self.home.join("cache").join("store");
        let disk = match self.settings.disk {
            0 => None,
            bytes => match DiskCache::open(&cache, bytes) {
                Ok(cache) => Some(cache),
                Err(e) => {
                    tracing::warn!("what is read of stores is not kept: {e}");
                    None
                }
            },
        };
        let (memory, compression) = (self.settings.memory, self.settings.compression);
        let options = StoreOptions { compression, memory, disk, ..StoreOptions::default() };
        Ok(Store::new(backend, options))
    }
}
