//! The hostile program: `wall attempt NAME ARGUMENT…` exits with 0 if it got what it wanted.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) type Got = io::Result<()>;

/// Runs an attempt if this process was started for one.
pub(crate) fn attempt_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_none_or(|word| word != "attempt") {
        return;
    }
    let given: Vec<&str> = arguments[3..].iter().map(String::as_str).collect();
    match attempt(&arguments[2], &given) {
        Ok(()) => std::process::exit(0),
        Err(e) => {
            println!("{}", e.raw_os_error().unwrap_or(-1));
            eprintln!("{}: {e}", arguments[2]);
            std::process::exit(1);
        }
    }
}

pub(crate) fn attempt(name: &str, given: &[&str]) -> Got {
    let path = || PathBuf::from(given[0]);
    match name {
        "files" => files(given),
        "change" => change(given[0], Path::new(given[1]), Path::new("/")),
        "read" => fs::File::open(path())?.read_exact(&mut [0]),
        "list" => match fs::read_dir(path())?.count() {
            0 => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        },
        "write" => fs::OpenOptions::new().write(true).open(path())?.write_all(given[1].as_bytes()),
        "chmod-stdout" => {
            let mode = rustix::fs::fstat(io::stdout())?.st_mode;
            Ok(rustix::fs::fchmod(io::stdout(), mode.into())?)
        }
        "open-to-write" => fs::OpenOptions::new().write(true).open(path()).map(drop),
        "descriptors" => match fs::read_dir("/proc/self/fd")?.count() {
            ..=4 => Err(io::ErrorKind::NotFound.into()), // the streams, and the listing's own
            _ => Ok(()),
        },
        "inherited" => inherited(given[0]),
        "signal" => signal(number(given[0]), libc::SIGUSR1),
        "ptrace" => ptrace(number(given[0])),
        "read-memory" => read_memory(number(given[0])),
        "pidfd" => call(libc::SYS_pidfd_open, [number(given[0]), 0, 0, 0, 0]),
        "tcp" => TcpStream::connect_timeout(&given[0].parse().unwrap(), Duration::from_secs(2))?
            .write_all(b"tcp"),
        "udp" => UdpSocket::bind("0.0.0.0:0")?.send_to(b"udp", given[0]).map(drop),
        "raw-socket" => socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        "packet-socket" => socket(libc::AF_PACKET, libc::SOCK_RAW, 0),
        "netlink-diag-socket" => socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG),
        "netlink-route-socket" => socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
        "vsock-socket" => socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        "alg-socket" => socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        "unix" => UnixStream::connect(path())?.write_all(b"unix"),
        "unix-datagram" => UnixDatagram::unbound()?.send_to(b"unix", path()).map(drop),
        "abstract" => {
            let address = SocketAddr::from_abstract_name(given[0])?;
            UnixStream::connect_addr(&address)?.write_all(b"abstract")
        }
        "own-loopback" => own_loopback(),
        "set-user-id" => set_user_id(&path()),
        "shared-memory" => call(libc::SYS_shmget, [number(given[0]), 16, 0, 0, 0]),
        "32-bit-table" => old_table(),
        "x32-table" => call(0x4000_0000 | libc::SYS_getpid, [0; 5]),
        "forks" => forks(given[0].parse().unwrap()),
        _ => kernel(name, given),
    }
}

