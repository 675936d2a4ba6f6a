//! The words of which a key takes one.

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $word:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub(in crate::file) enum $name { $($(#[doc = $doc])* $word),* }
    };
}

words! {
    /// Whether a task has a session.
    SessionMode {
        /// It has one of its own.
        Own,
        /// It is a group.
        None,
    }
}

words! {
    /// The order of children.
    Order {
        /// At once.
        Parallel,
        /// One after another: each sees what the one before landed.
        Sequence,
    }
}

words! {
    /// Which children land.
    Land {
        /// Each by its own result.
        Each,
        /// All when all succeed; else none, and the task fails.
        All,
        /// Of those that succeed, the one with the highest `metric`; none: the task fails.
        Best,
    }
}

words! {
    /// What becomes of paths that others changed as well.
    Policy {
        /// Nothing lands.
        Reject,
        /// What nobody could dispute is merged.
        Merge,
        /// The session's are taken.
        LastWriteWins,
    }
}

words! {
    /// What a landing validates.
    Isolation {
        /// What was written.
        Snapshot,
        /// What was read as well.
        Serializable,
    }
}

words! {
    /// What a session sees of its base.
    Lower {
        /// The base as of the last landing.
        Live,
        /// A private copy.
        Frozen,
    }
}

words! {
    /// A failure that another attempt may mend.
    Mendable {
        /// Others changed the same; the next attempt begins on the new base.
        Conflict,
        /// A step said that it failed.
        Failed,
        /// A limit, a trap, a time-out.
        Stopped,
        /// The landing was refused or failed.
        Refused,
        /// A gate said no.
        Rejected,
    }
}

words! {
    /// What a run may do beyond working on its files.
    Grant {
        /// Begin sessions of its own.
        SessionFs,
        /// Change `.git`.
        Vcs,
        /// Read and write the project's record and notes, as the session has them.
        ProjectRecord,
    }
}
