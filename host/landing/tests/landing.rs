//! Landings next to each other: disjoint ones, conflicts, drift, late edits, nesting.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, RollbackError, Theirs, Warning, What,
};
use brio_session::{FsError, Handle, OpenOptions as Open, RelPath, ViewOptions};
use common::{begin, commit, edit, names, open, options, read, state, tree, write, writer};

#[test]
fn disjoint_sessions_of_one_state_both_land() {
    // T1, B-041
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("dir")).unwrap();
    fs::write(base.path().join("dir/a"), "a").unwrap();
    let d = open(base.path());
    let (one, two) = (begin(&d, "one"), begin(&d, "two"));
    edit(&one, &[("dir/a", b"one"), ("x", b"x")]);
    edit(&two, &[("dir/b", b"two"), ("y", b"y")]);
    for s in [&one, &two] {
        let w = writer(s);
        w.view().mkdir_at(&w.view().root(), b"both").unwrap();
        w.finish().unwrap();
    }
    assert_eq!(commit(&d, one.id()).unwrap().landing, Some(1));
    assert_eq!(
        commit(&d, two.id()).unwrap().landing,
        Some(2),
        "the same directory made by both is no conflict"
    );
    assert_eq!(fs::read(base.path().join("dir/a")).unwrap(), b"one");
    assert_eq!(fs::read(base.path().join("dir/b")).unwrap(), b"two");
    assert_eq!(d.landing().unwrap(), 2);
    assert_eq!(d.sessions().unwrap().len(), 0);
}

#[test]
fn a_conflict_names_every_path_both_sides_and_the_landing() {
    // T8, B-014, B-080, B-081
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("a"), "a").unwrap();
    fs::write(base.path().join("b"), "b").unwrap();
    fs::write(base.path().join("c"), "c").unwrap();
    let d = open(base.path());
    let (one, two) = (begin(&d, "rename things"), begin(&d, "other"));
    edit(&one, &[("a", b"1"), ("b", b"1")]);
    edit(&two, &[("a", b"2"), ("b", b"2"), ("c", b"2"), ("d", b"2")]);
    commit(&d, one.id()).unwrap();
    fs::write(base.path().join("c"), "edited outside").unwrap();
    let before = tree(base.path());
    let e = commit(&d, two.id()).unwrap_err();
    assert!(e.to_string().starts_with("CONFLICT: "), "{e}");
    assert_eq!(e.code(), "CONFLICT");
    let CommitError::Conflict { conflicts, .. } = &e else { panic!("{e}") };
    let paths: Vec<_> = conflicts.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["a", "b", "c"]);
    assert!(
        matches!(&conflicts[0].theirs, Theirs::Landing { number: 1, goal: Some(g), what: What::Modified, .. } if g == "rename things")
    );
    assert!(matches!(&conflicts[2].theirs, Theirs::Drift { what: What::Modified }));
    assert!(e.to_string().contains("rename things"));
    assert_eq!(tree(base.path()), before);
    // B-063: the session is kept, its work is there, and it can be edited on.
    let info = d.session(two.id()).unwrap().info().unwrap();
    assert_eq!(info.state, brio_landing::State::Conflicted);
    assert_eq!(read(&two.view(ViewOptions::default()).unwrap(), "a").unwrap(), b"2");
}

#[test]
fn the_mode_of_a_directory_above_is_not_the_sessions_doing() {
    // B-080, T22: what another did there since is no change of ours, and stays.
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("dir")).unwrap();
    fs::write(base.path().join("dir/f"), "old").unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    edit(&s, &[("dir/f", b"new")]);
    fs::set_permissions(base.path().join("dir"), PermissionsExt::from_mode(0o711)).unwrap();
    let set = s.view(Default::default()).unwrap().changes().unwrap();
    assert_eq!(set.changes.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), ["dir/f"]);
    commit(&d, s.id()).unwrap();
    let mode = fs::metadata(base.path().join("dir")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o711);
    assert_eq!(fs::read(base.path().join("dir/f")).unwrap(), b"new");
}

