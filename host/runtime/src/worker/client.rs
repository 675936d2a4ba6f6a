//! The worker's side: files and sessions that are asked for.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use brio_session::{ChangeSet, DirEntry, FsError, FsResult, Meta, OpenOptions, RelPath, SetTime};
use serde::de::DeserializeOwned;

use super::protocol::{Ask, AskSessions, Changes, Id, Opened, PIECE, Up};
use super::wire::{Most, Reader, Writer};
use crate::fs::Files;
use crate::{
    SessionCheckpoint, SessionDecision, SessionMetadata, SessionStatus, Sessions, SessionsCode,
    SessionsError,
};

/// The supervisor is who decides how much it answers.
const MOST: Most = Most { head: u32::MAX as usize, body: PIECE };
/// Handles that wait to be closed until something is asked.
const CLOSED: usize = 64;

/// Names beyond this are not sent, and words.
const LONGEST: usize = 64 << 10;
const LONGEST_WORDS: usize = 4 << 20;

/// The supervisor, as a worker sees it.
pub(super) struct Link {
    writer: Writer,
    reader: Mutex<Reader>,
    closed: Mutex<Vec<Id>>,
}

impl Link {
    pub(super) fn new(socket: &UnixStream) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            writer: Writer::new(socket.try_clone()?),
            reader: Mutex::new(Reader::new(socket.try_clone()?)),
            closed: Mutex::default(),
        }))
    }

    /// Says something that has no answer.
    pub(super) fn tell(&self, what: &Up, body: &[u8]) {
        if self.writer.send(what, body).is_err() {
            alone();
        }
    }

    /// Asks, and waits for the answer; what comes beside it is for `take`.
    fn exchange<T: DeserializeOwned>(
        &self,
        ask: Ask,
        body: &[u8],
        take: impl FnOnce(&mut Reader, usize) -> io::Result<()>,
    ) -> T {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let closed =
            std::mem::take(&mut *self.closed.lock().unwrap_or_else(PoisonError::into_inner));
        let answer = || {
            self.writer.send(&Up::Ask(closed, ask), body)?;
            let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
            let frame = reader.head(MOST)?.ok_or_else(gone)?;
            let answer = frame.decode()?;
            take(&mut reader, frame.body)?;
            Ok::<T, io::Error>(answer)
        };
        match { answer }() {
            Ok(answer) => answer,
            Err(_) => alone(),
        }
    }

    fn ask<T: DeserializeOwned>(&self, ask: Ask) -> T {
        self.exchange(ask, &[], |_, _| Ok(()))
    }

    pub(super) fn with_bytes<T: DeserializeOwned>(&self, ask: Ask, body: &[u8]) -> T {
        self.exchange(ask, body, |_, _| Ok(()))
    }

    fn close(&self, id: Id) {
        let many = {
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            closed.push(id);
            (closed.len() >= CLOSED).then(|| std::mem::take(&mut *closed))
        };
        if let Some(many) = many {
            self.tell(&Up::Closed(many), &[]);
        }
    }
}

/// Nobody is left to work for.
fn alone() -> ! {
    std::process::exit(1)
}

/// A mount of the supervisor's, in a worker.
#[derive(Clone)]
pub struct RemoteFiles {
    link: Arc<Link>,
    root: Id,
    read_only: bool,
}

impl RemoteFiles {
    pub(super) fn new(link: &Arc<Link>, root: Id, read_only: bool) -> Self {
        Self { link: link.clone(), root, read_only }
    }

    pub(crate) fn root(&self) -> RemoteDir {
        RemoteDir(Arc::new(Held { link: self.link.clone(), id: self.root, root: true }))
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What is held of it means nothing from here on.
    pub(crate) fn end(&self) {
        self.link.ask(Ask::End { root: self.root })
    }
}

/// A handle. Dropped, it is closed; a root is closed with its mount.
struct Held {
    link: Arc<Link>,
    id: Id,
    root: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.root {
            self.link.close(self.id);
        }
    }
}

impl Held {
    fn ask<T: DeserializeOwned>(&self, ask: Ask) -> FsResult<T> {
        self.link.ask(ask)
    }

    fn meta(&self) -> FsResult<Meta> {
        self.ask(Ask::Meta { of: self.id })
    }

