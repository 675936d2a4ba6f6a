//! The filter of system calls: what a command in a room has no use for, and what would reach
//! the kernel's less guarded parts, or out of the room.
//!
//! It lies on top of namespaces and dropped capabilities, which refuse most of this already.
//! What it does alone: terminal input (`TIOCSTI`), keyrings (which know no namespace that a
//! room has), socket families that know no network namespace, new user namespaces, in which
//! a command would have capabilities again, and set-user-ID files in what is writable.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::wire::Failure;
use crate::Needed;

/// What one entry of a table refuses.
struct Refused {
    call: i64,
    when: When,
}

/// All arguments are compared by their lower half: the kernel reads no more of them.
enum When {
    Always,
    /// Argument 0 has this bit. An entry for each bit: a condition does not ask for "any".
    Flag(libc::c_int),
    /// This argument has the set-user-ID bit.
    SetUserId(u8),
    /// Argument 1 is this.
    Request(u32),
    /// Argument 0 is none of these.
    FamilyNotIn(&'static [libc::c_int]),
    /// Argument 0 is the first, and argument 2 is not the second.
    ProtocolNot(libc::c_int, libc::c_int),
}

const fn call(call: i64) -> Refused {
    Refused { call, when: When::Always }
}

const fn with_flag(call: i64, flag: libc::c_int) -> Refused {
    Refused { call, when: When::Flag(flag) }
}

const fn request(request: u32) -> Refused {
    Refused { call: libc::SYS_ioctl, when: When::Request(request) }
}

/// The room's mounts are the wall.
const MOUNTS: &[Refused] = &[
    call(libc::SYS_mount),
    call(libc::SYS_umount2),
    call(libc::SYS_pivot_root),
    call(libc::SYS_chroot),
    call(libc::SYS_open_tree),
    call(OPEN_TREE_ATTR),
    call(libc::SYS_move_mount),
    call(libc::SYS_fsopen),
    call(libc::SYS_fsconfig),
    call(libc::SYS_fsmount),
    call(libc::SYS_fspick),
    call(libc::SYS_mount_setattr),
];

/// A new user namespace gives all capabilities, and with them most of the kernel, inside of it.
const NAMESPACES: &[Refused] = &[
    call(libc::SYS_setns),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWUSER),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWNS),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWPID),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWNET),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWIPC),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWUTS),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWCGROUP),
    with_flag(libc::SYS_unshare, libc::CLONE_NEWTIME),
    with_flag(libc::SYS_clone, libc::CLONE_NEWUSER),
    with_flag(libc::SYS_clone, libc::CLONE_NEWNS),
    with_flag(libc::SYS_clone, libc::CLONE_NEWPID),
    with_flag(libc::SYS_clone, libc::CLONE_NEWNET),
    with_flag(libc::SYS_clone, libc::CLONE_NEWIPC),
    with_flag(libc::SYS_clone, libc::CLONE_NEWUTS),
    with_flag(libc::SYS_clone, libc::CLONE_NEWCGROUP),
];

/// Parts of the kernel that a build or a test has no use for, and that exploits are made of.
const KERNEL: &[Refused] = &[
    call(libc::SYS_bpf),
    call(libc::SYS_perf_event_open),
    call(libc::SYS_userfaultfd),
    call(libc::SYS_kexec_load),
    call(KEXEC_FILE_LOAD),
    call(libc::SYS_init_module),
    call(libc::SYS_finit_module),
    call(libc::SYS_delete_module),
    call(libc::SYS_reboot),
    call(libc::SYS_swapon),
    call(libc::SYS_swapoff),
    call(libc::SYS_acct),
    call(libc::SYS_quotactl),
    call(libc::SYS_quotactl_fd),
    call(libc::SYS_syslog),
    call(libc::SYS_settimeofday),
    call(libc::SYS_clock_settime),
    call(libc::SYS_clock_adjtime),
    call(libc::SYS_lookup_dcookie),
    call(libc::SYS_nfsservctl),
    // A file by its number is a file outside of the root.
    call(libc::SYS_open_by_handle_at),
    // Keyrings belong to the user, not to a namespace: the caller's keys are in them.
    call(libc::SYS_add_key),
    call(libc::SYS_request_key),
    call(libc::SYS_keyctl),
];

#[cfg(target_arch = "x86_64")]
const OF_THE_MACHINE: &[Refused] =
    &[call(libc::SYS_iopl), call(libc::SYS_ioperm), call(libc::SYS_modify_ldt)];
#[cfg(not(target_arch = "x86_64"))]
const OF_THE_MACHINE: &[Refused] = &[];

/// What a command could type into the terminal it was started from runs with the caller's rights.
const TERMINAL: &[Refused] =
    &[request(TIOCSTI), request(TIOCLINUX), request(TIOCCONS), request(TIOCSETD)];

/// Only Unix, IPv4, IPv6 and of netlink what lists devices: others know no network namespace
/// (vsock), carry raw frames (packet), or are large and rarely looked at.
const SOCKETS: &[Refused] = &[
    Refused { call: libc::SYS_socket, when: When::FamilyNotIn(FAMILIES) },
    Refused {
        call: libc::SYS_socket,
        when: When::ProtocolNot(libc::AF_NETLINK, libc::NETLINK_ROUTE),
    },
];

