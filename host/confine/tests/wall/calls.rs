//! System calls that a cell has no use for, with arguments that do no harm where they are
//! allowed: outside, most are answered otherwise than by the refusal.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::hostile::raw;
use crate::tries::Who;

pub(crate) struct Call {
    pub(crate) name: &'static str,
    number: i64,
    words: [i64; 5],
    /// How a cell refuses it.
    pub(crate) errno: i32,
    /// Who is answered otherwise outside: `Perhaps` asks for a right that not every root has.
    pub(crate) who: Who,
}

impl Call {
    /// 0, or the number of the error.
    pub(crate) fn outcome(&self) -> i32 {
        raw(self.number, self.words).map_or_else(|e| e.raw_os_error().unwrap_or(-1), |_| 0)
    }
}

/// What the calls are tried on.
pub(crate) struct Given {
    /// A directory of the host that holds `f`.
    pub(crate) dir: OwnedFd,
    /// A file, open for reading and writing.
    pub(crate) file: OwnedFd,
    /// A datagram socket that is bound to nothing.
    pub(crate) socket: OwnedFd,
}

impl Given {
    pub(crate) fn of(dir: &std::path::Path) -> io::Result<Self> {
        let file = std::fs::File::options().read(true).write(true).open(dir.join("f"))?;
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        let dir = std::fs::File::open(dir)?;
        Ok(Self { dir: dir.into(), file: file.into(), socket: socket.into() })
    }
}

macro_rules! calls {
    ($($who:ident $errno:ident $name:ident($($word:expr),*);)*) => {
        vec![$(Call {
            name: concat!(stringify!($name), "(", stringify!($($word),*), ")"),
            number: libc::$name,
            words: words(&[$(i64::try_from($word).unwrap()),*]),
            errno: libc::$errno,
            who: Who::$who,
        }),*]
    };
}

fn words(given: &[i64]) -> [i64; 5] {
    let mut words = [0; 5];
    words[..given.len()].copy_from_slice(given);
    words
}

fn pointer(text: &'static std::ffi::CStr) -> i64 {
    text.as_ptr() as i64
}

/// All of them. The memory that they point to is never freed.
pub(crate) fn all(given: &Given) -> Vec<Call> {
    let number = |fd: &OwnedFd| i64::from(fd.as_raw_fd());
    let (dir, file, socket) = (number(&given.dir), number(&given.file), number(&given.socket));
    [files(dir, file), sockets(file, socket), processes(), kernel(), of_the_machine()]
        .into_iter()
        .flatten()
        .collect()
}

