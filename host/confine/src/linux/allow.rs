//! The filter of system calls of a cell: what this program needs to interpret a guest, and
//! nothing else.
//!
//! What is not named is refused with EPERM. It never kills, as libraries try what there is,
//! except for the tables of another architecture (32 bits). Nothing here opens, names or makes
//! anything outside of the process: it computes, and speaks over the descriptors that it has.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::seccomp::refuse;
use super::wire::Failure;

/// What one entry of a table allows.
struct Allowed {
    call: i64,
    when: When,
}

/// Arguments are compared by their lower half, which is all that the kernel reads of an `int`.
enum When {
    Always,
    /// This argument, whatever these bits of it, is one of these.
    OneOf(u8, u32, &'static [u32]),
    /// This pointer is null.
    Null(u8),
    /// A pair of connected streams, whatever their flags.
    StreamPair,
    /// The pending error of a socket.
    PendingError,
}

const fn call(call: i64) -> Allowed {
    Allowed { call, when: When::Always }
}

const fn one_of(call: i64, argument: u8, values: &'static [u32]) -> Allowed {
    besides(call, argument, 0, values)
}

const fn besides(call: i64, argument: u8, bits: u32, values: &'static [u32]) -> Allowed {
    Allowed { call, when: When::OneOf(argument, bits, values) }
}

/// Memory of its own, also executable: what is compiled from a guest runs from there. None that
/// is shared, or grows by itself: no limit of data counts it.
const MEMORY: &[Allowed] = &[
    call(libc::SYS_brk),
    besides(libc::SYS_mmap, 3, !(MAP_TYPE | MAP_GROWSDOWN), &[MAP_PRIVATE, MAP_DROPPABLE]),
    call(libc::SYS_munmap),
    call(libc::SYS_mremap),
    call(libc::SYS_mprotect),
    call(libc::SYS_madvise),
    // Code that was written by one thread is executed by another.
    call(libc::SYS_membarrier),
];

/// Threads of this process, never another process. The C libraries start a thread with these
/// very flags; new namespaces, or a child that is no thread, would be other flags.
const THREADS: &[Allowed] = &[
    besides(libc::SYS_clone, 0, CLONE_DETACHED, &[THREAD_FLAGS]),
    call(libc::SYS_set_robust_list),
    call(libc::SYS_rseq),
    call(libc::SYS_set_tid_address),
    besides(libc::SYS_futex, 1, FUTEX_FLAGS, FUTEX),
    call(libc::SYS_sched_yield),
    call(libc::SYS_sched_getaffinity),
    call(libc::SYS_getcpu),
    call(libc::SYS_exit),
    call(libc::SYS_exit_group),
    // Names of threads, and of memory: what a person sees who looks from outside. And where
    // the kernel put the clock that is read without a call.
    one_of(libc::SYS_prctl, 0, &[PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_AUXV]),
];

/// To wait and to wake. Nothing here needs to inherit priorities, the part of it that went wrong
/// most often.
const FUTEX: &[u32] = &[
    libc::FUTEX_WAIT.cast_unsigned(),
    libc::FUTEX_WAKE.cast_unsigned(),
    libc::FUTEX_REQUEUE.cast_unsigned(),
    libc::FUTEX_CMP_REQUEUE.cast_unsigned(),
    libc::FUTEX_WAKE_OP.cast_unsigned(),
    libc::FUTEX_WAIT_BITSET.cast_unsigned(),
    libc::FUTEX_WAKE_BITSET.cast_unsigned(),
];
const FUTEX_FLAGS: u32 = (libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME).cast_unsigned();

/// Traps of a guest come as signals. They are sent to this process only: an abort, and one
/// thread to another.
const SIGNALS: &[Allowed] = &[
    call(libc::SYS_rt_sigaction),
    call(libc::SYS_rt_sigprocmask),
    call(libc::SYS_rt_sigreturn),
    call(libc::SYS_sigaltstack),
    one_of(libc::SYS_tgkill, 0, &[PROCESS_1]),
    // How the kernel goes on with a wait that a signal interrupted.
    call(libc::SYS_restart_syscall),
];

const TIME: &[Allowed] = &[
    call(libc::SYS_clock_gettime),
    call(libc::SYS_clock_getres),
    call(libc::SYS_clock_nanosleep),
    call(libc::SYS_nanosleep),
    call(libc::SYS_gettimeofday),
];

/// What it has been given, or makes for itself: to read, write, pass on, wait for and close.
const DESCRIPTORS: &[Allowed] = &[
    call(libc::SYS_read),
    call(libc::SYS_write),
    call(libc::SYS_readv),
    call(libc::SYS_writev),
    call(libc::SYS_pread64),
    call(libc::SYS_lseek),
    call(libc::SYS_recvfrom),
    call(libc::SYS_recvmsg),
    call(libc::SYS_sendmsg),
    // To who is connected: an address would be somebody else's.
    Allowed { call: libc::SYS_sendto, when: When::Null(4) },
    call(libc::SYS_shutdown),
    Allowed { call: libc::SYS_getsockopt, when: When::PendingError },
    call(libc::SYS_ppoll),
    call(libc::SYS_epoll_create1),
    call(libc::SYS_epoll_ctl),
    call(libc::SYS_epoll_pwait),
    call(libc::SYS_epoll_pwait2),
    call(libc::SYS_eventfd2),
    // The runtime of futures makes one to wake itself by.
    Allowed { call: libc::SYS_socketpair, when: When::StreamPair },
    call(libc::SYS_dup),
    call(libc::SYS_close),
    call(libc::SYS_fstat),
    // How some C libraries ask about a descriptor; there is nothing to be found by a name.
    one_of(libc::SYS_newfstatat, 3, &[libc::AT_EMPTY_PATH.cast_unsigned()]),
    one_of(libc::SYS_fcntl, 1, FCNTL),
    one_of(libc::SYS_ioctl, 1, &[FIONBIO, FIOCLEX]),
];

const FCNTL: &[u32] = &[
    libc::F_GETFD.cast_unsigned(),
    libc::F_SETFD.cast_unsigned(),
    libc::F_GETFL.cast_unsigned(),
    libc::F_SETFL.cast_unsigned(),
    libc::F_DUPFD_CLOEXEC.cast_unsigned(),
];

/// About itself. Some of these never fail by their interface, so callers do not look.
const ITSELF: &[Allowed] = &[
    call(libc::SYS_getrandom),
    call(libc::SYS_getpid),
    call(libc::SYS_getppid),
    call(libc::SYS_gettid),
    call(libc::SYS_getuid),
    call(libc::SYS_geteuid),
    call(libc::SYS_getgid),
    call(libc::SYS_getegid),
    call(libc::SYS_getrusage),
    // Of itself: what is lowered cannot be raised again.
    one_of(libc::SYS_prlimit64, 0, &[0, PROCESS_1]),
];

/// Older calls for the same, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const OF_THE_MACHINE: &[Allowed] = &[
    call(libc::SYS_poll),
    call(libc::SYS_epoll_wait),
    call(libc::SYS_time),
    call(libc::SYS_getrlimit),
];
#[cfg(not(target_arch = "x86_64"))]
const OF_THE_MACHINE: &[Allowed] = &[];

