//! What there is one of for a person: the [index](Registry) of sessions and domains, and the
//! [queue](queue::Queue) of what is to be done.
//!
//! # The index: `metadata.db` in the home
//!
//! A session's own directory holds its truth. This is an index over it, so that `brio
//! session list` need not open every domain: it may be deleted at any time and is rebuilt
//! from the domains. It is therefore not synced (`synchronous = NORMAL`): a power cut can
//! lose the newest rows, which the next listing puts back.
//!
//! ```
//! use brio_registry::{Registry, SessionRow};
//! # let dir = tempfile::tempdir()?;
//! let registry = Registry::open(&dir.path().join("metadata.db"))?;
//! registry.upsert(&SessionRow {
//!     id: "sess-0001".into(),
//!     claim: "claim".into(),
//!     base: "/src/project".into(),
//!     state: "open".into(),
//!     goal: Some("tidy up".into()),
//!     agent: None,
//!     task_id: None,
//!     parent: None,
//!     created_at: 0,
//! })?;
//! assert_eq!(registry.find("sess-00")?.map(|row| row.id), Some("sess-0001".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod error;
mod index;
pub mod queue;
mod rows;
mod schema;

pub use error::RegistryError;
pub use index::{Opened, Registry};
pub use rows::{DomainRow, SessionRow};
