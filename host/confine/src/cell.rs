//! What a cell is, said by its spawner.

/// An open file, a pipe's or a socket's end.
#[cfg(unix)]
pub type Descriptor = std::os::fd::OwnedFd;
/// There are none here that could be handed over.
#[cfg(not(unix))]
#[derive(Debug)]
pub enum Descriptor {}

/// What goes on in a cell: it gets the spawner's descriptors, and returns the exit status.
pub type Inside = fn(Vec<Descriptor>) -> i32;

/// Limits on what a cell takes, `None` for no limit beyond the spawner's own. It can write no
/// file and leaves no core, whatever these say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CellLimits {
    /// Seconds of CPU, of all threads together (`RLIMIT_CPU`). The kernel kills it then.
    pub cpu_seconds: Option<u64>,
    /// Bytes of memory that it can write to (`RLIMIT_DATA`); what is only reserved is not
    /// counted. No more is given to it then, which is the end of most programs. It bounds what
    /// is interpreted; native code could write, give up writing, and so have more, up to the
    /// `address_space`.
    pub data: Option<u64>,
    /// Bytes of address space (`RLIMIT_AS`), also what is only reserved.
    pub address_space: Option<u64>,
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Threads. The kernel counts no fewer than 301. What enforces it, if anything can, is in
    /// [`Report::processes`](crate::Report::processes).
    pub threads: Option<u32>,
}

impl Default for CellLimits {
    fn default() -> Self {
        Self {
            cpu_seconds: None,
            data: None,
            address_space: None,
            open_files: None,
            threads: Some(301),
        }
    }
}

/// A cell to be: a description, without effect until [`Cell::spawn`].
///
/// A cell is a room with nothing in it: an empty root that cannot be written, no network, no
/// other process, no environment, no capability; of system calls only a short list. In it goes
/// on, as process 1, the function that this program gave to
/// [`enter_if_asked_with`](crate::enter_if_asked_with): no other program is executed. It is
/// for what interprets code that is not trusted, so that who breaks out of the interpreter has
/// nothing but the descriptors that its spawner handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    pub(crate) limits: CellLimits,
}

impl Cell {
    /// A cell with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: CellLimits) -> Self {
        self.limits = limits;
        self
    }
}
