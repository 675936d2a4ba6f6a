//! How a command lives and ends in a room.

use std::io::{BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use brio_confine::{Command, Exit, Room, RoomError, Stdio, Workspace};

use crate::harness::Test;
use crate::setup::{exe, place, run, sh, spawn};

pub(crate) const TESTS: &[Test] = &[
    ("the_exit_status_passes", exit_status),
    ("a_signal_that_ends_the_command_is_told", ended_by_signal),
    ("signals_reach_the_command", signals),
    ("standard_streams_pass", streams),
    ("nothing_of_the_environment_is_inherited", environment),
    ("a_missing_command_is_a_typed_error", missing_command),
    ("daemons_die_with_the_room", daemons),
    ("zombies_are_reaped", zombies),
    ("a_killed_room_leaves_nothing", killed),
    ("a_room_dies_with_its_caller", caller_killed),
    ("a_room_dies_with_its_helper", helper_killed),
    ("a_room_outlives_the_thread_that_made_it", thread_ended),
    ("the_terminals_signals_pass_the_helper_by", terminal_signals),
    ("a_detached_command_is_in_no_session_of_the_callers", detached),
    ("a_dropped_room_leaves_nothing", dropped),
    ("limits_are_in_force", limits),
    ("a_room_that_cannot_be_made_says_what_was_missing", refused),
    ("probe_says_what_is_in_force", probe),
];

fn exit_status() -> Result<(), String> {
    let place = place();
    for code in [0, 1, 7, 125, 255] {
        assert_eq!(sh(&place.room, &format!("exit {code}")).exit, Exit::Code(code));
    }
    Ok(())
}

fn ended_by_signal() -> Result<(), String> {
    let done = sh(&place().room, "kill -SEGV $$");
    assert_eq!(done.exit, Exit::Signal(libc::SIGSEGV));
    assert_eq!(done.exit.code(), 139);
    Ok(())
}

fn signals() -> Result<(), String> {
    let place = place();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = "trap 'echo got; exit 42' USR1; echo ready; while :; do sleep 0.05; done";
    let mut running = spawn(
        &place.room,
        &["sh", "-c", script],
        theirs.try_clone().unwrap().into(),
        theirs.into(),
    );
    let mut ours = ours;
    read_line(&mut ours, "ready");
    assert_eq!(running.wait_timeout(Duration::from_millis(20)).unwrap(), None);
    running.handle().signal(libc::SIGUSR1).unwrap();
    assert_eq!(running.wait().unwrap(), Exit::Code(42));
    read_line(&mut ours, "got");
    Ok(())
}

fn read_line(stream: &mut UnixStream, expected: &str) {
    let mut line = vec![0; expected.len() + 1];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(String::from_utf8_lossy(&line).trim_end(), expected);
}

fn streams() -> Result<(), String> {
    let place = place();
    let (mut input, theirs) = UnixStream::pair().unwrap();
    let (mut output, out) = UnixStream::pair().unwrap();
    let (mut errors, err) = UnixStream::pair().unwrap();
    let mut command = Command::new(["/bin/sh", "-c", "cat; echo wrong >&2"]);
    command.stdin = Stdio::Descriptor(theirs.into());
    command.stdout = Stdio::Descriptor(out.into());
    command.stderr = Stdio::Descriptor(OwnedFd::from(err));
    let mut running = place.room.spawn(command).unwrap();
    input.write_all(b"through\n").unwrap();
    drop(input);
    assert_eq!(running.wait().unwrap(), Exit::Code(0));
    let (mut out, mut err) = (String::new(), String::new());
    // They end only when nobody in the room, nor the helper, holds the other side.
    output.read_to_string(&mut out).unwrap();
    errors.read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("through\n", "wrong\n"));
    Ok(())
}

fn environment() -> Result<(), String> {
    let done = run(&place().room, &["env"]);
    assert_eq!(done.out, "PATH=/usr/local/bin:/usr/bin:/bin\n", "{}", done.err);
    Ok(())
}

fn missing_command() -> Result<(), String> {
    let file = || OwnedFd::from(tempfile::tempfile().unwrap());
    let error = spawn(&place().room, &["/no/such"], file(), file()).wait().unwrap_err();
    assert!(
        matches!(&error, RoomError::Command { program, .. } if program == "/no/such"),
        "{error}"
    );
    Ok(())
}

