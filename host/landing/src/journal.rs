//! The journal: one JSON object per line, appended, never rewritten.

use std::collections::HashSet;
use std::io;

use brio_session::Time;
use serde::{Deserialize, Serialize};

use crate::intent::{End, Intent};
use crate::state::{JOURNAL, State};
use crate::{JournalKind, SessionError, SessionId, disk, history};

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Time,
    /// What sort of line it is; `None` in lines of before there were kinds: see
    /// [`kind`](Self::kind).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<JournalKind>,
    /// `begun`, `landed`, `unchanged`, `landed-in-parent`, `rolled-back`, `conflict`, `resolved`, `rebased`, `applied`, `seal-broken`, `said`, `decided`, `recovered`, `adopted`, `late-edit`, `checkpoint`, `restored`, `checkpoint-deleted`, `collected`, `stale`, `request`, `request-refused`, or a caller's own word.
    pub what: String,
    /// Which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The landing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<u64>,
    /// The parent it landed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// Numbers and paths, as the event has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

impl Entry {
    /// A line that says when and what; the rest is to be filled in.
    pub fn new(time: Time, what: &str) -> Self {
        Self {
            kind: Some(JournalKind::of(what)),
            time,
            what: what.to_owned(),
            session: None,
            goal: None,
            agent: None,
            task_id: None,
            landing: None,
            parent: None,
            detail: None,
        }
    }

    /// What sort of line it is, also where the line does not say so itself.
    pub fn kind(&self) -> JournalKind {
        self.kind.clone().unwrap_or_else(|| JournalKind::of(&self.what))
    }
}

/// The line of a landing: the same whoever finishes it.
pub(crate) fn landed(number: u64, intent: &Intent) -> Entry {
    let counts = intent.counts();
    let mut detail = serde_json::json!({
        "message": intent.message,
        "added": counts.added,
        "modified": counts.modified,
        "removed": counts.removed,
    });
    if let Some(k) = intent.undo_of {
        detail["undo_of"] = k.into();
    }
    if !intent.notes.is_empty() {
        detail["notes"] = intent.notes.clone().into();
    }
    Entry {
        time: intent.time,
        kind: Some(JournalKind::Operation),
        what: "landed".to_owned(),
        session: Some(intent.session.clone()),
        goal: intent.goal.clone(),
        agent: intent.agent.clone(),
        task_id: intent.task_id.clone(),
        landing: Some(number),
        parent: None,
        detail: Some(detail),
    }
}

/// After a boot, under the exclusive lock: a power cut may have taken the last lines, and half of
/// one. Those of the landings that lie there are written again.
pub(crate) fn mend(state: &State) -> io::Result<()> {
    let raw = disk::read(&state.dir, JOURNAL)?.unwrap_or_default();
    if raw.last().is_some_and(|b| *b != b'\n') {
        state.disk.append(&state.journal, b"\n")?;
    }
    let lines = entries(state)?;
    let told: HashSet<u64> =
        lines.iter().filter(|e| e.what == "landed").filter_map(|e| e.landing).collect();
    for k in history::numbers(state)? {
        if let Ok(l) = history::load(state, k)
            && matches!(l.end, Some(End::Finished { .. }))
            && !told.contains(&k)
        {
            state.write_journal(&landed(k, &l.intent))?;
        }
    }
    Ok(())
}

/// All lines that can be read.
pub(crate) fn entries(domain: &State) -> io::Result<Vec<Entry>> {
    Ok(parse(&disk::read(&domain.dir, JOURNAL)?.unwrap_or_default()))
}

/// Those of them in which one of these stands. The others are not parsed: a journal is kept for
/// good, and grows.
pub(crate) fn entries_with(domain: &State, any: &[&str]) -> io::Result<Vec<Entry>> {
    let raw = disk::read(&domain.dir, JOURNAL)?.unwrap_or_default();
    let has = |l: &&[u8]| std::str::from_utf8(l).is_ok_and(|l| any.iter().any(|w| l.contains(w)));
    let lines = raw.split(|b| *b == b'\n').filter(has);
    Ok(lines.filter_map(|l| serde_json::from_slice(l).ok()).collect())
}

pub(crate) fn parse(raw: &[u8]) -> Vec<Entry> {
    raw.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect()
}

/// Why a session has no directory: it ended, or never was. For messages; it reads the journal.
pub(crate) fn ended(domain: &State, id: &SessionId) -> SessionError {
    let how = |e: &Entry| match e.what.as_str() {
        _ if e.session.as_ref() != Some(id) => None,
        "landed" | "unchanged" | "landed-in-parent" => Some(crate::State::Landed),
        "rolled-back" => Some(crate::State::RolledBack),
        _ => None,
    };
    match entries(domain).unwrap_or_default().iter().rev().find_map(how) {
        Some(state) => SessionError::Ended { id: id.clone(), state },
        None => SessionError::Unknown { id: id.to_string() },
    }
}
