//! WASI 0.3 beside 0.2: the same handles, views and limits behind its asynchronous interfaces.
//!
//! `wasi:filesystem` is answered by the functions that answer 0.2, on one table: a component that
//! speaks both sees one file system. The rest is wasmtime-wasi's, which calls its part
//! experimental; so this is behind the feature `wasi-0-3`.

mod convert;
mod host;
mod output;
mod streams;

use wasmtime::Result;
use wasmtime::component::{InstancePre, Linker, Resource};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::{CommandPre, cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use crate::fs::BrioFs;
use crate::imports::bare;
use crate::plain::{PlainCtx, PlainFs};
use crate::state::State;

/// What `bindgen!` makes of the WIT.
#[allow(missing_docs, unreachable_pub, private_interfaces, clippy::all, reason = "generated code")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "brio:runtime/host",
        imports: {
            "wasi:filesystem/types.[method]descriptor.read-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.write-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.append-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.read-directory": store | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
            "wasi:filesystem/types.descriptor": crate::fs::Descriptor,
        },
        trappable_error_type: { "wasi:filesystem/types.error-code" => crate::fs::Fault },
    });
}

use bindings::wasi::filesystem as ours;
pub(crate) use output::Output;

/// Every interface of 0.3 that the linkers offer, without versions.
const OFFERED: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/types",
];

/// Whether an interface has a version of 0.3, whichever interface it is.
pub(crate) fn spoken(name: &str) -> bool {
    name.starts_with("wasi:") && name.split_once('@').is_some_and(|(_, v)| v.starts_with("0.3."))
}

/// Whether the linkers offer such an interface.
pub(crate) fn offered(name: &str) -> bool {
    spoken(name) && (OFFERED.contains(&bare(name)) || bare(name) == "wasi:sockets/ip-name-lookup")
}

/// What both linkers answer in the same way.
pub(crate) fn common(l: &mut Linker<State>) -> Result<()> {
    clocks::types::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    clocks::system_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, State::random)?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, State::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    // As in 0.2: they can be imported, and every call is denied.
    sockets::types::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, State::sockets)
}

/// `wasi:filesystem` from a view.
pub(crate) fn session(l: &mut Linker<State>) -> Result<()> {
    ours::types::add_to_linker::<_, BrioFs>(l, State::fs)?;
    ours::preopens::add_to_linker::<_, BrioFs>(l, State::fs)
}

/// `wasi:filesystem` from a directory, by wasmtime-wasi.
pub(crate) fn plain(l: &mut Linker<State>) -> Result<()> {
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    filesystem::preopens::add_to_linker::<_, PlainFs>(l, State::plain)
}

/// What an asynchronous `wasi:cli/run` is called by.
pub(crate) fn command(pre: InstancePre<State>) -> Result<CommandPre<State>> {
    CommandPre::new(pre)
}

/// Calls it.
pub(crate) async fn call(
    command: &CommandPre<State>,
    store: &mut wasmtime::Store<State>,
) -> Result<std::result::Result<(), ()>> {
    let command = command.instantiate_async(&mut *store).await?;
    store.run_concurrent(async move |store| command.wasi_cli_run().call_run(store).await).await?
}

/// Bounds what a guest may have under way: tasks, streams, futures and sets of what is waited for.
pub(crate) fn limit(store: &mut wasmtime::Store<State>, handles: usize) {
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(handles);
    }
}

impl filesystem::preopens::Host for PlainCtx<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        wasmtime_wasi::p2::bindings::filesystem::preopens::Host::get_directories(self)
    }
}
