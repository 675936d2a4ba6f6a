//! What is on disk after an operation was refused, cut short or lied about.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brio_session::{ChangeKind, Door, FsError, FsResult, Hook, Op, Verdict, View, ViewOptions};
use common::{Fixture, Short, how};
use model::Tree;
use model::subject::scan;

fn fixture() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::write(b.join("f"), "text of the base").unwrap();
        std::fs::write(b.join("d/g"), "g").unwrap();
        std::fs::write(b.join("d/e/h"), "h").unwrap();
    })
}

/// Says `verdict` to the N-th operation at the door.
struct Nth {
    n: usize,
    verdict: Verdict,
    seen: AtomicUsize,
    hit: std::sync::Mutex<Option<Op>>,
}

impl Hook for Nth {
    fn verdict(&self, op: Op) -> Verdict {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.n {
            *self.hit.lock().unwrap() = Some(op);
            return self.verdict;
        }
        Verdict::Go
    }
}

type Step = fn(&View) -> FsResult<()>;

const SCRIPT: &[(&str, Step)] = &[
    ("create", |v| v.put("new", b"")),
    ("mkdir", |v| v.mkdir("d/made")),
    ("write the base's file", |v| v.file("f", how("w"))?.write_at(b"TEXT", 0).map(drop)),
    ("write it again", |v| v.file("f", how("w"))?.write_at(b"again", 3).map(drop)),
    ("truncate at open", |v| v.file("d/g", how("wt")).map(drop)),
    ("rename a file of the base", |v| v.mv("d/e/h", "d/made/h")),
    ("rename a directory of the base", |v| v.mv("d", "moved")),
    ("hard link", |v| v.ln("moved/made/h", "h2")),
    ("symbolic link", |v| v.sym("f", "s")),
    ("replace", |v| v.mv("new", "f")),
    ("unlink one name", |v| v.unlink("h2")),
    ("rmdir", |v| v.rmdir("moved/e")),
    ("set times", |v| {
        let t = brio_session::SetTime::At(brio_session::Time { secs: 9, nanos: 9 });
        v.set_times_at(&v.root(), b"f", true, t, t)
    }),
    ("set mode", |v| v.set_mode_at(&v.root(), b"f", true, 0o600)),
    ("unlink", |v| v.unlink("f")),
    ("create over what is gone", |v| v.put("f", b"")),
];

/// What is compared: everything but times, which the clock moves.
fn look(v: &View) -> Tree {
    let mut t = scan(v);
    t.values_mut().for_each(|e| e.stat.mtime = None);
    t
}

/// The trees before and after each step, undisturbed.
fn expected() -> Vec<Tree> {
    let f = fixture();
    let v = f.view();
    let mut trees = vec![look(&v)];
    for (name, step) in SCRIPT {
        step(&v).unwrap_or_else(|e| panic!("{name}: {e}"));
        trees.push(look(&v));
    }
    trees
}

/// Runs the script with `verdict` at the N-th operation; false when there is no N-th.
fn disturbed(n: usize, verdict: Verdict, trees: &[Tree]) -> bool {
    let f = fixture();
    let hook = Arc::new(Nth { n, verdict, seen: AtomicUsize::new(0), hit: Default::default() });
    let v = f.view_with(ViewOptions { door: Door::with_hook(hook.clone()), ..Default::default() });
    for (i, (name, step)) in SCRIPT.iter().enumerate() {
        let result = step(&v);
        let Some(op) = *hook.hit.lock().unwrap() else {
            result.unwrap_or_else(|e| panic!("{name}: {e}"));
            continue;
        };
        let what = format!("{name}: {verdict:?} at {op:?}, number {n}, answers {result:?}");
        println!("{what}");
        let stopped = matches!(verdict, Verdict::Stop | Verdict::StopAfter);
        if !stopped && verdict != Verdict::Lie {
            // The same view goes on as if nothing had been, or as if it had been done.
            let now = look(&v);
            assert!(now == trees[i] || now == trees[i + 1], "{what}: the live view is neither");
            if result.is_ok() {
                assert!(now == trees[i + 1], "{what}: acknowledged but not done");
            }
        }
        drop(v);
        let v = f.view();
        // A disk that lies about content loses content, and only that of this file.
        // So does one that loses the batch before content that it replaced or removed goes.
        let discards = name.starts_with("replace") || name.starts_with("unlink");
        if verdict == Verdict::Lie
            && (discards || matches!(op, Op::Create | Op::Write | Op::Clone | Op::Truncate))
        {
            v.changes().ok();
            return true;
        }
        let now = look(&v);
        assert!(now == trees[i] || now == trees[i + 1], "{what}: the reopened view is neither");
        if result.is_ok() && verdict != Verdict::Lie {
            assert!(now == trees[i + 1], "{what}: acknowledged but gone");
        }
        // And it works.
        v.put("afterwards", b"works").unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(v.get("afterwards").unwrap(), b"works");
        v.changes().unwrap();
        return true;
    }
    false
}

/// Whatever fails, stops or lies at any operation: the view is as before the step, or as after.
#[test]
fn every_operation_at_the_door() {
    let trees = expected();
    let eio = 5;
    let mut passed = 0;
    for verdict in [
        Verdict::Fail(eio),
        Verdict::FailAfter(eio),
        Verdict::Stop,
        Verdict::StopAfter,
        Verdict::Lie,
    ] {
        let n = (0..).find(|n| !disturbed(*n, verdict, &trees)).unwrap();
        assert!(n > SCRIPT.len(), "only {n} operations passed the door");
        passed += n;
    }
    println!("{passed} disturbed runs");
}

