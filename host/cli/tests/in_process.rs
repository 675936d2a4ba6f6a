//! What holds for an agent in this process holds for one in a process of its own: the same tests,
//! again.
#![cfg(target_os = "linux")]
#![allow(clippy::duplicate_mod, reason = "each brings what it shares")]

#[path = "binds.rs"]
mod binds;
#[path = "journal.rs"]
mod journal;
#[path = "llm_coder.rs"]
mod llm_coder;
#[path = "manager.rs"]
mod manager;
#[path = "mounts.rs"]
mod mounts;
#[path = "net.rs"]
mod net;
#[path = "run.rs"]
mod run;
#[path = "signals.rs"]
mod signals;
