//! What confines a command, as it is in force.

use std::fmt;

/// By what right the room was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// The caller had CAP_SYS_ADMIN.
    Root,
    /// In a user namespace of its own, in which the caller's user and group are the only ones.
    UserNamespace,
}

/// A namespace that the room does not share with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Users and capabilities.
    User,
    /// Mounts.
    Mount,
    /// Processes.
    Pid,
    /// System V IPC and message queues.
    Ipc,
    /// Host name.
    Uts,
    /// The view of cgroups.
    Cgroup,
    /// Devices, addresses, ports, abstract sockets.
    Network,
}

/// What landlock adds to the mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Landlock {
    /// The version of the interface that is in force.
    pub abi: u32,
    /// Whether signals and abstract sockets are kept inside (since version 6).
    pub scoped: bool,
}

/// What stops a fork bomb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessLimit {
    /// None was asked for.
    Unlimited,
    /// The room's PID namespace has no more numbers than this (Linux 6.14).
    PidNamespace(u32),
    /// `RLIMIT_NPROC`, counted in the room's user namespace.
    UserNamespace(u32),
    /// It was asked for, and neither is there.
    Unavailable,
}

/// Which mechanisms are in force in a room.
///
/// Namespaces, the fresh root, dropped capabilities, `no_new_privs` and seccomp are always: a
/// room without them is refused. What else the kernel lacks is in `lacking`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// By what right the room was made.
    pub privilege: Privilege,
    /// Namespaces of its own. Without `Network`, it was granted the host's network.
    pub namespaces: Vec<Namespace>,
    /// Landlock, if the kernel has it.
    pub landlock: Option<Landlock>,
    /// The filter of system calls.
    pub seccomp: bool,
    /// No program gains rights by being executed.
    pub no_new_privs: bool,
    /// What stops a fork bomb.
    pub processes: ProcessLimit,
    /// What this kernel does not have, a sentence each.
    pub lacking: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.privilege {
            Privilege::Root => "namespaces (root)",
            Privilege::UserNamespace => "namespaces (user namespace)",
        })?;
        if !self.namespaces.contains(&Namespace::Network) {
            f.write_str(", the host's network")?;
        }
        if let Some(landlock) = self.landlock {
            write!(f, ", landlock {}", landlock.abi)?;
        }
        if self.seccomp {
            f.write_str(", seccomp")?;
        }
        for lack in &self.lacking {
            write!(f, "; {lack}")?;
        }
        Ok(())
    }
}