/// Every way to a file: by its name, by a directory that was given, by a number.
fn files(dir: i64, file: i64) -> Vec<Call> {
    let at = i64::from(libc::AT_FDCWD);
    let (root, none, f, up) = (pointer(c"/"), pointer(c"/no/such"), pointer(c"f"), pointer(c".."));
    let empty = pointer(c"");
    let buffer = Box::leak(Box::new([0u8; 4096])).as_mut_ptr() as i64;
    let xattr = pointer(c"user.brio");
    calls! {
        Everybody EPERM SYS_openat(at, root, 0);
        Everybody EPERM SYS_openat(at, up, 0);
        Everybody EPERM SYS_openat(dir, f, 0);
        Everybody EPERM SYS_openat(dir, up, 0);
        Everybody ENOSYS SYS_openat2(dir, f, buffer, 24);
        Everybody EPERM SYS_newfstatat(at, root, buffer, 0);
        Everybody EPERM SYS_newfstatat(dir, f, buffer, 0);
        Everybody ENOSYS SYS_statx(dir, f, 0, 0, buffer);
        Everybody EPERM SYS_faccessat(dir, f, 0);
        Everybody ENOSYS SYS_faccessat2(dir, f, 0, 0);
        Everybody EPERM SYS_readlinkat(at, pointer(c"/proc/self/exe"), buffer, 4096);
        Everybody EPERM SYS_getdents64(dir, buffer, 4096);
        Everybody EPERM SYS_getcwd(buffer, 4096);
        Everybody EPERM SYS_chdir(root);
        Everybody EPERM SYS_fchdir(dir);
        Everybody EPERM SYS_mkdirat(at, none, 0o700);
        Everybody EPERM SYS_mkdirat(dir, f, 0o700);
        Everybody EPERM SYS_mknodat(dir, f, libc::S_IFREG | 0o600, 0);
        Everybody EPERM SYS_unlinkat(dir, none, 0);
        Everybody EPERM SYS_renameat2(at, none, at, none, 0);
        Everybody EPERM SYS_linkat(at, none, at, none, 0);
        Everybody EPERM SYS_symlinkat(none, dir, f);
        Everybody EPERM SYS_fchmod(file, 0o600);
        Everybody EPERM SYS_fchmod(1, 0o666 + (1 << 20));
        Everybody EPERM SYS_fchmodat(dir, f, 0o600);
        Everybody EPERM SYS_fchown(file, -1, -1);
        Everybody EPERM SYS_fchownat(dir, f, -1, -1, 0);
        Everybody EPERM SYS_utimensat(dir, f, 0, 0);
        Everybody EPERM SYS_truncate(none, 0);
        Everybody EPERM SYS_ftruncate(file, 1);
        Everybody EPERM SYS_fallocate(file, 1, 0, 1);
        Everybody EPERM SYS_fsetxattr(file, xattr, buffer, 1, 9);
        Everybody EPERM SYS_fgetxattr(file, xattr, buffer, 1);
        Everybody EPERM SYS_statfs(root, buffer);
        Everybody EPERM SYS_fstatfs(file, buffer);
        Everybody EPERM SYS_fsync(file);
        Everybody EPERM SYS_flock(file, 0);
        // A signal that nobody asked for, of which process 1 takes no notice, goes with it.
        Everybody EFBIG SYS_write(file, empty, 1);
        Everybody EPERM SYS_pwrite64(file, empty, 1, 0);
        Everybody EPERM SYS_copy_file_range(file, 0, file, 0, 0);
        Everybody EPERM SYS_sendfile(file, file, 0, 0);
        Everybody EPERM SYS_splice(-1, 0, -1, 0, 1);
        Everybody EPERM SYS_vmsplice(-1, 0, 1, 0);
        Everybody EPERM SYS_inotify_init1(0);
        Everybody EPERM SYS_name_to_handle_at(dir, f, buffer, buffer, 0);
        Root EPERM SYS_open_by_handle_at(-1, buffer, 0);
        Everybody EPERM SYS_fcntl(file, libc::F_SETLEASE, 99);
        Everybody EPERM SYS_fcntl(dir, libc::F_NOTIFY, 0);
        Everybody EPERM SYS_fcntl(file, libc::F_SETLK, 0);
        Everybody EPERM SYS_ioctl(file, 0x8008_6601u32, buffer); // FS_IOC_GETFLAGS
        Everybody EPERM SYS_ioctl(0, 0x5412, buffer); // TIOCSTI
        Everybody ENOSYS SYS_memfd_create(empty, 0);
        Everybody EPERM SYS_memfd_secret(99);
        Everybody EPERM SYS_execve(none, 0, 0);
        Everybody EPERM SYS_execveat(-1, empty, 0, 0, libc::AT_EMPTY_PATH);
    }
}

/// Nobody can be reached, also not by a socket that was given.
fn sockets(file: i64, socket: i64) -> Vec<Call> {
    let mut address = [0u8; 16];
    address[..2].copy_from_slice(&1u16.to_ne_bytes()); // AF_UNIX, abstract
    address[3..].copy_from_slice(b"no-such-brio\0");
    let address = Box::leak(Box::new(address)).as_ptr() as i64;
    let buffer = Box::leak(Box::new([0u8; 256])).as_mut_ptr() as i64;
    let (unix, stream, datagram) = (libc::AF_UNIX, libc::SOCK_STREAM, libc::SOCK_DGRAM);
    calls! {
        Everybody EPERM SYS_socket(unix, stream, 0);
        Everybody EPERM SYS_socket(unix, datagram, 0);
        Everybody EPERM SYS_socket(libc::AF_INET, stream, 0);
        Everybody EPERM SYS_socket(libc::AF_INET6, datagram, 0);
        Everybody EPERM SYS_socket(libc::AF_NETLINK, libc::SOCK_RAW, 0);
        Everybody EPERM SYS_socket(libc::AF_VSOCK, stream, 0);
        Everybody EPERM SYS_socketpair(unix, datagram, 0, buffer);
        Everybody EPERM SYS_socketpair(unix, libc::SOCK_SEQPACKET, 0, buffer);
        Everybody EPERM SYS_connect(socket, address, 16);
        Everybody EPERM SYS_bind(socket, address, 0);
        Everybody EPERM SYS_listen(socket, 1);
        Everybody EPERM SYS_accept4(socket, 0, 0, 0);
        Everybody EPERM SYS_sendto(socket, buffer, 1, 0, address);
        Everybody EPERM SYS_sendmmsg(socket, buffer, 0, 0);
        Everybody EPERM SYS_recvmmsg(socket, buffer, 0, 0, 0);
        Everybody EPERM SYS_getsockname(socket, 0, 0);
        Everybody EPERM SYS_getpeername(socket, 0, 0);
        Everybody EPERM SYS_getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, 0, 0);
        Everybody EPERM SYS_setsockopt(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, 0, 0);
        Everybody EPERM SYS_ioctl(socket, 0x8910, 0); // SIOCGIFNAME
        Everybody EPERM SYS_fcntl(socket, libc::F_SETOWN, 0);
        Everybody EPERM SYS_pipe2(buffer, 0);
        Everybody EPERM SYS_timerfd_create(99, 0);
        Everybody EPERM SYS_signalfd4(-1, buffer, 8, 0);
        Everybody EPERM SYS_io_setup(0, 0);
        Everybody EPERM SYS_shmget(0, 0, 0);
        Everybody EPERM SYS_semget(0, 0, 0);
        Everybody EPERM SYS_msgget(1, 0);
        Everybody EPERM SYS_mq_open(pointer(c"no-such"), 0, 0, 0);
        Everybody EPERM SYS_tee(file, file, 0, 0);
    }
}

