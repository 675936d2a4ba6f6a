//! What the hostile program gets outside of a room, it does not get inside.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brio_confine::{Exit, Limits, Room};

use crate::harness::Test;
use crate::hostile::{FORMS, OPS};
use crate::setup::{Done, exe, place, run};

pub(crate) const TESTS: &[Test] = &[
    ("host_files_cannot_be_changed_by_any_path", host_files),
    ("inherited_descriptors_are_closed", inherited),
    ("secrets_and_state_cannot_be_read", secrets),
    ("the_hosts_processes_cannot_be_reached", processes),
    ("process_1_of_the_room_cannot_be_reached", process_1),
    ("tcp_and_udp_do_not_leave_the_room", tcp_and_udp),
    ("unix_sockets_of_the_host_cannot_be_reached", unix_sockets),
    ("with_the_network_granted_abstract_sockets_stay_out_of_reach", granted_network),
    ("the_room_has_a_loopback_of_its_own", own_loopback),
    ("socket_families_without_a_namespace_are_refused", socket_families),
    ("mounts_cannot_be_made_or_taken_away", mounts),
    ("namespaces_cannot_be_made_or_joined", namespaces),
    ("keyrings_bpf_and_the_like_are_refused", kernel),
    ("nothing_can_be_typed_into_the_terminal", terminal),
    ("other_tables_of_system_calls_are_refused", other_tables),
    ("no_file_is_left_with_the_set_user_id_bit", set_user_id),
    ("shared_memory_of_the_host_cannot_be_reached", shared_memory),
    ("the_system_is_read_only", system),
    ("there_are_no_capabilities_in_any_set", capabilities),
    ("proc_and_dev_change_nothing_on_the_host", proc_and_dev),
    ("a_fork_bomb_is_bounded", fork_bomb),
];

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn outside(arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(exe()).arg("attempt").args(arguments).output().unwrap();
    if done.status.success() {
        Ok(String::from_utf8(done.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

fn inside(room: &Room, arguments: &[&str]) -> Done {
    let exe = exe();
    let argv = [&[exe.to_str().unwrap(), "attempt"], arguments].concat();
    run(room, &argv)
}

/// Fails outside only where that is known: then nothing is proven here.
fn stopped(room: &Room, arguments: &[&str]) {
    outside(arguments).unwrap_or_else(|e| panic!("outside, {arguments:?} must succeed: {e}"));
    refused(room, arguments);
}

fn refused(room: &Room, arguments: &[&str]) -> i32 {
    let done = inside(room, arguments);
    assert_eq!(done.exit, Exit::Code(1), "{arguments:?} in the room: {}{}", done.out, done.err);
    done.out.trim().parse().unwrap()
}

/// All that a directory tells: names, kinds, modes, owners, times, sizes, contents.
fn snapshot(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default();
            format!(
                "{path:?} {:o} {} {} {:?} {} {text:?}",
                meta.mode(),
                meta.uid(),
                meta.nlink(),
                (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()),
                meta.size()
            )
        })
        .collect()
}

fn host_files() -> Result<(), String> {
    let place = place();
    let pid = std::process::id().to_string();
    let fill = |dir: &Path| {
        for form in FORMS {
            OPS.iter().for_each(|op| fs::write(dir.join(format!("{form}-{op}")), "host").unwrap());
        }
    };
    let parse = |out: &str| -> Vec<(String, bool)> {
        out.lines().map(|l| (l.to_owned(), l.ends_with(" ok"))).collect()
    };
    let victims = tempfile::tempdir().unwrap();
    fill(victims.path());
    let workspace = tempfile::tempdir().unwrap();
    let arguments = |workspace: &Path, dir: &Path| {
        ["files", workspace.to_str().unwrap(), &pid, dir.to_str().unwrap()].map(str::to_owned)
    };
    let words = arguments(workspace.path(), victims.path());
    let done = Command::new(exe())
        .arg("attempt")
        .args(words)
        .current_dir(workspace.path())
        .output()
        .unwrap();
    let results = parse(&String::from_utf8(done.stdout).unwrap());
    assert_eq!(results.len(), FORMS.len() * OPS.len());
    // Process 1 of the host is root's, and may be guarded from root too.
    let init = fs::read_dir("/proc/1/root").is_ok();
    for (line, ok) in results {
        assert!(ok || (!init && line.starts_with("init-root")), "outside: {line}");
    }

    let victims = tempfile::tempdir().unwrap();
    fill(victims.path());
    let before = snapshot(victims.path());
    let words = arguments(place.path(), victims.path());
    let done = inside(&place.room, &words.each_ref().map(String::as_str));
    assert_eq!(done.exit, Exit::Code(0), "{}", done.err);
    let results = parse(&done.out);
    assert_eq!(results.len(), FORMS.len() * OPS.len());
    for (line, ok) in results {
        assert!(!ok, "in the room: {line}");
    }
    assert_eq!(snapshot(victims.path()), before);
    Ok(())
}

/// A directory that some program left open to its children.
fn inherited() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "x").unwrap();
    let open = fs::File::open(dir.path()).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    stopped(&place().room, &["inherited", "secret"]);
    Ok(())
}

