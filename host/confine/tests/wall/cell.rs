//! What a cell can, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use brio_confine::{Cell, CellLimits, Exit, Running};

use crate::harness::Test;
use crate::setup::exe;

pub(crate) const TESTS: &[Test] = &[
    ("a_cell_reads_and_writes_what_it_was_given", speaks),
    ("a_cell_ends_with_the_status_that_is_returned", statuses),
    ("a_cell_runs_threads_timers_and_compiled_code", runs),
    ("a_cell_sees_the_end_of_its_spawners_side_and_the_other_way_round", ends_of_streams),
    ("a_killed_cell_is_gone", killed),
    ("a_dropped_cell_is_gone", dropped),
    ("a_cell_dies_with_its_spawner", spawner_killed),
    ("a_cell_dies_with_its_helper", helper_killed),
    ("a_cell_outlives_the_thread_that_made_it", thread_ended),
    ("a_cells_memory_is_bounded", memory),
    ("a_cells_time_is_bounded", time),
    ("a_cells_threads_are_bounded", threads),
    ("a_cell_has_the_descriptors_that_it_was_given_and_no_other", descriptors),
    ("many_cells_live_at_once", many),
];

/// A cell that does what it is told.
pub(crate) struct Told {
    pub(crate) running: Running,
    socket: UnixStream,
    answers: BufReader<UnixStream>,
}

pub(crate) fn cell(limits: CellLimits, more: Vec<OwnedFd>) -> Told {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let given = std::iter::once(OwnedFd::from(theirs)).chain(more).collect();
    let running = Cell::new().limits(limits).spawn(given).unwrap_or_else(|e| panic!("{e}"));
    Told { running, answers: BufReader::new(ours.try_clone().unwrap()), socket: ours }
}

pub(crate) fn plain() -> Told {
    cell(CellLimits::default(), Vec::new())
}

impl Told {
    pub(crate) fn say(&mut self, command: &str) {
        writeln!(self.socket, "{command}").unwrap();
    }

    /// Empty when the cell has ended instead.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.say(command);
        self.answer()
    }
}

fn speaks() -> Result<(), String> {
    let mut cell = plain();
    assert_eq!(cell.ask("echo through the wall"), "through the wall");
    assert_eq!(cell.ask("standard-output"), "true");
    assert_eq!(cell.ask("environment"), "0");
    assert_eq!(cell.ask("page-size"), rustix::param::page_size().to_string());
    assert_eq!(cell.running.wait_timeout(Duration::from_millis(20)).unwrap(), None);
    assert_eq!(cell.ask("exit 0"), "");
    assert_eq!(cell.running.wait().unwrap(), Exit::Code(0));
    assert_eq!(cell.running.wait().unwrap(), Exit::Code(0));
    Ok(())
}

fn statuses() -> Result<(), String> {
    for code in [0, 1, 7, 125, 255] {
        let mut cell = plain();
        cell.say(&format!("exit {code}"));
        assert_eq!(cell.running.wait().unwrap(), Exit::Code(code));
    }
    let mut cell = plain();
    cell.say("panic");
    assert_eq!(cell.running.wait().unwrap(), Exit::Code(101));
    let mut cell = plain();
    cell.say("abort");
    // Process 1 takes no SIGABRT: the C library goes on to an instruction that nobody may use.
    assert!(matches!(cell.running.wait().unwrap(), Exit::Signal(_) | Exit::Code(127)));
    Ok(())
}

fn runs() -> Result<(), String> {
    let mut cell = plain();
    assert_eq!(cell.ask("threads 64"), (0..64).sum::<usize>().to_string());
    assert_eq!(cell.ask("timers"), "42");
    assert_eq!(cell.ask("code"), "42");
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut cell = self::cell(CellLimits::default(), vec![theirs.into()]);
    cell.say("streams");
    ours.write_all(b"ping").unwrap();
    assert_eq!(cell.answer(), "ping");
    let mut said = [0; 4];
    ours.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ping");
    Ok(())
}

fn ends_of_streams() -> Result<(), String> {
    let Told { mut running, socket, answers } = plain();
    drop((socket, answers));
    assert_eq!(running.wait().unwrap(), Exit::Code(0), "it reads to the end");
    // The helper holds nothing that would keep the other side open.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut cell = self::cell(CellLimits::default(), vec![theirs.into()]);
    cell.say("pass");
    ours.write_all(b"ping").unwrap();
    let mut all = Vec::new();
    ours.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"ping", "closed in the cell, which lives on");
    assert_eq!(cell.answer(), "ping");
    assert_eq!(cell.ask("echo alive"), "alive");
    Ok(())
}

fn alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn killed() -> Result<(), String> {
    let mut cell = plain();
    let pid = cell.running.init_pid().unwrap();
    assert!(alive(pid) && pid != cell.running.pid());
    cell.running.handle().kill();
    assert_eq!(cell.running.wait().unwrap(), Exit::Killed);
    assert!(!alive(pid));
    assert_eq!(cell.running.init_pid(), None);
    assert!(cell.running.handle().signal(libc::SIGTERM).is_err());
    Ok(())
}

