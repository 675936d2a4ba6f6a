//! Sessions of a guest's own.

use brio_host::Limit::{Cpu, Disk, Time};
use brio_host::RunRequest;

use super::Want::{Limited, Refused, Succeeded};
use super::{Guest, wat};

fn granted(request: &mut RunRequest) {
    request.grants.session_fs = true;
}

/// What it tries takes a while and comes to an end.
fn patient(request: &mut RunRequest) {
    granted(request);
    super::patient(request);
}

pub(super) static GUESTS: &[Guest] = &[
    wat!("sessions/begins-outside", Refused("NOT_GRANTED")),
    wat!("sessions/begins-outside", Succeeded, granted),
    wat!("sessions/nested-without-end", Succeeded, patient),
    wat!("sessions/begun-without-end", Succeeded, patient),
    wat!("sessions/commit-storm", Limited(&[Cpu, Time]), granted),
    wat!("sessions/rollback-storm", Limited(&[Cpu, Time]), granted),
    wat!("sessions/checkpoint-storm", Succeeded, patient),
    wat!("sessions/restore-nonsense", Succeeded, granted),
    wat!("sessions/ends-its-own", Succeeded, granted),
    wat!("sessions/ends-twice", Succeeded, granted),
    wat!("sessions/handle-into-ended", Succeeded, granted),
    wat!("sessions/child-beyond-the-disk", Limited(&[Disk]), patient),
];