/// A daemon writes to a file of the workspace as long as it lives.
fn daemons() -> Result<(), String> {
    let place = place();
    let script = "(setsid sh -c 'while :; do echo x >> alive; sleep 0.01; done' &) ; sleep 0.2";
    assert_eq!(sh(&place.room, script).exit, Exit::Code(0));
    stays_as_it_is(&place.path().join("alive"));
    Ok(())
}

fn stays_as_it_is(path: &std::path::Path) {
    let size = || path.metadata().unwrap().len();
    let before = size();
    assert!(before > 0, "the daemon never ran");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(size(), before, "the daemon lives on");
}

fn zombies() -> Result<(), String> {
    let script = "for i in 1 2 3 4 5; do (sh -c 'exit 0' &); done; sleep 0.3; ps -eo stat";
    let done = sh(&place().room, script);
    assert!(done.out.contains('S') || done.out.contains('R'), "ps tells nothing: {}", done.err);
    assert!(!done.out.contains('Z'), "{}", done.out);
    Ok(())
}

fn killed() -> Result<(), String> {
    let place = place();
    let mut running = started(&place);
    running.handle().kill();
    assert_eq!(running.wait().unwrap(), Exit::Killed);
    stays_as_it_is(&place.path().join("alive"));
    Ok(())
}

/// Where a daemon in a room says, again and again, that it lives.
const DAEMON: &str = "(setsid sh -c 'while :; do echo x >> alive; sleep 0.01; done' &) ; sleep 0.2; echo up; sleep 100";

/// `wall caller WORKSPACE`: a program that makes a room, and is killed.
pub(crate) fn caller_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, workspace] = &arguments[..]
        && word == "caller"
    {
        let path = std::path::PathBuf::from(workspace);
        let room = Room::new(Workspace::Bind { source: path.clone(), path });
        let mut command = Command::new(["/bin/sh", "-c", DAEMON]);
        (command.stdout, command.stderr) = (Stdio::Inherit, Stdio::Inherit);
        let mut running = room.spawn(command).unwrap();
        println!("{}", running.pid());
        running.wait().unwrap();
    }
}

/// Processes of this machine in whose mount namespace this directory is the workspace.
fn inside_of(workspace: &std::path::Path) -> usize {
    let line = format!(" {} {} ", workspace.display(), workspace.display());
    let mounts = |pid: std::ffi::OsString| {
        std::fs::read_to_string(std::path::Path::new("/proc").join(pid).join("mountinfo"))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| mounts(entry.ok()?.file_name()).ok())
        .filter(|text| text.contains(&line))
        .count()
}

fn caller_killed() -> Result<(), String> {
    let place = place();
    let workspace = place.path().canonicalize().unwrap();
    let mut caller = std::process::Command::new(exe())
        .arg("caller")
        .arg(&workspace)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(caller.stdout.take().unwrap()).lines();
    let helper = out.next().unwrap().unwrap();
    assert_eq!(out.next().unwrap().unwrap(), "up");
    assert!(inside_of(&workspace) >= 3, "process 1, the command and the daemon");
    caller.kill().unwrap();
    caller.wait().unwrap();
    let start = std::time::Instant::now();
    let helper = std::path::Path::new("/proc").join(helper);
    while inside_of(&workspace) > 0 || helper.exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "the room outlives its caller");
        std::thread::sleep(Duration::from_millis(10));
    }
    stays_as_it_is(&workspace.join("alive"));
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(workspace.to_str().unwrap()), "{mounts}");
    Ok(())
}

fn started(place: &crate::setup::Place) -> brio_confine::Running {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let argv = ["sh", "-c", DAEMON];
    let running = spawn(&place.room, &argv, theirs.try_clone().unwrap().into(), theirs.into());
    read_line(&mut ours, "up");
    running
}

