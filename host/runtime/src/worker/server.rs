//! The supervisor's answers to what a worker asks.
//!
//! A worker is not believed: it may ask for what its guest may ask for. Whoever asks for something
//! else, a handle that was never given out among it, has broken the protocol, and is ended.

use std::io;

use brio_session::{FsResult, RelPath};
use serde::Serialize;

use super::protocol::{Ask, AskSessions, Changes, Id, Opened, PIECE};
use super::wire::Writer;
use crate::fs::{self, Dir, File, Files};
use crate::{RunSpec, SessionState, Sessions, SessionsCode, SessionsError};

/// Beside the guest's handles: what its libc, or the worker, holds for a moment.
const SPARE: usize = 256;

/// What is held for a worker.
enum Held {
    /// Of the mount of this number.
    Dir(usize, Dir),
    File(File),
}

/// All that a worker reaches.
pub(super) struct Server<'a> {
    spec: &'a RunSpec,
    /// The session, its binds, and the children in the order in which they were begun.
    mounts: Vec<Option<Files>>,
    held: Vec<Option<Held>>,
    free: Vec<Id>,
    /// Children, in the order in which they were begun.
    begun: Vec<String>,
    buffer: Vec<u8>,
}

/// What no worker of ours would have sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Wire(#[from] io::Error),
    #[error("{0}")]
    Asked(&'static str),
}

pub(super) type Served<T = ()> = Result<T, Broken>;

impl<'a> Server<'a> {
    /// `own` is the session.
    pub(super) fn new(spec: &'a RunSpec, own: &Files) -> Self {
        let mounts: Vec<_> = std::iter::once(own)
            .chain(spec.binds.iter().map(|(_, files)| files))
            .map(|files| Some(files.clone()))
            .collect();
        let roots = mounts.iter().flatten().enumerate();
        let held = roots.map(|(number, files)| Some(Held::Dir(number, files.root()))).collect();
        let (free, begun, buffer) = (Vec::new(), Vec::new(), Vec::new());
        Self { spec, mounts, held, free, begun, buffer }
    }

    /// Lets go of handles.
    pub(super) fn close(&mut self, ids: &[Id]) -> Served {
        for id in ids {
            let roots = self.spec.binds.len();
            let held = self.held.get_mut(*id as usize).filter(|_| *id as usize > roots);
            if held.and_then(Option::take).is_none() {
                return Err(Broken::Asked("it closed what is not open"));
            }
            self.free.push(*id);
        }
        Ok(())
    }

    fn keep(&mut self, held: Held) -> Served<Id> {
        if let Some(id) = self.free.pop() {
            self.held[id as usize] = Some(held);
            return Ok(id);
        }
        let most = self.spec.limits.handles.saturating_add(SPARE + self.mounts.len());
        let id = Id::try_from(self.held.len()).ok().filter(|_| self.held.len() < most);
        let id = id.ok_or(Broken::Asked("it holds more than its guest may"))?;
        self.held.push(Some(held));
        Ok(id)
    }

    fn held(&self, id: Id) -> Served<&Held> {
        let held = self.held.get(id as usize).and_then(Option::as_ref);
        held.ok_or(Broken::Asked("it named a handle that is not open"))
    }

    fn dir(&self, id: Id) -> Served<&Dir> {
        self.dir_of(id).map(|(_, dir)| dir)
    }

    fn dir_of(&self, id: Id) -> Served<(usize, &Dir)> {
        match self.held(id)? {
            Held::Dir(mount, dir) => Ok((*mount, dir)),
            Held::File(_) => Err(Broken::Asked("it took a file for a directory")),
        }
    }

    /// Two directories of one mount.
    fn both(&self, one: Id, other: Id) -> Served<(&Dir, &Dir)> {
        let ((first, one), (second, other)) = (self.dir_of(one)?, self.dir_of(other)?);
        match first == second {
            true => Ok((one, other)),
            false => Err(Broken::Asked("it named two mounts in one call")),
        }
    }

    fn file(&self, id: Id) -> Served<&File> {
        match self.held(id)? {
            Held::File(file) => Ok(file),
            Held::Dir(..) => Err(Broken::Asked("it took a directory for a file")),
        }
    }

