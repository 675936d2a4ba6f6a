//! Commands on tasks.
pub(crate) mod check;
pub(crate) mod schema;
