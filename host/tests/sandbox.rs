//! Agents in processes of their own (the second wall).

mod entered;

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use brio_host::{
    AgentSource, Brio, Ending, Enforced, LeaseStatus, Metadata, Outcome, Place, Ran, RunError,
    RunRequest, Sandbox, StopToken,
};

fn main() {
    entered::run(&[
        (
            "a_run_in_a_process_does_what_it_does_in_ours",
            a_run_in_a_process_does_what_it_does_in_ours,
        ),
        (
            "a_run_says_which_process_it_is_in_and_what_confines_it",
            a_run_says_which_process_it_is_in_and_what_confines_it,
        ),
        (
            "a_worker_that_is_killed_is_a_run_that_failed",
            a_worker_that_is_killed_is_a_run_that_failed,
        ),
        ("a_worker_made_ahead_that_died_is_not_used", a_worker_made_ahead_that_died_is_not_used),
        (
            "what_cannot_be_in_a_process_is_refused_where_it_must_be",
            what_cannot_be_in_a_process_is_refused_where_it_must_be,
        ),
        ("workers_end_with_their_run_and_with_brio", workers_end_with_their_run_and_with_brio),
    ])
}

/// Those who count this process's workers, or kill them, are alone.
static ALONE: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    ALONE.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

struct World {
    dir: tempfile::TempDir,
    brio: Brio,
}