    fn sync(&self, data_only: bool) -> FsResult<()> {
        self.ask(Ask::Sync { of: self.id, data_only })
    }

    fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.ask(Ask::SetTimes { of: self.id, atime, mtime })
    }
}

/// What was opened.
pub(crate) enum RemoteOpened {
    File(RemoteFile),
    Dir(RemoteDir),
}

/// An open directory.
#[derive(Clone)]
pub(crate) struct RemoteDir(Arc<Held>);

/// What a guest names is text, and no longer than anybody would look up.
fn text(path: &[u8]) -> FsResult<String> {
    if path.len() > LONGEST {
        return Err(FsError::NameTooLong);
    }
    String::from_utf8(path.to_vec()).map_err(|_| FsError::IllegalBytes)
}

impl RemoteDir {
    fn ask<T: DeserializeOwned>(
        &self,
        path: &[u8],
        ask: impl FnOnce(Id, String) -> Ask,
    ) -> FsResult<T> {
        self.0.ask(ask(self.0.id, text(path)?))
    }

    pub(crate) fn open_at(&self, path: &[u8], how: &OpenOptions) -> FsResult<RemoteOpened> {
        let opened = self.ask(path, |dir, path| Ask::Open { dir, path, how: how.into() })?;
        let held = |id| Held { link: self.0.link.clone(), id, root: false };
        Ok(match opened {
            Opened::File { id, writable } => {
                RemoteOpened::File(RemoteFile { held: held(id), writable })
            }
            Opened::Dir { id } => RemoteOpened::Dir(Self(Arc::new(held(id)))),
        })
    }

    pub(crate) fn stat_at(&self, path: &[u8], follow: bool) -> FsResult<Meta> {
        self.ask(path, |dir, path| Ask::Stat { dir, path, follow })
    }

    pub(crate) fn read_link_at(&self, path: &[u8]) -> FsResult<Vec<u8>> {
        self.ask(path, |dir, path| Ask::ReadLink { dir, path })
    }

    pub(crate) fn mkdir_at(&self, path: &[u8]) -> FsResult<()> {
        self.ask(path, |dir, path| Ask::MakeDir { dir, path })
    }

    pub(crate) fn unlink_at(&self, path: &[u8]) -> FsResult<()> {
        self.ask(path, |dir, path| Ask::Unlink { dir, path })
    }

    pub(crate) fn rmdir_at(&self, path: &[u8]) -> FsResult<()> {
        self.ask(path, |dir, path| Ask::RemoveDir { dir, path })
    }

    pub(crate) fn set_times_at(
        &self,
        path: &[u8],
        follow: bool,
        atime: SetTime,
        mtime: SetTime,
    ) -> FsResult<()> {
        self.ask(path, |dir, path| Ask::SetTimesAt { dir, path, follow, atime, mtime })
    }

    pub(crate) fn symlink_at(&self, target: &[u8], path: &[u8]) -> FsResult<()> {
        let target = text(target)?;
        self.ask(path, |dir, path| Ask::Symlink { dir, target, path })
    }

    pub(crate) fn link_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        let (new, to) = (text(new)?, to.0.id);
        self.ask(old, |dir, old| Ask::Link { dir, old, to, new })
    }

    pub(crate) fn rename_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        let (new, to) = (text(new)?, to.0.id);
        self.ask(old, |dir, old| Ask::Rename { dir, old, to, new })
    }

    pub(crate) fn path(&self) -> FsResult<RelPath> {
        self.0.ask(Ask::Path { dir: self.0.id })
    }

    pub(crate) fn list(&self) -> FsResult<Vec<DirEntry>> {
        self.0.ask(Ask::List { dir: self.0.id })
    }

    pub(crate) fn meta(&self) -> FsResult<Meta> {
        self.0.meta()
    }

    pub(crate) fn sync(&self) -> FsResult<()> {
        self.0.sync(false)
    }

    pub(crate) fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.0.set_times(atime, mtime)
    }
}

/// An open regular file.
pub(crate) struct RemoteFile {
    held: Held,
    writable: bool,
}

