//! A guest of WASI 0.3 beside those of 0.2, well-behaved and hostile.
#![cfg(feature = "wasi-0-3")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use brio_runtime::{AgentKind, Limit, Outcome, Plain, RunReport, RunSpec, StopToken, Workspace};
use brio_session::Limits;
use common::{ENGINE, Session, guest, populate, spec};

fn run(arg: &[&str], limits: Limits, change: impl FnOnce(&mut RunSpec)) -> RunReport {
    let session = Session::with(populate, limits);
    let mut spec = spec(&session, arg);
    change(&mut spec);
    ENGINE.run(&guest("test/wasi3.wasm"), spec)
}

fn all_ok(report: &RunReport) {
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let text = report.stdout.text();
    assert!(text.lines().count() > 35, "{text}");
    let failed: Vec<_> = text.lines().filter(|line| !line.starts_with("OK ")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

// T9: every function of the file system of 0.3, seen by 0.2 in the same run.
#[test]
fn every_function_answers_as_0_2_sees_it() {
    let agent = guest("test/wasi3.wasm");
    assert_eq!(agent.kind(), AgentKind::Command);
    let session = Session::over(populate);
    all_ok(&ENGINE.run(&agent, spec(&session, &[])));
    let changes = session.view.changes().unwrap().changes;
    let paths: Vec<_> = changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["copy", "large", "moved", "three.txt"]);
    assert!(!session.base.path().join("three.txt").exists(), "the base stays as it was");
}

#[test]
fn the_plain_form_answers_too() {
    let dir = tempfile::tempdir().unwrap();
    populate(dir.path());
    let open = cap_std::fs::Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority());
    let session = Session::over(populate);
    let mut spec = spec(&session, &[]);
    spec.view = Workspace::Plain(Plain { dir: open.unwrap(), block_current_thread: true });
    let report = ENGINE.run(&guest("test/wasi3.wasm"), spec);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(std::fs::read(dir.path().join("three.txt")).unwrap(), b"hello");
}

// T18: what a guest of 0.3 does without end ends with the name of its limit.
#[test]
fn hostile_guests_meet_their_limits() {
    let none = Limits::default();
    let tight = |spec: &mut RunSpec| {
        spec.limits.wall = Duration::from_secs(20);
        spec.limits.cpu = Duration::from_secs(10);
        spec.limits.memory = 64 << 20;
        spec.limits.handles = 1000;
        spec.limits.output = 1 << 20;
    };
    let report = run(&["stdout"], none, tight);
    assert_eq!(report.outcome, Outcome::Limited(Limit::Output), "{report:?}");
    assert!(report.stdout.bytes.len() <= 1 << 20);
    let disk = Limits { disk: Some(8 << 20), ..none };
    let report = run(&["disk"], disk, tight);
    assert_eq!(report.outcome, Outcome::Limited(Limit::Disk), "{:?}", report.error);
    for arg in ["streams", "tasks"] {
        let report = run(&[arg], none, tight);
        assert_eq!(report.outcome, Outcome::Limited(Limit::Handles), "{arg}: {:?}", report.error);
    }
    let report = run(&["trap"], none, tight);
    assert_eq!(report.outcome, Outcome::Trapped, "{:?}", report.error);
    all_ok(&run(&[], none, |_| {}));
}

#[test]
fn who_waits_is_stopped() {
    let report = run(&["wait"], Limits::default(), |spec| {
        spec.limits.wall = Duration::from_millis(300);
    });
    assert_eq!(report.outcome, Outcome::Limited(Limit::Time), "{report:?}");
    let stop = StopToken::default();
    let (from, stopper) = (Instant::now(), stop.clone());
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        stopper.stop();
    });
    let report = run(&["wait"], Limits::default(), |spec| spec.stop = stop);
    assert_eq!(report.outcome, Outcome::Killed, "{report:?}");
    assert!(from.elapsed() < Duration::from_secs(20));
    stopping.join().unwrap();
}
