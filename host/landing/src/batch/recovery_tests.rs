//! What recovery does to a batch, and what it must find of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brio_session::{Door, Hook, Op, Verdict};

use super::tests::{Case, MEMBERS, case, hook, jobs, new, now, old, open, write};
use super::{batch, land, ready, seal};
use crate::intent::END;
use crate::seq::{Phase, Value};
use crate::{BeginOptions, CommitOptions, Domain, OpenOptions, SessionError, history, recover};

/// Notes at each operation what the sequence is and which paths are there; stops at one.
struct Watch {
    base: PathBuf,
    stop: usize,
    seen: AtomicUsize,
    noted: Mutex<Vec<(u64, BTreeMap<String, bool>)>>,
}

impl Watch {
    fn new(base: &Path, stop: usize) -> Arc<Self> {
        let noted = Mutex::default();
        Arc::new(Self { base: base.to_owned(), stop, seen: 0.into(), noted })
    }

    fn note(&self) {
        let raw = std::fs::read(self.base.join(".brio/seq")).unwrap_or_default();
        let seq = raw.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let paths = MEMBERS.iter().flat_map(|m| old(m)).map(|(p, _)| p);
        let there = paths.map(|p| (p.clone(), self.base.join(p).exists())).collect();
        self.noted.lock().unwrap().push((seq, there));
    }
}

impl Hook for Watch {
    fn verdict(&self, _op: Op) -> Verdict {
        self.note();
        let n = self.seen.fetch_add(1, Ordering::SeqCst);
        if n == self.stop { Verdict::Stop } else { Verdict::Go }
    }
}

/// Seals all, edits a file of the first outside, so that it fails after a part of it was applied, and goes on.
fn first_fails(d: &Domain, c: &Case) {
    let Some(staged) = jobs(d, &c.ids) else { return };
    let Ok(_lock) = ready(d.state()) else { return };
    let mut outcomes = Vec::new();
    let members = seal(d.state(), staged, &mut outcomes);
    std::fs::write(c.dir.path().join("a/replaced"), "edited outside").unwrap();
    land(d.state(), &members, &mut outcomes);
}

#[test]
fn no_path_goes_forth_and_back_under_one_value_of_the_sequence() {
    // T4: a reader looks in a slot, in the base, in the slot; it looks again only if the sequence moved.
    let mut backs = 0;
    for n in 0.. {
        let c = case();
        let watch = Watch::new(c.dir.path(), n);
        first_fails(&open(c.dir.path(), Door::with_hook(watch.clone())), &c);
        let whole = watch.seen.load(Ordering::SeqCst) <= n;
        let again = Watch::new(c.dir.path(), usize::MAX);
        let d = open(c.dir.path(), Door::with_hook(again.clone()));
        d.recover().unwrap();
        again.note();
        assert!(recover::quiet(d.state()).unwrap(), "stopped at {n}");
        let noted: Vec<_> =
            [&watch, &again].iter().flat_map(|w| w.noted.lock().unwrap().clone()).collect();
        for path in noted[0].1.keys() {
            let mut moves: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
            for (seq, there) in &noted {
                let under = moves.entry(*seq).or_default();
                if under.last() != Some(&there[path]) {
                    under.push(there[path]);
                }
            }
            backs += usize::from(moves.values().map(|m| m.len() - 1).sum::<usize>() > 1);
            let most = moves.values().map(Vec::len).max();
            assert!(most <= Some(2), "stopped at {n}: {path} under one value: {moves:?}");
        }
        if whole {
            break;
        }
    }
    assert!(backs > 0, "nothing was taken back");
}

#[test]
fn a_turn_moves_the_sequence_wherever_it_is() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    let (seq, disk) = (&d.state().seq, &d.state().disk);
    let mut last = seq.get().unwrap();
    for (before, after) in [
        (Value(0), Value::new(1, Phase::Aborting)),
        (Value::new(3, Phase::Sealed), Value::new(3, Phase::Aborting)),
        (Value::new(3, Phase::Aborting), Value::new(4, Phase::Aborting)),
        (Value::new(4, Phase::Ended), Value::new(5, Phase::Aborting)),
    ] {
        seq.raise(disk, before).unwrap();
        seq.turn(disk, 1).unwrap();
        assert!(seq.get().unwrap() > last);
        last = seq.get().unwrap();
        assert_eq!(last, after);
    }
    // The numbers that were burned are not given again.
    d.recover().unwrap();
    assert_eq!(seq.get().unwrap(), Value::new(5, Phase::Ended));
    let landed = d.commit(&c.ids[0], CommitOptions::default()).unwrap();
    assert_eq!(landed.landing, Some(6));
}

