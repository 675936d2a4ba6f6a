//! The project's record and notes: what a worker asks of them, and the supervisor's answers.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::client::Link;
use super::protocol::{Ask, PIECE};
use super::server::{Broken, Served};
use super::wire::Writer;
use crate::records::{MAX_CONTEXT, MAX_FIELD, MAX_NOTE};
use crate::{NoteEntry, NoteVersion, ProjectNote, ProjectState, RecordError, Records, StateUpdate};

/// What is asked: `Result<…, RecordError>`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AskRecord {
    /// `ProjectState`.
    State,
    /// `ProjectState`.
    Update(StateUpdate),
    /// `()`; the JSON is the body.
    SaveContext { agent: String },
    /// `Option<String>`.
    LoadContext { agent: String },
    /// `Option<ProjectNote>`.
    Read { path: String },
    /// `u64`; the content is the body.
    Write { path: String, expected: Option<u64> },
    /// `Vec<NoteEntry>`.
    List { pattern: String },
    /// `Option<u64>`.
    Remove { path: String, expected: Option<u64> },
    /// `Vec<NoteVersion>`.
    History { path: String },
}

impl AskRecord {
    /// How much of a body it may have.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::Write { .. } => MAX_NOTE,
            Self::SaveContext { .. } => MAX_CONTEXT,
            _ => PIECE,
        }
    }
}

/// Answers once.
pub(super) fn answer(
    to: &Writer,
    records: Option<&dyn Records>,
    ask: AskRecord,
    body: &[u8],
) -> Served {
    fn say<T: Serialize>(to: &Writer, answer: Result<T, RecordError>) -> Served {
        Ok(to.send(&answer, &[])?)
    }
    // Its guest would not have begun.
    let records = records.ok_or(Broken::Asked("it asked for a record that was not granted"))?;
    let text = || {
        std::str::from_utf8(body).map_err(|_| Broken::Asked("it sent a content that is no text"))
    };
    match ask {
        AskRecord::State => say(to, records.record()),
        AskRecord::Update(update) => {
            let fields = [&update.task, &update.feature];
            if fields.into_iter().flatten().any(|text| text.len() > MAX_FIELD) {
                return Err(Broken::Asked("it sent more than goes into a record"));
            }
            say(to, records.update(&update))
        }
        AskRecord::SaveContext { agent } => say(to, records.save_context(&agent, text()?)),
        AskRecord::LoadContext { agent } => say(to, records.load_context(&agent)),
        AskRecord::Read { path } => say(to, records.read_note(&path)),
        AskRecord::Write { path, expected } => {
            say(to, records.write_note(&path, text()?, expected))
        }
        AskRecord::List { pattern } => say(to, records.list_notes(&pattern)),
        AskRecord::Remove { path, expected } => say(to, records.remove_note(&path, expected)),
        AskRecord::History { path } => say(to, records.note_history(&path)),
    }
}

/// The record of the run, in a worker.
pub(super) struct RemoteRecords(pub(super) Arc<Link>);

type Answer<T> = Result<T, RecordError>;

impl RemoteRecords {
    fn ask<T: DeserializeOwned>(&self, ask: AskRecord) -> Answer<T> {
        self.0.with_bytes(Ask::Record(ask), &[])
    }
}

impl Records for RemoteRecords {
    fn record(&self) -> Answer<ProjectState> {
        self.ask(AskRecord::State)
    }

    fn update(&self, update: &StateUpdate) -> Answer<ProjectState> {
        self.ask(AskRecord::Update(update.clone()))
    }

    fn save_context(&self, agent: &str, json: &str) -> Answer<()> {
        let ask = AskRecord::SaveContext { agent: agent.into() };
        self.0.with_bytes(Ask::Record(ask), json.as_bytes())
    }

    fn load_context(&self, agent: &str) -> Answer<Option<String>> {
        self.ask(AskRecord::LoadContext { agent: agent.into() })
    }

    fn read_note(&self, path: &str) -> Answer<Option<ProjectNote>> {
        self.ask(AskRecord::Read { path: path.into() })
    }

    fn write_note(&self, path: &str, content: &str, expected: Option<u64>) -> Answer<u64> {
        let ask = AskRecord::Write { path: path.into(), expected };
        self.0.with_bytes(Ask::Record(ask), content.as_bytes())
    }

    fn list_notes(&self, pattern: &str) -> Answer<Vec<NoteEntry>> {
        self.ask(AskRecord::List { pattern: pattern.into() })
    }

    fn remove_note(&self, path: &str, expected: Option<u64>) -> Answer<Option<u64>> {
        self.ask(AskRecord::Remove { path: path.into(), expected })
    }

    fn note_history(&self, path: &str) -> Answer<Vec<NoteVersion>> {
        self.ask(AskRecord::History { path: path.into() })
    }
}
