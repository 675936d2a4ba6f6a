//! Notes that lie on a server of the Model Context Protocol.
//!
//! ```
//! use brio_mcp_notes::{McpNotes, McpOptions, Server};
//! use brio_project::Notes;
//!
//! let url = "http://127.0.0.1:1/mcp".to_owned();
//! let server = Server { url, project: None, token_file: None, insecure: false };
//! let notes = McpNotes::new(McpOptions::new(server, std::time::SystemTime::now))?;
//! // Nobody is there: that is an error, and never a note that is missing.
//! assert!(notes.read(&"plans/next".parse()?).unwrap_err().is_unavailable());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`McpNotes`] asks a server that has the tools `read_note`, `write_note`, `list_notes` and
//! perhaps `note_history`: `brio mcp`, or somebody else's. What they take is read from their
//! schemas, and what they answer is somebody else's word: bounded in size and time, and where it
//! is in doubt, no answer.
//!
//! **Missing or unavailable.** A note is missing where the server says so, in one of these ways,
//! and no other:
//!
//! - an error with the code `NOTE_UNKNOWN`, as Brio's own tools answer;
//! - an error of which the text says that this note is not there, and nothing else: `Note not
//!   found`, `No such note: PATH`, `PATH does not exist`;
//! - a success without any text, or with an empty one: so an empty note is none there, unless the
//!   content is structured (`{"content": ""}`);
//! - a [tombstone](brio_project::tombstone).
//!
//! Everything else, a refused connection, a time-out, an error of the protocol, another error of
//! a tool, an answer that cannot be understood, is [`NotesError::Unavailable`].
//!
//! | | a server that knows it, by its schema | any other |
//! |---|---|---|
//! | versions | as told | the record: one above its own; else 1, which only says that there is one |
//! | [`WriteOptions::expected_version`] | compared by the server | 0 and the record's: read, compared, written, and a write in between is overridden; else refused ([`NotesError::NoVersions`]) |
//! | [`WriteOptions::origin`] | remembered by the server | read first: what has that content already took the write |
//! | [`modify`](Notes::modify) | compared by the server | read twice, and written if nothing changed between |
//! | times | as told | the record's; else 1970 |
//! | [`history`](Notes::history) | as told (`note_history`) | what is there, a removal too |
//!
//! *Atomic* and *durable* as the server's own writes. A write that ends with an error may have
//! been made.
//!
//! | module | |
//! |---|---|
//! | `server` | which server may be asked, and shown a token |
//! | `http`, `count` | one request, bounded, over `brio-net` |
//! | `link`, `worker` | the connection and the thread it lives on |
//! | `shape`, `answer`, `missing`, `away` | what tools take, what they answer, what is no answer |
//! | `remote` | notes, made of that |

mod answer;
mod away;
mod count;
mod http;
mod link;
mod missing;
mod remote;
mod server;
mod shape;
mod text;
mod worker;

use std::sync::Arc;
use std::time::Duration;

pub use brio_net::Trust;
use brio_project::{
    Clock, Make, Note, NoteInfo, NotePath, Notes, NotesError, Pattern, Version, WriteOptions,
    Written, check_size,
};

use crate::answer::Seen;
use crate::away::Away;
use crate::http::Http;
use crate::link::Link;
use crate::remote::{Expect, Remote};
pub use crate::server::{Server, ServerError};
use crate::worker::Worker;

/// How long one may wait for the goodbye of a server that is not needed any more.
const GOODBYE: Duration = Duration::from_millis(500);
/// So often an update is made anew because others came first; then it is written all the same.
const ROUNDS: usize = 100;
/// A listing may need a look at each note.
const LOOKS: u32 = 10;

/// How a server is asked.
#[derive(Clone)]
pub struct McpOptions {
    /// Which.
    pub server: Server,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How long a call may take, with the connection that it needs; a listing that must look at
    /// each note, ten times as long.
    pub timeout: Duration,
    /// The wall clock, for tombstones.
    pub clock: Clock,
}

impl McpOptions {
    /// The machine's authorities, and half a minute.
    pub fn new(server: Server, clock: Clock) -> Self {
        Self { server, trust: Trust::default(), timeout: Duration::from_secs(30), clock }
    }
}

