//! What a session leaves out: it neither sees it nor lands it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use brio_landing::{BeginError, BeginOptions, Domain, LowerOptions, Session, WantedLower};
use brio_session::{ChangeKind, FsError, Handle, OpenOptions as Open, View, ViewOptions};
use common::{commit, names, open, read, state, tree, write, writer};

fn begin(d: &Domain, wanted: WantedLower, patterns: &[&str]) -> Session {
    let excludes = patterns.iter().map(|p| (*p).to_owned()).collect();
    let lower = LowerOptions { wanted, excludes, ..LowerOptions::default() };
    d.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap()
}

const BOTH: [WantedLower; 2] = [WantedLower::Live, WantedLower::Frozen];

fn project(base: &Path) {
    for dir in ["src", "target/debug", "src/target", "logs"] {
        fs::create_dir_all(base.join(dir)).unwrap();
    }
    for (path, text) in [
        ("src/lib.rs", "lib"),
        ("target/debug/app", "binary"),
        ("src/target/out", "out"),
        ("logs/today.log", "log"),
        ("logs/keep.log", "kept"),
        ("a.o", "object"),
        (".brioignore", "# what is built\ntarget/\n*.log\n!keep.log\n"),
    ] {
        fs::write(base.join(path), text).unwrap();
    }
}

fn is_missing(v: &View, path: &str) -> bool {
    let root = v.root();
    let opened = v.open_at(&root, path.as_bytes(), &Open { read: true, ..Open::default() });
    v.stat_at(&root, path.as_bytes(), true) == Err(FsError::NotFound)
        && matches!(opened, Err(FsError::NotFound))
}

#[test]
fn what_is_excluded_is_not_seen() {
    for wanted in BOTH {
        let base = tempfile::tempdir().unwrap();
        project(base.path());
        let d = open(base.path());
        let s = begin(&d, wanted.clone(), &["*.o", "/src/absent"]);
        let w = writer(&s);
        let v = w.view();
        for path in [
            "target",
            "target/debug",
            "target/debug/app",
            "src/target/out",
            "logs/today.log",
            "a.o",
        ] {
            assert!(is_missing(v, path), "{wanted:?}: {path}");
        }
        assert_eq!(names(v, "."), [".brioignore", "logs", "src"], "{wanted:?}");
        assert_eq!(names(v, "logs"), ["keep.log"]);
        assert_eq!(names(v, "src"), ["lib.rs"]);
        assert_eq!(read(v, "logs/keep.log").unwrap(), b"kept");
        assert_eq!(s.info().unwrap().excludes.last().unwrap(), "/src/absent");
    }
}

#[test]
fn what_is_written_there_is_the_sessions_own() {
    for wanted in BOTH {
        let base = tempfile::tempdir().unwrap();
        project(base.path());
        let before = tree(base.path());
        let d = open(base.path());
        let s = begin(&d, wanted.clone(), &[]);
        let w = writer(&s);
        let v = w.view();
        v.mkdir_at(&v.root(), b"target").unwrap();
        write(v, "target/mine", b"built here");
        write(v, "b.log", b"said here");
        assert_eq!(read(v, "target/mine").unwrap(), b"built here");
        assert_eq!(names(v, "target"), ["mine"], "the base's own stays hidden");
        assert!(v.changes().unwrap().changes.is_empty(), "{wanted:?}");
        // Another name of it that is not excluded does land, as a file of its own.
        v.link_at(&v.root(), b"target/mine", false, &v.root(), b"result").unwrap();
        let set = v.changes().unwrap();
        assert_eq!(set.changes.len(), 1);
        assert_eq!((set.changes[0].kind, &set.changes[0].hard_link_of), (ChangeKind::Added, &None));
        w.finish().unwrap();
        // Still there for the next run of the session.
        assert_eq!(read(&s.view(ViewOptions::default()).unwrap(), "b.log").unwrap(), b"said here");
        commit(&d, s.id()).unwrap();
        assert_eq!(fs::read(base.path().join("result")).unwrap(), b"built here");
        fs::remove_file(base.path().join("result")).unwrap();
        assert_eq!(tree(base.path()), before, "{wanted:?}: nothing else landed");
        assert!(state(base.path(), "sessions").is_empty());
    }
}

