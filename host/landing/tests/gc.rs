//! What is kept to be undone, for how long, and what is freed. T19, T23.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use brio_landing::{
    Collected, Domain, GcOptions, LogFilter, OpenOptions, Quota, Retention, UndoOptions,
};
use brio_session::{Door, FsError, Hook, Op, OpenOptions as Open, Time, Verdict, View};
use common::{
    begin, commit, edit, keeping as options, open_keeping as open, read, skipped, state, tree,
    write, writer,
};

/// As `du`: hard links once.
fn du(path: &Path, seen: &mut HashSet<u64>) -> u64 {
    let m = fs::symlink_metadata(path).unwrap();
    if !m.is_dir() && m.nlink() > 1 && !seen.insert(m.ino()) {
        return 0;
    }
    let below = match m.is_dir() {
        true => fs::read_dir(path).unwrap().map(|e| du(&e.unwrap().path(), seen)).sum(),
        false => 0,
    };
    m.blocks() * 512 + below
}

/// Sessions, pre-images and what lies between; journal and reserve apart.
fn used(base: &Path) -> u64 {
    let mut seen = HashSet::new();
    let dirs = ["sessions", "landings", "staging", "trash", "kept"];
    let dirs = dirs.map(|d| base.join(".brio").join(d));
    dirs.iter().filter(|d| d.exists()).map(|d| du(d, &mut seen)).sum()
}

fn land(d: &Domain, files: &[(&str, &[u8])]) -> u64 {
    let s = begin(d, "work");
    edit(&s, files);
    commit(d, s.id()).unwrap().landing.unwrap()
}

fn all() -> GcOptions {
    GcOptions { window: Some(Duration::ZERO), ..GcOptions::default() }
}

fn quota(bytes: u64) -> GcOptions {
    GcOptions { quota: Some(Quota::Bytes(bytes)), ..GcOptions::default() }
}

fn undoable(d: &Domain) -> Vec<u64> {
    let log = d.log(&LogFilter::default()).unwrap().landings;
    log.iter().filter(|l| l.undoable).map(|l| l.landing).collect()
}

#[test]
fn what_is_collected_is_free_again() {
    // T19
    let base = tempfile::tempdir().unwrap();
    let big = vec![7u8; 1 << 20];
    fs::write(base.path().join("big"), &big).unwrap();
    fs::write(base.path().join("one"), &big).unwrap();
    fs::hard_link(base.path().join("one"), base.path().join("two")).unwrap();
    let d = open(base.path());
    // A landing of the same shape as the last one, so that what stays of the newest is the same.
    land(&d, &[("witness", b"0")]);
    land(&d, &[("witness", b"1")]);
    let done = d.gc_with(&all()).unwrap();
    assert_eq!(done.landings, [1, 2]);
    let before = used(base.path());
    let s = begin(&d, "");
    let w = writer(&s);
    write(w.view(), "big", &big[1..]);
    w.view().unlink_at(&w.view().root(), b"one").unwrap();
    w.view().unlink_at(&w.view().root(), b"two").unwrap();
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    d.undo(3, &UndoOptions::default()).unwrap();
    land(&d, &[("witness", b"2")]);
    let full = used(base.path());
    assert!(full > before + (3 << 20), "kept to be undone: {full}");
    let would = d.gc_with(&GcOptions { dry_run: true, ..all() }).unwrap();
    assert_eq!(used(base.path()), full, "a dry run does nothing");
    let done = d.gc_with(&all()).unwrap();
    assert_eq!(done.landings, [3, 4, 5]);
    assert_eq!(done, would, "the forecast is right");
    assert_eq!(done.bytes_freed, full - used(base.path()), "as `du` says");
    assert_eq!(used(base.path()), before);
    assert_eq!(d.gc_with(&all()).unwrap(), Collected::default());
}

/// Seconds that the clock of the tests is ahead.
static AHEAD: AtomicI64 = AtomicI64::new(0);

fn later() -> Time {
    let now = brio_landing::system_time();
    Time { secs: now.secs + AHEAD.load(Ordering::SeqCst), ..now }
}

