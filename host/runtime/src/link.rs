//! The linkers: what a guest may import, by an explicit list.
//!
//! Never by shadowing wasmtime-wasi's own: with another patch version of `wasi:filesystem`
//! the guest would silently get the stock one.

use wasmtime::Result;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_http::WasiHttp;
use wasmtime_wasi_http::p2::bindings::http;

use crate::bindings::brio::core;
use crate::bindings::wasi::filesystem as ours;
use crate::core::BrioCore;
use crate::fs::BrioFs;
use crate::plain::PlainFs;
use crate::state::State;

/// One linker for each way to answer `wasi:filesystem`.
pub(crate) struct Linkers {
    /// From a view.
    pub(crate) session: Linker<State>,
    /// From a directory, by wasmtime-wasi.
    pub(crate) plain: Linker<State>,
}

impl Linkers {
    pub(crate) fn new(engine: &wasmtime::Engine) -> Result<Self> {
        let mut session = common(engine)?;
        ours::types::add_to_linker::<_, BrioFs>(&mut session, State::fs)?;
        ours::preopens::add_to_linker::<_, BrioFs>(&mut session, State::fs)?;
        #[cfg(feature = "wasi-0-3")]
        crate::wasi3::session(&mut session)?;
        let mut plain = common(engine)?;
        #[cfg(feature = "wasi-0-3")]
        crate::wasi3::plain(&mut plain)?;
        filesystem::types::add_to_linker::<_, WasiFilesystem>(&mut plain, State::filesystem)?;
        filesystem::preopens::add_to_linker::<_, PlainFs>(&mut plain, State::plain)?;
        Ok(Self { session, plain })
    }
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

fn common(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::<State>::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<_, HasIo>(l, |s| &mut s.table)?;
    io::poll::add_to_linker::<_, HasIo>(l, |s| &mut s.table)?;
    io::streams::add_to_linker::<_, HasIo>(l, |s| &mut s.table)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
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
    no_sockets(l)?;
    #[cfg(feature = "wasi-0-3")]
    crate::wasi3::common(l)?;
    http::outgoing_handler::add_to_linker::<_, WasiHttp>(l, State::http)?;
    http::types::add_to_linker::<_, WasiHttp>(l, &Default::default(), State::http)?;
    core::types::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::session_fs::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::session_tools::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::session::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::session_journal::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::checkpoints::add_to_linker::<_, BrioCore>(l, State::core)?;
    core::project_record::add_to_linker::<_, BrioCore>(l, State::core)?;
    Ok(linker)
}

/// Sockets can be imported, as a libc does, but a context that grants none denies every call.
fn no_sockets(l: &mut Linker<State>) -> Result<()> {
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::network::add_to_linker::<_, WasiSockets>(l, &Default::default(), State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    Ok(())
}
