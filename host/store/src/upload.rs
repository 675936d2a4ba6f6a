//! Storing objects: each at its key where they are few, in packs where they are many; and making
//! sure that those which were there already stay.
//!
//! Whoever finds an object in the store may find one that a collector is about to remove. So it
//! is relied on only if it is young (a collector leaves those alone), or after it was named in a
//! *pin* and was seen again while no sweep was under way: a sweep that begins later reads the
//! pins before the refs (`gc`). Both hold for a bounded time, so a ref is moved in less: what is
//! young may be [`YOUNG`] old when it is looked at, the ref is moved within [`HOLDS`] of that,
//! and what was asked takes effect within [`REQUEST`](gc::REQUEST) or never. The sum is less
//! than [`GRACE_MIN`].
//!
//! A pin is removed only when it is known what became of the ref: one whose answer was lost may
//! still move, and what it names is kept until the pin is too old for that.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, select, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde::{Deserialize, Serialize};

use crate::backend::Put;
use crate::file::blobs_of;
use crate::gc;
use crate::key::Kind;
use crate::objects::{each_listed, list_all};
use crate::pack::Packer;
use crate::{AttemptId, Compression, Content, Error, Hash, Project, Result, doc, envelope, key};

/// More objects than this are packed.
const FEW: usize = 16;
/// And more bytes than this.
const LITTLE: usize = 4 << 20;
/// Requests under way at a time.
const AT_ONCE: usize = 8;
/// What is not older than this needs no pin.
const YOUNG: Duration = Duration::from_secs(15 * 60);
/// A writer moves its ref within this time of having looked, or does it all again.
const HOLDS: Duration = Duration::from_secs(25 * 60);
/// A pin is believed as long as this.
pub(crate) const PIN_HOLDS: Duration = Duration::from_secs(2 * 3600);

const _: () = {
    let most = YOUNG.as_secs() + HOLDS.as_secs() + gc::REQUEST.as_secs();
    assert!(most < gc::GRACE_MIN.as_secs() && most < PIN_HOLDS.as_secs());
};

/// An object that is ready to be stored: made where the processor time is to be had.
#[derive(Debug, Clone)]
pub struct Sealed {
    kind: Kind,
    hash: Hash,
    envelope: Bytes,
}

impl Sealed {
    /// A blob. `hash` must be that of `content`.
    ///
    /// # Errors
    /// When it is longer than a blob can be.
    pub fn blob(hash: Hash, content: &[u8], compression: Compression) -> Result<Self> {
        Ok(Self { kind: Kind::Blob, hash, envelope: envelope::seal(content, compression)? })
    }

    /// Its hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

/// What an upload took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Objects that were written.
    pub objects: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Objects that were there.
    pub existed: u64,
}

/// Objects on their way into the store. Nothing names them before a ref does: an upload that is
/// dropped, or whose process is killed, leaves objects that the collector removes.
pub struct Upload {
    project: Project,
    started: Duration,
    packer: Packer,
    nodes: Vec<(Hash, Vec<u8>)>,
    seen: HashSet<(Kind, Hash)>,
    /// Blobs that the store has, as far as it was asked.
    there: Option<HashSet<Hash>>,
    relied: BTreeSet<(Kind, Hash)>,
    under_way: FuturesUnordered<BoxFuture<'static, Result<Done>>>,
    stored: Stored,
}

struct Done {
    objects: Vec<(Kind, Hash)>,
    put: Put,
    bytes: u64,
}

/// All objects of an upload are in the store, and stay there until a ref names them.
pub struct Settled {
    project: Project,
    pin: Option<AttemptId>,
    since: Duration,
    stored: Stored,
}

impl Upload {
    pub(crate) fn new(project: Project) -> Self {
        Self {
            started: project.options().clock.monotonic(),
            project,
            packer: Packer::default(),
            nodes: Vec::new(),
            seen: HashSet::new(),
            there: None,
            relied: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            stored: Stored::default(),
        }
    }

    /// Adds a blob.
    ///
    /// # Errors
    /// The store's, about this one or one before.
    pub async fn add(&mut self, object: Sealed) -> Result<()> {
        if !self.seen.insert((object.kind, object.hash)) {
            return Ok(());
        }
        if self.there.is_none() && (self.packer.len() >= FEW || self.packer.size() >= LITTLE) {
            self.there = Some(self.look().await?);
            for (kind, hash, envelope) in std::mem::take(&mut self.packer).into_single() {
                self.pack(Sealed { kind, hash, envelope }).await?;
            }
        }
        self.pack(object).await
    }

    async fn pack(&mut self, object: Sealed) -> Result<()> {
        if self.there.as_ref().is_some_and(|t| t.contains(&object.hash)) {
            self.relied.insert((object.kind, object.hash));
            self.stored.existed += 1;
            return Ok(());
        }
        self.packer.add(object.kind, object.hash, &object.envelope);
        if self.packer.is_full() {
            self.flush().await?;
        }
        Ok(())
    }