#[test]
fn drift_of_every_kind_is_found() {
    // B-080, T22
    type Edit = fn(&std::path::Path);
    let edits: [(&str, Edit); 6] = [
        ("content", |b| fs::write(b.join("dir/f"), "XX").unwrap()),
        ("mode", |b| {
            fs::set_permissions(b.join("dir/f"), PermissionsExt::from_mode(0o600)).unwrap()
        }),
        ("removed", |b| fs::remove_file(b.join("dir/f")).unwrap()),
        ("replaced", |b| {
            fs::write(b.join("dir/n"), "ab").unwrap();
            fs::rename(b.join("dir/n"), b.join("dir/f")).unwrap();
        }),
        ("parent replaced", |b| {
            fs::rename(b.join("dir"), b.join("was")).unwrap();
            fs::create_dir(b.join("dir")).unwrap();
            fs::rename(b.join("was/f"), b.join("dir/f")).unwrap();
        }),
        ("same size and times", |b| {
            let f = fs::File::options().write(true).open(b.join("dir/f")).unwrap();
            let was = f.metadata().unwrap().modified().unwrap();
            fs::write(b.join("dir/f"), "zz").unwrap();
            f.set_modified(was).unwrap();
        }),
    ];
    for after_touch in [true, false] {
        for (what, drift) in edits {
            let base = tempfile::tempdir().unwrap();
            fs::create_dir(base.path().join("dir")).unwrap();
            fs::write(base.path().join("dir/f"), "ab").unwrap();
            let d = open(base.path());
            let s = begin(&d, "");
            if !after_touch {
                // Before the first touch only what moves the ctime of the file can be told.
                if ["removed", "replaced", "parent replaced"].contains(&what) {
                    continue;
                }
                drift(base.path());
            }
            edit(&s, &[("dir/f", b"ours")]);
            if after_touch {
                drift(base.path());
            }
            let before = tree(base.path());
            let e = commit(&d, s.id()).expect_err(what);
            assert!(!e.conflicts().is_empty(), "{what}, after touch {after_touch}: {e}");
            assert_eq!(tree(base.path()), before, "{what}");
        }
    }
}

#[test]
fn what_others_put_into_a_directory_that_goes_is_a_conflict() {
    // T22
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("dir")).unwrap();
    fs::write(base.path().join("dir/a"), "a").unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    let w = writer(&s);
    w.view().rename_at(&w.view().root(), b"dir", &w.view().root(), b"moved").unwrap();
    w.finish().unwrap();
    fs::write(base.path().join("dir/new"), "outside").unwrap();
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.conflicts()[0].path.to_string(), "dir/new");
    fs::remove_file(base.path().join("dir/new")).unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("moved/a")).unwrap(), b"a");
    assert!(!base.path().join("dir").exists());
}

#[test]
fn a_directory_that_both_made_keeps_what_others_put_into_it() {
    // T22: what is moved into place keeps its change time, which is older than the session.
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("old")).unwrap();
    fs::write(base.path().join("old/theirs"), "theirs").unwrap();
    fs::write(base.path().join("old/both"), "theirs").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let d = open(base.path());
    let (one, two) = (begin(&d, ""), begin(&d, ""));
    for (s, file) in [(&one, "dir/ours"), (&two, "dir/both")] {
        let w = writer(s);
        w.view().mkdir_at(&w.view().root(), b"dir").unwrap();
        write(w.view(), file, b"ours");
        w.finish().unwrap();
    }
    fs::rename(base.path().join("old"), base.path().join("dir")).unwrap();
    commit(&d, one.id()).unwrap();
    let e = commit(&d, two.id()).unwrap_err();
    assert_eq!(e.conflicts()[0].path.to_string(), "dir/both");
    for (name, content) in [("theirs", "theirs"), ("both", "theirs"), ("ours", "ours")] {
        assert_eq!(fs::read_to_string(base.path().join("dir").join(name)).unwrap(), content);
    }
}