    fn open(&mut self, dir: Id, path: &str, how: super::protocol::How) -> Served<FsResult<Opened>> {
        let (mount, dir) = self.dir_of(dir)?;
        Ok(match dir.open_at(path.as_bytes(), &how.into()) {
            Ok(fs::Opened::File(file)) => {
                let writable = file.writable();
                Ok(Opened::File { id: self.keep(Held::File(file))?, writable })
            }
            Ok(fs::Opened::Dir(dir)) => Ok(Opened::Dir { id: self.keep(Held::Dir(mount, dir))? }),
            Err(e) => Err(e),
        })
    }

    /// Answers once.
    pub(super) fn answer(&mut self, to: &Writer, ask: Ask, body: &[u8]) -> Served {
        fn say(to: &Writer, answer: &impl Serialize) -> Served {
            Ok(to.send(answer, &[])?)
        }
        match ask {
            Ask::Open { dir, path, how } => say(to, &self.open(dir, &path, how)?),
            Ask::Stat { dir, path, follow } => {
                say(to, &self.dir(dir)?.stat_at(path.as_bytes(), follow))
            }
            Ask::ReadLink { dir, path } => say(to, &self.dir(dir)?.read_link_at(path.as_bytes())),
            Ask::MakeDir { dir, path } => say(to, &self.dir(dir)?.mkdir_at(path.as_bytes())),
            Ask::Unlink { dir, path } => say(to, &self.dir(dir)?.unlink_at(path.as_bytes())),
            Ask::RemoveDir { dir, path } => say(to, &self.dir(dir)?.rmdir_at(path.as_bytes())),
            Ask::SetTimesAt { dir, path, follow, atime, mtime } => {
                say(to, &self.dir(dir)?.set_times_at(path.as_bytes(), follow, atime, mtime))
            }
            Ask::Symlink { dir, target, path } => {
                say(to, &self.dir(dir)?.symlink_at(target.as_bytes(), path.as_bytes()))
            }
            Ask::Link { dir, old, to: other, new } => {
                let (dir, other) = self.both(dir, other)?;
                say(to, &dir.link_at(old.as_bytes(), other, new.as_bytes()))
            }
            Ask::Rename { dir, old, to: other, new } => {
                let (dir, other) = self.both(dir, other)?;
                say(to, &dir.rename_at(old.as_bytes(), other, new.as_bytes()))
            }
            Ask::Path { dir } => say(to, &self.dir(dir)?.path()),
            Ask::List { dir } => say(to, &self.dir(dir)?.list()),
            Ask::Meta { of } => match self.held(of)? {
                Held::Dir(_, dir) => say(to, &dir.meta()),
                Held::File(file) => say(to, &file.meta()),
            },
            Ask::Sync { of, data_only } => match self.held(of)? {
                Held::Dir(_, dir) => say(to, &dir.sync()),
                Held::File(file) => say(to, &file.sync(data_only)),
            },
            Ask::SetTimes { of, atime, mtime } => match self.held(of)? {
                Held::Dir(_, dir) => say(to, &dir.set_times(atime, mtime)),
                Held::File(file) => say(to, &file.set_times(atime, mtime)),
            },
            Ask::Read { file, at, length } => self.read(to, file, at, length),
            Ask::Write { file, at } => say(to, &self.file(file)?.write_at(body, at)),
            Ask::Append { file } => say(to, &self.file(file)?.append(body)),
            Ask::SetLength { file, length } => say(to, &self.file(file)?.set_len(length)),
            Ask::End { root } => say(to, &self.end(root)?),
            Ask::Sessions(ask) => self.sessions(to, ask),
            Ask::Record(ask) => super::records::answer(to, self.spec.records.as_deref(), ask, body),
        }
    }

