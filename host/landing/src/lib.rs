//! Domains, landings and recovery: how a branch becomes part of its base, wholly or not at all.
//!
//! A [`Domain`] is a base directory with its state `.brio/`; a [`Session`] is a branch of it;
//! [`Domain::commit`] lands it. What lies on disk, and why a crash at any point leaves the
//! base wholly old or wholly new, is in `FORMAT.md` beside this crate.
//!
//! ```
//! use brio_landing::{BeginOptions, CommitOptions, Domain, OpenOptions};
//! use brio_session::{OpenOptions as Open, Handle, ViewOptions};
//! # let base = tempfile::tempdir()?;
//! let (domain, subdir) = Domain::open(base.path(), OpenOptions::default())?;
//! let session = domain.begin(BeginOptions { subdir, ..Default::default() })?;
//! let writer = session.writer("example", ViewOptions::default())?;
//! let create = Open { write: true, create: true, ..Default::default() };
//! if let Handle::File(f) = writer.view().open_at(&writer.view().root(), b"hello", &create)? {
//!     f.write_at(b"hello", 0)?;
//! }
//! writer.finish()?;
//! assert!(!base.path().join("hello").exists());
//! domain.commit(session.id(), CommitOptions::default())?;
//! assert_eq!(std::fs::read(base.path().join("hello"))?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Map: `domain` (open, claim, adopt), `seat`, `shelf` (where its state lies) · `begin`, `filled`, `session`, `lease` · `frozen`, `history` (the
//! base as of a landing), `lower` (a copy of it, and excludes) · `commit` = `facts`, `plan`,
//! `reads`, `stage`, `preflight`, `seal`, `apply`, `abort`, `finish` · `recover`, `judge` · `policy`, `merge`,
//! `versions`, `rebase`, `replay`, `resolve`, `onto`, `onto_tree`, `transfer` · `seal` · `elsewhere` · `nesting`,
//! `cascade`, `notes`, `notes_at`, `store_binding`, `binds`, `checkpoint`, `rollback`, `gc`, `journal`, `words`, `manifest`.
#![cfg(target_os = "linux")]

mod access;
mod acl;
mod against;
mod apply;
mod batch;
mod begin;
mod binds;
mod blame;
mod busy;
mod cascade;
mod checkpoint;
mod claim;
mod commit;
mod conflict;
mod create;
mod current;
mod diagnose;
mod digest;
mod discover;
mod disk;
mod domain;
mod draft;
mod elsewhere;
mod errors;
mod facts;
mod filled;
mod finish;
mod flat;
mod flush;
mod frozen;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gc;
mod git;
mod heads;
mod history;
mod home;
mod id;
mod info;
mod inspect;
mod intent;
mod isolation;
mod journal;
mod journal_kind;
mod journal_reader;
mod judge;
mod layers;
mod lease;
mod lines;
mod lock;
mod log;
mod look;
mod lower;
mod manifest;
mod merge;
mod merge_text;
mod meta;
mod nesting;
mod notes;
mod notes_at;
mod onto;
mod onto_tree;
mod operations;
mod options;
mod plan;
mod policy;
mod preflight;
mod preimage;
mod quota;
mod reads;
mod rebase;
mod recover;
mod replay;
mod resolve;
mod rollback;
mod run;
mod seal;
mod seat;
mod seq;
mod session;
mod shelf;
mod stage;
mod state;
mod store_binding;
mod support;
mod tidy;
mod transfer;
mod undo;
mod undone;
mod versions;
mod words;
mod writer;

pub use access::Access;
pub use binds::{Bind, BindAccess, BindSource, check_target};
pub use blame::{Blame, BlameError, BlameLine, Origin};
pub use checkpoint::{BEFORE_RESTORE, CheckpointError, CheckpointInfo};
pub use conflict::{Conflict, Side, Sides, Theirs, What, change_word};
pub use diagnose::{SessionDebug, SessionFile};
pub use digest::{BadDigest, Digest};
pub use domain::Domain;
pub use draft::{Draft, Reading};
pub use elsewhere::Elsewhere;
pub use errors::{
    ApplyError, BeginError, BindError, Boundary, BoundaryKind, CommitError, DomainError, HostError,
    JournalError, LeaseError, LostSession, RecoverError, RefusedWhy, ResolveError, RollbackError,
    SessionError, Short, Unsupported,
};
pub use gc::Collected;
pub use heads::{HeadError, Heads, OnHead};
pub use id::{BadSessionId, SessionId};
pub use info::{
    Adopted, Kept, Landed, LeaseStatus, Recovered, RolledBack, SessionInfo, SessionRecord, State,
    Warning,
};
pub use inspect::{Inspection, Probe, inspect};
pub use isolation::{BadIsolation, Isolation};
pub use journal::Entry as JournalEntry;
pub use journal_kind::JournalKind;
pub use journal_reader::{JournalLine, JournalReader};
pub use log::{Log, LogEntry, LogFilter};
pub use lower::{
    FrozenInfo, LowerInfo, LowerOptions, Method, NotUsed, SpaceGuards, TreeInfo, Trees,
    WantedLower, check_reflink_support,
};
pub use merge::Unmerged;
pub use meta::{LandingAttempt, Pushed};
pub use notes::{LandedNotes, NotesOptions, PendingNotes, SessionNotes};
pub use notes_at::{NotesAt, NotesAtError, NotesServer};
pub use onto::Rebased;
pub use options::{
    BadPolicy, BeginOptions, CommitOptions, GcOptions, Metadata, OpenOptions, Policy, Quota,
    RebaseOptions, Retention, system_time,
};
pub use resolve::{BadTake, ResolveOptions, Resolved, Take};
pub use run::{Figures, Operation, RunId, RunInfo, RunTag, StopOptions, Stopped};
pub use seal::{Moved, MovedBy, Seal, SealedParent};
pub use seat::Gone;
pub use session::{Session, SessionMark};
pub use store_binding::{StoreBinding, StoreBindingError, Synced};
pub use transfer::Applied;
pub use undo::{UndoError, UndoOptions};
pub use words::{Decision, DecisionRef};
pub use writer::Writer;