/// What only a system call can try.
fn kernel(name: &str, given: &[&str]) -> Got {
    let text = |at: usize| std::ffi::CString::new(given[at]).unwrap();
    let pointer = |text: &std::ffi::CStr| text.as_ptr() as i64;
    let buffer = [0u64; 32];
    let zeros = buffer.as_ptr() as i64;
    match name {
        "mount" => {
            let (kind, at) = (c"tmpfs", text(0));
            call(libc::SYS_mount, [pointer(kind), pointer(&at), pointer(kind), 0, 0])
        }
        "umount" => {
            call(libc::SYS_umount2, [pointer(&text(0)), i64::from(libc::MNT_DETACH), 0, 0, 0])
        }
        "remount" => {
            let flags = libc::MS_REMOUNT | libc::MS_BIND;
            call(libc::SYS_mount, [0, pointer(&text(0)), 0, flags.cast_signed(), 0])
        }
        "open-tree" => call(libc::SYS_open_tree, [-100, pointer(c"/"), 1, 0, 0]),
        "fsopen" => call(libc::SYS_fsopen, [pointer(c"tmpfs"), 0, 0, 0, 0]),
        "chroot" => call(libc::SYS_chroot, [pointer(c"/tmp"), 0, 0, 0, 0]),
        "mknod" => {
            let at = text(0);
            let mode = i64::from(libc::S_IFBLK | 0o666);
            call(libc::SYS_mknodat, [-100, pointer(&at), mode, 0x800, 0])
        }
        "unshare-user" => call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0]),
        "unshare-mount" => call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWNS), 0, 0, 0, 0]),
        "unshare-net" => call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWNET), 0, 0, 0, 0]),
        "clone-user" => clone(libc::CLONE_NEWUSER),
        "clone3" => call(libc::SYS_clone3, [zeros, 64, 0, 0, 0]),
        "setns" => {
            let own = fs::File::open("/proc/self/ns/uts")?;
            let fd = i64::from(std::os::fd::AsRawFd::as_raw_fd(&own));
            call(libc::SYS_setns, [fd, 0, 0, 0, 0])
        }
        "keyctl" => call(libc::SYS_keyctl, [0, -4, 1, 0, 0]), // the user's keyring, made if need be
        "add-key" => {
            let words = [pointer(c"user"), pointer(c"brio-wall"), pointer(c"x"), 1, -2];
            call(libc::SYS_add_key, words)
        }
        "bpf" => call(
            libc::SYS_bpf,
            [
                0,
                {
                    let map = [1u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // BPF_MAP_TYPE_HASH
                    let leaked: &'static [u32] = Box::leak(Box::new(map));
                    leaked.as_ptr() as i64
                },
                72,
                0,
                0,
            ],
        ),
        "perf" => {
            let mut event = [0u64; 16];
            event[0] = 1 | (128 << 32); // PERF_TYPE_SOFTWARE, size
            event[5] = 1 << 5 | 1 << 6; // exclude kernel and hypervisor
            call(libc::SYS_perf_event_open, [event.as_ptr() as i64, 0, -1, -1, 0])
        }
        "userfaultfd" => call(libc::SYS_userfaultfd, [1, 0, 0, 0, 0]), // UFFD_USER_MODE_ONLY
        "io-uring" => call(libc::SYS_io_uring_setup, [1, zeros, 0, 0, 0]),
        "by-handle" => by_handle(),
        "syslog" => call(libc::SYS_syslog, [10, 0, 0, 0, 0]), // the size of the kernel's log
        "chown-other" => {
            let at = text(0);
            call(libc::SYS_fchownat, [-100, pointer(&at), 1, 1, 0])
        }
        "tiocsti" => {
            own_terminal();
            let byte = b"x";
            call(libc::SYS_ioctl, [0, 0x5412, byte.as_ptr() as i64, 0, 0])
        }
        "tiocsti-high-bits" => {
            // The kernel reads the lower half only; so must the filter.
            own_terminal();
            let byte = b"x";
            call(libc::SYS_ioctl, [0, 0x1_0000_5412, byte.as_ptr() as i64, 0, 0])
        }
        "set-uid" => call(libc::SYS_setuid, [1, 0, 0, 0, 0]),
        "host-name" => call(libc::SYS_sethostname, [pointer(c"x"), 1, 0, 0, 0]),
        other => panic!("no attempt {other}"),
    }
}

#[expect(unsafe_code, reason = "a hostile program makes raw system calls")]
pub(crate) fn raw(number: i64, words: [i64; 5]) -> io::Result<i64> {
    let [a, b, c, d, e] = words;
    // SAFETY: every caller passes numbers, or pointers to values that live across the call.
    let got = unsafe { libc::syscall(number, a, b, c, d, e, 0) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(got) }
}

pub(crate) fn call(number: i64, words: [i64; 5]) -> Got {
    raw(number, words).map(drop)
}

