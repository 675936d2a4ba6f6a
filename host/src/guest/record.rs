//! The project's record and notes, as a guest works with them: those of its run's session.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use brio_landing::Writer;
use brio_project::{
    AGENT_CONTEXT_PREFIX, AgentName, MAX_CONTENT, Mode, NotePath, Notes, NotesError, Pattern,
    Project, ProjectError, Record, Timestamp, Update, Version, WriteOptions,
};
use brio_runtime::{
    MAX_HISTORY, MAX_NOTE, NoteEntry, NoteVersion, ProjectMode, ProjectNote, ProjectState,
    RecordError, Records, StateUpdate,
};
use serde::de::IgnoredAny;

use crate::SessionHandle;
use crate::record::OpenProjectError;

/// How much one run may change: every change is made durable, and its history is kept.
const MOST_CHANGES: usize = 4096;
const MOST_BYTES: usize = 64 << 20;

const _: () = assert!(MAX_NOTE == MAX_CONTENT, "what the WIT promises is what notes take");

/// Implements the runtime's [`Records`] over the notes of a session.
pub(crate) struct GuestRecords {
    session: SessionHandle,
    writer: Arc<Writer>,
    read_only: bool,
    project: OnceLock<Project>,
    spent: Mutex<Spent>,
}

/// What one run has changed.
#[derive(Default)]
struct Spent {
    changes: usize,
    bytes: usize,
}

type Answer<T> = Result<T, RecordError>;

impl Spent {
    fn change(&mut self, bytes: usize) -> Answer<()> {
        if self.changes >= MOST_CHANGES || self.bytes.saturating_add(bytes) > MOST_BYTES {
            let why =
                format!("a run makes {MOST_CHANGES} changes and writes {MOST_BYTES} bytes at most");
            return Err(RecordError::Limit(why));
        }
        self.changes += 1;
        self.bytes += bytes;
        Ok(())
    }
}

impl GuestRecords {
    /// Of the session that `writer` holds. A reviewer changes nothing.
    pub(crate) fn new(session: SessionHandle, writer: Arc<Writer>) -> Self {
        let read_only = writer.view().is_read_only();
        let (project, spent) = (OnceLock::new(), Mutex::default());
        Self { session, writer, read_only, project, spent }
    }

    /// Opened when it is needed first: who asks for nothing makes no place for notes.
    fn project(&self) -> Answer<&Project> {
        if let Some(project) = self.project.get() {
            return Ok(project);
        }
        let notes = self.session.notes_by(&self.writer).map_err(|e| open_error(&e))?;
        let project = self.session.brio().project_of(Arc::new(notes));
        Ok(self.project.get_or_init(|| project))
    }

    /// Whether the guest may make one more change, of so many bytes.
    fn spend(&self, bytes: usize) -> Answer<()> {
        if self.read_only {
            return Err(RecordError::ReadOnly("a reviewer changes nothing".into()));
        }
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).change(bytes)
    }
}

/// The record as a reviewer sees it: nothing is made or migrated.
fn looked_at(project: &Project) -> Answer<Record> {
    if let Some(record) = project.load_session().map_err(|e| project_error(&e))? {
        return Ok(record);
    }
    let historic = Pattern::new("sessions/session-*").map_err(|e| notes_error(&e.into()))?;
    if project.notes().list(&historic).map_err(|e| notes_error(&e))?.is_empty() {
        return Ok(Record::new(Timestamp::now(SystemTime::now)));
    }
    let why = "an older program's sessions are not the record yet; run `brio project migrate`";
    Err(RecordError::ReadOnly(why.into()))
}

impl Records for GuestRecords {
    fn record(&self) -> Answer<ProjectState> {
        let project = self.project()?;
        let record = match self.read_only {
            true => looked_at(project)?,
            false => project.get_session().map_err(|e| project_error(&e))?,
        };
        Ok(state_of(record))
    }

