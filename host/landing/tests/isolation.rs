//! Isolation: what `snapshot` allows and `serializable` refuses.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Conflict, Domain, Isolation, Metadata, Policy,
    Session, Theirs, What,
};
use brio_session::{Handle, OpenOptions as Open, View, ViewOptions};
use common::{commit, edit, names, open, read, write, writer};

const BOTH: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

fn base() -> (tempfile::TempDir, Domain) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [("x", "1"), ("y", "1"), ("d/one", "1"), ("e/f/g", "1")] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let d = open(dir.path());
    (dir, d)
}

fn begin(d: &Domain, isolation: Isolation, goal: &str, parent: Option<&Session>) -> Session {
    let metadata = Metadata { goal: Some(goal.into()), ..Metadata::default() };
    let parent = parent.map(|p| p.id().clone());
    d.begin(BeginOptions { isolation, metadata, parent, ..BeginOptions::default() }).unwrap()
}

fn run(s: &Session, act: impl FnOnce(&View)) {
    let w = writer(s);
    act(w.view());
    w.finish().unwrap();
}

/// Two sessions of one state: `first` lands, then `second`. What came of the second.
fn race(
    isolation: Isolation,
    first: impl FnOnce(&View),
    second: impl FnOnce(&View),
) -> Result<(), Vec<Conflict>> {
    let (_dir, d) = base();
    let (a, b) = (begin(&d, isolation, "a", None), begin(&d, isolation, "b", None));
    run(&b, second);
    run(&a, first);
    commit(&d, a.id()).unwrap();
    match commit(&d, b.id()) {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { conflicts, .. }) => {
            // It is kept, and lands when less is asked for.
            let o = CommitOptions { isolation: Some(Isolation::Snapshot), ..Default::default() };
            let again = d.commit(b.id(), o);
            assert_eq!(again.is_ok(), conflicts.iter().all(|c| c.read));
            Err(conflicts)
        }
        Err(e) => panic!("{e}"),
    }
}

/// Allowed under snapshot; under serializable a conflict at this one path, which was read.
fn anomaly(path: &str, what: What, first: fn(&View), second: fn(&View)) {
    assert_eq!(race(Isolation::Snapshot, first, second), Ok(()));
    let conflicts = race(Isolation::Serializable, first, second).unwrap_err();
    let [c] = &conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(c.path.to_string(), path);
    assert!(c.read && c.ours.is_none(), "{c:?}");
    assert!(c.to_string().contains("(ours: read; theirs: "), "{c}");
    match &c.theirs {
        Theirs::Landing { number: 1, goal, what: did, .. } => {
            assert_eq!((goal.as_deref(), *did), (Some("a"), what));
        }
        other => panic!("{other:?}"),
    }
}

/// Allowed under both.
fn harmless(first: fn(&View), second: fn(&View)) {
    for isolation in BOTH {
        assert_eq!(race(isolation, first, second), Ok(()));
    }
}

#[test]
fn write_skew() {
    anomaly(
        "x",
        What::Modified,
        |v| {
            read(v, "y").unwrap();
            write(v, "x", b"0");
        },
        |v| {
            read(v, "x").unwrap();
            write(v, "y", b"0");
        },
    );
}

#[test]
fn a_phantom_in_a_listing() {
    let second = |v: &View| write(v, "count", format!("{}", names(v, "d").len()).as_bytes());
    anomaly("d/two", What::Added, |v| write(v, "d/two", b"2"), second);
    anomaly("d/one", What::Removed, |v| v.unlink_at(&v.root(), b"d/one").unwrap(), second);
    // What changes no name changes no listing.
    harmless(|v| write(v, "d/one", b"2"), second);
    harmless(|v| write(v, "e/two", b"2"), second);
}

#[test]
fn an_absence_that_ends() {
    let second = |v: &View| {
        assert!(v.stat_at(&v.root(), b"lock", true).is_err());
        write(v, "y", b"0");
    };
    anomaly("lock", What::Added, |v| write(v, "lock", b""), second);
    harmless(|v| write(v, "other-lock", b""), second);
}

#[test]
fn a_directory_that_was_read_and_goes() {
    let first = |v: &View| {
        v.unlink_at(&v.root(), b"e/f/g").unwrap();
        v.rmdir_at(&v.root(), b"e/f").unwrap();
    };
    let second = |v: &View| {
        assert_eq!(names(v, "e/f"), ["g"]);
        write(v, "y", b"0");
    };
    assert_eq!(race(Isolation::Snapshot, first, second), Ok(()));
    let conflicts = race(Isolation::Serializable, first, second).unwrap_err();
    let paths: Vec<_> = conflicts.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["e/f"]);
    assert!(conflicts.iter().all(|c| c.read));
}

