//! The change set of one session, made in another one: all of it or nothing. B-052, B-121.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;

use brio_landing::{Applied, ApplyError, BeginOptions, Domain, LowerOptions, Session, SessionId};
use brio_session::{RelPath, SetTime, Time, Verdict, ViewOptions};
use brio_tests::rng::Rng;
use brio_tests::tree::{self, Node, Tree};
use common::faults::{At, VERDICTS};
use common::{begin, commit, edit, open, open_door, read, scratch, state, write, writer};

fn paths(paths: &[&str]) -> Vec<RelPath> {
    paths.iter().map(|p| RelPath::new(*p).unwrap()).collect()
}

fn shown(s: &Session) -> Tree {
    tree::seen(&s.view(ViewOptions::default()).unwrap())
}

fn changed(s: &Session, tree: &mut Tree, rng: &mut Rng, count: usize) {
    let w = writer(s);
    for c in tree::changes(tree, rng, count) {
        tree::change(w.view(), &c);
    }
    w.finish().unwrap();
}

fn child(d: &Domain, parent: &Session) -> Session {
    let parent = Some(parent.id().clone());
    d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap()
}

/// A base made by random changes.
fn base(rng: &mut Rng) -> (tempfile::TempDir, Tree) {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let mut now = Tree::new();
    let d = open(dir.path());
    let s = begin(&d, "base");
    changed(&s, &mut now, rng, 60);
    commit(&d, s.id()).unwrap();
    (dir, now)
}

#[test]
fn random_change_sets_are_the_same_wherever_they_are_made() {
    let seed = brio_tests::rng::from_env("BRIO_SEED", 1);
    for n in 0..20 {
        let label = format!("BRIO_SEED={seed}, round {n}");
        let mut rng = Rng::new(seed * 1000 + n);
        let (dir, was) = base(&mut rng);
        let d = open(dir.path());
        let main = begin(&d, "main");
        let mut now = was.clone();
        changed(&main, &mut now, &mut rng, 60);
        let review = begin(&d, "review");
        // What the other session did itself, elsewhere, stays.
        let mut mine = now.clone();
        edit(&review, &[("review-notes", b"looked at")]);
        mine.insert("review-notes".into(), Node::File("looked at".into()));
        let done = main.apply_changes_to_session(&review).unwrap();
        assert_eq!(done.already, [], "{label}");
        tree::same(&shown(&review), &mine, &label);
        tree::same(&shown(&main), &now, &label);
        // Once more is nothing more.
        let again = main.apply_changes_to_session(&review).unwrap();
        assert_eq!((again.changed, again.already), (Vec::new(), done.changed), "{label}");
        // It lands as the first one would have.
        commit(&d, review.id()).unwrap_or_else(|e| panic!("{label}: {e}"));
        tree::same(&tree::on_disk(dir.path()), &mine, &label);
        // A child's are its own changes only, and a branch of a branch takes them.
        let mut child_now = now.clone();
        let (one, two) = (child(&d, &main), child(&d, &main));
        changed(&one, &mut child_now, &mut rng, 30);
        let _ = one.apply_changes_to_session(&two).unwrap_or_else(|e| panic!("{label}: {e}"));
        tree::same(&shown(&two), &child_now, &label);
        commit(&d, two.id()).unwrap();
        tree::same(&shown(&main), &child_now, &label);
    }
}

fn rich() -> (tempfile::TempDir, Domain, Session) {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    for (p, c) in [("a", "a"), ("d/x", "x"), ("d/y", "y"), ("gone/z", "z"), ("mode", "m")] {
        fs::create_dir_all(dir.path().join(p).parent().unwrap()).unwrap();
        fs::write(dir.path().join(p), c).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(2));
    let d = open(dir.path());
    let s = begin(&d, "main");
    let w = writer(&s);
    let (v, root) = (w.view(), w.view().root());
    write(v, "a", b"A");
    write(v, "new", b"new");
    v.set_mode_at(&root, b"new", false, 0o755).unwrap();
    v.link_at(&root, b"new", false, &root, b"hard").unwrap();
    v.symlink_at(b"d/x", &root, b"link").unwrap();
    v.rename_at(&root, b"d/y", &root, b"d/renamed").unwrap();
    v.set_mode_at(&root, b"mode", false, 0o600).unwrap();
    let t = SetTime::At(Time { secs: 1_000_000, nanos: 5 });
    v.set_times_at(&root, b"d/x", false, t, t).unwrap();
    v.unlink_at(&root, b"gone/z").unwrap();
    v.rmdir_at(&root, b"gone").unwrap();
    v.mkdir_at(&root, b"deep").unwrap();
    v.set_mode_at(&root, b"deep", false, 0o700).unwrap();
    w.finish().unwrap();
    (dir, d, s)
}