    fn update(&self, update: &StateUpdate) -> Answer<ProjectState> {
        let StateUpdate { mode, task, feature } = update.clone();
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.spend(length(&task) + length(&feature))?;
        let update = Update { mode: mode.map(mode_from), task, feature };
        let record = self.project()?.set_session(&update).map_err(|e| project_error(&e))?;
        // The record is written as a whole, whatever was updated.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.bytes = spent.bytes.saturating_add(record.to_json().len());
        Ok(state_of(record))
    }

    fn save_context(&self, agent: &str, json: &str) -> Answer<()> {
        let agent = agent_name(agent)?;
        let value: serde_json::Value = serde_json::from_str(json)
            .map_err(|e| RecordError::InvalidJson(format!("the context is no JSON: {e}")))?;
        // Laid out, nested lists take far more room than as they were given.
        let mut laid_out = Counted(0);
        serde_json::to_writer_pretty(&mut laid_out, &value).map_err(|_| {
            let why = format!("the context, laid out, has over {MAX_CONTENT} bytes");
            RecordError::TooLarge(why)
        })?;
        self.spend(laid_out.0)?;
        self.project()?.save_agent_context(&agent, &value).map_err(|e| project_error(&e))
    }

    fn load_context(&self, agent: &str) -> Answer<Option<String>> {
        let agent = agent_name(agent)?;
        let project = self.project()?;
        if !self.read_only {
            // The first access migrates what older programs left.
            let known = project.load_agent_context::<IgnoredAny>(&agent);
            if known.map_err(|e| project_error(&e))?.is_none() {
                return Ok(None);
            }
        }
        let path = note_path(&format!("{AGENT_CONTEXT_PREFIX}{agent}"))?;
        let Some(note) = project.notes().read(&path).map_err(|e| notes_error(&e))? else {
            return Ok(None);
        };
        match serde_json::from_str::<IgnoredAny>(&note.content) {
            Ok(_) => Ok(Some(note.content)),
            Err(source) => Err(project_error(&ProjectError::Context { agent, source })),
        }
    }

    fn read_note(&self, path: &str) -> Answer<Option<ProjectNote>> {
        let path = note_path(path)?;
        let note = self.project()?.notes().read(&path).map_err(|e| notes_error(&e))?;
        Ok(note.map(|note| ProjectNote {
            content: note.content,
            version: note.version,
            at: millis(note.at),
        }))
    }

    fn write_note(&self, path: &str, content: &str, expected: Option<u64>) -> Answer<u64> {
        let path = note_path(path)?;
        self.spend(content.len())?;
        let how = WriteOptions { expected_version: expected, origin: None };
        let written = self.project()?.notes().write(&path, content, &how);
        Ok(written.map_err(|e| notes_error(&e))?.version)
    }

    fn list_notes(&self, pattern: &str) -> Answer<Vec<NoteEntry>> {
        let pattern = Pattern::new(pattern).map_err(|e| notes_error(&e.into()))?;
        let all = self.project()?.notes().list(&pattern).map_err(|e| notes_error(&e))?;
        let entry = |info: brio_project::NoteInfo| NoteEntry {
            path: info.path.as_str().to_owned(),
            version: info.version,
            at: millis(info.at),
        };
        Ok(all.into_iter().map(entry).collect())
    }

    fn remove_note(&self, path: &str, expected: Option<u64>) -> Answer<Option<u64>> {
        let path = note_path(path)?;
        self.spend(0)?;
        let how = WriteOptions { expected_version: expected, origin: None };
        let removed = self.project()?.notes().remove(&path, &how);
        Ok(removed.map_err(|e| notes_error(&e))?.map(|written| written.version))
    }

    fn note_history(&self, path: &str) -> Answer<Vec<NoteVersion>> {
        let path = note_path(path)?;
        let (mut bytes, mut told) = (0, Vec::new());
        let mut see = |version: Version| {
            bytes += version.content.as_ref().map_or(0, String::len);
            if bytes > MAX_HISTORY {
                return ControlFlow::Break(());
            }
            told.push(NoteVersion {
                version: version.version,
                at: millis(version.at),
                origin: version.origin,
                content: version.content,
            });
            ControlFlow::Continue(())
        };
        let notes = self.project()?.notes();
        notes.visit_history(&path, &mut see).map_err(|e| notes_error(&e))?;
        Ok(told)
    }
}

