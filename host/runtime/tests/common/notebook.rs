//! A record and notes in memory, for tests of guests that ask for them: this crate does not know
//! the real ones.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use brio_runtime::{
    NoteEntry, NoteVersion, ProjectMode, ProjectNote, ProjectState, RecordError, Records,
    StateUpdate,
};

#[derive(Default)]
pub struct Notebook {
    /// Nothing can be reached.
    pub down: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Option<ProjectState>,
    /// Newest last; `None` where it was removed.
    notes: BTreeMap<String, Vec<Option<String>>>,
}

type Answer<T> = Result<T, RecordError>;

impl Notebook {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> Answer<T> {
        if self.down.load(Ordering::SeqCst) {
            return Err(RecordError::Unavailable("NOTES_UNAVAILABLE: they are away".into()));
        }
        Ok(f(&mut self.inner.lock().unwrap()))
    }

    /// What is stored.
    pub fn content(&self, path: &str) -> Option<String> {
        self.inner.lock().unwrap().notes.get(path)?.last()?.clone()
    }

    pub fn state(&self) -> Option<ProjectState> {
        self.inner.lock().unwrap().state.clone()
    }
}

impl Inner {
    fn version(&self, path: &str) -> u64 {
        match self.notes.get(path).map(|all| (all.len() as u64, all.last())) {
            Some((version, Some(Some(_)))) => version,
            _ => 0,
        }
    }

    fn put(&mut self, path: &str, content: Option<&str>, expected: Option<u64>) -> Answer<u64> {
        let found = self.version(path);
        if expected.is_some_and(|version| version != found) {
            return Err(RecordError::Changed(found));
        }
        let versions = self.notes.entry(path.to_owned()).or_default();
        versions.push(content.map(str::to_owned));
        Ok(versions.len() as u64)
    }

    fn store(&mut self, state: ProjectState) -> ProjectState {
        let _ = self.put("sessions/session", Some(&format!("{state:?}")), None);
        self.state.insert(state).clone()
    }

    fn state(&mut self) -> ProjectState {
        let new = || ProjectState {
            mode: ProjectMode::Analysis,
            task: None,
            feature: None,
            history: Vec::new(),
            version: 0,
            created_at: 7,
            updated_at: 7,
        };
        match self.state.clone() {
            Some(state) => state,
            None => self.store(new()),
        }
    }
}

fn path(path: &str) -> Answer<()> {
    let bad = |name: &str| {
        matches!(name, "" | "." | "..") || name.eq_ignore_ascii_case(".brio") || name.trim() != name
    };
    let sane = (1..=255).contains(&path.len())
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && !path.split('/').any(bad);
    sane.then_some(()).ok_or_else(|| RecordError::InvalidPath(format!("{path:?} is no note")))
}

fn context(agent: &str) -> Answer<String> {
    let sane = (1..=64).contains(&agent.len())
        && !agent.starts_with('-')
        && agent.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let invalid = || RecordError::InvalidAgent(format!("{agent:?} is no agent"));
    sane.then(|| format!("sessions/agent-{agent}")).ok_or_else(invalid)
}

fn fits(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|n| fits(rest, &path[n..])),
        [b'*', rest @ ..] => (0..=path.len())
            .take_while(|n| !path[..*n].contains(&b'/'))
            .any(|n| fits(rest, &path[n..])),
        [byte, rest @ ..] => path.first() == Some(byte) && fits(rest, &path[1..]),
    }
}

impl Records for Notebook {
    fn record(&self) -> Answer<ProjectState> {
        self.with(Inner::state)
    }

    fn update(&self, update: &StateUpdate) -> Answer<ProjectState> {
        self.with(|inner| {
            let mut state = inner.state();
            state.version += 1;
            state.updated_at += 1;
            if let Some(mode) = update.mode.filter(|mode| *mode != state.mode) {
                state.mode = mode;
                state.history.push((mode, state.updated_at));
            }
            let set = |field: &mut Option<String>, to: &Option<String>| {
                if let Some(to) = to {
                    *field = Some(to.clone()).filter(|to| !to.is_empty());
                }
            };
            set(&mut state.task, &update.task);
            set(&mut state.feature, &update.feature);
            inner.store(state)
        })
    }

    fn save_context(&self, agent: &str, json: &str) -> Answer<()> {
        let path = context(agent)?;
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|e| RecordError::InvalidJson(e.to_string()))?;
        let text = serde_json::to_string_pretty(&value).unwrap();
        self.with(|inner| inner.put(&path, Some(&text), None))?.map(drop)
    }

    fn load_context(&self, agent: &str) -> Answer<Option<String>> {
        let path = context(agent)?;
        let Some(text) = self.read_note(&path)?.map(|note| note.content) else { return Ok(None) };
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => Ok(Some(text)),
            Err(e) => Err(RecordError::Corrupt(e.to_string())),
        }
    }

    fn read_note(&self, name: &str) -> Answer<Option<ProjectNote>> {
        path(name)?;
        self.with(|inner| {
            let content = inner.notes.get(name)?.last()?.clone()?;
            Some(ProjectNote { content, version: inner.version(name), at: 7 })
        })
    }

    fn write_note(&self, name: &str, content: &str, expected: Option<u64>) -> Answer<u64> {
        path(name)?;
        self.with(|inner| inner.put(name, Some(content), expected))?
    }

    fn list_notes(&self, pattern: &str) -> Answer<Vec<NoteEntry>> {
        if !(1..=255).contains(&pattern.len()) || pattern.contains(['[', '{']) {
            return Err(RecordError::InvalidPath(format!("{pattern:?} is no pattern")));
        }
        self.with(|inner| {
            let all = inner.notes.keys().filter(|path| inner.version(path) > 0);
            let all = all.filter(|path| fits(pattern.as_bytes(), path.as_bytes()));
            all.map(|path| NoteEntry { path: path.clone(), version: inner.version(path), at: 7 })
                .collect()
        })
    }

    fn remove_note(&self, name: &str, expected: Option<u64>) -> Answer<Option<u64>> {
        path(name)?;
        self.with(|inner| match (inner.version(name), expected) {
            (0, None | Some(0)) => Ok(None),
            _ => inner.put(name, None, expected).map(Some),
        })?
    }

    fn note_history(&self, name: &str) -> Answer<Vec<NoteVersion>> {
        path(name)?;
        self.with(|inner| {
            let versions = inner.notes.get(name).cloned().unwrap_or_default();
            let told = versions.into_iter().enumerate().rev();
            told.map(|(n, content)| NoteVersion {
                version: n as u64 + 1,
                at: 7,
                origin: None,
                content,
            })
            .collect()
        })
    }
}
