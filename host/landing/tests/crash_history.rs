//! An undo, and a collection that takes everything, with a fault at every single operation.
//! T2, T3, T17, T23.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brio_landing::{
    Domain, GcOptions, LogFilter, OpenOptions, Quota, SessionId, UndoError, UndoOptions,
};
use brio_session::{Door, FsError, Hook, Op, OpenOptions as Open, Verdict, View};
use common::{
    begin, commit, edit, keeping, open_keeping as open, scratch, state, tree, write, writer,
};

const VERDICTS: [Verdict; 5] = [
    Verdict::Stop,
    Verdict::StopAfter,
    Verdict::Fail(libc::EIO),
    Verdict::Fail(libc::ENOSPC),
    Verdict::FailAfter(libc::EIO),
];

/// Says a verdict at the N-th operation.
struct At {
    n: usize,
    verdict: Verdict,
    seen: AtomicUsize,
}

impl Hook for At {
    fn verdict(&self, _op: Op) -> Verdict {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.n { self.verdict } else { Verdict::Go }
    }
}

/// A domain, how many operations opening it took, and the counter.
fn open_at(base: &Path, n: usize, verdict: Verdict) -> (Domain, Arc<At>) {
    let at = Arc::new(At { n, verdict, seen: AtomicUsize::new(0) });
    let door = Door::with_hook(at.clone());
    let (d, _) = Domain::open(base, OpenOptions { door, ..keeping(None) }).unwrap();
    (d, at)
}

struct Case {
    dir: tempfile::TempDir,
    before: BTreeMap<Vec<u8>, String>,
    landed: BTreeMap<Vec<u8>, String>,
    witness: SessionId,
    last: SessionId,
}

/// Two landings; a session that looks at the base before the first, and one after the last.
fn case() -> Case {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let base = dir.path();
    for (p, c) in [("replaced", "old"), ("removed", "old"), ("gone/f", "old"), ("kind", "old")] {
        fs::create_dir_all(base.join(p).parent().unwrap()).unwrap();
        fs::write(base.join(p), c).unwrap();
    }
    fs::write(base.join("one"), "old, with two names").unwrap();
    fs::hard_link(base.join("one"), base.join("two")).unwrap();
    std::os::unix::fs::symlink("old", base.join("link")).unwrap();
    let before = tree(base);
    let d = open(base);
    let witness = begin(&d, "witness");
    edit(&witness, &[("own", b"mine")]);
    let s = begin(&d, "lands");
    let w = writer(&s);
    let (v, root) = (w.view(), w.view().root());
    write(v, "replaced", b"new");
    for p in ["removed", "gone/f", "kind", "one", "two", "link"] {
        v.unlink_at(&root, p.as_bytes()).unwrap();
    }
    v.rmdir_at(&root, b"gone").unwrap();
    v.mkdir_at(&root, b"kind").unwrap();
    write(v, "kind/inside", b"new");
    v.symlink_at(b"new", &root, b"link").unwrap();
    write(v, "added", b"new");
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    let landed = tree(base);
    let s = begin(&d, "lands, too");
    edit(&s, &[("elsewhere", b"second")]);
    commit(&d, s.id()).unwrap();
    fs::remove_file(base.join("elsewhere")).unwrap();
    let last = begin(&d, "after");
    Case { witness: witness.id().clone(), last: last.id().clone(), before, landed, dir }
}

fn undo(d: &Domain) -> Result<(), UndoError> {
    d.undo(1, &UndoOptions::default()).map(drop)
}

#[test]
fn an_undo_is_whole_or_not_there_and_its_retry_lands() {
    let whole = case();
    let (d, at) = open_at(whole.dir.path(), usize::MAX, Verdict::Go);
    let first = at.seen.load(Ordering::SeqCst);
    undo(&d).unwrap();
    let ops = at.seen.load(Ordering::SeqCst) - first;
    assert_eq!(tree(whole.dir.path()), whole.before);
    let (mut points, mut olds, mut news) = (0, 0, 0);
    for verdict in VERDICTS {
        for n in 0..ops {
            let c = case();
            let base = c.dir.path();
            let (d, _) = open_at(base, first + n, verdict);
            let done = undo(&d);
            let label = format!("{verdict:?} at {n} of {ops}: {:?}", done.as_ref().err());
            let failed = matches!(verdict, Verdict::Fail(_) | Verdict::FailAfter(_));
            if failed {
                // What is reported as failed has not happened when the call returns.
                let now = tree(base);
                assert_eq!(now, if done.is_ok() { c.before.clone() } else { c.landed.clone() });
            }
            drop(d);
            let d = open(base);
            d.recover().unwrap();
            let now = tree(base);
            assert!(now == c.before || now == c.landed, "{label}: {now:?}");
            let undone = now == c.before;
            assert!(undone || done.is_err(), "{label}: acknowledged, then lost");
            let log = d.log(&LogFilter::default()).unwrap().landings;
            assert_eq!(log.iter().any(|l| l.undo_of == Some(1)), undone, "{label}");
            match undone {
                true => {
                    news += 1;
                    let e = undo(&d).unwrap_err();
                    assert!(matches!(e, UndoError::AlreadyUndone { .. }), "{label}: {e}");
                }
                false => {
                    olds += 1;
                    undo(&d).unwrap_or_else(|e| panic!("{label}: the retry: {e}"));
                    assert_eq!(tree(base), c.before, "{label}: the retry");
                }
            }
            d.gc().unwrap();
            let mut open: Vec<_> = d.sessions().unwrap().into_iter().map(|s| s.id).collect();
            open.sort();
            let mut expected = [c.witness.clone(), c.last.clone()];
            expected.sort();
            assert_eq!(open, expected, "{label}");
            assert_eq!(state(base, "sessions").len(), 2, "{label}: a session of an undo is left");
            for sub in ["staging", "trash"] {
                assert_eq!(state(base, sub), Vec::<String>::new(), "{label}: leaked in {sub}");
            }
            seen(&d, &c.witness, "old", &label, false);
            seen(&d, &c.last, "new", &label, false);
            points += 1;
        }
    }
    eprintln!("{points} crash points of an undo: {olds} old, {news} new");
    assert!(points >= 300 && olds > 50 && news > 50, "{points} points, {olds} old, {news} new");
}

