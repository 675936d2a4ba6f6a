//! A rich landing that fails, stops or is lied to at every single operation, and is recovered.
//! T2, T3, B-060, B-061, B-062, B-063, T22.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brio_landing::{CommitError, SessionError, SessionId};
use brio_session::{Door, Hook, Op, Verdict, ViewOptions};
use common::rich::{base, base_notes, change, notes};
use common::{begin, commit, everything as tree, open, open_door, scratch, state};

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

fn hook(n: usize, verdict: Verdict) -> (Arc<At>, Door) {
    let at = Arc::new(At { n, verdict, seen: AtomicUsize::new(0) });
    (at.clone(), Door::with_hook(at))
}

struct Case {
    dir: tempfile::TempDir,
    id: SessionId,
    old: BTreeMap<Vec<u8>, String>,
}

fn case() -> Case {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    base(dir.path());
    let d = open(dir.path());
    let s = begin(&d, "everything at once");
    change(&s);
    base_notes(&d);
    notes(&d, &s);
    let old = tree(dir.path());
    Case { id: s.id().clone(), dir, old }
}

#[test]
fn a_landing_that_is_interrupted_anywhere_is_wholly_old_or_wholly_new() {
    let begun = std::time::Instant::now();
    let whole = case();
    let (counted, door) = hook(usize::MAX, Verdict::Go);
    let d = open_door(whole.dir.path(), door);
    let before = counted.seen.load(Ordering::SeqCst);
    commit(&d, &whole.id).unwrap();
    let ops = counted.seen.load(Ordering::SeqCst) - before;
    let new = tree(whole.dir.path());
    assert_ne!(new, whole.old);
    assert_eq!(new.get(&b"/note/replaced"[..]).map(String::as_str), Some("new"));
    assert_eq!(new.get(&b"new/hard"[..]), Some(&"file 644 \"file\" = new/er/file".to_owned()));

    let verdicts = [
        Verdict::Stop,
        Verdict::StopAfter,
        Verdict::Fail(libc::EIO),
        Verdict::Fail(libc::ENOSPC),
        Verdict::FailAfter(libc::EIO),
    ];
    let (mut points, mut olds, mut news) = (0, 0, 0);
    for verdict in verdicts {
        for n in 0..ops {
            let c = case();
            let (at, door) = hook(before + n, verdict);
            let d = open_door(c.dir.path(), door);
            assert_eq!(at.seen.load(Ordering::SeqCst), before, "opening is deterministic");
            let result = commit(&d, &c.id);
            let label = format!(
                "{verdict:?} at {n} of {ops}: {:?}",
                result.as_ref().err().map(ToString::to_string)
            );
            if matches!(verdict, Verdict::Fail(_) | Verdict::FailAfter(_)) {
                // B-063: what is reported as failed is undone when the call returns.
                let now = tree(c.dir.path());
                match &result {
                    Ok(_) => assert_eq!(now, new, "{label}"),
                    Err(CommitError::Interrupted { .. }) => panic!("{label}"),
                    Err(_) => assert_eq!(now, c.old, "{label}"),
                }
            }
            drop(d);
            let d = open(c.dir.path());
            d.recover().unwrap();
            let now = tree(c.dir.path());
            assert!(now == c.old || now == new, "{label}: {}", difference(&now, &c.old, &new));
            if result.is_ok() {
                assert_eq!(now, new, "{label}: acknowledged, then lost");
            }
            match d.session(&c.id) {
                Ok(s) => {
                    olds += 1;
                    assert_eq!(now, c.old, "{label}: landed, and yet open");
                    // T3: the retry lands.
                    s.view(ViewOptions::default()).unwrap();
                    commit(&d, &c.id).unwrap_or_else(|e| panic!("{label}: retry: {e}"));
                    assert_eq!(tree(c.dir.path()), new, "{label}: after the retry");
                }
                Err(SessionError::Ended { .. }) => {
                    news += 1;
                    assert_eq!(now, new, "{label}: ended, and yet not landed");
                }
                Err(e) => panic!("{label}: {e}"),
            }
            d.gc().unwrap();
            for sub in ["staging", "trash", "sessions", "kept"] {
                assert_eq!(
                    state(c.dir.path(), sub),
                    Vec::<String>::new(),
                    "{label}: leaked in {sub}"
                );
            }
            points += 1;
        }
    }
    eprintln!(
        "{points} crash points over {ops} operations: {olds} old, {news} new; {:?}",
        begun.elapsed()
    );
    assert!(points >= 500, "only {points} points");
    assert!(olds > 100 && news > 100);
}

