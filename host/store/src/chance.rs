//! Where random numbers come from.

use std::io;

use crate::{Error, Result};

/// Random numbers, as a store needs them: for ids that nobody else makes, and for waits that are
/// not everybody's. A test in which a seed is a run brings its own.
pub trait Chance: Send + Sync {
    /// Fills all of it.
    ///
    /// # Errors
    /// When there are none.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The system's.
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes)
            .map_err(|e| Error::host("random numbers", io::Error::other(e.to_string())))
    }
}
