//! An attempt by the hostile program, outside and inside of a room.

use std::process::Command;

use brio_confine::{Exit, Room};

use crate::setup::{Done, exe, place, run};

pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn outside(arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(exe()).arg("attempt").args(arguments).output().unwrap();
    if done.status.success() {
        Ok(String::from_utf8(done.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

pub(crate) fn inside(room: &Room, arguments: &[&str]) -> Done {
    let exe = exe();
    let argv = [&[exe.to_str().unwrap(), "attempt"], arguments].concat();
    run(room, &argv)
}

/// Fails outside only where that is known: then nothing is proven here.
pub(crate) fn stopped(room: &Room, arguments: &[&str]) {
    outside(arguments).unwrap_or_else(|e| panic!("outside, {arguments:?} must succeed: {e}"));
    refused(room, arguments);
}

pub(crate) fn refused(room: &Room, arguments: &[&str]) -> i32 {
    let done = inside(room, arguments);
    assert_eq!(done.exit, Exit::Code(1), "{arguments:?} in the room: {}{}", done.out, done.err);
    done.out.trim().parse().unwrap()
}

/// Attempts of which each succeeds outside, for root or for everybody.
pub(crate) fn all_stopped(attempts: &[(&[&str], Who)]) {
    let place = place();
    for (attempt, who) in attempts {
        let possible = match who {
            Who::Everybody => true,
            Who::Root => root(),
            Who::Perhaps => outside(attempt).is_ok(),
        };
        if possible {
            stopped(&place.room, attempt);
        } else {
            refused(&place.room, attempt);
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Who {
    Everybody,
    Root,
    /// The kernel may be built, or set, without it.
    Perhaps,
}
