//! What the host knows, as messages.

use brio_host::{
    Change, ChangeKind, ChangeSet, Conflict, Ending, Kind, LeaseStatus, Meta, Outcome, Policy,
    Theirs, Time, What,
};
use prost::Message as _;

use super::proto;

/// So many changes, and bytes of them, are in one answer: clients refuse those beyond 4 MiB.
const MOST_CHANGES: usize = 10_000;
const MOST_BYTES: usize = 2 << 20;

pub(super) fn kind(kind: ChangeKind) -> proto::ChangeKind {
    match kind {
        ChangeKind::Added => proto::ChangeKind::Added,
        ChangeKind::Modified => proto::ChangeKind::Modified,
        ChangeKind::Removed => proto::ChangeKind::Removed,
        ChangeKind::TypeChanged => proto::ChangeKind::Replaced,
        ChangeKind::MetaOnly => proto::ChangeKind::Metadata,
    }
}

fn version(meta: &Meta) -> proto::FileVersion {
    let kind = match meta.kind {
        Kind::File => proto::FileKind::File,
        Kind::Dir => proto::FileKind::Directory,
        Kind::Symlink => proto::FileKind::Symlink,
        Kind::Other => proto::FileKind::Other,
    };
    // A directory's is its file system's own matter.
    let size = if meta.kind == Kind::Dir { 0 } else { meta.size };
    proto::FileVersion { kind: kind.into(), mode: meta.mode & 0o7777, size }
}

pub(super) fn change(change: &Change) -> proto::FileChange {
    proto::FileChange {
        path: change.path.to_string(),
        kind: kind(change.kind).into(),
        before: change.before.as_ref().map(version),
        after: change.after.as_ref().map(version),
    }
}

/// As many changes as one answer holds, and how many there are beyond.
pub(super) fn changes(set: &ChangeSet) -> (Vec<proto::FileChange>, u64) {
    let mut bytes = 0;
    let mut some = Vec::new();
    for one in set.changes.iter().take(MOST_CHANGES) {
        let one = change(one);
        bytes += one.encoded_len() + 4;
        if bytes > MOST_BYTES {
            break;
        }
        some.push(one);
    }
    let more = (set.changes.len() - some.len()) as u64;
    (some, more)
}

fn ours(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Removed => "removed",
        ChangeKind::TypeChanged => "replaced",
        ChangeKind::MetaOnly => "metadata",
    }
}

pub(super) fn conflict(c: &Conflict) -> proto::ConflictingPath {
    let (landing, session) = match &c.theirs {
        Theirs::Landing { number, session, .. } => (number.to_string(), session.to_string()),
        Theirs::Parent { session, .. } => (String::new(), session.to_string()),
        Theirs::Drift { .. } | Theirs::Busy | Theirs::Head { .. } => Default::default(),
    };
    proto::ConflictingPath {
        path: c.path.to_string(),
        ours: match c.ours {
            Some(kind) => ours(kind),
            None if c.read => "read",
            None => "below",
        }
        .to_owned(),
        by: c.theirs.by().to_owned(),
        theirs: c.theirs.what().map(What::as_str).unwrap_or_default().to_owned(),
        landing,
        session_id: session,
    }
}

/// A state as listings name it.
pub(super) fn state(word: &str) -> proto::SessionState {
    match word {
        "open" => proto::SessionState::Open,
        "committing" => proto::SessionState::Committing,
        "conflicted" => proto::SessionState::Conflicted,
        "dead" => proto::SessionState::Dead,
        "lost" => proto::SessionState::Lost,
        "landed" => proto::SessionState::Landed,
        "rolled-back" => proto::SessionState::RolledBack,
        _ => proto::SessionState::Unspecified,
    }
}

pub(super) fn run(lease: LeaseStatus) -> proto::RunState {
    match lease {
        LeaseStatus::Free => proto::RunState::Free,
        LeaseStatus::Live { .. } => proto::RunState::Live,
        LeaseStatus::Silent { .. } => proto::RunState::Silent,
        LeaseStatus::Dead { .. } => proto::RunState::Dead,
    }
}

pub(super) fn outcome(outcome: Outcome) -> proto::RunOutcome {
    match outcome {
        Outcome::Succeeded => proto::RunOutcome::Succeeded,
        Outcome::Failed => proto::RunOutcome::Failed,
        Outcome::Trapped => proto::RunOutcome::Trapped,
        Outcome::Limited(_) => proto::RunOutcome::Limited,
        Outcome::Killed => proto::RunOutcome::Killed,
        Outcome::Rejected => proto::RunOutcome::Rejected,
    }
}

pub(super) fn result(ending: &Ending) -> proto::RunResult {
    match ending {
        Ending::Landed(_) => proto::RunResult::Landed,
        Ending::Unchanged => proto::RunResult::Unchanged,
        Ending::RolledBack(_) => proto::RunResult::RolledBack,
        Ending::NotLanded(e) if !e.conflicts().is_empty() => proto::RunResult::Conflicted,
        // Kept, or what could not be ended.
        _ => proto::RunResult::Kept,
    }
}

pub(super) fn policy(policy: proto::Policy) -> Policy {
    match policy {
        proto::Policy::Unspecified | proto::Policy::Reject => Policy::Reject,
        proto::Policy::Merge => Policy::Merge,
        proto::Policy::LastWriteWins => Policy::LastWriteWins,
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn millis(t: Time) -> i64 {
    t.secs.saturating_mul(1000).saturating_add(i64::from(t.nanos / 1_000_000))
}
