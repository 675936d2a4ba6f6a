//! Every procedure by hand, by a client that others wrote: what it is to do, and what it is to refuse.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod attributes;
#[path = "../common/mod.rs"]
mod common;
mod exports;
mod handles;
mod list;
mod look;
mod make;
mod names;
mod repeated;

use nfs3_types::nfs3::*;

/// With a mode.
fn mode(mode: u32) -> sattr3 {
    sattr3 { mode: Nfs3Option::Some(mode), ..sattr3::default() }
}

/// With a size.
fn size(size: u64) -> sattr3 {
    sattr3 { size: Nfs3Option::Some(size), ..sattr3::default() }
}

fn guarded() -> createhow3 {
    createhow3::GUARDED(sattr3::default())
}
