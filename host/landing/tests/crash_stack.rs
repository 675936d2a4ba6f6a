//! A checkpoint, a restore, a nested landing: each fails, stops or is lied to at every single
//! operation. Afterwards it is wholly done or not at all, and nothing is lost. T2, T3.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use brio_landing::{BEFORE_RESTORE, BeginOptions, Domain, Metadata, Session, Writer};
use brio_session::{Door, Verdict, ViewOptions};
use common::faults::{At, VERDICTS};
use common::{edit, open, open_door, read, tree, write};

const PATHS: [&str; 6] = ["a", "d/b", "one", "two", "child", "later"];

type Files = BTreeMap<&'static str, String>;

/// All that is promised to be there: the base, every open session, every checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    base: BTreeMap<Vec<u8>, String>,
    /// By goal: the current state, and that of each checkpoint.
    sessions: BTreeMap<String, (Files, BTreeMap<String, Files>)>,
}

fn files(s: &Session) -> Files {
    let v = s.view(ViewOptions::default()).unwrap();
    PATHS.iter().filter_map(|p| Some((*p, String::from_utf8(read(&v, p)?).unwrap()))).collect()
}

/// Looks at everything in a new process's way. Ends by restoring checkpoint after checkpoint.
fn look(base: &Path) -> Seen {
    let d = open(base);
    d.recover().unwrap();
    d.gc().unwrap();
    for sub in ["staging", "trash"] {
        assert_eq!(common::state(base, sub), Vec::<String>::new(), "leaked in {sub}");
    }
    let mut sessions = BTreeMap::new();
    for info in d.sessions().unwrap() {
        let s = d.session(&info.id).unwrap();
        let now = files(&s);
        let mut kept = BTreeMap::new();
        let mut names: Vec<_> = info.checkpoints.iter().map(|c| &c.name).collect();
        // Each restore replaces this one: it is looked at first.
        names.sort_by_key(|n| *n != BEFORE_RESTORE);
        for c in names {
            // Children that forbid the way back are looked at as they are.
            if info.children.is_empty() {
                s.restore(c).unwrap_or_else(|e| panic!("{c}: {e}"));
                kept.insert(c.clone(), files(&s));
            } else {
                kept.insert(c.clone(), Files::new());
            }
        }
        sessions.insert(info.goal.unwrap(), (now, kept));
    }
    Seen { base: tree(base), sessions }
}

fn begun(d: &Domain, goal: &str, parent: Option<&Session>) -> Session {
    let metadata = Metadata { goal: Some(goal.into()), ..Metadata::default() };
    let parent = parent.map(|p| p.id().clone());
    d.begin(BeginOptions { parent, metadata, ..BeginOptions::default() }).unwrap()
}

fn base(dir: &Path) {
    std::fs::write(dir.join("a"), "base a").unwrap();
    std::fs::create_dir(dir.join("d")).unwrap();
    std::fs::write(dir.join("d/b"), "base b").unwrap();
}

/// A session with two checkpoints, one of them of an earlier restore, and something since.
fn session(d: &Domain) -> Session {
    let s = begun(d, "parent", None);
    edit(&s, &[("a", b"1"), ("one", b"one")]);
    s.checkpoint("first").unwrap();
    edit(&s, &[("a", b"2")]);
    s.restore("first").unwrap();
    edit(&s, &[("a", b"3"), ("two", b"two")]);
    s
}