/// No other process is made, told, traced, or read; this one stays as it was locked.
fn processes() -> Vec<Call> {
    let nobody = 99_999_999;
    let cpu = libc::RLIMIT_CPU;
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let growing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN;
    let raised = Box::leak(Box::new([200u64, 200])).as_ptr() as i64;
    let buffer = Box::leak(Box::new([0u8; 256])).as_mut_ptr() as i64;
    calls! {
        Root EPERM SYS_kill(-1, 0);
        Root EPERM SYS_kill(1, 0);
        Everybody EPERM SYS_kill(0, 0);
        Everybody EPERM SYS_tkill(nobody, 0);
        Everybody EPERM SYS_tgkill(nobody, nobody, 0);
        Everybody EPERM SYS_rt_sigqueueinfo(nobody, 10, 0);
        Everybody EPERM SYS_rt_tgsigqueueinfo(nobody, nobody, 10, 0);
        Everybody EPERM SYS_pidfd_open(0, 0);
        Everybody EPERM SYS_pidfd_send_signal(-1, 0, 0, 0);
        Everybody EPERM SYS_pidfd_getfd(-1, 0, 0);
        Everybody EPERM SYS_ptrace(libc::PTRACE_SEIZE, nobody, 0, 0);
        Everybody EPERM SYS_process_vm_readv(nobody, buffer, 0, buffer, 0);
        Everybody EPERM SYS_process_vm_writev(nobody, buffer, 0, buffer, 0);
        Everybody EPERM SYS_process_madvise(-1, 0, 0, 0, 0);
        Everybody EPERM SYS_kcmp(nobody, nobody, 0, 0, 0);
        Everybody EPERM SYS_unshare(0);
        Everybody EPERM SYS_setns(-1, 0);
        Everybody ENOSYS SYS_clone3(0, 0);
        Everybody EPERM SYS_wait4(-1, 0, 0, 0);
        Everybody EPERM SYS_waitid(99, 0, 0, 0, 0);
        Everybody EPERM SYS_setpgid(0, -1);
        Everybody EPERM SYS_prctl(libc::PR_SET_DUMPABLE, 0);
        Everybody EPERM SYS_prctl(libc::PR_SET_PDEATHSIG, 0);
        Everybody EPERM SYS_prctl(libc::PR_SET_CHILD_SUBREAPER, 0);
        Everybody EPERM SYS_prctl(libc::PR_SET_PTRACER, 0);
        Everybody EPERM SYS_prctl(libc::PR_SET_SECCOMP, 99);
        Everybody EPERM SYS_prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        Everybody EPERM SYS_prctl(libc::PR_SET_TIMERSLACK, 0);
        Everybody EPERM SYS_prctl(libc::PR_CAP_AMBIENT, 99);
        Root EPERM SYS_prctl(libc::PR_CAPBSET_DROP, 99);
        Root EPERM SYS_prctl(libc::PR_SET_SECUREBITS, 0);
        Perhaps EPERM SYS_prctl(libc::PR_SET_MM, 99);
        Everybody EPERM SYS_seccomp(99, 0, 0);
        Everybody EPERM SYS_landlock_create_ruleset(0, 0, 1);
        Everybody EPERM SYS_capset(0, 0);
        Everybody EPERM SYS_setresuid(-1, -1, -1);
        Everybody EPERM SYS_setresgid(-1, -1, -1);
        Root EPERM SYS_setgroups(-1, 0);
        Everybody EPERM SYS_setpriority(99, 0, 0);
        Everybody EPERM SYS_sched_setscheduler(0, 99, 0);
        Everybody EPERM SYS_sched_setaffinity(0, 0, 0);
        // The kernel refuses it: this one, of itself, is allowed.
        Everybody EPERM SYS_prlimit64(0, cpu, raised, 0);
        Everybody EPERM SYS_prlimit64(nobody, cpu, 0, 0);
        Everybody EPERM SYS_personality(-1);
        Everybody EPERM SYS_mlock(0, 0);
        Everybody EPERM SYS_mmap(0, 4096, 3, shared, -1);
        Everybody EPERM SYS_mmap(0, 4096, 3, growing, -1);
        Everybody EPERM SYS_futex(buffer, libc::FUTEX_TRYLOCK_PI, 0, 0, 0);
        Everybody EPERM SYS_futex(buffer, libc::FUTEX_CMP_REQUEUE_PI, 1, 0, buffer);
        Everybody EPERM SYS_timer_create(99, 0, 0);
        Everybody EPERM SYS_setitimer(99, 0, 0);
    }
}