/// `getpid` by the 32-bit table, whose numbers are others.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "a hostile program makes raw system calls")]
fn old_table() -> Got {
    let mut word = 20u64;
    // SAFETY: the call takes no arguments and writes no memory.
    unsafe { std::arch::asm!("int 0x80", inout("rax") word, options(nostack)) };
    if word == u64::from(std::process::id()) {
        Ok(())
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn old_table() -> Got {
    Err(io::ErrorKind::Unsupported.into())
}

/// By every call that takes a mode: one is enough.
fn set_user_id(dir: &Path) -> Got {
    let at = |name: &str| {
        std::ffi::CString::new(dir.join(name).into_os_string().into_encoded_bytes()).unwrap()
    };
    let file = fs::File::create(dir.join("f"))?;
    let fd = i64::from(std::os::fd::AsRawFd::as_raw_fd(&file));
    let pointer = |text: &std::ffi::CStr| text.as_ptr() as i64;
    let (f, a, b, c) = (at("f"), at("a"), at("b"), at("c"));
    let how = [(libc::O_CREAT | libc::O_WRONLY) as u64, 0o4755, 0];
    let create = i64::from(libc::O_CREAT | libc::O_WRONLY);
    let tries = [
        call(libc::SYS_fchmod, [fd, 0o4755, 0, 0, 0]),
        call(libc::SYS_fchmodat, [-100, pointer(&f), 0o4755, 0, 0]),
        call(452, [-100, pointer(&f), 0o4755, 0, 0]),
        call(libc::SYS_openat, [-100, pointer(&a), create, 0o4755, 0]),
        call(libc::SYS_openat2, [-100, pointer(&b), how.as_ptr() as i64, 24, 0]),
        call(libc::SYS_mknodat, [-100, pointer(&c), i64::from(libc::S_IFREG | 0o4755), 0, 0]),
        fs::set_permissions(dir.join("f"), fs::Permissions::from_mode(0o4755)),
        fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o4755)
            .open(dir.join("d"))
            .map(drop),
    ];
    let set = |name: &str| {
        fs::metadata(dir.join(name)).is_ok_and(|meta| meta.permissions().mode() & 0o4000 != 0)
    };
    let wrong = ["f", "a", "b", "c", "d"].into_iter().filter(|name| set(name)).count();
    println!("{} of {} calls", tries.iter().filter(|got| got.is_ok()).count(), tries.len());
    if wrong > 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
}

/// Makes standard input the controlling terminal, into which a process may type.
fn own_terminal() {
    let _ = rustix::process::setsid();
    let _ = rustix::process::ioctl_tiocsctty(io::stdin());
}

fn number(word: &str) -> i64 {
    word.parse().unwrap()
}

fn signal(pid: i64, signal: i32) -> Got {
    call(libc::SYS_kill, [pid, i64::from(signal), 0, 0, 0])
}

/// A child by `clone`, which ends at once.
fn clone(flags: i32) -> Got {
    let flags = i64::from(flags | libc::SIGCHLD);
    match raw(libc::SYS_clone, [flags, 0, 0, 0, 0])? {
        0 => std::process::exit(0),
        _ => Ok(()),
    }
}

fn ptrace(pid: i64) -> Got {
    call(libc::SYS_ptrace, [i64::from(libc::PTRACE_SEIZE), pid, 0, 0, 0])
}

fn read_memory(pid: i64) -> Got {
    fs::File::open(format!("/proc/{pid}/mem")).map(drop)
}

fn socket(family: i32, kind: i32, protocol: i32) -> Got {
    call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0])
}