#[test]
fn metadata_and_modes() {
    let first = |v: &View| v.set_mode_at(&v.root(), b"x", true, 0o600).unwrap();
    anomaly("x", What::Modified, first, |v| {
        v.stat_at(&v.root(), b"x", true).unwrap();
        write(v, "y", b"0");
    });
    harmless(first, |v| write(v, "y", b"0"));
}

#[test]
fn what_was_only_read_conflicts_with_nothing_that_was_only_read() {
    harmless(|v| write(v, "d/new", b"1"), |v| drop(read(v, "x")));
    let reads = |v: &View| drop((read(v, "x"), names(v, "d")));
    harmless(reads, reads);
    // A session that changes nothing read a snapshot.
    harmless(|v| write(v, "x", b"2"), reads);
}

#[test]
fn a_conflict_of_writes_is_told_as_one() {
    let both = |v: &View| {
        read(v, "x").unwrap();
        write(v, "x", b"2");
    };
    for isolation in BOTH {
        let conflicts = race(isolation, both, both).map_err(|c| c[0].clone()).unwrap_err();
        assert!(!conflicts.read && conflicts.ours.is_some());
    }
}

fn conflicts(r: Result<brio_landing::Landed, CommitError>) -> Vec<(String, bool)> {
    match r {
        Err(CommitError::Conflict { conflicts, .. }) => {
            conflicts.iter().map(|c| (c.path.to_string(), c.read)).collect()
        }
        Ok(_) => Vec::new(),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn drift_of_what_was_read() {
    type Edit = fn(&Path);
    let cases: [(&str, Edit); 5] = [
        ("x", |b| std::fs::write(b.join("x"), "edited").unwrap()),
        ("x", |b| std::fs::remove_file(b.join("x")).unwrap()),
        ("d", |b| std::fs::write(b.join("d/two"), "").unwrap()),
        ("none", |b| std::fs::write(b.join("none"), "").unwrap()),
        ("e", |b| std::fs::rename(b.join("e"), b.join("e2")).unwrap()),
    ];
    for (path, edit) in cases {
        for isolation in BOTH {
            let (dir, d) = base();
            let s = begin(&d, isolation, "reader", None);
            run(&s, |v| {
                read(v, "x").unwrap();
                names(v, "d");
                assert!(read(v, "none").is_none());
                v.stat_at(&v.root(), b"e", true).unwrap();
                write(v, "y", b"0");
            });
            edit(dir.path());
            let expected = match isolation {
                Isolation::Snapshot => Vec::new(),
                Isolation::Serializable => vec![(path.to_owned(), true)],
            };
            assert_eq!(conflicts(commit(&d, s.id())), expected, "{path}");
        }
    }
}

#[test]
fn a_file_that_changed_before_it_was_first_read_counts_as_changed() {
    let (dir, d) = base();
    let s = begin(&d, Isolation::Serializable, "late", None);
    // As young as that it could change again without a trace.
    std::fs::write(dir.path().join("x"), "edited").unwrap();
    run(&s, |v| {
        assert_eq!(read(v, "x").unwrap(), b"edited");
        write(v, "y", b"0");
    });
    assert_eq!(conflicts(commit(&d, s.id())), [("x".to_owned(), true)]);
}

#[test]
fn what_was_not_tracked_cannot_be_asked_for() {
    let (_dir, d) = base();
    let s = begin(&d, Isolation::Snapshot, "plain", None);
    edit(&s, &[("y", b"0")]);
    let o = || CommitOptions { isolation: Some(Isolation::Serializable), ..Default::default() };
    let e = d.commit(s.id(), o()).unwrap_err();
    assert!(matches!(e, CommitError::NotTracked { .. }) && e.code() == "NOT_TRACKED", "{e}");
    commit(&d, s.id()).unwrap();
    let s = begin(&d, Isolation::Serializable, "tracked", None);
    assert_eq!(s.info().unwrap().isolation, Isolation::Serializable);
    edit(&s, &[("y", b"1")]);
    d.commit(s.id(), o()).unwrap();
}

#[test]
fn reads_that_cannot_be_known_are_the_whole_tree() {
    let (_dir, d) = base();
    let s = begin(&d, Isolation::Serializable, "killed", None);
    let w = writer(&s);
    write(w.view(), "y", b"0");
    // No `finish`: the run was killed, and what it read went with it.
    drop(w);
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.code(), "READS_UNKNOWN", "{e}");
    let other = begin(&d, Isolation::Snapshot, "other", None);
    edit(&other, &[("d/one", b"2")]);
    commit(&d, other.id()).unwrap();
    assert_eq!(conflicts(commit(&d, s.id())), [("d/one".to_owned(), true)]);
    let o = CommitOptions { isolation: Some(Isolation::Snapshot), ..Default::default() };
    d.commit(s.id(), o).unwrap();
}

#[test]
fn what_several_runs_read_is_validated_together() {
    let (_dir, d) = base();
    let s = begin(&d, Isolation::Serializable, "runs", None);
    run(&s, |v| drop(read(v, "x")));
    run(&s, |v| write(v, "y", b"0"));
    s.checkpoint("then").unwrap();
    run(&s, |v| drop(names(v, "d")));
    for path in ["x", "d/two"] {
        let other = begin(&d, Isolation::Snapshot, "other", None);
        edit(&other, &[(path, b"2")]);
        commit(&d, other.id()).unwrap();
    }
    let both = [("d/two".to_owned(), true), ("x".to_owned(), true)];
    assert_eq!(conflicts(commit(&d, s.id())), both);
}

#[test]
fn what_a_child_read_its_parent_read() {
    for thrown_away in [false, true] {
        let (_dir, d) = base();
        let s = begin(&d, Isolation::Serializable, "parent", None);
        // It need not be said again.
        let child = begin(&d, Isolation::Snapshot, "child", Some(&s));
        assert_eq!(child.info().unwrap().isolation, Isolation::Serializable);
        run(&child, |v| {
            read(v, "x").unwrap();
            write(v, "child", b"");
        });
        if thrown_away {
            d.rollback(child.id(), false).unwrap();
        } else {
            commit(&d, child.id()).unwrap();
        }
        run(&s, |v| write(v, "y", b"by what the child found out"));
        let other = begin(&d, Isolation::Snapshot, "other", None);
        edit(&other, &[("x", b"2")]);
        commit(&d, other.id()).unwrap();
        assert_eq!(conflicts(commit(&d, s.id())), [("x".to_owned(), true)], "{thrown_away}");
    }
}

#[test]
fn siblings_are_isolated_from_each_other() {
    // What each side does; whether the second is refused, and where.
    type Act = fn(&View);
    let x_to_y: Act = |v| write(v, "y", &[&read(v, "x").unwrap()[..], b"+"].concat());
    let y_to_x: Act = |v| write(v, "x", &[&read(v, "y").unwrap()[..], b"-"].concat());
    let list_to_y: Act = |v| write(v, "y", names(v, "d").join(",").as_bytes());
    let cases: [(Act, Act, &[&str]); 4] = [
        (y_to_x, x_to_y, &["x"]),
        (|v| write(v, "d/two", b"2"), list_to_y, &["d/two"]),
        (|v| write(v, "e/two", b"2"), list_to_y, &[]),
        // Of what the parent itself had changed nobody noted what was read: it counts as read.
        (|v| write(v, "parents", b"2"), |v| write(v, "y", b"2"), &["parents"]),
    ];
    for (first, second, refused) in cases {
        for isolation in BOTH {
            let (_dir, d) = base();
            let s = begin(&d, isolation, "parent", None);
            edit(&s, &[("parents", b"1")]);
            let (a, b) = (begin(&d, isolation, "a", Some(&s)), begin(&d, isolation, "b", Some(&s)));
            run(&a, first);
            run(&b, second);
            commit(&d, a.id()).unwrap();
            let expected: Vec<_> = match isolation {
                Isolation::Snapshot => Vec::new(),
                Isolation::Serializable => {
                    refused.iter().map(|p| ((*p).to_owned(), true)).collect()
                }
            };
            assert_eq!(conflicts(commit(&d, b.id())), expected);
        }
    }
}

#[test]
fn a_live_restore_forgets_nothing_that_was_read() {
    let (_dir, d) = base();
    let s = begin(&d, Isolation::Serializable, "restored", None);
    let w = writer(&s);
    w.checkpoint("begin").unwrap();
    let how = Open { read: true, ..Open::default() };
    let Handle::File(f) = w.view().open_at(&w.view().root(), b"x", &how).unwrap() else { panic!() };
    assert_eq!(f.read_at(&mut [0], 0), Ok(1));
    w.restore("begin").unwrap();
    write(w.view(), "y", b"by what was read before");
    w.finish().unwrap();
    let other = begin(&d, Isolation::Snapshot, "other", None);
    edit(&other, &[("x", b"2")]);
    commit(&d, other.id()).unwrap();
    assert_eq!(conflicts(commit(&d, s.id())), [("x".to_owned(), true)]);
}

#[test]
fn a_session_below_the_root_reads_there() {
    let (dir, d) = base();
    let subdir = brio_session::RelPath::new("e").unwrap();
    let isolation = Isolation::Serializable;
    let s = d.begin(BeginOptions { subdir, isolation, ..BeginOptions::default() }).unwrap();
    run(&s, |v| {
        read(v, "f/g").unwrap();
        write(v, "new", b"0");
    });
    let other = begin(&d, Isolation::Snapshot, "other", None);
    edit(&other, &[("x", b"2")]);
    commit(&d, other.id()).unwrap();
    s.view(ViewOptions::default()).unwrap();
    std::fs::write(dir.path().join("e/f/g"), "edited").unwrap();
    assert_eq!(conflicts(commit(&d, s.id())), [("e/f/g".to_owned(), true)]);
}

#[test]
fn what_is_excluded_was_not_read() {
    let lower = brio_landing::LowerOptions { excludes: vec!["*.log".into()], ..Default::default() };
    for (added, refused) in [("d/build.log", false), ("d/two", true)] {
        let (_dir, d) = base();
        let isolation = Isolation::Serializable;
        let options = BeginOptions { lower: lower.clone(), isolation, ..BeginOptions::default() };
        let s = d.begin(options).unwrap();
        run(&s, |v| {
            assert!(v.stat_at(&v.root(), b"d/build.log", true).is_err());
            write(v, "y", names(v, "d").join(",").as_bytes());
        });
        let other = begin(&d, Isolation::Snapshot, "other", None);
        edit(&other, &[(added, b"2")]);
        commit(&d, other.id()).unwrap();
        assert_eq!(!conflicts(commit(&d, s.id())).is_empty(), refused, "{added}");
    }
}

#[test]
fn a_frozen_copy_is_read_like_the_base() {
    let wanted = brio_landing::WantedLower::Frozen;
    let lower = brio_landing::LowerOptions { wanted, ..Default::default() };
    for (changed, refused) in [("e/f/g", false), ("x", true)] {
        let (_dir, d) = base();
        let isolation = Isolation::Serializable;
        let options = BeginOptions { lower: lower.clone(), isolation, ..BeginOptions::default() };
        let s = d.begin(options).unwrap();
        run(&s, |v| {
            write(v, "y", &[&read(v, "x").unwrap()[..], names(v, "d")[0].as_bytes()].concat())
        });
        let other = begin(&d, Isolation::Snapshot, "other", None);
        edit(&other, &[(changed, b"2")]);
        commit(&d, other.id()).unwrap();
        assert_eq!(!conflicts(commit(&d, s.id())).is_empty(), refused, "{changed}");
    }
}

#[test]
fn no_policy_resolves_what_was_read() {
    for policy in [Policy::Merge, Policy::LastWriteWins] {
        for (changed, refused) in [("y", false), ("x", true)] {
            let (_dir, d) = base();
            let s = begin(&d, Isolation::Serializable, "reader", None);
            run(&s, |v| {
                read(v, "x").unwrap();
                v.set_mode_at(&v.root(), b"y", true, 0o600).unwrap();
            });
            let other = begin(&d, Isolation::Snapshot, "other", None);
            // The other side of `y` can be merged with a mode, or overridden.
            edit(&other, &[(changed, b"2")]);
            commit(&d, other.id()).unwrap();
            let done = d.commit(s.id(), CommitOptions { policy, ..Default::default() });
            let expected = if refused { vec![("x".to_owned(), true)] } else { Vec::new() };
            assert_eq!(conflicts(done), expected, "{policy:?}, {changed}");
        }
    }
}

#[test]
fn what_was_read_before_a_resolve_counts_after_it() {
    for (changed, refused) in [("y", false), ("x", true)] {
        let (_dir, d) = base();
        let s = begin(&d, Isolation::Serializable, "reader", None);
        run(&s, |v| {
            read(v, "x").unwrap();
            v.set_mode_at(&v.root(), b"y", true, 0o600).unwrap();
        });
        d.resolve(s.id(), brio_landing::ResolveOptions::default()).unwrap();
        let other = begin(&d, Isolation::Snapshot, "other", None);
        edit(&other, &[(changed, b"2")]);
        commit(&d, other.id()).unwrap();
        let options = CommitOptions { policy: Policy::Merge, ..Default::default() };
        let expected = if refused { vec![("x".to_owned(), true)] } else { Vec::new() };
        assert_eq!(conflicts(d.commit(s.id(), options)), expected, "{changed}");
    }
}
