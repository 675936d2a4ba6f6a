//! A store in S3, on AWS or any server that has conditional writes of single objects.
//!
//! Signing, credentials and the requests' form are object_store's. What it would repeat by
//! itself is switched off: here it is known which call may be repeated, and a ref's may not.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutMode,
    PutPayload, RetryConfig,
};
use time::OffsetDateTime;

use super::names::{MAX_KEY, PROOFS, check, check_object, check_ref, is_ref};
use super::{Backend, Listed, Put, Swap, Version};
use crate::id::AttemptId;
use crate::{Error, Result};

mod answer;
mod calls;
mod credentials;
mod options;
mod profile;
mod wire;

use answer::Failed;
use calls::{LONGEST_PAUSE, Once, jittered, listed, version};
pub use credentials::Credentials;
pub use options::{Patience, S3Options};
use wire::{Clock, Connector};

/// A prefix in a bucket.
pub struct S3 {
    name: String,
    prefix: String,
    store: AmazonS3,
    clock: Arc<Clock>,
    missing: Option<String>,
    patience: Patience,
    /// How the server wants an ETag in `If-Match`; see `calls`.
    style: AtomicU8,
}

/// The length of what stands in the place of a ref that was removed: an attempt's id. No value
/// of a ref is that short, as each has such an id in it.
const GONE: usize = 32;