#[test]
fn an_open_session_sees_none_of_what_lands() {
    // T17: within one process, and through a domain that was opened separately.
    let base = tempfile::tempdir().unwrap();
    for (p, c) in [("dir/a", "a"), ("dir/b", "b"), ("dir/c", "c"), ("top", "top"), ("gone/x", "x")]
    {
        fs::create_dir_all(base.path().join(p).parent().unwrap()).unwrap();
        fs::write(base.path().join(p), c).unwrap();
    }
    let (d, e) = (open(base.path()), open(base.path()));
    let reader = begin(&e, "looks on");
    let view = reader.view(ViewOptions::default()).unwrap();
    let seen = |v: &brio_session::View| {
        let mut all = Vec::new();
        for p in ["", "dir", "gone"] {
            all.extend(names(v, if p.is_empty() { "." } else { p }));
        }
        for p in ["dir/a", "dir/b", "dir/c", "top", "gone/x", "dir/new", "gone", "fresh/f"] {
            all.push(format!("{p}: {:?}", read(v, p)));
            let meta = v
                .stat_at(&v.root(), p.as_bytes(), false)
                .map(|m| (m.kind, m.size, m.mode, m.mtime));
            all.push(format!("{meta:?}"));
        }
        all
    };
    let before = seen(&view);
    for round in 0..3 {
        let s = begin(&d, "changes it");
        let w = writer(&s);
        let v = w.view();
        let root = v.root();
        match round {
            0 => {
                write(v, "dir/a", b"changed");
                v.unlink_at(&root, b"dir/b").unwrap();
                write(v, "dir/new", b"new");
                v.unlink_at(&root, b"gone/x").unwrap();
                v.rmdir_at(&root, b"gone").unwrap();
                v.set_mode_at(&root, b"dir", true, 0o700).unwrap();
            }
            1 => {
                write(v, "dir/a", b"again");
                write(v, "dir/b", b"back");
                write(v, "gone", b"a file now");
                v.mkdir_at(&root, b"fresh").unwrap();
                write(v, "fresh/f", b"f");
            }
            _ => {
                v.rename_at(&root, b"dir", &root, b"dir2").unwrap();
                write(v, "top", b"over");
            }
        }
        w.finish().unwrap();
        commit(&d, s.id()).unwrap();
        assert_eq!(seen(&view), before, "round {round}, a view that was open");
        let late = reader.view(ViewOptions::default()).unwrap();
        assert_eq!(seen(&late), before, "round {round}, a view opened later");
        let third =
            open(base.path()).session(reader.id()).unwrap().view(ViewOptions::default()).unwrap();
        assert_eq!(seen(&third), before, "round {round}, another domain handle");
    }
    assert_eq!(state(base.path(), "landings").len(), 3, "pinned by the reader");
    e.rollback(reader.id(), false).unwrap();
    assert_eq!(state(base.path(), "landings"), ["3"], "the newest stays as a witness");
    assert_eq!(state(base.path(), "landings/3"), ["collected", "end", "intent"]);
}

#[test]
fn a_child_lands_in_its_parent_and_the_parent_in_the_base() {
    // B-042, B-043, T6
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "base").unwrap();
    let d = open(base.path());
    let parent = begin(&d, "parent");
    edit(&parent, &[("f", b"parent"), ("p", b"p")]);
    let child = |goal: &str| {
        let metadata = brio_landing::Metadata { goal: Some(goal.into()), ..Default::default() };
        d.begin(BeginOptions { parent: Some(parent.id().clone()), metadata, ..Default::default() })
            .unwrap()
    };
    let (one, two) = (child("exp-1"), child("exp-2"));
    edit(&one, &[("f", b"one")]);
    edit(&two, &[("f", b"two"), ("q", b"q")]);
    assert_eq!(read(&one.view(ViewOptions::default()).unwrap(), "p").unwrap(), b"p");
    let e = commit(&d, parent.id()).unwrap_err();
    assert!(matches!(&e, CommitError::OpenChildren { children, .. } if children.len() == 2), "{e}");
    assert!(matches!(d.rollback(parent.id(), false), Err(RollbackError::OpenChildren { .. })));
    d.rollback(one.id(), false).unwrap();
    let landed = commit(&d, two.id()).unwrap();
    assert_eq!(landed.parent.as_ref(), Some(parent.id()));
    let paths: Vec<_> = landed.changes.changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["f", "q"], "only what the child changed");
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"base");
    assert!(d.session(two.id()).is_err());
    assert_eq!(d.sessions().unwrap().len(), 1);
    assert_eq!(read(&parent.view(ViewOptions::default()).unwrap(), "f").unwrap(), b"two");
    commit(&d, parent.id()).unwrap();
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"two");
    assert_eq!(fs::read(base.path().join("q")).unwrap(), b"q");
    assert_eq!(state(base.path(), "sessions").len(), 0);
}

