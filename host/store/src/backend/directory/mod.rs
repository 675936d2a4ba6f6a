//! A store in a directory. Objects are files, refs are rows of `refs.db`; any number of
//! processes of one machine use it at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::names::{check, check_object, check_ref, is_ref};
use super::{Backend, Listed, PAGE, Put, Swap, Version};
use crate::{Error, Result};

mod files;
mod refs;

use files::Files;
use refs::Refs;

/// Objects and refs below a directory that is its owner's alone (0700, files 0600).
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    root: PathBuf,
    files: Files,
    refs: Mutex<Refs>,
}

impl Directory {
    /// Opens the store in a directory, which is made if it is not there. What a killed process
    /// left half-written is removed, if it is older than an hour. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be made or used, or its `refs.db` is a newer version's.
    pub fn open(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)
            .map_err(|e| Error::host(format!("find {}", root.display()), e))?;
        let files = Files::open(&root)?;
        let refs = Refs::open(&root)?;
        files.sync_root()?;
        files.sweep()?;
        Ok(Self(Arc::new(Inner { root, files, refs: Mutex::new(refs) })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.root
    }

    /// Disks and locks are waited for beside the executor, if there is one.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.0.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => match runtime.spawn_blocking(move || work(&inner)).await {
                Ok(result) => result,
                Err(e) => Err(Error::host("wait for a disk", std::io::Error::other(e))),
            },
            Err(_) => work(&inner),
        }
    }
}

impl Inner {
    fn refs<T>(&self, work: impl FnOnce(&mut Refs) -> Result<T>) -> Result<T> {
        work(&mut self.refs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Backend for Directory {
    fn name(&self) -> String {
        crate::StoreUrl::Directory(self.0.root.clone()).to_string()
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        check(key)?;
        let key = key.to_owned();
        self.run(move |s| s.files.read(&key, 0, None)).await
    }

    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        check(key)?;
        let key = key.to_owned();
        self.run(move |s| s.files.read(&key, offset, Some(length))).await
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        check_object(key)?;
        let key = key.to_owned();
        self.run(move |s| s.files.create(&key, &value)).await
    }

    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        check_object(key)?;
        let key = key.to_owned();
        self.run(move |s| s.files.overwrite(&key, &value)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        check(key)?;
        let key = key.to_owned();
        self.run(move |s| match is_ref(&key) {
            true => s.refs(|r| r.forget(&key)),
            false => s.files.delete(&key),
        })
        .await
    }

    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        check(key)?;
        let key = key.to_owned();
        self.run(move |s| s.files.stat(&key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.run(move |s| s.files.list(&prefix, after.as_deref(), PAGE)).await
    }

    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let name = name.to_owned();
        self.run(move |s| s.refs(|r| r.read(&name))).await
    }

    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        check_ref(name)?;
        let (name, expected) = (name.to_owned(), expected.cloned());
        self.run(move |s| s.refs(|r| r.swap(&name, expected.as_ref(), Some(&value)))).await
    }

    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.run(move |s| s.refs(|r| r.list(&prefix, after.as_deref(), PAGE))).await
    }

    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        check_ref(name)?;
        let (name, expected) = (name.to_owned(), expected.clone());
        self.run(move |s| s.refs(|r| r.swap(&name, Some(&expected), None))).await
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        self.run(|s| s.files.now()).await
    }
}
