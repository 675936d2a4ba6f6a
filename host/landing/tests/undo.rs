//! Undoing landings. T3, T22.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use brio_landing::{
    Domain, GcOptions, Landed, LogFilter, OpenOptions, Policy, Quota, Theirs, UndoError,
    UndoOptions, What,
};
use brio_session::{Door, Hook, Op, Verdict};
use common::{
    begin, commit, edit, keeping as options, open_keeping as open, state, tree, write, writer,
};

fn undo(d: &Domain, k: u64) -> Result<Landed, UndoError> {
    d.undo(k, &UndoOptions::default())
}

fn land(d: &Domain, files: &[(&str, &[u8])]) -> u64 {
    let s = begin(d, "work");
    edit(&s, files);
    commit(d, s.id()).unwrap().landing.unwrap()
}

type Tree = BTreeMap<Vec<u8>, (String, Option<(i64, i64)>)>;

/// A tree with the times of its files and links.
fn whole(base: &Path) -> Tree {
    let with = |path: Vec<u8>, what: String| {
        let m = fs::symlink_metadata(base.join(std::ffi::OsStr::from_bytes(&path))).unwrap();
        (path, (what, (!m.is_dir()).then(|| (m.mtime(), m.mtime_nsec()))))
    };
    tree(base).into_iter().map(|(path, what)| with(path, what)).collect()
}

fn rich(base: &Path) {
    let file = |p: &str, c: &str| {
        let p = base.join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, c).unwrap();
    };
    file("replace", "old");
    file("remove", "old");
    file("mode", "same");
    file("deep/a/b/replace", "old");
    file("gone/x/one", "1");
    file("gone/two", "2");
    file("to-file/inner", "inner");
    file("to-dir", "was a file");
    file("one", "two names");
    file("moved/file", "moved");
    fs::hard_link(base.join("one"), base.join("two")).unwrap();
    fs::write(base.join(std::ffi::OsStr::from_bytes(b"odd-\xff\n")), "odd").unwrap();
    symlink("replace", base.join("link")).unwrap();
    symlink("nowhere", base.join("link-gone")).unwrap();
    fs::create_dir(base.join("modes")).unwrap();
    fs::create_dir(base.join("empty")).unwrap();
    file("closed/f", "f");
    fs::set_permissions(base.join("closed"), PermissionsExt::from_mode(0o555)).unwrap();
    fs::set_permissions(base.join("gone/x"), PermissionsExt::from_mode(0o2750)).unwrap();
    fs::set_permissions(base.join("remove"), PermissionsExt::from_mode(0o4711)).unwrap();
    let old = fs::File::options().write(true).open(base.join("replace")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH + Duration::new(981_173_106, 123_456_789)).unwrap();
}

fn change(s: &brio_landing::Session) {
    let w = writer(s);
    let v = w.view();
    let root = v.root();
    write(v, "replace", b"new");
    v.set_mode_at(&root, b"mode", true, 0o640).unwrap();
    write(v, "deep/a/b/replace", b"new");
    write(v, "deep/a/b/added", b"added");
    for p in ["remove", "gone/x/one", "gone/two", "to-file/inner", "to-dir", "link", "link-gone"] {
        v.unlink_at(&root, p.as_bytes()).unwrap();
    }
    v.unlink_at(&root, b"odd-\xff\n").unwrap();
    for p in ["gone/x", "gone", "to-file", "empty"] {
        v.rmdir_at(&root, p.as_bytes()).unwrap();
    }
    write(v, "to-file", b"now a file");
    v.mkdir_at(&root, b"to-dir").unwrap();
    write(v, "to-dir/child", b"child");
    v.unlink_at(&root, b"one").unwrap();
    v.unlink_at(&root, b"two").unwrap();
    v.rename_at(&root, b"moved", &root, b"elsewhere").unwrap();
    v.symlink_at(b"deep", &root, b"link").unwrap();
    v.mkdir_at(&root, b"new").unwrap();
    write(v, "new/file", b"file");
    v.link_at(&root, b"new/file", false, &root, b"new/hard").unwrap();
    v.set_mode_at(&root, b"new", true, 0o555).unwrap();
    v.set_mode_at(&root, b"modes", true, 0o700).unwrap();
    v.set_mode_at(&root, b"closed", true, 0o755).unwrap();
    write(v, "closed/g", b"g");
    v.set_mode_at(&root, b"closed", true, 0o555).unwrap();
    w.finish().unwrap();
}

