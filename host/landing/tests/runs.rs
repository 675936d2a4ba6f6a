//! Runs: what is told of who works in a session, and how it is asked to end.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use brio_landing::{LeaseStatus, RunTag, Session, StopOptions};
use brio_session::ViewOptions;
use common::{begin, open, write};

fn dir(base: &Path, s: &Session) -> PathBuf {
    base.join(".brio/sessions").join(s.id().as_str())
}

/// How long it took a run to hear that it is to stop, from the wish on.
fn heard(s: &Session, base: &Path) -> Duration {
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let (told, asked) = channel();
    w.on_stop(move || told.send(Instant::now()).unwrap());
    // Past the look that a heartbeat has at the very beginning.
    std::thread::sleep(Duration::from_millis(20));
    let (domain, id) = (open(base), s.id().clone());
    let begun = Instant::now();
    let asker = std::thread::spawn(move || {
        domain.session(&id).unwrap().stop_run(&StopOptions::default()).unwrap()
    });
    let at = asked.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(w.stop_requested() && !w.is_to_keep());
    drop(w);
    let stopped = asker.join().unwrap().unwrap();
    assert_eq!((stopped.run.purpose.as_str(), stopped.killed), ("test", false));
    at.duration_since(begun)
}

// F-051, T12: sooner than a holder that has no pipe looks by itself.
#[test]
fn a_request_to_stop_is_heard_at_once() {
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "");
    let median = || {
        let mut times: Vec<_> = (0..15).map(|_| heard(&s, base.path())).collect();
        times.sort_unstable();
        times[7]
    };
    let by_pipe = median();
    let channel = dir(base.path(), &s).join("channel");
    assert!(!channel.exists(), "nobody waits at it");
    fs::write(channel, "no pipe").unwrap();
    let by_looking = median();
    assert!(by_pipe * 2 < by_looking, "{by_pipe:?}, {by_looking:?}");
}

// F-051, F-062: where something else has the pipe's name, requests are looked for.
#[test]
fn without_a_pipe_it_is_heard_all_the_same() {
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "");
    fs::write(dir(base.path(), &s).join("channel"), "no pipe").unwrap();
    heard(&s, base.path());
    assert_eq!(fs::read(dir(base.path(), &s).join("channel")).unwrap(), b"no pipe");
}

// F-041: who asks for the session to be kept is heard with that; a request that nobody answered
// is taken back.
#[test]
fn a_request_says_whether_to_keep_and_can_be_refused() {
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    assert_eq!(s.stop_run(&StopOptions::default()).unwrap(), None, "nobody works there");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let hasty = StopOptions { patience: Duration::from_millis(100), keep: true, force: true };
    let other = open(base.path()).session(s.id()).unwrap();
    let e = other.stop_run(&hasty).unwrap_err();
    assert_eq!(e.code(), "SESSION_BUSY", "and not killed: this process does more than that");
    assert!(w.is_to_keep());
    assert!(!dir(base.path(), &s).join("stop").exists(), "nobody asks any more");
    // Asked after the fact.
    let (told, asked) = channel();
    w.on_stop(move || told.send(()).unwrap());
    asked.recv_timeout(Duration::from_secs(5)).unwrap();
}

// F-010, F-011, F-050, F-053: with a tool of one's own.
#[test]
fn what_a_session_is_lies_in_its_directory() {
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "to be seen");
    let limits = [("memory_bytes".to_owned(), 7)].into();
    let tag = RunTag { program: Some("p".into()), limits, ..RunTag::new("test") };
    let w = s.writer_of(tag, ViewOptions::default()).unwrap();
    w.measure(|| [("files".to_owned(), 3)].into());
    write(w.view(), "f", b"f");
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(dir(base.path(), &s).join(name)).unwrap()).unwrap()
    };
    let lease = json("lease");
    assert_eq!(lease["pid"], std::process::id());
    assert_eq!(lease["run"]["limits"]["memory_bytes"], 7);
    assert_eq!(json("meta.json")["goal"], "to be seen");
    let run = s.info().unwrap().run.unwrap();
    assert_eq!((run.program.as_deref(), run.pid), (Some("p"), std::process::id()));
    assert_eq!(w.run().unwrap().used["files"], 3);
    w.finish().unwrap();
    s.note("bound", serde_json::json!({ "target": "/data" })).unwrap();
    assert_eq!(s.info().unwrap().run, None);
    let log = s.operations().unwrap();
    assert_eq!(log.iter().map(|o| o.what.as_str()).collect::<Vec<_>>(), ["run", "bound"]);
    assert_eq!(log[0].run.as_ref().unwrap().id, run.id);
    assert_eq!(log[0].run.as_ref().unwrap().used["files"], 3);
    let lines = fs::read_to_string(dir(base.path(), &s).join("operations")).unwrap();
    assert_eq!(lines.lines().count(), 2, "a line each: {lines}");
}

// T5, T12: a process that has the pid of one that died is neither it nor killed for it.
#[test]
fn a_process_that_has_the_pid_is_not_the_holder() {
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let lease = dir(base.path(), &s).join("lease");
    let mut holder: serde_json::Value = serde_json::from_slice(&fs::read(&lease).unwrap()).unwrap();
    drop(w);
    // As its process left it: who has the pid now began at another time.
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    holder["pid"] = child.id().into();
    holder["start"] = 1.into();
    holder["expendable"] = true.into();
    fs::write(&lease, holder.to_string()).unwrap();
    assert_eq!(s.info().unwrap().lease, LeaseStatus::Dead { pid: child.id() });
    let force = StopOptions { force: true, patience: Duration::from_millis(50), keep: false };
    assert_eq!(s.stop_run(&force).unwrap(), None, "there is no run");
    // The same while somebody holds the lock, as another pid namespace could.
    let file = fs::File::open(&lease).unwrap();
    file.lock().unwrap();
    assert_eq!(s.info().unwrap().lease, LeaseStatus::Dead { pid: child.id() });
    assert_eq!(s.stop_run(&force).unwrap(), None);
    assert_eq!(s.writer("x", ViewOptions::default()).err().unwrap().code(), "SESSION_BUSY");
    file.unlock().unwrap();
    assert_eq!(child.try_wait().unwrap(), None, "it lives");
    child.kill().unwrap();
    child.wait().unwrap();
    // Who works there next finds out.
    s.writer("next", ViewOptions::default()).unwrap().finish().unwrap();
    let log = s.operations().unwrap();
    assert_eq!(log.iter().map(|o| o.what.as_str()).collect::<Vec<_>>(), ["run-died", "run"]);
}

// F-004: a clock that jumps robs nobody.
#[test]
fn a_heartbeat_of_another_time_is_silence_and_no_death() {
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let lease = dir(base.path(), &s).join("lease");
    let mut holder: serde_json::Value = serde_json::from_slice(&fs::read(&lease).unwrap()).unwrap();
    let pid = std::process::id();
    for (secs, want) in
        [(5, LeaseStatus::Silent { pid }), (i64::MAX / 2, LeaseStatus::Live { pid })]
    {
        holder["heartbeat"]["secs"] = secs.into();
        fs::write(&lease, holder.to_string()).unwrap();
        assert_eq!(s.info().unwrap().lease, want);
        assert_eq!(s.writer("x", ViewOptions::default()).err().unwrap().code(), "SESSION_BUSY");
    }
    drop(w);
}
