//! Trees: content-addressed B+ trees from paths to entries (`FORMAT.md`, "Tree").
//!
//! `node` has the bytes, `builder` says where nodes end, `edit` makes a tree from another one,
//! `read` looks things up, `diff` compares.

mod builder;
mod diff;
mod edit;
mod node;
mod path;
mod read;

pub use builder::{Builder, Built, build};
pub(crate) use diff::each_difference;
pub use diff::{Difference, diff, differs_below};
pub use edit::{Edits, edit};
pub use node::{Child, Entry, Items, Node};
pub use path::Key;
pub(crate) use path::shown;
pub use read::{Nodes, Tree};
