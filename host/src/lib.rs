//! Embed Brio: branch a directory, let an agent work in the branch, land it or throw it away.
//!
//! ```
//! use brio_host::{Brio, Metadata, SessionGuard};
//! # let dir = tempfile::tempdir()?;
//! # let (home, base) = (dir.path().join("home"), dir.path().join("base"));
//! # std::fs::create_dir(&base)?;
//! let brio = Brio::open(home)?;
//! let session = brio.begin(&base, Metadata::default())?;
//! let guard = SessionGuard::new(session);
//! // … an agent works in it; if this scope ends before the commit, it is rolled back …
//! let landed = guard.commit()?;
//! assert_eq!(landed.landing, None, "nothing had changed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | `brio`, `builder` | opening Brio: the home, the index, the engine |
//! | `binds` | what a session shows beside itself |
//! | `session` | one session: look, write, commit, roll back; `finding` it again by a prefix |
//! | `domains`, `agents` | what stays open, and loaded, for whoever comes next |
//! | `listing` | every session of every domain |
//! | `guard`, `wrapper`, `manager` | sessions that end themselves, and who holds which |
//! | `source`, `run`, `inputs`, `plain`, `guest` | an agent, and one in a session; its files; as a plain directory; the sessions it may begin |
//! | `agent_check` | what an agent imports and exports, and whether it would run |
//! | `scaffold` | a project for an agent of one's own |
//! | `network`, [`net`] | what a run reaches of the network |
//! | `mounted` | a session as a directory that stays |
//! | `exec` | a native command in a session |
//! | `task` | a session per task |
//! | `supervise`, [`tasks`] | tasks with steps, children and gates, carried to one end |
//! | `metrics`, `observe` | what this process did, in figures, and as spans |
//! | `patch` | what a session changed, as a diff |
//! | `history` | what landed: listing, undoing, forgetting |
//! | `doctor` | what a base and this machine are like |
//! | `recovery` | finishing what a crash left, adopting a copied base |
//! | `store`, [`stores`] | projects in stores that many machines share |
mod agent_check;
mod agents;
mod binds;
mod brio;
mod builder;
mod bundled;
mod conflicts;
mod current;
mod directory;
mod doctor;
mod domains;
mod error;
mod events;
mod exec;
mod finding;
mod guard;
mod guest;
mod history;
mod inputs;
mod journal;
mod kill;
#[cfg(unix)]
mod leased;
#[cfg(unix)]
mod lent;
mod listing;
mod manager;
mod metadata;
mod metrics;
#[cfg(target_os = "linux")]
mod mounted;
mod nested;
mod network;
mod observe;
mod patch;
mod pending;
mod plain;
mod purge;
mod record;
mod recovery;
mod remotes;
mod reuse;
mod run;
mod sandbox;
mod scaffold;
mod scratch;
mod session;
mod source;
mod store;
mod supervise;
mod task;
mod tend;
mod usage;
mod workers;
mod wrapper;

/// Hosts, secrets and limits that a run is granted, and what is left of its requests.
pub mod net {
    pub use brio_runtime::net::{
        AllowHost, Host, HostError, NetError, NetLimit, NetLimits, RequestRecord, Scheme, Secret,
        SecretError, SecretSource, SecretSpec, Trust, TrustError,
    };
}

/// The project's record, what its agents knew last, and its notes.
pub mod project {
    pub use brio_landing::{NotesAt, NotesAtError, NotesServer};
    pub use brio_mcp_notes::ServerError;
    pub use brio_project::*;

    pub use crate::record::OpenProjectError;
}

/// Projects in stores that many machines share.
pub mod stores {
    pub use brio_landing::{OnHead, StoreBinding, StoreBindingError, Synced};
    pub use brio_share::{ShareError, Updated};
    #[cfg(target_os = "linux")]
    pub use brio_store::worktree::{
        Change, CheckedOut, Drift, Drifted, Noticed, Progress, Told, Watch, WorktreeError,
    };
    pub use brio_store::{
        Compression, Counts, Damage, Dead, Error, Finding, FsckOptions, FsckProgress, FsckReport,
        GRACE_MIN, GcOptions, GcProgress, GcReport, Hash, Mend, Need, Root, Severity, Tally,
    };

    pub use crate::store::{Bound, HeadInfo, InitStore, ProjectHere, Pushed, Standing};
    #[cfg(target_os = "linux")]
    pub use crate::store::{CheckoutRequest, ImportOptions, Imported, StoreStatus};
}

/// What a task is made of, and what becomes of it.
pub mod tasks {
    pub use brio_registry::queue::{Decision, Job, JobCounts, JobState};
    pub use brio_supervisor::*;
}

