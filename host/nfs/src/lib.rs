//! NFSv3 over the [`View`](brio_session::View)s of sessions: branches as exports, for people and
//! tools.
//!
//! It only translates. A client's handle stands for a node of a view: in memory for a
//! [`NodeHandle`](brio_session::NodeHandle), which follows renames, and in a table on disk for a
//! name and an inode number, so that it means the same to the next server. What was put in the
//! place of a file is not it: its old handle is `NFS3ERR_STALE`.
//!
//! **Protocol.** NFS version 3 and MOUNT version 3 (RFC 1813) over ONC RPC (RFC 5531), TCP, on one
//! port; no portmapper, no NLM (locks are a client's own, `nolock`), no ACLs, no UDP. All 22
//! procedures; `MKNOD` refuses, as a view has no devices, and FIFOs and sockets are a machine's own.
//!
//! **Durability.** A change has reached the session's layer when it is acknowledged: it survives the
//! death of this process. On disk is what was written `DATA_SYNC` or `FILE_SYNC`, or committed, and
//! every change of names before that. A change of names alone is not waited for until it is on disk
//! (as with the export option `async` of other servers, and unlike RFC 1813, 4.8).
//!
//! **Who may.** `AUTH_UNIX` is not authentication: a client says who its user is, and anybody can
//! be a client. So: addresses other than loopback are served only if listed; on this machine, on
//! Linux, only the owner's programs and root's may connect; and a call is carried out only for the
//! owner and root ([`Users::Owner`]), or for everybody as the owner ([`Users::Anyone`]).
//!
//! **Busy sessions.** While a run works in a session, others cannot change it: `NFS3ERR_ROFS`, and
//! `NFS3ERR_JUKEBOX` for writes, so that a client keeps what it has and asks again.

mod again;
mod client;
mod connection;
mod counts;
mod dispatch;
mod export;
mod exports;
#[doc(hidden)]
pub mod fuzz;
mod handles;
mod mount;
mod nfs;
mod pending;
mod record;
mod rpc;
mod serve;
mod server;
mod status;
mod table;
mod xdr;

pub use client::{Network, NetworkError};
pub use counts::{Counts, Procedure};
pub use exports::{Exports, Opened};
pub use serve::{ServeError, Serving, serve};
pub use table::HandlesError;

/// How exports are served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom all files belong to: user and group.
    pub uid: u32,
    /// See [`uid`](Self::uid).
    pub gid: u32,
    /// Whose calls are carried out.
    pub users: Users,
    /// Which other machines are served; this one always is.
    pub clients: Vec<Network>,
}

/// Whose calls are carried out, as far as clients say the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Users {
    /// The owner's, and root's.
    #[default]
    Owner,
    /// Everybody's, as if they were the owner's.
    Anyone,
}
