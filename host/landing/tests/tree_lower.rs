//! Sessions that stand on a tree of a store: they begin without a look at anything, see the tree,
//! and are sessions in everything but where they land.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/trees.rs"]
mod trees;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use brio_landing::{
    BeginError, BeginOptions, CommitOptions, Domain, Isolation, LandingAttempt, LowerInfo,
    LowerOptions, Pushed, ResolveOptions, SessionId, StoreBinding, Synced, TreeInfo, WantedLower,
};
use brio_session::{Door, FsError, Hook, Op, RelPath, Verdict, ViewOptions};
use common::{edit, names, read, write, writer};
use trees::{DirTrees, begin, on, open, options};

const LARGE: u64 = 1 << 30;

/// A begin is a record. Nothing of the tree is asked for, whatever its size, and
/// of a file only what is read.
#[test]
fn begin_reads_nothing_and_a_read_fetches_what_it_reads() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(true));
    let tree = trees.add(|dir| {
        std::fs::File::create(dir.join("large")).unwrap().set_len(LARGE).unwrap();
        std::fs::write(dir.join("small"), "small").unwrap();
    });
    let asked = trees.asked.clone().unwrap();
    let d = open(base.path(), &trees);
    let s = begin(&d, &tree);
    assert_eq!((trees.opened.load(Ordering::SeqCst), trees.looks.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(s.info().unwrap().lower, LowerInfo::Tree(tree.clone()));
    let w = writer(&s);
    let how = brio_session::OpenOptions { read: true, ..Default::default() };
    let brio_session::Handle::File(large) =
        w.view().open_at(&w.view().root(), b"large", &how).unwrap()
    else {
        panic!("a directory")
    };
    let mut byte = [1];
    assert_eq!(large.read_at(&mut byte, LARGE / 2).unwrap(), 1);
    assert_eq!((byte, asked.bytes()), ([0], 1));
    assert!(s.disk_usage().unwrap() < 1 << 16);
    let how = brio_session::OpenOptions { read: true, write: true, ..Default::default() };
    let brio_session::Handle::File(small) =
        w.view().open_at(&w.view().root(), b"small", &how).unwrap()
    else {
        panic!("a directory")
    };
    small.write_at(b"S", 0).unwrap();
    small.write_at(b"L", 4).unwrap();
    assert_eq!(read(w.view(), "small").unwrap(), b"SmalL");
    assert_eq!(asked.bytes(), 1 + 5, "a copy-up fetches once");
    w.finish().unwrap();
    assert_eq!(s.view(ViewOptions::default()).unwrap().changes().unwrap().changes.len(), 1);
}

/// What the directory holds is nothing to it, before and after landings there.
#[test]
fn the_directory_is_not_seen() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(false));
    std::fs::write(base.path().join("of-the-directory"), "x").unwrap();
    let tree = trees.of(&[("of-the-tree", "t"), ("d/f", "f")]);
    let d = open(base.path(), &trees);
    let s = begin(&d, &tree);
    let seen = |s: &brio_landing::Session| names(&s.view(ViewOptions::default()).unwrap(), ".");
    assert_eq!(seen(&s), ["d", "of-the-tree"]);
    let other = common::begin(&d, "lands");
    edit(&other, &[("of-the-tree", b"landed"), ("d", b"a file")]);
    common::commit(&d, other.id()).unwrap();
    let v = s.view(ViewOptions::default()).unwrap();
    assert_eq!(
        (seen(&s), read(&v, "of-the-tree")),
        (vec!["d".into(), "of-the-tree".into()], Some(b"t".to_vec()))
    );
    let times = v.stat_at(&v.root(), b"d/f", false).unwrap();
    assert_eq!((times.mtime, times.atime, times.ctime), (tree.at, tree.at, tree.at));
    // Neither needs what the landing displaced: nothing is kept for it.
    drop(v);
    let window = Some(std::time::Duration::ZERO);
    let gone = d.gc_with(&brio_landing::GcOptions { window, ..Default::default() }).unwrap();
    assert_eq!(gone.landings, [1]);
    assert!(!s.info().unwrap().stale);
    assert_eq!(seen(&s), ["d", "of-the-tree"]);
}

