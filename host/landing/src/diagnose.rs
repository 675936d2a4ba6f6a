//! What people ask about a session that is open: what stands against it, and what is on disk.

use std::path::PathBuf;
use std::sync::Arc;

use brio_session::{Kind, RelPath};

use crate::errors::Doing;
use crate::look::Look;
use crate::lower::LOWER;
use crate::state::{SESSIONS, State};
use crate::{CommitError, CommitOptions, Conflict, SessionError, SessionId};
use crate::{commit, disk, heads, meta, nesting};

/// What lies in a session's directory.
#[derive(Debug, Clone)]
pub struct SessionDebug {
    /// The session.
    pub id: SessionId,
    /// Its directory.
    pub path: PathBuf,
    /// What is in it at every depth, in the order of paths. A frozen copy is named, not listed.
    pub files: Vec<SessionFile>,
    /// The content of its `manifest`; `None` before the first run has ended.
    pub manifest: Option<String>,
}

/// One file or directory of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFile {
    /// Relative to the session's directory.
    pub path: RelPath,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
}

/// The conflicts that a commit would meet if it began now.
pub(crate) fn conflicts(state: &Arc<State>, id: &SessionId) -> Result<Vec<Conflict>, CommitError> {
    let m = meta::load_open(state, id)?;
    if let Some(parent) = &m.parent {
        let p = meta::load_open(state, parent)?;
        return nesting::conflicts(state, &m, &p);
    }
    if let Some(heads) = heads::of(state, &m)? {
        return heads::conflicts(state, &*heads, &m);
    }
    state.base_is_there()?;
    match commit::prepare(state, &m, &CommitOptions::default(), None)?.plan() {
        Ok(_) => Ok(Vec::new()),
        Err(CommitError::Conflict { conflicts, .. }) => Ok(conflicts),
        Err(e) => Err(e),
    }
}

/// Looks at a session's directory.
pub(crate) fn debug(state: &State, id: &SessionId) -> Result<SessionDebug, SessionError> {
    meta::load_open(state, id)?;
    let dir = meta::dir(state, id).doing(id)?;
    let mut files = Vec::new();
    let mut todo = vec![RelPath::root()];
    while let Some(at) = todo.pop() {
        let fd = match disk::open_beneath(&dir, at.as_bytes(), disk::DIR, true) {
            Ok(fd) => fd,
            // It went meanwhile.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(e) => return Err(crate::HostError::new(&at, e).into()),
        };
        for name in disk::names(&fd).doing(&at)? {
            let path = at.join(&name);
            let Some(look) = Look::at(&fd, &name).doing(&path)? else { continue };
            if look.kind() == Kind::Dir && path.as_bytes() != LOWER {
                todo.push(path.clone());
            }
            files.push(SessionFile { path, kind: look.kind(), size: look.size() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = disk::read(&dir, b"manifest").doing(id)?;
    let path = &state.seat.path;
    Ok(SessionDebug {
        id: id.clone(),
        path: path.join(&*brio_session::to_os(SESSIONS)).join(id.as_str()),
        files,
        manifest: manifest.map(|m| String::from_utf8_lossy(&m).into_owned()),
    })
}
