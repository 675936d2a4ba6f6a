//! Layers, views and change sets: a copy-on-write branch of a directory, answered from layers.
//!
//! ```
//! use std::sync::Arc;
//! use brio_session::{DirLower, Handle, OpenOptions, View, ViewOptions};
//! # use cap_std::{ambient_authority, fs::Dir};
//! # let tmp = tempfile::tempdir()?;
//! # std::fs::create_dir_all(tmp.path().join("base"))?;
//! # std::fs::create_dir_all(tmp.path().join("layer"))?;
//! std::fs::write(tmp.path().join("base/a.txt"), "as it was")?;
//! let base = Dir::open_ambient_dir(tmp.path().join("base"), ambient_authority())?;
//! let layer = Dir::open_ambient_dir(tmp.path().join("layer"), ambient_authority())?;
//! View::create_layer(&layer, &Default::default())?;
//! let view = View::open(layer, Arc::new(DirLower::new(base)), ViewOptions::default())?;
//! let how = OpenOptions { write: true, truncate: true, ..Default::default() };
//! let Handle::File(f) = view.open_at(&view.root(), b"a.txt", &how)? else { unreachable!() };
//! f.write_at(b"as it will be", 0)?;
//! assert_eq!(view.changes()?.changes.len(), 1);
//! assert_eq!(std::fs::read(tmp.path().join("base/a.txt"))?, b"as it was");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`View`] is the live branch; [`Lower`] is what lies under it; [`Sealed`] layers make a
//! chain of lowers; [`ChangeSet`] is what a landing lands; every change of a disk passes a
//! [`Door`]. No wasm, network, async or database: see `ARCHITECTURE.md`.

mod changes;
mod copy;
#[cfg(unix)]
mod direct;
mod door;
mod error;
mod file;
mod handle;
pub mod hostdir;
mod io;
mod lend;
mod listings;
mod log;
mod lower;
mod meta;
mod node;
mod ops;
mod path;
mod promote;
mod reads;
mod rename;
mod resolve;
mod sealed;
mod source;
mod state;
mod switch;
mod tracked;
mod tree;
mod view;

pub use changes::{Change, ChangeKind, ChangeSet, Content};
pub use copy::copy_content;
#[cfg(unix)]
pub use direct::{Direct, DirectDir, DirectFile, DirectHandle, DirectOptions};
pub use door::{Door, Hook, Op, Verdict, is_stop};
pub use error::{FsError, FsResult};
pub use file::FileHandle;
pub use handle::{DirHandle, Handle, OpenOptions};
pub use hostdir::DirLower;
pub use lend::{Fixed, Lender, Lent};
pub use listings::{Listed, Listings};
pub use lower::{DirEntry, Lower, Observations, Observed};
pub use meta::{Fingerprint, Kind, Meta, SetTime, Time};
pub use node::NodeHandle;
/// The permission bits that a view gives to new files.
pub const NEW_FILE_MODE: u32 = 0o644;
/// The permission bits that a view gives to new directories.
pub const NEW_DIR_MODE: u32 = 0o755;

pub use log::INDEX;
pub use path::{RelPath, STATE_DIR, check_name, from_os, to_os};
pub use reads::{Read, ReadSet, listing_digest};
pub use rename::Rename;
pub use sealed::{Sealed, is_layer_file};
pub use source::{ReadAt, Reader, Source};
pub use switch::NewStack;
pub use tracked::{Notes, Tracked};
pub use view::{Account, Limits, View, ViewOptions, WriteGate};
