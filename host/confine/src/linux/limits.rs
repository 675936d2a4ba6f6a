//! Resource limits.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::wire::{Failure, Needing as _};
use crate::cell::CellLimits;
use crate::room::Limits;
use crate::{Needed, Privilege, ProcessLimit};

/// The kernel keeps 300 numbers for itself.
const FEWEST: u32 = 301;

/// Bounds the number of processes by what there is for it. `own_proc` opens the `/proc` of this
/// very PID namespace.
pub(super) fn processes(
    limit: Option<u32>,
    privilege: Privilege,
    own_proc: impl FnOnce() -> io::Result<OwnedFd>,
) -> Result<ProcessLimit, Failure> {
    let Some(limit) = limit else { return Ok(ProcessLimit::Unlimited) };
    let limit = limit.max(FEWEST);
    // Before 6.14 this file was one for the whole host.
    if kernel() >= (6, 14) && own_proc().and_then(|proc| pid_max(&proc, limit)).is_ok() {
        return Ok(ProcessLimit::PidNamespace(limit));
    }
    if privilege == Privilege::UserNamespace {
        set(Resource::Nproc, u64::from(limit))?;
        return Ok(ProcessLimit::UserNamespace(limit));
    }
    Ok(ProcessLimit::Unavailable)
}

fn pid_max(proc: &OwnedFd, limit: u32) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(proc, "sys/kernel/pid_max", flags, Mode::empty())?;
    std::fs::File::from(file).write_all(limit.to_string().as_bytes())
}

/// What a report says of it.
pub(super) fn lacking(processes: ProcessLimit) -> Option<String> {
    (processes == ProcessLimit::Unavailable).then(|| {
        "nothing bounds the number of processes: for root that needs Linux 6.14".to_owned()
    })
}

/// Sets the limits of a cell. It has no files to write and nobody to read its core.
pub(super) fn apply_cell(limits: &CellLimits) -> Result<(), Failure> {
    set_all(&[
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Data, limits.data),
        (Resource::As, limits.address_space),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, Some(0)),
        (Resource::Core, Some(0)),
        (Resource::Memlock, Some(0)),
    ])
}

/// Sets the other limits.
pub(super) fn apply(limits: &Limits) -> Result<(), Failure> {
    set_all(&[
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::As, limits.address_space),
        (Resource::Fsize, limits.file_size),
        (Resource::Nofile, limits.open_files),
        (Resource::Core, Some(limits.core)),
    ])
}

fn set_all(wanted: &[(Resource, Option<u64>)]) -> Result<(), Failure> {
    let set_one = |(resource, value): &(Resource, Option<u64>)| {
        value.map_or(Ok(()), |value| set(*resource, value))
    };
    wanted.iter().try_for_each(set_one)
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
