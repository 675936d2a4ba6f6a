//! Between this crate's types and those on the wire: the one place that knows both.

use std::path::PathBuf;

use crate::bindings::common::brio::core::{session as wire_session, session_tools, types as wire};
use crate::session::{Change, ChangeKind, ChangedType, Metadata, SessionError, State, Status};
use crate::tools::{Entry, EntryKind, ToolError};
use crate::{AgentError, Finding, Severity, TaskContext, TaskOutput, Verdict};

impl From<wire::TaskContext> for TaskContext {
    fn from(task: wire::TaskContext) -> Self {
        Self {
            task_id: task.task_id,
            description: task.description,
            input_files: task.input_files.into_iter().map(PathBuf::from).collect(),
            session_id: task.session_id,
        }
    }
}

impl From<TaskOutput> for wire::TaskOutput {
    fn from(output: TaskOutput) -> Self {
        let metrics = output.metrics.into_iter().map(|(name, value)| wire::Metric { name, value });
        Self { summary: output.summary, metrics: metrics.collect() }
    }
}

impl From<AgentError> for wire::AgentError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::InvalidTask(text) => Self::InvalidTask(text),
            AgentError::Failed(text) => Self::Failed(text),
            AgentError::CheckFailed(text) => Self::CheckFailed(text),
            AgentError::Conflict(text) => Self::Conflict(text),
            AgentError::Io { path, message } => Self::Io(wire::IoFailure {
                path: path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
                message,
            }),
        }
    }
}

impl From<Verdict> for wire::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            approved: verdict.approved,
            comments: verdict.comments,
            findings: verdict.findings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Finding> for wire::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Note => wire::Severity::Note,
                Severity::Warning => wire::Severity::Warning,
                Severity::Error => wire::Severity::Error,
            },
            rule: finding.rule,
            message: finding.message,
            path: finding.path.map(|path| path.to_string_lossy().into_owned()),
            line: finding.line,
        }
    }
}

impl From<session_tools::DirectoryEntry> for Entry {
    fn from(entry: session_tools::DirectoryEntry) -> Self {
        Self {
            name: entry.name,
            kind: match entry.kind {
                session_tools::EntryKind::File => EntryKind::File,
                session_tools::EntryKind::Directory => EntryKind::Directory,
                session_tools::EntryKind::Symlink => EntryKind::Symlink,
                session_tools::EntryKind::Other => EntryKind::Other,
            },
            size: entry.size,
        }
    }
}

impl From<session_tools::ToolError> for ToolError {
    fn from(error: session_tools::ToolError) -> Self {
        use session_tools::ToolError as Wire;
        match error {
            Wire::NotFound(path) => Self::NotFound(path),
            Wire::IsDirectory(path) => Self::IsDirectory(path),
            Wire::NotDirectory(path) => Self::NotDirectory(path),
            Wire::NotEmpty(path) => Self::NotEmpty(path),
            Wire::InvalidPath(path) => Self::InvalidPath(path),
            Wire::NotPermitted(path) => Self::NotPermitted(path),
            Wire::NotText(path) => Self::NotText(path),
            Wire::InvalidRange(path) => Self::InvalidRange(path),
            Wire::TooLarge(path) => Self::TooLarge(path),
            Wire::NoMatch(path) => Self::NoMatch(path),
            Wire::Ambiguous(found) => Self::Ambiguous { path: found.path, matches: found.matches },
            Wire::NoSpace(path) => Self::NoSpace(path),
            Wire::Failed(failure) => Self::Failed { path: failure.path, message: failure.message },
        }
    }
}

impl From<wire_session::SessionStatus> for Status {
    fn from(status: wire_session::SessionStatus) -> Self {
        Self {
            state: match status.state {
                wire_session::SessionState::Open => State::Open,
                wire_session::SessionState::Committing => State::Committing,
                wire_session::SessionState::Conflicted => State::Conflicted,
                wire_session::SessionState::Landed => State::Landed,
                wire_session::SessionState::RolledBack => State::RolledBack,
            },
            parent: status.parent,
            open_children: status.open_children,
            base_landing: status.base_landing,
        }
    }
}

impl From<wire_session::Change> for Change {
    fn from(change: wire_session::Change) -> Self {
        Self {
            path: change.path,
            kind: match change.kind {
                wire_session::ChangeKind::Added => ChangeKind::Added,
                wire_session::ChangeKind::Modified => ChangeKind::Modified,
                wire_session::ChangeKind::Removed => ChangeKind::Removed,
            },
            changed_type: match change.changed_type {
                wire_session::ChangedType::File => ChangedType::File,
                wire_session::ChangedType::Directory => ChangedType::Directory,
                wire_session::ChangedType::Symlink => ChangedType::Symlink,
            },
            size: change.size,
        }
    }
}

impl From<wire_session::SessionMetadata> for Metadata {
    fn from(metadata: wire_session::SessionMetadata) -> Self {
        Self {
            session_id: metadata.session_id,
            goal: metadata.goal,
            agent: metadata.agent,
            task_id: metadata.task_id,
            created_at_ms: metadata.created_at,
            path: metadata.path.map(PathBuf::from),
        }
    }
}

impl From<wire_session::SessionError> for SessionError {
    fn from(error: wire_session::SessionError) -> Self {
        use wire_session::SessionError as Wire;
        match error {
            Wire::Unknown(id) => Self::Unknown(id),
            Wire::Ended(id) => Self::Ended(id),
            Wire::SnapshotGone(id) => Self::SnapshotGone(id),
            Wire::Failed(failure) => {
                Self::Failed { session_id: failure.session_id, message: failure.message }
            }
        }
    }
}
