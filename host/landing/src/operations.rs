//! The log of a session's operations: `sessions/<id>/operations`, a JSON object a line, which
//! goes with the session. What concerns the project is in the journal.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, openat};

use crate::disk;
use crate::state::State;
use crate::{Operation, RunInfo};

const OPERATIONS: &[u8] = b"operations";

/// Writes that a run has ended in order.
pub(crate) fn ended(state: &State, dir: impl AsFd, run: RunInfo) {
    note(state, dir, "run", Some(run), None);
}

/// Writes that a run was found dead.
pub(crate) fn died(state: &State, dir: impl AsFd, run: RunInfo) {
    note(state, dir, "run-died", Some(run), None);
}

/// Writes a line. It is only a record of something done: that it fails is no reason to fail.
pub(crate) fn note(
    state: &State,
    dir: impl AsFd,
    what: &str,
    run: Option<RunInfo>,
    detail: Option<serde_json::Value>,
) {
    let line = Operation { time: state.now(), what: what.to_owned(), run, detail };
    if let Err(error) = append(state, dir, &line) {
        tracing::warn!(%error, "the log of operations was not written");
    }
}

fn append(state: &State, dir: impl AsFd, line: &Operation) -> io::Result<()> {
    let how = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match openat(&dir, OPERATIONS, how, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => {
            state.disk.create(&dir, OPERATIONS, 0o600)?;
            File::from(openat(&dir, OPERATIONS, how, Mode::empty())?)
        }
        opened => File::from(opened?),
    };
    let mut raw = serde_json::to_vec(line)?;
    raw.push(b'\n');
    state.disk.append(&file, &raw)
}

/// All of it, oldest first. A line that a crash tore, or that another version wrote, is left out.
pub(crate) fn read(dir: impl AsFd) -> io::Result<Vec<Operation>> {
    let raw = disk::read(dir, OPERATIONS)?.unwrap_or_default();
    let lines = raw.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
