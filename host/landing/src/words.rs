//! What agents and people say in a session, and what is decided there: lines of the journal that
//! stay when the session is gone.

use brio_session::Time;
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::state::State;
use crate::{JournalEntry, JournalError, SessionId, meta};

/// How many bytes one text of a line may have.
const MOST_TEXT: usize = 64 << 10;
/// How many alternatives a decision may name.
const MOST_ALTERNATIVES: usize = 64;

/// Something that was decided in a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What, in a few words.
    pub title: String,
    /// Why.
    pub why: String,
    /// What else could have been done.
    #[serde(default)]
    pub alternatives: Vec<String>,
}

/// A decision behind a landing; the journal has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRef {
    /// The session in which it was made: the one that landed, or one that landed in that.
    pub session: SessionId,
    /// When.
    pub time: Time,
    /// What was decided.
    pub title: String,
}

impl DecisionRef {
    /// `None`: the line tells of no decision.
    pub(crate) fn of(entry: &JournalEntry) -> Option<Self> {
        if entry.what != "decided" {
            return None;
        }
        let title = entry.detail.as_ref()?.get("title")?.as_str()?.to_owned();
        Some(Self { session: entry.session.clone()?, time: entry.time, title })
    }
}

/// See [`Session::say`](crate::Session::say).
pub(crate) fn say(
    state: &State,
    id: &SessionId,
    author: &str,
    text: &str,
) -> Result<(), JournalError> {
    check(id, "author", author, true)?;
    check(id, "text", text, true)?;
    write(state, id, "said", serde_json::json!({ "author": author, "text": text }))
}

/// See [`Session::decide`](crate::Session::decide).
pub(crate) fn decide(
    state: &State,
    id: &SessionId,
    author: &str,
    decision: &Decision,
) -> Result<(), JournalError> {
    check(id, "author", author, true)?;
    check(id, "title", &decision.title, true)?;
    check(id, "why", &decision.why, false)?;
    let all: usize = decision.alternatives.iter().map(String::len).sum();
    if decision.alternatives.len() > MOST_ALTERNATIVES || all > MOST_TEXT {
        return Err(JournalError::TooLong {
            session: id.clone(),
            what: "alternatives",
            most: MOST_TEXT,
        });
    }
    let Decision { title, why, alternatives } = decision;
    let detail = serde_json::json!({
        "author": author, "title": title, "why": why, "alternatives": alternatives,
    });
    write(state, id, "decided", detail)
}

fn check(id: &SessionId, what: &'static str, text: &str, needed: bool) -> Result<(), JournalError> {
    let session = id.clone();
    if needed && text.trim().is_empty() {
        return Err(JournalError::Empty { session, what });
    }
    if text.len() > MOST_TEXT {
        return Err(JournalError::TooLong { session, what, most: MOST_TEXT });
    }
    Ok(())
}

fn write(
    state: &State,
    id: &SessionId,
    what: &str,
    detail: serde_json::Value,
) -> Result<(), JournalError> {
    let m = meta::load_open(state, id)?;
    let mut entry = state.entry(what, Some(id));
    (entry.agent, entry.task_id) = (m.metadata.agent, m.metadata.task_id);
    entry.detail = Some(detail);
    Ok(state.write_journal(&entry).doing("the journal")?)
}
