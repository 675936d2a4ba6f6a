//! Sessions for tests of guests that begin some: the views and layers are the real ones, the
//! landing core is not (this crate does not know it). Sessions of the whole base only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use brio_runtime::{
    Files, SessionCheckpoint, SessionMetadata, SessionState, SessionStatus, Sessions, SessionsCode,
    SessionsError,
};
use brio_session::{ChangeSet, DirLower, Door, Lower, RelPath, Sealed, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

struct Member {
    id: String,
    parent: Option<String>,
    state: SessionState,
    view: View,
    /// Layers it was begun on, layers sealed since, the one that takes the writes.
    below: Vec<PathBuf>,
    own: Vec<PathBuf>,
    upper: PathBuf,
    /// By name, the layers of its own that were sealed.
    checkpoints: Vec<(String, Vec<PathBuf>)>,
}

pub struct Family {
    pub base: TempDir,
    layers: TempDir,
    members: Mutex<Vec<Member>>,
}

type Answer<T> = Result<T, SessionsError>;

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn unknown(id: &str) -> SessionsError {
    SessionsError::new(SessionsCode::Unknown, id)
}

impl Family {
    pub fn new(own: &str, fill: impl FnOnce(&Path)) -> (Arc<Self>, View) {
        let base = tempfile::tempdir().unwrap();
        fill(base.path());
        let family = Self { base, layers: tempfile::tempdir().unwrap(), members: Mutex::default() };
        let view = family.member(own.into(), None, Vec::new());
        (Arc::new(family), view)
    }

    fn layer(&self) -> PathBuf {
        let n = self.layers.path().read_dir().unwrap().count();
        let path = self.layers.path().join(n.to_string());
        std::fs::create_dir(&path).unwrap();
        View::create_layer(&open(&path), &Door::default()).unwrap();
        path
    }

    fn lower(&self, layers: &[PathBuf]) -> Arc<dyn Lower> {
        let base: Arc<dyn Lower> = Arc::new(DirLower::new(open(self.base.path())));
        layers.iter().fold(base, |below, l| Arc::new(Sealed::open(open(l), below).unwrap()))
    }

    fn member(&self, id: String, parent: Option<String>, below: Vec<PathBuf>) -> View {
        let upper = self.layer();
        let view = View::open(open(&upper), self.lower(&below), ViewOptions::default()).unwrap();
        let (own, state) = (Vec::new(), SessionState::Open);
        self.members.lock().unwrap().push(Member {
            id,
            parent,
            state,
            view: view.clone(),
            below,
            own,
            upper,
            checkpoints: Vec::new(),
        });
        view
    }

    /// What a member changed against what it was begun on.
    fn diff(&self, m: &Member) -> ChangeSet {
        let below = self.lower(&m.below);
        let mut set = m.view.changes().unwrap();
        set.changes.retain(|c| {
            let before = below.stat(&c.path).ok();
            let shape = |m: brio_session::Meta| (m.kind, m.size, m.mtime);
            before.map(shape) != c.after.map(shape)
                && c.after.is_none_or(|a| a.kind != brio_session::Kind::Dir || before.is_none())
        });
        set
    }
}

impl Sessions for Family {
    fn begin(&self, parent: Option<&str>, path: &RelPath) -> Answer<(String, Files)> {
        assert!(path.is_root(), "this double begins on roots only");
        let upper = self.layer();
        let (parent, below, id) = {
            let mut members = self.members.lock().unwrap();
            let id = format!("sess-{:08}-0000-4000-8000-000000000000", members.len());
            let own = members[0].id.clone();
            let parent = parent.map_or(own, str::to_owned);
            let p = members.iter_mut().find(|m| m.id == parent).ok_or_else(|| unknown(&parent))?;
            p.view.restack(Vec::new(), open(&upper)).unwrap();
            p.own.push(std::mem::replace(&mut p.upper, upper));
            (parent, [&p.below[..], &p.own[..]].concat(), id)
        };
        let view = self.member(id.clone(), Some(parent), below);
        Ok((id, view.into()))
    }

    fn commit(&self, id: &str) -> Answer<()> {
        let upper = self.layer();
        let mut members = self.members.lock().unwrap();
        let child = members.iter().find(|m| m.id == id).ok_or_else(|| unknown(id))?;
        let parent = members.iter().find(|m| Some(&m.id) == child.parent.as_ref()).unwrap();
        let below = self.lower(&child.below);
        for change in self.diff(child).changes {
            let theirs =
                parent.view.stat_at(&parent.view.root(), change.path.as_bytes(), false).ok();
            let shape = |m: brio_session::Meta| (m.kind, m.size, m.mtime);
            if theirs.map(shape) != below.stat(&change.path).ok().map(shape) {
                let text = format!("CONFLICT: {} was changed on both sides", change.path);
                return Err(SessionsError::new(SessionsCode::Conflict, text));
            }
        }
        let landed = [&child.own[..], std::slice::from_ref(&child.upper)].concat();
        child.view.end();
        let parent = child.parent.clone();
        let parent = members.iter_mut().find(|m| Some(&m.id) == parent.as_ref()).unwrap();
        parent.view.restack(landed.iter().map(|l| open(l)).collect(), open(&upper)).unwrap();
        parent.own.push(std::mem::replace(&mut parent.upper, upper));
        parent.own.extend(landed);
        members.iter_mut().find(|m| m.id == id).unwrap().state = SessionState::Landed;
        Ok(())
    }

    fn rollback(&self, id: &str) -> Answer<()> {
        let mut members = self.members.lock().unwrap();
        let mut gone = vec![id.to_owned()];
        for m in members.iter_mut() {
            if gone.contains(&m.id) || m.parent.as_ref().is_some_and(|p| gone.contains(p)) {
                gone.push(m.id.clone());
                if m.state == SessionState::Open {
                    m.state = SessionState::RolledBack;
                    m.view.end();
                }
            }
        }
        Ok(())
    }

    fn status(&self, id: &str) -> Answer<SessionStatus> {
        let members = self.members.lock().unwrap();
        let m = members.iter().find(|m| m.id == id).ok_or_else(|| unknown(id))?;
        let open = |c: &&Member| c.parent.as_deref() == Some(id) && c.state == SessionState::Open;
        let open_children = members.iter().filter(open).map(|c| c.id.clone()).collect();
        Ok(SessionStatus {
            state: m.state,
            parent: m.parent.clone(),
            open_children,
            base_landing: 0,
        })
    }

    fn changes(&self, id: &str) -> Answer<ChangeSet> {
        let members = self.members.lock().unwrap();
        Ok(self.diff(members.iter().find(|m| m.id == id).ok_or_else(|| unknown(id))?))
    }

    fn metadata(&self, id: &str) -> Answer<SessionMetadata> {
        self.status(id)?;
        Ok(SessionMetadata {
            goal: String::new(),
            agent: None,
            task_id: Some("task-1".into()),
            created_at: 1,
        })
    }

    fn checkpoint(&self, id: &str, name: &str) -> Answer<SessionCheckpoint> {
        let upper = self.layer();
        let mut members = self.members.lock().unwrap();
        let m = members.iter_mut().find(|m| m.id == id).ok_or_else(|| unknown(id))?;
        if name.is_empty() {
            return Err(SessionsError::new(SessionsCode::CheckpointName, name));
        }
        if m.checkpoints.iter().any(|c| c.0 == name) {
            return Err(SessionsError::new(SessionsCode::CheckpointExists, name));
        }
        m.view.restack(Vec::new(), open(&upper)).unwrap();
        m.own.push(std::mem::replace(&mut m.upper, upper));
        m.checkpoints.push((name.to_owned(), m.own.clone()));
        Ok(checkpoint(name))
    }

    fn restore(&self, id: &str, name: &str) -> Answer<SessionCheckpoint> {
        let upper = self.layer();
        let mut members = self.members.lock().unwrap();
        let m = members.iter_mut().find(|m| m.id == id).ok_or_else(|| unknown(id))?;
        let missing = || SessionsError::new(SessionsCode::CheckpointUnknown, name);
        let to = m.checkpoints.iter().find(|c| c.0 == name).ok_or_else(missing)?.1.clone();
        let left = [&m.own[..], std::slice::from_ref(&m.upper)].concat();
        m.checkpoints.retain(|c| c.0 != "before-restore");
        m.checkpoints.push(("before-restore".to_owned(), left));
        let below = self.lower(&[&m.below[..], &to[..]].concat());
        let gate = m.view.gate();
        let stack = gate.prepare(open(&upper), below).unwrap();
        gate.switch(stack);
        (m.own, m.upper) = (to, upper);
        Ok(checkpoint(name))
    }

    fn checkpoints(&self, id: &str) -> Answer<Vec<SessionCheckpoint>> {
        let members = self.members.lock().unwrap();
        let m = members.iter().find(|m| m.id == id).ok_or_else(|| unknown(id))?;
        Ok(m.checkpoints.iter().map(|c| checkpoint(&c.0)).collect())
    }
}

fn checkpoint(name: &str) -> SessionCheckpoint {
    SessionCheckpoint { name: name.to_owned(), created_at: 1, base_landing: 0 }
}