#[test]
fn a_child_conflicts_with_what_its_parent_changed_since() {
    // B-042, T8
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "base").unwrap();
    fs::create_dir(base.path().join("d")).unwrap();
    let d = open(base.path());
    let parent = begin(&d, "parent");
    let child =
        d.begin(BeginOptions { parent: Some(parent.id().clone()), ..Default::default() }).unwrap();
    edit(&child, &[("f", b"child"), ("d/x", b"x")]);
    let w = writer(&parent);
    write(w.view(), "f", b"parent");
    w.view().rmdir_at(&w.view().root(), b"d").unwrap();
    w.finish().unwrap();
    let e = commit(&d, child.id()).unwrap_err();
    assert_eq!(e.conflicts().len(), 2, "{e}");
    assert!(matches!(e.conflicts()[0].theirs, Theirs::Parent { .. }));
    assert!(e.to_string().starts_with("CONFLICT: "));
    d.rollback(child.id(), false).unwrap();
    commit(&d, parent.id()).unwrap();
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"parent");
}

#[test]
fn a_live_parent_begins_and_takes_children() {
    // B-042: as a guest does it, while its own session is being written.
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "base").unwrap();
    let d = open(base.path());
    let parent = begin(&d, "parent");
    let w = writer(&parent);
    write(w.view(), "p", b"1");
    let how = Open { read: true, write: true, ..Open::default() };
    let Handle::File(handle) = w.view().open_at(&w.view().root(), b"p", &how).unwrap() else {
        panic!()
    };
    let child = w.begin_child(BeginOptions::default()).unwrap();
    handle.write_at(b"2", 0).unwrap();
    assert_eq!(
        read(&child.view(ViewOptions::default()).unwrap(), "p").unwrap(),
        b"1",
        "sealed when it began"
    );
    let grand = {
        let cw = writer(&child);
        write(cw.view(), "c", b"c");
        let grand = cw.begin_child(BeginOptions::default()).unwrap();
        edit(&grand, &[("g", b"g")]);
        cw.commit_child(grand.id(), CommitOptions::default()).unwrap();
        assert_eq!(read(cw.view(), "g").unwrap(), b"g");
        cw.finish().unwrap();
        grand
    };
    w.commit_child(child.id(), CommitOptions::default()).unwrap();
    assert_eq!(read(w.view(), "c").unwrap(), b"c");
    assert_eq!(read(w.view(), "g").unwrap(), b"g");
    handle.write_at(b"3", 0).unwrap();
    w.finish().unwrap();
    assert!(d.session(grand.id()).is_err());
    commit(&d, parent.id()).unwrap();
    assert_eq!(tree(base.path()).len(), 4);
    assert_eq!(fs::read(base.path().join("p")).unwrap(), b"3");
    assert_eq!(state(base.path(), "sessions").len(), 0);
}

#[test]
fn a_handle_that_outlives_its_session_writes_nowhere() {
    // T21
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    let w = writer(&s);
    write(w.view(), "f", b"landed");
    let how = Open { read: true, write: true, ..Open::default() };
    let view = w.view().clone();
    let Handle::File(handle) = view.open_at(&view.root(), b"f", &how).unwrap() else { panic!() };
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "SESSION_BUSY", "a live run is refused");
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(handle.write_at(b"AFTER", 0), Err(FsError::Stale));
    assert!(view.stat_at(&view.root(), b"f", true).is_err());
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"landed");
    assert_eq!(
        fs::metadata(base.path().join("f")).unwrap().nlink(),
        1,
        "no layer holds on to what landed"
    );
}