#[test]
fn a_directory_that_holds_it_stays() {
    for wanted in BOTH {
        let base = tempfile::tempdir().unwrap();
        project(base.path());
        fs::create_dir_all(base.path().join("deep/er")).unwrap();
        fs::write(base.path().join("deep/er/x.log"), "x").unwrap();
        let d = open(base.path());
        let s = begin(&d, wanted.clone(), &[]);
        let w = writer(&s);
        let (v, r) = (w.view(), w.view().root());
        v.unlink_at(&r, b"src/lib.rs").unwrap();
        assert_eq!(names(v, "src"), [""; 0], "it looks empty");
        assert_eq!(v.rmdir_at(&r, b"src"), Err(FsError::NotEmpty));
        assert_eq!(v.rename_at(&r, b"src", &r, b"other"), Err(FsError::NotEmpty));
        assert_eq!(v.rename_at(&r, b"deep", &r, b"other"), Err(FsError::NotEmpty));
        v.mkdir_at(&r, b"empty").unwrap();
        assert_eq!(v.rename_at(&r, b"empty", &r, b"src"), Err(FsError::NotEmpty));
        v.rename_at(&r, b"empty", &r, b"renamed").unwrap();
        w.finish().unwrap();
        commit(&d, s.id()).unwrap();
        assert_eq!(fs::read(base.path().join("src/target/out")).unwrap(), b"out");
        assert!(!base.path().join("src/lib.rs").exists() && base.path().join("renamed").is_dir());
    }
}

#[test]
fn what_moves_there_is_gone_from_where_it_was() {
    let base = tempfile::tempdir().unwrap();
    project(base.path());
    let d = open(base.path());
    let s = begin(&d, WantedLower::Live, &[]);
    let w = writer(&s);
    let (v, r) = (w.view(), w.view().root());
    v.rename_at(&r, b"src/lib.rs", &r, b"lib.log").unwrap();
    // A file becomes a directory of an excluded kind.
    v.unlink_at(&r, b"a.o").unwrap();
    let set = v.changes().unwrap();
    let kinds: Vec<_> = set.changes.iter().map(|c| (c.path.to_string(), c.kind)).collect();
    assert_eq!(
        kinds,
        [("a.o".into(), ChangeKind::Removed), ("src/lib.rs".into(), ChangeKind::Removed)]
    );
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    assert!(!base.path().join("lib.log").exists());
}

#[test]
fn a_child_leaves_out_what_its_parent_does() {
    for wanted in BOTH {
        let base = tempfile::tempdir().unwrap();
        project(base.path());
        let d = open(base.path());
        let s = begin(&d, wanted.clone(), &["/src"]);
        // What is written later into the file changes nothing for open sessions.
        fs::write(base.path().join(".brioignore"), "").unwrap();
        let parent = Some(s.id().clone());
        let child = d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap();
        assert_eq!(child.info().unwrap().excludes, s.info().unwrap().excludes);
        assert_eq!(child.info().unwrap().lower, s.info().unwrap().lower);
        let w = writer(&child);
        let v = w.view();
        assert!(is_missing(v, "src") && is_missing(v, "target"), "{wanted:?}");
        write(v, "c.log", b"hidden");
        write(v, "c.txt", b"shown");
        w.finish().unwrap();
        let landed = commit(&d, child.id()).unwrap();
        assert_eq!(landed.changes.changes.len(), 1, "{wanted:?}: {:?}", landed.changes.changes);
        commit(&d, s.id()).unwrap();
        assert_eq!(fs::read(base.path().join("c.txt")).unwrap(), b"shown");
        assert!(!base.path().join("c.log").exists());
    }
}

#[test]
fn a_pattern_that_is_none_begins_nothing() {
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    let lower = LowerOptions { excludes: vec!["[z-a]".into()], ..LowerOptions::default() };
    let e = d.begin(BeginOptions { lower, ..BeginOptions::default() }).err().unwrap();
    assert!(matches!(&e, BeginError::Excludes { .. }) && e.code() == "EXCLUDE_INVALID", "{e}");
    assert!(e.to_string().contains("[z-a]"), "{e}");
    fs::create_dir(base.path().join(".brioignore")).unwrap();
    let e = d.begin(BeginOptions::default()).err().unwrap();
    assert!(e.to_string().contains(".brioignore"), "{e}");
    assert!(state(base.path(), "sessions").is_empty());
}

#[test]
fn a_file_where_something_excluded_lies_is_a_conflict() {
    let base = tempfile::tempdir().unwrap();
    project(base.path());
    let d = open(base.path());
    let s = begin(&d, WantedLower::Live, &[]);
    let w = writer(&s);
    // `target/` means directories: a file of that name lands, if nothing is there.
    write(w.view(), "target", b"a file");
    let Ok(Handle::File(_)) =
        w.view().open_at(&w.view().root(), b"target", &Open { read: true, ..Open::default() })
    else {
        panic!("it is a file")
    };
    w.finish().unwrap();
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.code(), "CONFLICT", "{e}");
    assert!(base.path().join("target/debug/app").exists());
}
