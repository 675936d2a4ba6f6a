//! `project-record`: the record, contexts and notes of the guest's session.

use super::CoreCtx;
use crate::bindings::brio::core::project_record as wit;
use crate::records::{MAX_CONTEXT, MAX_FIELD, MAX_LISTED, MAX_NOTE};
use crate::{
    NoteEntry, NoteVersion, ProjectMode, ProjectNote, ProjectState, RecordError, Records,
    StateUpdate,
};

/// Names beyond this are none, and are not asked about.
const LONGEST_NAME: usize = 64 << 10;

type Answer<T> = wasmtime::Result<Result<T, wit::RecordError>>;

impl CoreCtx<'_> {
    fn of_record<T>(
        &self,
        ask: impl FnOnce(&dyn Records) -> Result<T, RecordError>,
    ) -> Result<T, wit::RecordError> {
        // Without the grant no run begins.
        let refused =
            || RecordError::Unavailable("project-record was not granted to this run".into());
        let records = self.core.records.as_deref().ok_or_else(refused);
        records.and_then(ask).map_err(error)
    }
}

impl wit::Host for CoreCtx<'_> {
    fn get_record(&mut self) -> Answer<wit::ProjectState> {
        Ok(self.of_record(|r| r.record()).map(state))
    }

    fn set_record(&mut self, update: wit::RecordUpdate) -> Answer<wit::ProjectState> {
        let wit::RecordUpdate { mode, task, feature } = update;
        Ok(self
            .of_record(|r| {
                bounded("the task", task.as_deref().unwrap_or_default(), MAX_FIELD)?;
                bounded("the feature", feature.as_deref().unwrap_or_default(), MAX_FIELD)?;
                r.update(&StateUpdate { mode: mode.map(mode_from), task, feature })
            })
            .map(state))
    }

    fn save_agent_context(&mut self, agent: String, json: String) -> Answer<()> {
        Ok(self.of_record(|r| {
            named(&agent).map_err(RecordError::InvalidAgent)?;
            bounded("the context", &json, MAX_CONTEXT)?;
            r.save_context(&agent, &json)
        }))
    }

    fn load_agent_context(&mut self, agent: String) -> Answer<Option<String>> {
        Ok(self.of_record(|r| {
            named(&agent).map_err(RecordError::InvalidAgent)?;
            r.load_context(&agent)
        }))
    }

    fn read_note(&mut self, path: String) -> Answer<Option<wit::Note>> {
        let note = self.of_record(|r| {
            named(&path).map_err(RecordError::InvalidPath)?;
            r.read_note(&path)
        });
        Ok(note.map(|found| {
            found.map(|ProjectNote { content, version, at }| wit::Note {
                content,
                version,
                written_at: at,
            })
        }))
    }

    fn write_note(&mut self, path: String, content: String, expected: Option<u64>) -> Answer<u64> {
        Ok(self.of_record(|r| {
            named(&path).map_err(RecordError::InvalidPath)?;
            bounded("the content", &content, MAX_NOTE)?;
            r.write_note(&path, &content, expected)
        }))
    }

    fn list_notes(&mut self, pattern: String) -> Answer<Vec<wit::NoteInfo>> {
        let all = self.of_record(|r| {
            named(&pattern).map_err(RecordError::InvalidPath)?;
            let all = r.list_notes(&pattern)?;
            match all.len() <= MAX_LISTED {
                true => Ok(all),
                false => {
                    let why = format!("over {MAX_LISTED} notes fit {pattern:?}; ask for fewer");
                    Err(RecordError::Limit(why))
                }
            }
        });
        let info =
            |NoteEntry { path, version, at }| wit::NoteInfo { path, version, written_at: at };
        Ok(all.map(|all| all.into_iter().map(info).collect()))
    }

    fn remove_note(&mut self, path: String, expected: Option<u64>) -> Answer<Option<u64>> {
        Ok(self.of_record(|r| {
            named(&path).map_err(RecordError::InvalidPath)?;
            r.remove_note(&path, expected)
        }))
    }

    fn note_history(&mut self, path: String) -> Answer<Vec<wit::NoteVersion>> {
        let all = self.of_record(|r| {
            named(&path).map_err(RecordError::InvalidPath)?;
            r.note_history(&path)
        });
        let told = |NoteVersion { version, at, origin, content }| wit::NoteVersion {
            version,
            written_at: at,
            origin,
            content,
        };
        Ok(all.map(|all| all.into_iter().map(told).collect()))
    }
}

fn named(name: &str) -> Result<(), String> {
    match name.len() <= LONGEST_NAME {
        true => Ok(()),
        false => Err("the name is far too long; take a shorter one".into()),
    }
}

fn bounded(what: &str, text: &str, most: usize) -> Result<(), RecordError> {
    match text.len() <= most {
        true => Ok(()),
        false => {
            let why = format!("{what} has {} bytes, at most {most} go in", text.len());
            Err(RecordError::TooLarge(why))
        }
    }
}

fn mode_from(mode: wit::Mode) -> ProjectMode {
    match mode {
        wit::Mode::Analysis => ProjectMode::Analysis,
        wit::Mode::Planning => ProjectMode::Planning,
        wit::Mode::Coding => ProjectMode::Coding,
        wit::Mode::Disabled => ProjectMode::Disabled,
    }
}

fn mode(mode: ProjectMode) -> wit::Mode {
    match mode {
        ProjectMode::Analysis => wit::Mode::Analysis,
        ProjectMode::Planning => wit::Mode::Planning,
        ProjectMode::Coding => wit::Mode::Coding,
        ProjectMode::Disabled => wit::Mode::Disabled,
    }
}

fn state(state: ProjectState) -> wit::ProjectState {
    let history = state.history.into_iter();
    wit::ProjectState {
        current_mode: mode(state.mode),
        active_task: state.task,
        active_feature: state.feature,
        mode_history: history
            .map(|(began, at)| wit::ModeChange { mode: mode(began), changed_at: at })
            .collect(),
        version: state.version,
        created_at: state.created_at,
        updated_at: state.updated_at,
    }
}

fn error(e: RecordError) -> wit::RecordError {
    use wit::RecordError as E;
    match e {
        RecordError::Unavailable(text) => E::Unavailable(text),
        RecordError::Changed(version) => E::Changed(version),
        RecordError::InvalidPath(text) => E::InvalidPath(text),
        RecordError::InvalidAgent(text) => E::InvalidAgent(text),
        RecordError::InvalidJson(text) => E::InvalidJson(text),
        RecordError::TooLarge(text) => E::TooLarge(text),
        RecordError::Limit(text) => E::Limit(text),
        RecordError::Corrupt(text) => E::Corrupt(text),
        RecordError::ReadOnly(text) => E::ReadOnly(text),
        RecordError::Failed(text) => E::Failed(text),
    }
}
