//! What holds for a run in this process holds for one in a worker: the same tests, again; and what
//! becomes of a run whose worker lies, breaks off or dies.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::duplicate_mod, missing_docs, reason = "tests")]

#[path = "exceptions.rs"]
mod exceptions;
#[path = "files.rs"]
mod files;
#[path = "fs_fuzz.rs"]
mod fs_fuzz;
#[path = "outcomes.rs"]
mod outcomes;
#[path = "records.rs"]
mod records;
#[path = "sessions.rs"]
mod sessions;
#[path = "worker/mod.rs"]
mod worker;

use std::io;
use std::os::fd::AsFd;

/// Not a test: the worker of the others.
#[test]
fn worker_process() {
    if std::env::var_os(files::common::worker::BECOME).is_some() {
        let own = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
        let descriptors = vec![own(io::stdin().as_fd()), own(io::stderr().as_fd())];
        std::process::exit(brio_runtime::enter_worker(descriptors));
    }
}
