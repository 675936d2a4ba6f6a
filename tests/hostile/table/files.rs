//! Files: offsets, streams, names, and the calls that take whole files.

use brio_host::Limit::{Cpu, Disk, Files, Handles, Output, Time};

use super::Want::{Limited, Succeeded, Trapped};
use super::{Guest, no_disk_limit, patient, wat};

pub(super) static GUESTS: &[Guest] = &[
    wat!("offsets/write-at-the-end-of-numbers", Succeeded),
    wat!("offsets/read-at-the-end-of-numbers", Succeeded),
    wat!("offsets/size-of-all-numbers", Succeeded, no_disk_limit),
    wat!("offsets/size-of-a-tebibyte", Limited(&[Disk])),
    wat!("offsets/byte-far-out", Limited(&[Disk])),
    wat!("offsets/stream-from-far-out", Limited(&[Disk])),
    wat!("offsets/grow-and-shrink", Limited(&[Disk])),
    wat!("offsets/times-of-no-day", Succeeded),
    wat!("offsets/advice", Succeeded),
    wat!("streams/zeroes-without-end", Trapped),
    wat!("streams/zeroes-into-a-file", Trapped),
    wat!("streams/more-than-allowed", Trapped),
    wat!("streams/too-much-to-block-for", Trapped),
    wat!("streams/splice-into-itself", Limited(&[Disk])),
    wat!("streams/stdout-bomb", Limited(&[Output])),
    wat!("streams/stderr-drip", Limited(&[Cpu, Output])),
    wat!("streams/read-beyond", Limited(&[Cpu])),
    wat!("files/deep-directories", Succeeded, |r| {
        patient(r);
        r.files = Some(100_000);
    }),
    wat!("files/symlink-bomb", Limited(&[Files])),
    wat!("files/hard-link-bomb", Limited(&[Files])),
    wat!("files/make-and-remove", Limited(&[Files])),
    wat!("files/rename-storm", Limited(&[Cpu, Disk])),
    wat!("files/times-storm", Limited(&[Cpu, Disk])),
    wat!("files/sync-storm", Limited(&[Cpu, Time])),
    wat!("files/open-unlinked", Limited(&[Handles, Files]), patient),
    wat!("files/swap-directory-and-link", Succeeded, patient),
    wat!("files/escapes", Succeeded, patient),
    wat!("files/state", Succeeded, patient),
    wat!("files/read-only-files", Succeeded, patient),
    wat!("files/read-only-git", Succeeded, patient),
    wat!("tools/edit-explosion", Succeeded),
    wat!("tools/lines-of-a-hole", Limited(&[Cpu, Time]), no_disk_limit),
    wat!("tools/whole-hole", Succeeded, no_disk_limit),
    wat!("tools/escapes", Succeeded),
    wat!("tools/journal-bomb", Succeeded),
    wat!("tools/alternatives-bomb", Succeeded, patient),
    wat!("tools/others-sessions", Succeeded),
];
