//! A store, and a project in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::backend::{Put, Shared};
use crate::cache::{DiskCache, Tier};
use crate::content::CHUNKER;
use crate::doc::{self, ProjectDoc};
use crate::file::FileContent;
use crate::key::{Keys, Kind};
use crate::objects::{Near, Objects, list_all};
use crate::tree::{Edits, Nodes, Tree, edit};
use crate::upload::Upload;
use crate::{
    AttemptId, Base, Chance, Compression, Content, Error, Hash, ProjectId, Result, SystemChance,
};

/// Time, as a store needs it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> OffsetDateTime;
    /// Waits.
    async fn sleep(&self, time: Duration);
    /// Time that only goes on, also while the machine sleeps, from some moment in the past.
    fn monotonic(&self) -> Duration {
        monotonic()
    }
}

/// Linux counts a machine's sleep on a clock of its own. Elsewhere the wall clock counts too:
/// of both, what went on further.
#[cfg(target_os = "linux")]
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Duration {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime};
    static BEGAN: OnceLock<(Instant, SystemTime)> = OnceLock::new();
    let (instant, wall) = BEGAN.get_or_init(|| (Instant::now(), SystemTime::now()));
    instant.elapsed().max(wall.elapsed().unwrap_or_default())
}

/// The system's clock, and tokio's timer.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// How a store is used.
#[derive(Clone)]
pub struct StoreOptions {
    /// How what is stored is compressed.
    pub compression: Compression,
    /// Bytes of memory for what was read.
    pub memory: u64,
    /// The disk near.
    pub disk: Option<DiskCache>,
    /// Other places to look at before the store itself.
    pub tiers: Vec<Arc<dyn Tier>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub chance: Arc<dyn Chance>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            memory: 64 << 20,
            disk: None,
            tiers: Vec::new(),
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
        }
    }
}

/// Projects at one place.
#[derive(Clone)]
pub struct Store {
    backend: Shared,
    options: StoreOptions,
}

impl Store {
    /// At this place. Nothing is asked yet.
    pub fn new(backend: Shared, options: StoreOptions) -> Self {
        Self { backend, options }
    }

    /// For people: its URL.
    pub fn name(&self) -> String {
        self.backend.name()
    }

    /// The place.
    pub fn backend(&self) -> &Shared {
        &self.backend
    }

    /// A project that is there. Nothing is asked: the first use says if it is not, or is of a
    /// newer format.
    pub fn project(&self, id: &ProjectId) -> Project {
        let near = Near {
            memory: self.options.memory,
            disk: self.options.disk.clone(),
            tiers: self.options.tiers.clone(),
        };
        let objects = Objects::new(self.backend.clone(), Keys::of(id), near);
        let (id, options) = (id.clone(), self.options.clone());
        let heads = Mutex::default();
        Project { inner: Arc::new(Inner { id, options, objects, heads }) }
    }

    /// Makes a project, or finds it: whether it is new.
    ///
    /// # Errors
    /// The store's; `STORE_FORMAT` when it is of a newer format.
    pub async fn create(&self, id: &ProjectId) -> Result<(Project, bool)> {
        let project = self.project(id);
        let doc = ProjectDoc {
            format: doc::FORMAT,
            project: id.clone(),
            hash: "sha256".into(),
            tree: 1,
            chunker: CHUNKER.into(),
            created_at: self.options.clock.now(),
            attempt: project.new_attempt()?,
        };
        let key = project.objects().keys.project();
        let put = self.backend.create(&key, doc::encode(&doc)?).await?;
        if put == Put::Exists {
            project.check().await?;
        }
        Ok((project, put == Put::Created))
    }

    /// The projects that are here.
    ///
    /// # Errors
    /// The store's.
    pub async fn projects(&self) -> Result<Vec<ProjectId>> {
        let listed = list_all(&self.backend, "projects/").await?;
        let id =
            |key: &str| key.strip_prefix("projects/")?.strip_suffix("/project.json")?.parse().ok();
        Ok(listed.iter().filter_map(|l| id(&l.key)).collect())
    }
}

/// A project in a store. A clone is the same one: what it read is kept near for all.
#[derive(Clone)]
pub struct Project {
    inner: Arc<Inner>,
}