#[test]
fn a_landing_collects_what_is_past_the_window_and_no_session_needs() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "0").unwrap();
    let d = Domain::open(base.path(), OpenOptions { now: later, ..options(None) }).unwrap().0;
    land(&d, &[("f", b"1")]);
    land(&d, &[("f", b"2")]);
    AHEAD.store(29 * 86_400, Ordering::SeqCst);
    let open = begin(&d, "looks at 2");
    land(&d, &[("f", b"3")]);
    assert_eq!(undoable(&d), [3, 2, 1]);
    AHEAD.store(31 * 86_400, Ordering::SeqCst);
    land(&d, &[("f", b"4")]);
    assert_eq!(undoable(&d), [4, 3], "1 and 2 are past it; 3 is needed");
    assert_eq!(state(base.path(), "landings"), ["3", "4"]);
    AHEAD.store(70 * 86_400, Ordering::SeqCst);
    land(&d, &[("f", b"5")]);
    assert_eq!(undoable(&d), [5, 4, 3]);
    assert_eq!(read(&open.view(Default::default()).unwrap(), "f").unwrap(), b"2");
    d.rollback(open.id(), false).unwrap();
    assert_eq!(undoable(&d), Vec::<u64>::new());
    assert_eq!(state(base.path(), "landings"), ["5"]);
    AHEAD.store(0, Ordering::SeqCst);
}

fn read_error(v: &View, path: &str) -> FsError {
    let how = Open { read: true, ..Open::default() };
    match v.open_at(&v.root(), path.as_bytes(), &how) {
        Ok(brio_session::Handle::File(f)) => f.read_at(&mut [0; 9], 0).unwrap_err(),
        Ok(_) => panic!("{path} is a directory"),
        Err(e) => e,
    }
}

#[test]
fn over_the_quota_undo_history_goes_first_then_the_oldest_session_is_stale() {
    // T17: never newer bytes.
    let base = tempfile::tempdir().unwrap();
    let old = vec![1u8; 100_000];
    for f in ["a", "b", "c", "d", "own"] {
        fs::write(base.path().join(f), &old).unwrap();
    }
    std::os::unix::fs::symlink("old", base.path().join("link")).unwrap();
    let d = open(base.path());
    land(&d, &[("a", b"landed 1")]);
    let first = begin(&d, "looks at 1");
    edit(&first, &[("own", b"mine"), ("made", b"mine")]);
    let other = begin(&d, "looks at 1, and changed what goes");
    edit(&other, &[("b", b"mine, too")]);
    let s = begin(&d, "");
    let w = writer(&s);
    write(w.view(), "b", b"landed 2");
    w.view().unlink_at(&w.view().root(), b"c").unwrap();
    w.view().unlink_at(&w.view().root(), b"link").unwrap();
    w.view().symlink_at(b"new", &w.view().root(), b"link").unwrap();
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    let second = begin(&d, "looks at 2");
    land(&d, &[("d", b"landed 3")]);
    // Undo history first.
    let done = d.gc_with(&quota(350_000)).unwrap();
    assert_eq!((&done.landings[..], done.stale.len()), (&[1][..], 0));
    assert_eq!(read(&first.view(Default::default()).unwrap(), "b").unwrap(), old);
    // Then who looks at the oldest landing.
    let would = d.gc_with(&GcOptions { dry_run: true, ..quota(150_000) }).unwrap();
    let done = d.gc_with(&quota(150_000)).unwrap();
    assert_eq!(done.landings, would.landings);
    assert_eq!(done.landings, [2]);
    assert_eq!(done.stale.len(), 2);
    assert!(done.stale.contains(first.id()) && done.stale.contains(other.id()));
    let infos = d.sessions().unwrap();
    let stale: Vec<_> = infos.iter().filter(|i| i.stale).map(|i| &i.id).collect();
    assert_eq!(stale.len(), 2);
    assert_eq!(read(&second.view(Default::default()).unwrap(), "d").unwrap(), old);
    // Whatever others do to the paths meanwhile.
    let v = first.view(Default::default()).unwrap();
    let gone = |v: &View| {
        assert_eq!(read_error(v, "b"), FsError::SnapshotGone);
        assert_eq!(read_error(v, "c"), FsError::SnapshotGone);
        assert_eq!(v.read_link_at(&v.root(), b"link").unwrap_err(), FsError::SnapshotGone);
    };
    gone(&v);
    fs::write(base.path().join("b.new"), "an editor's").unwrap();
    fs::rename(base.path().join("b.new"), base.path().join("b")).unwrap();
    fs::write(base.path().join("c"), "made again").unwrap();
    gone(&v);
    gone(&first.view(Default::default()).unwrap());
    // What nobody changed is there; names are what they were; its own work is known.
    assert_eq!(read(&v, "d").unwrap(), old);
    assert_eq!(read(&v, "own").unwrap(), b"mine");
    assert!(common::names(&v, ".").contains(&"c".to_owned()));
    let paths = |v: &View| -> Vec<String> {
        v.changes().unwrap().changes.iter().map(|c| c.path.to_string()).collect()
    };
    assert_eq!(paths(&v), ["made", "own"]);
    assert_eq!(paths(&other.view(Default::default()).unwrap()), ["b"]);
    drop(v);
    // A landing is never refused because of an idle session, nor is theirs where nobody conflicts.
    land(&d, &[("a", b"landed 4")]);
    assert_eq!(commit(&d, other.id()).unwrap_err().code(), "CONFLICT");
    assert_eq!(commit(&d, first.id()).unwrap().landing, Some(5));
    assert_eq!(fs::read(base.path().join("own")).unwrap(), b"mine");
}

