//! `brio serve --grpc`: the service by a client of another crate, against the binary.
//!
//! `cargo test --release -p brio-cli --test grpc -- --nocapture figures` says how many sessions are
//! started and landed a second.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "grpc/errors.rs"]
mod errors;
#[path = "grpc/events.rs"]
mod events;
#[path = "grpc/figures.rs"]
mod figures;
#[path = "grpc/run.rs"]
mod run;
#[path = "grpc/server.rs"]
mod server;
#[path = "grpc/sessions.rs"]
mod sessions;
#[path = "grpc/site.rs"]
mod site;
