//! The room, as Linux makes it.
//!
//! Three processes: the *caller*; the *helper* (`helper`), which makes the namespaces and waits;
//! and *process 1* of the room (`init`), which builds the root (`root`), confines itself
//! (`caps`, `landlock`, `seccomp`), and starts the command. Helper and process 1 are this
//! program, executed again: no code runs between a fork and an exec. They speak over sockets
//! (`wire`), which are their standard input: nothing else is inherited.
//!
//! A `cell` has the same processes; its process 1 executes nothing, but goes on as what the
//! caller made of this program, under a filter that is a list of what it may do (`allow`).
//!
//! A command without a room (`unconfined`) has a `guard`, which ends it with its caller.

mod allow;
mod caps;
mod cell;
mod guard;
mod helper;
mod init;
mod landlock;
mod limits;
mod loopback;
mod mounts;
mod root;
mod running;
mod seccomp;
mod unconfined;
mod wire;

pub use cell::probe_cell;
pub use helper::{enter_if_asked, enter_if_asked_with};
pub use running::{Handle, Running, probe};
pub use unconfined::Unconfined;
