//! The project's record and notes.

use brio_host::Limit::{Cpu, Time};
use brio_host::RunRequest;

use super::Want::{Limited, Refused, Succeeded, Trapped};
use super::{Guest, wat};

fn granted(request: &mut RunRequest) {
    request.grants.project_record = true;
}

/// What it tries takes a while and comes to an end.
fn patient(request: &mut RunRequest) {
    granted(request);
    super::patient(request);
}

fn with_sessions(request: &mut RunRequest) {
    request.grants.session_fs = true;
    patient(request);
}

pub(super) static GUESTS: &[Guest] = &[
    wat!("record/escapes", Refused("NOT_GRANTED")),
    wat!("record/escapes", Succeeded, granted),
    wat!("record/too-large", Trapped, granted),
    wat!("record/lists-in-lists", Succeeded, patient),
    wat!("record/note-flood", Limited(&[Cpu, Time]), granted),
    wat!("record/bytes-flood", Succeeded, patient),
    wat!("record/record-storm", Limited(&[Cpu, Time]), granted),
    wat!("record/beside-children", Refused("NOT_GRANTED"), granted),
    wat!("record/beside-children", Succeeded, with_sessions),
    wat!("record/no-mode", Trapped, granted),
    wat!("record/no-text", Trapped, granted),
    wat!("record/reviewer-writes", Succeeded, granted),
];