/// A subdirectory is a prefix; patterns of the tree and of the caller hide, and what is made
/// under them is in no change set; a reserved name is nowhere.
#[test]
fn subdirectories_excludes_and_reserved_names() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(true));
    let tree = trees.of(&[
        ("top", "t"),
        ("sub/.brioignore", "target/\n[z-a]\n"),
        ("sub/target/x", "x"),
        ("sub/src/y", "y"),
        ("sub/src/z.log", "z"),
        ("sub/.brio/claim", "not yours"),
    ]);
    let d = open(base.path(), &trees);
    let lower = LowerOptions {
        wanted: WantedLower::Tree(tree.clone()),
        excludes: vec!["*.log".into()],
        ..LowerOptions::default()
    };
    let subdir = RelPath::new("sub").unwrap();
    let s = d.begin(BeginOptions { subdir, lower, ..BeginOptions::default() }).unwrap();
    let w = writer(&s);
    assert_eq!(names(w.view(), "."), [".brioignore", "src"]);
    assert_eq!(names(w.view(), "src"), ["y"]);
    assert_eq!(read(w.view(), ".brio/claim"), None);
    w.view().mkdir_at(&w.view().root(), b"target").unwrap();
    write(w.view(), "target/made", b"m");
    write(w.view(), "src/own.log", b"l");
    write(w.view(), "src/y", b"Y");
    let paths: Vec<_> =
        w.view().changes().unwrap().changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["src/y"]);
    let bad = LowerOptions { excludes: vec!["[z-a]".into()], ..on(&tree).lower };
    let e = d.begin(BeginOptions { lower: bad, ..BeginOptions::default() }).err().unwrap();
    assert_eq!(e.code(), "EXCLUDE_INVALID");
}

// It lands where its head is: here that is refused before anything is touched, whatever the
// policy, and the session stays.
#[test]
fn it_does_not_land_here() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(false));
    let d = open(base.path(), &trees);
    let s = begin(&d, &trees.of(&[("f", "f")]));
    edit(&s, &[("f", b"ours")]);
    for options in [
        CommitOptions::default(),
        CommitOptions { policy: brio_landing::Policy::LastWriteWins, ..CommitOptions::default() },
    ] {
        let e = d.commit(s.id(), options).err().unwrap();
        assert_eq!(e.code(), "LANDS_ON_HEAD");
        assert!(e.to_string().contains("org/name"), "{e}");
    }
    assert_eq!(s.conflicts().err().unwrap().code(), "LANDS_ON_HEAD");
    assert_eq!(s.seal().err().unwrap().code(), "LANDS_ON_HEAD");
    assert_eq!(s.rebase(&Default::default()).err().unwrap().code(), "LANDS_ON_HEAD");
    let e = d.resolve(s.id(), ResolveOptions::default()).err().unwrap();
    assert_eq!(e.code(), "LANDS_ON_HEAD");
    // With children it is refused before any of them lands.
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..Default::default() }).unwrap();
    let cascade = CommitOptions { cascade: true, ..CommitOptions::default() };
    assert_eq!(d.commit(s.id(), cascade).err().unwrap().code(), "LANDS_ON_HEAD");
    assert!(child.info().is_ok());
    assert_eq!((d.landing().unwrap(), std::fs::read_dir(base.path()).unwrap().count()), (0, 1));
    // What changed nothing ends.
    let idle = begin(&d, &trees.of(&[("f", "f")]));
    assert_eq!(d.commit(idle.id(), CommitOptions::default()).unwrap().landing, None);
    assert!(idle.info().is_err());
}

