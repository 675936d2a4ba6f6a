//! What a cell cannot, tried by native code in it: there is no interpreter around it.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use brio_confine::{CellLimits, Namespace, Privilege};

use crate::calls::{self, Given};
use crate::cell::{cell, plain};
use crate::harness::Test;
use crate::hostile::{self, Got, call, raw};
use crate::setup::exe;
use crate::tries::{Who, outside, root};

pub(crate) const TESTS: &[Test] = &[
    ("every_other_system_call_is_refused_in_a_cell", every_call),
    ("a_cell_reaches_no_file_address_or_process", attempts),
    ("no_process_is_made_in_a_cell", no_process),
    ("other_tables_of_system_calls_are_refused_in_a_cell", other_tables),
    ("there_is_nothing_around_a_cell", surroundings),
    ("a_cell_says_what_confines_it", probe),
];

/// What the inside is told to try.
pub(crate) fn attempt(name: &str, words: &[&str], given: &mut Vec<OwnedFd>) -> Got {
    match name {
        "calls" => {
            let [dir, file, socket] = std::array::from_fn(|_| given.remove(0));
            let outcomes = outcomes(&Given { dir, file, socket });
            Err(io::Error::other(outcomes))
        }
        "exec-given" => {
            let fd = i64::from(given[0].as_raw_fd());
            let empty = c"".as_ptr() as i64;
            call(libc::SYS_execveat, [fd, empty, 0, 0, i64::from(libc::AT_EMPTY_PATH)])
        }
        "clone" => match raw(libc::SYS_clone, [words[0].parse().unwrap(), 0, 0, 0, 0])? {
            0 => std::process::exit(0),
            _ => Ok(()),
        },
        "call-number" => call(words[0].parse().unwrap(), [0; 5]),
        _ => hostile::attempt(name, words),
    }
}

/// Of every call of the list, in its order.
fn outcomes(given: &Given) -> String {
    let outcomes: Vec<_> = calls::all(given).iter().map(|c| c.outcome().to_string()).collect();
    outcomes.join(" ")
}

/// `wall calls DIR`: the same without a cell.
pub(crate) fn calls_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, dir] = &arguments[..]
        && word == "calls"
    {
        println!("{}", outcomes(&Given::of(Path::new(dir)).unwrap()));
        std::process::exit(0);
    }
}

