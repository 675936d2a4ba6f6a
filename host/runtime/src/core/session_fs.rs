//! `session-fs`: the four historic functions, and the typed calls beneath them.

use brio_session::OpenOptions;

use super::CoreCtx;
use crate::bindings::brio::core::session_fs::Host;
use crate::fs::{Located, Opened};
use crate::{SessionsCode, SessionsError};

type Answer<T> = Result<T, SessionsError>;

impl Host for CoreCtx<'_> {
    fn begin_session(&mut self, base_path: String) -> wasmtime::Result<Result<String, String>> {
        Ok(self.begin(&base_path).map_err(|e| e.to_string()))
    }

    fn commit_session(&mut self, id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.end(&id, |s| s.commit(&id)).map_err(|e| e.to_string()))
    }

    fn rollback_session(&mut self, id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.end(&id, |s| s.rollback(&id)).map_err(|e| e.to_string()))
    }

    fn get_session_path(&mut self, id: String) -> wasmtime::Result<Result<String, String>> {
        Ok(self.path(&id).map_err(|e| e.to_string()))
    }
}

fn not_granted() -> SessionsError {
    SessionsError::new(SessionsCode::NotPermitted, "session-fs was not granted to this run")
}

impl CoreCtx<'_> {
    fn begin(&mut self, base_path: &str) -> Answer<String> {
        let invalid = |why: &str| {
            SessionsError::new(SessionsCode::BaseInvalid, format!("{base_path}: {why}"))
        };
        let (Some(sessions), Some(fs)) = (&self.core.sessions, &mut self.fs) else {
            return Err(not_granted());
        };
        let (mount, path) = match fs.mounts.locate(base_path) {
            Located::In(mount, path) => (mount, path),
            Located::Sessions => return Err(invalid("name one of the sessions in it")),
            Located::Nowhere => return Err(invalid("no such file or directory")),
            Located::Outside => return Err(invalid("lies outside of what this guest can see")),
        };
        let number = mount.number;
        let own = number == fs.mounts.own().number;
        let parent =
            fs.mounts.children().find(|(_, m)| m.number == number).map(|(id, _)| id.to_owned());
        if !own && parent.is_none() {
            return Err(SessionsError::new(
                SessionsCode::NotPermitted,
                format!("{base_path}: is read-only"),
            ));
        }
        let how =
            OpenOptions { read: true, directory: true, follow: true, ..OpenOptions::default() };
        let dir = match mount.root().open_at(path.as_bytes(), &how) {
            Ok(Opened::Dir(dir)) => dir,
            Ok(_) => return Err(invalid("not a directory")),
            Err(e) => return Err(invalid(&e.to_string())),
        };
        let path = dir.path().map_err(|e| invalid(&e.to_string()))?;
        let (id, files) = sessions.begin(parent.as_deref(), &path)?;
        fs.mounts.add_child(id.clone(), files);
        fs.forget();
        self.core.begun.push(id.clone());
        Ok(id)
    }

    /// Commits or rolls back a child.
    fn end(
        &mut self,
        id: &str,
        how: impl FnOnce(&dyn crate::Sessions) -> Result<(), SessionsError>,
    ) -> Answer<()> {
        let (Some(sessions), Some(fs)) = (self.core.sessions.clone(), &mut self.fs) else {
            return Err(not_granted());
        };
        if self.core.own.as_deref() == Some(id) {
            let what = format!("{id}: is this guest's own session; its supervisor ends it");
            return Err(SessionsError::new(SessionsCode::NotPermitted, what));
        }
        if fs.mounts.child(id).is_none() {
            return Err(unknown_or_ended(&self.core.ended, id));
        }
        how(&*sessions)?;
        fs.forget();
        self.gone(id);
        // A rollback takes children along.
        let others: Vec<String> = self.core.begun.iter().filter(|c| *c != id).cloned().collect();
        for child in others {
            let ended =
                |s| matches!(s, crate::SessionState::Landed | crate::SessionState::RolledBack);
            let open = self.fs.as_ref().is_some_and(|fs| fs.mounts.child(&child).is_some());
            if open && sessions.status(&child).is_ok_and(|s| ended(s.state)) {
                self.gone(&child);
            }
        }
        Ok(())
    }

    /// Rolls back a child that the guest left open.
    pub(crate) fn abandon(&mut self, id: &str) {
        let open = self.fs.as_ref().is_some_and(|fs| fs.mounts.child(id).is_some());
        if let Some(sessions) = self.core.sessions.clone().filter(|_| open) {
            if let Err(e) = sessions.rollback(id) {
                tracing::debug!("{id}: not rolled back at the end of its run: {e}");
            }
            self.gone(id);
        }
    }

    fn gone(&mut self, id: &str) {
        let gone = self.fs.as_mut().and_then(|fs| fs.mounts.remove_child(id));
        if let Some(mount) = gone {
            mount.files.end();
        }
        self.core.ended.insert(id.to_owned());
    }

    /// Where a session of this guest lies in its view.
    pub(super) fn path(&self, id: &str) -> Answer<String> {
        let Some(fs) = &self.fs else { return Err(not_granted()) };
        if self.core.own.as_deref() == Some(id) {
            return Ok(fs.mounts.at().to_owned());
        }
        match fs.mounts.child(id) {
            Some(_) => Ok(format!("{}/{id}", crate::fs::SESSIONS)),
            None => Err(unknown_or_ended(&self.core.ended, id)),
        }
    }
}

fn unknown_or_ended(ended: &std::collections::BTreeSet<String>, id: &str) -> SessionsError {
    if ended.contains(id) {
        SessionsError::new(SessionsCode::Ended, format!("{id}: has been landed or rolled back"))
    } else {
        SessionsError::new(SessionsCode::Unknown, format!("{id}: no session that this guest began"))
    }
}
