//! Whether a place honours conditions. One that ignores them would let two writers overwrite
//! each other, and nobody would know.

use bytes::Bytes;

use super::names::PROOFS;
use super::{Backend, Put, Swap, Version};
use crate::id::AttemptId;
use crate::{Error, Result};

/// Tries the conditions out that a project relies on: that nothing is created twice, and that a
/// ref moves from the version that is there and from no other. Leaves nothing behind.
///
/// # Errors
/// [`NoConditions`](Error::NoConditions) if one is not honoured; else why it could not be tried.
pub async fn prove(backend: &dyn Backend) -> Result<()> {
    let id = AttemptId::random()?;
    let (object, head) = (format!("{PROOFS}/{id}/object"), format!("{PROOFS}/{id}/head"));
    let proved = conditions(backend, &object, &head).await;
    proved.and(removed(backend, &object, &head).await)
}

async fn removed(backend: &dyn Backend, object: &str, head: &str) -> Result<()> {
    backend.delete(object).await?;
    if let Some((_, version)) = backend.read_ref(head).await? {
        backend.delete_ref(head, &version).await?;
    }
    // And what a removed ref leaves: nobody else knows this one's name.
    backend.delete(head).await
}

async fn conditions(backend: &dyn Backend, object: &str, head: &str) -> Result<()> {
    let ignored = |why: &str| Err(Error::NoConditions { store: backend.name(), why: why.into() });

    if backend.create(object, Bytes::from_static(b"first")).await? == Put::Exists {
        // Our own, whose answer was lost; anything else has another id.
        tracing::debug!("the first answer of a proof was lost");
    }
    match backend.create(object, Bytes::from_static(b"second")).await? {
        Put::Created => return ignored("it replaced an object that was to be created"),
        Put::Exists => {}
    }
    if backend.get(object).await?.as_deref() != Some(b"first") {
        return ignored("it replaced an object, and said that it did not");
    }

    let first = moved(backend, head, None).await?;
    if swapped(backend, head, None).await? {
        return ignored("it created a ref that was there (`If-None-Match` is ignored)");
    }
    let Some(first) = first else {
        return ignored("it does not create refs");
    };
    let Some(second) = moved(backend, head, Some(&first)).await? else {
        return ignored("it does not move a ref from the version that is there (`If-Match` fails)");
    };
    if swapped(backend, head, Some(&first)).await? {
        return ignored("it moved a ref from a version that was not there (`If-Match` is ignored)");
    }
    if moved(backend, head, Some(&second)).await?.is_none() {
        return ignored("it does not move a ref twice");
    }
    Ok(())
}

/// Three attempts, as an answer may be lost; the version, if it is ours now.
async fn moved(
    backend: &dyn Backend,
    head: &str,
    from: Option<&Version>,
) -> Result<Option<Version>> {
    for _ in 0..3 {
        let value = value()?;
        if let Swap::Done(version) = backend.swap_ref(head, from, value.clone()).await? {
            return Ok(Some(version));
        }
        match backend.read_ref(head).await? {
            Some((now, version)) if now == value => return Ok(Some(version)),
            _ => {}
        }
    }
    Ok(None)
}

/// Whether it moved, also if it said that it did not.
async fn swapped(backend: &dyn Backend, head: &str, from: Option<&Version>) -> Result<bool> {
    let value = value()?;
    let done = backend.swap_ref(head, from, value.clone()).await? != Swap::Lost;
    Ok(done || backend.read_ref(head).await?.is_some_and(|(now, _)| now == value))
}

fn value() -> Result<Bytes> {
    Ok(format!("{{\"attempt\":\"{}\"}}", AttemptId::random()?).into())
}
