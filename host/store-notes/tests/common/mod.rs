//! A store that can go away, loses answers and does what was asked later than it says; machines
//! that share it.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod over;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use brio_project::{NotePath, WriteOptions};
use brio_store::backend::{Backend, Listed, Memory, Put, Shared, Swap, Version};
use brio_store::{Error, Project, ProjectId, Result, Runner, Store, StoreOptions};
use brio_store_notes::{StoreNotes, StoreNotesOptions};
use bytes::Bytes;
use time::OffsetDateTime;

/// A store over another one.
pub struct Shaky {
    pub inner: Shared,
    pub down: AtomicBool,
    pub log: Mutex<Vec<String>>,
    swaps: AtomicU64,
    lose: AtomicU64,
    late: AtomicU64,
    /// Where it lies, if that goes with it.
    pub its: Option<tempfile::TempDir>,
}

impl Default for Shaky {
    fn default() -> Self {
        Self::over(Arc::new(Memory::default()))
    }
}

impl Shaky {
    pub fn over(inner: Shared) -> Self {
        let (down, log, swaps, lose, late) = Default::default();
        Self { inner, down, log, swaps, lose, late, its: None }
    }

    /// Of every n-th swap the answer is lost.
    pub fn lose(&self, every: u64) {
        self.lose.store(every, Ordering::SeqCst);
    }

    /// Every n-th swap is done a while after nobody waits for it any more.
    pub fn late(&self, every: u64) {
        self.late.store(every, Ordering::SeqCst);
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    async fn ask(&self, what: &str, key: &str) -> Result<()> {
        self.log.lock().unwrap().push(format!("{what} {key}"));
        tokio::task::yield_now().await;
        match self.down.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(Error::Unreachable {
                store: self.name(),
                what: format!("{what} {key}"),
                why: "no answer".into(),
            }),
        }
    }
}

#[async_trait]
impl Backend for Shaky {
    fn name(&self) -> String {
        self.inner.name()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.ask("GET", key).await?;
        self.inner.get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.ask("RANGE", key).await?;
        self.inner.get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        self.ask("PUT", key).await?;
        self.inner.create(key, value).await
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.ask("PUT", key).await?;
        self.inner.overwrite(key, value).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.ask("DELETE", key).await?;
        self.inner.delete(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.ask("HEAD", key).await?;
        self.inner.stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.ask("LIST", prefix).await?;
        self.inner.list(prefix, after).await
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.ask("READ", name).await?;
        self.inner.read_ref(name).await
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.ask("SWAP", name).await?;
        let n = self.swaps.fetch_add(1, Ordering::SeqCst);
        let now = |every: u64| every > 0 && n.is_multiple_of(every);
        if now(self.late.load(Ordering::SeqCst)) {
            let (inner, name, expected) = (self.inner.clone(), name.to_owned(), expected.cloned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(n % 7)).await;
                let _ = inner.swap_ref(&name, expected.as_ref(), value).await;
            });
            return Ok(Swap::Lost);
        }
        let done = self.inner.swap_ref(name, expected, value).await?;
        Ok(if now(self.lose.load(Ordering::SeqCst)) { Swap::Lost } else { done })
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.ask("LIST", prefix).await?;
        self.inner.list_refs(prefix, after).await
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.ask("DELETE", name).await?;
        self.inner.delete_ref(name, expected).await
    }
    async fn now(&self) -> Result<OffsetDateTime> {
        self.inner.now().await
    }
}

/// 2026-01-19T10:00:00Z, always.
pub fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_816_800)
}

pub fn runner() -> Arc<Runner> {
    Arc::new(Runner::new().unwrap())
}

/// The project, made if it is not there, with nothing of it near yet.
pub fn project(backend: Shared, runner: &Runner) -> Project {
    let store = Store::new(backend, StoreOptions::default());
    let id: ProjectId = "test/project".parse().unwrap();
    runner.run(async move { store.create(&id).await }).unwrap().0
}

/// A directory that goes when it is dropped; in memory where there is such a place and $TMPDIR
/// says nothing else, for there are many syncs.
pub fn scratch() -> tempfile::TempDir {
    let shm = std::path::Path::new("/dev/shm");
    match std::env::var_os("TMPDIR").is_none() && shm.is_dir() {
        true => tempfile::tempdir_in(shm).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// The notes as a machine of this name has them.
pub fn notes_of(backend: &Arc<Shaky>, by: &str) -> StoreNotes {
    let runner = runner();
    let project = project(backend.clone(), &runner);
    StoreNotes::new(project, runner, StoreNotesOptions::new(clock, by))
}

pub fn path(path: &str) -> NotePath {
    path.parse().unwrap()
}

pub fn plain() -> WriteOptions {
    WriteOptions::default()
}

pub fn expecting(version: u64) -> WriteOptions {
    WriteOptions { expected_version: Some(version), origin: None }
}

pub fn from(origin: &str) -> WriteOptions {
    WriteOptions { expected_version: None, origin: Some(origin.to_owned()) }
}

/// The note's ref.
pub fn key(name: &str) -> String {
    format!("projects/test/project/notes/{name}")
}

/// Text that no compressor finds a pattern in, by xorshift64*.
pub fn noise(bytes: usize, mut seed: u64) -> String {
    let mut out = String::with_capacity(bytes + 16);
    while out.len() < bytes {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        out.push_str(&format!("{:016x}", seed.wrapping_mul(0x2545_F491_4F6C_DD1D)));
    }
    out.truncate(bytes);
    out
}
