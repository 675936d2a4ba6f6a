//! Servers that keep notes: one connection to each, however often it is asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use brio_landing::NotesServer;
use brio_mcp_notes::{McpNotes, McpOptions, Server, ServerError, Trust};

/// Each has a thread.
const MOST: usize = 16;

/// What was asked for lately, the latest last.
#[derive(Default)]
pub(crate) struct Remotes(Mutex<Vec<(NotesServer, Arc<McpNotes>)>>);

impl Remotes {
    /// The notes on that server. It is not asked yet.
    pub(crate) fn get(
        &self,
        server: &NotesServer,
        trust: &Trust,
    ) -> Result<Arc<McpNotes>, ServerError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|(known, _)| known == server);
        let entry = match found {
            Some(at) => known.remove(at),
            None => (server.clone(), Arc::new(open(server, trust)?)),
        };
        let notes = entry.1.clone();
        known.push(entry);
        // A goodbye may take a moment: nobody else waits for it.
        let forgotten = (known.len() > MOST).then(|| known.remove(0));
        drop(known);
        drop(forgotten);
        Ok(notes)
    }
}

fn open(server: &NotesServer, trust: &Trust) -> Result<McpNotes, ServerError> {
    let NotesServer { url, project, token_file, insecure } = server.clone();
    let server = Server { url, project, token_file, insecure };
    McpNotes::new(McpOptions { trust: trust.clone(), ..McpOptions::new(server, SystemTime::now) })
}