#[test]
fn a_file_that_an_editor_writes_is_busy() {
    // T21
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "base").unwrap();
    let d = open(base.path());
    let s = begin(&d, "");
    edit(&s, &[("f", b"ours")]);
    let editor = fs::File::options().append(true).open(base.path().join("f")).unwrap();
    let e = commit(&d, s.id()).unwrap_err();
    assert!(matches!(e.conflicts(), [c] if c.theirs == Theirs::Busy), "{e}");
    drop(editor);
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"ours");
}

#[test]
fn a_hard_link_outside_cannot_change_a_pre_image() {
    // T21, T17
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("a"), "both").unwrap();
    fs::hard_link(base.path().join("a"), base.path().join("b")).unwrap();
    let d = open(base.path());
    let (reader, s, other) = (begin(&d, "reads"), begin(&d, "writes"), begin(&d, "the other name"));
    edit(&other, &[("b", b"other")]);
    edit(&s, &[("a", b"ours")]);
    let landed = commit(&d, s.id()).unwrap();
    assert!(landed.changes.changes[0].link_broken);
    // The displacement moved the ctime of the shared inode: that is ours, not drift.
    commit(&d, other.id()).unwrap();
    let view = reader.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&view, "a").unwrap(), b"both");
    assert_eq!(read(&view, "b").unwrap(), b"both");
}

#[test]
fn a_late_edit_is_reported_and_kept() {
    // T21, T22: an edit through an old handle, after the exchange. A hook makes it in time.
    use brio_session::{Door, Hook, Op, Verdict};
    struct AfterExchange(
        std::sync::Mutex<Option<std::path::PathBuf>>,
        std::sync::atomic::AtomicUsize,
    );
    impl Hook for AfterExchange {
        fn verdict(&self, op: Op) -> Verdict {
            // The syncfs after apply: find the slot and write into it, as an old handle would.
            if op == Op::SyncFs && self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                let path = self.0.lock().unwrap().take().unwrap();
                fs::write(path, "edited late").unwrap();
            }
            Verdict::Go
        }
    }
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "old").unwrap();
    let s = begin(&open(base.path()), "");
    edit(&s, &[("f", b"ours")]);
    let slot = base.path().join(".brio/landings/1/s0");
    let door = Door::with_hook(std::sync::Arc::new(AfterExchange(
        std::sync::Mutex::new(Some(slot)),
        0.into(),
    )));
    let d = common::open_door(base.path(), door);
    let landed = commit(&d, s.id()).unwrap();
    let [Warning::LateEdit { path, kept }] = &landed.warnings[..] else {
        panic!("{:?}", landed.warnings)
    };
    assert_eq!(path.to_string(), "f");
    assert_eq!(fs::read(kept).unwrap(), b"edited late");
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"ours");
    d.gc().unwrap();
    assert_eq!(fs::read(kept).unwrap(), b"edited late", "never collected");
}