/// Runs `act` with every verdict at every operation. `prepare` makes what it acts on; `act`
/// says whether it was told that it succeeded.
fn matrix<T>(
    name: &str,
    prepare: impl Fn(&Path),
    start: impl Fn(&Domain, Door) -> T,
    act: impl Fn(&Domain, &mut T) -> Result<(), String>,
    after: impl Fn(&mut T, bool),
) -> usize {
    let scratch = || {
        let shm = Path::new("/dev/shm");
        let dir = tempfile::tempdir_in(if shm.is_dir() { shm } else { Path::new("/tmp") }).unwrap();
        base(dir.path());
        prepare(dir.path());
        dir
    };
    let run = |dir: &Path, n: usize, verdict: Verdict| {
        let (at, door) = At::door(verdict);
        let d = open_door(dir, door.clone());
        let mut t = start(&d, door);
        let before = at.seen();
        at.arm(n);
        let done = act(&d, &mut t);
        let ops = at.seen() - before;
        after(&mut t, matches!(verdict, Verdict::Fail(_) | Verdict::FailAfter(_) | Verdict::Go));
        (done, ops)
    };
    let untouched = scratch();
    {
        let d = open(untouched.path());
        after(&mut start(&d, Door::default()), true);
    }
    let old = look(untouched.path());
    let whole = scratch();
    let (done, ops) = run(whole.path(), usize::MAX / 2, Verdict::Go);
    done.unwrap();
    let new = look(whole.path());
    assert_ne!(old, new, "{name}");
    // What a killed run cannot have written any more.
    let without = |mut seen: Seen| {
        for (now, _) in seen.sessions.values_mut() {
            now.remove("later");
        }
        seen
    };
    let mut points = 0;
    let (mut olds, mut news) = (0, 0);
    for verdict in VERDICTS {
        for n in 0..ops {
            let dir = scratch();
            let (done, _) = run(dir.path(), n, verdict);
            let label = format!("{name}: {verdict:?} at {n} of {ops}: {done:?}");
            let seen = std::panic::catch_unwind(|| look(dir.path()));
            let seen = seen.unwrap_or_else(|_| panic!("{label}"));
            let failed = matches!(verdict, Verdict::Fail(_) | Verdict::FailAfter(_));
            match (&done, failed) {
                (Ok(()), true) => assert_eq!(seen, new, "{label}"),
                (Err(_), true) => assert_eq!(seen, old, "{label}"),
                (Ok(()), false) => {
                    assert_eq!(without(seen.clone()), without(new.clone()), "{label}")
                }
                (Err(_), false) => {
                    let seen = without(seen.clone());
                    let is_old = seen == without(old.clone());
                    assert!(is_old || seen == without(new.clone()), "{label}: {seen:#?}");
                }
            }
            if without(seen) == without(old.clone()) {
                olds += 1
            } else {
                news += 1
            }
            points += 1;
        }
    }
    eprintln!("{name}: {points} points over {ops} operations, {olds} old, {news} new");
    assert!(olds > 0 && news > 0, "{name}: {olds} old, {news} new");
    points
}

fn the(d: &Domain, goal: &str) -> Session {
    let all = d.sessions().unwrap();
    let info = all.iter().find(|i| i.goal.as_deref() == Some(goal)).unwrap();
    d.session(&info.id).unwrap()
}

fn text<T, E: std::fmt::Display>(r: Result<T, E>) -> Result<(), String> {
    r.map(drop).map_err(|e| e.to_string())
}

fn one(dir: &Path) {
    session(&open(dir));
}

/// A session that is open for writing while it happens.
struct Live {
    writer: Option<Writer>,
}

fn live(d: &Domain, door: Door) -> Live {
    let o = ViewOptions { door, ..ViewOptions::default() };
    let w = the(d, "parent").writer("test", o).unwrap();
    write(w.view(), "d/b", b"live");
    Live { writer: Some(w) }
}

/// Whatever became of it: what is written afterwards is part of the session.
fn later(t: &mut Live, alive: bool) {
    let w = t.writer.take().unwrap();
    if alive {
        write(w.view(), "later", b"later");
        assert_eq!(read(w.view(), "later").unwrap(), b"later");
    }
}

#[test]
fn a_checkpoint_that_is_interrupted_is_there_or_not() {
    let idle = matrix(
        "checkpoint",
        one,
        |d, _| the(d, "parent"),
        |_, s| text(s.checkpoint("second")),
        |_, _| {},
    );
    let live = matrix(
        "live checkpoint",
        one,
        live,
        |_, t| text(t.writer.as_ref().unwrap().checkpoint("second")),
        later,
    );
    assert!(idle >= 50 && live >= 50, "{idle}, {live}");
}

#[test]
fn a_restore_that_is_interrupted_leaves_one_state_or_the_other() {
    let idle =
        matrix("restore", one, |d, _| the(d, "parent"), |_, s| text(s.restore("first")), |_, _| {});
    let live = matrix(
        "live restore",
        one,
        live,
        |_, t| text(t.writer.as_ref().unwrap().restore("first")),
        later,
    );
    assert!(idle >= 50 && live >= 50, "{idle}, {live}");
}