/// Notes on a server. The module's page says what is promised.
///
/// Nothing is sent before the first call. A connection that was lost is begun anew by the next
/// call. Calls block, and may be made from any thread, a runtime's too.
pub struct McpNotes {
    remote: Arc<Remote>,
    worker: Worker,
    timeout: Duration,
}

impl std::fmt::Debug for McpNotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpNotes").field("at", &self.remote.shown).finish_non_exhaustive()
    }
}

impl McpNotes {
    /// The notes on that server. It is not asked yet.
    ///
    /// # Errors
    /// [`ServerError`], for one that is not asked.
    pub fn new(options: McpOptions) -> Result<Self, ServerError> {
        let McpOptions { server, trust, timeout, clock } = options;
        let target = server.target()?;
        let shown = target.shown.clone();
        let http = Http::new(target, &server, trust, timeout);
        let link = Link::new(http, &server.url, timeout);
        let remote = Arc::new(Remote { link, shown, project: server.project, clock });
        let last = remote.clone();
        let worker = Worker::begin(async move { last.link.close(GOODBYE).await })
            .map_err(|source| ServerError::Thread { source })?;
        Ok(Self { remote, worker, timeout })
    }

    /// Asks the server whether it keeps notes: whether it has the tools, in shapes that can be
    /// given what there is to give, and reads one. Nothing is written.
    ///
    /// # Errors
    /// [`NotesError::Unavailable`].
    pub fn check(&self) -> Result<(), NotesError> {
        self.ask(|remote| async move { remote.check().await })
    }

    fn ask<T, F>(&self, work: impl FnOnce(Arc<Remote>) -> F) -> Result<T, NotesError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, NotesError>> + Send + 'static,
    {
        let gone = || self.remote.away("ask", Away::said("the thread that asks it has ended"));
        self.worker.wait(work(self.remote.clone())).ok_or_else(gone)?
    }

    fn look(&self, path: &NotePath) -> Result<Seen, NotesError> {
        let path = path.clone();
        self.ask(|remote| async move { remote.read(&path).await })
    }

    fn put(
        &self,
        path: &NotePath,
        content: &str,
        origin: Option<&str>,
        expect: Expect,
    ) -> Result<Written, NotesError> {
        let (path, content) = (path.clone(), content.to_owned());
        let origin = origin.map(str::to_owned);
        let write = |remote: Arc<Remote>| async move {
            remote.write(&path, &content, origin.as_deref(), expect).await
        };
        self.ask(write)
    }
}

fn note(path: &NotePath, seen: Seen) -> Option<Note> {
    let (version, at) = (seen.visible(path), seen.at(path));
    match seen {
        Seen::Note { content, .. } => Some(Note { path: path.clone(), content, version, at }),
        Seen::None | Seen::Removed { .. } => None,
    }
}

impl Notes for McpNotes {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        Ok(note(path, self.look(path)?))
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        check_size(path, content, how)?;
        let expect = how.expected_version.map_or(Expect::Any, Expect::Version);
        self.put(path, content, how.origin.as_deref(), expect)
    }

    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        let mut round = 0;
        loop {
            let seen = self.look(path)?;
            let content = make(note(path, seen.clone()).as_ref())?;
            let how = WriteOptions { expected_version: None, origin: origin.map(str::to_owned) };
            check_size(path, &content, &how)?;
            let expect = if round < ROUNDS { Expect::Same(seen) } else { Expect::Any };
            match self.put(path, &content, origin, expect) {
                Err(NotesError::VersionMismatch { .. }) if round < ROUNDS => round += 1,
                done => return done,
            }
        }
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        let (pattern, most) = (pattern.clone(), self.timeout * LOOKS);
        self.ask(|remote| async move {
            let late = |_| remote.away("list the notes", Away::Late(most.as_secs()));
            tokio::time::timeout(most, remote.clone().list(pattern)).await.map_err(late)?
        })
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        check_size(path, "", how)?;
        let (path, how) = (path.clone(), how.clone());
        self.ask(|remote| async move { remote.remove(&path, &how).await })
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let path = path.clone();
        self.ask(|remote| async move { remote.history(&path).await })
    }
}