const FAMILIES: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// A program that is left behind with this bit runs with the caller's rights for other users of
/// the host, and the room is no longer around it. The set-group-ID bit is not refused:
/// directories of shared repositories have it.
const SET_USER_ID: &[Refused] = &[
    Refused { call: libc::SYS_fchmod, when: When::SetUserId(1) },
    Refused { call: libc::SYS_fchmodat, when: When::SetUserId(2) },
    Refused { call: FCHMODAT2, when: When::SetUserId(2) },
    Refused { call: libc::SYS_openat, when: When::SetUserId(3) },
    Refused { call: libc::SYS_mknodat, when: When::SetUserId(2) },
    #[cfg(target_arch = "x86_64")]
    Refused { call: libc::SYS_chmod, when: When::SetUserId(1) },
    #[cfg(target_arch = "x86_64")]
    Refused { call: libc::SYS_open, when: When::SetUserId(2) },
    #[cfg(target_arch = "x86_64")]
    Refused { call: libc::SYS_creat, when: When::SetUserId(1) },
    #[cfg(target_arch = "x86_64")]
    Refused { call: libc::SYS_mknod, when: When::SetUserId(1) },
];

/// For these, programs have another way when the kernel does not know them: flags of `clone3`
/// and the mode of `openat2` lie in memory, where no filter sees them; io_uring passes by every
/// filter.
const UNKNOWN: &[Refused] = &[
    call(libc::SYS_clone3),
    call(libc::SYS_openat2),
    call(libc::SYS_io_uring_setup),
    call(libc::SYS_io_uring_enter),
    call(libc::SYS_io_uring_register),
];

const FCHMODAT2: i64 = 452;
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: i64 = libc::SYS_kexec_file_load;
/// Not named by every libc.
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: i64 = 294;
const OPEN_TREE_ATTR: i64 = 467;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;
const TIOCCONS: u32 = 0x541D;
const TIOCSETD: u32 = 0x5423;

/// Installs the filters in this thread, for good, and for all that it starts.
pub(super) fn install() -> Result<(), Failure> {
    if cfg!(target_arch = "x86_64") {
        seccompiler::apply_filter(&no_x32()).map_err(refuse)?;
    }
    let not_permitted =
        [MOUNTS, NAMESPACES, KERNEL, OF_THE_MACHINE, TERMINAL, SET_USER_ID].into_iter().flatten();
    for (errno, table) in [
        (libc::ENOSYS, UNKNOWN.iter().collect::<Vec<_>>()),
        (libc::EAFNOSUPPORT, SOCKETS.iter().collect()),
        (libc::EPERM, not_permitted.collect()),
    ] {
        let filter = compile(&table, errno).map_err(|e| refuse(e.into()))?;
        seccompiler::apply_filter(&filter).map_err(refuse)?;
    }
    Ok(())
}

/// A filter that cannot be had.
pub(super) fn refuse(e: seccompiler::Error) -> Failure {
    let e = match e {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e,
        _ => io::Error::from_raw_os_error(libc::EINVAL),
    };
    Failure::refused(Needed::Seccomp, "install the seccomp filter", &e)
}

fn compile(
    table: &[&Refused],
    errno: libc::c_int,
) -> Result<Vec<sock_filter>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for refused in table {
        // A call without rules is refused whatever its arguments.
        let of_call = rules.entry(refused.call).or_default();
        let conditions = conditions(&refused.when)?;
        if !conditions.is_empty() {
            of_call.push(SeccompRule::new(conditions)?);
        }
    }
    // A call by another architecture's table (32 bits) ends the process.
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

fn conditions(when: &When) -> Result<Vec<SeccompCondition>, seccompiler::BackendError> {
    let of = |argument, op, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
    };
    let number = |value: libc::c_int| u64::from(value.cast_unsigned());
    match when {
        When::Always => Ok(Vec::new()),
        When::Flag(flag) => Ok(vec![of(0, SeccompCmpOp::MaskedEq(number(*flag)), number(*flag))?]),
        When::SetUserId(argument) => {
            let bit = u64::from(libc::S_ISUID);
            Ok(vec![of(*argument, SeccompCmpOp::MaskedEq(bit), bit)?])
        }
        When::Request(request) => Ok(vec![of(1, SeccompCmpOp::Eq, u64::from(*request))?]),
        When::FamilyNotIn(families) => {
            families.iter().map(|family| of(0, SeccompCmpOp::Ne, number(*family))).collect()
        }
        When::ProtocolNot(family, protocol) => Ok(vec![
            of(0, SeccompCmpOp::Eq, number(*family))?,
            of(2, SeccompCmpOp::Ne, number(*protocol))?,
        ]),
    }
}

/// The x32 table has the same architecture as the 64-bit one and other numbers, which the
/// tables above do not name: it is refused as a whole.
fn no_x32() -> [sock_filter; 4] {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_GE: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32_BIT: u32 = 0x4000_0000;
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    [
        statement(LOAD_NUMBER, 0),
        sock_filter { code: JUMP_IF_GE, jt: 0, jf: 1, k: X32_BIT },
        statement(RETURN, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ]
}