fn difference(
    now: &BTreeMap<Vec<u8>, String>,
    old: &BTreeMap<Vec<u8>, String>,
    new: &BTreeMap<Vec<u8>, String>,
) -> String {
    let keys: std::collections::BTreeSet<_> =
        now.keys().chain(old.keys()).chain(new.keys()).collect();
    keys.into_iter()
        .filter(|k| old.get(*k) != new.get(*k) || now.get(*k) != new.get(*k))
        .map(|k| {
            format!(
                "\n  {}: {:?} (old {:?}, new {:?})",
                String::from_utf8_lossy(k),
                now.get(k),
                old.get(k),
                new.get(k)
            )
        })
        .collect()
}

/// One verdict, and another some operations later.
struct Twice {
    first: (usize, Verdict),
    second: (usize, Verdict),
    seen: AtomicUsize,
}

impl Hook for Twice {
    fn verdict(&self, _op: Op) -> Verdict {
        let n = self.seen.fetch_add(1, Ordering::SeqCst);
        match n {
            n if n == self.first.0 => self.first.1,
            n if n == self.second.0 => self.second.1,
            _ => Verdict::Go,
        }
    }
}

/// The state after everything: old and open, or new and ended.
fn settled(c: &Case, new: &BTreeMap<Vec<u8>, String>, label: &str) -> bool {
    let d = open(c.dir.path());
    d.recover().unwrap_or_else(|e| panic!("{label}: {e}"));
    let now = tree(c.dir.path());
    assert!(now == c.old || now == *new, "{label}: {}", difference(&now, &c.old, new));
    match d.session(&c.id) {
        Ok(_) => {
            assert_eq!(now, c.old, "{label}");
            commit(&d, &c.id).unwrap_or_else(|e| panic!("{label}: retry: {e}"));
            assert_eq!(tree(c.dir.path()), *new, "{label}: after the retry");
            true
        }
        Err(SessionError::Ended { .. }) => {
            assert_eq!(now, *new, "{label}");
            false
        }
        Err(e) => panic!("{label}: {e}"),
    }
}

#[test]
fn an_abort_or_a_recovery_that_is_interrupted_goes_on() {
    // T2, T3, B-063: the second fault hits the undoing, or the recovery.
    let whole = case();
    let (counted, door) = hook(usize::MAX, Verdict::Go);
    let d = open_door(whole.dir.path(), door);
    let before = counted.seen.load(Ordering::SeqCst);
    commit(&d, &whole.id).unwrap();
    let ops = counted.seen.load(Ordering::SeqCst) - before;
    let new = tree(whole.dir.path());
    let (mut points, mut olds) = (0, 0);
    // Undoing: a failure in the second half, then a stop a little later.
    for n in (ops / 2..ops).step_by(7) {
        for later in (1..40).step_by(4) {
            for second in [Verdict::Stop, Verdict::StopAfter] {
                let c = case();
                let at = before + n;
                let twice = Twice {
                    first: (at, Verdict::Fail(libc::EIO)),
                    second: (at + later, second),
                    seen: 0.into(),
                };
                let d = open_door(c.dir.path(), Door::with_hook(Arc::new(twice)));
                let _ = commit(&d, &c.id);
                drop(d);
                olds += usize::from(settled(
                    &c,
                    &new,
                    &format!("EIO at {n}, {second:?} {later} later"),
                ));
                points += 1;
            }
        }
    }
    // Recovery: a stop in the second half, then a stop in what completes it.
    for n in (ops / 2..ops).step_by(11) {
        for m in (0..60).step_by(6) {
            let c = case();
            let (_, door) = hook(before + n, Verdict::Stop);
            let d = open_door(c.dir.path(), door);
            let _ = commit(&d, &c.id);
            drop(d);
            let (_, door) = hook(m, Verdict::StopAfter);
            let o = brio_landing::OpenOptions { door, ..common::options(None) };
            if let Ok((d, _)) = brio_landing::Domain::open(c.dir.path(), o) {
                let _ = d.recover();
            }
            olds +=
                usize::from(settled(&c, &new, &format!("stop at {n}, then in recovery at {m}")));
            points += 1;
        }
    }
    eprintln!("{points} double faults, {olds} of them old");
    assert!(points >= 200 && olds > 20 && olds < points);
}