#[test]
fn modes_links_times_and_renames_come_along() {
    let (dir, d, s) = rich();
    let other = begin(&d, "other");
    let _ = s.apply_changes_to_session(&other).unwrap();
    commit(&d, other.id()).unwrap();
    let now = common::tree(dir.path());
    let at = |p: &str| now.get(p.as_bytes()).cloned();
    assert_eq!(at("a").unwrap(), "file 644 \"A\"");
    assert_eq!(at("new").unwrap(), "file 755 \"new\" = hard");
    assert_eq!(at("link").unwrap(), "link \"d/x\"");
    assert_eq!(at("d/renamed").unwrap(), "file 644 \"y\"");
    assert_eq!(at("mode").unwrap(), "file 600 \"m\"");
    assert_eq!(at("deep").unwrap(), "dir 700");
    assert_eq!([at("d/y"), at("gone"), at("gone/z")], [None, None, None]);
    use std::os::unix::fs::MetadataExt;
    let m = dir.path().join("d/x").metadata().unwrap();
    assert_eq!((m.mtime(), m.mtime_nsec()), (1_000_000, 5));
}

fn differs(done: Result<Applied, ApplyError>) -> Vec<RelPath> {
    match done {
        Err(e @ ApplyError::Differs { .. }) => {
            assert!(e.to_string().starts_with("CONFLICT: "), "{e}");
            assert_eq!(e.code(), "CONFLICT");
            let ApplyError::Differs { differ, .. } = e else { unreachable!() };
            differ
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_something_else_there_is_named_and_nothing_is_made() {
    type Edit = fn(&brio_session::View);
    let edits: [(&str, Edit, &[&str]); 9] = [
        ("content", |v| write(v, "a", b"other"), &["a"]),
        ("added", |v| write(v, "new", b"other"), &["new"]),
        ("mode", |v| v.set_mode_at(&v.root(), b"mode", false, 0o640).unwrap(), &["mode"]),
        ("removed", |v| v.unlink_at(&v.root(), b"a").unwrap(), &["a"]),
        ("a link", |v| v.symlink_at(b"a", &v.root(), b"link").unwrap(), &["link"]),
        ("a kind", |v| v.mkdir_at(&v.root(), b"link").unwrap(), &["link"]),
        ("in what goes", |v| write(v, "gone/stranger", b"s"), &["gone/stranger"]),
        (
            "a directory on the way",
            |v| v.rename_at(&v.root(), b"d", &v.root(), b"moved").unwrap(),
            &["d", "d/x"],
        ),
        (
            "two",
            |v| {
                write(v, "a", b"other");
                write(v, "gone/z", b"other");
            },
            &["a", "gone/z"],
        ),
    ];
    for (what, change, expected) in edits {
        let (dir, d, s) = rich();
        let other = begin(&d, "other");
        let w = writer(&other);
        change(w.view());
        w.finish().unwrap();
        let before = shown(&other);
        let found = differs(s.apply_changes_to_session(&other));
        assert_eq!(found, paths(expected), "{what}");
        assert_eq!(shown(&other), before, "{what}");
        let layers = state(dir.path(), &format!("sessions/{}", other.id()));
        assert!(!layers.contains(&"1".to_owned()), "{what}: {layers:?}");
    }
}

#[test]
fn the_same_made_by_both_is_no_difference() {
    let (dir, d, s) = rich();
    let other = begin(&d, "other");
    let w = writer(&other);
    write(w.view(), "a", b"A");
    w.view().unlink_at(&w.view().root(), b"gone/z").unwrap();
    w.view().mkdir_at(&w.view().root(), b"deep").unwrap();
    write(w.view(), "deep/own", b"own");
    w.finish().unwrap();
    let done = s.apply_changes_to_session(&other).unwrap();
    assert_eq!(done.already, paths(&["a", "deep", "gone/z"]));
    commit(&d, other.id()).unwrap();
    assert_eq!(fs::read(dir.path().join("deep/own")).unwrap(), b"own");
    assert!(!dir.path().join("gone").exists());
}

#[test]
fn an_edit_from_outside_is_not_carried_over() {
    let (dir, d, s) = rich();
    fs::write(dir.path().join("a"), "from outside").unwrap();
    let other = begin(&d, "later");
    assert_eq!(differs(s.apply_changes_to_session(&other)), paths(&["a"]));
}

#[test]
fn sessions_of_other_directories_and_of_copies_take_it() {
    let (dir, _d, s) = rich();
    let copy = tempfile::tempdir_in(scratch()).unwrap();
    for (p, c) in [("a", "a"), ("d/x", "x"), ("d/y", "y"), ("gone/z", "z"), ("mode", "m")] {
        let p = copy.path().join("sub").join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, c).unwrap();
    }
    let d2 = open(copy.path());
    let subdir = RelPath::new("sub").unwrap();
    let excluded = LowerOptions { excludes: vec!["new".into()], ..LowerOptions::default() };
    let of = |lower| BeginOptions { subdir: subdir.clone(), lower, ..BeginOptions::default() };
    let without = d2.begin(of(excluded)).unwrap();
    let e = s.apply_changes_to_session(&without).unwrap_err();
    assert_eq!(e.code(), "EXCLUDED");
    assert!(e.to_string().contains("new"), "{e}");
    let other = d2.begin(of(LowerOptions::default())).unwrap();
    let _ = s.apply_changes_to_session(&other).unwrap();
    commit(&d2, other.id()).unwrap();
    assert_eq!(fs::read(copy.path().join("sub/new")).unwrap(), b"new");
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"a");
}

#[test]
fn who_works_in_one_of_them_is_not_disturbed_and_oneself_is_nothing() {
    let (_dir, d, s) = rich();
    let other = begin(&d, "other");
    let w = writer(&other);
    assert_eq!(s.apply_changes_to_session(&other).unwrap_err().code(), "SESSION_BUSY");
    write(w.view(), "a", b"mine");
    assert_eq!(read(w.view(), "a").unwrap(), b"mine");
    drop(w);
    let w = writer(&s);
    assert_eq!(s.apply_changes_to_session(&other).unwrap_err().code(), "SESSION_BUSY");
    drop(w);
    assert_eq!(s.apply_changes_to_session(&s).unwrap(), Applied::default());
}

#[test]
fn it_is_wholly_there_or_not_at_all_wherever_it_stops() {
    let case = || {
        let (dir, d, s) = rich();
        let other = begin(&d, "other");
        edit(&other, &[("own", b"own")]);
        (dir, s.id().clone(), other.id().clone())
    };
    let run = |d: &Domain, s: &SessionId, other: &SessionId| {
        let (s, other) = (d.session(s).unwrap(), d.session(other).unwrap());
        s.apply_changes_to_session(&other).map(drop).map_err(|e| e.to_string())
    };
    let (dir, s, other) = case();
    let (counted, door) = At::door(Verdict::Go);
    let d = open_door(dir.path(), door);
    let (was, before) = (counted.seen(), shown(&d.session(&other).unwrap()));
    run(&d, &s, &other).unwrap();
    let (ops, done) = (counted.seen() - was, shown(&d.session(&other).unwrap()));
    assert!(ops > 20 && before != done, "{ops} operations");
    for verdict in VERDICTS {
        for n in 0..ops {
            let what = format!("{verdict:?} at {n} of {ops}");
            let (dir, s, other) = case();
            let (at, door) = At::door(verdict);
            let d = open_door(dir.path(), door);
            at.arm(n);
            let result = run(&d, &s, &other);
            drop(d);
            let d = open(dir.path());
            d.gc().unwrap();
            let now = shown(&d.session(&other).unwrap());
            if now != done {
                assert!(result.is_err(), "{what}: acknowledged and not done");
                assert_eq!(now, before, "{what}");
                run(&d, &s, &other).unwrap_or_else(|e| panic!("{what}, again: {e}"));
                assert_eq!(shown(&d.session(&other).unwrap()), done, "{what}, again");
            }
            commit(&d, &other).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
}