    /// As [`add`](Self::add), of a content that is to be read soon.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn blob(&mut self, hash: Hash, content: Bytes) -> Result<()> {
        let sealed = Sealed::blob(hash, &content, self.project.options().compression)?;
        self.project.objects().remember(Kind::Blob, &hash, &content);
        self.add(sealed).await
    }

    /// Whether the store has a blob; if it has, it is as if it had been added.
    ///
    /// # Errors
    /// The store's.
    pub async fn rely(&mut self, hash: Hash) -> Result<bool> {
        let key = (Kind::Blob, hash);
        if self.seen.contains(&key) {
            return Ok(true);
        }
        let there = match &self.there {
            Some(there) => there.contains(&hash),
            None if self.relied.len() >= FEW => {
                let there = self.look().await?;
                self.there.insert(there).contains(&hash)
            }
            None => {
                let o = self.project.objects();
                o.load_indexes(self.relied.is_empty()).await?;
                o.spot(key.0, &hash).is_some()
                    || o.backend.stat(&o.keys.object(key.0, &hash)).await?.is_some()
            }
        };
        if there {
            self.seen.insert(key);
            self.relied.insert(key);
            self.stored.existed += 1;
        }
        Ok(there)
    }

    /// Adds nodes of a tree, children before parents.
    pub fn nodes(&mut self, nodes: impl IntoIterator<Item = (Hash, Vec<u8>)>) {
        self.nodes.extend(nodes);
    }

    /// Whether a content needs nothing that was not added.
    pub(crate) fn has(&self, content: &Content) -> bool {
        // Nobody reads the blob of nothing.
        content.size == 0 || self.seen.contains(&(Kind::Blob, content.root))
    }

    /// Contents that are used and were not added are somewhere in the store: what names them
    /// there may go, so they are relied on by themselves.
    pub(crate) async fn rely_on(&mut self, content: &Content) -> Result<()> {
        let project = self.project.clone();
        blobs_of(&project, content, &mut |hash| {
            self.relied.insert((Kind::Blob, hash));
        })
        .await
    }

    /// What blobs the store has.
    async fn look(&mut self) -> Result<HashSet<Hash>> {
        let objects = self.project.objects();
        objects.load_indexes(true).await?;
        let mut there = objects.packed_blobs();
        each_listed(&objects.backend, &objects.keys.objects(Kind::Blob), |l| {
            there.extend(key::hash_of(&l.key));
        })
        .await?;
        Ok(there)
    }

    async fn flush(&mut self) -> Result<()> {
        let packer = std::mem::take(&mut self.packer);
        let (hash, bytes, index) = packer.finish();
        let project = self.project.clone();
        self.start(Box::pin(async move {
            let o = project.objects();
            let (size, encoded) = (bytes.len() as u64, index.encode());
            let all = size + encoded.len() as u64;
            let pack = o.backend.create(&o.keys.pack(&hash), bytes).await?;
            let put = match o.backend.create(&o.keys.index(&hash), encoded).await? {
                // An old pack whose index was lost is no younger for its new index.
                Put::Created => pack,
                Put::Exists => Put::Exists,
            };
            o.add_index(&index);
            Ok(Done { objects: index.entries.into_keys().collect(), put, bytes: all })
        }))
        .await
    }

    async fn start(&mut self, put: BoxFuture<'static, Result<Done>>) -> Result<()> {
        while self.under_way.len() >= AT_ONCE {
            self.wait().await?;
        }
        self.under_way.push(put);
        Ok(())
    }

    /// Waits for something else, while what is under way goes on.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> Result<T> {
        let mut other = std::pin::pin!(other);
        while !self.under_way.is_empty() {
            let wait = std::pin::pin!(self.wait());
            match select(wait, &mut other).await {
                Either::Left((done, _)) => done?,
                Either::Right((found, _)) => return Ok(found),
            };
        }
        Ok(other.await)
    }

    async fn wait(&mut self) -> Result<bool> {
        let Some(done) = self.under_way.next().await else { return Ok(false) };
        let done = done?;
        match done.put {
            Put::Created => {
                self.stored.objects += done.objects.len() as u64;
                self.stored.bytes += done.bytes;
            }
            Put::Exists => {
                self.stored.existed += done.objects.len() as u64;
                self.relied.extend(done.objects);
            }
        }
        Ok(true)
    }

    async fn single(&mut self, kind: Kind, hash: Hash, envelope: Bytes) -> Result<()> {
        let project = self.project.clone();
        self.start(Box::pin(async move {
            let o = project.objects();
            let bytes = envelope.len() as u64;
            let key = o.keys.object(kind, &hash);
            let put = o.backend.create(&key, envelope).await?;
            Ok(Done { objects: vec![(kind, hash)], put, bytes })
        }))
        .await
    }

    /// Waits until all of it is in the store, durably, and protected until
    /// [`release`](Settled::release).
    ///
    /// # Errors
    /// The store's; `STORE_BUSY` when something that it relied on was collected meanwhile: all
    /// of it can be done again.
    pub async fn finish(mut self) -> Result<Settled> {
        if self.there.is_some() && self.packer.len() > FEW {
            self.flush().await?;
        }
        for (kind, hash, envelope) in std::mem::take(&mut self.packer).into_single() {
            self.single(kind, hash, envelope).await?;
        }
        // A level at a time is not needed: nothing names the root yet.
        for (hash, bytes) in std::mem::take(&mut self.nodes) {
            if !self.seen.insert((Kind::Tree, hash)) {
                continue;
            }
            let sealed = envelope::seal(&bytes, self.project.options().compression)?;
            self.project.objects().remember_node(&hash, &bytes)?;
            self.single(Kind::Tree, hash, sealed).await?;
        }
        while self.wait().await? {}
        let since = self.project.options().clock.monotonic();
        if since.saturating_sub(self.started) > YOUNG {
            // What it wrote itself is not young any more.
            self.relied.extend(self.seen.iter().copied());
        }
        let pin = self.protect().await?;
        Ok(Settled { project: self.project, pin, since, stored: self.stored })
    }

    /// Makes sure that what was there stays.
    async fn protect(&mut self) -> Result<Option<AttemptId>> {
        let old = self.old().await?;
        if old.is_empty() {
            return Ok(None);
        }
        let project = self.project.clone();
        let o = project.objects();
        let pin = project.new_attempt()?;
        let objects = old.iter().map(|(_, h)| *h).collect();
        let value = doc::encode(&Pin { format: doc::FORMAT, objects })?;
        o.backend.overwrite(&o.keys.pin(&pin), value).await?;
        gc::no_sweep(&project).await?;
        if self.missing(&old).await? {
            let _ = o.backend.delete(&o.keys.pin(&pin)).await;
            return Err(Error::Busy {
                what: "objects that were collected while they were needed".into(),
                attempts: 1,
            });
        }
        Ok(Some(pin))
    }

    /// What it relies on and is not known to be young.
    async fn old(&mut self) -> Result<Vec<(Kind, Hash)>> {
        if self.relied.is_empty() || self.relied.len() > 64 {
            return Ok(self.relied.iter().copied().collect());
        }
        let o = self.project.objects();
        let now = o.backend.now().await?;
        let look = |(kind, hash): (Kind, Hash)| async move {
            let stat = o.backend.stat(&o.keys.object(kind, &hash)).await?;
            let young = stat.is_some_and(|s| now - s.modified < YOUNG);
            Ok::<_, Error>((!young).then_some((kind, hash)))
        };
        let found = try_join_all(self.relied.iter().copied().map(look)).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn missing(&mut self, wanted: &[(Kind, Hash)]) -> Result<bool> {
        let o = self.project.objects();
        o.forget_indexes().await;
        o.load_indexes(true).await?;
        let listed = match wanted.iter().any(|(k, h)| o.spot(*k, h).is_some()) {
            true => list_all(&o.backend, &o.keys.packs()).await?,
            false => Vec::new(),
        };
        // An index alone is not enough: its pack may have been collected before it was written.
        let packs: HashSet<Hash> = listed.iter().filter_map(|l| key::hash_of(&l.key)).collect();
        let packed = |k, h: &Hash| o.spot(k, h).is_some_and(|(pack, _)| packs.contains(&pack));
        let loose: Vec<&(Kind, Hash)> = wanted.iter().filter(|(k, h)| !packed(*k, h)).collect();
        if loose.len() > 256 {
            let mut there = HashSet::new();
            for kind in [Kind::Blob, Kind::Tree] {
                each_listed(&o.backend, &o.keys.objects(kind), |l| {
                    there.extend(key::hash_of(&l.key).map(|hash| (kind, hash)));
                })
                .await?;
            }
            return Ok(loose.iter().any(|w| !there.contains(*w)));
        }
        for some in loose.chunks(AT_ONCE) {
            let look = |w: &&(Kind, Hash)| {
                let key = o.keys.object(w.0, &w.1);
                async move { o.backend.stat(&key).await }
            };
            let found = try_join_all(some.iter().map(look)).await?;
            if found.iter().any(Option::is_none) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Settled {
    /// What it took.
    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// Whether a ref may still be moved to what was stored; if not, it is all done again.
    pub fn holds(&self) -> bool {
        self.project.options().clock.monotonic().saturating_sub(self.since) < HOLDS
    }

    /// A ref names it now, or nothing ever will: the protection ends. One that is not released
    /// ends by itself; whoever does not know whether a ref was moved leaves it to that.
    pub async fn release(self) {
        if let Some(pin) = &self.pin {
            let o = self.project.objects();
            if let Err(e) = o.backend.delete(&o.keys.pin(pin)).await {
                tracing::debug!("a pin stays for a while: {e}");
            }
        }
    }
}

/// What a writer relies on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) format: u64,
    pub(crate) objects: Vec<Hash>,
}