    fn read(&mut self, to: &Writer, file: Id, at: u64, length: u32) -> Served {
        let length = length as usize;
        if length > PIECE {
            return Err(Broken::Asked("it asked for more than goes into one answer"));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let read: FsResult<usize> = self.file(file)?.read_at(&mut buffer[..length], at);
        let shown = &buffer[..read.unwrap_or(0)];
        to.send(&read.map(|_| ()), shown)?;
        self.buffer = buffer;
        Ok(())
    }

    /// Lets go of a child's files.
    fn end(&mut self, root: Id) -> Served {
        let (mount, _) = self.dir_of(root)?;
        if mount <= self.spec.binds.len() {
            return Err(Broken::Asked("it ended what it did not begin"));
        }
        if let Some(files) = self.mounts.get_mut(mount).and_then(Option::take) {
            files.end();
        }
        Ok(())
    }

    /// Who answers for sessions that the guest may change.
    fn grant(&self) -> Result<&dyn Sessions, SessionsError> {
        let refused = || {
            SessionsError::new(SessionsCode::NotPermitted, "session-fs was not granted to this run")
        };
        self.spec.sessions.as_deref().ok_or_else(refused)
    }

    /// Who tells about a session of this run.
    fn about(&self, id: &str) -> Result<&dyn Sessions, SessionsError> {
        let unknown = || SessionsError::new(SessionsCode::Unknown, "no session of this run");
        let told = self.spec.session_info.as_deref().or(self.spec.sessions.as_deref());
        let its =
            self.spec.task.session_id.as_deref() == Some(id) || self.begun.iter().any(|b| b == id);
        told.filter(|_| its).ok_or_else(unknown)
    }

    fn sessions(&mut self, to: &Writer, ask: AskSessions) -> Served {
        fn say<T: Serialize>(to: &Writer, answer: Result<T, SessionsError>) -> Served {
            Ok(to.send(&answer, &[])?)
        }
        match ask {
            AskSessions::Begin { parent, path } => {
                let begun = self.begin(parent.as_deref(), path)?;
                say(to, begun)
            }
            AskSessions::Commit { id } => say(to, self.grant().and_then(|s| s.commit(&id))),
            AskSessions::Rollback { id } => say(to, self.grant().and_then(|s| s.rollback(&id))),
            AskSessions::Status { id } => say(to, self.about(&id).and_then(|s| s.status(&id))),
            AskSessions::Changes { id } => {
                let changes: Result<Changes, _> =
                    self.about(&id).and_then(|s| s.changes(&id)).map(|set| set.changes);
                say(to, changes)
            }
            AskSessions::Metadata { id } => say(to, self.about(&id).and_then(|s| s.metadata(&id))),
            AskSessions::Checkpoint { id, name } => {
                say(to, self.grant().and_then(|s| s.checkpoint(&id, &name)))
            }
            AskSessions::Restore { id, name } => {
                say(to, self.grant().and_then(|s| s.restore(&id, &name)))
            }
            AskSessions::Checkpoints { id } => {
                say(to, self.grant().and_then(|s| s.checkpoints(&id)))
            }
            AskSessions::Say { id, text } => {
                say(to, self.about(&id).and_then(|s| s.say(&id, &text)))
            }
            AskSessions::Decide { id, decision } => {
                say(to, self.about(&id).and_then(|s| s.decide(&id, &decision)))
            }
        }
    }

    fn begin(
        &mut self,
        parent: Option<&str>,
        path: Vec<u8>,
    ) -> Served<Result<(String, Id), SessionsError>> {
        let path = RelPath::new(path).map_err(|_| Broken::Asked("it named a path that is none"))?;
        let (id, files) = match self.grant().and_then(|s| s.begin(parent, &path)) {
            Ok(begun) => begun,
            Err(e) => return Ok(Err(e)),
        };
        let root = files.root();
        self.begun.push(id.clone());
        self.mounts.push(Some(files));
        let root = self.keep(Held::Dir(self.mounts.len() - 1, root))?;
        Ok(Ok((id, root)))
    }

    /// Children that the guest left open are rolled back, the latest first.
    pub(super) fn abandon(&self) {
        let Some(sessions) = &self.spec.sessions else { return };
        let ended = |s| matches!(s, SessionState::Landed | SessionState::RolledBack);
        for id in self.begun.iter().rev() {
            let open = sessions.status(id).is_ok_and(|s| !ended(s.state));
            if open && let Err(e) = sessions.rollback(id) {
                tracing::debug!("{id}: not rolled back at the end of its run: {e}");
            }
        }
    }
}
