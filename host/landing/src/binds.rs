//! What a session shows beside itself: directories of the host, other sessions, earlier landings.
//!
//! `binds` in the session's directory is the record, and goes with it. It is no layer: nothing of
//! what is shown is part of the session, and nothing of it lands.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_session::{Lower, RelPath, STATE_DIR};
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::frozen::FrozenBase;
use crate::gc::is_collected;
use crate::intent::End;
use crate::state::State;
use crate::{
    BindError, Domain, RecoverError, Session, SessionError, SessionId, disk, history, journal,
    lease, meta,
};

const BINDS: &[u8] = b"binds";
const FORMAT: u32 = 1;

/// How many a session may have.
const MOST: usize = 32;
/// How long a name may be.
const LONGEST: usize = 1024;

/// What a guest finds by these names is its session, its task's files and its child sessions.
const OWN: [&str; 3] = ["workspace", "input", "sessions"];
/// What a command finds here is the system's.
const SYSTEM: [&str; 16] = [
    "bin", "boot", "dev", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "proc", "run",
    "sbin", "sys", "usr", ".host",
];
/// Here things can be shown, not over all of it.
const SHARED: [&str; 5] = ["/home", "/root", "/tmp", "/var", "/var/tmp"];

/// One thing that a session shows beside itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where a run finds it: an absolute path.
    pub target: String,
    /// What it is.
    pub source: BindSource,
    /// What may be done with it.
    pub access: BindAccess,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindSource {
    /// A directory of the host, as it is: a *bind*.
    Directory(#[serde(with = "crate::home::os_path")] PathBuf),
    /// Another session, as it is when a run begins: a *mount*.
    Session(SessionId),
    /// The base as of a landing: a *mount*.
    Landing(u64),
}

impl BindSource {
    /// `bind` or `mount`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Directory(_) => "bind",
            Self::Session(_) | Self::Landing(_) => "mount",
        }
    }
}

impl fmt::Display for BindSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Landing(number) => write!(f, "landing:{number}"),
        }
    }
}

/// What a run may do with what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BindAccess {
    /// Read it.
    #[default]
    #[serde(rename = "ro")]
    ReadOnly,
    /// Change it, at once and for everybody: it is no part of the session.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl BindAccess {
    /// `ro` or `rw`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        }
    }
}

impl fmt::Display for BindAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Content of `sessions/<id>/binds`.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    binds: Vec<Bind>,
}

impl Session {
    /// What it shows beside itself, in the order of the names.
    ///
    /// # Errors
    /// When the session has ended, or the record cannot be read.
    pub fn binds(&self) -> Result<Vec<Bind>, BindError> {
        meta::load_open(self.state(), self.id())?;
        load(self.state(), self.id())
    }

    /// Shows something more beside it, from the next run on. What that is was judged by the
    /// caller; the name is judged here, and that a landing is kept. It survives a kill when this
    /// returns, though not a power cut, and is there wholly or not at all.
    ///
    /// # Errors
    /// See [`BindError`]; nothing has changed.
    pub fn bind(&self, bind: Bind) -> Result<(), BindError> {
        add(self.state(), self.id(), bind)
    }

    /// Takes away what it shows at `target`: a bind, or else a mount. As [`bind`](Self::bind).
    ///
    /// # Errors
    /// `Unknown` where nothing is shown, `Kind` where it is the other one, `Busy` where a run may be
    /// reading a landing.
    pub fn unbind(&self, target: &str, kind: &'static str) -> Result<Bind, BindError> {
        remove(self.state(), self.id(), target, kind)
    }

    /// The base as of a landing, from the directory down that the session branches, with what
    /// was edited from outside since. It is to be one that the session has mounted: then nothing
    /// newer is ever read by it, but an error where what was there then is not kept any more.
    ///
    /// # Errors
    /// `LandingUnknown`, `LandingGone`; when the base is gone, or nothing can land in it.
    pub fn base_as_of(&self, landing: u64) -> Result<Arc<dyn Lower>, BindError> {
        let state = self.state();
        let subdir = meta::load_open(state, self.id())?.subdir;
        check_landing(state, landing)?;
        let view = |source| BindError::View { target: format!("landing:{landing}"), source };
        let base = FrozenBase::open(state.clone(), landing, subdir).map_err(view)?;
        base.stat(&RelPath::root()).map_err(view)?;
        Ok(Arc::new(base))
    }
}

