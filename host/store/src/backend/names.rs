//! What a key may be, and which keys are refs. A ref lies in an S3 store among the objects, so
//! there its name alone tells it from them; elsewhere the same rule holds, so that a project can
//! move.

use crate::{Error, Result};

/// The most bytes that S3 allows of a key, the store's prefix included.
pub(super) const MAX_KEY: usize = 1024;

/// Where [`prove`](super::prove) tries a store out.
pub(super) const PROOFS: &str = "proofs";

/// Whether a key is a ref's (`FORMAT.md`, "Keys").
pub(super) fn is_ref(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    matches!(
        parts.as_slice(),
        ["projects", _, _, "head" | "gc"]
            | ["projects", _, _, "sessions", _, "metadata.json"]
            | ["projects", _, _, "notes", _, ..]
            | [PROOFS, _, "head"]
    )
}

/// A key that can be written as one: it stays below the store, and means the same in a
/// directory and in a URL.
pub(super) fn check(key: &str) -> Result<()> {
    let why = if key.is_empty() || key.len() > MAX_KEY {
        "a key has 1 to 1,024 bytes"
    } else if key.bytes().any(|b| b.is_ascii_control() || b == b'\\') {
        "a key has no control characters and no `\\`"
    } else if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "a key's parts are neither empty nor `.` nor `..`"
    } else {
        return Ok(());
    };
    Err(Error::Input { path: key.chars().take(200).collect(), why: why.into() })
}

/// The key of an object that is written.
pub(super) fn check_object(key: &str) -> Result<()> {
    check(key)?;
    match is_ref(key) {
        false => Ok(()),
        true => Err(Error::Input { path: key.into(), why: "a ref, and no object".into() }),
    }
}

/// The name of a ref that is written.
pub(super) fn check_ref(name: &str) -> Result<()> {
    check(name)?;
    match is_ref(name) {
        true => Ok(()),
        false => Err(Error::Input { path: name.into(), why: "an object, and no ref".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_and_objects_are_apart() {
        for name in [
            "projects/o/n/head",
            "projects/o/n/gc",
            "projects/o/n/sessions/s/metadata.json",
            "projects/o/n/notes/plan",
            "projects/o/n/notes/plans/next",
            "proofs/1/head",
        ] {
            assert!(check_ref(name).is_ok() && check_object(name).is_err(), "{name}");
        }
        for key in [
            "projects/o/n/project.json",
            "projects/o/n/blobs/00/00",
            "projects/o/head",
            "projects/o/n/sessions/s/tree.json",
            "projects/o/n/sessions/metadata.json",
            "projects/o/n/notes",
            "projects/o/n/landings/1-head",
            "head",
            "proofs/1/object",
        ] {
            assert!(check_object(key).is_ok() && check_ref(key).is_err(), "{key}");
        }
    }

    #[test]
    fn a_key_stays_where_it_is() {
        let long = "a/".repeat(512) + "b";
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0", "a\n", "a\\b", &long]
        {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b.c", "a/…", "a/..b", "a/ b"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
