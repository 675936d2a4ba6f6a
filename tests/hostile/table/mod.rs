//! The guests, how each is run and what must become of it.

mod abi;
mod compute;
mod files;
mod modules;
mod record;
mod returns;
mod sessions;

use std::time::Duration;

use brio_host::{Limit, RunLimits, RunRequest};

/// One guest.
pub(crate) struct Guest {
    /// `GROUP/NAME`.
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// What is changed about a run with [`low`] limits.
    pub(crate) how: fn(&mut RunRequest),
    pub(crate) want: Want,
}

/// Where its bytes come from.
pub(crate) enum Source {
    /// `guests/NAME.wat`.
    Wat(&'static str),
    /// Made up: too large to be written down.
    Made(fn() -> Vec<u8>),
}

/// What must become of its run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    /// It tried everything, was answered as it should be, and says so.
    Succeeded,
    /// Of these limits: which is met first is a matter of speed.
    Limited(&'static [Limit]),
    Trapped,
    /// By its error's code.
    Failed(&'static str),
    Rejected(&'static str),
    /// It is not run; by the error's code.
    Refused(&'static str),
}

/// Limits that a test can wait for.
pub(crate) fn low(request: &mut RunRequest) {
    request.limits = RunLimits {
        memory: 64 << 20,
        wall: Duration::from_secs(2),
        cpu: Duration::from_millis(150),
        handles: 1000,
        output: 1 << 20,
    };
    request.disk = Some(16 << 20);
    request.files = Some(1000);
}

/// All of them, group by group.
pub(crate) fn all() -> impl Iterator<Item = &'static Guest> {
    [
        compute::GUESTS,
        abi::GUESTS,
        files::GUESTS,
        sessions::GUESTS,
        record::GUESTS,
        returns::GUESTS,
        modules::GUESTS,
    ]
    .into_iter()
    .flatten()
}

/// As the limits say.
fn as_is(_: &mut RunRequest) {}

fn no_disk_limit(request: &mut RunRequest) {
    request.disk = None;
}

/// What it tries takes a while, and comes to an end.
pub(crate) fn patient(request: &mut RunRequest) {
    request.limits.cpu = Duration::from_secs(60);
    request.limits.wall = Duration::from_secs(60);
}

fn short(request: &mut RunRequest) {
    request.limits.wall = Duration::from_millis(400);
}

/// A row: a name below `guests/`, what must become of it, what is changed about its run.
macro_rules! wat {
    ($name:literal, $want:expr) => {
        wat!($name, $want, super::as_is)
    };
    ($name:literal, $want:expr, $how:expr) => {
        super::Guest {
            name: $name,
            source: super::Source::Wat(include_str!(concat!("../guests/", $name, ".wat"))),
            how: $how,
            want: $want,
        }
    };
}
use wat;