impl Domain {
    /// The base as of a landing, with what was edited from outside since. Nothing is kept for it:
    /// what was collected meanwhile is `SnapshotGone`, and never anything newer.
    ///
    /// # Errors
    /// `LandingUnknown`, `LandingGone`; when the base is gone, or nothing can land in it.
    pub fn as_of(&self, landing: u64) -> Result<Arc<dyn Lower>, BindError> {
        let state = self.state();
        check_landing(state, landing)?;
        let view = |source| BindError::View { target: format!("landing:{landing}"), source };
        let base = FrozenBase::open_unkept(state.clone(), landing).map_err(view)?;
        base.stat(&RelPath::root()).map_err(view)?;
        Ok(Arc::new(base))
    }
}

fn load(state: &State, id: &SessionId) -> Result<Vec<Bind>, BindError> {
    let corrupt = |what: String| BindError::Corrupt { session: id.clone(), what };
    let raw = meta::dir(state, id).and_then(|dir| disk::read(dir, BINDS)).doing(id)?;
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let record: Record = serde_json::from_slice(&raw).map_err(|e| corrupt(e.to_string()))?;
    match record.format {
        FORMAT => Ok(record.binds),
        found => Err(corrupt(format!("format {found}"))),
    }
}

/// The caller holds the lock. The name is not durable: it is as durable as the session's writes.
fn store(state: &State, id: &SessionId, mut binds: Vec<Bind>) -> Result<(), BindError> {
    let dir = meta::dir(state, id).doing(id)?;
    binds.sort_by(|a, b| a.target.cmp(&b.target));
    let raw = serde_json::to_vec(&Record { format: FORMAT, binds }).doing(id)?;
    let put = || state.disk.put(dir.as_fd(), BINDS, &raw, true);
    let done = match put() {
        // It may have been replaced although that was reported as failed: what is reported in the
        // end is what is there.
        Err(e)
            if !brio_session::is_stop(&e)
                && disk::read(&dir, BINDS).is_ok_and(|r| r.as_ref() == Some(&raw)) =>
        {
            put()
        }
        done => done,
    };
    Ok(done.doing(id)?)
}

/// Under the lock nobody else changes the record, the session does not end, and nothing that a
/// landing needs is collected.
fn add(state: &Arc<State>, id: &SessionId, bind: Bind) -> Result<(), BindError> {
    check_target(&bind.target)?;
    let _lock = state.exclusive().map_err(SessionError::from)?;
    let m = meta::load_open(state, id)?;
    let base = state.root_path.join(m.subdir.to_path());
    let target = Path::new(&bind.target);
    if target.starts_with(&base) || base.starts_with(target) {
        let why = "is where commands find the session itself".to_owned();
        return Err(BindError::Target { target: bind.target, why });
    }
    let mut binds = load(state, id)?;
    let overlaps = |b: &&Bind| {
        let other = Path::new(&b.target);
        target.starts_with(other) || other.starts_with(target)
    };
    if let Some(taken) = binds.iter().find(overlaps) {
        return Err(BindError::Taken { taken: taken.target.clone(), target: bind.target });
    }
    if binds.len() >= MOST {
        return Err(BindError::TooMany { session: id.clone(), most: MOST });
    }
    if let BindSource::Landing(number) = bind.source {
        check_landing(state, number)?;
    }
    binds.push(bind);
    store(state, id, binds)
}

fn remove(
    state: &State,
    id: &SessionId,
    target: &str,
    kind: &'static str,
) -> Result<Bind, BindError> {
    let _lock = state.exclusive().map_err(SessionError::from)?;
    meta::load_open(state, id)?;
    let mut binds = load(state, id)?;
    let named = |b: &Bind| Path::new(&b.target) == Path::new(target);
    let Some(at) = binds.iter().position(named) else {
        return Err(BindError::Unknown { session: id.clone(), target: target.to_owned() });
    };
    let is = binds[at].source.kind();
    if is != kind {
        let target = binds[at].target.clone();
        return Err(BindError::Kind { session: id.clone(), target, is });
    }
    // A run takes the lease before it looks what there is. What it reads of a landing is never
    // newer because the record of the mount keeps the landings' records.
    if matches!(binds[at].source, BindSource::Landing(_)) && !lease::is_free(state, id) {
        let target = binds[at].target.clone();
        return Err(BindError::Busy { session: id.clone(), target });
    }
    let gone = binds.remove(at);
    store(state, id, binds)?;
    Ok(gone)
}

