//! How runs end: each way by its own outcome and code, and the host lives on (T10 at this level).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use brio_runtime::{AgentKind, Limit, Outcome, RunReport, RunSpec, StopToken, codes};
use brio_session::Limits;
use common::{ENGINE, Session, guest, populate, spec};

fn code(report: &RunReport) -> &str {
    report.error.as_ref().map_or("", |e| &e.code)
}

fn run(name: &str, args: &[&str], change: impl FnOnce(&mut RunSpec)) -> (Session, RunReport) {
    let session = Session::over(populate);
    let mut spec = spec(&session, args);
    change(&mut spec);
    let report = ENGINE.run(&guest(name), spec);
    (session, report)
}

#[test]
fn an_agent_gets_its_context_and_its_output_is_reported() {
    // B-100, B-105: the context arrives; what the agent returns is in the report.
    let agent = guest("hello.wasm");
    assert_eq!(agent.kind(), AgentKind::Agent);
    let session = Session::over(populate);
    let mut spec = spec(&session, &[]);
    spec.task.description = "Ada".into();
    let report = ENGINE.run(&agent, spec);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(!report.output.unwrap().summary.is_empty());
    assert!(!session.view.changes().unwrap().changes.is_empty());
    assert!(report.usage.memory > 0 && report.usage.files > 0);
}

#[test]
fn an_error_of_the_agent_is_reported_with_its_kind() {
    for (how, expected) in [
        ("failed", codes::AGENT_FAILED),
        ("invalid-task", codes::INVALID_TASK),
        ("check-failed", codes::CHECK_FAILED),
        ("io", codes::AGENT_IO),
        ("conflict", codes::CONFLICT),
    ] {
        let (_, report) = run("test/fail.wasm", &[how], |_| {});
        assert_eq!((report.outcome, code(&report)), (Outcome::Failed, expected), "{report:?}");
    }
    let (_, report) = run("test/fail.wasm", &["io"], |_| {});
    assert_eq!(report.error.unwrap().paths, ["no/such/file"]);
}

#[test]
fn an_exit_is_an_outcome() {
    let (_, report) = run("test/fail.wasm", &["exit", "0"], |_| {});
    assert_eq!((report.outcome, report.exit), (Outcome::Succeeded, Some(0)), "{report:?}");
    let (_, report) = run("test/fail.wasm", &["exit", "3"], |_| {});
    assert_eq!(
        (report.outcome, code(&report)),
        (Outcome::Failed, codes::EXIT_STATUS),
        "{report:?}"
    );
    assert!(report.exit.is_some_and(|n| n != 0));
}

#[test]
fn a_panic_is_a_trap_and_its_text_is_captured() {
    let (_, report) = run("test/panic.wasm", &[], |_| {});
    assert_eq!((report.outcome, code(&report)), (Outcome::Trapped, codes::TRAPPED));
    let error = report.error.unwrap();
    assert!(!error.message.contains('\n') && error.message.len() < 120, "{error:?}");
    assert!(report.stdout.text().contains("on stdout"));
    assert!(
        report.stderr.text().contains("on stderr") && report.stderr.text().contains("panicked")
    );
}

#[test]
fn each_limit_ends_the_run_by_its_own_code() {
    type Case = (&'static str, &'static [&'static str], Limit, fn(&mut RunSpec));
    let cases: [Case; 9] = [
        ("test/hog.wasm", &[], Limit::Memory, |s| s.limits.memory = 64 << 20),
        ("test/hog.wasm", &["gentle"], Limit::Memory, |s| s.limits.memory = 64 << 20),
        ("test/spin.wasm", &[], Limit::Cpu, |s| s.limits.cpu = Duration::from_millis(200)),
        ("test/spin.wasm", &["write"], Limit::Cpu, |s| s.limits.cpu = Duration::from_millis(200)),
        ("test/spin.wasm", &[], Limit::Time, |s| s.limits.wall = Duration::from_millis(200)),
        ("test/spin.wasm", &["sleep"], Limit::Time, |s| s.limits.wall = Duration::from_millis(200)),
        ("test/spammer.wasm", &["handles"], Limit::Handles, |s| s.limits.handles = 100),
        ("test/spammer.wasm", &["stdout"], Limit::Output, |s| s.limits.output = 100_000),
        ("test/spammer.wasm", &["stderr"], Limit::Output, |s| s.limits.output = 100_000),
    ];
    for (name, args, limit, change) in cases {
        let (_, report) = run(name, args, change);
        assert_eq!(report.outcome, Outcome::Limited(limit), "{name} {args:?}: {report:?}");
        assert_eq!(code(&report), limit.code());
    }
}

#[test]
fn limits_of_the_view_end_the_run_too() {
    for (what, limits, limit) in [
        ("bytes", Limits { disk: Some(1 << 20), files: None }, Limit::Disk),
        ("sparse", Limits { disk: Some(1 << 20), files: None }, Limit::Disk),
        ("files", Limits { disk: None, files: Some(50) }, Limit::Files),
        ("dirs", Limits { disk: None, files: Some(50) }, Limit::Files),
    ] {
        let session = Session::with(populate, limits);
        let args: &[&str] = if what == "sparse" { &[what, "1000000000"] } else { &[what] };
        let report = ENGINE.run(&guest("test/spammer.wasm"), spec(&session, args));
        if what == "sparse" {
            // A hole is not written: both answers are sound.
            assert!(
                matches!(report.outcome, Outcome::Succeeded | Outcome::Limited(Limit::Disk)),
                "{report:?}"
            );
            continue;
        }
        assert_eq!(report.outcome, Outcome::Limited(limit), "{what}: {report:?}");
        assert_eq!(code(&report), limit.code());
    }
}

#[test]
fn a_memory_that_begins_over_the_limit_is_a_limit_not_a_trap() {
    let (_, report) = run("test/hog.wasm", &["1"], |s| s.limits.memory = 100_000);
    assert_eq!(report.outcome, Outcome::Limited(Limit::Memory), "{report:?}");
}

#[test]
fn a_stop_ends_loops_and_waits_promptly() {
    for how in ["", "sleep", "write"] {
        let stop = StopToken::default();
        let handle = stop.clone();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            handle.stop();
            Instant::now()
        });
        let (_, report) = run("test/spin.wasm", &[how], |s| s.stop = stop);
        let late = killer.join().unwrap().elapsed();
        assert_eq!((report.outcome, code(&report)), (Outcome::Killed, codes::KILLED), "{how}");
        // Promptly beside the limits of the run; a busy machine has to compile the guest first.
        assert!(late < Duration::from_secs(20), "{how}: {late:?}");
    }
}

