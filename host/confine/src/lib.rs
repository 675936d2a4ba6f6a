//! A room for a native command.
//!
//! What an agent wrote is read, and executed, by native tools: a test run, a build, a linter.
//! A [`Room`] is a place for such a command in which there is nothing but what was put there:
//! the system read-only, toolchains read-only without their credentials, a private `/tmp` and
//! home, and one workspace, at any absolute path. It has no network unless it is granted.
//!
//! The room is made by a *helper*: this very program, executed again under another name. So
//! [`enter_if_asked`] must be the first thing in `main` of every program that spawns rooms:
//!
//! ```
//! brio_confine::enter_if_asked(); // before anything else in main
//! ```
//!
//! A [`Cell`] is a room with nothing in it, in which this program itself goes on: for code that
//! it interprets and does not trust. A program that spawns one calls [`enter_if_asked_with`].
//!
//! A room that cannot be made is refused, with what was missing and how to get it
//! ([`RoomError`]); nothing is ever run with less than what [`Report`] says.
//!
//! Linux only. Elsewhere the crate compiles and every room is refused.

mod cell;
mod error;
mod places;
mod report;
mod room;
mod system;
mod toolchains;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod linux;

pub use cell::{Cell, CellLimits, Descriptor, Inside};
pub use error::{Needed, RoomError};
pub use linux::{
    Handle, Running, Unconfined, enter_if_asked, enter_if_asked_with, probe, probe_cell,
};
pub use report::{Landlock, Namespace, Privilege, ProcessLimit, Report};
pub use room::{Access, Bind, Command, Limits, Room, Stdio, Workspace};
pub use toolchains::{Toolchains, toolchains};

/// How a command in a room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The room was killed around it.
    Killed,
}

impl Exit {
    /// The status as shells give it: 128 + n for a signal, 137 for a killed room.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::Killed => 137,
        }
    }
}