#[test]
fn a_quota_holds_without_anybody_calling_gc() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), vec![0; 50_000]).unwrap();
    let retention = Retention { quota: Quota::Bytes(200_000), ..Retention::default() };
    let d = Domain::open(base.path(), OpenOptions { retention, ..options(None) }).unwrap().0;
    for i in 0..70u8 {
        land(&d, &[("f", &vec![i + 1; 50_000])]);
        let kept = undoable(&d).len();
        assert!(kept <= 4 + 32, "{kept}");
    }
    assert_eq!(undoable(&d), [70, 69, 68, 67, 66, 65, 64, 63, 62]);
    d.gc().unwrap();
    assert_eq!(undoable(&d).len(), 3);
}

#[test]
fn late_edits_are_never_collected() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "old").unwrap();
    fs::write(base.path().join("g"), "old").unwrap();
    let d = open(base.path());
    land(&d, &[("f", b"new"), ("g", b"new")]);
    let slots: Vec<_> = fs::read_dir(base.path().join(".brio/landings/1"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| fs::read(p).is_ok_and(|c| c == b"old"))
        .collect();
    fs::write(&slots[0], "edited late").unwrap();
    // Somebody still writes to the other.
    let handle = fs::File::options().append(true).open(&slots[1]).unwrap();
    d.gc_with(&all()).unwrap();
    let kept: Vec<_> = fs::read_dir(base.path().join(".brio/kept"))
        .unwrap()
        .map(|e| fs::read(e.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept, [b"edited late"]);
    assert!(slots[1].exists() && !slots[0].exists());
    use std::io::Write;
    (&handle).write_all(b", and later").unwrap();
    drop(handle);
    land(&d, &[("h", b"")]);
    d.gc_with(&all()).unwrap();
    assert_eq!(state(base.path(), "kept").len(), 2);
    assert!(!slots[1].exists());
}

#[test]
fn what_crashes_left_is_removed_and_what_is_in_use_stays() {
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    let (idle, live) = (begin(&d, "idle"), begin(&d, "live"));
    edit(&idle, &[("f", b"mine")]);
    let w = writer(&live);
    let brio = base.path().join(".brio");
    let layer = |s: &brio_landing::Session, n: u32| {
        let dir = brio.join("sessions").join(s.id().as_str()).join(n.to_string());
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("f1"), vec![0; 10_000]).unwrap();
        dir
    };
    let unlisted = [layer(&idle, 7), layer(&live, 7)];
    let half = brio.join("sessions/.sess-half");
    let dead = brio.join("staging").join(format!("{}-1234", idle.id()));
    let lives = brio.join("staging").join(format!("{}-1234", live.id()));
    for dir in [&half, &dead, &lives, &brio.join("trash/thing")] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("f"), vec![0; 10_000]).unwrap();
    }
    let before = used(base.path());
    let done = d.gc().unwrap();
    assert!(!unlisted[0].exists() && unlisted[1].exists(), "a session in use is left alone");
    assert!(!half.exists() && !dead.exists() && lives.exists());
    assert_eq!(state(base.path(), "trash"), Vec::<String>::new());
    // The half-made session is removed, but nobody counts it.
    assert!(done.bytes_freed > 30_000 && done.bytes_freed <= before - used(base.path()));
    write(w.view(), "g", b"goes on");
    w.finish().unwrap();
    fs::remove_dir_all(lives).unwrap();
    commit(&d, idle.id()).unwrap();
    commit(&d, live.id()).unwrap();
    assert_eq!(fs::read(base.path().join("g")).unwrap(), b"goes on");
}

