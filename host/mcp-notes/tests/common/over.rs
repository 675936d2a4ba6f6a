//! What `brio-project`'s own tests stand on here: the notes that they look into, behind tools of
//! MCP.

use std::sync::Arc;

use brio_mcp_notes::McpNotes;
use brio_project::*;

use super::{Manner, TestServer, tools};

/// Notes, and the server that they lie on.
struct Served(McpNotes, #[allow(dead_code, reason = "it ends with the notes")] TestServer);

/// What the tests that are taken in stand on.
pub fn over(notes: Arc<dyn Notes>) -> Arc<dyn Notes> {
    let server = TestServer::new(Manner::default(), tools::full(notes));
    Arc::new(Served(super::notes(&server.url()), server))
}

/// Beneath the notes that those tests look into lies nothing else.
pub fn beneath() -> Option<Arc<dyn Notes>> {
    None
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
