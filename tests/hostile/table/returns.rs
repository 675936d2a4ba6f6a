//! What typed guests return, and traps in each export.

use brio_host::Limit::{Cpu, Output};

use super::Want::{Failed, Limited, Rejected, Succeeded, Trapped};
use super::{Guest, wat};

pub(super) static GUESTS: &[Guest] = &[
    wat!("returns/bad-case", Trapped),
    wat!("returns/out-of-bounds", Trapped),
    wat!("returns/unaligned", Trapped),
    wat!("returns/text-out-of-bounds", Trapped),
    wat!("returns/text-not-utf8", Trapped),
    wat!("returns/list-out-of-bounds", Trapped),
    wat!("returns/error-of-no-kind", Trapped),
    wat!("returns/lying-score", Succeeded),
    wat!("returns/metrics-bomb", Trapped),
    wat!("returns/summary-bomb", Limited(&[Output])),
    wat!("returns/many-figures", Limited(&[Output])),
    wat!("returns/error-bomb", Limited(&[Output])),
    wat!("returns/terminal-escapes", Failed("AGENT_FAILED")),
    wat!("returns/verdict-of-megabytes", Limited(&[Output])),
    wat!("returns/verdict-of-findings", Limited(&[Output])),
    wat!("returns/verdict-of-no-severity", Trapped),
    wat!("returns/verdict-by-exit", Rejected("REJECTED")),
    wat!("returns/reviewer-writes", Succeeded),
    wat!("returns/trap-in-run", Trapped),
    wat!("returns/trap-in-review", Trapped),
    wat!("returns/trap-in-command", Trapped),
    wat!("returns/trap-in-start", Trapped),
    wat!("returns/trap-in-post-return", Trapped),
    wat!("returns/post-return-spins", Limited(&[Cpu])),
    wat!("returns/post-return-calls", Trapped),
    wat!("returns/approves-then-traps", Trapped),
];