#[test]
fn what_tells_that_a_session_is_over_stays_until_its_end_is_durable() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    batch(d.state(), jobs(&d, &c.ids).unwrap());
    // No flush came after the ends of these: a power cut may bring their sessions back.
    assert_eq!(history::numbers(d.state()).unwrap(), [1, 2, 3]);
    let id = d.begin(BeginOptions::default()).unwrap().id().clone();
    write(&d, &id, "more", "more");
    d.commit(&id, CommitOptions::default()).unwrap();
    let rest = history::numbers(d.state()).unwrap();
    assert!(!rest.contains(&1), "{rest:?}");
    // Who has the time makes it durable.
    d.gc().unwrap();
    assert_eq!(history::numbers(d.state()).unwrap(), [4]);
}

#[test]
fn a_sequence_that_lost_its_bytes_is_found_again() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    for id in &c.ids {
        d.commit(id, CommitOptions::default()).unwrap();
    }
    d.gc().unwrap();
    assert_eq!(history::numbers(d.state()).unwrap(), [3], "the first is not there");
    drop(d);
    let brio = c.dir.path().join(".brio");
    std::fs::write(brio.join("seq"), [0; 24]).unwrap();
    let end = std::str::from_utf8(END).unwrap();
    std::fs::remove_file(brio.join("landings/3").join(end)).unwrap();
    let options = OpenOptions { boot_id: "another".into(), ..OpenOptions::default() };
    let d = Domain::open(c.dir.path(), options).unwrap().0;
    assert_eq!(d.state().seq.get().unwrap(), Value::new(3, Phase::Ended));
    assert!(history::load(d.state(), 3).unwrap().end.is_some());
}

#[test]
fn recovery_does_not_undo_what_was_acknowledged() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    batch(d.state(), jobs(&d, &c.ids).unwrap());
    drop(d);
    for k in [1, 2, 3] {
        let end = c.dir.path().join(format!(".brio/landings/{k}/end"));
        std::fs::remove_file(end).unwrap();
    }
    // As after a power cut that lost the ends, then an error of the disk at each operation.
    for n in 0.. {
        let (at, door) = hook(n, Verdict::Fail(libc::EIO));
        let options = OpenOptions { boot_id: format!("after {n}"), door, ..OpenOptions::default() };
        let opened = Domain::open(c.dir.path(), options);
        for m in MEMBERS {
            assert_eq!(now(c.dir.path(), m), new(m), "EIO at {n}");
        }
        if opened.is_ok() && at.seen() <= n {
            break;
        }
    }
    let d = open(c.dir.path(), Door::default());
    for id in &c.ids {
        assert!(matches!(d.session(id), Err(SessionError::Ended { .. })));
    }
}

/// Edits what the first landed, in place, as soon as it is in the base; notes the operations.
struct Editor {
    path: PathBuf,
    edited: AtomicBool,
    ops: Mutex<Vec<Op>>,
}

impl Hook for Editor {
    fn verdict(&self, op: Op) -> Verdict {
        if self.path.exists() && !self.edited.swap(true, Ordering::SeqCst) {
            std::fs::write(&self.path, "edited in place").unwrap();
        }
        self.ops.lock().unwrap().push(op);
        Verdict::Go
    }
}

#[test]
fn what_an_abort_copies_for_the_session_is_durable_before_it_ends() {
    // B-063
    let c = case();
    let path = c.dir.path().join("a/added");
    let editor =
        Arc::new(Editor { path: path.clone(), edited: false.into(), ops: Mutex::default() });
    let d = open(c.dir.path(), Door::with_hook(editor.clone()));
    first_fails(&d, &c);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "edited in place", "a later edit stays");
    let ops = editor.ops.lock().unwrap().clone();
    let copy = ops.iter().rposition(|op| *op == Op::Clone).unwrap();
    let after: Vec<_> =
        ops[copy + 1..].iter().filter(|op| !matches!(op, Op::Chmod | Op::SetTimes)).collect();
    assert_eq!(after[..3], [&Op::Sync, &Op::Rename, &Op::Sync]);
}
