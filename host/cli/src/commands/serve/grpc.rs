//! `brio serve --grpc`

use std::path::PathBuf;

use brio_host::Supervisor;
use brio_server::grpc::{Address, Counts, Endpoint, Options, Server, Serving};

use super::mcp::absolute;
use crate::commands;
use crate::config::Places;
use crate::failure::Failure;
use crate::ui::Ui;

/// How clients of gRPC are served beside tasks.
#[derive(Debug, clap::Args)]
pub(super) struct GrpcArgs {
    /// Serve sessions to programs by gRPC (brio.v1.SessionService, health, reflection) at this
    /// address of this machine, as 127.0.0.1:9466, or at a Unix socket of yours, as
    /// unix:/run/user/1000/brio.sock. Port 0 is any that is free. Programs of other users are turned
    /// away.
    #[arg(long, value_name = "ADDR|unix:PATH", value_parser = parsed)]
    grpc: Option<Address>,
    /// A directory that they may begin sessions on, with all below it; the current one when none
    /// is given. Projects that this home knows are theirs by name, org/project.
    #[arg(long, value_name = "DIR", requires = "grpc")]
    grpc_base: Vec<PathBuf>,
}

fn parsed(text: &str) -> Result<Address, String> {
    text.parse().map_err(|e: brio_server::grpc::BadAddress| {
        let text = e.to_string();
        text.strip_prefix("GRPC_ADDRESS: ").unwrap_or(&text).to_owned()
    })
}

/// Clients that will be served.
pub(super) struct Clients {
    endpoint: Endpoint,
    server: Server,
}

impl GrpcArgs {
    /// They, as arguments.
    pub(super) fn options(&self) -> Vec<String> {
        let Some(address) = &self.grpc else { return Vec::new() };
        let address = match address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{}", absolute(path)),
        };
        // Whoever reads a unit is somewhere else.
        let here = [PathBuf::from(".")];
        let bases = if self.grpc_base.is_empty() { &here[..] } else { &self.grpc_base };
        let bases = bases.iter().flat_map(|base| ["--grpc-base".to_owned(), absolute(base)]);
        ["--grpc".to_owned(), address].into_iter().chain(bases).collect()
    }

    /// Takes the address, before anything is begun. `nfs`: sessions are exported by NFS too.
    pub(super) fn prepare(
        &self,
        supervisor: &Supervisor,
        nfs: bool,
    ) -> Result<Option<Clients>, Failure> {
        let Some(address) = &self.grpc else { return Ok(None) };
        let endpoint = Endpoint::bind(address)?;
        let mut bases = self.grpc_base.clone();
        if bases.is_empty() {
            bases.push(PathBuf::from("."));
        }
        let (limits, disk, files) = commands::mcp::limits(&Places::from_env()?)?;
        let options = Options { bases, limits, disk, files, nfs };
        let server = Server::new(supervisor.brio().clone(), options)?;
        Ok(Some(Clients { endpoint, server }))
    }
}

impl Clients {
    /// What is counted of their requests.
    pub(super) fn counts(&self) -> Counts {
        self.server.counts()
    }

    /// Begins to serve them. Tasks are worked on all the same where that fails.
    pub(super) fn serve(self, ui: &Ui) -> Option<Serving> {
        let address = self.endpoint.address().clone();
        match self.endpoint.serve(self.server) {
            Ok(serving) => {
                ui.say(format_args!("gRPC: {address}"));
                Some(serving)
            }
            Err(e) => {
                ui.warn(format_args!("there is no gRPC at {address}: {e}"));
                None
            }
        }
    }
}