impl RemoteFile {
    pub(crate) fn writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        let length = buf.len().min(PIECE);
        let ask = Ask::Read { file: self.held.id, at: offset, length: length as u32 };
        let mut got = 0;
        let read: FsResult<()> = self.held.link.exchange(ask, &[], |reader, body| {
            got = body;
            // More than was asked for is no answer.
            reader.fill(buf.get_mut(..body).ok_or(io::ErrorKind::InvalidData)?)
        });
        read.map(|()| got)
    }

    pub(crate) fn write_at(&self, buf: &[u8], offset: u64) -> FsResult<usize> {
        let buf = &buf[..buf.len().min(PIECE)];
        self.held.link.with_bytes(Ask::Write { file: self.held.id, at: offset }, buf)
    }

    pub(crate) fn append(&self, buf: &[u8]) -> FsResult<usize> {
        let buf = &buf[..buf.len().min(PIECE)];
        self.held.link.with_bytes(Ask::Append { file: self.held.id }, buf)
    }

    pub(crate) fn set_len(&self, length: u64) -> FsResult<()> {
        self.held.ask(Ask::SetLength { file: self.held.id, length })
    }

    pub(crate) fn sync(&self, data_only: bool) -> FsResult<()> {
        self.held.sync(data_only)
    }

    pub(crate) fn meta(&self) -> FsResult<Meta> {
        self.held.meta()
    }

    pub(crate) fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.held.set_times(atime, mtime)
    }
}

/// The sessions of the run.
pub(super) struct RemoteSessions(pub(super) Arc<Link>);

type Answer<T> = Result<T, SessionsError>;

impl RemoteSessions {
    fn ask<T: DeserializeOwned>(&self, ask: AskSessions) -> Answer<T> {
        self.0.ask(Ask::Sessions(ask))
    }
}

impl Sessions for RemoteSessions {
    fn begin(&self, parent: Option<&str>, path: &RelPath) -> Answer<(String, Files)> {
        let (parent, path) = (parent.map(str::to_owned), path.as_bytes().to_vec());
        let (id, root): (String, Id) = self.ask(AskSessions::Begin { parent, path })?;
        Ok((id, Files::Remote(RemoteFiles::new(&self.0, root, false))))
    }

    fn commit(&self, id: &str) -> Answer<()> {
        self.ask(AskSessions::Commit { id: id.into() })
    }

    fn rollback(&self, id: &str) -> Answer<()> {
        self.ask(AskSessions::Rollback { id: id.into() })
    }

    fn status(&self, id: &str) -> Answer<SessionStatus> {
        self.ask(AskSessions::Status { id: id.into() })
    }

    fn changes(&self, id: &str) -> Answer<ChangeSet> {
        let changes: Changes = self.ask(AskSessions::Changes { id: id.into() })?;
        Ok(ChangeSet { changes, ..ChangeSet::default() })
    }

    fn metadata(&self, id: &str) -> Answer<SessionMetadata> {
        self.ask(AskSessions::Metadata { id: id.into() })
    }

    fn checkpoint(&self, id: &str, name: &str) -> Answer<SessionCheckpoint> {
        short(name)?;
        self.ask(AskSessions::Checkpoint { id: id.into(), name: name.into() })
    }

    fn restore(&self, id: &str, name: &str) -> Answer<SessionCheckpoint> {
        short(name)?;
        self.ask(AskSessions::Restore { id: id.into(), name: name.into() })
    }

    fn checkpoints(&self, id: &str) -> Answer<Vec<SessionCheckpoint>> {
        self.ask(AskSessions::Checkpoints { id: id.into() })
    }

    fn say(&self, id: &str, text: &str) -> Answer<()> {
        few(text.len())?;
        self.ask(AskSessions::Say { id: id.into(), text: text.into() })
    }

    fn decide(&self, id: &str, decision: &SessionDecision) -> Answer<()> {
        let SessionDecision { title, why, alternatives } = decision;
        let others = alternatives.iter().map(|text| text.len() + 8);
        few(title.len() + why.len() + others.sum::<usize>())?;
        self.ask(AskSessions::Decide { id: id.into(), decision: decision.clone() })
    }
}

fn short(name: &str) -> Answer<()> {
    match name.len() <= LONGEST {
        true => Ok(()),
        false => Err(SessionsError::new(SessionsCode::CheckpointName, "the name is too long")),
    }
}

fn few(bytes: usize) -> Answer<()> {
    match bytes <= LONGEST_WORDS {
        true => Ok(()),
        false => Err(SessionsError::new(SessionsCode::Limit, "too much for the journal")),
    }
}