fn secrets() -> Result<(), String> {
    let place = place();
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    for dir in [".ssh", ".brio", ".aws"] {
        fs::create_dir(home.path().join(dir)).unwrap();
        let secret = home.path().join(dir).join("secret");
        fs::write(&secret, "x").unwrap();
        stopped(&place.room, &["read", secret.to_str().unwrap()]);
    }
    let room = place.room.clone().home(home.path());
    let key = home.path().join(".ssh/secret");
    stopped(&room, &["read", key.to_str().unwrap()]);
    for dir in ["/run", "/sys/class", "/boot"] {
        if outside(&["list", dir]).is_ok() {
            refused(&place.room, &["list", dir]);
        }
    }
    if root() {
        for path in ["/etc/shadow", "/proc/kmsg", "/proc/kallsyms", "/proc/vmallocinfo"] {
            // kmsg is empty when somebody has read it; then it would block.
            if path == "/proc/kmsg" || !Path::new(path).exists() {
                continue;
            }
            stopped(&place.room, &["read", path]);
        }
    }
    for path in ["/etc/ssh", "/etc/sudoers", "/etc/shadow", "/etc/npmrc", "/etc/ssl/private"] {
        assert!(run(&place.room, &["test", "-e", path]).exit != Exit::Code(0), "{path}");
    }
    Ok(())
}

/// A process of the host that ends by the signals of the tests.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn processes() -> Result<(), String> {
    let place = place();
    // ptrace of a process that is not a descendant: by Yama's leave only.
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let traced = if root() || matches!(yama.trim(), "" | "0") {
        &["ptrace", "read-memory"][..]
    } else {
        &[]
    };
    for attempt in [&["pidfd", "signal"], traced].concat() {
        let mut victim = Victim::new();
        stopped(&place.room, &[attempt, &victim.pid()]);
        if attempt == "signal" {
            std::thread::sleep(Duration::from_millis(50));
            assert!(!victim.lives(), "outside the signal ended it");
        }
    }
    let mut victim = Victim::new();
    for attempt in ["pidfd", "signal", "ptrace", "read-memory"] {
        refused(&place.room, &[attempt, &victim.pid()]);
    }
    inside(&place.room, &["signal-all"]);
    assert!(victim.lives());
    let seen = run(&place.room, &["sh", "-c", "ls /proc | grep -c '^[0-9]'"]).out;
    assert!(seen.trim().parse::<u32>().unwrap() < 10, "{seen}");
    Ok(())
}