/// Any directory among the inherited descriptors leads to the host.
fn inherited(name: &str) -> Got {
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        if fs::read(entry.path().join(name)).is_ok() {
            return Ok(());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn by_handle() -> Got {
    // struct file_handle: bytes, type, then the handle.
    let mut handle = [0u8; 136];
    handle[0] = 128;
    let mut mount = 0i32;
    let (at, id) = (handle.as_mut_ptr() as i64, &raw mut mount as i64);
    call(libc::SYS_name_to_handle_at, [-100, c"/usr".as_ptr() as i64, at, id, 0])?;
    let usr = fs::File::open("/usr")?;
    let fd = i64::from(std::os::fd::AsRawFd::as_raw_fd(&usr));
    call(libc::SYS_open_by_handle_at, [fd, at, 0, 0, 0])
}

fn own_loopback() -> Got {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    TcpStream::connect(listener.local_addr()?)?.write_all(b"x")?;
    let mut byte = [0];
    listener.accept()?.0.read_exact(&mut byte)?;
    let dir = std::env::temp_dir().join("own");
    let _ = fs::remove_file(&dir);
    let unix = UnixListener::bind(&dir)?;
    UnixStream::connect(&dir)?.write_all(b"x")?;
    unix.accept()?.0.read_exact(&mut byte)
}

fn forks(count: usize) -> Got {
    let mut children = Vec::new();
    let result = (0..count).try_for_each(|_| {
        children.push(std::process::Command::new("sleep").arg("30").spawn()?);
        Ok(())
    });
    println!("{}", children.len());
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Every way to change a file, by every way to name it: `files WORKSPACE HOST_PID DIR`. In DIR
/// is a file for each pair. Prints a line for each: `FORM OP ok` or `FORM OP NUMBER`.
fn files(given: &[&str]) -> Got {
    let (workspace, pid, dir) = (Path::new(given[0]), given[1], Path::new(given[2]));
    for (form, at) in forms(workspace, pid, dir) {
        for op in OPS {
            let got = change(op, &at.join(format!("{form}-{op}")), workspace);
            let got = got
                .map_or_else(|e| e.raw_os_error().unwrap_or(-1).to_string(), |()| "ok".to_owned());
            println!("{form} {op} {got}");
        }
    }
    Ok(())
}

pub(crate) const OPS: &[&str] = &[
    "chmod", "chown", "utime", "setxattr", "write", "truncate", "read", "link", "rename", "unlink",
    "create", "mkdir", "symlink",
];

pub(crate) const FORMS: &[&str] =
    &["plain", "dots", "link", "root", "init-root", "host-root", "cwd"];

fn forms(workspace: &Path, pid: &str, dir: &Path) -> Vec<(&'static str, PathBuf)> {
    let inside = dir.strip_prefix("/").unwrap();
    let up: PathBuf = workspace.components().skip(1).map(|_| "..").collect();
    let planted = workspace.join("planted");
    let _ = symlink(dir, &planted);
    vec![
        ("plain", dir.to_owned()),
        ("dots", workspace.join(&up).join(inside)),
        ("link", planted),
        ("root", Path::new("/proc/self/root").join(inside)),
        ("init-root", Path::new("/proc/1/root").join(inside)),
        ("host-root", Path::new("/proc").join(pid).join("root").join(inside)),
        ("cwd", Path::new("/proc/self/cwd").join(&up).join(inside)),
    ]
}

fn change(op: &str, file: &Path, workspace: &Path) -> Got {
    let name = file.file_name().unwrap();
    match op {
        "chmod" => fs::set_permissions(file, fs::Permissions::from_mode(0o777)),
        "same-mode" => fs::set_permissions(file, file.metadata()?.permissions()),
        "same-times" => {
            let times = fs::FileTimes::new().set_modified(file.metadata()?.modified()?);
            fs::File::open(file)?.set_times(times)
        }
        "open-to-write" => fs::OpenOptions::new().write(true).open(file).map(drop),
        "chown" => {
            let user = rustix::process::geteuid().as_raw();
            std::os::unix::fs::chown(file, Some(user), None)
        }
        "utime" => {
            let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
            fs::File::open(file)?.set_times(times)
        }
        "setxattr" => {
            let flags = rustix::fs::XattrFlags::empty();
            Ok(rustix::fs::setxattr(file, "user.brio", b"x", flags)?)
        }
        "write" => fs::OpenOptions::new().append(true).open(file)?.write_all(b"x"),
        "truncate" => fs::OpenOptions::new().write(true).open(file)?.set_len(0),
        "read" => fs::read(file).map(drop),
        "link" => fs::hard_link(file, workspace.join(name)),
        "rename" => fs::rename(file, file.with_extension("renamed")),
        "unlink" => fs::remove_file(file),
        "create" => fs::File::create_new(file.with_extension("new")).map(drop),
        "mkdir" => fs::create_dir(file.with_extension("dir")),
        "symlink" => symlink("/", file.with_extension("link")),
        other => panic!("no change {other}"),
    }
}
