//! What the processes write down for the checker: one JSON line per session.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{Answer, Op, Tree};

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Landed(u64),
    Unchanged,
    /// Each path, and the number of the landing that took it (`None`: something else did).
    Conflict(Vec<(String, Option<u64>, String)>),
    RolledBack,
    Failed(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    /// It sees the base as of this landing.
    pub(crate) n: u64,
    pub(crate) ops: Vec<(Op, Answer)>,
    pub(crate) end: End,
}

/// All that a session of the reader saw right after it began.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Copy {
    pub(crate) n: u64,
    pub(crate) tree: Tree,
}

pub(crate) fn append<T: Serialize>(file: &Path, record: &T) {
    let mut line = serde_json::to_vec(record).unwrap();
    line.push(b'\n');
    let mut f = OpenOptions::new().create(true).append(true).open(file).unwrap();
    f.write_all(&line).unwrap();
}

pub(crate) fn all<T: for<'a> Deserialize<'a>>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}
