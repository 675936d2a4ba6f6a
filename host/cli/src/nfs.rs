//! Where sessions are exported, for people.

use std::net::SocketAddr;

use brio_host::SessionId;
use brio_server::nfs::{export_path, mount_command};

use crate::open;

/// A session's export.
pub(crate) struct Export {
    /// Its path on the server.
    pub(crate) path: String,
    served: Option<SocketAddr>,
}

impl Export {
    /// Of this session; whether it is served now, and where, is asked.
    pub(crate) fn of(session: &SessionId) -> Self {
        let health = open::supervisor().ok().and_then(|supervisor| supervisor.health().ok());
        let served = health.flatten().and_then(|health| health.nfs);
        Self { path: export_path(session.as_str()), served }
    }

    /// What mounts it; `None`: it is not served.
    pub(crate) fn mount_command(&self) -> Option<String> {
        self.served.map(|at| mount_command(at, &self.path, "DIR"))
    }
}
