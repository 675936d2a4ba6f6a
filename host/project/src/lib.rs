//! A project's record and notes: what survives every session.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//! use brio_project::{DirNotes, DirOptions, Mode, Project, Update};
//! # use cap_std::{ambient_authority, fs::Dir};
//! # let tmp = tempfile::tempdir()?;
//! let dir = Dir::open_ambient_dir(tmp.path(), ambient_authority())?;
//! let notes = DirNotes::open(dir, DirOptions::new(SystemTime::now))?;
//! let project = Project::new(Arc::new(notes), SystemTime::now);
//! let update = Update { mode: Some(Mode::Coding), task: Some("parser".into()), feature: None };
//! assert_eq!(project.set_session(&update)?.version, 1);
//! assert_eq!(project.get_session()?.active_task.as_deref(), Some("parser"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Project`] is the record, one for each project and without an id, and what each agent knew
//! last. It lies in [`Notes`]: [`DirNotes`] are those of a directory (`FORMAT.md`), an
//! [`Overlay`] those of a session over others. [`Record`] and [`Update`] are the pure part;
//! a [`Migration`] makes one record of the sessions with ids that older programs left.
//!
//! Deliberately absent: sessions and landings (who knows both delivers an overlay's changes),
//! wasm, network, async, databases, and a clock of its own. The last write wins, a write that
//! overrode another is counted, and "the notes cannot be reached" never looks like "there is
//! no note".

mod agent;
#[cfg(unix)]
mod dir;
#[cfg(any(test, feature = "legacy"))]
pub mod legacy;
mod migrate;
mod mode;
mod notes;
mod observer;
#[cfg(unix)]
mod overlay;
mod path;
mod project;
mod record;
mod store;
mod timestamp;
mod tombstone;

pub use agent::{AGENTS, AgentName, AgentNameError};
#[cfg(unix)]
pub use dir::{DirNotes, DirOptions};
pub use migrate::{By, MigrateOptions, Migration, RecordStep, Step, Winner};
pub use mode::{Mode, UnknownMode};
pub use notes::{
    MAX_CONTENT, MAX_ORIGIN, Make, Note, NoteInfo, Notes, NotesError, See, Version, WriteOptions,
    Written, check_size,
};
pub use observer::{
    CONFLICTS_HELP, CONFLICTS_METRIC, CONFLICTS_METRIC_ALIAS, Conflict, Observer, Resolution,
};
#[cfg(unix)]
pub use overlay::{Delivered, NoteChange, Overlay, carry, changes, deliver};
pub use path::{MAX_PATH, NotePath, PathDefect, PathError, Pattern};
pub use project::{AGENT_CONTEXT_PREFIX, Project, ProjectError, SESSION_PATH};
pub use record::{ModeChange, Record, RecordError, Update};
pub use timestamp::{Clock, Timestamp, TimestampError};
pub use tombstone::{is_tombstone, tombstone};