/// Process 1 is this program, from the host, with the host's files behind it.
fn process_1() -> Result<(), String> {
    let place = place();
    for attempt in [&["ptrace", "1"][..], &["read-memory", "1"], &["read", "/proc/1/environ"]] {
        refused(&place.room, attempt);
    }
    for link in ["exe", "root", "cwd", "fd/0"] {
        let done = run(&place.room, &["readlink", &format!("/proc/1/{link}")]);
        assert_eq!(done.exit, Exit::Code(1), "{link}: {}", done.out);
    }
    // It takes no signal from inside but those it asked for, and it asked for none.
    let done = run(&place.room, &["sh", "-c", "kill -9 1; kill -TERM 1; sleep 0.05; echo lives"]);
    assert_eq!(done.out, "lives\n");
    Ok(())
}

/// Counts what arrives.
#[derive(Clone, Default)]
struct Arrivals(Arc<AtomicUsize>);

impl Arrivals {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn so_far(&self) -> usize {
        std::thread::sleep(Duration::from_millis(50));
        self.0.load(Ordering::SeqCst)
    }
}

fn listen_tcp(address: &str) -> (std::net::SocketAddr, Arrivals) {
    let arrivals = Arrivals::default();
    let listener = std::net::TcpListener::bind(address).unwrap();
    let at = listener.local_addr().unwrap();
    let count = arrivals.clone();
    std::thread::spawn(move || listener.incoming().for_each(|_| count.count()));
    (at, arrivals)
}

/// An address of this machine that is not loopback, if it has one.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?; // sends nothing
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn tcp_and_udp() -> Result<(), String> {
    let place = place();
    let hosts = [Some("127.0.0.1".parse().unwrap()), own_address()];
    for host in hosts.into_iter().flatten() {
        let (at, arrivals) = listen_tcp(&format!("{host}:0"));
        outside(&["tcp", &at.to_string()])?;
        assert_eq!(arrivals.so_far(), 1);
        refused(&place.room, &["tcp", &at.to_string()]);
        assert_eq!(arrivals.so_far(), 1, "TCP to {host} arrived");

        let arrivals = Arrivals::default();
        let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let count = arrivals.clone();
        std::thread::spawn(move || {
            while socket.recv(&mut [0; 16]).is_ok() {
                count.count();
            }
        });
        outside(&["udp", &at.to_string()])?;
        assert_eq!(arrivals.so_far(), 1);
        // Loopback takes the datagram, in the room's own network.
        inside(&place.room, &["udp", &at.to_string()]);
        assert_eq!(arrivals.so_far(), 1, "UDP to {host} arrived");
    }
    Ok(())
}

struct UnixServers {
    _dir: tempfile::TempDir,
    stream: PathBuf,
    datagram: PathBuf,
    name: String,
    arrivals: Arrivals,
}

fn listen_unix() -> UnixServers {
    let dir = tempfile::tempdir().unwrap();
    let arrivals = Arrivals::default();
    let (stream, datagram) = (dir.path().join("s"), dir.path().join("d"));
    let name = format!("brio-wall-{}-{}", std::process::id(), dir.path().display());
    let named = UnixListener::bind(&stream).unwrap();
    let unnamed = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for listener in [named, unnamed] {
        let count = arrivals.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut byte = [0];
                if connection.is_ok_and(|mut c| c.read(&mut byte).is_ok()) {
                    count.count();
                }
            }
        });
    }
    let socket = UnixDatagram::bind(&datagram).unwrap();
    let count = arrivals.clone();
    std::thread::spawn(move || {
        while socket.recv(&mut [0; 16]).is_ok() {
            count.count();
        }
    });
    UnixServers { _dir: dir, stream, datagram, name, arrivals }
}

fn unix_sockets() -> Result<(), String> {
    let place = place();
    let servers = listen_unix();
    let attempts = [
        ["unix", servers.stream.to_str().unwrap()],
        ["unix-datagram", servers.datagram.to_str().unwrap()],
        ["abstract", &servers.name],
    ];
    for (before, attempt) in attempts.iter().enumerate() {
        stopped(&place.room, attempt);
        assert_eq!(servers.arrivals.so_far(), before + 1, "{attempt:?} arrived from the room");
    }
    Ok(())
}