#[test]
fn an_edit_between_validation_and_apply_is_a_conflict() {
    // T22, B-060
    use brio_session::{Door, Hook, Op, Verdict};
    struct AtSeal(std::path::PathBuf, fn(&std::path::Path));
    impl Hook for AtSeal {
        fn verdict(&self, op: Op) -> Verdict {
            if op == Op::Seq && !self.0.join("done").exists() {
                fs::write(self.0.join("done"), "").unwrap();
                (self.1)(&self.0);
            }
            Verdict::Go
        }
    }
    type Edit = fn(&std::path::Path);
    let edits: [(&str, Edit); 4] = [
        ("modify", |b| fs::write(b.join("f"), "edited in the window").unwrap()),
        ("remove", |b| fs::remove_file(b.join("f")).unwrap()),
        ("appear", |b| fs::write(b.join("new"), "theirs").unwrap()),
        ("edit what goes", |b| fs::write(b.join("goes"), "edited in the window").unwrap()),
    ];
    for (what, drift) in edits {
        let base = tempfile::tempdir().unwrap();
        for f in ["a", "f", "goes"] {
            fs::write(base.path().join(f), "old").unwrap();
        }
        let s = begin(&open(base.path()), "");
        let w = writer(&s);
        for f in ["a", "f", "new"] {
            write(w.view(), f, b"ours");
        }
        w.view().unlink_at(&w.view().root(), b"goes").unwrap();
        w.finish().unwrap();
        let d = common::open_door(
            base.path(),
            Door::with_hook(std::sync::Arc::new(AtSeal(base.path().into(), drift))),
        );
        let e = commit(&d, s.id()).expect_err(what);
        assert_eq!(e.code(), "CONFLICT", "{what}: {e}");
        let mut want = tree(base.path());
        fs::remove_file(base.path().join("done")).unwrap();
        want.remove(&b"done"[..]);
        let mut expected = std::collections::BTreeMap::new();
        for f in ["a", "f", "goes"] {
            expected.insert(f.as_bytes().to_vec(), "file 644 \"old\"".to_owned());
        }
        match what {
            "modify" => {
                drop(expected.insert(b"f".to_vec(), "file 644 \"edited in the window\"".into()))
            }
            "remove" => drop(expected.remove(&b"f"[..])),
            "appear" => drop(expected.insert(b"new".to_vec(), "file 644 \"theirs\"".into())),
            _ => {
                drop(expected.insert(b"goes".to_vec(), "file 644 \"edited in the window\"".into()))
            }
        }
        assert_eq!(want, expected, "{what}");
        d.session(s.id()).unwrap();
    }
}

#[test]
fn a_session_of_a_directory_below_the_root_lands_there() {
    // T20
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("sub/dir")).unwrap();
    fs::write(base.path().join("sub/dir/f"), "old").unwrap();
    let d = open(base.path());
    let (below, subdir) = Domain::open(&base.path().join("sub/dir"), options(None)).unwrap();
    assert_eq!((below.claim_id(), subdir.to_string().as_str()), (d.claim_id(), "sub/dir"));
    let s = below.begin(BeginOptions { subdir: subdir.clone(), ..Default::default() }).unwrap();
    assert_eq!(names(&s.view(ViewOptions::default()).unwrap(), "."), ["f"]);
    edit(&s, &[("f", b"new"), ("g", b"g")]);
    let landed = commit(&d, s.id()).unwrap();
    assert_eq!(landed.changes.changes[0].path.to_string(), "sub/dir/f");
    assert_eq!(fs::read(base.path().join("sub/dir/f")).unwrap(), b"new");
    // The directory itself replaced: found by its inode.
    let s = below.begin(BeginOptions { subdir, ..Default::default() }).unwrap();
    edit(&s, &[("h", b"h")]);
    fs::rename(base.path().join("sub"), base.path().join("was")).unwrap();
    fs::create_dir_all(base.path().join("sub/dir")).unwrap();
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.code(), "CONFLICT", "{e}");
    let missing = BeginOptions { subdir: RelPath::new("nowhere").unwrap(), ..Default::default() };
    assert_eq!(d.begin(missing).err().unwrap().code(), "BASE_NOT_A_DIRECTORY");
}

/// Does something at the N-th sync of a landing, and may fail or stop there.
struct AtSync {
    n: usize,
    seen: std::sync::atomic::AtomicUsize,
    verdict: brio_session::Verdict,
    act: Box<dyn Fn() + Send + Sync>,
}

impl brio_session::Hook for AtSync {
    fn verdict(&self, op: brio_session::Op) -> brio_session::Verdict {
        if op == brio_session::Op::SyncFs
            && self.seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == self.n
        {
            (self.act)();
            return self.verdict;
        }
        brio_session::Verdict::Go
    }
}

