//! A command that runs: in a room, or with all rights.

use std::time::Duration;

use brio_confine::{Exit, Running, Unconfined};

use super::{Confinement, ExecEnd, ExecError};

/// See the module.
pub(super) enum Process {
    Room { running: Running, left_out: Vec<String> },
    Unconfined(Unconfined),
}

impl Process {
    pub(super) fn confinement(&self) -> String {
        match self.confinement_report() {
            Confinement::Room(report) => report.to_string(),
            Confinement::None => "none".to_owned(),
        }
    }

    pub(super) fn confinement_report(&self) -> Confinement {
        match self {
            Self::Room { running, .. } => Confinement::Room(running.report().clone()),
            Self::Unconfined(_) => Confinement::None,
        }
    }

    pub(super) fn left_out(&self) -> Vec<String> {
        match self {
            Self::Room { left_out, .. } => left_out.clone(),
            Self::Unconfined(_) => Vec::new(),
        }
    }

    /// How it ended, if it does so before this long.
    pub(super) fn wait_timeout(
        &mut self,
        patience: Duration,
    ) -> Result<Option<ExecEnd>, ExecError> {
        let exit = match self {
            Self::Room { running, .. } => running.wait_timeout(patience)?,
            Self::Unconfined(running) => running.wait_timeout(patience)?,
        };
        Ok(exit.map(|exit| match exit {
            Exit::Code(status) => ExecEnd::Exited(status),
            Exit::Signal(signal) => ExecEnd::Signalled(signal),
            Exit::Killed => ExecEnd::Signalled(9),
        }))
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        match self {
            // One that is over needs nothing.
            Self::Room { running, .. } => drop(running.handle().signal(15)),
            Self::Unconfined(running) => running.terminate(),
        }
    }

    /// Ends it, and all that it started.
    pub(super) fn kill(&self) {
        match self {
            Self::Room { running, .. } => running.handle().kill(),
            Self::Unconfined(running) => running.kill(),
        }
    }
}
