//! What the lease file says of who holds it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use brio_session::Time;
use rustix::fs::{Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{Figures, RunId, RunInfo, RunTag};

const LEASE: &[u8] = b"lease";
/// A holder takes no more than this.
const LONGEST: usize = 16 << 10;

/// Content of `sessions/<id>/lease` while it is held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// When that process started, in clock ticks since boot: a reused pid has another.
    pub(super) start: u64,
    pub(super) boot: String,
    pub(super) heartbeat: Time,
    pub(super) purpose: String,
    /// It lets go when it is asked, and loses nothing by that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) yields: bool,
    /// It may be killed: the process does nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) expendable: bool,
    /// What is told of a holder that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Run>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) began: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<String>,
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub(super) limits: Figures,
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub(super) used: Figures,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) worker: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sandbox: Option<String>,
}

impl Holder {
    /// This process, for one operation.
    pub(super) fn brief(state: &State, purpose: &str) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start: start_time(pid).unwrap_or(0),
            boot: state.options.boot_id.clone(),
            heartbeat: state.now(),
            purpose: purpose.to_owned(),
            yields: false,
            expendable: false,
            run: None,
        }
    }

    /// This process, for a run.
    pub(super) fn of_run(state: &State, tag: &RunTag, yields: bool) -> io::Result<Self> {
        let holder = Self::brief(state, &tag.purpose);
        let run = Run {
            id: RunId::random()?,
            began: holder.heartbeat,
            program: tag.program.clone(),
            limits: tag.limits.clone(),
            used: Figures::new(),
            worker: tag.worker,
            sandbox: tag.sandbox.clone(),
        };
        Ok(Self { yields, expendable: tag.expendable, run: Some(run), ..holder })
    }

    /// What others are told of the run.
    pub(super) fn info(&self) -> Option<RunInfo> {
        let run = self.run.clone()?;
        Some(RunInfo {
            id: run.id,
            pid: self.pid,
            purpose: self.purpose.clone(),
            program: run.program,
            began: run.began,
            heartbeat: self.heartbeat,
            limits: run.limits,
            used: run.used,
            worker: run.worker,
            sandbox: run.sandbox,
        })
    }

    /// Whether the process that wrote it is there.
    pub(super) fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    /// As the content of the lease. It is no state that a crash must keep: it passes no door.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let mut raw = serde_json::to_vec(self)?;
        if raw.len() > LONGEST {
            let short = Self { run: None, ..self.clone() };
            raw = serde_json::to_vec(&short)?;
        }
        file.write_all_at(&raw, 0)?;
        file.set_len(raw.len() as u64)
    }

    pub(super) fn read(file: &File) -> Option<Self> {
        let mut raw = vec![0; LONGEST];
        let n = file.read_at(&mut raw, 0).ok()?;
        serde_json::from_slice(&raw[..n]).ok()
    }
}

/// Opens the lease of a session, and makes it where it is not there.
pub(super) fn open(dir: impl AsFd) -> io::Result<File> {
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(openat(dir, LEASE, how, Mode::from_raw_mode(0o600))?.into())
}

/// Opens the lease of a session to look at it. `None`: nobody ever held it.
pub(super) fn look(dir: impl AsFd) -> io::Result<Option<File>> {
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(dir, LEASE, how, Mode::empty()) {
        Ok(fd) => Ok(Some(fd.into())),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// When a process started: field 22 of `/proc/<pid>/stat`. `None`: there is none, or it has
/// exited and nobody has asked for its status yet.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_missing_has_no_start() {
        assert!(start_time(std::process::id()).is_some());
        assert_eq!(start_time(u32::MAX - 1), None);
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(start_time(child.id()), None);
        child.wait().unwrap();
    }
}