fn at_sync(
    n: usize,
    verdict: brio_session::Verdict,
    act: impl Fn() + Send + Sync + 'static,
) -> brio_session::Door {
    let hook = AtSync { n, seen: 0.into(), verdict, act: Box::new(act) };
    brio_session::Door::with_hook(std::sync::Arc::new(hook))
}

#[test]
fn edits_between_a_crash_and_its_recovery_stay() {
    // T22: the process dies after apply, before anything is known to be durable; somebody edits.
    let base = tempfile::tempdir().unwrap();
    for f in ["replaced", "removed", "pre-image"] {
        fs::write(base.path().join(f), "old").unwrap();
    }
    let s = begin(&open(base.path()), "");
    let w = writer(&s);
    for f in ["replaced", "added", "deleted", "pre-image"] {
        write(w.view(), f, b"ours");
    }
    w.view().unlink_at(&w.view().root(), b"removed").unwrap();
    w.finish().unwrap();
    let d = common::open_door(base.path(), at_sync(1, brio_session::Verdict::Stop, || {}));
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "RECOVERY_NEEDED");
    let write_over = |f: &str| {
        fs::write(base.path().join("tmp"), "edited later").unwrap();
        fs::rename(base.path().join("tmp"), base.path().join(f)).unwrap();
    };
    write_over("replaced");
    fs::write(base.path().join("added"), "edited in place").unwrap();
    fs::write(base.path().join("removed"), "made again").unwrap();
    fs::remove_file(base.path().join("deleted")).unwrap();
    let d = open(base.path());
    let read = |f: &str| fs::read_to_string(base.path().join(f)).ok();
    assert_eq!(read("replaced").as_deref(), Some("edited later"));
    assert_eq!(read("added").as_deref(), Some("edited in place"));
    assert_eq!(read("removed").as_deref(), Some("made again"));
    assert_eq!(read("deleted"), None);
    assert_eq!(read("pre-image").as_deref(), Some("ours"));
    assert!(d.session(s.id()).is_err(), "it has landed");
    assert_eq!(d.landing().unwrap(), 1);
    let journal = d.journal_entries().unwrap();
    assert_eq!(journal.iter().filter(|e| e.what == "landed").count(), 1);
}

#[test]
fn a_landing_that_met_an_edit_before_its_crash_gives_way_to_it() {
    // T22: the edit came between validation and exchange, the crash right after.
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "old").unwrap();
    let s = begin(&open(base.path()), "");
    edit(&s, &[("f", b"ours")]);
    let f = base.path().join("f");
    let slot = base.path().join(".brio/landings/1/s0");
    // As if outside had replaced the target just before the exchange.
    let act = move || {
        fs::remove_file(&slot).unwrap();
        fs::write(&slot, "edited in the window").unwrap();
    };
    let d = common::open_door(base.path(), at_sync(1, brio_session::Verdict::Stop, act));
    commit(&d, s.id()).unwrap_err();
    assert_eq!(fs::read(&f).unwrap(), b"ours");
    open(base.path());
    assert_eq!(fs::read(&f).unwrap(), b"edited in the window", "the later edit stays");
    assert_eq!(fs::read(base.path().join("f.brio-1")).unwrap(), b"ours", "ours is kept beside");
}

#[test]
fn a_session_never_writes_into_what_an_abort_left_in_the_base() {
    // T21, T22: our new file is edited in place before the abort: the edit stays, and the
    // session goes on with a file of its own.
    let base = tempfile::tempdir().unwrap();
    let s = begin(&open(base.path()), "");
    edit(&s, &[("f", b"ours"), ("g", b"ours")]);
    let f = base.path().join("f");
    let door = at_sync(1, brio_session::Verdict::Fail(libc::EIO), move || {
        fs::write(&f, "edited in place").unwrap()
    });
    let d = common::open_door(base.path(), door);
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.code(), "LANDING_FAILED", "{e}");
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"edited in place");
    assert!(!base.path().join("g").exists());
    edit(&s, &[("f", b"the session goes on"), ("g", b"on")]);
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"edited in place");
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
    fs::remove_file(base.path().join("f")).unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("f")).unwrap(), b"the session goes on");
}
