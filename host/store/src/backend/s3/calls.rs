//! The calls: which are repeated, how often, and what their ends mean.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore as _, PutMode, PutPayload, UpdateVersion,
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::S3;
use super::answer::Failed;
use crate::backend::{Listed, MAX_OBJECT, PAGE, Swap, Version, too_large};
use crate::{Error, Result};

/// Servers differ in whether `If-Match` has the ETag with its quotes, as RFC 9110 has it, or
/// without them (Ceph's up to Quincy). The first swap that succeeds tells.
#[derive(Clone, Copy)]
enum Style {
    Quoted = 1,
    Bare = 2,
}

/// What became of one attempt at a ref.
pub(super) enum Once {
    Done(Version),
    /// The server says that the condition did not hold.
    Refused,
    /// Nobody knows.
    Unknown,
}

pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl S3 {
    fn credentials(&self) -> Result<()> {
        match &self.missing {
            None => Ok(()),
            Some(why) => Err(Error::Credentials { store: self.name.clone(), why: why.clone() }),
        }
    }

    /// What a failure is that no further attempt will mend.
    pub(super) fn error(&self, what: &str, failed: &Failed) -> Error {
        let (store, what) = (self.name.clone(), what.to_owned());
        match failed {
            Failed::NoCredentials(why) => Error::Credentials { store, why: why.clone() },
            Failed::Answer(refused) if refused.is_bucket() => Error::NoBucket { store },
            Failed::Answer(refused) if refused.status == 501 => {
                Error::NoConditions { store, why: format!("{what}: {refused}") }
            }
            Failed::Answer(refused) => Error::Denied { store, what, why: refused.explained() },
            failed => Error::Unreachable { store, what, why: failed.why() },
        }
    }

    /// Carries a call out that may be repeated, until it has an answer, within the bounds.
    pub(super) async fn repeat<'a, T>(
        &self,
        what: &str,
        attempt: impl Fn() -> BoxFuture<'a, object_store::Result<T>> + Send + Sync,
    ) -> Result<std::result::Result<T, Failed>> {
        self.credentials()?;
        let end = Instant::now() + self.patience.total;
        let mut pause = self.patience.pause;
        let mut retries = 0;
        loop {
            let bound = self.patience.attempt.min(end.saturating_duration_since(Instant::now()));
            let failed = match tokio::time::timeout(bound, attempt()).await {
                Ok(Ok(value)) => return Ok(Ok(value)),
                Ok(Err(e)) => Failed::of(&e),
                Err(_) => Failed::NoAnswer("it did not answer in time".into()),
            };
            match failed {
                Failed::Answer(_) | Failed::NoCredentials(_) => return Ok(Err(failed)),
                _ => {}
            }
            if retries == self.patience.retries || Instant::now() + pause >= end {
                let last = self.error(what, &failed);
                return Err(match last {
                    Error::Unreachable { store, what, why } if retries > 0 => Error::Unreachable {
                        store,
                        what,
                        why: format!("{why} ({} attempts)", retries + 1),
                    },
                    other => other,
                });
            }
            retries += 1;
            tracing::debug!(store = %self.name, what, why = %failed.why(), retries, "again");
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) async fn read(
        &self,
        key: &str,
        range: Option<GetRange>,
    ) -> Result<Option<(Bytes, ObjectMeta)>> {
        let path = self.path(key)?;
        let what = format!("read {key}");
        let got = self
            .repeat(&what, || {
                Box::pin(async {
                    let options = GetOptions { range: range.clone(), ..GetOptions::default() };
                    let got = self.store.get_opts(&path, options).await?;
                    let meta = got.meta.clone();
                    if got.range.end - got.range.start > MAX_OBJECT {
                        return Ok(Err(too_large(meta.size)));
                    }
                    Ok(Ok((got.bytes().await?, meta)))
                })
            })
            .await?;
        match got {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(why)) => Err(Error::corrupt(key, why)),
            Err(Failed::Answer(refused)) if refused.is_absent() => Ok(None),
            Err(failed) => Err(self.error(&what, &failed)),
        }
    }

    /// One attempt at a ref, not repeated unless it is certain that it was not carried out.
    pub(super) async fn swap_once(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &Bytes,
    ) -> Result<Once> {
        self.credentials()?;
        let path = self.path(name)?;
        let what = format!("swap {name}");
        let end = Instant::now() + self.patience.total;
        let mut pause = self.patience.pause;
        loop {
            let mode = match expected {
                None => PutMode::Create,
                Some(etag) => {
                    PutMode::Update(UpdateVersion { e_tag: Some(etag.into()), version: None })
                }
            };
            let put = self.store.put_opts(&path, PutPayload::from(value.clone()), mode.into());
            let failed = match tokio::time::timeout(self.patience.attempt, put).await {
                Ok(Ok(done)) => {
                    // Without a version it is done, but only reading it tells which it is.
                    return Ok(done.e_tag.map_or(Once::Unknown, |e| Once::Done(version(&e))));
                }
                Ok(Err(e)) => Failed::of(&e),
                Err(_) => Failed::NoAnswer("it did not answer in time".into()),
            };
            match failed {
                Failed::Answer(refused)
                    if refused.is_condition() || refused.is_absent() && expected.is_some() =>
                {
                    return Ok(Once::Refused);
                }
                Failed::Answer(_) | Failed::NoCredentials(_) => {
                    return Err(self.error(&what, &failed));
                }
                Failed::NotSent(_) if Instant::now() + pause < end => {
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Failed::NotSent(_) => return Err(self.error(&what, &failed)),
                Failed::Trouble(why) | Failed::NoAnswer(why) => {
                    tracing::debug!(store = %self.name, what, %why, "the outcome is not known");
                    tokio::time::sleep(jittered(pause)).await;
                    return Ok(Once::Unknown);
                }
            }
        }
    }

    pub(super) async fn swap(&self, name: &str, expected: &Version, value: &Bytes) -> Result<Swap> {
        let quoted = format!("\"{}\"", expected.0);
        let style = self.style.load(Ordering::Relaxed);
        let tries: &[(Style, &str)] = match style {
            s if s == Style::Quoted as u8 => &[(Style::Quoted, &quoted)],
            s if s == Style::Bare as u8 => &[(Style::Bare, &expected.0)],
            _ => &[(Style::Quoted, &quoted), (Style::Bare, &expected.0)],
        };
        for (style, etag) in tries {
            // A second try is made only while no swap ever succeeded, and after the first was
            // refused: so it is no repetition.
            match self.swap_once(name, Some(etag), value).await? {
                Once::Done(version) => {
                    self.style.store(*style as u8, Ordering::Relaxed);
                    return Ok(Swap::Done(version));
                }
                Once::Refused => {}
                Once::Unknown => return Ok(Swap::Lost),
            }
        }
        Ok(Swap::Lost)
    }

    /// A page of what lies below, refs or objects.
    pub(super) async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        wanted: impl Fn(&Listed) -> bool,
    ) -> Result<Vec<Listed>> {
        let what = format!("list {prefix}");
        let root = self.full("");
        let full = self.full(prefix);
        let after = after.filter(|after| *after >= prefix).map(|after| self.full(after));
        let (mut token, mut page) = (None, Vec::new());
        loop {
            let listed = self
                .repeat(&what, || {
                    let options = PaginatedListOptions {
                        offset: after.clone(),
                        max_keys: Some(PAGE),
                        page_token: token.clone(),
                        ..PaginatedListOptions::default()
                    };
                    self.store.list_paginated(Some(&full), options)
                })
                .await?
                .map_err(|failed| self.error(&what, &failed))?;
            let found =
                listed.result.objects.iter().filter_map(|meta| {
                    self::listed(meta.location.as_ref().strip_prefix(&root)?, meta)
                });
            page.extend(found.filter(|l| l.key.starts_with(prefix) && wanted(l)));
            if page.len() >= PAGE || listed.page_token.is_none() {
                page.sort_by(|a, b| a.key.cmp(&b.key));
                page.truncate(PAGE);
                return Ok(page);
            }
            token = listed.page_token;
        }
    }
}

/// An ETag without its quotes, and without what a proxy that compresses puts before it.
pub(super) fn version(etag: &str) -> Version {
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    Version(etag.trim_matches('"').to_owned())
}

pub(super) fn listed(key: &str, meta: &ObjectMeta) -> Option<Listed> {
    let at = meta.last_modified;
    let nanos =
        i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos());
    let modified = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    Some(Listed { key: key.into(), size: meta.size, modified })
}

/// Between half of it and one and a half: who failed together shall not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random numbers the pause is as it is.
    match getrandom::fill(&mut random) {
        Ok(()) => pause / 2 + pause.mul_f64(f64::from(u16::from_le_bytes(random)) / 65_536.0),
        Err(_) => pause,
    }
}