#[test]
fn an_undo_puts_back_contents_kinds_modes_links_and_times() {
    let base = tempfile::tempdir().unwrap();
    rich(base.path());
    let old = whole(base.path());
    let d = open(base.path());
    let s = begin(&d, "everything at once");
    change(&s);
    let new = {
        commit(&d, s.id()).unwrap();
        whole(base.path())
    };
    let observer = begin(&d, "sees the base as of landing 1");
    let undone = undo(&d, 1).unwrap();
    assert_eq!(undone.landing, Some(2));
    let now = whole(base.path());
    for path in old.keys().chain(now.keys()) {
        assert_eq!(now.get(path), old.get(path), "{}", String::from_utf8_lossy(path));
    }
    // T17: who began before the undo sees none of it.
    let v = observer.view(Default::default()).unwrap();
    assert_eq!(common::read(&v, "replace").unwrap(), b"new");
    assert_eq!(common::read(&v, "remove"), None);
    drop(v);
    d.rollback(observer.id(), false).unwrap();
    let e = undo(&d, 1).unwrap_err();
    assert!(matches!(e, UndoError::AlreadyUndone { landing: 1, by: 2 }), "{e}");
    // An undo of the undo brings all of it again, and then the first can be undone again.
    assert_eq!(undo(&d, 2).unwrap().landing, Some(3));
    let again = whole(base.path());
    for path in new.keys().chain(again.keys()) {
        assert_eq!(again.get(path), new.get(path), "{}", String::from_utf8_lossy(path));
    }
    assert_eq!(undo(&d, 1).unwrap().landing, Some(4));
    assert_eq!(whole(base.path()), old);
    assert_eq!(state(base.path(), "sessions"), Vec::<String>::new());
    let log = d.log(&LogFilter::default()).unwrap().landings;
    let of: Vec<_> = log.iter().map(|l| (l.landing, l.undo_of, l.undone_by)).collect();
    assert_eq!(
        of,
        [(4, Some(1), None), (3, Some(2), None), (2, Some(1), Some(3)), (1, None, Some(4))]
    );
    assert!(log.iter().all(|l| l.undoable));
    assert_eq!(log[2].goal.as_deref(), Some("undo of landing 1: everything at once"));
}

#[test]
fn later_landings_and_drift_on_its_paths_are_conflicts_and_nothing_changes() {
    // T22
    let base = tempfile::tempdir().unwrap();
    for f in ["a", "b", "c", "d", "e"] {
        fs::write(base.path().join(f), "old").unwrap();
    }
    let d = open(base.path());
    let first = begin(&d, "first");
    let w = writer(&first);
    for f in ["a", "b", "c", "d"] {
        write(w.view(), f, b"first");
    }
    w.view().mkdir_at(&w.view().root(), b"made").unwrap();
    write(w.view(), "made/f", b"first");
    w.finish().unwrap();
    commit(&d, first.id()).unwrap();
    land(&d, &[("a", b"second"), ("e", b"second"), ("made/second", b"")]);
    fs::write(base.path().join("b"), "drift").unwrap();
    fs::remove_file(base.path().join("c")).unwrap();
    fs::write(base.path().join("made/drift"), "").unwrap();
    let before = whole(base.path());
    let e = undo(&d, 1).unwrap_err();
    assert_eq!(e.code(), "CONFLICT");
    let text = e.to_string();
    assert!(text.starts_with("CONFLICT: landing 1 cannot be undone"), "{text}");
    let by: BTreeMap<_, _> =
        e.conflicts().iter().map(|c| (c.path.to_string(), &c.theirs)).collect();
    assert_eq!(
        by.keys().collect::<Vec<_>>(),
        ["a", "b", "c", "made/drift", "made/second"],
        "{text}"
    );
    assert!(matches!(by["a"], Theirs::Landing { number: 2, .. }), "{text}");
    assert!(matches!(by["b"], Theirs::Drift { what: What::Modified }), "{text}");
    assert!(matches!(by["c"], Theirs::Drift { what: What::Removed }), "{text}");
    assert!(matches!(by["made/second"], Theirs::Landing { number: 2, .. }), "{text}");
    assert!(matches!(by["made/drift"], Theirs::Drift { what: What::Added }), "{text}");
    assert_eq!(whole(base.path()), before);
    for sub in ["sessions", "staging", "trash"] {
        assert_eq!(state(base.path(), sub), Vec::<String>::new(), "{sub}");
    }
    assert_eq!(d.landing().unwrap(), 2);
    // The later one can be undone, and is no conflict any more when it is.
    undo(&d, 2).unwrap();
    let e = undo(&d, 1).unwrap_err();
    let paths: Vec<_> = e.conflicts().iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["b", "c", "made/drift"], "{e}");
}

