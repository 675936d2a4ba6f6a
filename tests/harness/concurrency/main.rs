//! Many sessions of many processes on one base, with edits that overlap: the history must be
//! one that snapshot isolation allows, and what an open session shows must be its snapshot.
//! T17, T20, T22, and the promises on concurrent landings.
//!
//! The long run: `BRIO_SESSIONS=1000 BRIO_PROCESSES=8 BRIO_SEED=1 cargo test -p brio-tests
//! --test concurrency -- --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod checker;
mod model;
mod reader;
mod record;
mod subject;
mod worker;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use brio_landing::{Domain, OpenOptions};
use brio_tests::rng::from_env;
use model::{Node, Tree};
use record::{Copy, Session};

fn scratch() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(dir) => dir.into(),
        None if Path::new("/dev/shm").is_dir() => "/dev/shm".into(),
        None => std::env::temp_dir(),
    }
}

fn open(base: &Path) -> Domain {
    let options = OpenOptions { boot_id: "boot-1".into(), ..OpenOptions::default() };
    Domain::open(base, options).unwrap().0
}

fn other(role: &str, dir: &Path, seed: u64, quota: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env("BRIO_ROLE", role)
        .env("BRIO_DIR", dir)
        .env("BRIO_SEED", seed.to_string())
        .env("BRIO_QUOTA", quota.to_string())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the other processes do. Without a role it does nothing.
#[test]
fn the_other_process() {
    let Ok(role) = std::env::var("BRIO_ROLE") else { return };
    let dir = PathBuf::from(std::env::var_os("BRIO_DIR").unwrap());
    let domain = open(&dir.join("base"));
    let (seed, quota) = (from_env("BRIO_SEED", 0), from_env("BRIO_QUOTA", 0));
    let out = dir.join(&role);
    if role.starts_with("reader") {
        return reader::watch(&domain, &out, &dir.join("stop"), seed);
    }
    // Threads of one process land in batches.
    let quota = quota as usize;
    std::thread::scope(|s| {
        for (i, quota) in [quota / 2, quota - quota / 2].into_iter().enumerate() {
            let (domain, out) = (&domain, &out);
            s.spawn(move || worker::work(domain, out, seed * 10 + i as u64, quota));
        }
    });
}

/// What a directory holds, read without Brio.
fn on_disk(base: &Path) -> Tree {
    let mut out = Tree::new();
    let mut open = vec![base.to_path_buf()];
    while let Some(dir) = open.pop() {
        for e in std::fs::read_dir(dir).unwrap() {
            let path = e.unwrap().path();
            if path.file_name().unwrap() == ".brio" {
                continue;
            }
            let rel = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
            let m = path.symlink_metadata().unwrap();
            let mode = m.permissions().mode() & 0o7777;
            if m.is_dir() {
                out.insert(rel, Node::Dir { mode });
                open.push(path);
            } else {
                out.insert(rel, Node::File { mode, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    out
}

fn make_base(base: &Path) {
    for path in worker::base() {
        let at = base.join(&path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        let text = if path == "count" { "0\n".to_owned() } else { format!("{path} of the base\n") };
        std::fs::write(at, text).unwrap();
    }
}

#[test]
fn many_processes_make_a_history_that_snapshot_isolation_allows() {
    // T17, T20
    let (sessions, processes) = (from_env("BRIO_SESSIONS", 160), from_env("BRIO_PROCESSES", 4));
    let seed = from_env("BRIO_SEED", 1);
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let base = dir.path().join("base");
    make_base(&base);
    let first = on_disk(&base);
    open(&base);
    let begun = std::time::Instant::now();
    let mut readers: Vec<_> = (0..1)
        .map(|i| other(&format!("reader-{i}"), dir.path(), seed * 1000 + 500 + i, 0))
        .collect();
    let mut workers: Vec<_> = (0..processes)
        .map(|i| {
            let quota = sessions / processes + u64::from(i < sessions % processes);
            other(&format!("worker-{i}"), dir.path(), seed * 1000 + i, quota)
        })
        .collect();
    let fine: Vec<_> = workers.iter_mut().map(|c| c.wait().unwrap().success()).collect();
    std::fs::write(dir.path().join("stop"), "").unwrap();
    let read: Vec<_> = readers.iter_mut().map(|c| c.wait().unwrap().success()).collect();
    let took = begun.elapsed();

    let ended: Vec<Session> =
        (0..processes).flat_map(|i| record::all(&dir.path().join(format!("worker-{i}")))).collect();
    let copies: Vec<Copy> = record::all(&dir.path().join("reader-0"));
    let report = checker::check(&first, &on_disk(&base), &ended, &copies);
    if report.is_err() || fine.contains(&false) || read.contains(&false) {
        eprintln!("the base and the records stay in {}", dir.keep().display());
        panic!("seed {seed}: workers {fine:?}, readers {read:?}: {report:?}");
    }
    let report = report.unwrap();
    eprintln!("seed {seed}: {report:?} in {took:?}");
    assert_eq!(report.sessions as u64, sessions);
    // What was to be tried was tried.
    assert!(report.landed > 20 && report.conflicts > 5 && report.moved > 10 && report.copies > 3);
    assert_eq!(open(&base).landing().unwrap(), report.landed as u64);
}

/// The checker can fail.
#[test]
fn the_checker_finds_what_is_wrong() {
    use model::{Answer, Op, apply};
    use record::End;
    let file = |t: &str| Node::File { mode: 0o644, text: t.into() };
    let first = Tree::from([("x".to_owned(), file("0")), ("y".to_owned(), file("0"))]);
    let session = |n, text: &str, k| Session {
        id: format!("s{k}"),
        n,
        ops: vec![
            (Op::Read { path: "x".into() }, Answer::Text("0".into())),
            (Op::Write { path: "x".into(), text: text.into() }, Answer::Done),
        ],
        end: End::Landed(k),
    };
    let mut last = first.clone();
    apply(&mut last, &Op::Write { path: "x".into(), text: "1".into() });
    let fails = |last: &Tree, sessions: &[Session], copies: &[Copy], why: &str| {
        let e = checker::check(&first, last, sessions, copies).unwrap_err();
        assert!(e.contains(why), "{e}");
    };
    checker::check(&first, &last, &[session(0, "1", 1)], &[]).unwrap();
    fails(&first, &[session(0, "1", 1)], &[], "not the effect");
    fails(&last, &[session(0, "1", 1), session(0, "1", 2)], &[], "which landing 1 took");
    fails(&last, &[session(0, "1", 1), session(1, "1", 2)], &[], "answered");
    fails(&last, &[session(0, "1", 2)], &[], "missing or twice");
    fails(&last, &[session(0, "1", 1)], &[Copy { n: 0, tree: last.clone() }], "showed");
    let mut drift = session(0, "2", 0);
    drift.end = End::Conflict(vec![("x".into(), None, "Drift".into())]);
    fails(&last, &[session(0, "1", 1), drift], &[], "nobody else changed anything");
}
