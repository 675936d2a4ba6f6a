//! `.brio/store.json`: which project of which store a base belongs to. Nothing here asks anybody.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Domain, DomainError, disk};

const NAME: &[u8] = b"store.json";

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

/// The project of a store that a base belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreBinding {
    /// The format of the file: 1.
    pub format: u32,
    /// Where the store is: a URL, or `local` for that of the home.
    pub store: String,
    /// Which project: `org/name`.
    pub project: String,
    /// What of the project the base held last; `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced: Option<Synced>,
}

/// A state of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synced {
    /// Its tree.
    pub tree: String,
    /// The position of the head that has it.
    pub position: u64,
}

impl StoreBinding {
    /// To a project of a store, with nothing synced.
    pub fn new(store: impl Into<String>, project: impl Into<String>) -> Self {
        Self { format: FORMAT, store: store.into(), project: project.into(), synced: None }
    }
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// Which store a base belongs to cannot be told, or not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreBindingError {
    /// The domain cannot be used.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// It was written by a newer program, or by hand.
    #[error(
        "STORE_BINDING: the store.json of {} {what}; remove it, and say anew: `brio project init --store URL --name ORG/NAME`", base.display()
    )]
    Invalid {
        /// The base.
        base: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The host failed.
    #[error("IO: the store.json of {} cannot be used ({source}); see whether its .brio can be", base.display())]
    Host {
        /// The base.
        base: PathBuf,
        /// What the host said.
        source: io::Error,
    },
}

impl StoreBindingError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Domain(e) => e.code(),
            Self::Invalid { .. } => "STORE_BINDING",
            Self::Host { .. } => "IO",
        }
    }
}

impl Domain {
    /// Which project of which store the base belongs to; `None`: to none.
    ///
    /// # Errors
    /// [`StoreBindingError`]: what cannot be understood is not guessed.
    pub fn store_binding(&self) -> Result<Option<StoreBinding>, StoreBindingError> {
        let base = || self.root_path().to_owned();
        let raw = disk::read(&self.state().dir, NAME);
        match raw.map_err(|source| StoreBindingError::Host { base: base(), source })? {
            None => Ok(None),
            Some(raw) => parse(&raw)
                .map(Some)
                .map_err(|what| StoreBindingError::Invalid { base: base(), what }),
        }
    }

    /// Says which project of which store the base belongs to from now on; `None`: to none.
    /// Durable, and one or the other at any time.
    ///
    /// # Errors
    /// [`StoreBindingError`]; nothing has changed.
    pub fn set_store_binding(&self, to: Option<&StoreBinding>) -> Result<(), StoreBindingError> {
        let state = self.state();
        let base = || self.root_path().to_owned();
        let _lock = state.exclusive()?;
        let dir = state.dir.as_fd();
        let done = match to {
            None => match state.disk.unlink(dir, NAME) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                Ok(()) => state.disk.sync_dir(dir),
                Err(e) => Err(e),
            },
            Some(binding) => {
                let raw = serde_json::to_vec(binding).unwrap_or_default();
                // What would not be taken is not written.
                parse(&raw).map_err(|what| StoreBindingError::Invalid { base: base(), what })?;
                state.disk.replace(dir, NAME, &raw, true)
            }
        };
        done.map_err(|source| StoreBindingError::Host { base: base(), source })
    }
}

fn parse(raw: &[u8]) -> Result<StoreBinding, String> {
    let format =
        serde_json::from_slice::<AnyFormat>(raw).map_err(|e| format!("is damaged: {e}"))?;
    if format.format != FORMAT {
        return Err(format!("is of format {}, this program knows {FORMAT}", format.format));
    }
    let binding: StoreBinding = serde_json::from_slice(raw).map_err(|e| format!("is none: {e}"))?;
    if binding.store.is_empty() || binding.project.is_empty() {
        return Err("names no store, or no project".to_owned());
    }
    Ok(binding)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The bytes are in FORMAT.md.
    #[test]
    fn it_is_what_is_documented_and_nothing_else_is_taken() {
        let whole = r#"{"format":1,"store":"local","project":"org/name","synced":{"tree":"sha256:00","position":17}}"#;
        let least = r#"{"format":1,"store":"s3://bucket/prefix","project":"org/name"}"#;
        for text in [whole, least] {
            let binding = parse(text.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&binding).unwrap(), text);
        }
        assert_eq!(
            parse(least.as_bytes()).unwrap(),
            StoreBinding::new("s3://bucket/prefix", "org/name")
        );
        for (bad, why) in [
            (whole.replace(":1,", ":2,"), "format 2"),
            (whole.replace("\"store\"", "\"url\""), "is none"),
            (whole.replace("\"position\"", "\"at\""), "is none"),
            (whole.replace("\"local\"", "\"\""), "names no store"),
            (whole[..20].to_owned(), "is damaged"),
            (String::new(), "is damaged"),
        ] {
            let what = parse(bad.as_bytes()).unwrap_err();
            assert!(what.contains(why), "{bad}: {what}");
        }
    }
}
