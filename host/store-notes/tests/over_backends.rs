//! What `brio-project` promises of every place for notes, over notes in a store: its own tests,
//! and a session's notes over them.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unexpected_cfgs, reason = "the feature is brio-project's")]

mod common;

use std::sync::Arc;

use brio_project::Notes;
use common::over::beneath;

/// Nobody looks into what these tests give: notes in a store take its place.
fn over(_: Arc<dyn Notes>) -> Arc<dyn Notes> {
    common::over::in_store()
}

#[path = "../../project/tests/backends.rs"]
mod taken_in;
