//! Why a room was refused.

use std::io;
use std::path::PathBuf;

/// A mechanism without which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needed {
    /// A user namespace, for who has no CAP_SYS_ADMIN.
    UserNamespace,
    /// Mount, PID, IPC, UTS, cgroup and network namespaces.
    Namespaces,
    /// Mounts in the room's own mount namespace.
    Mount,
    /// `/proc` of the room's own PID namespace.
    Proc,
    /// The change of the root directory.
    PivotRoot,
    /// Dropping all capabilities.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Landlock, where the kernel has it.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// The loopback device of the room's own network.
    Loopback,
    /// Resource limits.
    Limits,
    /// The helper process.
    Helper,
}

impl Needed {
    /// What a person can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::UserNamespace => {
                "user namespaces are switched off for ordinary users: `sysctl kernel.unprivileged_userns_clone=1` (Debian) and `sysctl user.max_user_namespaces=10000`, in a container a seccomp profile that allows unshare, or run as root"
            }
            Self::Namespaces | Self::Mount => {
                "what restricts namespaces must let this program make them: on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile with `userns,` for this binary; in a container, one that may unshare and mount"
            }
            Self::Proc => {
                "a container that masks parts of /proc keeps user namespaces from mounting their own: run it with an unmasked /proc (`--security-opt systempaths=unconfined`), or outside of the container"
            }
            Self::PivotRoot => "the root directory must be a mount point, not a chroot",
            Self::Seccomp => "a kernel with CONFIG_SECCOMP_FILTER",
            Self::Helper => {
                "the program must call brio_confine::enter_if_asked() first in main, and /proc must be mounted"
            }
            Self::Capabilities
            | Self::NoNewPrivs
            | Self::Landlock
            | Self::Loopback
            | Self::Limits => "this should work on every supported kernel: please report it",
        }
    }
}

/// A room that was not made, or a command that could not be started in it.
///
/// Nothing of the command ran, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// There are rooms on Linux only.
    #[error(
        "ROOM_UNSUPPORTED: a room for native commands needs Linux; this system has no namespaces"
    )]
    Unsupported,
    /// The kernel, or what guards it, refused something that a room cannot do without.
    #[error("ROOM_REFUSED: {step}: {source}; {}", .needed.remedy())]
    Refused {
        /// Which mechanism.
        needed: Needed,
        /// What was tried, with the path if there is one.
        step: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The workspace cannot be mounted by FUSE.
    #[error(
        "ROOM_NO_FUSE: {step}: {source}; give /dev/fuse to this user, or use an exported directory as the workspace"
    )]
    NoFuse {
        /// What was tried.
        step: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A path is relative, holds `..`, or is the root directory.
    #[error(
        "ROOM_PATH: {path} cannot be a place in a room: an absolute path without `.` and `..` below / is needed"
    )]
    BadPath {
        /// The path.
        path: PathBuf,
    },
    /// The workspace would hide what the room needs.
    #[error(
        "ROOM_COVERS: the workspace {workspace} would hide {place}, which the room needs; use a directory further down"
    )]
    Covers {
        /// Where the workspace is.
        workspace: PathBuf,
        /// What it would hide.
        place: PathBuf,
    },
    /// A bind lies inside the workspace, where it would show the host's files instead.
    #[error(
        "ROOM_INSIDE: {path} lies inside the workspace {workspace}, which shows its own; leave the bind out"
    )]
    Inside {
        /// The bind.
        path: PathBuf,
        /// The workspace.
        workspace: PathBuf,
    },
    /// A bind would put the host's own over a directory that is the room's (`/proc`, `/dev`, `/tmp`, …).
    #[error("ROOM_OWN: {path} is the room's own and cannot be bound; bind something inside it")]
    Own {
        /// The bind.
        path: PathBuf,
    },
    /// What is shown at a path of its own would hide what the room has.
    #[error("ROOM_TAKEN: {path} would hide {place}, which is in the room; show it elsewhere")]
    Taken {
        /// Where it was to be shown.
        path: PathBuf,
        /// What it would hide.
        place: PathBuf,
    },
    /// More views than descriptors can be handed over.
    #[error("ROOM_MOUNTS: a room has at most {most} FUSE mounts; show fewer views in it")]
    Mounts {
        /// How many it may have.
        most: usize,
    },
    /// What was to be bound is not there, or cannot be.
    #[error("ROOM_BIND: {path}: {source}")]
    Bind {
        /// The host's path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command was not found, or cannot be executed. The room was made.
    #[error("ROOM_COMMAND: {program}: {source}")]
    Command {
        /// The program as it was named.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// This program cannot be its own helper.
    #[error(
        "ROOM_HELPER: this program cannot start commands: call brio_confine::enter_if_asked (brio_host::enter_room_if_asked) first thing in its main"
    )]
    NotEntered,
    /// This program has nothing to go on with in a cell.
    #[error(
        "ROOM_CELL: this program cannot go on in a cell: call brio_confine::enter_if_asked_with, with the function that runs there, first thing in its main"
    )]
    NoInside,
    /// More descriptors for a cell than can be handed over.
    #[error(
        "ROOM_DESCRIPTORS: a cell is given at most {most} descriptors, not {given}; pass more over one of them"
    )]
    Descriptors {
        /// How many it may be given.
        most: usize,
        /// How many there were.
        given: usize,
    },
    /// The helper ended without saying why.
    #[error("ROOM_HELPER: the helper process ended without an answer ({status}); {}", Needed::Helper.remedy())]
    Helper {
        /// How it ended.
        status: String,
    },
    /// An error of the host around the helper: a socket, a process.
    #[error("ROOM_IO: {step}: {source}")]
    Io {
        /// What was tried.
        step: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl RoomError {
    /// The stable code with which the text begins.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported => "ROOM_UNSUPPORTED",
            Self::Refused { .. } => "ROOM_REFUSED",
            Self::NotEntered => "ROOM_HELPER",
            Self::NoInside => "ROOM_CELL",
            Self::Descriptors { .. } => "ROOM_DESCRIPTORS",
            Self::NoFuse { .. } => "ROOM_NO_FUSE",
            Self::BadPath { .. } => "ROOM_PATH",
            Self::Covers { .. } => "ROOM_COVERS",
            Self::Inside { .. } => "ROOM_INSIDE",
            Self::Own { .. } => "ROOM_OWN",
            Self::Taken { .. } => "ROOM_TAKEN",
            Self::Mounts { .. } => "ROOM_MOUNTS",
            Self::Bind { .. } => "ROOM_BIND",
            Self::Command { .. } => "ROOM_COMMAND",
            Self::Helper { .. } => "ROOM_HELPER",
            Self::Io { .. } => "ROOM_IO",
        }
    }
}
