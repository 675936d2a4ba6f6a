//! A store whose requests are tapped, and where the process dies before one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use brio_share::{Place, Places};
use brio_store::backend::{Backend, Listed, Memory, Put, Swap, Version};
use brio_store::{Result, Store, StoreOptions};
use bytes::Bytes;

use super::common::id;

struct Inner {
    backend: Arc<dyn Backend>,
    requests: AtomicU64,
    /// The request before which the process dies.
    fatal: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Tapped(Arc<Inner>);

impl Tapped {
    pub(crate) fn new(backend: Arc<dyn Backend>, fatal: Option<u64>) -> Self {
        Self(Arc::new(Inner { backend, requests: AtomicU64::new(0), fatal }))
    }

    /// In memory, with a project.
    pub(crate) fn project() -> Self {
        let tapped = Self::new(Arc::new(Memory::default()), None);
        let store = tapped.store(StoreOptions::default());
        let runner = brio_share::Runner::new().unwrap();
        runner.run(async move { store.create(&id()).await.map(drop) }).unwrap();
        tapped
    }

    pub(crate) fn store(&self, options: StoreOptions) -> Store {
        Store::new(Arc::new(self.clone()), options)
    }

    /// Somebody who has read nothing yet.
    pub(crate) fn machine(&self) -> Place {
        let tapped = self.clone();
        let places = Places::new(move |_| Ok(tapped.store(StoreOptions::default())));
        places.get("memory://tapped", &id()).unwrap()
    }

    /// Since it was asked last.
    pub(crate) fn requests(&self) -> u64 {
        self.0.requests.swap(0, Ordering::SeqCst)
    }

    fn one(&self) -> &dyn Backend {
        let n = self.0.requests.fetch_add(1, Ordering::SeqCst);
        if self.0.fatal == Some(n) {
            std::process::abort();
        }
        &*self.0.backend
    }
}

#[async_trait]
impl Backend for Tapped {
    fn name(&self) -> String {
        "tapped".into()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.one().get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.one().get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        self.one().create(key, value).await
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.one().overwrite(key, value).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.one().delete(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.one().stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.one().list(prefix, after).await
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.one().read_ref(name).await
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.one().swap_ref(name, expected, value).await
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.one().list_refs(prefix, after).await
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.one().delete_ref(name, expected).await
    }
    async fn now(&self) -> Result<time::OffsetDateTime> {
        self.0.backend.now().await
    }
}
