//! What agents and people say in a session, and what is decided there: lines of the journal that
//! stay when the session is gone.

use std::collections::HashSet;

use brio_session::Time;
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::state::State;
use crate::{HostError, JournalEntry, JournalError, JournalKind, SessionId, journal, meta};

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

/// One of these stands in every line that tells of words, or of who landed in whom: a kind, or,
/// in lines of before there were kinds, what happened.
const TELLING: [&str; 5] =
    ["\"conversation\"", "\"decision\"", "\"said\"", "\"decided\"", "\"landed-in-parent\""];

/// See [`Session::words`](crate::Session::words).
pub(crate) fn of(state: &State, id: &SessionId) -> std::io::Result<Vec<JournalEntry>> {
    let all = journal::entries_with(state, &TELLING)?;
    let mut family = HashSet::from([id.clone()]);
    // What landed in a child landed before the child did.
    for e in all.iter().rev().filter(|e| e.what == "landed-in-parent") {
        if let (Some(child), Some(parent)) = (&e.session, &e.parent)
            && family.contains(parent)
        {
            family.insert(child.clone());
        }
    }
    let its = |e: &JournalEntry| {
        is_word(e) && e.session.as_ref().is_some_and(|session| family.contains(session))
    };
    Ok(all.into_iter().filter(its).collect())
}

fn is_word(e: &JournalEntry) -> bool {
    matches!(e.kind(), JournalKind::Conversation | JournalKind::Decision)
}

/// Writes words of a session that is brought here to the journal, those that it does not have.
pub(crate) fn carry(
    state: &State,
    id: &SessionId,
    words: &[JournalEntry],
) -> Result<(), HostError> {
    if !words.iter().any(is_word) {
        return Ok(());
    }
    let known = of(state, id).doing("the journal")?;
    let same = |a: &JournalEntry, b: &JournalEntry| {
        (&a.time, &a.what, &a.session, &a.detail) == (&b.time, &b.what, &b.session, &b.detail)
    };
    for word in words.iter().filter(|w| is_word(w)) {
        // Nothing from elsewhere says anything about another session of this base.
        let session = Some(id.clone());
        let word = JournalEntry { session, landing: None, parent: None, ..word.clone() };
        if !known.iter().any(|k| same(k, &word)) {
            state.write_journal(&word).doing("the journal")?;
        }
    }
    Ok(())
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
