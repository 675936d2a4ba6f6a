//! For fuzz targets, and for nothing else: records as if they had come from a client, without one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dispatch::dispatch;
use crate::server::Server;
use crate::table::HandlesError;
use crate::{Exports, Options};

/// A server that nobody can reach.
pub struct Deaf(Arc<Server>);

impl Deaf {
    /// As [`serve`](crate::serve), without a network.
    ///
    /// # Errors
    /// Its table of handles.
    pub fn new(
        exports: impl Exports,
        options: Options,
        table: Option<PathBuf>,
    ) -> Result<Self, HandlesError> {
        Server::new(Box::new(exports), options, table).map(|server| Self(Arc::new(server)))
    }

    /// Answers a record; `None`: a client would be hung up on.
    pub fn answer(&self, record: &[u8]) -> Option<Vec<u8>> {
        dispatch(&self.0, record)
    }

    /// Closes what is not used, as a server does every other second.
    pub fn rest(&self) {
        self.0.rest();
    }
}
