//! Workers that lie, break off and die.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brio_runtime::{Limit, Outcome, RunReport, RunSpec, Worker, codes};

use super::files::common::{self, ENGINE, Session, guest, populate, spec};

/// A worker whose other ends are the test's.
fn puppet() -> (Worker, UnixStream, UnixStream, Arc<AtomicBool>) {
    let (socket, its) = UnixStream::pair().unwrap();
    let (net, its_net) = UnixStream::pair().unwrap();
    let killed = Arc::new(AtomicBool::new(false));
    let (mark, end) = (killed.clone(), socket.try_clone().unwrap());
    let kill = Arc::new(move || {
        mark.store(true, Ordering::SeqCst);
        let _ = end.shutdown(std::net::Shutdown::Both);
    });
    (Worker { socket, net, kill }, its, its_net, killed)
}

/// Runs what `says` says, in the place of a worker.
fn with(
    change: impl FnOnce(&mut RunSpec),
    says: impl FnOnce(&mut UnixStream) + Send + 'static,
) -> (Session, RunReport) {
    let session = Session::over(populate);
    let (worker, mut its, _net, killed) = puppet();
    let mut spec = spec(&session, &[]);
    change(&mut spec);
    let puppet = std::thread::spawn(move || {
        let mut length = [0; 4];
        its.read_exact(&mut length).unwrap();
        its.read_exact(&mut vec![0; u32::from_le_bytes(length) as usize]).unwrap();
        says(&mut its);
        its
    });
    let report = ENGINE.run_in_worker(&guest("hello.wasm"), spec, worker);
    drop(puppet.join().unwrap());
    assert!(killed.load(Ordering::SeqCst), "a worker is always ended");
    assert!(session.view.changes().unwrap().changes.is_empty(), "{report:?}");
    (session, report)
}

fn frame(head: &[u8], body: &[u8]) -> Vec<u8> {
    let lengths = [head.len() as u32, body.len() as u32].map(u32::to_le_bytes).concat();
    [&lengths, head, body].concat()
}

fn is_broken(report: &RunReport) {
    assert_eq!(report.outcome, Outcome::Trapped, "{report:?}");
    assert_eq!(report.error.as_ref().unwrap().code, codes::WORKER, "{report:?}");
}

#[test]
fn what_no_worker_would_say_ends_it() {
    const ASK: u8 = 1;
    let sayings: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half a length", vec![1, 0]),
        ("a head of 4 GiB", vec![0xff; 8]),
        ("a body of 4 GiB", [frame(&[4], &[])[..4].to_vec(), vec![0xff; 4]].concat()),
        ("a head that breaks off", frame(&[ASK; 16], &[])[..12].to_vec()),
        ("no message", frame(&[200], &[])),
        ("an empty report", frame(&[5], &[])),
        ("a report of noise", frame(&[5], &[0xa5; 100])),
        // Ask, nothing closed, Stat, of handle 99.
        ("a handle that was never given", frame(&[ASK, 0, 1, 99, 1, b'a', 0], &[])),
        ("the end of its own session", frame(&[ASK, 0, 19, 0], &[])),
        ("to close its session", frame(&[3, 1, 0], &[])),
        ("to close what is not open", frame(&[3, 1, 7], &[])),
        ("to read a directory", frame(&[ASK, 0, 15, 0, 0, 10], &[])),
        // Ask, nothing closed, Record, its State; nothing was granted.
        ("a record without the grant", frame(&[ASK, 0, 21, 0], &[])),
        ("a path that is no text", frame(&[ASK, 0, 1, 0, 2, 0xff, 0xfe, 0], &[])),
    ];
    for (what, bytes) in sayings {
        let (_, report) = with(
            |_| {},
            move |its| {
                its.write_all(&bytes).unwrap();
                its.shutdown(std::net::Shutdown::Write).unwrap();
            },
        );
        is_broken(&report);
        eprintln!("{what}: {}", report.error.unwrap().message);
    }
}

