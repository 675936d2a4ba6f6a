//! A command that runs: in a room, or with all rights.

use std::time::Duration;

use brio_confine::Running;

use super::{Confinement, ExecEnd, ExecError};

/// See the module.
pub(super) enum Process {
    Room {
        running: Running,
        left_out: Vec<String>,
    },
    #[cfg(unix)]
    Unconfined(std::process::Child),
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
            #[cfg(unix)]
            Self::Unconfined(_) => Confinement::None,
        }
    }

    pub(super) fn left_out(&self) -> Vec<String> {
        match self {
            Self::Room { left_out, .. } => left_out.clone(),
            #[cfg(unix)]
            Self::Unconfined(_) => Vec::new(),
        }
    }

    /// How it ended, if it does so before this long.
    pub(super) fn wait_timeout(
        &mut self,
        patience: Duration,
    ) -> Result<Option<ExecEnd>, ExecError> {
        match self {
            Self::Room { running, .. } => {
                Ok(running.wait_timeout(patience)?.map(|exit| match exit {
                    brio_confine::Exit::Code(status) => ExecEnd::Exited(status),
                    brio_confine::Exit::Signal(signal) => ExecEnd::Signalled(signal),
                    _ => ExecEnd::Signalled(9),
                }))
            }
            #[cfg(unix)]
            Self::Unconfined(child) => {
                use std::os::unix::process::ExitStatusExt;
                let ended = child.try_wait().map_err(ExecError::host("waiting for the command"))?;
                if ended.is_none() {
                    std::thread::sleep(patience.min(Duration::from_millis(5)));
                }
                Ok(ended.map(|status| match (status.code(), status.signal()) {
                    (Some(code), _) => ExecEnd::Exited(code),
                    (None, signal) => ExecEnd::Signalled(signal.unwrap_or(9)),
                }))
            }
        }
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        match self {
            // One that is over needs nothing.
            Self::Room { running, .. } => drop(running.handle().signal(15)),
            #[cfg(unix)]
            Self::Unconfined(child) => signal(child, rustix::process::Signal::TERM),
        }
    }

    /// Ends it, and all that it started.
    pub(super) fn kill(&self) {
        match self {
            Self::Room { running, .. } => running.handle().kill(),
            #[cfg(unix)]
            Self::Unconfined(child) => signal(child, rustix::process::Signal::KILL),
        }
    }
}

/// To the whole process group.
#[cfg(unix)]
fn signal(child: &std::process::Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}
