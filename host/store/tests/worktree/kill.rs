//! Processes that are killed while they import or check out.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use brio_store::backend::Directory;
use brio_store::worktree::{CheckoutOptions, ScanOptions, checkout};

use super::{fill, imported, noise, open, picture, project_on, run, settle};

const WORK: &str = "BRIO_TEST_KILLED";

/// What the child does in a directory of ours.
fn begin(test: &str, work: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(WORK, work)
        .stdout(Stdio::null());
    command.spawn().unwrap()
}

fn work() -> Option<PathBuf> {
    std::env::var_os(WORK).map(PathBuf::from)
}

fn project_in(work: &Path) -> brio_store::Project {
    project_on(Arc::new(Directory::open(&work.join("store")).unwrap()))
}

fn scan_in(work: &Path) -> ScanOptions {
    ScanOptions { cache: Some(work.join("cache")), ..ScanOptions::default() }
}

#[test]
#[ignore = "run, and killed, by a_killed_import_is_nothing_or_all"]
fn child_that_imports() {
    let Some(work) = work() else { return };
    imported(&project_in(&work), &work.join("from"), &scan_in(&work));
}

#[test]
#[ignore = "run, and killed, by a_killed_checkout_goes_on"]
fn child_that_checks_out() {
    let Some(work) = work() else { return };
    let p = project_in(&work);
    let tree = run(p.head()).unwrap().tree();
    run(checkout(&p, tree, &open(&work.join("to")), &CheckoutOptions::default())).unwrap();
}

fn prepared() -> tempfile::TempDir {
    let work = tempfile::tempdir().unwrap();
    for dir in ["store", "from", "to"] {
        std::fs::create_dir(work.path().join(dir)).unwrap();
    }
    let from = work.path().join("from");
    fill(&from, 1500, 20_000);
    std::fs::write(from.join("large"), noise(12 << 20, 8)).unwrap();
    settle();
    work
}

/// Killed later and later, until it is done before, or `look` finds that it was.
fn until_done(mut child: impl FnMut() -> Child, mut look: impl FnMut() -> bool) -> u32 {
    let (mut kills, mut wait) = (0, Duration::from_millis(4));
    loop {
        let mut child = child();
        std::thread::sleep(wait);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        wait = wait * 4 / 3;
        if look() {
            return kills;
        }
    }
}

#[test]
fn a_killed_import_is_nothing_or_all() {
    let work = prepared();
    let objects = || {
        let packs = work.path().join("store/projects/org/name/packs");
        if packs.exists() { picture(&packs).len() } else { 0 }
    };
    let mut stored = objects();
    let kills = until_done(
        || begin("kill::child_that_imports", work.path()),
        || {
            let head = run(project_in(work.path()).head()).unwrap();
            let entries = run(project_in(work.path()).tree(head.tree()).len()).unwrap();
            assert_eq!(entries, if head.position() == 0 { 0 } else { 1531 });
            assert!(objects() >= stored, "what was stored stays");
            stored = objects();
            // To import what was imported is no error.
            false
        },
    );
    println!("killed {kills} times");
    assert!(kills > 5, "{kills}");
    let p = project_in(work.path());
    assert_eq!(run(p.head()).unwrap().position(), 1);
    let tree = run(p.head()).unwrap().tree();
    let to = work.path().join("to");
    run(checkout(&p, tree, &open(&to), &CheckoutOptions::default())).unwrap();
    assert!(picture(&to) == picture(&work.path().join("from")));
}

#[test]
fn a_killed_checkout_goes_on() {
    let work = prepared();
    let (from, to) = (work.path().join("from"), work.path().join("to"));
    imported(&project_in(work.path()), &from, &scan_in(work.path()));
    let wanted = picture(&from);
    let mut most = 0;
    let kills = until_done(
        || begin("kill::child_that_checks_out", work.path()),
        || {
            let there = picture(&to);
            // Either the marker, or all of it.
            let all = there == wanted;
            let marked = there.contains_key(b".brio-checkout".as_slice());
            assert!(there.is_empty() || marked || all);
            most = most.max(there.len());
            all
        },
    );
    println!("killed {kills} times, with up to {most} paths there");
    assert!(kills > 5 && most > 100, "{kills} {most}");
    assert!(picture(&to) == wanted);
}
