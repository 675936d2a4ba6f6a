//! The commands on agents.
pub(crate) mod check;
pub(crate) mod list;
mod listing;
pub(crate) mod new;