#[test]
fn a_link_in_the_way_of_a_path_leads_no_undo_astray() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("d")).unwrap();
    fs::create_dir_all(base.path().join("e")).unwrap();
    let d = open(base.path());
    land(&d, &[("d/f", b"landed")]);
    fs::rename(base.path().join("d"), base.path().join("was-d")).unwrap();
    fs::write(base.path().join("e/f"), "landed").unwrap();
    symlink("e", base.path().join("d")).unwrap();
    let before = whole(base.path());
    assert_eq!(undo(&d, 1).unwrap_err().code(), "CONFLICT");
    assert_eq!(whole(base.path()), before);
}

#[test]
fn what_cannot_be_undone_says_why() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "old").unwrap();
    let d = open(base.path());
    for k in [0, 1, u64::MAX] {
        let e = undo(&d, k).unwrap_err();
        assert!(matches!(e, UndoError::Unknown { .. }), "{e}");
    }
    // An aborted one.
    struct Fail;
    impl Hook for Fail {
        fn verdict(&self, op: Op) -> Verdict {
            if op == Op::Exchange { Verdict::Fail(libc::EIO) } else { Verdict::Go }
        }
    }
    let bad = open_door(base.path(), Door::with_hook(std::sync::Arc::new(Fail)));
    let s = begin(&bad, "fails");
    edit(&s, &[("f", b"new")]);
    assert_eq!(commit(&bad, s.id()).unwrap_err().code(), "LANDING_FAILED");
    assert_eq!(undo(&d, 1).unwrap_err().code(), "LANDING_ABORTED");
    assert!(d.log(&LogFilter::default()).unwrap().landings.is_empty());
    // A pre-image that was edited through an old handle: only what is whole comes back.
    let handle = fs::File::options().append(true).open(base.path().join("f")).unwrap();
    drop(handle);
    commit(&d, s.id()).unwrap();
    let slot = fs::read_dir(base.path().join(".brio/landings/2"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.file_name().unwrap() == "s0")
        .unwrap();
    fs::write(&slot, "late").unwrap();
    assert_eq!(undo(&d, 2).unwrap_err().code(), "PRE_IMAGE_DAMAGED");
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"new");
    // One that was collected, with its record and without.
    let none = GcOptions { window: Some(Duration::ZERO), ..GcOptions::default() };
    d.gc_with(&none).unwrap();
    assert_eq!(undo(&d, 2).unwrap_err().code(), "LANDING_COLLECTED");
    land(&d, &[("g", b"")]);
    land(&d, &[("h", b"")]);
    d.gc_with(&none).unwrap();
    assert_eq!(state(base.path(), "landings"), ["4"]);
    let text = undo(&d, 2).unwrap_err().to_string();
    assert!(text.contains("window 30 days, quota 10 %"), "{text}");
    assert_eq!(undo(&d, 1).unwrap_err().code(), "LANDING_ABORTED", "its number was burned");
    let log = d.log(&LogFilter::default()).unwrap().landings;
    assert_eq!(
        log.iter().map(|l| (l.landing, l.undoable)).collect::<Vec<_>>(),
        [(4, false), (3, false), (2, false)]
    );
}

