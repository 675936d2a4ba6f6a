//! Looking after everything that this home knows: what the server does by itself now and then,
//! and `brio recover --all` by hand.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use brio_landing::{LeaseStatus, Recovered, RunInfo, SessionId};

use crate::{Brio, PurgeFilter, Purged};

/// What was found, and done about it.
#[derive(Debug, Default)]
pub struct Tended {
    /// The bases where there was something, or that could not be looked at.
    pub bases: Vec<TendedBase>,
    /// Sessions of runs that died so long ago that they were to be thrown away.
    pub reaped: Vec<Purged>,
    /// Mounts of processes that were killed, which were taken down.
    pub mounts: u64,
    /// Directories of processes that were killed, which were removed.
    pub scratch: u64,
}

/// What was found in a base.
#[derive(Debug)]
pub struct TendedBase {
    /// Its root.
    pub path: PathBuf,
    /// Landings that were completed or undone.
    pub recovered: Recovered,
    /// Sessions whose run has died: they are kept, to look at.
    pub dead: Vec<(SessionId, Option<RunInfo>)>,
    /// Why not all could be done.
    pub error: Option<String>,
}

impl Tended {
    /// Whether nothing was to be done, nor is.
    pub fn is_quiet(&self) -> bool {
        self.bases.is_empty() && self.reaped.is_empty() && (self.mounts, self.scratch) == (0, 0)
    }
}

impl Brio {
    /// Finishes what crashes left, in every base that the home knows and in the home: recovers
    /// landings, finds runs that died, brings the index in line, takes down and removes what
    /// killed processes left. The work in a session whose run died is kept, unless
    /// [`SessionLimits::dead_after`](crate::SessionLimits) says otherwise. What a live process
    /// holds is never touched.
    pub fn tend(&self) -> Tended {
        let mut tended =
            Tended { scratch: crate::scratch::sweep(&self.scratch()), ..Tended::default() };
        #[cfg(target_os = "linux")]
        match self.sweep_mounts() {
            Ok(swept) => tended.mounts = swept,
            Err(error) => tracing::warn!(%error, "mounts were not cleaned up"),
        }
        for place in self.known_domains() {
            if let Some(base) = self.tend_base(&place) {
                tended.bases.push(base);
            }
        }
        self.refresh_index();
        if let Some(age) = self.session_limits().dead_after {
            let filter = PurgeFilter {
                states: vec!["dead".to_owned()],
                older_than: Some(age),
                ..PurgeFilter::default()
            };
            match self.purgeable(&filter) {
                Ok(found) => self.purge(found, false, |one| tended.reaped.push(one.clone())),
                Err(error) => tracing::warn!(%error, "dead sessions were not looked for"),
            }
        }
        tended
    }

    fn tend_base(&self, place: &brio_registry::DomainRow) -> Option<TendedBase> {
        // What is away is no trouble of its own: its sessions are listed as lost.
        let domain = self.known_domain(place).ok()?;
        let (recovered, mut error) = match domain.recover() {
            Ok(recovered) => (recovered, None),
            Err(e) => (Recovered::default(), Some(e.to_string())),
        };
        if let Err(e) = self.deliver_notes_of(&domain) {
            error.get_or_insert(e.to_string());
        }
        let sessions = domain.sessions().unwrap_or_else(|e| {
            error.get_or_insert(e.to_string());
            Vec::new()
        });
        let dead = sessions.into_iter().filter(|s| matches!(s.lease, LeaseStatus::Dead { .. }));
        let dead: Vec<_> = dead.map(|s| (s.id, s.run)).collect();
        let quiet = recovered == Recovered::default() && dead.is_empty() && error.is_none();
        let path = domain.root_path().to_owned();
        (!quiet).then_some(TendedBase { path, recovered, dead, error })
    }

    /// Tends now and then, on a thread of its own, until what this gives is dropped.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn tend_every(&self, pause: Duration) -> std::io::Result<Tending> {
        let (end, ended) = channel();
        let brio = self.clone();
        let tend = move || {
            loop {
                brio.tend().tell();
                match ended.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("brio-tend".into()).spawn(tend)?;
        Ok(Tending { end: Some(end), thread: Some(thread) })
    }
}

impl Tended {
    /// As events of the log.
    fn tell(&self) {
        for base in &self.bases {
            let path = base.path.display();
            let recovered = &base.recovered;
            if *recovered != Recovered::default() {
                let (completed, aborted) = (&recovered.completed, &recovered.aborted);
                tracing::info!(base = %path, ?completed, ?aborted, "landings were recovered");
            }
            for (session, run) in &base.dead {
                let run = run.as_ref().map(|run| run.id.to_string());
                tracing::info!(base = %path, %session, run, "its run died; its work is kept");
            }
            if let Some(error) = &base.error {
                tracing::warn!(base = %path, error, "it needs somebody");
            }
        }
        for one in &self.reaped {
            match &one.freed {
                Ok(bytes) => tracing::info!(session = one.row.id, bytes, "dead: rolled back"),
                Err(why) => tracing::info!(session = one.row.id, %why, "dead, and stays"),
            }
        }
    }
}

/// Tending, until it is dropped; that waits for a round that is under way.
#[derive(Debug)]
#[must_use = "dropping it ends the tending"]
pub struct Tending {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Tending {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
