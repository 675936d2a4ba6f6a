//! Tests whose program is the guard of the commands that they start: libtest's `main` is none.

use libtest_mimic::{Arguments, Trial};

pub(crate) fn run(tests: &[(&'static str, fn())]) -> ! {
    brio_host::enter_room_if_asked();
    let trial = |&(name, test): &(&'static str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit()
}