struct Mounted(tempfile::TempDir);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A small memory file system; `None`, loudly, where it cannot be mounted.
fn small(what: &str) -> Option<Mounted> {
    let dir = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(dir.path())
        .output();
    if mount.is_ok_and(|o| o.status.success()) {
        return Some(Mounted(dir));
    }
    skipped(&format!("{what} on a full disk: mounting a small tmpfs needs root"));
    None
}

fn fill(dir: &Path) {
    use std::io::Write;
    let mut f = fs::File::options().create(true).append(true).open(dir.join("filler")).unwrap();
    for size in [1 << 16, 4096, 1] {
        while f.write_all(&vec![0; size]).is_ok() {}
    }
    assert!(fs::write(dir.join("more"), [0; 1]).is_err(), "full");
    fs::remove_file(dir.join("more")).unwrap();
}

#[test]
fn gc_works_on_a_full_disk() {
    // T23
    let Some(disk) = small("gc") else { return };
    let base = disk.0.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("f"), vec![1; 1 << 20]).unwrap();
    let d = open(&base);
    let idle = begin(&d, "idle");
    land(&d, &[("f", b"new")]);
    fill(disk.0.path());
    // By another process, which has to open the domain as well.
    let d2 = open(&base);
    let done = d2.gc_with(&quota(0)).unwrap();
    assert_eq!((&done.landings[..], &done.stale[..]), (&[1][..], &[idle.id().clone()][..]));
    assert!(done.bytes_freed >= 1 << 20);
    assert_eq!(read_error(&idle.view(Default::default()).unwrap(), "f"), FsError::SnapshotGone);
    // What was freed is free for the next landing.
    land(&d, &[("g", &vec![2; 1 << 19])]);
}

#[test]
fn a_landing_is_aborted_on_a_full_disk() {
    // T2, T3, T23: the disk fills between the seal and the step that fails.
    struct FullThenFail {
        disk: std::path::PathBuf,
        armed: AtomicBool,
        exchanges: AtomicI64,
    }
    impl Hook for FullThenFail {
        fn verdict(&self, op: Op) -> Verdict {
            if !self.armed.load(Ordering::SeqCst) || op != Op::Exchange {
                return Verdict::Go;
            }
            match self.exchanges.fetch_add(1, Ordering::SeqCst) {
                2 => {
                    fill(&self.disk);
                    Verdict::Fail(libc::EIO)
                }
                _ => Verdict::Go,
            }
        }
    }
    let Some(disk) = small("an abort") else { return };
    let base = disk.0.path().join("base");
    fs::create_dir(&base).unwrap();
    let files: Vec<String> = (0..6).map(|i| format!("f{i}")).collect();
    for f in &files {
        fs::write(base.join(f), vec![1; 10_000]).unwrap();
    }
    let hook = Arc::new(FullThenFail {
        disk: disk.0.path().to_owned(),
        armed: AtomicBool::new(false),
        exchanges: AtomicI64::new(0),
    });
    let d = open_door(&base, Door::with_hook(hook.clone()));
    let s = begin(&d, "fails");
    let new = vec![2; 20_000];
    let changes: Vec<(&str, &[u8])> = files.iter().map(|f| (&**f, &*new)).collect();
    edit(&s, &changes);
    let before = tree(&base);
    hook.armed.store(true, Ordering::SeqCst);
    let e = commit(&d, s.id()).unwrap_err();
    hook.armed.store(false, Ordering::SeqCst);
    assert_eq!(e.code(), "LANDING_FAILED", "{e}");
    assert_eq!(tree(&base), before);
    assert_eq!(d.landing().unwrap(), 1, "its number is burned");
    fs::remove_file(disk.0.path().join("filler")).unwrap();
    assert_eq!(commit(&d, s.id()).unwrap().landing, Some(2));
    assert_eq!(fs::read(base.join("f5")).unwrap(), new);
}

/// A domain whose operations pass a door.
fn open_door(base: &Path, door: Door) -> Domain {
    Domain::open(base, OpenOptions { door, ..options(None) }).unwrap().0
}