/// How long something is, up to what a note takes.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        match self.0 <= MAX_CONTENT {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn note_path(path: &str) -> Answer<NotePath> {
    NotePath::new(path).map_err(|e| notes_error(&e.into()))
}

fn agent_name(agent: &str) -> Answer<AgentName> {
    agent
        .parse()
        .map_err(|e: brio_project::AgentNameError| RecordError::InvalidAgent(e.to_string()))
}

fn mode_from(mode: ProjectMode) -> Mode {
    match mode {
        ProjectMode::Analysis => Mode::Analysis,
        ProjectMode::Planning => Mode::Planning,
        ProjectMode::Coding => Mode::Coding,
        ProjectMode::Disabled => Mode::Disabled,
    }
}

fn mode_of(mode: Mode) -> ProjectMode {
    match mode {
        Mode::Analysis => ProjectMode::Analysis,
        Mode::Planning => ProjectMode::Planning,
        Mode::Coding => ProjectMode::Coding,
        Mode::Disabled => ProjectMode::Disabled,
    }
}

fn state_of(record: Record) -> ProjectState {
    let history = record.mode_history.iter();
    ProjectState {
        mode: mode_of(record.current_mode),
        history: history.map(|change| (mode_of(change.mode), millis(change.timestamp))).collect(),
        task: record.active_task,
        feature: record.active_feature,
        version: record.version,
        created_at: millis(record.created_at),
        updated_at: millis(record.updated_at),
    }
}

/// Before 1970 there were no agents.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.unix_millis()).unwrap_or(0)
}

fn open_error(e: &OpenProjectError) -> RecordError {
    match e {
        OpenProjectError::Notes(e) => notes_error(e),
        e => {
            // It can name a host path: that goes to the log.
            tracing::warn!(error = %e, "a guest's notes");
            RecordError::Unavailable(format!("{}: the notes cannot be opened now", e.code()))
        }
    }
}

fn project_error(e: &ProjectError) -> RecordError {
    match e {
        ProjectError::Notes(e) => notes_error(e),
        e => RecordError::Corrupt(e.to_string()),
    }
}

/// What a guest is told. What the host itself says can name a host path: it goes to the log.
fn notes_error(e: &NotesError) -> RecordError {
    let logged = || tracing::warn!(error = %e, "a guest's notes");
    match e {
        NotesError::VersionMismatch { found, .. } => RecordError::Changed(*found),
        NotesError::TooLarge { .. } => RecordError::TooLarge(e.to_string()),
        NotesError::Corrupt { .. } => RecordError::Corrupt(e.to_string()),
        NotesError::Path(e) => RecordError::InvalidPath(e.to_string()),
        NotesError::Unavailable { .. } | NotesError::Format { .. } => {
            logged();
            RecordError::Unavailable(format!("{}: nothing is known of the notes now", e.code()))
        }
        e if e.code() == "NO_SPACE" => {
            logged();
            RecordError::Limit("NO_SPACE: the host's disk is full".into())
        }
        e => {
            logged();
            RecordError::Failed(format!("{}: the host could not do it; see its log", e.code()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_changes_so_much_and_no_more() {
        let mut spent = Spent::default();
        assert_eq!((0..10_000).filter(|_| spent.change(0).is_ok()).count(), 4096);
        let mut spent = Spent::default();
        assert!(spent.change(MOST_BYTES - 1).is_ok());
        assert!(matches!(spent.change(2), Err(RecordError::Limit(_))));
        assert!(spent.change(1).is_ok() && spent.change(usize::MAX).is_err());
    }

    #[test]
    fn what_is_laid_out_is_bounded_as_it_grows() {
        let mut counted = Counted(0);
        assert!(counted.write_all(&vec![0; MAX_CONTENT]).is_ok());
        assert!(counted.write_all(&[0]).is_err());
    }
}
