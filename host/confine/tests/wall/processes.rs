//! Processes of the host, and what one in a room may be.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use brio_confine::{Exit, Limits};

use crate::harness::Test;
use crate::setup::{place, run};
use crate::tries::{inside, outside, refused, root, stopped};

pub(crate) const TESTS: &[Test] = &[
    ("the_hosts_processes_cannot_be_reached", processes),
    ("process_1_of_the_room_cannot_be_reached", process_1),
    ("shared_memory_of_the_host_cannot_be_reached", shared_memory),
    ("there_are_no_capabilities_in_any_set", capabilities),
    ("a_fork_bomb_is_bounded", fork_bomb),
];

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
