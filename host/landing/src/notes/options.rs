//! What notes need from whoever opens a domain.

use std::sync::Arc;
use std::time::SystemTime;

use brio_project::{Clock, Observer};

/// How notes land.
#[derive(Clone)]
pub struct NotesOptions {
    /// The wall clock.
    pub clock: Clock,
    /// Is told where a landing's record overrides one that somebody else wrote meanwhile.
    pub observer: Arc<dyn Observer>,
}

impl Default for NotesOptions {
    /// The system's clock, and nobody who counts.
    fn default() -> Self {
        Self { clock: SystemTime::now, observer: Arc::new(()) }
    }
}
