//! A commit by policy, of a session and of a child, a resolve, and a rebase: each fails, stops or is lied
//! to at every single operation. Base and session are what they were, or it is done; nothing
//! in between, nothing lost, and a retry works. T2, T3.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use brio_landing::{
    BeginOptions, CommitOptions, Domain, Policy, RebaseOptions, ResolveOptions, Session, Take,
};
use brio_session::{Door, RelPath, Verdict, ViewOptions};
use common::faults::{At, VERDICTS};
use common::{begin, commit, open, open_door, read, scratch, state, tree, write, writer};

const PATHS: [&str; 8] = ["text", "bin", "d/x", "gone/y", "new", "hard", "link", "mode"];

type Files = BTreeMap<&'static str, Vec<u8>>;

fn files(s: &Session) -> Files {
    let v = s.view(ViewOptions::default()).unwrap();
    PATHS.iter().filter_map(|p| Some((*p, read(&v, p)?))).collect()
}

/// What is tried at every operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// `last-write-wins`, so that every kind of change meets another's.
    Commit,
    /// `merge`, into a parent.
    Child,
    /// With sides taken.
    Resolve,
    /// `merge`, on the base.
    Rebase,
}

impl Act {
    /// Whether both sides only did what can be merged.
    fn merges(self) -> bool {
        matches!(self, Self::Child | Self::Rebase)
    }
}

struct Case {
    dir: tempfile::TempDir,
    session: Session,
    parent: Option<Session>,
    base: BTreeMap<Vec<u8>, String>,
    ours: Files,
}

fn ours(s: &Session, act: Act) {
    let w = writer(s);
    let (v, root) = (w.view(), w.view().root());
    write(v, "text", b"one\n2\n3\n");
    write(v, "new", b"new");
    v.link_at(&root, b"new", false, &root, b"hard").unwrap();
    v.symlink_at(b"new", &root, b"link").unwrap();
    v.set_mode_at(&root, b"mode", false, 0o600).unwrap();
    v.unlink_at(&root, b"gone/y").unwrap();
    v.rmdir_at(&root, b"gone").unwrap();
    if !act.merges() {
        write(v, "bin", b"ours\0");
        write(v, "d/x", b"ours");
    }
    w.finish().unwrap();
}

fn theirs(s: &Session, act: Act) {
    let w = writer(s);
    let (v, root) = (w.view(), w.view().root());
    write(v, "text", b"1\n2\nthree\n");
    if !act.merges() {
        write(v, "bin", b"theirs\0");
        v.unlink_at(&root, b"d/x").unwrap();
        v.rmdir_at(&root, b"d").unwrap();
    }
    w.finish().unwrap();
}

fn case(act: Act) -> Case {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    for (p, c) in
        [("text", "1\n2\n3\n"), ("bin", "b\0"), ("d/x", "x"), ("gone/y", "y"), ("mode", "m")]
    {
        std::fs::create_dir_all(dir.path().join(p).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(p), c).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(1));
    let d = open(dir.path());
    let parent = (act == Act::Child).then(|| begin(&d, "parent"));
    let id = parent.as_ref().map(|p| p.id().clone());
    let session = d.begin(BeginOptions { parent: id, ..BeginOptions::default() }).unwrap();
    ours(&session, act);
    match &parent {
        Some(parent) => theirs(parent, act),
        None => {
            let other = begin(&d, "theirs");
            theirs(&other, act);
            commit(&d, other.id()).unwrap();
        }
    }
    assert_eq!(commit(&d, session.id()).unwrap_err().code(), "CONFLICT");
    Case { base: tree(dir.path()), ours: files(&session), dir, session, parent }
}

