//! The one door through which every mutation of a disk passes.
//!
//! A test hangs a [`Hook`] on it and makes the N-th operation fail, stop (as `kill -9` would)
//! or lie. Without a hook a passage costs one branch.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an operation does to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Creates a file.
    Create,
    /// Writes content of a session's file.
    Write,
    /// Changes a file's length.
    Truncate,
    /// Appends a record to a log.
    Append,
    /// Renames over whatever is there.
    Rename,
    /// Exchanges two names.
    Exchange,
    /// Renames to a name that must be free.
    RenameNoReplace,
    /// Makes a hard link.
    Link,
    /// Makes a symbolic link.
    Symlink,
    /// Makes a directory.
    Mkdir,
    /// Removes a name.
    Unlink,
    /// Removes a directory.
    Rmdir,
    /// Changes permission bits.
    Chmod,
    /// Changes the owner.
    Chown,
    /// Changes times.
    SetTimes,
    /// Changes an extended attribute.
    SetXattr,
    /// Clones or copies content.
    Clone,
    /// Makes one file or directory durable.
    Sync,
    /// Makes a file system durable.
    SyncFs,
    /// Moves the landing sequence.
    Seq,
}

/// What a [`Hook`] decides about one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Go,
    /// Don't do it; report this `errno`.
    Fail(i32),
    /// Do it, then report this `errno`.
    FailAfter(i32),
    /// Don't do it, and let nothing through from here on, as if the process were killed.
    Stop,
    /// Do it, then let nothing through.
    StopAfter,
    /// Don't do it; report success.
    Lie,
}

/// Decides about each operation that passes a [`Door`].
pub trait Hook: Send + Sync {
    /// Called before each operation, in the order in which they happen.
    fn verdict(&self, op: Op) -> Verdict;
}

struct Hooked {
    hook: Arc<dyn Hook>,
    stopped: AtomicBool,
}

/// The door. Cheap to clone; clones share their hook and whether it has stopped.
#[derive(Clone, Default)]
pub struct Door(Option<Arc<Hooked>>);

impl Door {
    /// A door that asks `hook` about every operation.
    pub fn with_hook(hook: Arc<dyn Hook>) -> Self {
        Self(Some(Arc::new(Hooked { hook, stopped: AtomicBool::new(false) })))
    }

    /// Whether a hook has stopped it: nothing passes any more.
    pub fn stopped(&self) -> bool {
        self.0.as_ref().is_some_and(|h| h.stopped.load(Ordering::SeqCst))
    }

    /// Does `f`, unless the hook decides otherwise.
    ///
    /// # Errors
    /// Those of `f`, and what the hook injects; a stopped door answers an error that
    /// [`is_stop`] recognises.
    pub fn run(&self, op: Op, f: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.pass(op, f, || ())
    }

    /// As [`run`](Self::run), for operations with a result; `lie` makes the result of one that
    /// is reported as done but was not.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn pass<T>(
        &self,
        op: Op,
        f: impl FnOnce() -> io::Result<T>,
        lie: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let Some(h) = &self.0 else { return f() };
        if h.stopped.load(Ordering::SeqCst) {
            return Err(stop());
        }
        match h.hook.verdict(op) {
            Verdict::Go => f(),
            Verdict::Fail(errno) => Err(io::Error::from_raw_os_error(errno)),
            Verdict::FailAfter(errno) => f().and(Err(io::Error::from_raw_os_error(errno))),
            Verdict::Stop => {
                h.stopped.store(true, Ordering::SeqCst);
                Err(stop())
            }
            Verdict::StopAfter => {
                let done = f();
                h.stopped.store(true, Ordering::SeqCst);
                done.and(Err(stop()))
            }
            Verdict::Lie => Ok(lie()),
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Door(hooked)" } else { "Door" })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("stopped at the door")]
struct Stopped;

fn stop() -> io::Error {
    io::Error::other(Stopped)
}

/// Whether an error came from a stopped door: the caller "is dead" and must not clean up.
pub fn is_stop(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}