impl World {
    fn new(workers: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let base = dir.path().join("base");
        std::fs::create_dir(&base).expect("a base");
        std::fs::write(base.join("notes.txt"), "it is red\n").expect("a file");
        let brio = Brio::builder(dir.path().join("home")).workers(workers).open().expect("a home");
        Self { dir, brio }
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    fn request(&self, agent: &str) -> RunRequest {
        let place = Place::Begin { base: self.base(), metadata: Metadata::default() };
        let mut request = RunRequest::new(AgentSource::Named(agent.into()), place);
        request.sandbox = Some(Sandbox::Process);
        request
    }

    fn run(&self, request: RunRequest) -> Ran {
        self.brio.run(request).expect("it runs")
    }
}

fn guest(name: &str) -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../example-agents/prebuilt/test");
    at.join(name).with_extension("wasm").to_str().expect("text").to_owned()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn process(ran: &Ran) -> u32 {
    match &ran.enforced {
        Enforced::Process { confinement, pid } => {
            assert!(confinement.seccomp && confinement.no_new_privs, "{confinement:?}");
            pid.expect("a process id")
        }
        other => panic!("{other}: {:?}", ran.report),
    }
}

/// Through files, the journal, the project's record, what is asked about sessions, children of its
/// own, and input files.
fn a_run_in_a_process_does_what_it_does_in_ours() {
    let _guard = beside();
    let world = World::new(0);
    let mut replace = world.request("replace");
    replace.description = "s/red/blue/".into();
    replace.args = vec!["*.txt".into()];
    let ran = world.run(replace);
    process(&ran);
    assert!(matches!(ran.ending, Ending::Landed(_)), "{:?}", ran.report);
    assert_eq!(std::fs::read(world.base().join("notes.txt")).expect("a file"), b"it is blue\n");
    assert!(ran.report.usage.written > 0 && ran.report.usage.memory > 0, "{:?}", ran.report.usage);

    for agent in ["sessions", "journal", "record"] {
        let mut texts = Vec::new();
        for sandbox in [Sandbox::Wasm, Sandbox::Process] {
            let world = World::new(0);
            let outside = world.dir.path().join("outside.txt");
            std::fs::write(&outside, "beside the base").expect("a file");
            let mut request = world.request(&guest(agent));
            request.sandbox = Some(sandbox);
            request.description = "Ada".into();
            request.grants.session_fs = true;
            request.grants.project_record = true;
            request.input_files = vec![outside];
            let ran = world.run(request);
            assert_eq!(ran.enforced.sandbox(), sandbox);
            let text = ran.report.stdout.text().into_owned();
            let failed: Vec<_> = text.lines().filter(|line| line.starts_with("FAIL")).collect();
            assert!(failed.is_empty(), "{agent} by {sandbox}: {failed:#?}");
            texts.push((ran.report.outcome, text.lines().count()));
        }
        assert_eq!(texts[0], texts[1], "{agent}");
    }
}

/// F-003, F-030: the run's record names the process that the code is in, and its confinement.
fn a_run_says_which_process_it_is_in_and_what_confines_it() {
    let _guard = beside();
    let world = World::new(0);
    let stop = StopToken::default();
    let mut spin = world.request(&guest("spin"));
    spin.stop = stop.clone();
    let brio = world.brio.clone();
    let run = std::thread::spawn(move || brio.run(spin).expect("it runs"));
    let begun = Instant::now();
    let info = loop {
        let rows = world.brio.list(&Default::default()).expect("a list");
        if let Some(info) = rows
            .into_iter()
            .find_map(|row| row.run.filter(|_| matches!(row.lease, LeaseStatus::Live { .. })))
        {
            break info;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no run is listed");
    };
    let worker = info.worker.expect("a worker");
    assert!(lives(worker) && worker != info.pid && info.pid == std::process::id());
    let sandbox = info.sandbox.expect("what confines it");
    assert!(sandbox.starts_with("process: namespaces"), "{sandbox}");
    stop.stop();
    let ran = run.join().expect("it ends");
    assert_eq!(ran.report.outcome, Outcome::Killed, "{:?}", ran.report);
    assert!(matches!(ran.ending, Ending::RolledBack(_)), "{:?}", ran.ending);
    assert_eq!(process(&ran), worker);
    assert!(!lives(worker), "it ended with its run");
}

fn a_worker_that_is_killed_is_a_run_that_failed() {
    let _guard = beside();
    let world = World::new(0);
    let brio = world.brio.clone();
    let request = world.request(&guest("spin"));
    let run = std::thread::spawn(move || brio.run(request).expect("it runs"));
    let begun = Instant::now();
    let worker = loop {
        let rows = world.brio.list(&Default::default()).expect("a list");
        let used = |row: &brio_host::Listed| row.run.as_ref().and_then(|r| r.worker);
        if let Some(pid) = rows.iter().find_map(used) {
            break pid;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no run is listed");
    };
    let pid = rustix::process::Pid::from_raw(worker.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    let ran = run.join().expect("it ends");
    assert_eq!(ran.report.error.expect("an error").code, "WORKER");
    assert!(matches!(ran.ending, Ending::RolledBack(_)), "{:?}", ran.ending);
    assert_eq!(std::fs::read_dir(world.base().join(".brio/sessions")).expect("there").count(), 0);
}

fn a_worker_made_ahead_that_died_is_not_used() {
    let _guard = alone();
    let world = World::new(1);
    process(&world.run(world.request("hello")));
    std::thread::sleep(Duration::from_millis(300));
    let ahead = workers();
    for pid in &ahead {
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    // Its first thread may have ended before those that hold its sockets too.
    let threads =
        |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let gone = |pid: &u32| parent(*pid).is_none() && threads(pid) <= 1;
    until("they are gone", || ahead.iter().all(gone));
    let ran = world.run(world.request("hello"));
    process(&ran);
    assert!(ran.report.succeeded(), "{:?}", ran.report);
}

fn what_cannot_be_in_a_process_is_refused_where_it_must_be() {
    let _guard = beside();
    let world = World::new(0);
    let with = |change: fn(&mut RunRequest)| {
        let mut request = world.request("hello");
        change(&mut request);
        world.brio.run(request)
    };
    for change in [
        (|r| r.plain = true) as fn(&mut RunRequest),
        |r| (r.plain, r.sandbox, r.require_sandbox) = (true, None, true),
        |r| (r.sandbox, r.require_sandbox) = (Some(Sandbox::Wasm), true),
    ] {
        let refused = with(change).expect_err("it cannot be");
        assert!(
            matches!(refused, RunError::Sandbox { .. }) && refused.code() == "SANDBOX",
            "{refused}"
        );
    }
    // A home that wants it says why a run is not.
    let brio = Brio::builder(world.brio.home()).sandbox(Sandbox::Process).open().expect("a home");
    let mut request = world.request("hello");
    (request.plain, request.sandbox) = (true, None);
    let ran = brio.run(request).expect("it runs");
    assert!(
        matches!(&ran.enforced, Enforced::Wasm { instead: Some(why) } if why.contains("--preopen"))
    );
    let brio = Brio::builder(world.brio.home()).require_sandbox(true).open().expect("a home");
    let mut request = world.request("hello");
    request.sandbox = None;
    process(&brio.run(request).expect("it runs"));
}

/// Of a process that has not ended.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
    fields.next()?.parse().ok()
}

/// Processes of cells that descend from this one.
fn workers() -> Vec<u32> {
    let own = std::process::id();
    let all = std::fs::read_dir("/proc")
        .expect("processes")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|pid| std::iter::successors(parent(*pid), |p| parent(*p)).any(|p| p == own))
        .collect()
}

fn workers_end_with_their_run_and_with_brio() {
    let _guard = alone();
    let world = World::new(2);
    world.brio.make_workers();
    process(&world.run(world.request("hello")));
    until("some were made ahead", || workers().len() >= 2);
    drop(world);
    until("they are gone", || workers().is_empty());
}