fn run(d: &Domain, c: &Case, act: Act) -> Result<(), String> {
    let policy = if act.merges() { Policy::Merge } else { Policy::LastWriteWins };
    let options = CommitOptions { policy, ..CommitOptions::default() };
    match act {
        Act::Commit | Act::Child => d.commit(c.session.id(), options).map(drop).map_err(text),
        Act::Resolve => {
            let take = |p: &str, t| (RelPath::new(p).unwrap(), t);
            let takes = vec![take("bin", Take::Theirs), take("d", Take::Ours)];
            let options = ResolveOptions { takes, ..ResolveOptions::default() };
            d.resolve(c.session.id(), options).map(drop).map_err(text)
        }
        Act::Rebase => {
            let options = RebaseOptions { policy, ..RebaseOptions::default() };
            let session = d.session(c.session.id()).map_err(text)?;
            session.rebase(&options).map(drop).map_err(text)
        }
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// What is there when it is done: the base, and what the session (its parent, for a child) has.
struct Done {
    base: BTreeMap<Vec<u8>, String>,
    files: Option<Files>,
}

fn done(act: Act) -> Done {
    let c = case(act);
    run(&open(c.dir.path()), &c, act).unwrap();
    let of = match act {
        Act::Commit => None,
        Act::Child => c.parent.as_ref().map(files),
        Act::Resolve | Act::Rebase => Some(files(&c.session)),
    };
    Done { base: tree(c.dir.path()), files: of }
}

fn check(c: &Case, act: Act, result: Result<(), String>, want: &Done, what: &str) {
    let d = open(c.dir.path());
    d.recover().unwrap_or_else(|e| panic!("{what}: {e}"));
    d.gc().unwrap_or_else(|e| panic!("{what}: {e}"));
    for sub in ["staging", "trash"] {
        assert_eq!(state(c.dir.path(), sub), Vec::<String>::new(), "{what}: leaked in {sub}");
    }
    let base = tree(c.dir.path());
    let open_now = d.session(c.session.id());
    match (act, open_now) {
        (Act::Commit, Ok(s)) => {
            assert!(result.is_err(), "{what}: acknowledged and not landed");
            assert_eq!(base, c.base, "{what}");
            assert_eq!(files(&s), c.ours, "{what}: the session is not what it was");
            run(&d, c, act).unwrap_or_else(|e| panic!("{what}, again: {e}"));
            assert_eq!(tree(c.dir.path()), want.base, "{what}, again");
        }
        (Act::Commit, Err(_)) => assert_eq!(base, want.base, "{what}"),
        (Act::Child, now) => {
            assert_eq!(base, c.base, "{what}");
            let parent = d.session(c.parent.as_ref().unwrap().id()).unwrap();
            if let Ok(s) = now {
                assert!(result.is_err(), "{what}: acknowledged and not landed");
                assert_eq!(files(&s), c.ours, "{what}: the session is not what it was");
                assert_ne!(Some(files(&parent)), want.files, "{what}: landed and open");
                run(&d, c, act).unwrap_or_else(|e| panic!("{what}, again: {e}"));
            }
            assert_eq!(Some(files(&parent)), want.files, "{what}");
        }
        (Act::Resolve | Act::Rebase, now) => {
            assert_eq!(base, c.base, "{what}");
            let s = now.unwrap_or_else(|e| panic!("{what}: {e}"));
            let is = files(&s);
            if Some(&is) != want.files.as_ref() {
                assert!(result.is_err(), "{what}: acknowledged and not done");
                assert_eq!(is, c.ours, "{what}: neither the one nor the other");
                run(&d, c, act).unwrap_or_else(|e| panic!("{what}, again: {e}"));
            }
            assert_eq!(Some(files(&s)), want.files, "{what}");
            commit(&d, s.id()).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
}

fn everywhere(act: Act) {
    let want = done(act);
    let whole = case(act);
    let (counted, door) = At::door(Verdict::Go);
    let d = open_door(whole.dir.path(), door);
    let before = counted.seen();
    run(&d, &whole, act).unwrap();
    let ops = counted.seen() - before;
    assert!(ops > 20, "{act:?}: {ops} operations");
    let (mut points, mut refused) = (0, 0);
    for verdict in VERDICTS {
        for n in 0..ops {
            let c = case(act);
            let (at, door): (_, Door) = At::door(verdict);
            let d = open_door(c.dir.path(), door);
            at.arm(n);
            let result = run(&d, &c, act);
            drop(d);
            refused += usize::from(result.is_err());
            points += 1;
            check(&c, act, result, &want, &format!("{act:?}, {verdict:?} at {n} of {ops}"));
        }
    }
    assert!(refused * 2 > points, "{act:?}: most faults are seen: {refused} of {points}");
    println!("{act:?}: {points} points, {refused} refused");
}

#[test]
fn a_commit_by_policy_is_done_or_leaves_all_as_it_was() {
    everywhere(Act::Commit);
}

#[test]
fn a_child_by_policy_lands_or_is_what_it_was() {
    everywhere(Act::Child);
}

#[test]
fn a_resolve_is_done_or_leaves_all_as_it_was() {
    everywhere(Act::Resolve);
}

#[test]
fn a_rebase_is_done_or_leaves_all_as_it_was() {
    everywhere(Act::Rebase);
}
