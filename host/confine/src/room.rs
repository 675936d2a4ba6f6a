//! What a room is made of, said by its caller.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What may be done with a place that is bound from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Access {
    /// Read and execute.
    Read,
    /// Everything that the caller may do there.
    Write,
    /// Nothing: an empty file, or an empty directory, lies over it.
    Hidden,
}

/// One path of the host, shown in the room at the same path or at another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The absolute path. A link is followed on the host.
    pub path: PathBuf,
    /// Where it is in the room; `None`: at its own path.
    pub at: Option<PathBuf>,
    /// What may be done with it.
    pub access: Access,
    /// An optional bind is left out when it is not there, or lies inside the workspace, which
    /// shows its own; one that is not optional is an error then.
    pub optional: bool,
}

impl Bind {
    /// A bind that a person asked for, read-only.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), at: None, access: Access::Read, optional: false }
    }

    /// A bind that a person asked for, read-write.
    pub fn write(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), at: None, access: Access::Write, optional: false }
    }

    /// The same, shown at another path, where nothing of the room is yet, nor below it.
    #[must_use]
    pub fn at(self, path: impl Into<PathBuf>) -> Self {
        Self { at: Some(path.into()), ..self }
    }

    /// Where it is in the room.
    pub(crate) fn place(&self) -> &Path {
        self.at.as_deref().unwrap_or(&self.path)
    }
}

/// The one place that the command works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workspace {
    /// A directory of the host, read-write at its own path, or at another.
    Bind {
        /// The host's directory.
        source: PathBuf,
        /// Where it is in the room.
        path: PathBuf,
    },
    /// A FUSE mount in the room's own mount namespace. Its descriptor is
    /// [`Running::fuse`](crate::Running::fuse), and somebody must serve it from then on, until
    /// [`Running::wait`](crate::Running::wait) has returned: the command starts only then.
    Fuse {
        /// Where it is in the room.
        path: PathBuf,
        /// More mount options, by commas (`max_read=131072`), besides `fd`, `rootmode`,
        /// `user_id`, `group_id` and `default_permissions`, which the room sets.
        options: String,
    },
}

impl Workspace {
    /// Where it is in the room.
    pub fn path(&self) -> &Path {
        match self {
            Self::Bind { path, .. } | Self::Fuse { path, .. } => path,
        }
    }
}

/// Limits on what a command takes, `None` for no limit beyond the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Seconds of CPU, per process (`RLIMIT_CPU`).
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space, per process (`RLIMIT_AS`).
    pub address_space: Option<u64>,
    /// Bytes of the largest file (`RLIMIT_FSIZE`).
    pub file_size: Option<u64>,
    /// Open files, per process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Processes and threads in the whole room. The kernel counts no fewer than 301. What
    /// enforces it, if anything can, is in [`Report::processes`](crate::Report::processes).
    pub processes: Option<u32>,
    /// Bytes of a core file (`RLIMIT_CORE`).
    pub core: u64,
    /// Bytes of each private directory: `/tmp`, `/var/tmp`, the home, `/dev/shm`.
    pub private_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_seconds: None,
            address_space: None,
            file_size: None,
            open_files: None,
            processes: Some(4096),
            core: 0,
            private_bytes: 1 << 30,
        }
    }
}

/// A room to be: a description, without effect until [`Room::spawn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub(crate) workspace: Option<Workspace>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) views: Vec<PathBuf>,
    pub(crate) network: bool,
    pub(crate) limits: Limits,
}

impl Room {
    /// A room with this workspace, the system read-only, and nothing else.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace: Some(workspace), ..Self::empty() }
    }

    /// A room without a workspace.
    pub fn empty() -> Self {
        Self {
            workspace: None,
            home: None,
            binds: Vec::new(),
            views: Vec::new(),
            network: false,
            limits: Limits::default(),
        }
    }

    /// A private, empty home at this path. It should be what `HOME` says in the command's
    /// environment, so that toolchains are found where they were installed.
    #[must_use]
    pub fn home(mut self, path: impl Into<PathBuf>) -> Self {
        self.home = Some(path.into());
        self
    }

    /// Shows one more path of the host.
    #[must_use]
    pub fn bind(mut self, bind: Bind) -> Self {
        self.binds.push(bind);
        self
    }

    /// Shows more paths of the host, as [`toolchains`](crate::toolchains()) finds them.
    #[must_use]
    pub fn binds(mut self, binds: impl IntoIterator<Item = Bind>) -> Self {
        self.binds.extend(binds);
        self
    }

    /// Shows one more FUSE mount, read-only, where nothing else of the room is. Its descriptor is
    /// in [`Running::views`](crate::Running::views), and is to be served as that of a workspace.
    #[must_use]
    pub fn view(mut self, path: impl Into<PathBuf>) -> Self {
        self.views.push(path.into());
        self
    }

    /// Grants the host's network. Without, the room has a loopback of its own and no more.
    #[must_use]
    pub fn network(mut self, granted: bool) -> Self {
        self.network = granted;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// One of the command's standard streams.
#[derive(Debug, Default)]
pub enum Stdio {
    /// `/dev/null`.
    #[default]
    Null,
    /// The caller's own.
    Inherit,
    /// This descriptor.
    #[cfg(unix)]
    Descriptor(std::os::fd::OwnedFd),
}

/// What is started in a room.
#[derive(Debug, Default)]
pub struct Command {
    /// The program and its arguments. A program without a slash is looked up by the `PATH` in
    /// `env`, in the room.
    pub argv: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The directory in the room in which it starts; the workspace, if not said.
    pub cwd: Option<PathBuf>,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// Starts it in a process session of its own, without a controlling terminal: a terminal's
    /// signals (Ctrl-C) reach the caller alone, which decides what becomes of the command. Else
    /// it stays in the caller's process group, as job control needs it.
    pub detached: bool,
}

impl Command {
    /// A command with an empty environment, in the workspace, without input and output.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}
