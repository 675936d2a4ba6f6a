//! A program whose `main` does not know of helpers, as this one's, cannot make rooms: its helper
//! would be all of its tests once more.
#![cfg(target_os = "linux")]

use brio_confine::{Command, Room, RoomError};

#[test]
fn who_is_not_its_own_helper_makes_no_room() {
    let refused = Room::empty().spawn(Command::default());
    assert!(matches!(refused, Err(RoomError::NotEntered)), "refused before anything is started");
}
