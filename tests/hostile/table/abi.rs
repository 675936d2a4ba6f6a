//! The canonical ABI, abused; and handles.

use brio_host::Limit::{Cpu, Handles};

use super::Want::{Limited, Succeeded, Trapped};
use super::{Guest, wat};

pub(super) static GUESTS: &[Guest] = &[
    wat!("abi/realloc-traps", Trapped),
    wat!("abi/realloc-out-of-bounds", Trapped),
    wat!("abi/realloc-unaligned", Trapped),
    wat!("abi/realloc-same-place", Succeeded),
    wat!("abi/realloc-calls-back", Trapped),
    wat!("abi/realloc-spins", Limited(&[Cpu])),
    wat!("abi/realloc-recurses", Trapped),
    wat!("abi/realloc-exits", Trapped),
    wat!("abi/realloc-shrinks-nothing", Succeeded),
    wat!("abi/answer-out-of-bounds", Trapped),
    wat!("abi/answer-unaligned", Trapped),
    wat!("abi/answer-at-the-edge", Trapped),
    wat!("abi/path-out-of-bounds", Trapped),
    wat!("abi/path-of-four-gibibytes", Trapped),
    wat!("abi/path-not-utf8", Trapped),
    wat!("abi/path-surrogate", Trapped),
    wat!("abi/path-with-nul", Succeeded),
    wat!("abi/path-of-a-megabyte", Succeeded),
    wat!("abi/list-too-long", Trapped),
    wat!("abi/enum-unknown", Trapped),
    wat!("abi/variant-unknown", Trapped),
    wat!("abi/flags-unknown", Succeeded),
    wat!("abi/exit-unknown", Trapped),
    wat!("abi/start-exits", Succeeded),
    wat!("abi/run-returns-nonsense", Trapped),
    wat!("handles/forged", Trapped),
    wat!("handles/zero", Trapped),
    wat!("handles/largest", Trapped),
    wat!("handles/dropped-twice", Trapped),
    wat!("handles/after-drop", Trapped),
    wat!("handles/of-another-type", Trapped),
    wat!("handles/dropped-as-another-type", Trapped),
    wat!("handles/guessed", Trapped),
    wat!("handles/stream-outlives-file", Succeeded),
    wat!("handles/pollable-outlives-stream", Trapped),
    wat!("handles/dropped-streams", Limited(&[Cpu, Handles])),
];