fn granted_network() -> Result<(), String> {
    let place = place();
    let room = place.room.clone().network(true);
    let (at, arrivals) = listen_tcp("127.0.0.1:0");
    assert_eq!(inside(&room, &["tcp", &at.to_string()]).exit, Exit::Code(0));
    assert_eq!(arrivals.so_far(), 1, "the grant grants nothing");
    let servers = listen_unix();
    refused(&room, &["unix", servers.stream.to_str().unwrap()]);
    let report = brio_confine::probe().unwrap_or_else(|e| panic!("{e}"));
    if !report.landlock.is_some_and(|landlock| landlock.scoped) {
        return Err("landlock here does not keep abstract sockets inside".to_owned());
    }
    stopped(&room, &["abstract", &servers.name]);
    assert_eq!(servers.arrivals.so_far(), 1);
    Ok(())
}

fn own_loopback() -> Result<(), String> {
    let done = inside(&place().room, &["own-loopback"]);
    assert_eq!(done.exit, Exit::Code(0), "{}", done.err);
    Ok(())
}

fn socket_families() -> Result<(), String> {
    let place = place();
    for (family, number) in [
        ("netlink-diag-socket", libc::EAFNOSUPPORT),
        ("vsock-socket", libc::EAFNOSUPPORT),
        ("alg-socket", libc::EAFNOSUPPORT),
        ("packet-socket", libc::EAFNOSUPPORT),
        ("raw-socket", libc::EPERM),
    ] {
        let possible = outside(&[family]).is_ok();
        // Raw and packet sockets are root's; the others may not be in this kernel.
        assert!(possible || !(root() && family.starts_with(['r', 'p', 'n'])), "outside: {family}");
        assert_eq!(refused(&place.room, &[family]), number, "{family}");
    }
    assert_eq!(inside(&place.room, &["netlink-route-socket"]).exit, Exit::Code(0));
    Ok(())
}

/// Attempts of which each succeeds outside, for root or for everybody.
fn all_stopped(attempts: &[(&[&str], Who)]) {
    let place = place();
    for (attempt, who) in attempts {
        let possible = match who {
            Who::Everybody => true,
            Who::Root => root(),
            Who::Perhaps => outside(attempt).is_ok(),
        };
        if possible {
            stopped(&place.room, attempt);
        } else {
            refused(&place.room, attempt);
        }
    }
}

#[derive(Clone, Copy)]
enum Who {
    Everybody,
    Root,
    /// The kernel may be built, or set, without it.
    Perhaps,
}

fn mounts() -> Result<(), String> {
    // Outside, root's attempts are made on a directory, and a mount namespace, of their own.
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    all_stopped(&[
        (&["open-tree"], Who::Root),
        (&["fsopen"], Who::Root),
        (&["chroot"], Who::Root),
        (&["unshare-mount"], Who::Root),
    ]);
    let place = place();
    if root() {
        outside(&["mount", at])?;
        outside(&["remount", at])?;
        outside(&["umount", at])?;
    }
    for attempt in
        [&["mount", "/tmp"], &["umount", "/usr"], &["umount", "/proc/kcore"], &["remount", "/usr"]]
    {
        assert_eq!(refused(&place.room, attempt), libc::EPERM, "{attempt:?}");
    }
    let node = dir.path().join("node");
    if root() {
        outside(&["mknod", node.to_str().unwrap()])?;
    }
    assert_eq!(refused(&place.room, &["mknod", "/tmp/node"]), libc::EPERM);
    Ok(())
}

fn namespaces() -> Result<(), String> {
    all_stopped(&[
        (&["unshare-user"], Who::Everybody),
        (&["clone-user"], Who::Everybody),
        (&["unshare-net"], Who::Root),
        (&["setns"], Who::Root),
    ]);
    // Programs start threads by the older call when this one is not there.
    assert_eq!(refused(&place().room, &["clone3"]), libc::ENOSYS);
    Ok(())
}

