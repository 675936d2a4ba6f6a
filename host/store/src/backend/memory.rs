//! A store in memory: for tests, and for what need not outlive a process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::{Backend, Listed, PAGE, Put, Swap, Version};
use crate::Result;

/// Objects and refs in this process.
#[derive(Default)]
pub struct Memory {
    inner: Mutex<Inner>,
    clock: Option<Box<dyn Fn() -> OffsetDateTime + Send + Sync>>,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, (Bytes, OffsetDateTime)>,
    refs: BTreeMap<String, (Bytes, u64)>,
    next: u64,
}

impl Memory {
    /// An empty one, by this clock.
    pub fn with_clock(clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self { inner: Mutex::default(), clock: Some(Box::new(clock)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self) -> OffsetDateTime {
        self.clock.as_ref().map_or_else(OffsetDateTime::now_utc, |c| c())
    }
}

fn page<T, U>(
    map: &BTreeMap<String, T>,
    prefix: &str,
    after: Option<&str>,
    each: impl Fn(&String, &T) -> U,
) -> Vec<U> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let from = match after {
        Some(after) if after >= prefix => Excluded(after),
        _ => Included(prefix),
    };
    map.range::<str, _>((from, Unbounded))
        .take_while(|(k, _)| k.starts_with(prefix))
        .take(PAGE)
        .map(|(k, v)| each(k, v))
        .collect()
}

#[async_trait]
impl Backend for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.inner().objects.get(key).map(|(v, _)| v.clone()))
    }

    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        Ok(self.inner().objects.get(key).map(|(v, _)| {
            let size = v.len() as u64;
            let from = offset.min(size);
            let to = from.saturating_add(length).min(size);
            v.slice(from as usize..to as usize)
        }))
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        let at = self.time();
        let mut inner = self.inner();
        if inner.objects.contains_key(key) {
            return Ok(Put::Exists);
        }
        inner.objects.insert(key.into(), (value, at));
        Ok(Put::Created)
    }

    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        let at = self.time();
        self.inner().objects.insert(key.into(), (value, at));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.inner().objects.remove(key);
        Ok(())
    }

    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        Ok(self.inner().objects.get(key).map(|(v, at)| Listed {
            key: key.into(),
            size: v.len() as u64,
            modified: *at,
        }))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        Ok(page(&self.inner().objects, prefix, after, |k, (v, at)| Listed {
            key: k.clone(),
            size: v.len() as u64,
            modified: *at,
        }))
    }

    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        Ok(self.inner().refs.get(name).map(|(v, n)| (v.clone(), Version(n.to_string()))))
    }

    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        let mut inner = self.inner();
        let now = inner.refs.get(name).map(|(_, n)| Version(n.to_string()));
        if now.as_ref() != expected {
            return Ok(Swap::Lost);
        }
        inner.next += 1;
        let n = inner.next;
        inner.refs.insert(name.into(), (value, n));
        Ok(Swap::Done(Version(n.to_string())))
    }

    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        Ok(page(&self.inner().refs, prefix, after, |k, _| k.clone()))
    }

    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        let mut inner = self.inner();
        match inner.refs.get(name).map(|(_, n)| Version(n.to_string())) {
            Some(now) if now == *expected => {
                inner.refs.remove(name);
                Ok(Swap::Done(now))
            }
            _ => Ok(Swap::Lost),
        }
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        Ok(self.time())
    }
}