/// A tail that was torn anywhere is cut; what was acknowledged before it stays.
#[test]
fn torn_tail() {
    let f = fixture();
    let v = f.view();
    v.mkdir("one").unwrap();
    let index = f.layers[0].join("index");
    let whole = std::fs::read(&index).unwrap();
    v.mkdir("two").unwrap();
    drop(v);
    let longer = std::fs::read(&index).unwrap();
    for cut in whole.len()..longer.len() {
        for junk in [&b""[..], &[0; 64], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            let mut bytes = longer[..cut].to_vec();
            bytes.extend_from_slice(junk);
            std::fs::write(&index, &bytes).unwrap();
            let v = f.view();
            let names = v.ls(".").unwrap();
            assert!(
                names.contains(&"one".into()) && !names.contains(&"two".into()),
                "{cut}: {names:?}"
            );
            v.mkdir("three").unwrap();
            drop(v);
            assert!(f.view().ls(".").unwrap().contains(&"three".into()), "{cut}");
        }
    }
    // One flipped bit in the last batch costs that batch.
    let mut bytes = longer.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&index, &bytes).unwrap();
    assert!(!f.view().ls(".").unwrap().contains(&"two".into()));
}

/// What is no index, or one of another version, is refused and left as it is.
#[test]
fn foreign_index() {
    let f = fixture();
    f.view().mkdir("one").unwrap();
    let index = f.layers[0].join("index");
    let good = std::fs::read(&index).unwrap();
    let mut newer = good.clone();
    newer[8] = 2;
    let mut foreign = good.clone();
    foreign[0] = b'X';
    for bytes in [newer, foreign, good[..19].to_vec(), Vec::new()] {
        std::fs::write(&index, &bytes).unwrap();
        assert_eq!(f.try_view(ViewOptions::default()).err(), Some(FsError::Io(0)));
        assert_eq!(std::fs::read(&index).unwrap(), bytes);
    }
    std::fs::write(&index, &good).unwrap();
    assert!(f.view().ls(".").unwrap().contains(&"one".into()));
}

/// Times, modes and what was seen of the base come back with the layer.
#[test]
fn reopened_as_it_was() {
    let mut f = fixture();
    let v = f.view();
    v.put("f", b"mine").unwrap();
    v.unlink("d/g").unwrap();
    f.restack(&v);
    v.mv("d", "moved").unwrap();
    // Access times move with every reading.
    let changes = |v: &View| {
        let mut set = v.changes().unwrap();
        for m in set.changes.iter_mut().flat_map(|c| [&mut c.before, &mut c.after]).flatten() {
            m.atime = Default::default();
        }
        set
    };
    let (set, tree) = (changes(&v), scan(&v));
    drop(v);
    let v = f.view();
    let again = changes(&v);
    assert_eq!(scan(&v), tree);
    for (a, b) in again.changes.iter().zip(&set.changes) {
        assert_eq!(a, b);
    }
    assert_eq!((again.changes.len(), &again.observed), (set.changes.len(), &set.observed));
    let seen = |p: &str| &again.observed[&brio_session::RelPath::new(p).unwrap()];
    assert!(seen("f").sha256.is_some() && seen("d/g").sha256.is_some());
    assert!(seen("f").fingerprint.is_some() && seen("moved").fingerprint.is_none());
    assert!(
        again.changes.iter().any(|c| c.path.as_bytes() == b"d/g" && c.kind == ChangeKind::Removed)
    );
}

/// The original of each file that is removed gets a name that is free, at the first try.
#[test]
fn an_original_has_its_name_at_once() {
    const FILES: usize = 200;
    let f = Fixture::new(|b| {
        for i in 0..FILES {
            std::fs::write(b.join(i.to_string()), "text").unwrap();
        }
    });
    for half in [0..FILES / 2, FILES / 2..FILES] {
        let tries = Arc::new(Creates::default());
        let door = Door::with_hook(tries.clone());
        let v = f.view_with(ViewOptions { door, ..ViewOptions::default() });
        for i in half {
            v.unlink(&i.to_string()).unwrap();
        }
        let n = tries.0.load(Ordering::SeqCst);
        assert!((FILES / 2..FILES).contains(&n), "{n} files created for {} removed", FILES / 2);
    }
    assert_eq!(
        f.view().changes().unwrap().observed.values().filter_map(|o| o.original).count(),
        FILES
    );
}

#[derive(Default)]
struct Creates(AtomicUsize);

impl Hook for Creates {
    fn verdict(&self, op: Op) -> Verdict {
        if op == Op::Create {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Verdict::Go
    }
}

/// Blocks are shared where the file system can; elsewhere the same content is copied.
#[test]
fn reflink_or_copy() {
    let big: Vec<u8> = (0..3 << 20).map(|i: u32| (i % 253) as u8).collect();
    let f = Fixture::new(|b| std::fs::write(b.join("big"), &big).unwrap());
    let v = f.view();
    v.file("big", how("w")).unwrap().write_at(b"x", 1).unwrap();
    let got = v.get("big").unwrap();
    assert_eq!((got[0], got[1], &got[2..]), (big[0], b'x', &big[2..]));
    if v.written().0 > 1 {
        println!("SKIPPED: this file system shares no blocks, so the copy was tested");
    }
}
