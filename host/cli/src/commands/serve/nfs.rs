//! `brio serve --nfs`

use std::net::SocketAddr;
use std::path::PathBuf;

use brio_host::{Grants, Supervisor};
use brio_server::nfs::{Endpoint, Network, NfsOptions, Serving, Users, mount_command};

use crate::args::Grant;
use crate::failure::Failure;
use crate::ui::Ui;

/// How sessions are exported.
#[derive(Debug, clap::Args)]
pub(super) struct NfsArgs {
    /// Export every open session by NFSv3: `/exports/sessions/ID`, with what it branches as `@` in
    /// it; read-only `/exports/trees/HASH` and `/exports/landings/N`. Port 0 is any that is free.
    ///
    /// NFS knows no authentication: a client says who its user is. On this machine only your own
    /// programs and root's may connect, where the system tells whose they are; calls are carried
    /// out for you and for root.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:2049")]
    nfs: Option<SocketAddr>,
    /// The address may be one that other machines reach: those of --nfs-client, and anybody who
    /// can send packets in their name.
    #[arg(long, requires_all = ["nfs", "nfs_client"])]
    nfs_public: bool,
    /// A machine, or a network as 192.168.1.0/24, that may mount.
    #[arg(long, value_name = "NETWORK", requires = "nfs_public")]
    nfs_client: Vec<Network>,
    /// Carry out everybody's calls, as if they were yours: where users have other numbers there.
    #[arg(long, requires = "nfs")]
    nfs_any_user: bool,
    /// What else may be changed in sessions: .git (vcs).
    #[arg(long, value_name = "CAPABILITY", requires = "nfs")]
    nfs_grant: Vec<Grant>,
    /// Whose landings are exported, and to whose project trees belong; the current directory when
    /// none is given.
    #[arg(long, value_name = "DIR", requires = "nfs")]
    nfs_base: Option<PathBuf>,
}

/// Exports that will be served.
pub(super) struct Exports {
    endpoint: Endpoint,
    supervisor: Supervisor,
}

impl NfsArgs {
    /// They, as arguments.
    pub(super) fn options(&self) -> Vec<String> {
        let Some(address) = self.nfs else { return Vec::new() };
        let mut options = vec!["--nfs".to_owned(), address.to_string()];
        let mut say = |flag: &str, value: Option<String>| {
            options.push(flag.to_owned());
            options.extend(value);
        };
        if self.nfs_public {
            say("--nfs-public", None);
        }
        self.nfs_client.iter().for_each(|client| say("--nfs-client", Some(client.to_string())));
        if self.nfs_any_user {
            say("--nfs-any-user", None);
        }
        self.nfs_grant.iter().for_each(|_| say("--nfs-grant", Some("vcs".to_owned())));
        // Whoever reads a unit is somewhere else.
        let base = self.nfs_base.clone().unwrap_or_else(|| PathBuf::from("."));
        let base = std::path::absolute(&base).unwrap_or(base);
        say("--nfs-base", Some(base.display().to_string()));
        options
    }

    /// Takes the address, before anything is begun.
    pub(super) fn prepare(&self, supervisor: &Supervisor) -> Result<Option<Exports>, Failure> {
        let Some(address) = self.nfs else { return Ok(None) };
        let users = if self.nfs_any_user { Users::Anyone } else { Users::Owner };
        let options = NfsOptions {
            clients: self.nfs_client.clone(),
            users,
            grants: Grants { vcs: self.nfs_grant.contains(&Grant::Vcs), ..Grants::default() },
            base: self.nfs_base.clone().unwrap_or_default(),
        };
        let endpoint = Endpoint::bind(address, options)?;
        Ok(Some(Exports { endpoint, supervisor: supervisor.clone() }))
    }
}

impl Exports {
    /// Begins to serve them. Tasks are worked on all the same where that fails.
    pub(super) fn serve(self, ui: &Ui) -> Option<Serving> {
        let address = self.endpoint.address();
        match self.endpoint.serve(self.supervisor.brio().clone()) {
            Ok(serving) => {
                self.supervisor.announce_nfs(address);
                ui.say(format_args!("NFS: {}", mount_command(address, "/exports", "DIR")));
                Some(serving)
            }
            Err(e) => {
                ui.warn(format_args!("there is no NFS at {address}: {e}"));
                None
            }
        }
    }
}
