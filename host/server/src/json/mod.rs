//! What the command line's `--json` and the tools of MCP both tell, in one shape. Every field is
//! always there; what is not known is null. Fields may be added, none changes or goes.
mod landings;
mod sessions;

use brio_host::{ChangeKind, Kind};

pub use landings::{Conflict, DecisionRef, Drift, Landing};
pub use sessions::{Checkpoint, Session, run_word};

/// What happened to a path, in one word.
pub fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::TypeChanged => "replaced",
        ChangeKind::MetaOnly => "metadata",
        ChangeKind::Modified => "modified",
    }
}

/// What something is, in a word or two.
pub fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "directory",
        Kind::Symlink => "symlink",
        Kind::Other => "special file",
    }
}
