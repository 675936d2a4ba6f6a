//! What the index knows of a session and of a domain.

use std::path::PathBuf;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// One session, as its own directory described it when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// `sess-<uuid>`.
    pub id: String,
    /// The domain it belongs to, by claim.
    pub claim: String,
    /// The directory it branches.
    pub base: PathBuf,
    /// `open`, `committing`, `conflicted`, `dead`, `landed`, `rolled-back`, `lost` (its domain
    /// cannot be found) or `gone` (it is not in its domain any more).
    pub state: String,
    /// What it is for, in a person's words.
    pub goal: Option<String>,
    /// The agent that works in it.
    pub agent: Option<String>,
    /// The task it was begun for.
    pub task_id: Option<String>,
    /// The session it is a branch of.
    pub parent: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
}

/// One domain, where it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// Its claim.
    pub claim: String,
    /// Its root directory.
    pub path: PathBuf,
}

pub(crate) const SESSION_COLUMNS: &str =
    "id, claim, base, state, goal, agent, task_id, parent, created_at";

impl SessionRow {
    /// Whether it has landed, was rolled back, or is gone with its domain's state.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "landed" | "rolled-back" | "gone")
    }

    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            claim: row.get(1)?,
            base: to_path(row.get(2)?),
            state: row.get(3)?,
            goal: row.get(4)?,
            agent: row.get(5)?,
            task_id: row.get(6)?,
            parent: row.get(7)?,
            created_at: row.get(8)?,
        })
    }
}

impl DomainRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { claim: row.get(0)?, path: to_path(row.get(1)?) })
    }
}

/// How many rows there are, which is no negative number.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let count: i64 = row.get(column)?;
    u64::try_from(count).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, count))
}

/// Paths are stored as bytes: a base need not have a UTF-8 name.
#[cfg(unix)]
pub(crate) fn to_bytes(path: &std::path::Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
pub(crate) fn to_path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
pub(crate) fn to_bytes(path: &std::path::Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
pub(crate) fn to_path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
