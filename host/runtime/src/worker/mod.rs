//! A run in a process of its own, which holds nothing but two sockets.
//!
//! The guest's code runs in the *worker*; everything that it asks of its host runs in the
//! supervisor's process, which holds the session, its binds and the network. So whoever takes a
//! worker over can ask for what the guest may ask for, and no more: there is no directory in the
//! worker, no descriptor of one, and no name of one. What makes the worker's process, and keeps it
//! from everything else, is the caller's (`brio-confine`).
//!
//! | module | |
//! |---|---|
//! | `wire` | frames on a socket |
//! | `protocol` | what both sides say |
//! | `inside`, `client` | the worker: its `main`, and the files and sessions that it asks for |
//! | `outside`, `server` | the supervisor: one run, and the answers |
//! | `records` | both sides of what is asked of the project's record |

mod client;
mod code;
mod inside;
mod outside;
mod protocol;
mod records;
mod server;
mod wire;

pub use client::RemoteFiles;
pub(crate) use client::{RemoteDir, RemoteFile, RemoteOpened};
pub(crate) use code::Code;
pub use inside::enter_worker;
pub use outside::Worker;
