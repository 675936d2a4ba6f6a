//! `brio mcp`

use std::path::PathBuf;

use brio_host::{Brio, RunLimits};
use brio_server::mcp::{Options, Server};

use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;

/// Serve sessions to a client of the Model Context Protocol, on standard input and output.
///
/// An assistant begins sessions on a directory, reads, writes and searches in them, and lands them
/// or rolls them back. It ends with its client; sessions that the client began stay, and `brio
/// session list` shows them. To add it to Claude Code: `claude mcp add brio -- brio mcp`. For many
/// clients, by HTTP: `brio serve --mcp`.
#[derive(Debug, clap::Args)]
pub(crate) struct Mcp {
    /// A directory that sessions may be begun on, with all below it; the current one when none is
    /// given. The first is meant where a client names none.
    #[arg(long, value_name = "DIR")]
    base: Vec<PathBuf>,
    /// Offer this agent as a tool of its own: a .wasm file, or a bundled agent's name.
    #[arg(long, value_name = "FILE")]
    agent: Vec<PathBuf>,
}

impl Mcp {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let places = Places::from_env()?;
        let server = server(&places, open::lasting(&places)?, self.base, self.agent)?;
        let served = server.serve_stdio(&interrupt.token());
        served.map_err(|e| Failure::new("MCP", e.to_string()))?;
        if interrupt.happened() {
            ui.say("stopped");
        }
        Ok(Exit::Ok)
    }
}

/// What a home offers, as it is set up for agents.
pub(crate) fn server(
    places: &Places,
    brio: Brio,
    mut bases: Vec<PathBuf>,
    agents: Vec<PathBuf>,
) -> Result<Server, Failure> {
    let (limits, disk, files) = limits(places)?;
    if bases.is_empty() {
        bases.push(PathBuf::from("."));
    }
    let options = Options { bases, agents, limits, disk, files };
    Ok(Server::new(brio, options)?)
}

/// What agents may use that a client runs, and the bytes and files that they may write, as the
/// home is set up.
pub(crate) fn limits(places: &Places) -> Result<(RunLimits, Option<u64>, Option<u64>), Failure> {
    let config = Config::load(places, None, &[])?;
    let limits = RunLimits {
        memory: config.size("memory"),
        wall: config.duration("timeout"),
        cpu: config.duration("cpu"),
        ..RunLimits::default()
    };
    Ok((limits, Some(config.size("disk")), Some(config.number("files"))))
}
