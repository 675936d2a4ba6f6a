//! Ending whoever holds a lease.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::holder::{self, Holder};
use super::{Ask, Hold, Lease, Wish};
use crate::errors::Doing;
use crate::state::State;
use crate::{LeaseError, RunInfo, SessionId, StopOptions, Stopped};

/// How long a process that was killed may take to be gone.
const GONE: Duration = Duration::from_secs(2);

/// Asks the run of a session to end, and waits until it has. `None`: there is none.
pub(crate) fn stop(
    state: &Arc<State>,
    id: &SessionId,
    options: &StopOptions,
) -> Result<Option<Stopped>, LeaseError> {
    let dir = super::open_dir(state, id)?;
    let Some(run) = holding(&dir, id)? else { return Ok(None) };
    let ask = Ask::Stop(Wish { keep: options.keep }, options.patience);
    match Lease::take(state, id, ask, Hold::Brief("stop")) {
        // It ended its session itself.
        Ok(_) | Err(LeaseError::Session(crate::SessionError::Ended { .. })) => {
            Ok(Some(Stopped { run, killed: false }))
        }
        Err(LeaseError::Busy { .. }) if options.force && kill(&dir, id)? => {
            drop(Lease::take(
                state,
                id,
                Ask::Stop(Wish { keep: options.keep }, GONE),
                Hold::Brief("stop"),
            )?);
            Ok(Some(Stopped { run, killed: true }))
        }
        Err(e) => Err(e),
    }
}

/// The run that holds the lease now.
fn holding(dir: &OwnedFd, id: &SessionId) -> Result<Option<RunInfo>, LeaseError> {
    let Some(file) = holder::look(dir).doing(id)? else { return Ok(None) };
    let holder = Holder::read(&file);
    Ok(holder.filter(Holder::lives).and_then(|h| h.info()))
}

/// Kills the process that holds it, if that does nothing else. It is pinned before it is looked
/// at: a process that has its pid by now is not the one.
fn kill(dir: &OwnedFd, id: &SessionId) -> Result<bool, LeaseError> {
    let Some(file) = holder::look(dir).doing(id)? else { return Ok(false) };
    let pid = |h: &Holder| i32::try_from(h.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = Holder::read(&file).filter(|h| h.expendable).as_ref().and_then(pid) else {
        return Ok(false);
    };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
    if !Holder::read(&file).is_some_and(|h| h.lives() && h.expendable) {
        return Ok(false);
    }
    Ok(pidfd_send_signal(process, Signal::KILL).is_ok())
}
