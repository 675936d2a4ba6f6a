//! What older programs left: sessions, the pointer to the current one, agents' contexts.

use serde_json::Value;

use super::Step;
use crate::notes::{Notes, NotesError};
use crate::{NotePath, Pattern, ProjectError, Record};

/// The pointer to the session that was current.
pub(super) const CURRENT_SESSION: &str = "sessions/current-session";
const HISTORIC_PREFIX: &str = "sessions/session-";

/// A session that can become the record.
pub(super) struct Candidate {
    pub(super) id: String,
    pub(super) path: NotePath,
    pub(super) record: Record,
}

/// What was found.
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) skipped: usize,
    /// The pointer's note, if it is there.
    pub(super) pointer: Option<NotePath>,
    /// The id that it names.
    pub(super) pointed: Option<String>,
    pub(super) steps: Vec<Step>,
}

pub(super) fn find(from: &dyn Notes) -> Result<Found, ProjectError> {
    let mut found =
        Found { candidates: vec![], skipped: 0, pointer: None, pointed: None, steps: vec![] };
    for info in from.list(&historic()?)? {
        // Removed since it was listed.
        let Some(note) = from.read(&info.path)? else { continue };
        let Some(id) = info.path.as_str().strip_prefix(HISTORIC_PREFIX) else { continue };
        let step = match session(&note.content) {
            Ok(record) => {
                let (path, id) = (info.path.clone(), id.to_owned());
                let updated_at = record.updated_at;
                found.candidates.push(Candidate { id, path, record });
                Step::Found { path: info.path, updated_at }
            }
            Err(why) => {
                tracing::warn!(path = %info.path, why, "Skipping a historic session");
                found.skipped += 1;
                Step::Skipped { path: info.path, why }
            }
        };
        found.steps.push(step);
    }
    let pointer = NotePath::new(CURRENT_SESSION).map_err(NotesError::from)?;
    if let Some(note) = from.read(&pointer)? {
        found.pointed = pointed(&note.content);
        found.pointer = Some(pointer);
    }
    Ok(found)
}

/// Whether older programs left sessions, or a migration was not finished.
pub(crate) fn has_historic_sessions(notes: &dyn Notes) -> Result<bool, ProjectError> {
    let pointer = NotePath::new(CURRENT_SESSION).map_err(NotesError::from)?;
    Ok(!notes.list(&historic()?)?.is_empty() || notes.read(&pointer)?.is_some())
}

/// Where the context of an agent in a session was.
pub(super) fn agent_context(id: &str, agent: &str) -> Option<NotePath> {
    NotePath::new(format!("session-{id}-agent-{agent}")).ok()
}

pub(super) fn is_json(content: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(content).is_ok()
}

fn historic() -> Result<Pattern, NotesError> {
    Ok(Pattern::new(&format!("{HISTORIC_PREFIX}*"))?)
}

/// A historic session as a record, without its id.
fn session(content: &str) -> Result<Record, String> {
    let value: Value = serde_json::from_str(content).map_err(|e| format!("is no JSON: {e}"))?;
    let Value::Object(mut map) = value else { return Err("is no JSON object".to_owned()) };
    if map.get("deleted") == Some(&Value::Bool(true)) {
        return Err("is deleted".to_owned());
    }
    map.remove("sessionId");
    Record::try_from(Value::Object(map)).map_err(|e| format!("is no session: {e}"))
}

/// The id in a pointer: `{"sessionId": …}`, a JSON text, or the bare id.
fn pointed(content: &str) -> Option<String> {
    let id = match serde_json::from_str(content) {
        Ok(Value::Object(map)) => map.get("sessionId")?.as_str()?.to_owned(),
        Ok(Value::String(id)) => id,
        _ => content.trim().to_owned(),
    };
    Some(id.strip_prefix(HISTORIC_PREFIX).map(str::to_owned).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_in_each_of_its_forms() {
        for content in
            ["abc", " abc\n", "\"abc\"", "{\"sessionId\": \"abc\"}", "sessions/session-abc"]
        {
            assert_eq!(pointed(content).as_deref(), Some("abc"), "{content}");
        }
        assert_eq!(pointed("{}"), None);
        assert_eq!(pointed("123").as_deref(), Some("123"), "an id of digits");
    }
}