fn dropped() -> Result<(), String> {
    let mut cell = plain();
    cell.say("spin");
    let (pid, helper) = (cell.running.init_pid().unwrap(), cell.running.pid());
    drop(cell);
    assert!(!alive(pid) && !alive(helper));
    Ok(())
}

/// `wall spawner`: a program that spawns a cell, and is killed.
pub(crate) fn spawner_if_asked() {
    if std::env::args().nth(1).is_some_and(|word| word == "spawner") {
        let mut cell = plain();
        assert_eq!(cell.ask("echo up"), "up");
        println!("{} {}", cell.running.init_pid().unwrap(), cell.running.pid());
        cell.say("spin");
        cell.running.wait().unwrap();
        std::process::exit(0);
    }
}

struct Spawner {
    process: Child,
    cell: u32,
    helper: u32,
}

fn spawner() -> Spawner {
    let mut process =
        std::process::Command::new(exe()).arg("spawner").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (cell, helper) = line.trim_end().split_once(' ').unwrap();
    Spawner { process, cell: cell.parse().unwrap(), helper: helper.parse().unwrap() }
}

fn gone(pid: u32) {
    let start = Instant::now();
    while alive(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "{pid} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn spawner_killed() -> Result<(), String> {
    let mut spawner = spawner();
    assert!(alive(spawner.cell) && alive(spawner.helper));
    spawner.process.kill().unwrap();
    spawner.process.wait().unwrap();
    gone(spawner.cell);
    gone(spawner.helper);
    Ok(())
}

fn helper_killed() -> Result<(), String> {
    let mut cell = plain();
    cell.say("spin");
    let pid = cell.running.init_pid().unwrap();
    let helper = rustix::process::Pid::from_raw(cell.running.pid().cast_signed()).unwrap();
    rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(cell.running.wait().unwrap(), Exit::Killed);
    gone(pid);
    Ok(())
}

fn thread_ended() -> Result<(), String> {
    let mut cell = std::thread::spawn(plain).join().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(cell.ask("echo alive"), "alive");
    Ok(())
}

fn memory() -> Result<(), String> {
    let limits = CellLimits { data: Some(64 << 20), ..CellLimits::default() };
    assert_eq!(plain().ask("memory 96"), "96", "without a limit");
    let mut bounded = cell(limits, Vec::new());
    let got: usize = bounded.ask("memory 96").parse().unwrap();
    assert!((16..64).contains(&got), "{got} MiB");
    let limits = CellLimits { address_space: Some(256 << 20), ..CellLimits::default() };
    let got: usize = cell(limits, Vec::new()).ask("memory 300").parse().unwrap();
    assert!((16..256).contains(&got), "{got} MiB");
    // It is given back, and a program that does not look for a refusal is ended by it.
    assert_eq!(bounded.ask("allocate 1048576"), "1048576");
    assert_eq!(bounded.ask("allocate 134217728"), "");
    assert!(matches!(bounded.running.wait().unwrap(), Exit::Signal(_) | Exit::Code(127)));
    Ok(())
}

fn time() -> Result<(), String> {
    let limits = CellLimits { cpu_seconds: Some(1), ..CellLimits::default() };
    let mut cell = cell(limits, Vec::new());
    cell.say("spin");
    let ended = cell.running.wait_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(ended, Some(Exit::Killed));
    Ok(())
}

fn threads() -> Result<(), String> {
    let mut bounded = plain();
    if bounded.running.report().processes == brio_confine::ProcessLimit::Unavailable {
        return Err("neither a PID namespace nor a user namespace bounds them here".to_owned());
    }
    let limits = CellLimits { threads: None, ..CellLimits::default() };
    let all = (0..320).sum::<usize>().to_string();
    assert_eq!(cell(limits, Vec::new()).ask("threads 320"), all);
    // A thread that cannot be started ends this one by a panic, while the others wait.
    bounded.say("threads 320");
    let start = Instant::now();
    let stat = format!("/proc/{}/status", bounded.running.init_pid().unwrap());
    let count = || -> usize {
        let status = std::fs::read_to_string(&stat).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
        line.trim().parse().unwrap()
    };
    let mut before = 0;
    while count() != before || before < 2 {
        before = count();
        assert!(before <= 301, "{before} threads");
        assert!(start.elapsed() < Duration::from_secs(30), "{before} threads");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn descriptors() -> Result<(), String> {
    let pipes = |count: usize| -> Vec<OwnedFd> {
        (0..count).map(|_| UnixStream::pair().unwrap().0.into()).collect()
    };
    let error = Cell::new().spawn(pipes(64)).unwrap_err();
    assert_eq!(error.code(), "ROOM_DESCRIPTORS", "{error}");
    // The standard streams, what was given, and the copy that the inside makes of its socket.
    let open = |cell: &mut Told| cell.ask("descriptors").matches(',').count();
    assert_eq!(open(&mut plain()), 3 + 1 + 1);
    assert_eq!(open(&mut cell(CellLimits::default(), pipes(62))), 3 + 63 + 1);
    Ok(())
}

fn many() -> Result<(), String> {
    let mut cells: Vec<Told> = (0..20).map(|_| plain()).collect();
    for (number, cell) in cells.iter_mut().enumerate() {
        assert_eq!(cell.ask(&format!("echo {number}")), number.to_string());
    }
    Ok(())
}
