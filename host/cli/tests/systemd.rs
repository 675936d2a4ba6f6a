//! `brio serve` under a service manager: what it is told, and the unit that starts it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ffi::OsString;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{TestEnvironment, chmod, ran, skip, until};

/// A service manager that only listens.
struct Manager {
    socket: UnixDatagram,
    address: OsString,
}

impl Manager {
    fn at_path(env: &TestEnvironment) -> Self {
        let path = env.path().join("notify");
        Self::new(UnixDatagram::bind(&path).unwrap(), path.into())
    }

    fn abstract_one(env: &TestEnvironment) -> Self {
        let name = format!("brio-test{}", env.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::new(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into())
    }

    fn new(socket: UnixDatagram, address: OsString) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, address }
    }

    /// The lines of the next message.
    fn told(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let n = self.socket.recv(&mut message).unwrap();
        let text = std::str::from_utf8(&message[..n]).unwrap();
        assert!(text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    fn start(&self, env: &TestEnvironment, more: &[(&str, &str)]) -> Child {
        let mut command = env.command(&["serve"]);
        // `env -i` of the person who has nothing else set.
        let only = ["BRIO_HOME", "HOME", "TMPDIR"];
        assert!(command.get_envs().all(|(name, _)| only.iter().any(|n| name == *n)));
        command.env("NOTIFY_SOCKET", &self.address).envs(more.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

const IDLE: &str = "STATUS=0 tasks run, 0 queued, 0 wait for a person";

fn ends_in_order(manager: &Manager, env: &TestEnvironment) {
    let mut server = manager.start(env, &[]);
    assert_eq!(manager.told(), ["READY=1", IDLE]);
    assert_eq!(env.brio(&["serve", "--status"]).status, 0, "it is, when it says so");
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(manager.told(), ["STOPPING=1", "STATUS=putting back what runs"]);
    assert_eq!(server.wait().unwrap().code(), Some(0));
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 64]).is_err(), "nothing after that");
}

#[test]
fn the_manager_is_told_in_order_by_either_kind_of_socket() {
    let env = TestEnvironment::new();
    ends_in_order(&Manager::at_path(&env), &env);
    ends_in_order(&Manager::abstract_one(&env), &env);
}

#[test]
fn the_watchdog_hears_as_often_as_it_asks_and_the_status_follows_the_queue() {
    let env = TestEnvironment::new();
    let manager = Manager::at_path(&env);
    let mut server = manager.start(&env, &[("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "")]);
    assert_eq!(manager.told()[0], "READY=1");
    let task = env.path().join("t.toml");
    let asks = "name = 't'\nbase = 'base'\n[[steps]]\nagent = 'hello'\n\
                [[gates]]\nname = 'me'\nperson = 'good?'\n";
    fs::write(&task, asks).unwrap();
    env.ok(&["task", "submit", task.to_str().unwrap()]);
    let (mut alive, mut waits) = (0, false);
    let begun = Instant::now();
    while alive < 20 || !waits {
        assert!(begun.elapsed() < Duration::from_secs(60), "in vain: {alive} {waits}");
        match manager.told().as_slice() {
            [word] if word == "WATCHDOG=1" => alive += 1,
            [word] => waits |= word == "STATUS=0 tasks run, 0 queued, 1 wait for a person",
            other => panic!("{other:?}"),
        }
    }
    // Stopped as a process that hangs is, it says nothing; the manager would kill it.
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    manager.socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    while manager.socket.recv(&mut [0; 64]).is_ok() {}
    server.kill().unwrap();
    server.wait().unwrap();

    // The watchdog of another process is none of ours.
    let manager = Manager::abstract_one(&env);
    let mut server = manager.start(&env, &[("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(manager.told()[0], "READY=1");
    manager.socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(manager.socket.recv(&mut [0; 64]).is_err());
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_manager_that_is_not_there_is_no_reason_not_to_serve() {
    let env = TestEnvironment::new();
    for address in ["/nowhere/at/all", "@nobody-is-there", "vsock:2:1234"] {
        let mut command = env.command(&["serve"]);
        command.env("NOTIFY_SOCKET", address).env("WATCHDOG_USEC", "none");
        let mut server = command.stderr(Stdio::piped()).spawn().unwrap();
        until("it serves", || env.brio(&["serve", "--status"]).status == 0);
        env.ok(&["serve", "--stop"]);
        assert_eq!(server.wait().unwrap().code(), Some(0), "{address}");
        let said = ran(server.wait_with_output().unwrap()).stderr;
        assert!(said.contains("the service manager is not told"), "{address}: {said}");
    }
}

#[test]
fn what_the_manager_says_is_not_for_commands() {
    let env = TestEnvironment::new();
    let manager = Manager::at_path(&env);
    let file = env.path().join("t.toml");
    let script = "test -z \"$NOTIFY_SOCKET$WATCHDOG_USEC\" && test -n \"$BRIO_HOME\"";
    let text = format!(
        "name = 't'\nbase = 'base'\n[[steps]]\nname = 'looks'\nunconfined = true\n\
         command = ['/bin/sh', '-c', '{script}']\n"
    );
    fs::write(&file, text).unwrap();
    let mut server = manager.start(&env, &[("WATCHDOG_USEC", "60000000")]);
    assert_eq!(manager.told()[0], "READY=1");
    let id = env.ok(&["task", "submit", file.to_str().unwrap()]);
    let (status, told) = env.json(&["task", "wait", id.trim_end(), "--json"]);
    assert_eq!((status, &told["outcome"]), (0, &"Success".into()), "{told}");
    env.ok(&["serve", "--stop"]);
    server.wait().unwrap();
}

#[test]
fn the_unit_starts_this_binary_on_this_home() {
    let env = TestEnvironment::new();
    let dir = env.path().join("an odd 100% $place");
    fs::create_dir(&dir).unwrap();
    let program = dir.join("brio");
    // By another process: one that a test forks meanwhile must not hold it open for writing.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_brio")).arg(&program).status();
    assert!(copied.unwrap().success());
    chmod(&program, 0o755);
    let plain = env.command(&[]);
    let mut command = Command::new(&program);
    command.args(["serve", "--unit", "--jobs", "3"]).env_clear().env("BRIO_HOME", env.home());
    command.env("PATH", "/usr/bin:/bin").current_dir(plain.get_current_dir().unwrap());
    let printed = ran(command.output().unwrap());
    assert_eq!(printed.status, 0, "{}", printed.stderr);
    let unit = printed.stdout;
    let home = format!("\nEnvironment=\"BRIO_HOME={}\"\n", env.home().display());
    for has in [&home, "\nType=notify\n", "\nKillMode=mixed\n", "serve \"--jobs\" \"3\"\n"] {
        assert!(unit.contains(has), "{has}: {unit}");
    }
    // What systemd would not start is no unit.
    let odd = env.path().join("a \"name\"");
    fs::rename(&dir, &odd).unwrap();
    let mut command = Command::new(odd.join("brio"));
    command.args(["serve", "--unit"]).env_clear().env("BRIO_HOME", env.home());
    let refused = ran(command.output().unwrap());
    assert!(refused.status == 2 && refused.stderr.contains("error: UNIT: "), "{}", refused.stderr);
    fs::rename(&odd, &dir).unwrap();

    let file = env.path().join("brio.service");
    fs::write(&file, &unit).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).arg(&file).env("XDG_RUNTIME_DIR", env.path());
    match verify.output() {
        Err(e) => skip(&format!("systemd_unit: systemd-analyze: {e}")),
        Ok(output) => {
            let said = ran(output);
            // What it says of other units of this machine is not about this one.
            let about_it = said.stderr.lines().find(|line| line.contains("brio.service"));
            assert_eq!(about_it, None, "{unit}\n{}", said.stderr);
            assert_eq!(said.status, 0, "{}", said.stderr);
        }
    }
}
