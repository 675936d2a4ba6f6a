//! Time and memory.

use brio_host::Limit::{Cpu, Handles, Memory, Time};

use super::Want::{Limited, Trapped};
use super::{Guest, short, wat};

pub(super) static GUESTS: &[Guest] = &[
    wat!("loops/spin", Limited(&[Cpu])),
    wat!("loops/start-spin", Limited(&[Cpu])),
    wat!("loops/recursion", Trapped),
    wat!("loops/indirect-recursion", Trapped),
    wat!("loops/sleep-for-ever", Limited(&[Time]), short),
    wat!("loops/wait-for-the-last-instant", Limited(&[Time]), short),
    wat!("loops/clocks-kept", Limited(&[Handles])),
    wat!("loops/clocks-dropped", Limited(&[Cpu])),
    wat!("loops/host-call-storm", Limited(&[Cpu])),
    wat!("loops/yield-storm", Limited(&[Cpu])),
    wat!("loops/poll-a-million", Limited(&[Handles])),
    wat!("loops/poll-nothing", Trapped),
    wat!("loops/stdin-storm", Limited(&[Handles])),
    wat!("loops/list-for-ever", Limited(&[Handles])),
    wat!("loops/preopens-for-ever", Limited(&[Handles])),
    wat!("loops/stdout-handles", Limited(&[Handles])),
    wat!("memory/grow", Limited(&[Memory])),
    wat!("memory/four-gibibytes", Limited(&[Memory])),
    wat!("memory/table", Trapped),
    wat!("memory/table-at-once", Trapped),
    wat!("memory/table-large-from-the-start", super::Want::Refused("INVALID_WASM")),
    wat!("memory/random-without-end", Trapped),
    wat!("memory/random-gibibyte", Trapped),
    wat!("memory/random-storm", Limited(&[Cpu])),
    wat!("memory/memory64", Limited(&[Memory])),
    wat!("memory/fill-and-copy", Limited(&[Cpu])),
];