struct Inner {
    id: ProjectId,
    options: StoreOptions,
    objects: Objects,
    /// Where the head was seen lately, and when.
    heads: Mutex<VecDeque<(Base, Duration)>>,
}

/// As long as this, and some more, the tree of a head that was seen is kept.
const LATELY: Duration = Duration::from_secs(10 * 60);

impl Project {
    /// Its id.
    pub fn id(&self) -> &ProjectId {
        &self.inner.id
    }

    /// For people: the store's URL.
    pub fn store(&self) -> String {
        self.inner.objects.backend.name()
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    /// How its store is used.
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// The id of a new attempt to change something of it.
    pub(crate) fn new_attempt(&self) -> Result<AttemptId> {
        AttemptId::by(&*self.options().chance)
    }

    pub(crate) fn saw_head(&self, base: Base) {
        let now = self.options().clock.monotonic();
        let mut heads = self.inner.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|(b, _)| *b != base);
        heads.push_back((base, now));
        if heads.len() > 8 {
            heads.pop_front();
        }
    }

    pub(crate) fn was_head(&self, base: &Base) -> bool {
        let now = self.options().clock.monotonic();
        let heads = self.inner.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().any(|(b, at)| b == base && now.saturating_sub(*at) < LATELY)
    }

    pub(crate) fn missing(&self) -> Error {
        Error::NoProject { store: self.store(), project: self.id().clone() }
    }

    /// Whether it is there, and of a format that is known.
    ///
    /// # Errors
    /// `PROJECT_UNKNOWN`, `STORE_FORMAT`, and the store's.
    pub async fn check(&self) -> Result<()> {
        let o = self.objects();
        let found = o.backend.get(&o.keys.project()).await?.ok_or_else(|| self.missing())?;
        let what = format!("project {}", self.id());
        let doc: ProjectDoc = doc::decode(&found, &what)?;
        if doc.tree > 1 || doc.hash != "sha256" {
            return Err(Error::Format { what, found: doc.tree.max(2), known: 1 });
        }
        Ok(())
    }

    /// A tree of it, read as far as it is asked for.
    pub fn tree(&self, hash: Hash) -> Tree {
        Tree::new(Arc::new(self.clone()), hash)
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// `STORE_MISSING`, `STORE_CORRUPT`, and the store's.
    pub async fn blob(&self, hash: &Hash) -> Result<bytes::Bytes> {
        self.objects().get(Kind::Blob, hash).await
    }

    /// Begins to store objects.
    pub fn upload(&self) -> Upload {
        Upload::new(self.clone())
    }

    /// The content of a file; nothing is read yet.
    pub fn file(&self, content: Content) -> FileContent {
        FileContent::new(self.clone(), content)
    }

    /// A blob as a file that was verified just now, where it is kept on the disk near; its path
    /// may be gone at once.
    pub fn kept_file(&self, hash: &Hash) -> Option<(std::fs::File, std::path::PathBuf)> {
        self.objects().disk()?.file(Kind::Blob, hash)
    }

    /// Whether a blob can be had without asking anybody: it is in memory, or on the disk near.
    /// It may be gone at once.
    pub fn is_near(&self, hash: &Hash) -> bool {
        self.objects().is_near(Kind::Blob, hash)
    }

    /// The tree with these edits; its new nodes are added to `upload`.
    ///
    /// # Errors
    /// `STORE_INPUT` when it would be no tree, and the store's.
    pub async fn edited(&self, tree: Hash, edits: &Edits, upload: &mut Upload) -> Result<Hash> {
        let built = edit(&self.tree(tree), edits).await?;
        self.rely_on_edits(tree, None, edits, upload).await?;
        upload.nodes(built.nodes);
        Ok(built.root)
    }

    /// Asks ahead for what a reader needs before the first blob, beside other requests.
    ///
    /// # Errors
    /// The store's.
    pub async fn warm(&self) -> Result<()> {
        self.objects().load_indexes(false).await
    }
}

#[async_trait]
impl Nodes for Project {
    async fn node(&self, hash: &Hash) -> Result<Arc<crate::tree::Node>> {
        self.objects().node(hash).await
    }
}