pub use agent_check::AgentCheck;
pub use brio::Brio;
pub use brio_confine::{Report as RoomReport, RoomError};
pub use brio_landing::{
    Access, Adopted, Applied, ApplyError, BEFORE_RESTORE, BadDigest, BadIsolation, BadPolicy,
    BadTake, BeginError, BeginOptions, Bind, BindAccess, BindError, BindSource, Blame, BlameError,
    BlameLine, Boundary, BoundaryKind, CheckpointError, CheckpointInfo, Collected, CommitError,
    CommitOptions, Conflict, Decision, DecisionRef, Digest, DomainError, Figures, FrozenInfo,
    GcOptions, Gone, Inspection, Isolation, JournalEntry, JournalError, JournalKind, JournalLine,
    JournalReader, Kept, Landed, LandedNotes, LeaseError, LeaseStatus, Log, LogEntry, LowerInfo,
    LowerOptions, Metadata, Method, Moved, MovedBy, NotUsed, Operation, Origin, PendingNotes,
    Policy, Probe, Quota, RebaseOptions, Rebased, RecoverError, Recovered, ResolveError,
    ResolveOptions, Resolved, Retention, RollbackError, RolledBack, RunId, RunInfo, RunTag, Seal,
    SealedParent, SessionDebug, SessionError, SessionFile, SessionId, SessionInfo, SessionNotes,
    SessionRecord, Short, Side, Sides, SpaceGuards, State, StopOptions, Stopped, Take, Theirs,
    TreeInfo, UndoError, UndoOptions, Unmerged, WantedLower, Warning, What, Writer, change_word,
    check_reflink_support,
};
pub use brio_registry::{RegistryError, SessionRow};
pub use brio_runtime::{
    AgentErrorInfo, AgentKind, Captured, EngineError, ExportInfo, FileEntry, FileToolError,
    FileTools, Finding, ImportInfo, Limit, LoadError, Metric, Outcome, Output, RunLimits,
    RunReport, Severity, StopToken, TaskOutput, Usage, Verdict, WasmFormat,
};
pub use brio_session::{
    Change, ChangeKind, ChangeSet, Content, Door, FileHandle, Fixed, FsError, FsResult, Handle,
    Kind, Lender, Lent, Lower, Meta, OpenOptions, RelPath, STATE_DIR, Time, View, ViewOptions,
};
pub use builder::{BrioBuilder, SessionLimits};
pub use bundled::{Bundled, bundled, bundled_agent};
pub use current::CURRENT;
pub use directory::{
    DirectoryError, ExportError, ExportOptions, Exported, Import, ImportError, ImportOptions,
    Progress, Watch,
};
pub use doctor::{Choice, Diagnosis};
pub use error::{FindError, OpenError, RunError};
pub use events::{SessionEvent, SessionEvents};
pub use exec::{Confinement, ExecEnd, ExecError, ExecReport, ExecRequest, ShownAs};
pub use guard::SessionGuard;
pub use inputs::InputError;
pub use kill::{KillEnding, KillOptions, Killed};
#[cfg(unix)]
pub use lent::{LandingViewError, LentSession};
pub use listing::{ListFilter, Listed};
pub use manager::{ActiveSession, KillError, SessionLease, SessionManager};
pub use metadata::SessionMetadata;
pub use metrics::{Counts, Histogram, Metrics};
#[cfg(target_os = "linux")]
pub use mounted::{MountOptions, Mounted, SessionMountError};
pub use network::{NetGrants, missing_hosts};
pub use patch::{PatchCounts, PatchError, PatchKind, PatchLine, Patches};
pub use plain::PlainError;
pub use purge::{PurgeFilter, Purgeable, Purged, Spared};
pub use reuse::Begun;
pub use run::{Ending, Grants, Place, Ran, Role, RunRequest, TellSession};
pub use sandbox::{BadSandbox, Enforced, Sandbox, probe_sandbox};
pub use scaffold::{AgentProject, BadName, Language, ProjectError};
pub use session::SessionHandle;
pub use source::AgentSource;
pub use store::{LOCAL, StoreEnv, StoreError, StoreSettings};
pub use supervise::{
    Events, Pruned, SuperviseError, Supervisor, TaskRun, WorkOptions, outcome as outcome_of,
};
#[cfg(unix)]
pub use supervise::{Health, ServerState, Subscription, Update};
pub use task::{AgentContext, TaskRequest, TaskResult};
pub use tend::{Tended, TendedBase, Tending};
pub use wrapper::WorkError;

/// Becomes the helper of a room, or a worker, if this process was started as one; returns at once
/// otherwise. The first thing in the `main` of every program that runs commands in sessions, or
/// agents in processes of their own.
pub fn enter_room_if_asked() {
    #[cfg(target_os = "linux")]
    brio_confine::enter_if_asked_with(brio_runtime::enter_worker);
    #[cfg(not(target_os = "linux"))]
    brio_confine::enter_if_asked();
}
