//! What may be shown beside a session.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use brio_landing::{BindAccess, BindError, BindSource, SessionId};
use brio_session::STATE_DIR;

use crate::SessionHandle;

/// They hold what the kernel makes up, about other processes too.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The real path of a directory of the host that may be shown.
pub(super) fn directory(
    session: &SessionHandle,
    source: &Path,
    access: BindAccess,
) -> Result<PathBuf, BindError> {
    let refuse = |path: &Path, why: &str| {
        Err(BindError::Source { path: path.to_owned(), why: why.to_owned() })
    };
    let real = match source.canonicalize() {
        Ok(real) if real.is_dir() => real,
        Ok(_) => return refuse(source, "is no directory; bind the one that it lies in"),
        Err(e) => return refuse(source, &format!("cannot be read: {e}")),
    };
    if KERNEL.iter().any(|dir| real.starts_with(dir)) || real.parent().is_none() {
        return refuse(&real, "is the system's own; bind a directory of files");
    }
    if real.components().any(|c| c.as_os_str() == STATE_DIR) {
        return refuse(&real, "lies in the state of a base, which nothing shows");
    }
    let home = real_or_as_is(session.brio().home());
    if real.starts_with(&home) || home.starts_with(&real) {
        return refuse(
            &real,
            "is, holds or lies in Brio's home, which nothing shows; bind a directory beside it",
        );
    }
    let base = real_or_as_is(session.domain().root_path());
    if base.starts_with(&real) {
        return refuse(
            &real,
            "holds the session's base and its state; mount a landing of it (landing:N), or bind a directory beside it",
        );
    }
    if real.starts_with(&base) && access == BindAccess::ReadWrite {
        return refuse(
            &real,
            "lies in the session's base, which changes by landings only; bind it with --ro, or change it in the session",
        );
    }
    Ok(real)
}

fn real_or_as_is(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The state directories that are known to lie below a directory.
pub(super) fn states_below(session: &SessionHandle, dir: &Path) -> Vec<PathBuf> {
    let known = session.brio().registry().domains().unwrap_or_default();
    let roots = known.into_iter().map(|domain| real_or_as_is(&domain.path));
    let below: BTreeSet<_> = roots.filter(|root| root.starts_with(dir)).collect();
    below.into_iter().map(|root| root.join(STATE_DIR)).filter(|state| state.is_dir()).collect()
}

/// Refuses to show a session in itself, by whatever way: in one of its own line, whose work it
/// has already, or through mounts of the other that lead back.
pub(super) fn leads_back(session: &SessionHandle, other: &SessionHandle) -> Result<(), BindError> {
    let refuse = |why: String| Err(BindError::Cycle { source_: other.id().clone(), why });
    if session.id() == other.id() {
        return refuse("is the session itself".to_owned());
    }
    if line(session)?.contains(other.id()) {
        return refuse(format!("is what {} branches, and its work is there already", session.id()));
    }
    if line(other)?.contains(session.id()) {
        return refuse(format!("branches {}, and its work comes with its commit", session.id()));
    }
    let mut seen = BTreeSet::new();
    let mut todo = vec![other.clone()];
    while let Some(at) = todo.pop() {
        if !seen.insert(at.id().clone()) {
            continue;
        }
        for bind in at.binds()? {
            let BindSource::Session(next) = bind.source else { continue };
            if next == *session.id() {
                return refuse(format!("shows {next} already, at {} of {}", bind.target, at.id()));
            }
            // One that has ended leads nowhere.
            todo.extend(at.other(&next));
        }
    }
    Ok(())
}

/// The ids of the sessions that a session branches.
fn line(session: &SessionHandle) -> Result<BTreeSet<SessionId>, BindError> {
    let mut ids = BTreeSet::new();
    let mut at = session.parent()?;
    while let Some(parent) = at {
        at = parent.parent()?;
        ids.insert(parent.id().clone());
    }
    Ok(ids)
}
