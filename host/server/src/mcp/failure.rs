//! What a tool answers when it does not succeed: a result that an assistant can read and act on,
//! never an error of the protocol.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use super::json::Conflict;

/// Why a tool did not succeed.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    /// The stable code, as the command line has it.
    pub(super) code: String,
    pub(super) message: String,
    /// The next step, by tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    #[serde(flatten)]
    pub(super) about: Box<About>,
}

/// What a failure is about.
#[derive(Debug, Default, Serialize)]
pub(super) struct About {
    pub(super) paths: Vec<String>,
    pub(super) conflicts: Vec<Conflict>,
    /// The same for a person.
    #[serde(skip)]
    each: Vec<String>,
    /// What there is all the same: how a run went that did not succeed.
    #[serde(skip)]
    pub(super) document: Option<Value>,
}

impl Failure {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: one_line(&message.into()),
            hint: None,
            about: Box::default(),
        }
    }

    /// A failure from a typed error. Its text is `CODE: what happened; the next step`, and that
    /// step is for the command line: where there is one by tools, it is said instead.
    pub(super) fn typed(code: &str, error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix(code).and_then(|t| t.strip_prefix(": ")).unwrap_or(&text);
        let (what, next) = match text.rsplit_once("; ") {
            Some((what, next)) => (what, Some(next)),
            None => (text, None),
        };
        let mut failure = Self::new(code, what);
        failure.hint = by_tools(code).or(next).map(str::to_owned);
        failure
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn path(mut self, path: impl Into<String>) -> Self {
        self.about.paths.push(path.into());
        self
    }

    /// Paths that both sides changed.
    fn of_conflicts(what: &str, conflicts: &[brio_host::Conflict]) -> Self {
        let n = conflicts.len();
        let paths = if n == 1 { "path" } else { "paths" };
        Self::new("CONFLICT", format!("{what} {n} {paths}")).conflicts(conflicts)
    }

    fn conflicts(mut self, conflicts: &[brio_host::Conflict]) -> Self {
        self.about.paths = conflicts.iter().map(|c| c.path.to_string()).collect();
        self.about.conflicts = conflicts.iter().map(Conflict::from).collect();
        self.about.each = conflicts.iter().map(|c| one_line(&c.to_string())).collect();
        self
    }

    /// As the result of a call: a text for the assistant, and the same as JSON.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut text = format!("{}: {}", self.code, self.message);
        for conflict in &self.about.each {
            text.push_str(&format!("\n  {conflict}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        let mut document = self.about.document.clone().unwrap_or_else(|| serde_json::json!({}));
        if let (Some(object), Ok(error)) = (document.as_object_mut(), serde_json::to_value(&self)) {
            object.insert("error".into(), error);
        }
        // Not as structured content: that has the shape of a success, and clients check it.
        CallToolResult::error(vec![
            ContentBlock::text(text),
            ContentBlock::text(document.to_string()),
        ])
    }
}

/// The next step after an error, by the tools that there are here.
fn by_tools(code: &str) -> Option<&'static str> {
    Some(match code {
        "SESSION_UNKNOWN" => "session_list shows the sessions that are open",
        "SESSION_AMBIGUOUS" => "give more of the id; session_list shows them",
        "SESSION_ENDED" => "begin a new one with session_begin",
        "NO_CURRENT" => "session_list shows the open ones, session_begin starts one",
        "SESSION_BUSY" => {
            "an agent or a command works in it: reading works meanwhile; wait and call again, or \
             work in a session of your own (session_begin)"
        }
        "NO_DOMAIN" => "nothing has begun or landed there yet; session_begin starts a session",
        "OPEN_CHILDREN" => "commit or roll them back first, or give `cascade`",
        "TOO_MANY_SESSIONS" => "end sessions that nobody needs: session_list, rollback",
        "CONFLICT" => {
            "nothing landed and the session is kept: commit with the policy `merge` lands what can \
             be merged, `last-write-wins` lands this session's side whatever stands there; resolve \
             brings it onto the base as it is now; rollback throws it away"
        }
        "UNDO_CONFLICT" => {
            "the base is as it was: the policy `merge` takes back what touches no later change, \
             `last-write-wins` puts back what was there before"
        }
        "UNRESOLVED" => {
            "edit what the markers (<<<<<<<, >>>>>>>) enclose, or resolve with `take`, then commit"
        }
        "NO_CONFLICT" => "leave it out of `take`: session_show lists conflicts as `drift`",
        "CHECKPOINT_EXISTS" => "give another name, or `delete` that one first",
        "CHECKPOINT_UNKNOWN" => "session_show lists its checkpoints",
        "LANDING_UNKNOWN" => "log lists the landings",
        "AGENT_UNKNOWN" => {
            "give a bundled agent's name, or a .wasm file below one of this server's bases"
        }
        "NOT_FOUND" => "list_directory and search show what is there",
        "IS_DIRECTORY" => "list_directory shows what it holds",
        "NOT_DIRECTORY" => "read_file reads a file; list_directory shows what is there",
        "NOT_EMPTY" => "remove what it holds first",
        "INVALID_PATH" => "paths are relative to the session, such as src/main.rs; `.` is its root",
        "NOT_PERMITTED" => "its mode forbids it, or it is in .git, which sessions do not change",
        "NOT_TEXT" => "read_file without lines gives it as base64, write_file takes that",
        "INVALID_RANGE" => "first_line counts from 1 and is not after last_line",
        "TOO_LARGE" => "read it in ranges (first_line, last_line), or search in it",
        "NO_MATCH" => "read the file again and give old_text exactly as it is there",
        "NOTE_UNKNOWN" => "list_notes shows what notes there are; write_note makes one",
        "NOTE_CHANGED" => {
            "read_note shows what it says now; write it again with the version that it has then"
        }
        "NOTE_CORRUPT" => "note_history shows its earlier versions; write_note makes it anew",
        "RECORD_CORRUPT" => {
            "note_history of sessions/session shows earlier versions: write_note one of them, or \
             remove_note it to begin anew"
        }
        "CONTEXT_INVALID" => "save_agent_context replaces it",
        "AMBIGUOUS" => "give more of the text around the place, or set replace_all",
        _ => return None,
    })
}

/// Joins lines.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

macro_rules! from_typed {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Self::typed(e.code(), &e)
            }
        }
    )*};
}