fn kernel() -> Result<(), String> {
    all_stopped(&[
        (&["keyctl"], Who::Perhaps),
        (&["add-key"], Who::Perhaps),
        (&["bpf"], Who::Perhaps),
        (&["perf"], Who::Perhaps),
        (&["userfaultfd"], Who::Perhaps),
        (&["io-uring"], Who::Perhaps),
        (&["by-handle"], Who::Root),
        (&["syslog"], Who::Root),
        (&["host-name"], Who::Perhaps),
    ]);
    Ok(())
}

fn other_tables() -> Result<(), String> {
    let place = place();
    let done = inside(&place.room, &["32-bit-table"]);
    if cfg!(target_arch = "x86_64") && outside(&["32-bit-table"]).is_ok() {
        assert_eq!(done.exit, Exit::Signal(libc::SIGSYS));
    }
    assert_eq!(refused(&place.room, &["x32-table"]), libc::ENOSYS);
    Ok(())
}

fn set_user_id() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let said = outside(&["set-user-id", dir.path().to_str().unwrap()])?;
    // `fchmodat2` and `openat2` may not be there.
    assert!(said.starts_with(['6', '7', '8']), "{said}");
    let place = place();
    let done = inside(&place.room, &["set-user-id", place.path().to_str().unwrap()]);
    assert_eq!(done.out, "0 of 8 calls\n1\n", "{}", done.err);
    Ok(())
}

/// A segment of System V shared memory, which every process of the same user may attach.
fn shared_memory() -> Result<(), String> {
    let key = (std::process::id() | 0x4272_0000).to_string();
    let Ok(out) = Command::new("python3").args(["-c", MAKE_SEGMENT, &key]).output() else {
        return Err("python3 is not there to make a segment".to_owned());
    };
    let id = String::from_utf8(out.stdout).unwrap();
    let tried = outside(&["shared-memory", &key]);
    let done = inside(&place().room, &["shared-memory", &key]);
    let removed = Command::new("ipcrm").args(["-m", id.trim()]).status();
    tried?;
    assert!(removed.is_ok_and(|status| status.success()), "the segment {id} was not removed");
    assert_eq!(done.exit, Exit::Code(1));
    Ok(())
}

const MAKE_SEGMENT: &str = r"
import ctypes, sys
print(ctypes.CDLL(None).shmget(int(sys.argv[1]), 16, 0o1600))
";

/// Root owns all of it, and has the right to change it without any capability.
fn system() -> Result<(), String> {
    let place = place();
    for path in ["/usr/bin/env", "/etc/passwd", "/usr/lib", "/etc/ld.so.cache"] {
        let before = fs::metadata(path).unwrap();
        for op in ["chmod", "chown", "utime", "setxattr", "write", "truncate", "rename", "unlink"] {
            refused(&place.room, &["change", op, path]);
        }
        let after = fs::metadata(path).unwrap();
        assert_eq!(
            (before.mode(), before.ctime(), before.ctime_nsec()),
            (after.mode(), after.ctime(), after.ctime_nsec()),
            "{path}"
        );
    }
    for dir in ["/", "/usr", "/etc", "/dev", "/proc", "/var", "/run", "/sys/devices/system/cpu"] {
        refused(&place.room, &["change", "create", &format!("{dir}/brio-wall")]);
    }
    for dir in ["/tmp", "/var/tmp", "/dev/shm", place.path().to_str().unwrap()] {
        let done = inside(&place.room, &["change", "create", &format!("{dir}/brio-wall")]);
        assert_eq!(done.exit, Exit::Code(0), "{dir}: {}", done.err);
    }
    Ok(())
}

