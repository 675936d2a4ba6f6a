//! What would fail or do harm is refused before the seal.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

use brio_session::{Kind, RelPath, STATE_DIR};
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags, accessat, openat};
use rustix::io::Errno;

use crate::busy::is_busy;
use crate::conflict::{Side, Sides};
use crate::facts::Dirs;
use crate::intent::{Act, Step};
use crate::look::Look;
use crate::plan::NoPlan;
use crate::state::State;
use crate::{Access, CommitError, Conflict, HostError, RefusedWhy, SessionId, Theirs, Unmerged};

/// Checks every step against the base as it is. Under the exclusive lock.
pub(crate) fn check(state: &State, session: &SessionId, steps: &[Step]) -> Result<(), CommitError> {
    let mut dirs = Dirs::new(state);
    let mut seen = BTreeSet::new();
    let mut busy = Vec::new();
    let euid = rustix::process::geteuid().as_raw();
    for step in steps {
        let path = &step.path;
        let io = |e: io::Error| CommitError::Io(HostError::new(path, e));
        let refuse = |why| Err(CommitError::Refused { path: path.clone(), why });
        if is_state(state, path) {
            return refuse(RefusedWhy::State);
        }
        for up in path.ancestors().skip(1) {
            if seen.insert(up.clone())
                && let Some(dir) = dirs.get(&up).map_err(|e| mounted(&up, e))?
                && Look::at(&*dir, STATE_DIR.as_bytes()).map_err(io)?.is_some()
            {
                return Err(CommitError::DomainInside { path: up });
            }
        }
        let parent = path.split().map(|(p, _)| p).unwrap_or_default();
        // A directory that this landing makes is ours to write.
        let Some(dir) = dirs.get(&parent).map_err(|e| mounted(path, e))? else { continue };
        let p = Look::of(&*dir).map_err(io)?;
        if p.mount() != state.mount {
            return refuse(RefusedWhy::Submount);
        }
        if p.frozen() {
            return refuse(RefusedWhy::Immutable);
        }
        if step.act != Act::DirMeta {
            match accessat(
                &*dir,
                c".",
                rfs::Access::WRITE_OK | rfs::Access::EXEC_OK,
                AtFlags::EACCESS,
            ) {
                Ok(()) => {}
                Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) => {
                    return refuse(no_access(state, &*dir, &parent));
                }
                Err(e) => return Err(io(e.into())),
            }
        }
        let Some(old) = &step.old else { continue };
        let (_, name) = path.split().unwrap_or((RelPath::root(), b""));
        let Some(now) = Look::at(&*dir, name).map_err(io)? else { continue };
        if now.frozen() {
            return refuse(RefusedWhy::Immutable);
        }
        if now.mount() != state.mount || (now.mount_root() && !path.is_root()) {
            return refuse(RefusedWhy::Submount);
        }
        if step.act == Act::DirMeta {
            if euid != 0 && now.uid() != euid {
                let it = dirs.get(path).map_err(io)?;
                return refuse(no_access(state, it.as_deref().unwrap_or(&*dir), path));
            }
            continue;
        }
        if p.mode() & 0o1000 != 0 && euid != 0 && now.uid() != euid && p.uid() != euid {
            return refuse(RefusedWhy::Sticky);
        }
        match old.kind {
            Kind::Dir => {
                if let Some(d) = dirs.get(path).map_err(io)? {
                    if Look::at(&*d, STATE_DIR.as_bytes()).map_err(io)?.is_some() {
                        return Err(CommitError::DomainInside { path: path.clone() });
                    }
                    // Moving a directory elsewhere rewrites its "..".
                    if euid != 0
                        && accessat(&*d, c".", rfs::Access::WRITE_OK, AtFlags::EACCESS).is_err()
                    {
                        return refuse(no_access(state, &*d, path));
                    }
                }
            }
            Kind::File => {
                let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                if let Ok(fd) = openat(&*dir, name, how, Mode::empty())
                    && is_busy(fd.as_fd()) == Some(true)
                {
                    let sides = Sides {
                        base: Some(Side::of(old)),
                        ours: step.new.map(|n| n.side()),
                        theirs: Some(Side::of(&now.fingerprint())),
                    };
                    busy.push(Conflict {
                        path: path.clone(),
                        ours: Some(ours(step)),
                        read: false,
                        theirs: Theirs::Busy,
                        sides,
                        unmerged: Some(Unmerged::Busy),
                    });
                }
            }
            Kind::Symlink | Kind::Other => {}
        }
    }
    if busy.is_empty() {
        Ok(())
    } else {
        Err(CommitError::Conflict { session: session.clone(), conflicts: busy })
    }
}

/// Whose a directory is, and who asks.
fn no_access(state: &State, dir: impl AsFd, path: &RelPath) -> RefusedWhy {
    let shown = state.root_path.join(path.to_path());
    RefusedWhy::NoAccess(Access::at(dir, &shown).map(Box::new))
}

/// What a step does, in a change set's words.
pub(crate) fn ours(step: &Step) -> brio_session::ChangeKind {
    use brio_session::ChangeKind as K;
    match (step.act, &step.old, &step.new) {
        (Act::Add { .. }, ..) => K::Added,
        (Act::Remove { .. }, ..) => K::Removed,
        (Act::DirMeta, ..) => K::MetaOnly,
        (_, Some(o), Some(n)) if o.kind != n.kind => K::TypeChanged,
        _ => K::Modified,
    }
}

fn is_state(state: &State, path: &RelPath) -> bool {
    path.components().any(|c| c == STATE_DIR.as_bytes())
        || state.hidden.as_ref().is_some_and(|h| path.starts_with(h) || h == path)
}

/// An error of looking at a directory: what lies on another mount is refused, not failed.
pub(crate) fn mounted(path: &RelPath, e: io::Error) -> CommitError {
    match Errno::from_io_error(&e) {
        Some(Errno::XDEV) => CommitError::Refused { path: path.clone(), why: RefusedWhy::Submount },
        Some(Errno::ACCESS) => {
            CommitError::Refused { path: path.clone(), why: RefusedWhy::NoAccess(None) }
        }
        _ => CommitError::Io(HostError::new(path, e)),
    }
}

/// A plan's refusal as the commit's.
pub(crate) fn refusal(session: &SessionId, no: NoPlan) -> CommitError {
    match no {
        NoPlan::Conflicts(conflicts) => {
            CommitError::Conflict { session: session.clone(), conflicts }
        }
        NoPlan::ReadsUnknown => CommitError::ReadsUnknown { session: session.clone() },
        NoPlan::Refused(path, why) => CommitError::Refused { path, why },
    }
}