fn numbers(outcomes: &str) -> Vec<i32> {
    outcomes.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn every_call() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "").unwrap();
    let out = std::process::Command::new(exe()).arg("calls").arg(dir.path()).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let free = numbers(std::str::from_utf8(&out.stdout).unwrap());

    let given = Given::of(dir.path()).unwrap();
    let list = calls::all(&given);
    let limits = CellLimits { cpu_seconds: Some(100), ..CellLimits::default() };
    let mut cell = cell(limits, vec![given.dir, given.file, given.socket]);
    let locked = numbers(&cell.ask("attempt calls"));
    assert_eq!(cell.ask("echo alive"), "alive", "a refusal ends nobody");

    assert_eq!((locked.len(), free.len()), (list.len(), list.len()));
    let mut wrong = Vec::new();
    for ((call, locked), free) in list.iter().zip(locked).zip(free) {
        let otherwise = match call.who {
            Who::Everybody => true,
            Who::Root => root(),
            Who::Perhaps => false,
        };
        if locked != call.errno || (otherwise && free == call.errno) {
            wrong.push(format!("{}: {locked} in the cell, {free} outside", call.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        fs::read(dir.path().join("f")).unwrap().len(),
        1,
        "written outside, not in the cell"
    );
    Ok(())
}

/// The same as a program would do it, by what the C library and std make of it.
fn attempts() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "x").unwrap();
    let secret = dir.path().join("secret");
    let (secret, path) = (secret.to_str().unwrap(), dir.path().join("socket"));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let _unix = UnixListener::bind(&path).unwrap();
    let name = format!("brio-cell-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&abstract_name).unwrap();
    let own = std::process::id().to_string();
    let mut cell = plain();
    let helper = cell.running.pid().to_string();
    for attempt in [
        &["read", secret][..],
        &["write", secret, "y"],
        &["list", "/"],
        &["list", "/proc"],
        &["read", "/dev/zero"],
        &["tcp", &address],
        &["udp", &address],
        &["unix", path.to_str().unwrap()],
        &["abstract", &name],
        &["pidfd", &own],
        &["pidfd", &helper],
        &["read-memory", &own],
        &["forks", "1"],
    ] {
        outside(attempt).unwrap_or_else(|e| panic!("outside, {attempt:?} must succeed: {e}"));
        let refused = cell.ask(&format!("attempt {}", attempt.join(" ")));
        assert_eq!(refused, libc::EPERM.to_string(), "{attempt:?}");
    }
    for attempt in ["list ..", "read ../../../etc/passwd", "signal 1", "signal -1", "ptrace 1"] {
        assert_eq!(cell.ask(&format!("attempt {attempt}")), libc::EPERM.to_string(), "{attempt}");
    }
    for host in [&own, &helper] {
        for attempt in ["signal", "ptrace", "read-memory"] {
            let refused = cell.ask(&format!("attempt {attempt} {host}"));
            assert_eq!(refused, libc::EPERM.to_string(), "{attempt} {host}");
        }
    }
    assert_eq!(cell.ask("echo alive"), "alive");
    Ok(())
}

/// Neither by a program that was handed in, nor by flags that are nearly those of a thread.
fn no_process() -> Result<(), String> {
    let program = fs::File::open("/bin/true").map_err(|e| format!("/bin/true: {e}"))?;
    let mut cell = cell(CellLimits::default(), vec![program.into()]);
    let refused = libc::EPERM.to_string();
    assert_eq!(cell.ask("attempt exec-given"), refused);
    let thread = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    for flags in [
        libc::SIGCHLD,
        libc::SIGCHLD | libc::CLONE_PARENT,
        libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
        libc::CLONE_NEWUSER | libc::SIGCHLD,
        thread | libc::CLONE_NEWNET,
        thread | libc::CLONE_UNTRACED,
    ] {
        assert_eq!(cell.ask(&format!("attempt clone {flags}")), refused, "{flags:#x}");
    }
    #[cfg(target_arch = "x86_64")]
    for number in [libc::SYS_fork, libc::SYS_vfork] {
        assert_eq!(cell.ask(&format!("attempt call-number {number}")), refused);
    }
    Ok(())
}

fn other_tables() -> Result<(), String> {
    let mut cell = plain();
    let unknown = libc::ENOSYS.to_string();
    assert_eq!(cell.ask("attempt x32-table"), unknown);
    for number in [470, 500, 9999] {
        assert_eq!(cell.ask(&format!("attempt call-number {number}")), unknown);
    }
    if cfg!(target_arch = "x86_64") && outside(&["32-bit-table"]).is_ok() {
        assert_eq!(cell.ask("attempt 32-bit-table"), "");
        let ended = cell.running.wait().unwrap();
        assert_eq!(ended, brio_confine::Exit::Signal(libc::SIGSYS));
    }
    Ok(())
}

/// As the host sees it: what would be left to who had no filter around him.
fn surroundings() -> Result<(), String> {
    let cell = plain();
    let proc = PathBuf::from(format!("/proc/{}", cell.running.init_pid().unwrap()));
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs"), field("Seccomp"), field("Threads")), three("1", "2", "1"));
    let mounts = fs::read_to_string(proc.join("mountinfo")).unwrap();
    let lines: Vec<&str> = mounts.lines().collect();
    assert_eq!(lines.len(), 1, "{mounts}");
    assert!(lines[0].contains(" / ro,nosuid,nodev") && lines[0].contains(" tmpfs "), "{mounts}");

    let mut own = vec!["mnt", "pid_for_children", "ipc", "uts", "cgroup", "net"];
    if cell.running.report().privilege == Privilege::UserNamespace {
        own.push("user");
    }
    let namespace = |proc: &Path, name: &str| fs::read_link(proc.join("ns").join(name));
    let Ok(_) = namespace(&proc, "mnt") else {
        return Err("this user may not look at a process that is not dumpable".to_owned());
    };
    for name in own {
        let ours = namespace(Path::new("/proc/self"), name).unwrap();
        assert_ne!(namespace(&proc, name).unwrap(), ours, "{name}");
    }
    if !root() {
        return Ok(());
    }
    assert_eq!(fs::read_dir(proc.join("root")).unwrap().count(), 0, "the root holds nothing");
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
    // Nothing but the standard streams, which are `/dev/null`, and sockets.
    for entry in fs::read_dir(proc.join("fd")).unwrap() {
        let entry = entry.unwrap();
        let meta = fs::metadata(entry.path()).unwrap();
        let standard = entry.file_name().to_str().unwrap().parse::<u32>().unwrap() <= 2;
        let right = match standard {
            true => meta.rdev() == rustix::fs::makedev(1, 3),
            false => meta.file_type().is_socket(),
        };
        assert!(right, "{entry:?}: {meta:?}");
    }
    Ok(())
}

fn three(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.to_owned(), b.to_owned(), c.to_owned())
}

fn probe() -> Result<(), String> {
    let report = brio_confine::probe_cell().unwrap_or_else(|e| panic!("{e}"));
    assert!(report.seccomp && report.no_new_privs);
    assert_eq!(report.landlock, brio_confine::probe().unwrap().landlock);
    assert!(report.namespaces.contains(&Namespace::Network));
    assert_eq!(report.privilege == Privilege::Root, root());
    Ok(())
}
