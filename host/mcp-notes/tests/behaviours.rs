//! What `brio-project` promises of a project and of its notes, over notes that lie on a server:
//! its own tests, with the notes that they look into behind tools of MCP.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unexpected_cfgs, reason = "the feature is brio-project's")]
#![allow(clippy::duplicate_mod, reason = "each file that is taken in brings what they share")]

mod common;

use std::sync::Arc;

use brio_mcp_notes::McpNotes;
use brio_project::*;

#[path = "../../project/tests/backends.rs"]
mod backends;
#[path = "../../project/tests/e2e.rs"]
mod e2e;
#[path = "../../project/tests/integration.rs"]
mod integration;
#[path = "../../project/tests/migration.rs"]
mod migration;
#[path = "../../project/tests/unit.rs"]
mod unit;

/// Notes, and the server that they lie on.
struct Served(McpNotes, #[allow(dead_code, reason = "it ends with the notes")] common::TestServer);

/// What the tests that are taken in stand on.
fn over(notes: Arc<dyn Notes>) -> Arc<dyn Notes> {
    let server = common::TestServer::new(common::Manner::default(), common::tools::full(notes));
    Arc::new(Served(common::notes(&server.url()), server))
}

impl Notes for Served {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        self.0.read(path)
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        self.0.write(path, content, how)
    }

    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        self.0.modify(path, origin, make)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        self.0.list(pattern)
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        self.0.remove(path, how)
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        self.0.history(path)
    }
}
