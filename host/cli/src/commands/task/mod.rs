//! Commands on tasks.
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod list;
mod live;
pub(crate) mod logs;
pub(crate) mod prune;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod submit;
mod told;
pub(crate) mod wait;

pub(crate) use told::{Called, event, lines};
