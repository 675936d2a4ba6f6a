//! A store in memory that counts, delays and loses answers.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a part of several tests"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use brio_store::backend::{Backend, Listed, Memory, Put, Swap, Version};
use brio_store::tree::{Entry, Key};
use brio_store::{Content, Error, Hash, ProjectId, Result, Store, StoreOptions};
use bytes::Bytes;

/// What was asked of a store.
#[derive(Default)]
pub struct Watched {
    pub inner: Memory,
    pub log: Mutex<Vec<String>>,
    pub sent: AtomicU64,
    /// Each request takes this long.
    pub latency: Option<Duration>,
    /// Of swaps that are done, every n-th is answered as lost.
    pub lose: AtomicU64,
    pub swaps: AtomicU64,
}

impl Watched {
    async fn ask(&self, what: &str, key: &str, bytes: usize) {
        self.log.lock().unwrap().push(format!("{what} {key}"));
        self.sent.fetch_add(bytes as u64, Ordering::SeqCst);
        if let Some(time) = self.latency {
            tokio::time::sleep(time).await;
        }
        tokio::task::yield_now().await;
    }

    pub fn take(&self) -> (Vec<String>, u64) {
        (std::mem::take(&mut *self.log.lock().unwrap()), self.sent.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Backend for Watched {
    fn name(&self) -> String {
        self.inner.name()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.ask("GET", key, 0).await;
        self.inner.get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.ask("RANGE", key, 0).await;
        self.inner.get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        self.ask("PUT", key, value.len()).await;
        self.inner.create(key, value).await
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.ask("PUT", key, value.len()).await;
        self.inner.overwrite(key, value).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.ask("DELETE", key, 0).await;
        self.inner.delete(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.ask("HEAD", key, 0).await;
        self.inner.stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.ask("LIST", prefix, 0).await;
        self.inner.list(prefix, after).await
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.ask("GET", name, 0).await;
        self.inner.read_ref(name).await
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.ask("SWAP", name, value.len()).await;
        let done = self.inner.swap_ref(name, expected, value).await?;
        let every = self.lose.load(Ordering::SeqCst);
        let n = self.swaps.fetch_add(1, Ordering::SeqCst);
        match every > 0 && n.is_multiple_of(every) {
            true => Ok(Swap::Lost),
            false => Ok(done),
        }
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.ask("LIST", prefix, 0).await;
        self.inner.list_refs(prefix, after).await
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.ask("DELETE", name, 0).await;
        self.inner.delete_ref(name, expected).await
    }
    async fn now(&self) -> Result<time::OffsetDateTime> {
        self.inner.now().await
    }
}

pub fn id() -> ProjectId {
    "test/project".parse().unwrap()
}

/// A machine: the store, and nothing of it near yet.
pub fn machine(backend: &Arc<Watched>) -> Store {
    Store::new(backend.clone(), StoreOptions::default())
}

pub fn key(path: &str) -> Key {
    Key::new(path.as_bytes()).unwrap()
}

pub fn file_of(bytes: &[u8]) -> Entry {
    let hash = Hash::of(bytes);
    let content = Content { size: bytes.len() as u64, hash, depth: 0, root: hash };
    Entry::File { mode: 0o644, content }
}

/// `n` small files, a hundred to a directory, and their contents.
pub fn many(n: u64) -> (BTreeMap<Key, Option<Entry>>, Vec<Bytes>) {
    let mut edits = BTreeMap::new();
    let mut contents = Vec::new();
    for i in 0..n {
        let dir = format!("dir-{:04}", i / 100);
        let content = format!("the content of file {i}\n").into_bytes();
        edits.insert(key(&dir), Some(Entry::Dir { mode: 0o755 }));
        edits.insert(key(&format!("{dir}/source-file-{i}.rs")), Some(file_of(&content)));
        contents.push(content.into());
    }
    (edits, contents)
}

pub fn refused<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.expect_err("it is refused")
}