/// Children, checkpoints, restores, rollbacks, and what changed: as of any session.
#[test]
fn it_is_a_session_in_everything_else() {
    for lazy in [false, true] {
        let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(lazy));
        let d = open(base.path(), &trees);
        let s = begin(&d, &trees.of(&[("a", "a"), ("d/b", "b"), ("c", "c")]));
        edit(&s, &[("a", b"parent")]);
        s.checkpoint("one").unwrap();
        let child = |iso| BeginOptions {
            parent: Some(s.id().clone()),
            isolation: iso,
            ..Default::default()
        };
        let (c1, c2) = (
            d.begin(child(Isolation::Snapshot)).unwrap(),
            d.begin(child(Isolation::Serializable)).unwrap(),
        );
        assert_eq!(c1.info().unwrap().lower, s.info().unwrap().lower);
        edit(&c1, &[("d/b", b"child"), ("a", b"child")]);
        {
            let w = writer(&c2);
            assert_eq!(read(w.view(), "d/b").unwrap(), b"b");
            write(w.view(), "c", b"by what it read");
            w.finish().unwrap();
        }
        d.commit(c1.id(), CommitOptions::default()).unwrap();
        // What the parent had changed before, the child counts as having read.
        let e = d.commit(c2.id(), CommitOptions::default()).err().unwrap();
        let paths: Vec<_> = e.conflicts().iter().map(|c| c.path.to_string()).collect();
        assert_eq!(paths, ["a", "d/b"], "{e}");
        let snapshot = CommitOptions { isolation: Some(Isolation::Snapshot), ..Default::default() };
        d.commit(c2.id(), snapshot).unwrap();
        let v = s.view(ViewOptions::default()).unwrap();
        let at = |p| read(&v, p).unwrap();
        assert_eq!(
            (at("a"), at("d/b"), at("c")),
            (b"child".to_vec(), b"child".to_vec(), b"by what it read".to_vec())
        );
        assert_eq!(s.changes_against_base().unwrap().changes.len(), 3);
        drop(v);
        s.restore("one").unwrap();
        let v = s.view(ViewOptions::default()).unwrap();
        assert_eq!(
            (read(&v, "a").unwrap(), read(&v, "d/b").unwrap()),
            (b"parent".to_vec(), b"b".to_vec())
        );
        d.rollback(s.id(), false).unwrap();
        assert_eq!(s.info().err().unwrap().code(), "SESSION_ENDED");
    }
}

/// A domain whose host knows no store says so, and keeps the session.
#[test]
fn without_a_store_it_is_said() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(false));
    let tree = trees.of(&[("f", "f")]);
    let id: SessionId = {
        let d = open(base.path(), &trees);
        let s = begin(&d, &tree);
        edit(&s, &[("f", b"ours")]);
        s.id().clone()
    };
    let d = common::open(base.path());
    let e = d.begin(on(&tree)).err().unwrap();
    assert!(matches!(&e, BeginError::NoStore { project } if project == "org/name"), "{e}");
    let s = d.session(&id).unwrap();
    assert_eq!(s.writer("test", ViewOptions::default()).err().unwrap().code(), "NO_STORE");
    assert_eq!(s.reading("test").err().unwrap().code(), "NO_STORE");
    assert_eq!(d.commit(&id, CommitOptions::default()).err().unwrap().code(), "NO_STORE");
    assert_eq!(s.view(ViewOptions::default()).err(), Some(FsError::Unreachable));
    assert_eq!(s.info().unwrap().lower, LowerInfo::Tree(tree.clone()));
    let s = open(base.path(), &trees).session(&id).unwrap();
    assert_eq!(read(&s.view(ViewOptions::default()).unwrap(), "f").unwrap(), b"ours");
    // A tree that the store does not have (any more).
    let none = TreeInfo { tree: format!("sha256:{}", "0".repeat(64)), ..tree.clone() };
    let d = open(base.path(), &trees);
    let s = begin(&d, &none);
    assert_eq!(s.writer("test", ViewOptions::default()).err().unwrap().code(), "UNREACHABLE");
    d.rollback(s.id(), false).unwrap();
    for (tree, project) in
        [("sha256:00", "org/name"), (&*tree.tree, "name"), (&*tree.tree, "a/b/c")]
    {
        let info = TreeInfo { tree: tree.into(), project: project.into(), ..none.clone() };
        assert_eq!(d.begin(on(&info)).err().unwrap().code(), "TREE_INVALID");
    }
}

/// The record: a program that does not know trees must refuse the session, and this one reads
/// what older ones wrote.
#[test]
fn the_record_on_disk() {
    let (base, trees) = (tempfile::tempdir().unwrap(), DirTrees::new(false));
    let tree = trees.of(&[("f", "f")]);
    let d = open(base.path(), &trees);
    let s = begin(&d, &tree);
    let at = base.path().join(".brio/sessions").join(s.id().as_str()).join("meta.json");
    let record =
        || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&at).unwrap()).unwrap();
    let want = serde_json::json!({
        "kind": "tree", "store": "local", "project": "org/name", "tree": tree.tree, "position": 1,
        "at": { "secs": tree.at.secs, "nanos": 0 },
    });
    assert_eq!(record()["lower"], want);
    // What older programs do with a kind that they do not know, this one does as well.
    let mut newer = record();
    newer["lower"]["kind"] = "hologram".into();
    std::fs::write(&at, serde_json::to_vec(&newer).unwrap()).unwrap();
    assert_eq!(s.info().err().unwrap().code(), "SESSION_CORRUPT");
    assert!(open(base.path(), &trees).sessions().unwrap().is_empty());
    newer["lower"]["kind"] = "tree".into();
    std::fs::write(&at, serde_json::to_vec(&newer).unwrap()).unwrap();
    assert_eq!(s.pushed().unwrap(), None);
    let pushed = Pushed {
        seq: 3,
        tree: tree.tree.clone(),
        position: 1,
        attempts: vec!["an-attempt".into()],
        landings: vec![LandingAttempt { id: "another".into(), position: 2 }],
    };
    let w = writer(&s);
    w.set_pushed(pushed.clone()).unwrap();
    drop(w);
    assert_eq!(s.pushed().unwrap(), Some(pushed.clone()));
    assert_eq!(
        record()["pushed"],
        serde_json::json!({
            "seq": 3, "tree": tree.tree, "position": 1, "attempts": ["an-attempt"],
            "landings": [{ "id": "another", "position": 2 }],
        })
    );
    edit(&s, &[("f", b"ours")]);
    assert_eq!(open(base.path(), &trees).sessions().unwrap()[0].pushed, Some(pushed));
}

