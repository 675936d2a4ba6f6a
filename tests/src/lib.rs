//! What crosses crates: the promises and their proofs, benchmark harnesses,
//! file systems to test on.
//!
//! `tests/PROMISES.md` says in our own words what Brio promises and names the test that proves
//! each line; [`promises`] reads it, and a test fails when a named test is missing or ignored.

#[cfg(target_os = "linux")]
pub mod fuzz;
#[cfg(target_os = "linux")]
pub mod fuzz_nfs;
pub mod mounted;
pub mod promises;
pub mod rng;
pub mod skip;
pub mod tree;

use std::path::PathBuf;

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