#[test]
fn what_was_removed_comes_back_with_owner_and_attributes() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("dir")).unwrap();
    fs::write(base.path().join("dir/f"), "f").unwrap();
    fs::write(base.path().join("kept"), "old").unwrap();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let at = |p: &str| base.path().join(p);
    let mut attributes = true;
    for p in ["dir", "dir/f", "kept"] {
        if root {
            std::os::unix::fs::chown(at(p), Some(1234), Some(5678)).unwrap();
        }
        let f = fs::File::open(at(p)).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        attributes &= rustix::fs::fsetxattr(&f, "user.mine", p.as_bytes(), flags).is_ok();
    }
    if !root {
        common::skipped("the owner of what an undo brings back: needs root");
    }
    let d = open(base.path());
    let s = begin(&d, "");
    let w = writer(&s);
    w.view().unlink_at(&w.view().root(), b"dir/f").unwrap();
    w.view().rmdir_at(&w.view().root(), b"dir").unwrap();
    write(w.view(), "kept", b"new");
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    undo(&d, 1).unwrap();
    for p in ["dir", "dir/f", "kept"] {
        let m = fs::metadata(at(p)).unwrap();
        if root {
            assert_eq!((m.uid(), m.gid()), (1234, 5678), "{p}");
        }
        if attributes {
            let mut value = [0; 16];
            let n = rustix::fs::getxattr(at(p), "user.mine", &mut value[..]).unwrap();
            assert_eq!(&value[..n], p.as_bytes());
        }
    }
    assert_eq!(fs::read(at("kept")).unwrap(), b"old");
}

#[test]
fn a_landing_that_recovery_finished_is_logged_and_undone_as_any_other() {
    struct Stop;
    impl Hook for Stop {
        fn verdict(&self, op: Op) -> Verdict {
            if op == Op::Exchange { Verdict::StopAfter } else { Verdict::Go }
        }
    }
    let base = tempfile::tempdir().unwrap();
    let logs: Vec<_> = [false, true]
        .map(|crash| {
            let base = tempfile::tempdir().unwrap();
            fs::write(base.path().join("f"), "old").unwrap();
            fs::write(base.path().join("gone"), "old").unwrap();
            let old = whole(base.path());
            let d = open(base.path());
            let d = match crash {
                true => open_door(base.path(), Door::with_hook(std::sync::Arc::new(Stop))),
                false => d,
            };
            let metadata = brio_landing::Metadata {
                goal: Some("goal".into()),
                agent: Some("agent".into()),
                task_id: Some("task".into()),
                ..Default::default()
            };
            let s = d.begin(brio_landing::BeginOptions { metadata, ..Default::default() }).unwrap();
            let w = writer(&s);
            write(w.view(), "f", b"new");
            w.view().unlink_at(&w.view().root(), b"gone").unwrap();
            w.view().mkdir_at(&w.view().root(), b"made").unwrap();
            w.finish().unwrap();
            let message = Some("why".to_owned());
            let options = brio_landing::CommitOptions { message, ..Default::default() };
            assert_eq!(d.commit(s.id(), options).is_err(), crash);
            drop(d);
            let d = open(base.path());
            let mut log = d.log(&LogFilter::default()).unwrap().landings;
            undo(&d, 1).unwrap();
            assert_eq!(whole(base.path()), old, "crash: {crash}");
            log[0].time = Default::default();
            log[0].session = None;
            log
        })
        .into();
    drop(base);
    assert_eq!(logs[0], logs[1]);
    let l = &logs[0][0];
    assert_eq!((l.added, l.modified, l.removed), (1, 1, 1));
    assert_eq!((l.goal.as_deref(), l.agent.as_deref()), (Some("goal"), Some("agent")));
    assert_eq!((l.task_id.as_deref(), l.message.as_deref()), (Some("task"), Some("why")));
}

