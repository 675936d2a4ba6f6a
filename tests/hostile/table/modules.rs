//! Modules and components that are bombs by their shape; and preview-1 modules.

use brio_host::Limit::Cpu;

use super::Source::Made;
use super::Want::{self, Failed, Limited, Refused, Succeeded, Trapped};
use super::{Guest, as_is, wat};
use crate::shapes;

const fn made(name: &'static str, make: fn() -> Vec<u8>, want: Want) -> Guest {
    Guest { name, source: Made(make), how: as_is, want }
}

pub(super) static GUESTS: &[Guest] = &[
    made("shapes/garbage", shapes::garbage, Refused("NOT_WASM")),
    made("shapes/cut-off", shapes::cut_off, Refused("INVALID_WASM")),
    made("shapes/lying-section", shapes::lying_section, Refused("INVALID_WASM")),
    made("shapes/many-memories", shapes::many_memories, Refused("INVALID_WASM")),
    made("shapes/many-tables", shapes::many_tables, Refused("INVALID_WASM")),
    made("shapes/many-instances", shapes::many_instances, Refused("INVALID_WASM")),
    made("shapes/many-components", shapes::many_components, Refused("INVALID_WASM")),
    made("shapes/nested-components", shapes::nested_components, Refused("NO_ENTRY_POINT")),
    made("shapes/deep-types", shapes::deep_types, Refused("INVALID_WASM")),
    made("shapes/doubled-types", shapes::doubled_types, Refused("INVALID_WASM")),
    made("shapes/many-imports", shapes::many_imports, Refused("UNKNOWN_IMPORT")),
    made("shapes/unknown-import", shapes::unknown_import, Refused("UNKNOWN_IMPORT")),
    made("shapes/long-import", shapes::long_import, Refused("UNKNOWN_IMPORT")),
    made("shapes/many-functions", shapes::many_functions, Succeeded),
    made("shapes/huge-function", shapes::huge_function, Succeeded),
    made("shapes/deep-blocks", shapes::deep_blocks, Succeeded),
    made("shapes/wide-branch-table", shapes::wide_branch_table, Succeeded),
    made("shapes/many-locals", shapes::many_locals, Trapped),
    made("shapes/own-handles", shapes::own_handles, Limited(&[brio_host::Limit::Handles])),
    wat!("preview1/exit-largest", Failed("EXIT_STATUS")),
    wat!("preview1/exit-in-start", Trapped),
    wat!("preview1/exit-then-goes-on", Succeeded),
    wat!("preview1/closes-everything", Succeeded),
    wat!("preview1/vectors-out-of-bounds", Trapped),
    wat!("preview1/poll-a-million", Limited(&[brio_host::Limit::Handles])),
    wat!("preview1/random-over-all", Trapped),
    wat!("preview1/path-over-all", Trapped),
    wat!("preview1/cookies", Succeeded),
    wat!("preview1/yields", Limited(&[Cpu])),
];
