//! The wall: what a hostile program tries from inside of a room, and what a room promises.
//!
//! This binary is the tests, the hostile program (`attempt NAME …`), and by
//! `enter_if_asked` the helper of its own rooms. Each attempt is made outside of the room first,
//! where it must succeed: so nothing is refused for a wrong reason. As root, all is run again
//! as user 65534. It is also what goes on in a cell (`inside`), and misbehaves there (`locked`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that unwraps fails with the line that did"
)]

#[cfg(target_os = "linux")]
mod beside;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod cell;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod fuse;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod locked;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(target_os = "linux")]
mod traps;
#[cfg(target_os = "linux")]
mod tries;

#[cfg(target_os = "linux")]
fn main() {
    brio_confine::enter_if_asked_with(inside::run);
    hostile::attempt_if_asked();
    life::caller_if_asked();
    cell::spawner_if_asked();
    locked::calls_if_asked();
    life::probe_if_asked();
    fuse::no_fuse_if_asked();
    fuse::dead_mount_if_asked();
    let tests = [
        life::TESTS,
        cell::TESTS,
        locked::TESTS,
        fuse::TESTS,
        beside::TESTS,
        files::TESTS,
        processes::TESTS,
        network::TESTS,
        kernel::TESTS,
        traps::TESTS,
    ]
    .concat();
    harness::run(&tests);
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}
