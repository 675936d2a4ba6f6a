//! The claim: which directory a `.brio` belongs to.

use std::os::fd::AsFd;
use std::path::Path;

use brio_session::Time;
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::seat::Away;
use crate::{DomainError, OpenOptions, disk};

/// The version of everything in `.brio`.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const CLAIM: &[u8] = b"claim";

/// Content of `.brio/claim`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) format: u32,
    pub(crate) claim: String,
    pub(crate) root_ino: u64,
    pub(crate) uid: u32,
    pub(crate) created: Time,
    /// In the home: of which base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Away>,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Claim {
    /// A new one, for a base with this inode.
    pub(crate) fn new(root_ino: u64, options: &OpenOptions) -> std::io::Result<Self> {
        Ok(Self {
            format: FORMAT,
            claim: nonce()? + &nonce()?,
            root_ino,
            uid: rustix::process::geteuid().as_raw(),
            created: (options.now)(),
            base: None,
        })
    }

    /// Reads the claim of a state directory; `None` when it has none. `shown` is for messages.
    pub(crate) fn read(state: impl AsFd, shown: &Path) -> Result<Option<Claim>, DomainError> {
        let Some(raw) = disk::read(state, CLAIM).doing(shown.display())? else { return Ok(None) };
        let corrupt = |e: serde_json::Error| DomainError::Corrupt {
            path: shown.join("claim"),
            what: e.to_string(),
        };
        let Version { format } = serde_json::from_slice(&raw).map_err(corrupt)?;
        if format != FORMAT {
            return Err(DomainError::FormatUnknown { path: shown.join("claim"), found: format });
        }
        serde_json::from_slice(&raw).map(Some).map_err(corrupt)
    }
}

/// A random name of 16 hex digits.
pub(crate) fn nonce() -> std::io::Result<String> {
    let mut b = [0; 8];
    getrandom::fill(&mut b).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(b)))
}
