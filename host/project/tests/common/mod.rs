//! Notes in memory that tell what was asked of them, and what tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod log;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use brio_project::*;
use brio_session::{Door, Hook, Op, Verdict};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// 2026-01-19T10:00:00Z, always.
pub fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_816_800)
}

/// A directory that goes when it is dropped; in memory where there is such a place and $TMPDIR
/// says nothing else, for there are thousands of syncs.
pub fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && shm.is_dir() {
        tempfile::tempdir_in(shm).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub fn path(path: &str) -> NotePath {
    path.parse().unwrap()
}

pub fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

pub fn mode(mode: Mode) -> Update {
    Update { mode: Some(mode), ..Update::default() }
}

pub fn task(task: &str) -> Update {
    Update { task: Some(task.to_owned()), ..Update::default() }
}

pub fn expecting(version: u64) -> WriteOptions {
    WriteOptions { expected_version: Some(version), origin: None }
}

pub fn from(origin: &str) -> WriteOptions {
    WriteOptions { expected_version: None, origin: Some(origin.to_owned()) }
}

pub fn plain() -> WriteOptions {
    WriteOptions::default()
}

pub fn dir(at: &Path) -> Dir {
    Dir::open_ambient_dir(at, ambient_authority()).unwrap()
}

pub fn dir_notes(at: &Path) -> DirNotes {
    DirNotes::open(dir(at), DirOptions::new(clock)).unwrap()
}

pub fn with_door(at: &Path, door: Door) -> Result<DirNotes, NotesError> {
    DirNotes::open(dir(at), DirOptions { door, ..DirOptions::new(clock) })
}

/// What is read of every note, by its path.
pub fn contents(notes: &dyn Notes) -> BTreeMap<String, String> {
    let all = notes.list(&Pattern::all()).unwrap();
    let read =
        |info: NoteInfo| (info.path.to_string(), notes.read(&info.path).unwrap().unwrap().content);
    all.into_iter().map(read).collect()
}

/// Answers one operation in its own way.
pub struct At {
    n: usize,
    verdict: Verdict,
    seen: AtomicUsize,
}

impl At {
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Hook for At {
    fn verdict(&self, _: Op) -> Verdict {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.n { self.verdict } else { Verdict::Go }
    }
}

pub fn hook(n: usize, verdict: Verdict) -> (Arc<At>, Door) {
    let at = Arc::new(At { n, verdict, seen: AtomicUsize::new(0) });
    (at.clone(), Door::with_hook(at))
}

/// The verdicts of a disk that fails and of a process that dies.
pub fn verdicts() -> [Verdict; 4] {
    let eio = rustix::io::Errno::IO.raw_os_error();
    let nospc = rustix::io::Errno::NOSPC.raw_os_error();
    [Verdict::Stop, Verdict::StopAfter, Verdict::Fail(nospc), Verdict::FailAfter(eio)]
}

type Before = Box<dyn FnOnce(&Mem) + Send>;

/// Notes that tell what was asked of them and can go away, over a model of what notes do.
pub struct Mem {
    notes: Arc<dyn Notes>,
    pub calls: Mutex<Vec<String>>,
    pub down: AtomicBool,
    before_write: Mutex<Option<Before>>,
}

impl Default for Mem {
    fn default() -> Self {
        let notes = crate::beneath().unwrap_or_else(|| Arc::new(Model::default()));
        let (calls, down, before_write) = Default::default();
        Self { notes, calls, down, before_write }
    }
}

impl Mem {
    /// Does something between the next read and its write.
    pub fn before_next_write(&self, f: impl FnOnce(&Mem) + Send + 'static) {
        *self.before_write.lock().unwrap() = Some(Box::new(f));
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn call(&self, call: String) -> Result<(), NotesError> {
        self.calls.lock().unwrap().push(call);
        if self.down.load(Ordering::SeqCst) {
            return Err(NotesError::Unavailable { what: "no answer".to_owned(), source: None });
        }
        Ok(())
    }
}

impl Notes for Mem {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        self.call(format!("read {path}"))?;
        self.notes.read(path)
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        self.call(format!("write {path}"))?;
        let before = self.before_write.lock().unwrap().take();
        if let Some(before) = before {
            before(self);
        }
        self.notes.write(path, content, how)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        self.call(format!("list {}", pattern.as_str()))?;
        self.notes.list(pattern)
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        self.call(format!("remove {path}"))?;
        self.notes.remove(path, how)
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        self.call(format!("history {path}"))?;
        self.notes.history(path)
    }
}

/// What notes do, as simply as it can be said.
#[derive(Default)]
struct Model(Mutex<BTreeMap<NotePath, Vec<Version>>>);

impl Model {
    fn put(
        &self,
        path: &NotePath,
        content: Option<String>,
        how: &WriteOptions,
    ) -> Result<(Written, bool), NotesError> {
        let mut notes = self.0.lock().unwrap();
        let versions = notes.entry(path.clone()).or_default();
        let was = versions.iter().find(|v| v.origin.is_some() && v.origin == how.origin);
        if let Some(was) = was {
            return Ok((Written { version: was.version, replayed: true }, true));
        }
        let visible = versions.last().filter(|v| v.content.is_some()).map_or(0, |v| v.version);
        if let Some(expected) = how.expected_version.filter(|e| *e != visible) {
            let path = path.clone();
            return Err(NotesError::VersionMismatch { path, expected, found: visible });
        }
        let mut version = versions.last().map_or(0, |v| v.version);
        if content.is_some() || visible != 0 || how.origin.is_some() {
            version += 1;
            let at = Timestamp::now(clock);
            versions.push(Version { version, at, origin: how.origin.clone(), content });
        }
        Ok((Written { version, replayed: false }, visible != 0))
    }
}

impl Notes for Model {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        let notes = self.0.lock().unwrap();
        let last = notes.get(path).and_then(|versions| versions.last());
        Ok(last.and_then(|last| {
            let Version { version, at, content, .. } = last.clone();
            content.map(|content| Note { path: path.clone(), content, version, at })
        }))
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        let content = (!is_tombstone(content)).then(|| content.to_owned());
        Ok(self.put(path, content, how)?.0)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        let notes = self.0.lock().unwrap();
        let info = |(path, versions): (&NotePath, &Vec<Version>)| {
            let last = versions.last().filter(|v| v.content.is_some())?;
            Some(NoteInfo { path: path.clone(), version: last.version, at: last.at })
        };
        Ok(notes.iter().filter(|(path, _)| pattern.fits(path)).filter_map(info).collect())
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        let (written, was_there) = self.put(path, None, how)?;
        Ok((was_there || written.replayed).then_some(written))
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let notes = self.0.lock().unwrap();
        Ok(notes.get(path).into_iter().flatten().rev().cloned().collect())
    }
}

/// What lies beneath a [`Mem`], if not the model: the tests of a crate that has other notes say.
pub fn beneath() -> Option<Arc<dyn Notes>> {
    None
}

/// What a test's project stands on: these very notes. The tests of a crate that has other notes
/// take these files in, and say there what lies over them.
pub fn over(notes: Arc<dyn Notes>) -> Arc<dyn Notes> {
    notes
}

/// A project over notes in memory.
pub fn in_memory() -> (Arc<Mem>, Project) {
    let mem = Arc::new(Mem::default());
    (mem.clone(), Project::new(crate::over(mem), clock))
}

/// A project over the notes of a directory.
pub fn in_dir(at: &Path) -> Project {
    Project::new(crate::over(Arc::new(dir_notes(at))), clock)
}

/// A session as an older program left it.
pub fn historic(id: &str, updated: &str, task: &str) -> String {
    format!(
        "{{\"sessionId\":\"{id}\",\"currentMode\":\"planning\",\"activeTask\":\"{task}\",\
         \"modeHistory\":[{{\"mode\":\"planning\",\"timestamp\":\"2026-01-01T00:00:00Z\"}}],\
         \"version\":5,\"createdAt\":\"2026-01-01T00:00:00Z\",\"updatedAt\":\"{updated}\"}}"
    )
}

pub fn put(notes: &dyn Notes, at: &str, content: &str) {
    notes.write(&path(at), content, &plain()).unwrap();
}

/// Five sessions, one of them corrupted, with contexts; `pointer` names the current one.
pub fn five_sessions(notes: &dyn Notes, pointer: Option<&str>) {
    for (id, day) in [("a", "03"), ("b", "05"), ("c", "04"), ("d", "01")] {
        let json = historic(id, &format!("2026-01-{day}T00:00:00Z"), &format!("task of {id}"));
        put(notes, &format!("sessions/session-{id}"), &json);
        for agent in AGENTS {
            let context = format!("{{\n  \"of\": \"{agent} in {id}\"\n}}");
            put(notes, &format!("session-{id}-agent-{agent}"), &context);
        }
    }
    put(notes, "sessions/session-e", "{\"sessionId\": \"e\", \"updatedAt\": ");
    if let Some(id) = pointer {
        put(notes, "sessions/current-session", id);
    }
}