fn family(dir: &Path) {
    let d = open(dir);
    let s = session(&d);
    let child = begun(&d, "child", Some(&s));
    edit(&child, &[("child", b"child"), ("a", b"child")]);
    child.checkpoint("childs").unwrap();
    edit(&child, &[("d/b", b"child")]);
}

#[test]
fn a_nested_landing_that_is_interrupted_is_wholly_in_the_parent_or_not_at_all() {
    let idle = matrix(
        "nested landing",
        family,
        |d, _| the(d, "child"),
        |d, s| text(common::commit(d, s.id())),
        |_, _| {},
    );
    let live = matrix(
        "live nested landing",
        family,
        |d, door| {
            let o = ViewOptions { door, ..ViewOptions::default() };
            let writer = the(d, "parent").writer("test", o).unwrap();
            (Live { writer: Some(writer) }, the(d, "child").id().clone())
        },
        |_, (t, child)| text(t.writer.as_ref().unwrap().commit_child(child, Default::default())),
        |(t, _), alive| later(t, alive),
    );
    assert!(idle >= 30 && live >= 30, "{idle}, {live}");
}

/// Where a cascade may stop: after each of its landings.
#[test]
fn a_cascade_that_is_interrupted_has_landed_whole_children() {
    let make = |dir: &Path| {
        base(dir);
        let d = open(dir);
        let s = begun(&d, "parent", None);
        edit(&s, &[("a", b"1")]);
        edit(&begun(&d, "one", Some(&s)), &[("one", b"one")]);
        edit(&begun(&d, "two", Some(&s)), &[("two", b"two"), ("d/b", b"two")]);
    };
    let shm = Path::new("/dev/shm");
    let scratch = || {
        let dir = tempfile::tempdir_in(if shm.is_dir() { shm } else { Path::new("/tmp") }).unwrap();
        make(dir.path());
        dir
    };
    let cascade = || brio_landing::CommitOptions { cascade: true, ..Default::default() };
    // The states between: one child more each, then the base.
    let dir = scratch();
    let mut states = vec![look(dir.path())];
    for goal in ["one", "two", "parent"] {
        let d = open(dir.path());
        common::commit(&d, the(&d, goal).id()).unwrap();
        states.push(look(dir.path()));
    }
    let run = |dir: &Path, n: usize, verdict: Verdict| {
        let (at, door) = At::door(verdict);
        let d = open_door(dir, door);
        let id = the(&d, "parent").id().clone();
        let before = at.seen();
        at.arm(n);
        (d.commit(&id, cascade()), at.seen() - before)
    };
    let (done, ops) = run(scratch().path(), usize::MAX / 2, Verdict::Go);
    assert_eq!(done.unwrap().children.len(), 2);
    let mut met = [0; 4];
    for verdict in VERDICTS {
        for n in 0..ops {
            let dir = scratch();
            let (done, _) = run(dir.path(), n, verdict);
            let seen = look(dir.path());
            let label = format!("cascade: {verdict:?} at {n} of {ops}: {done:?}");
            let at = states.iter().position(|s| *s == seen);
            let at = at.unwrap_or_else(|| panic!("{label}: {seen:#?}"));
            met[at] += 1;
            let landed = match &done {
                Ok(_) => 3,
                Err(brio_landing::CommitError::Cascade { landed, .. }) => landed.len(),
                Err(_) => 0,
            };
            // What is told has landed; what is told to have failed has not.
            match verdict {
                Verdict::Fail(_) | Verdict::FailAfter(_) => assert_eq!(at, landed, "{label}"),
                _ => assert!(at >= landed, "{label}"),
            }
            if at < 3 {
                let d = open(dir.path());
                d.commit(the(&d, "parent").id(), cascade())
                    .unwrap_or_else(|e| panic!("{label}: {e}"));
                assert_eq!(look(dir.path()), states[3], "{label}: after the retry");
            }
        }
    }
    eprintln!("cascade: {} points over {ops} operations: {met:?}", met.iter().sum::<usize>());
    assert!(met.iter().all(|n| *n > 10), "{met:?}");
}