fn helper_killed() -> Result<(), String> {
    let place = place();
    let mut running = started(&place);
    let pid = rustix::process::Pid::from_raw(running.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(running.wait().unwrap(), Exit::Killed);
    assert_eq!(inside_of(&place.path().canonicalize().unwrap()), 0);
    stays_as_it_is(&place.path().join("alive"));
    Ok(())
}

fn thread_ended() -> Result<(), String> {
    let place = place();
    let room = place.room.clone();
    let file = || OwnedFd::from(tempfile::tempfile().unwrap());
    let (out, err) = (file(), file());
    let made = move || spawn(&room, &["sh", "-c", "sleep 0.3; exit 5"], out, err);
    let mut running = std::thread::spawn(made).join().unwrap();
    assert_eq!(running.wait().unwrap(), Exit::Code(5));
    Ok(())
}

/// ^C goes to a process group of the terminal's session: the command is in it, the helper,
/// whose end would end the room, is not.
fn terminal_signals() -> Result<(), String> {
    let place = place();
    let running = started(&place);
    let helper = running.pid();
    let (_, session) = group_and_session(&helper.to_string());
    assert_eq!(session, helper);
    let children = format!("/proc/{helper}/task/{helper}/children");
    let Ok(children) = std::fs::read_to_string(children) else {
        return Err("this kernel does not list children".to_owned());
    };
    let init = group_and_session(children.trim());
    assert_eq!(init, group_and_session("self"));
    Ok(())
}

/// Of which only the helper is left, in a group of its own; else `kill 0` would be for it too.
fn detached() -> Result<(), String> {
    let place = place();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let script = "cut -d' ' -f 5,6 /proc/self/stat; test -e /dev/tty && ! (: < /dev/tty) 2> /dev/null && kill -KILL 0; sleep 100";
    let mut command = Command::new(["/bin/sh", "-c", script]);
    command.env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    command.stdout = Stdio::Descriptor(theirs.into());
    command.detached = true;
    let mut running = place.room.spawn(command).unwrap();
    let helper = running.pid();
    assert_eq!(group_and_session(&helper.to_string()).0, helper);
    // Its own numbers: process 1 leads both.
    read_line(&mut ours, "1 1");
    assert_eq!(running.wait().unwrap(), Exit::Signal(libc::SIGKILL));
    Ok(())
}

/// 0 where the leader lives outside of this process namespace, as in a container that was
/// entered; `getsid` of rustix takes that for a defect.
fn group_and_session(process: &str) -> (u32, u32) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

fn dropped() -> Result<(), String> {
    let place = place();
    drop(started(&place));
    assert_eq!(inside_of(&place.path().canonicalize().unwrap()), 0);
    stays_as_it_is(&place.path().join("alive"));
    Ok(())
}

fn limits() -> Result<(), String> {
    let place = place();
    let limits = brio_confine::Limits {
        cpu_seconds: Some(100),
        address_space: Some(1 << 30),
        file_size: Some(1 << 20),
        open_files: Some(64),
        private_bytes: 1 << 20,
        ..brio_confine::Limits::default()
    };
    let room = place.room.clone().limits(limits);
    let done = sh(
        &room,
        "ulimit -t; ulimit -v; ulimit -f; ulimit -n; ulimit -c; ulimit -n 65 || echo kept",
    );
    assert_eq!(done.out, "100\n1048576\n2048\n64\n0\nkept\n", "{}", done.err);
    let fill = "head -c 900000 /dev/zero > /tmp/a && head -c 900000 /dev/zero > /tmp/b";
    assert!(sh(&room, fill).err.contains("No space left"));
    assert_eq!(sh(&place.room, fill).exit, Exit::Code(0));
    Ok(())
}

/// `wall probe`: the error, where no room can be made.
pub(crate) fn probe_if_asked() {
    if std::env::args().nth(1).is_some_and(|word| word == "probe") {
        match brio_confine::probe() {
            Ok(report) => println!("{report}"),
            Err(e) => println!("{}\n{e}", e.code()),
        }
        std::process::exit(0);
    }
}

/// In a room no other can be made: it may make no user namespace.
fn refused() -> Result<(), String> {
    let exe = exe();
    let plain = std::process::Command::new(&exe).arg("probe").output().unwrap();
    assert!(plain.stdout.starts_with(b"namespaces ("), "{plain:?}");
    let done = run(&place().room, &[exe.to_str().unwrap(), "probe"]);
    let said = "ROOM_REFUSED\nROOM_REFUSED: unshare a user namespace: Operation not permitted";
    assert!(done.out.starts_with(said), "{}{}", done.out, done.err);
    assert!(done.out.contains("kernel.unprivileged_userns_clone"), "{}", done.out);
    Ok(())
}

fn probe() -> Result<(), String> {
    let report = brio_confine::probe().unwrap_or_else(|e| panic!("{e}"));
    assert!(report.seccomp && report.no_new_privs);
    assert!(report.namespaces.contains(&brio_confine::Namespace::Network));
    let root = rustix::process::geteuid().is_root();
    assert_eq!(report.privilege == brio_confine::Privilege::Root, root);
    let network = Room::empty().network(true).spawn(Command::default()).unwrap();
    assert!(!network.report().namespaces.contains(&brio_confine::Namespace::Network));
    Ok(())
}
