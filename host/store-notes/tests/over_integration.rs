//! What `brio-project` promises of the record and the contexts in their notes, over notes in a store: its own tests.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unexpected_cfgs, reason = "the feature is brio-project's")]

mod common;

// What is taken in looks here for what it stands on.
use common::over::{beneath, over};

#[path = "../../project/tests/integration.rs"]
mod taken_in;
