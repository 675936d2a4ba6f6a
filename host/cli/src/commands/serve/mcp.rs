//! `brio serve --mcp`

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use brio_host::Supervisor;
use brio_server::mcp::{Endpoint, HttpOptions, Server, Serving, Token};

use crate::commands;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Bytes that are read of a file with a token.
const LONGEST: u64 = 64 << 10;

/// How clients of MCP are served beside tasks.
#[derive(Debug, clap::Args)]
pub(super) struct McpArgs {
    /// Serve sessions to clients of the Model Context Protocol at this address, as 127.0.0.1:9465:
    /// streamable HTTP, `/mcp`. Port 0 is any that is free. As `brio mcp`, for many clients. Without
    /// a token, programs of other users of this machine are turned away.
    #[arg(long, value_name = "ADDR")]
    mcp: Option<SocketAddr>,
    /// A directory that they may begin sessions on, with all below it; the current one when none
    /// is given.
    #[arg(long, value_name = "DIR", requires = "mcp")]
    mcp_base: Vec<PathBuf>,
    /// An agent that is a tool of its own for them.
    #[arg(long, value_name = "FILE", requires = "mcp")]
    mcp_agent: Vec<PathBuf>,
    /// The file with the token that each of them must show (`Authorization: Bearer`). An address
    /// that other machines reach needs it.
    #[arg(long, value_name = "FILE", requires = "mcp")]
    mcp_token_file: Option<PathBuf>,
    /// A name by which they may ask for this machine, beside the address.
    #[arg(long, value_name = "NAME", requires = "mcp")]
    mcp_host: Vec<String>,
}

/// Clients that will be served.
pub(super) struct Clients {
    endpoint: Endpoint,
    server: Server,
}

impl McpArgs {
    /// They, as arguments.
    pub(super) fn options(&self) -> Vec<String> {
        let Some(address) = self.mcp else { return Vec::new() };
        // Whoever reads a unit is somewhere else.
        let here = [PathBuf::from(".")];
        let bases = if self.mcp_base.is_empty() { &here[..] } else { &self.mcp_base };
        let mut options = vec!["--mcp".to_owned(), address.to_string()];
        let mut say = |flag: &str, value: String| options.extend([flag.to_owned(), value]);
        bases.iter().for_each(|base| say("--mcp-base", absolute(base)));
        self.mcp_agent.iter().for_each(|agent| {
            say(
                "--mcp-agent",
                if agent.exists() { absolute(agent) } else { agent.display().to_string() },
            );
        });
        self.mcp_token_file.iter().for_each(|file| say("--mcp-token-file", absolute(file)));
        self.mcp_host.iter().for_each(|host| say("--mcp-host", host.clone()));
        options
    }

    /// Takes the address, before anything is begun.
    pub(super) fn prepare(&self, supervisor: &Supervisor) -> Result<Option<Clients>, Failure> {
        let Some(address) = self.mcp else { return Ok(None) };
        let token = self.mcp_token_file.as_deref().map(token).transpose()?;
        let hosts = self.mcp_host.clone();
        let endpoint = Endpoint::bind(address, HttpOptions { token, hosts })?;
        let (bases, agents) = (self.mcp_base.clone(), self.mcp_agent.clone());
        let brio = supervisor.brio().clone();
        let server = commands::mcp::server(&Places::from_env()?, brio, bases, agents)?;
        Ok(Some(Clients { endpoint, server }))
    }
}

impl Clients {
    /// Begins to serve them. Tasks are worked on all the same where that fails.
    pub(super) fn serve(self, ui: &Ui) -> Option<Serving> {
        let address = self.endpoint.address();
        match self.endpoint.serve(self.server) {
            Ok(serving) => {
                ui.say(format_args!("MCP: http://{address}/mcp"));
                Some(serving)
            }
            Err(e) => {
                ui.warn(format_args!("there is no MCP at {address}: {e}"));
                None
            }
        }
    }
}

/// A path that means the same to whoever is somewhere else.
pub(super) fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

fn token(path: &Path) -> Result<Token, Failure> {
    let fail = |e: std::io::Error| {
        Failure::new("MCP_TOKEN", format!("{}: {e}", path.display()))
            .hint("give a file that holds the token")
            .exit(Exit::Usage)
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(LONGEST).read_to_string(&mut text).map_err(fail)?;
    Ok(Token::new(&text)?)
}