from_typed! {
    brio_host::BeginError, brio_host::CheckpointError, brio_host::DomainError, brio_host::FindError, brio_host::LeaseError,
    brio_host::PatchError, brio_host::RegistryError, brio_host::RollbackError,
    brio_host::RunError, brio_host::SessionError,
    brio_host::project::NotesError, brio_host::project::OpenProjectError,
    brio_host::project::ProjectError,
}

impl From<brio_host::project::PathError> for Failure {
    fn from(e: brio_host::project::PathError) -> Self {
        brio_host::project::NotesError::from(e).into()
    }
}

impl From<brio_host::project::AgentNameError> for Failure {
    fn from(e: brio_host::project::AgentNameError) -> Self {
        Self::typed("AGENT_NAME_INVALID", &e)
    }
}

impl From<brio_host::FileToolError> for Failure {
    fn from(e: brio_host::FileToolError) -> Self {
        Self::typed(e.code(), &e).path(e.path())
    }
}

impl From<&brio_host::CommitError> for Failure {
    fn from(e: &brio_host::CommitError) -> Self {
        use brio_host::CommitError as E;
        if let E::Conflict { conflicts, .. } = e {
            let mut failure = Self::of_conflicts("Concurrent modification detected in", conflicts);
            failure.hint = by_tools("CONFLICT").map(str::to_owned);
            return failure;
        }
        if let E::Cascade { landed, source } = e {
            let mut failure = Self::from(&**source);
            let landed: Vec<_> = landed.iter().map(ToString::to_string).collect();
            failure.message +=
                &format!("; landed in their parents before that: {}", landed.join(", "));
            return failure;
        }
        let mut failure = Self::typed(e.code(), e);
        if let E::Unresolved { marked, .. } = e {
            failure.about.paths = marked.iter().map(ToString::to_string).collect();
        }
        failure
    }
}

impl From<brio_host::ResolveError> for Failure {
    fn from(e: brio_host::ResolveError) -> Self {
        match &e {
            brio_host::ResolveError::Choose { conflicts, .. } => {
                let mut failure = Self::of_conflicts("Somebody must choose for", conflicts);
                failure.hint = Some("nothing changed: name each of them in `take`".to_owned());
                failure
            }
            brio_host::ResolveError::Commit(e) => Self::from(e),
            _ => Self::typed(e.code(), &e),
        }
    }
}

impl From<&brio_host::UndoError> for Failure {
    fn from(e: &brio_host::UndoError) -> Self {
        if let brio_host::UndoError::Commit(e) = e {
            return Self::from(e);
        }
        Self::typed(e.code(), e).conflicts(e.conflicts())
    }
}
