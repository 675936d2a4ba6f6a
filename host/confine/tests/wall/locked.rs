//! What a cell cannot.

use std::os::fd::OwnedFd;

use crate::harness::Test;
use crate::hostile::Got;

pub(crate) const TESTS: &[Test] = &[];

pub(crate) fn attempt(name: &str, _words: &[&str], _given: &[OwnedFd]) -> Got {
    panic!("no attempt {name}")
}
