//! What landed in a base, from its journal and from the landings that are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use brio_session::{RelPath, Time};

use crate::errors::Doing;
use crate::gc::is_collected;
use crate::history::{self, Landing};
use crate::intent::{Counts, End, Intent};
use crate::journal_reader::{Decisions, JournalLine};
use crate::state::State;
use crate::{DecisionRef, JournalEntry, SessionError, SessionId, journal};

/// Which landings are listed.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// At most so many, the newest.
    pub limit: Option<usize>,
    /// Those that changed this path, or something below it. The paths of a landing are known as
    /// long as its record is kept.
    pub path: Option<RelPath>,
}

/// One landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub landing: u64,
    /// When it was sealed.
    pub time: Time,
    /// Which session landed.
    pub session: Option<SessionId>,
    /// Its goal.
    pub goal: Option<String>,
    /// Its agent.
    pub agent: Option<String>,
    /// Who did it, a person or a machine: told of landings on a project's head.
    pub who: Option<String>,
    /// Its task.
    pub task_id: Option<String>,
    /// What was said at the commit.
    pub message: Option<String>,
    /// Paths that it added, directories among them.
    pub added: u64,
    /// Paths that it modified or replaced.
    pub modified: u64,
    /// Paths that it removed.
    pub removed: u64,
    /// Notes that it changed, by path.
    pub notes: Vec<String>,
    /// What was decided in the session, and in those that landed in it.
    pub decisions: Vec<DecisionRef>,
    /// The landing that it undid.
    pub undo_of: Option<u64>,
    /// The landing that undid it, and was not undone itself.
    pub undone_by: Option<u64>,
    /// Whether its pre-images are kept, so that it can be undone.
    pub undoable: bool,
}

/// The landings of a base, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// They.
    pub landings: Vec<LogEntry>,
    /// The oldest landing whose record is kept: of older ones no paths are known.
    pub kept_since: Option<u64>,
}

/// See [`Domain::log`](crate::Domain::log).
pub(crate) fn log(state: &State, filter: &LogFilter) -> Result<Log, SessionError> {
    let numbers = history::numbers(state).doing("landings")?;
    let mut all = journalled(journal::entries(state).doing("the journal")?);
    // A line may be lost in a power cut that a landing survived: what is kept is added.
    for k in &numbers {
        if filter.path.is_none() && all.contains_key(k) {
            continue;
        }
        let Some(l) = finished(state, *k) else {
            all.remove(k);
            continue;
        };
        all.entry(*k).or_insert_with(|| of_intent(*k, &l.intent));
        if let Some(path) = &filter.path
            && !l.intent.steps.iter().any(|s| s.path.starts_with(path))
        {
            all.remove(k);
        }
    }
    if filter.path.is_some() {
        all.retain(|k, _| numbers.binary_search(k).is_ok());
    }
    let mut undone: BTreeMap<u64, u64> = BTreeMap::new();
    let mut landings = Vec::new();
    for (k, mut entry) in all.into_iter().rev() {
        entry.undone_by = undone.get(&k).copied();
        if let (Some(of), None) = (entry.undo_of, entry.undone_by) {
            undone.entry(of).or_insert(k);
        }
        landings.push(entry);
    }
    landings.truncate(filter.limit.unwrap_or(usize::MAX));
    for entry in &mut landings {
        entry.undoable = numbers.binary_search(&entry.landing).is_ok()
            && !is_collected(state, entry.landing).doing("landings")?
            && finished(state, entry.landing).is_some();
    }
    Ok(Log { landings, kept_since: numbers.first().copied() })
}

fn finished(state: &State, k: u64) -> Option<Arc<Landing>> {
    let l = history::ended_or_now(state, k).ok()?;
    matches!(l.end, Some(End::Finished { .. })).then_some(l)
}

/// The landings that the journal tells of. A crash may have written a line twice, and a landing
/// may have been undone after its line was written.
fn journalled(lines: Vec<JournalEntry>) -> BTreeMap<u64, LogEntry> {
    let mut out = BTreeMap::new();
    let mut decisions = Decisions::default();
    for e in lines {
        let JournalLine { entry: e, decisions } = decisions.line(e);
        let Some(k) = e.landing else { continue };
        let word = |key: &str| e.detail.as_ref().and_then(|d| d.get(key));
        match e.what.as_str() {
            "landed" => {
                let number = |key| word(key).and_then(serde_json::Value::as_u64);
                out.entry(k).or_insert(LogEntry {
                    landing: k,
                    time: e.time,
                    message: word("message").and_then(|m| m.as_str()).map(str::to_owned),
                    added: number("added").unwrap_or(0),
                    modified: number("modified").unwrap_or(0),
                    removed: number("removed").unwrap_or(0),
                    notes: texts(word("notes")),
                    undo_of: number("undo_of"),
                    session: e.session,
                    goal: e.goal,
                    agent: e.agent,
                    who: None,
                    task_id: e.task_id,
                    decisions,
                    undone_by: None,
                    undoable: false,
                });
            }
            "recovered" if word("landing").is_some_and(|w| w == "undone") => {
                out.remove(&k);
            }
            _ => {}
        }
    }
    out
}

fn texts(list: Option<&serde_json::Value>) -> Vec<String> {
    let list = list.and_then(serde_json::Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn of_intent(landing: u64, intent: &Intent) -> LogEntry {
    let Counts { added, modified, removed } = intent.counts();
    LogEntry {
        landing,
        time: intent.time,
        session: Some(intent.session.clone()),
        goal: intent.goal.clone(),
        agent: intent.agent.clone(),
        who: None,
        task_id: intent.task_id.clone(),
        message: intent.message.clone(),
        added,
        modified,
        removed,
        notes: intent.notes.clone(),
        undo_of: intent.undo_of,
        decisions: Vec::new(),
        undone_by: None,
        undoable: false,
    }
}
