//! Several processes on one base: the test binary runs itself again as the other process.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use brio_landing::{Domain, LeaseStatus};
use brio_session::ViewOptions;
use common::{begin, commit, edit, names, open, options, read, tree, write, writer};

const ROLE: &str = "BRIO_TEST_ROLE";

fn other(role: &str, base: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(ROLE, role)
        .env("BRIO_TEST_BASE", base)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the other process does. Without a role it does nothing.
#[test]
fn the_other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let base = std::env::var("BRIO_TEST_BASE").unwrap();
    let base = Path::new(&base);
    let (d, _) = Domain::open(base, options(None)).unwrap();
    match role.as_str() {
        "churn" => {
            for i in 0..30u32 {
                let s = begin(&d, "churn");
                let w = writer(&s);
                let (v, root) = (w.view(), w.view().root());
                write(v, "dir/a", format!("churned {i}").as_bytes());
                if i % 2 == 0 {
                    v.unlink_at(&root, b"dir/b").unwrap();
                    write(v, "dir/n", b"new");
                } else {
                    write(v, "dir/b", b"back");
                    v.unlink_at(&root, b"dir/n").unwrap();
                }
                w.finish().unwrap();
                commit(&d, s.id()).unwrap();
            }
        }
        "hold" => {
            let id = fs::read_to_string(base.join("id")).unwrap().parse().unwrap();
            let _w = writer(&d.session(&id).unwrap());
            fs::write(base.join("held"), "").unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
        who => {
            for i in 0..15 {
                let s = begin(&d, who);
                edit(&s, &[(&format!("{who}-{i}"), who.as_bytes())]);
                commit(&d, s.id()).unwrap();
            }
        }
    }
}

#[test]
fn a_reader_stays_frozen_while_another_process_lands() {
    // T17
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("dir")).unwrap();
    for f in ["a", "b", "c"] {
        fs::write(base.path().join("dir").join(f), f).unwrap();
    }
    let d = open(base.path());
    let s = begin(&d, "reads");
    let v = s.view(ViewOptions::default()).unwrap();
    let mut child = other("churn", base.path());
    let mut rounds = 0;
    loop {
        assert_eq!(names(&v, "dir"), ["a", "b", "c"]);
        for f in ["a", "b", "c"] {
            assert_eq!(read(&v, &format!("dir/{f}")).unwrap(), f.as_bytes(), "round {rounds}");
        }
        assert!(read(&v, "dir/n").is_none());
        rounds += 1;
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
    }
    assert_eq!(d.landing().unwrap(), 30);
    assert_eq!(read(&v, "dir/a").unwrap(), b"a");
    eprintln!("{rounds} rounds of reads during 30 landings");
}

#[test]
fn two_processes_lose_no_landing() {
    // T20, T1
    let base = tempfile::tempdir().unwrap();
    open(base.path());
    let mut all = [other("left", base.path()), other("right", base.path())];
    for c in &mut all {
        assert!(c.wait().unwrap().success());
    }
    let d = open(base.path());
    assert_eq!(d.landing().unwrap(), 30);
    assert_eq!(tree(base.path()).len(), 30);
    assert_eq!(d.sessions().unwrap().len(), 0);
}

#[test]
fn two_processes_make_one_domain() {
    // T20
    let base = tempfile::tempdir().unwrap();
    let mut all: Vec<_> = (0..4).map(|i| other(&format!("p{i}"), base.path())).collect();
    for c in &mut all {
        assert!(c.wait().unwrap().success());
    }
    assert_eq!(open(base.path()).landing().unwrap(), 60);
    assert_eq!(tree(base.path()).len(), 60, "nothing of the making is left");
}

#[test]
fn a_killed_holder_is_dead_at_once() {
    // T5
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    edit(&s, &[("f", b"f")]);
    fs::write(base.path().join("id"), s.id().as_str()).unwrap();
    let mut child = other("hold", base.path());
    let begun = Instant::now();
    while !base.path().join("held").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(s.info().unwrap().lease, LeaseStatus::Live { pid: child.id() });
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "SESSION_BUSY");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(s.info().unwrap().lease, LeaseStatus::Dead { pid: child.id() });
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"f");
}