#[test]
fn a_stop_before_the_run_ends_it() {
    let stop = StopToken::default();
    stop.stop();
    let (_, report) = run("test/spin.wasm", &["sleep"], |s| s.stop = stop);
    assert_eq!(report.outcome, Outcome::Killed);
}

#[test]
fn a_sink_that_blocks_does_not_hold_a_stopped_run() {
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl std::io::Write for Stuck {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (free, stuck) = std::sync::mpsc::channel();
    let stop = StopToken::default();
    let handle = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        handle.stop();
    });
    let begun = Instant::now();
    let (_, report) = run("test/spammer.wasm", &["stdout"], |s| {
        s.stop = stop;
        s.stdout.sink = Some(Box::new(Stuck(stuck)));
    });
    assert_eq!(report.outcome, Outcome::Killed, "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(free);
}

#[test]
fn output_is_shown_captured_and_bounded() {
    use std::sync::{Arc, Mutex};
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let shown = Shown::default();
    let (_, report) = run("test/spammer.wasm", &["stdout", "1000000"], |s| {
        s.stdout.sink = Some(Box::new(shown.clone()));
        s.stdout.capture = 1000;
    });
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(shown.0.lock().unwrap().len(), 1_000_000);
    assert_eq!((report.stdout.bytes.len(), report.stdout.truncated), (1000, true));
    assert_eq!(report.usage.output, 1_000_000);
}

#[test]
fn an_engine_runs_inside_of_a_tokio_runtime_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (_, report) = runtime.block_on(async { run("hello.wasm", &[], |_| {}) });
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

#[test]
fn many_runs_at_once_each_end_in_their_own_way() {
    std::thread::scope(|scope| {
        for i in 0..16 {
            scope.spawn(move || {
                let (name, expected) = match i % 4 {
                    0 => ("hello.wasm", Outcome::Succeeded),
                    1 => ("test/panic.wasm", Outcome::Trapped),
                    2 => ("test/hog.wasm", Outcome::Limited(Limit::Memory)),
                    _ => ("test/spin.wasm", Outcome::Limited(Limit::Time)),
                };
                let (_, report) = run(name, &[], |s| {
                    s.limits.memory = 16 << 20;
                    s.limits.wall = Duration::from_secs(if i % 4 == 3 { 1 } else { 60 });
                });
                assert_eq!(report.outcome, expected, "{name}: {report:?}");
            });
        }
    });
}

#[test]
fn a_reviewer_approves_or_rejects_with_findings() {
    // T10: a rejected review is an outcome of its own.
    let agent = guest("check-secrets.wasm");
    assert_eq!(agent.kind(), AgentKind::Reviewer);
    let session = Session::over(populate);
    let report = ENGINE.run(&agent, spec(&session, &[]));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(report.verdict.unwrap().approved);
    let session = Session::over(|at| {
        populate(at);
        std::fs::write(at.join("key.txt"), "one\naws = AKIAIOSFODNN7EXAMPL2\n").unwrap();
    });
    let report = ENGINE.run(&agent, spec(&session, &[]));
    assert_eq!((report.outcome, code(&report)), (Outcome::Rejected, codes::REJECTED), "{report:?}");
    let finding = report.verdict.unwrap().findings.remove(0);
    assert_eq!((finding.path.as_deref(), finding.line), (Some("key.txt"), Some(2)));
    // No judgement is no approval.
    let report = ENGINE.run(&agent, spec(&session, &["--nonsense"]));
    assert_eq!((report.outcome, code(&report)), (Outcome::Rejected, codes::INVALID_TASK));
}

#[test]
fn a_limit_met_by_an_earlier_run_is_not_the_next_ones() {
    let session = Session::with(populate, Limits { disk: None, files: Some(20) });
    let report = ENGINE.run(&guest("test/spammer.wasm"), spec(&session, &["files"]));
    assert_eq!(report.outcome, Outcome::Limited(Limit::Files));
    let report = ENGINE.run(&guest("check-secrets.wasm"), spec(&session, &[]));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let report = ENGINE.run(&guest("test/spammer.wasm"), spec(&session, &["files"]));
    assert_eq!(report.outcome, Outcome::Limited(Limit::Files));
}

#[test]
fn the_largest_values_are_no_limits() {
    let (_, report) = run("hello.wasm", &[], |s| {
        s.limits = brio_runtime::RunLimits {
            memory: u64::MAX,
            wall: Duration::MAX,
            cpu: Duration::MAX,
            handles: usize::MAX,
            output: u64::MAX,
        };
    });
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}
