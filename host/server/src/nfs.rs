//! Sessions, trees and landings as NFS exports.
//!
//! `/exports/sessions/ID` is an open session, read and write, and `@` in it what it branches;
//! `/exports/trees/HASH` a tree of a project in a store and `/exports/landings/N` the base as of a
//! landing, both read-only. The protocol is `brio-nfs`'s, the views are `brio-host`'s.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use brio_host::{
    Brio, FindError, Fixed, FsError, FsResult, Grants, LeaseError, Lender, Lent, ListFilter,
    LowerInfo, SessionHandle, SessionId, View,
};
use brio_nfs::{Exports, Opened, serve};
use rustix::process::{getegid, geteuid};

use crate::BindError;
use crate::bind;

pub use brio_nfs::{Counts, Network, NetworkError, Procedure, ServeError, Serving, Users};

const SERVICE: bind::Service = bind::Service {
    code: "NFS",
    public: ("NFS_PUBLIC", "give --nfs-public, and --nfs-client for each machine that may mount"),
};

/// Where handles outlive a server, in the home.
const TABLE: &str = "nfs.db";
const SESSIONS: &str = "sessions";
const TREES: &str = "trees";
const LANDINGS: &str = "landings";
/// Landings that a listing tells.
const TOLD: usize = 100;
/// How old what is known of a session's base may be.
const STALE: Duration = Duration::from_secs(1);

/// How sessions are exported.
#[derive(Debug, Clone, Default)]
pub struct NfsOptions {
    /// Other machines that may mount: without any, the address is to be a loopback one.
    pub clients: Vec<Network>,
    /// Whose calls are carried out.
    pub users: Users,
    /// What may be changed in sessions beyond files.
    pub grants: Grants,
    /// Whose landings are shown, and to whose project trees belong; the current directory when it
    /// is empty.
    pub base: PathBuf,
}

/// An address at which sessions will be exported.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    options: NfsOptions,
}

impl Endpoint {
    /// Takes an address; port 0 is any that is free. One that other machines reach needs a list of
    /// those that may.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: SocketAddr, options: NfsOptions) -> Result<Self, BindError> {
        let (listener, address) = SERVICE.bind(address, !options.clients.is_empty())?;
        Ok(Self { listener, address, options })
    }

    /// The address, with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the home's exports, on threads of its own. All files belong to the user who serves.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn serve(self, brio: Brio) -> Result<Serving, ServeError> {
        let table = brio.home().join(TABLE);
        let NfsOptions { clients, users, grants, base } = self.options;
        let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let options = brio_nfs::Options { uid, gid, users, clients };
        serve(self.listener, Home { brio, base, grants }, options, Some(table))
    }
}

/// The path of a session's export.
pub fn export_path(session: &str) -> String {
    format!("/exports/{SESSIONS}/{session}")
}

/// The command that mounts an export of the server at `address`, as this system has it.
pub fn mount_command(address: SocketAddr, path: &str, at: &str) -> String {
    let (port, host) = (address.port(), address.ip().to_canonical());
    let host = if host.is_ipv6() { format!("[{host}]") } else { host.to_string() };
    if cfg!(target_os = "macos") {
        return format!(
            "mount_nfs -o vers=3,tcp,port={port},mountport={port},nolocks {host}:{path} {at}"
        );
    }
    format!(
        "mount -t nfs -o vers=3,proto=tcp,port={port},mountport={port},mountproto=tcp,nolock {host}:{path} {at}"
    )
}

/// What a home exports.
struct Home {
    brio: Brio,
    base: PathBuf,
    grants: Grants,
}

impl Home {
    /// The open session with this id, and no other whose id begins so.
    fn session(&self, id: &str) -> FsResult<SessionHandle> {
        id.parse::<SessionId>().map_err(|_| FsError::NotFound)?;
        let found = self.brio.find(id, Some(&self.base)).map_err(|error| {
            tracing::debug!(session = id, %error, "not exported");
            FsError::NotFound
        })?;
        if found.id().as_str() == id { Ok(found) } else { Err(FsError::NotFound) }
    }

    fn tree(&self, name: &str) -> FsResult<Opened> {
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() != 64 || !hex.bytes().all(digit) {
            return Err(FsError::NotFound);
        }
        let view = self.brio.tree_view(&self.base, &format!("sha256:{hex}"));
        let view = view.ok_or(FsError::NotFound)?;
        Ok(Opened { name: hex.to_owned(), lender: Arc::new(Fixed(view)) })
    }

    fn landing(&self, name: &str) -> FsResult<Opened> {
        let number: u64 = name.parse().map_err(|_| FsError::NotFound)?;
        if number.to_string() != name {
            return Err(FsError::NotFound);
        }
        let view = self.brio.landing_view(&self.base, number).map_err(|error| {
            tracing::debug!(landing = number, %error, "not exported");
            FsError::NotFound
        })?;
        Ok(Opened { name: name.to_owned(), lender: Arc::new(Fixed(view)) })
    }

