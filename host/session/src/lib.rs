//! Layers, views and change sets: a copy-on-write branch of a directory, answered from layers.
mod error;
mod meta;
mod path;
pub use error::{FsError, FsResult};
pub use meta::{Fingerprint, Kind, Meta, SetTime, Time};
pub use path::{RelPath, STATE_DIR, check_name, from_os, to_os};
mod door;
mod lower;
pub use door::{Door, Hook, Op, Verdict, is_stop};
pub use lower::{DirEntry, Lower, Observations, Observed};