/// The rest of the kernel, more or less.
fn kernel() -> Vec<Call> {
    let none = pointer(c"/no/such");
    let buffer = Box::leak(Box::new([0u8; 256])).as_mut_ptr() as i64;
    calls! {
        Everybody EPERM SYS_mount(0, 0, 0, 0, 0);
        Everybody EPERM SYS_umount2(none, 0);
        Root EPERM SYS_pivot_root(0, 0);
        Everybody EPERM SYS_chroot(none);
        Everybody EPERM SYS_open_tree(-1, none, -1);
        Root EPERM SYS_move_mount(-1, 0, -1, 0, -1);
        Root EPERM SYS_fsopen(0, 0);
        Everybody EPERM SYS_fsconfig(-1, 0, 0, 0, 0);
        Root EPERM SYS_fsmount(-1, 0, 0);
        Root EPERM SYS_fspick(-1, 0, 0);
        Everybody EPERM SYS_mount_setattr(-1, 0, 0, 0, 0);
        Root EPERM SYS_bpf(99, 0, 0);
        Everybody EPERM SYS_perf_event_open(0, 0, 0, 0, 0);
        Root EPERM SYS_userfaultfd(-1);
        Everybody EPERM SYS_add_key(0, 0, 0, 0, 0);
        Everybody EPERM SYS_request_key(0, 0, 0, 0);
        Everybody EPERM SYS_keyctl(9999, 0, 0, 0, 0);
        Perhaps EPERM SYS_kexec_load(0, 10000, 0, 0);
        Perhaps EPERM SYS_init_module(0, 0, 0);
        Perhaps EPERM SYS_finit_module(-1, 0, 0);
        Perhaps EPERM SYS_delete_module(0, 0);
        Perhaps EPERM SYS_reboot(0, 0, 0, 0);
        Root EPERM SYS_swapon(none, 0);
        Root EPERM SYS_swapoff(none);
        Root EPERM SYS_syslog(99, 0, 0);
        Root EPERM SYS_sethostname(0, -1);
        Perhaps EPERM SYS_settimeofday(0, 0);
        Everybody EPERM SYS_clock_settime(99, 0);
        Everybody EPERM SYS_clock_adjtime(99, buffer);
        Everybody EPERM SYS_sysinfo(0);
        Everybody EPERM SYS_uname(0);
        Root EPERM SYS_fanotify_init(-1, 0);
        Everybody ENOSYS SYS_io_uring_enter(-1, 0, 0, 0, 0);
        Everybody ENOSYS SYS_io_uring_register(-1, 99, 0, 0);
        Everybody ENOSYS SYS_pkey_alloc(1, 0);
        Everybody ENOSYS SYS_close_range(1, 0, 0);
        Everybody ENOSYS SYS_futex_waitv(0, 0, 0, 0, 0);
    }
}

#[cfg(target_arch = "x86_64")]
fn of_the_machine() -> Vec<Call> {
    let (root, none) = (pointer(c"/"), pointer(c"/no/such"));
    let buffer = Box::leak(Box::new([0u8; 256])).as_mut_ptr() as i64;
    calls! {
        Everybody EPERM SYS_open(root, 0, 0);
        Everybody EPERM SYS_creat(none, 0);
        Everybody EPERM SYS_stat(root, buffer);
        Everybody EPERM SYS_lstat(root, buffer);
        Everybody EPERM SYS_access(root, 0);
        Everybody EPERM SYS_readlink(root, buffer, 1);
        Everybody EPERM SYS_unlink(none);
        Everybody EPERM SYS_pipe(0);
        Everybody EPERM SYS_setrlimit(99, 0);
        Everybody EPERM SYS_arch_prctl(0, 0);
        Everybody EPERM SYS_iopl(0);
        Everybody EPERM SYS_ioperm(0, 0, 0);
        Everybody EPERM SYS_modify_ldt(99, 0, 0);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn of_the_machine() -> Vec<Call> {
    Vec::new()
}