fn capabilities() -> Result<(), String> {
    let done =
        run(&place().room, &["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"]);
    let values: Vec<&str> = done.out.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    assert_eq!(values, [&["0000000000000000"; 5][..], &["1", "2"]].concat(), "{}", done.out);
    let place = place();
    fs::write(place.path().join("f"), "x").unwrap();
    let file = place.path().join("f");
    for attempt in [&["chown-other", file.to_str().unwrap()][..], &["set-uid"]] {
        if root() {
            outside(attempt)?;
            std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
        }
        refused(&place.room, attempt);
    }
    Ok(())
}

fn proc_and_dev() -> Result<(), String> {
    let place = place();
    for (path, value) in [
        ("/proc/sys/kernel/core_pattern", "|/tmp/x"),
        ("/proc/sys/kernel/pid_max", "4194304"),
        ("/proc/sys/vm/drop_caches", "1"),
        ("/proc/sysrq-trigger", "h"),
    ] {
        refused(&place.room, &["write", path, value]);
    }
    let before = fs::metadata("/dev/null").unwrap().mode();
    for device in ["/dev/null", "/dev/tty", "/dev/zero"] {
        if Path::new(device).exists() {
            refused(&place.room, &["chmod", device]);
        }
    }
    // A stream that is /dev/null is the room's, whose mode is not the host's to change.
    let writable = fs::OpenOptions::new().write(true).open("/dev/null").is_ok();
    if writable {
        let exe = exe();
        let command =
            brio_confine::Command::new([exe.to_str().unwrap(), "attempt", "chmod-stdout"]);
        assert_eq!(place.room.spawn(command).unwrap().wait().unwrap(), Exit::Code(1));
    }
    assert_eq!(fs::metadata("/dev/null").unwrap().mode(), before);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    outside(&["chmod", file.to_str().unwrap()])?;
    Ok(())
}

fn fork_bomb() -> Result<(), String> {
    let limits = Limits { processes: Some(301), ..Limits::default() };
    let place = place();
    let room = place.room.clone().limits(limits);
    let report = room.spawn(brio_confine::Command::default()).unwrap().report().clone();
    if report.processes == brio_confine::ProcessLimit::Unavailable {
        return Err("neither a PID namespace nor a user namespace bounds it here".to_owned());
    }
    assert_eq!(outside(&["forks", "320"])?.trim(), "320");
    let done = inside(&room, &["forks", "320"]);
    assert_eq!(done.exit, Exit::Code(1), "{}", done.out);
    let started: usize = done.out.lines().next().unwrap().parse().unwrap();
    assert!((1..301).contains(&started), "{started}");
    Ok(())
}

/// Types into a terminal that is only a test's.
fn terminal() -> Result<(), String> {
    let place = place();
    let typed_outside = type_into(None, "tiocsti");
    if root() {
        assert!(typed_outside, "outside, root types into any terminal");
    }
    for attempt in ["tiocsti", "tiocsti-high-bits"] {
        assert!(!type_into(Some(&place.room), attempt), "{attempt}");
    }
    Ok(())
}

/// Whether an attempt with this terminal as its input left a character there.
fn type_into(room: Option<&Room>, attempt: &str) -> bool {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut modes = rustix::termios::tcgetattr(&slave).unwrap();
    modes.make_raw();
    rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).unwrap();
    match room {
        None => {
            let input = slave.try_clone().unwrap();
            Command::new(exe()).args(["attempt", attempt]).stdin(input).output().unwrap();
        }
        Some(room) => {
            let exe = exe();
            let mut command =
                brio_confine::Command::new([exe.to_str().unwrap(), "attempt", attempt]);
            let file = || brio_confine::Stdio::Descriptor(tempfile::tempfile().unwrap().into());
            command.stdin = brio_confine::Stdio::Descriptor(slave.try_clone().unwrap().into());
            (command.stdout, command.stderr) = (file(), file());
            assert_eq!(room.spawn(command).unwrap().wait().unwrap(), Exit::Code(1));
        }
    }
    rustix::io::ioctl_fionread(&slave).unwrap() > 0
}