/// For these, programs have another way when the kernel does not know them, and take a refusal
/// for an error. The flags of `clone3` lie in memory, where no filter sees them.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_statx,
    libc::SYS_faccessat2,
    libc::SYS_openat2,
    libc::SYS_close_range,
    // Images of a guest's memory are copied instead.
    libc::SYS_memfd_create,
    libc::SYS_pkey_alloc,
    libc::SYS_futex_waitv,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// From here on no call was known when the tables were written: a library that tries a newer
/// one is told that there is none. The x32 table, whose architecture is that of the 64-bit
/// one, has its numbers above this too.
const NEWER: u32 = 470;

const MAP_TYPE: u32 = libc::MAP_TYPE.cast_unsigned();
const MAP_GROWSDOWN: u32 = libc::MAP_GROWSDOWN.cast_unsigned();
const MAP_PRIVATE: u32 = libc::MAP_PRIVATE.cast_unsigned();
/// Where newer C libraries have their random numbers from. Not named by every libc.
const MAP_DROPPABLE: u32 = 8;
/// As process 1 sees itself.
const PROCESS_1: u32 = 1;
const THREAD_FLAGS: u32 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID)
    .cast_unsigned();
/// Without effect; musl sets it.
const CLONE_DETACHED: u32 = libc::CLONE_DETACHED.cast_unsigned();
const PR_SET_NAME: u32 = libc::PR_SET_NAME.cast_unsigned();
const PR_GET_NAME: u32 = libc::PR_GET_NAME.cast_unsigned();
/// Not named by every libc.
const PR_SET_VMA: u32 = 0x5356_4D41;
/// Likewise.
const PR_GET_AUXV: u32 = 0x4155_5856;
const FIONBIO: u32 = 0x5421;
const FIOCLEX: u32 = 0x5451;