/// A file system that cannot exchange two names.
struct NoExchange;

impl Hook for NoExchange {
    fn verdict(&self, op: Op) -> Verdict {
        if op == Op::Exchange { Verdict::Fail(libc::EINVAL) } else { Verdict::Go }
    }
}

/// Where the directory itself can have no sessions, or is gone, a tree can be worked on.
#[test]
fn in_the_home_of_a_base_that_is_gone() {
    let (base, home, trees) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), DirTrees::new(false));
    let tree = trees.of(&[("f", "f")]);
    let at = base.path().join("gone");
    std::fs::create_dir(&at).unwrap();
    let o = || brio_landing::OpenOptions {
        home: Some(home.path().into()),
        frozen: true,
        door: Door::with_hook(Arc::new(NoExchange)),
        ..options(&trees)
    };
    let (d, _) = Domain::open(&at, o()).unwrap();
    assert!(d.frozen_only().is_some());
    let claim = d.claim_id().to_owned();
    drop(d);
    std::fs::remove_dir_all(&at).unwrap();
    let d = Domain::open_in_home(&claim, o()).unwrap().unwrap();
    assert!(d.base_gone().is_some());
    let s = begin(&d, &tree);
    edit(&s, &[("f", b"ours")]);
    assert_eq!(d.commit(s.id(), CommitOptions::default()).err().unwrap().code(), "LANDS_ON_HEAD");
    assert_eq!(read(&s.view(ViewOptions::default()).unwrap(), "f").unwrap(), b"ours");
}

/// Which store a base belongs to is one thing or the other at any time.
#[test]
fn a_base_is_bound_to_a_project() {
    use common::faults::{At, VERDICTS};
    let base = tempfile::tempdir().unwrap();
    let d = common::open(base.path());
    assert_eq!(d.store_binding().unwrap(), None);
    let first = StoreBinding::new("local", "org/name");
    d.set_store_binding(Some(&first)).unwrap();
    assert_eq!(d.store_binding().unwrap(), Some(first.clone()));
    let synced = Some(Synced { tree: format!("sha256:{}", "a".repeat(64)), position: 4 });
    let second = StoreBinding { synced, ..first.clone() };
    for verdict in VERDICTS {
        for n in 0.. {
            d.set_store_binding(Some(&first)).unwrap();
            let (at, door) = At::door(verdict);
            let other = common::open_door(base.path(), door);
            at.arm(n);
            let before = at.seen();
            let done = other.set_store_binding(Some(&second));
            let found = d.store_binding().unwrap().unwrap();
            assert!(found == first || found == second, "{verdict:?} {n}");
            assert!(done.is_err() || found == second || matches!(verdict, Verdict::Lie));
            if at.seen() - before <= n {
                assert!(n > 1, "{n}");
                break;
            }
        }
    }
    let newer = StoreBinding { format: 2, ..first.clone() };
    assert_eq!(d.set_store_binding(Some(&newer)).err().unwrap().code(), "STORE_BINDING");
    std::fs::write(base.path().join(".brio/store.json"), r#"{"format":2}"#).unwrap();
    let e = d.store_binding().err().unwrap();
    assert!(
        e.to_string().starts_with("STORE_BINDING") && e.to_string().contains("format 2"),
        "{e}"
    );
    d.set_store_binding(None).unwrap();
    d.set_store_binding(None).unwrap();
    assert_eq!(d.store_binding().unwrap(), None);
}
