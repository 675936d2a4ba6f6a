//! The model of a view: random operations run in lock-step on a view, on a tree in memory and
//! on a plain directory. Another crate's test may include it by `#[path]` and run it over its
//! own lower: [`subject::ViewSubject`] takes a closure that reopens and restacks the view.
//!
//! `BRIO_MODEL_SEED` replays one sequence; `BRIO_MODEL_SEQUENCES` sets how many are run, from
//! that seed on when both are given.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "part of several tests"
)]

pub mod apply;
pub mod base;
pub mod memory;
pub mod ops;
pub mod permitted;
pub mod plain;
pub mod run;
pub mod subject;

use std::collections::BTreeMap;

use brio_session::{FsError, Time};

/// A small xorshift generator: the whole sequence follows from its seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut r = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        if r.0 == 0 {
            r.0 = 1;
        }
        for _ in 0..4 {
            r.next();
        }
        r
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 11) % n as u64) as usize
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What kind of error it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    NotFound,
    Exists,
    NotDirectory,
    IsDirectory,
    NotEmpty,
    /// Leaving the root, a reserved name, or something a view never does.
    NotPermitted,
    Loop,
    Invalid,
    Busy,
    BadDescriptor,
    NameTooLong,
    Access,
    ReadOnly,
    Other(i32),
}

impl From<FsError> for Class {
    fn from(e: FsError) -> Self {
        match e {
            FsError::NotFound => Self::NotFound,
            FsError::Exists => Self::Exists,
            FsError::NotDirectory => Self::NotDirectory,
            FsError::IsDirectory => Self::IsDirectory,
            FsError::NotEmpty => Self::NotEmpty,
            FsError::NotPermitted => Self::NotPermitted,
            FsError::Loop => Self::Loop,
            FsError::Invalid => Self::Invalid,
            FsError::BadDescriptor => Self::BadDescriptor,
            FsError::NameTooLong => Self::NameTooLong,
            FsError::Access => Self::Access,
            FsError::ReadOnly => Self::ReadOnly,
            FsError::Io(n) => Self::Other(n),
            _ => Self::Other(-1),
        }
    }
}

/// The kinds that the model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Dir,
    Symlink,
}

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Done,
    Bytes(Vec<u8>),
    Len(usize),
    /// A directory was opened.
    Dir,
    Stat(Stat),
    Names(Vec<(Vec<u8>, Kind)>),
}

/// What of a file's metadata is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    pub kind: Kind,
    /// 0 for directories, which have no size of their own.
    pub size: u64,
    /// 0 for directories.
    pub nlink: u64,
    /// In the memory model: only where it was set and nothing has moved it since.
    pub mtime: Option<Time>,
}

pub type Outcome = Result<Value, Class>;

/// One entry of a whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub stat: Stat,
    /// A file's bytes or a link's target.
    pub content: Vec<u8>,
}

pub type Tree = BTreeMap<Vec<u8>, Entry>;

/// What the operations run on.
pub trait Subject {
    fn apply(&mut self, op: &ops::Op) -> Outcome;
    fn tree(&mut self) -> Tree;
    /// Closes every handle.
    fn close_all(&mut self);
}

/// Leaves only those times in `got` that `want` knows to have been set.
pub fn mask(got: &mut Stat, want: &Stat) {
    if want.mtime.is_none() {
        got.mtime = None;
    }
}

pub fn show(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
