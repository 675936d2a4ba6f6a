//! A program that spawns rooms only, as this one, has nothing to go on with in a cell.
#![cfg(target_os = "linux")]

use brio_confine::{Cell, RoomError};

#[test]
fn who_does_not_say_what_goes_on_in_a_cell_makes_none() {
    for entered in [false, true] {
        if entered {
            brio_confine::enter_if_asked();
        }
        let refused = Cell::new().spawn(Vec::new());
        let Err(error @ RoomError::NoInside) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("enter_if_asked_with"), "{error}");
        assert!(matches!(brio_confine::probe_cell(), Err(RoomError::NoInside)));
    }
}