/// A child that landed has ended, though its directory is its parent's now.
pub(crate) fn forget(state: &State, id: &SessionId) {
    let gone = meta::dir(state, id).and_then(|dir| state.disk.remove_tree(dir, BINDS));
    if let Err(e) = gone {
        tracing::warn!("the binds of {id}, which has landed, were not removed: {e}");
    }
}

/// The oldest landing that a session has mounted: the records of all later ones are needed, so
/// that what is not kept any more is an error and never something newer.
pub(crate) fn oldest_landing(state: &State, id: &SessionId) -> io::Result<u64> {
    let number = |bind: Bind| match bind.source {
        BindSource::Landing(number) => Some(number),
        _ => None,
    };
    match load(state, id) {
        Ok(binds) => Ok(binds.into_iter().filter_map(number).min().unwrap_or(u64::MAX)),
        Err(BindError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => Ok(u64::MAX),
        Err(BindError::Io(e)) => Err(e.source),
        // It cannot be said what it needs.
        Err(_) => Ok(0),
    }
}

/// Whether the base can be seen as of a landing.
/// Whether all is there that the base as of a landing needs.
pub(crate) fn check_landing(state: &State, landing: u64) -> Result<(), BindError> {
    state.base_is_there().map_err(SessionError::from)?;
    state.may_land().map_err(SessionError::from)?;
    let newest = state.seq.get().doing("the landing sequence")?.landing();
    let lines = || journal::entries(state).doing("the journal");
    let told = |lines: &[crate::JournalEntry], k: u64| {
        lines.iter().any(|e| e.what == "landed" && e.landing == Some(k))
    };
    let mut known = None;
    for k in landing..=newest {
        if k == 0 {
            continue;
        }
        let (landed, gone) = match history::ended_or_now(state, k) {
            Ok(l) => match l.end {
                Some(End::Aborted { .. }) => (false, false),
                _ => (true, is_collected(state, k).doing("landings")?),
            },
            Err(RecoverError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => {
                let lines = match &known {
                    Some(lines) => lines,
                    None => known.insert(lines()?),
                };
                let landed = told(lines, k);
                (landed, landed)
            }
            Err(e) => return Err(SessionError::from(crate::DomainError::from(Box::new(e))).into()),
        };
        if k == landing && !landed {
            return Err(BindError::LandingUnknown { landing });
        }
        if k > landing && gone {
            return Err(BindError::LandingGone { landing });
        }
    }
    if landing > newest {
        return Err(BindError::LandingUnknown { landing });
    }
    Ok(())
}

/// Whether something can be shown at a name at all: one that means the same to an agent and to a
/// command, and hides nothing from either.
///
/// # Errors
/// [`BindError::Target`].
pub fn check_target(target: &str) -> Result<(), BindError> {
    let refuse =
        |why: &str| Err(BindError::Target { target: target.to_owned(), why: why.to_owned() });
    let Some(rest) = target.strip_prefix('/') else {
        return refuse("is no absolute path");
    };
    let names: Vec<&str> = rest.split('/').collect();
    if target.len() > LONGEST {
        return refuse("is too long");
    }
    if names.iter().any(|n| matches!(*n, "" | "." | "..") || n.len() > 255) {
        return refuse("is no plain path: no empty names, no . and .., no slash at its end");
    }
    if target.chars().any(char::is_control) {
        return refuse("holds a control character");
    }
    if names.contains(&STATE_DIR) {
        return refuse("holds a reserved name");
    }
    if OWN.contains(&names[0]) {
        return refuse("lies where an agent finds its session, its task's files or its children");
    }
    if SYSTEM.contains(&names[0]) || SHARED.contains(&target) {
        return refuse("lies where a command finds the system");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-031: a name that would hide something, or means nothing, is refused by its reason.
    #[test]
    fn names_that_cannot_be_shown_are_refused() {
        for good in ["/data", "/mnt/a b", "/home/u/x", "/tmp/x", "/var/lib/x", "/workspaces"] {
            assert!(check_target(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "/",
            "data",
            "/data/",
            "//data",
            "/a/../b",
            "/a/.",
            "/workspace",
            "/workspace/x",
            "/input/0",
            "/sessions",
            "/usr/x",
            "/etc",
            "/tmp",
            "/home",
            "/a/.brio/b",
            "/a\nb",
            "/proc/1",
        ];
        for target in bad {
            let e = check_target(target).expect_err(target);
            assert_eq!(e.code(), "BIND_TARGET");
            assert!(e.to_string().starts_with("BIND_TARGET: "), "{e}");
        }
        assert!(check_target(&format!("/{}", "x/".repeat(600) + "x")).is_err());
    }
}