fn content(v: &View, path: &str) -> Result<Vec<u8>, FsError> {
    let how = Open { read: true, ..Open::default() };
    match v.open_at(&v.root(), path.as_bytes(), &how)? {
        brio_session::Handle::File(f) => {
            let mut buf = [0; 64];
            let n = f.read_at(&mut buf, 0)?;
            Ok(buf[..n].to_vec())
        }
        brio_session::Handle::Dir(_) => Err(FsError::IsDirectory),
    }
}

/// A session sees what it saw, or, where that is allowed, that it is gone: never anything else.
fn seen(d: &Domain, id: &SessionId, expected: &str, label: &str, may_be_gone: bool) -> bool {
    let v = d.session(id).unwrap().view(Default::default()).unwrap();
    let mut gone = false;
    let mut check = |what: &str, found: Result<Vec<u8>, FsError>, expected: &str| match found {
        Ok(found) => {
            let found = String::from_utf8(found).unwrap();
            assert!(found.starts_with(expected), "{label}: {what}: {found}");
        }
        Err(FsError::SnapshotGone) if may_be_gone => gone = true,
        Err(e) => panic!("{label}: {what}: {e}"),
    };
    check("replaced", content(&v, "replaced"), expected);
    check("link", v.read_link_at(&v.root(), b"link"), expected);
    if expected == "old" {
        for p in ["removed", "gone/f", "kind", "one", "two"] {
            check(p, content(&v, p), expected);
        }
        check("own", content(&v, "own"), "mine");
    } else {
        check("kind/inside", content(&v, "kind/inside"), expected);
    }
    gone
}

#[test]
fn a_collection_that_is_interrupted_never_shows_newer_bytes() {
    let everything =
        GcOptions { window: Some(Duration::ZERO), quota: Some(Quota::Bytes(0)), dry_run: false };
    let whole = case();
    let (d, at) = open_at(whole.dir.path(), usize::MAX, Verdict::Go);
    let first = at.seen.load(Ordering::SeqCst);
    assert_eq!(d.gc_with(&everything).unwrap().stale, std::slice::from_ref(&whole.witness));
    let ops = at.seen.load(Ordering::SeqCst) - first;
    assert!(seen(&d, &whole.witness, "old", "whole", true));
    let (mut points, mut still_whole) = (0, 0);
    for verdict in VERDICTS {
        for n in 0..ops {
            let c = case();
            let base = c.dir.path();
            let (d, _) = open_at(base, first + n, verdict);
            let done = d.gc_with(&everything);
            let label = format!("{verdict:?} at {n} of {ops}: {done:?}");
            if verdict == Verdict::Fail(libc::ENOSPC) {
                assert!(done.is_ok(), "T23: {label}");
            }
            drop(d);
            let d = open(base);
            d.recover().unwrap();
            assert_eq!(tree(base), c.landed, "{label}");
            seen(&d, &c.last, "new", &label, false);
            let gone = seen(&d, &c.witness, "old", &label, true);
            let info = d.sessions().unwrap().into_iter().find(|s| s.id == c.witness).unwrap();
            assert!(info.stale || !gone, "{label}: something is gone, and nobody was told");
            still_whole += usize::from(!gone);
            // What was collected in part is not undone in part.
            match undo(&d) {
                Ok(()) => assert_eq!(tree(base), c.before, "{label}"),
                Err(e) => {
                    assert_eq!(e.code(), "LANDING_COLLECTED", "{label}");
                    assert_eq!(tree(base), c.landed, "{label}");
                }
            }
            d.gc_with(&everything).unwrap_or_else(|e| panic!("{label}: the retry: {e}"));
            let kept = d.log(&LogFilter::default()).unwrap().landings;
            assert!(kept.iter().all(|l| !l.undoable), "{label}");
            assert!(seen(&d, &c.witness, "old", &label, true), "{label}");
            commit(&d, &c.witness).unwrap_or_else(|e| panic!("{label}: its own work: {e}"));
            assert_eq!(fs::read(base.join("own")).unwrap(), b"mine");
            points += 1;
        }
    }
    eprintln!("{points} crash points of a collection; {still_whole} before anything went");
    assert!(points >= 60 && still_whole > 5 && still_whole < points, "{points}, {still_whole}");
}