/// Installs the filter in this thread, for good, and for all that it starts.
pub(super) fn install() -> Result<(), Failure> {
    let filter = filter().map_err(|e| refuse(e.into()))?;
    seccompiler::apply_filter(&filter).map_err(refuse)
}

/// One program: what is unknown comes first, the rest is the table.
fn filter() -> Result<Vec<sock_filter>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let tables = [MEMORY, THREADS, SIGNALS, TIME, DESCRIPTORS, ITSELF, OF_THE_MACHINE];
    for allowed in tables.into_iter().flatten() {
        // A call without rules is allowed whatever its arguments.
        rules.entry(allowed.call).or_default().extend(when(&allowed.when)?);
    }
    let table: Vec<sock_filter> = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()?;
    let mut program = unknown();
    program.extend(table);
    Ok(program)
}

/// Any of the rules; each asks for all of its conditions.
fn when(when: &When) -> Result<Vec<SeccompRule>, BackendError> {
    let of = |argument, op, value: u32| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, u64::from(value))
    };
    let is = |argument, value| of(argument, SeccompCmpOp::Eq, value);
    let rule = SeccompRule::new;
    match when {
        When::Always => Ok(Vec::new()),
        When::OneOf(argument, bits, values) => {
            let masked = || SeccompCmpOp::MaskedEq(u64::from(!bits));
            values.iter().map(|value| rule(vec![of(*argument, masked(), *value)?])).collect()
        }
        When::Null(argument) => {
            let whole = SeccompCmpArgLen::Qword;
            let null = SeccompCondition::new(*argument, whole, SeccompCmpOp::Eq, 0)?;
            Ok(vec![rule(vec![null])?])
        }
        When::StreamPair => {
            let flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned();
            let kind = SeccompCmpOp::MaskedEq(u64::from(!flags));
            Ok(vec![rule(vec![
                is(0, libc::AF_UNIX.cast_unsigned())?,
                of(1, kind, libc::SOCK_STREAM.cast_unsigned())?,
                is(2, 0)?,
            ])?])
        }
        When::PendingError => Ok(vec![rule(vec![
            is(1, libc::SOL_SOCKET.cast_unsigned())?,
            is(2, libc::SO_ERROR.cast_unsigned())?,
        ])?]),
    }
}

/// The beginning of the program: refuses with ENOSYS, or goes on.
fn unknown() -> Vec<sock_filter> {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQ: u16 = 0x15;
    const JUMP_IF_GE: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let refused = sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
    };
    let mut program = vec![
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_GE, jt: 0, jf: 1, k: NEWER },
        refused.clone(),
    ];
    for number in UNKNOWN.iter().filter_map(|number| u32::try_from(*number).ok()) {
        program.push(sock_filter { code: JUMP_IF_EQ, jt: 0, jf: 1, k: number });
        program.push(refused.clone());
    }
    program
}