#[test]
fn a_log_is_found_by_path_and_limit() {
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    land(&d, &[("a", b"1")]);
    land(&d, &[("b", b"1")]);
    land(&d, &[("a", b"2"), ("c", b"2")]);
    let numbers = |f: LogFilter| -> Vec<u64> {
        d.log(&f).unwrap().landings.iter().map(|l| l.landing).collect()
    };
    let path = |p: &str| Some(brio_session::RelPath::new(p).unwrap());
    assert_eq!(numbers(LogFilter::default()), [3, 2, 1]);
    assert_eq!(numbers(LogFilter { limit: Some(2), path: None }), [3, 2]);
    assert_eq!(numbers(LogFilter { limit: None, path: path("a") }), [3, 1]);
    assert_eq!(numbers(LogFilter { limit: Some(1), path: path("a") }), [3]);
    // The journal is gone: what is kept is known all the same.
    fs::write(base.path().join(".brio/journal"), "not a line\n").unwrap();
    assert_eq!(numbers(LogFilter::default()), [3, 2, 1]);
}

#[test]
fn an_undo_gives_way_to_the_quota() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), vec![1; 100_000]).unwrap();
    let d = open(base.path());
    land(&d, &[("f", b"new")]);
    let gone = GcOptions { quota: Some(Quota::Bytes(0)), ..GcOptions::default() };
    let done = d.gc_with(&gone).unwrap();
    assert_eq!(done.landings, [1]);
    assert!(done.bytes_freed >= 100_000);
    assert_eq!(undo(&d, 1).unwrap_err().code(), "LANDING_COLLECTED");
}

/// A domain whose operations pass a door.
fn open_door(base: &Path, door: Door) -> Domain {
    Domain::open(base, OpenOptions { door, ..options(None) }).unwrap().0
}

#[test]
fn an_undo_by_policy_takes_back_what_it_can() {
    let base = tempfile::tempdir().unwrap();
    let text = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
    for f in ["text", "same", "drift"] {
        fs::write(base.path().join(f), text).unwrap();
    }
    let d = open(base.path());
    let first = text.replace("two", "ZWEI");
    land(&d, &[("text", first.as_bytes()), ("same", first.as_bytes()), ("made", b"made\n")]);
    let second = first.replace("six", "SECHS");
    land(&d, &[("text", second.as_bytes())]);
    let by = |policy| d.undo(1, &UndoOptions { policy, ..UndoOptions::default() });
    assert_eq!(by(Policy::Reject).unwrap_err().code(), "CONFLICT");
    assert_eq!(by(Policy::Merge).unwrap().landing, Some(3));
    let now = |f: &str| fs::read_to_string(base.path().join(f)).unwrap();
    assert_eq!(now("text"), text.replace("six", "SECHS"), "the later landing's change stays");
    assert_eq!(now("same"), text);
    assert!(!base.path().join("made").exists());
    let log = d.log(&LogFilter::default()).unwrap().landings;
    assert_eq!((log[0].undo_of, log[2].undone_by), (Some(1), Some(3)));
    // What came from outside has taken the landing's own text: no merge buries it.
    land(&d, &[("drift", first.as_bytes())]);
    fs::write(base.path().join("drift"), first.replace("six", "mine")).unwrap();
    let by = |policy| d.undo(4, &UndoOptions { policy, ..UndoOptions::default() });
    let e = by(Policy::Merge).unwrap_err();
    assert_eq!((e.code(), e.conflicts().len()), ("CONFLICT", 1));
    assert_eq!(now("drift"), first.replace("six", "mine"));
    // Unless that is asked for.
    by(Policy::LastWriteWins).unwrap();
    assert_eq!(now("drift"), text);
    assert_eq!(state(base.path(), "sessions"), Vec::<String>::new());
}