/// What goes into a record is bounded here, too: no worker of ours would have sent it.
#[test]
fn a_worker_that_sends_more_than_a_guest_may_is_ended() {
    const ASK: u8 = 1;
    const RECORD: u8 = 21;
    let varint = |mut n: usize| {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    let task = "x".repeat((64 << 10) + 1);
    let update = [&[ASK, 0, RECORD, 1, 0, 1], &varint(task.len())[..], task.as_bytes(), &[0]];
    // Write, of the note `a`, whatever its version.
    let write = [ASK, 0, RECORD, 5, 1, b'a', 0];
    let context = [ASK, 0, RECORD, 2, 1, b'a'];
    let sayings: Vec<(&str, bool, Vec<u8>)> = vec![
        ("a note of 16 MiB", true, frame(&write, &vec![b'x'; 16 << 20])),
        ("a note of 17 MiB", false, frame(&write, &vec![b'x'; 17 << 20])),
        ("a note that is no text", false, frame(&write, &[0xff, 0xfe])),
        ("a context of 1 MiB", true, frame(&context, &vec![b'1'; 1 << 20])),
        ("a context of 2 MiB", false, frame(&context, &vec![b'1'; 2 << 20])),
        ("a task of more than 64 KiB", false, frame(&update.concat(), &[])),
        ("a question with a body", true, frame(&[ASK, 0, RECORD, 0], b"more")),
        ("a question with a body of 2 MiB", false, frame(&[ASK, 0, RECORD, 0], &[0; 2 << 20])),
    ];
    for (what, answered, bytes) in sayings {
        let notes = Arc::new(common::notebook::Notebook::default());
        let (told, tell) = (Arc::new(AtomicBool::new(false)), notes.clone());
        let tell_answered = told.clone();
        let (_, report) = with(
            move |spec| spec.records = Some(tell),
            move |its| {
                // It may be ended before it has said all.
                let _ = its.write_all(&bytes);
                let mut lengths = [0; 8];
                tell_answered.store(its.read_exact(&mut lengths).is_ok(), Ordering::SeqCst);
                let _ = its.shutdown(std::net::Shutdown::Both);
            },
        );
        is_broken(&report);
        assert_eq!(told.load(Ordering::SeqCst), answered, "{what}: {report:?}");
        let kept = notes.content("a").map_or(0, |text| text.len());
        assert_eq!(kept, if what == "a note of 16 MiB" { 16 << 20 } else { 0 }, "{what}");
    }
}

/// Names that lead out are refused to a worker as they are to a guest.
#[test]
fn a_worker_reaches_no_more_than_its_guest() {
    let (_, report) = with(
        |_| {},
        |its| {
            for (path, found) in [
                ("README.md", true),
                ("../up", false),
                ("/etc/passwd", false),
                (".brio", false),
                ("a\0b", false),
            ] {
                let mut head = vec![1, 0, 1, 0, path.len() as u8];
                head.extend(path.as_bytes());
                head.push(1);
                its.write_all(&frame(&head, &[])).unwrap();
                let mut lengths = [0; 8];
                its.read_exact(&mut lengths).unwrap();
                let length = u32::from_le_bytes(lengths[..4].try_into().unwrap()) as usize;
                let mut answer = vec![0; length];
                its.read_exact(&mut answer).unwrap();
                assert_eq!(answer[0] == 0, found, "{path}: {answer:?}");
            }
            its.shutdown(std::net::Shutdown::Both).unwrap();
        },
    );
    is_broken(&report);
}

#[test]
fn a_worker_that_says_nothing_is_ended_when_its_time_is_over_or_somebody_stops_it() {
    let begun = Instant::now();
    let wait = |its: &mut UnixStream| {
        let _ = its.read_to_end(&mut Vec::new());
    };
    let (_, report) = with(|s| s.limits.wall = Duration::from_millis(50), wait);
    assert_eq!(report.outcome, Outcome::Limited(Limit::Time), "{report:?}");
    let (_, report) = with(
        |s| {
            let stop = s.stop.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                stop.stop();
            });
        },
        wait,
    );
    assert_eq!(report.outcome, Outcome::Killed, "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// F-030: a worker that dies, of whatever, is a run that failed; what it had changed is there.
#[test]
fn a_worker_that_is_killed_is_a_run_that_failed() {
    let session = Session::over(populate);
    let (worker, process) = common::worker::start();
    let (kill, spec) = (worker.kill.clone(), spec(&session, &[]));
    let memory = spec.memory.clone();
    let spin = std::thread::spawn(move || {
        while memory.peak() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        kill();
    });
    let report = ENGINE.run_in_worker(&guest("test/spin.wasm"), spec, worker);
    spin.join().unwrap();
    is_broken(&report);
    drop(process);
}