    fn ids(&self) -> Vec<String> {
        let rows = self.brio.sessions(&ListFilter::default()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sessions cannot be listed");
            Vec::new()
        });
        rows.into_iter().filter(|row| row.state != "lost").map(|row| row.id).collect()
    }
}

impl Exports for Home {
    fn directories(&self) -> &[&'static str] {
        &[LANDINGS, SESSIONS, TREES]
    }

    fn list(&self, directory: &str) -> Vec<String> {
        match directory {
            SESSIONS => self.ids(),
            LANDINGS => match self.brio.log(&self.base, Some(TOLD), None) {
                Ok(log) => log.landings.iter().map(|l| l.landing.to_string()).collect(),
                // Nothing landed here, or there is nothing here.
                Err(_) => Vec::new(),
            },
            TREES => {
                let record = |id: String| self.session(&id).ok()?.record().ok();
                let tree = |record: brio_host::SessionRecord| match record.lower {
                    LowerInfo::Tree(info) => info.tree.strip_prefix("sha256:").map(str::to_owned),
                    _ => None,
                };
                let mut all: Vec<_> =
                    self.ids().into_iter().filter_map(record).filter_map(tree).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            _ => Vec::new(),
        }
    }

    fn open(&self, directory: &str, name: &str) -> FsResult<Opened> {
        match directory {
            SESSIONS => {
                let session = self.session(name)?;
                let lent = session.lend("nfs", self.grants).map_err(of_lease)?;
                Ok(Opened { name: name.to_owned(), lender: Arc::new(lent) })
            }
            TREES => self.tree(name),
            LANDINGS => self.landing(name),
            _ => Err(FsError::NotFound),
        }
    }

    fn base(&self, directory: &str, name: &str) -> FsResult<Arc<dyn Lender>> {
        match directory {
            SESSIONS => Ok(Arc::new(BaseOf::new(self.session(name)?)?)),
            _ => Err(FsError::NotFound),
        }
    }

    fn is_there(&self, directory: &str, name: &str) -> bool {
        let gone = |e: &FindError| matches!(e.code(), "SESSION_ENDED" | "SESSION_UNKNOWN");
        directory != SESSIONS || !self.brio.find(name, Some(&self.base)).as_ref().is_err_and(gone)
    }
}

fn of_lease(e: LeaseError) -> FsError {
    match e {
        LeaseError::View { source, .. } => source,
        _ => FsError::Ended,
    }
}

/// What a session branches: another once it was put on a newer base, and nothing when it has ended.
struct BaseOf {
    session: SessionHandle,
    seen: Mutex<Seen>,
}

struct Seen {
    view: View,
    epoch: u64,
    on: (u64, LowerInfo),
    looked: Instant,
}

impl BaseOf {
    fn new(session: SessionHandle) -> FsResult<Self> {
        let on = stands_on(&session)?;
        let view = session.base_view().map_err(of_lease)?;
        let seen = Mutex::new(Seen { view, epoch: 0, on, looked: Instant::now() });
        Ok(Self { session, seen })
    }
}

fn stands_on(session: &SessionHandle) -> FsResult<(u64, LowerInfo)> {
    let info = session.info().map_err(|_| FsError::Ended)?;
    Ok((info.landing, info.lower))
}

impl Lender for BaseOf {
    fn read(&self) -> FsResult<Lent> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.elapsed() >= STALE {
            let on = stands_on(&self.session)?;
            if on != seen.on {
                seen.view = self.session.base_view().map_err(of_lease)?;
                seen.epoch += 1;
                seen.on = on;
            }
            seen.looked = Instant::now();
        }
        Ok(Lent::new(seen.view.clone(), seen.epoch))
    }

    fn write(&self) -> FsResult<Lent> {
        Err(FsError::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn mount_commands_name_the_port_twice() {
        let at = |address: &str| mount_command(address.parse().unwrap(), "/exports", "DIR");
        assert_eq!(
            at("127.0.0.1:2049"),
            "mount -t nfs -o vers=3,proto=tcp,port=2049,mountport=2049,mountproto=tcp,nolock 127.0.0.1:/exports DIR"
        );
        assert!(at("[::1]:7").ends_with(" [::1]:/exports DIR"));
    }

    #[test]
    fn other_machines_need_a_list() {
        let everywhere = "0.0.0.0:0".parse().unwrap();
        let refused = Endpoint::bind(everywhere, NfsOptions::default()).unwrap_err();
        assert_eq!(refused.code(), "NFS_PUBLIC");
        let clients = vec!["10.0.0.0/8".parse().unwrap()];
        let options = NfsOptions { clients, ..NfsOptions::default() };
        Endpoint::bind(everywhere, options).unwrap();
    }
}
