//! Resource limits.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::wire::{Failure, Needing as _};
use crate::room::Limits;
use crate::{Needed, Privilege, ProcessLimit};

/// The kernel keeps 300 numbers for itself.
const FEWEST: u32 = 301;

/// Bounds the number of processes by what there is for it. `/proc` must be the room's own.
pub(super) fn processes(limit: Option<u32>, privilege: Privilege) -> Result<ProcessLimit, Failure> {
    let Some(limit) = limit else { return Ok(ProcessLimit::Unlimited) };
    let limit = limit.max(FEWEST);
    // Before 6.14 this file was one for the whole host.
    if kernel() >= (6, 14) && fs::write("/proc/sys/kernel/pid_max", limit.to_string()).is_ok() {
        return Ok(ProcessLimit::PidNamespace(limit));
    }
    if privilege == Privilege::UserNamespace {
        set(Resource::Nproc, u64::from(limit))?;
        return Ok(ProcessLimit::UserNamespace(limit));
    }
    Ok(ProcessLimit::Unavailable)
}

/// Sets the other limits.
pub(super) fn apply(limits: &Limits) -> Result<(), Failure> {
    let wanted = [
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::As, limits.address_space),
        (Resource::Fsize, limits.file_size),
        (Resource::Nofile, limits.open_files),
        (Resource::Core, Some(limits.core)),
    ];
    for (resource, value) in wanted {
        if let Some(value) = value {
            set(resource, value)?;
        }
    }
    Ok(())
}

/// Never above what the caller may have itself.
fn set(resource: Resource, value: u64) -> Result<(), Failure> {
    let value = getrlimit(resource).maximum.map_or(value, |most| most.min(value));
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(resource, limit).needing(Needed::Limits, &format!("set the limit of {resource:?}"))
}

fn kernel() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