impl S3 {
    /// A store there. Asks nothing of the server yet; see [`prove`](super::prove).
    ///
    /// # Errors
    /// When the options contradict themselves, or the machine's certificates cannot be read.
    pub fn open(options: S3Options) -> Result<Self> {
        let name = options.name();
        // Its rules for a bucket and a prefix.
        let _: crate::StoreUrl = name.parse()?;
        if let Some(endpoint) = &options.endpoint {
            check_endpoint(endpoint, options.allow_http)?;
        }
        let clock = Arc::new(Clock::default());
        let connector = Connector {
            tls: wire::tls(options.ca_bundle.as_deref())?,
            clock: clock.clone(),
            connect: options.patience.connect,
            attempt: options.patience.attempt,
        };
        let refused = |e: object_store::Error| Error::Url { url: name.clone(), why: e.to_string() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_client_options(ClientOptions::new().with_allow_http(options.allow_http))
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_disable_bulk_delete(true)
            .with_http_connector(connector);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let source = options.credentials.on(builder.clone()).build().map_err(refused)?;
        let provider =
            credentials::Provider::new(source.credentials().clone(), &options.credentials);
        let store = builder.with_credentials(Arc::new(provider)).build().map_err(refused)?;
        let missing = match options.credentials {
            Credentials::Missing(why) => Some(why),
            _ => None,
        };
        Ok(Self {
            name,
            prefix: options.prefix,
            store,
            clock,
            missing,
            patience: options.patience,
            style: AtomicU8::new(0),
        })
    }

    fn full(&self, key: &str) -> String {
        match self.prefix.is_empty() {
            true => key.into(),
            false => format!("{}/{key}", self.prefix),
        }
    }

    fn path(&self, key: &str) -> Result<Path> {
        check(key)?;
        let full = self.full(key);
        let why = match full.len() > MAX_KEY {
            true => "with the store's prefix it is longer than 1,024 bytes".into(),
            false => match Path::parse(&full) {
                Ok(path) => return Ok(path),
                Err(e) => e.to_string(),
            },
        };
        Err(Error::Input { path: key.into(), why })
    }
}

#[async_trait]
impl Backend for S3 {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.read(key, None).await?.map(|(bytes, _)| bytes))
    }

    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        let empty = |found: Option<Listed>| found.map(|_| Bytes::new());
        if length == 0 {
            return self.stat(key).await.map(empty);
        }
        let range = GetRange::Bounded(offset..offset.saturating_add(length));
        match self.read(key, Some(range)).await {
            Ok(found) => Ok(found.map(|(bytes, _)| bytes)),
            // Most likely nothing is there: what is tells how long it is.
            Err(e) => match self.stat(key).await? {
                Some(found) if found.size <= offset => Ok(Some(Bytes::new())),
                None => Ok(None),
                Some(_) => Err(e),
            },
        }
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        check_object(key)?;
        let path = self.path(key)?;
        let what = format!("create {key}");
        let mut pause = self.patience.pause;
        for _ in 0..=self.patience.retries {
            let put = self
                .repeat(&what, || {
                    let payload = PutPayload::from(value.clone());
                    Box::pin(self.store.put_opts(&path, payload, PutMode::Create.into()))
                })
                .await?;
            match put {
                Ok(_) => return Ok(Put::Created),
                Err(Failed::Answer(refused)) if refused.status == 412 => return Ok(Put::Exists),
                // Somebody else is writing it just now; he may still fail.
                Err(Failed::Answer(refused)) if refused.is_condition() => {
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(failed) => return Err(self.error(&what, &failed)),
            }
        }
        let why = "others keep writing it, says the server".into();
        Err(self.error(&what, &Failed::Trouble(why)))
    }

    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        check_object(key)?;
        let path = self.path(key)?;
        let what = format!("write {key}");
        let put = self
            .repeat(&what, || {
                Box::pin(async { self.store.put(&path, PutPayload::from(value.clone())).await })
            })
            .await?;
        put.map(drop).map_err(|failed| self.error(&what, &failed))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        let what = format!("remove {key}");
        match self.repeat(&what, || Box::pin(async { self.store.delete(&path).await })).await? {
            Ok(()) => Ok(()),
            Err(Failed::Answer(refused)) if refused.is_absent() => Ok(()),
            Err(failed) => Err(self.error(&what, &failed)),
        }
    }

    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        let path = self.path(key)?;
        let what = format!("look at {key}");
        match self.repeat(&what, || Box::pin(async { self.store.head(&path).await })).await? {
            Ok(meta) => Ok(listed(key, &meta)),
            Err(Failed::Answer(refused)) if refused.is_absent() => Ok(None),
            Err(failed) => Err(self.error(&what, &failed)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.page(prefix, after, |l| !is_ref(&l.key)).await
    }

    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let Some((value, meta)) = self.read(name, None).await? else { return Ok(None) };
        if value.len() <= GONE {
            return Ok(None);
        }
        match meta.e_tag {
            Some(etag) => Ok(Some((value, version(&etag)))),
            None => Err(Error::NoConditions {
                store: self.name.clone(),
                why: "it gives objects no ETag".into(),
            }),
        }
    }

    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        check_ref(name)?;
        if value.len() <= GONE {
            let why = "a ref's value has an attempt's id in it, and this one is too short".into();
            return Err(Error::Input { path: name.into(), why });
        }
        if let Some(expected) = expected {
            return self.swap(name, expected, &value).await;
        }
        match self.swap_once(name, None, &value).await? {
            Once::Done(version) => return Ok(Swap::Done(version)),
            Once::Unknown => return Ok(Swap::Lost),
            Once::Refused => {}
        }
        // What was removed may be written again.
        match self.read(name, None).await? {
            Some((gone, ObjectMeta { e_tag: Some(etag), .. })) if gone.len() <= GONE => {
                self.swap(name, &version(&etag), &value).await
            }
            _ => Ok(Swap::Lost),
        }
    }

    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        let wanted = |l: &Listed| is_ref(&l.key) && l.size > GONE as u64;
        Ok(self.page(prefix, after, wanted).await?.into_iter().map(|l| l.key).collect())
    }

    /// Puts an attempt's id in its place, which stays: few servers delete on a condition, and a
    /// write that is late must find that its condition no longer holds.
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        check_ref(name)?;
        let gone = Bytes::from(AttemptId::random()?.as_str().to_owned());
        self.swap(name, expected, &gone).await
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        // Whatever it answers, it says when.
        let path = self.path(&format!("{PROOFS}/now"))?;
        match self
            .repeat("ask the time", || Box::pin(async { self.store.head(&path).await }))
            .await?
        {
            Ok(_) | Err(Failed::Answer(_)) => {}
            Err(failed) => return Err(self.error("ask the time", &failed)),
        }
        self.clock.last().ok_or_else(|| Error::Unreachable {
            store: self.name.clone(),
            what: "ask the time".into(),
            why: "its answers have no date".into(),
        })
    }
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<()> {
    let bad = |why: &str| Err(Error::Url { url: endpoint.into(), why: why.into() });
    match reqwest::Url::parse(endpoint) {
        Ok(url) if url.host_str().is_none_or(str::is_empty) => bad("the endpoint names no host"),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            bad("the endpoint has a `?` or a `#`")
        }
        Ok(url) if url.scheme() == "https" => Ok(()),
        Ok(url) if url.scheme() == "http" && allow_http => Ok(()),
        Ok(url) if url.scheme() == "http" => {
            bad("the endpoint is not encrypted; if that is meant, AWS_ALLOW_HTTP=true")
        }
        _ => bad("the endpoint is no `https://` URL"),
    }
}
