//! A session on a tree against other trees of its project: conflicts by path, reads, and the
//! session put onto another tree.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/trees.rs"]
mod trees;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use brio_landing::{
    BeginOptions, Conflict, Domain, Isolation, LowerInfo, OpenOptions, Policy, RebaseOptions,
    ResolveOptions, Session, State, Take, Theirs, TreeInfo, What,
};
use brio_session::{FsError, RelPath, Verdict, View, ViewOptions};
use common::faults::{At, VERDICTS};
use common::{edit, names, read, write, writer};
use proptest::prelude::*;
use trees::{DirTrees, begin, on, open, options};

fn world() -> (tempfile::TempDir, Arc<DirTrees>) {
    (tempfile::tempdir_in(common::scratch()).unwrap(), DirTrees::new(true))
}

fn policy(policy: Policy) -> RebaseOptions {
    RebaseOptions { policy, ..RebaseOptions::default() }
}

fn paths(conflicts: &[Conflict]) -> Vec<String> {
    conflicts.iter().map(|c| c.path.to_string()).collect()
}

fn unlink(v: &View, path: &str) {
    v.unlink_at(&v.root(), path.as_bytes()).unwrap();
}

/// The same entry in two trees is the same, whatever their times; another one is a conflict by
/// its path, which says what the head did. Nothing is read for that.
#[test]
fn conflicts_are_by_path() {
    let (base, trees) = world();
    let d = open(base.path(), &trees);
    let was = trees.of(&[
        ("same", "s"),
        ("both", "b"),
        ("theirs", "t"),
        ("gone", "g"),
        ("dir/x", "x"),
        ("d2/y", "y"),
    ]);
    let now = trees.of(&[
        ("same", "s"),
        ("both", "B"),
        ("theirs", "T"),
        ("dir/x", "x"),
        ("dir/new", "n"),
        ("d2", "file"),
        ("made", "m"),
    ]);
    let s = begin(&d, &was);
    let w = writer(&s);
    for path in ["same", "both", "gone", "made", "d2/y"] {
        write(w.view(), path, b"ours");
    }
    unlink(w.view(), "dir/x");
    w.view().rmdir_at(&w.view().root(), b"dir").unwrap();
    w.finish().unwrap();
    let bytes = trees.asked.as_ref().unwrap().bytes();
    assert_eq!(s.conflicts_onto(&was).unwrap(), []);
    let conflicts = s.conflicts_onto(&now).unwrap();
    let told: Vec<_> = conflicts
        .iter()
        .map(|c| match &c.theirs {
            Theirs::Head { project, position: 2, what } if project == "org/name" => {
                (c.path.to_string(), *what)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let of = |p: &str, what| (p.to_owned(), what);
    assert_eq!(
        told,
        [
            of("both", What::Modified),
            of("d2", What::Replaced),
            of("d2/y", What::Removed),
            of("dir/new", What::Added),
            of("gone", What::Removed),
            of("made", What::Added)
        ]
    );
    assert_eq!(trees.asked.as_ref().unwrap().bytes(), bytes, "nothing is fetched to find out");
    assert!(conflicts[0].to_string().contains("head of org/name"), "{}", conflicts[0]);
}

/// What does not conflict is made again on the other tree; the live view follows.
#[test]
fn a_rebase_moves_the_session_and_its_view() {
    let (base, trees) = world();
    let d = open(base.path(), &trees);
    let was = trees.of(&[("a", "a"), ("b", "b"), ("dir/x", "x")]);
    let now = trees.of(&[("a", "a"), ("b", "landed"), ("dir/x", "x"), ("dir/new", "n")]);
    let s = begin(&d, &was);
    let w = writer(&s);
    write(w.view(), "a", b"ours");
    write(w.view(), "dir/own", b"own");
    let how = brio_session::OpenOptions { read: true, ..Default::default() };
    let brio_session::Handle::File(open_before) =
        w.view().open_at(&w.view().root(), b"a", &how).unwrap()
    else {
        panic!("a directory")
    };
    let done = w.rebase_onto(&now, RebaseOptions::default()).unwrap();
    assert!(done.moved && done.settled.is_empty());
    assert_eq!(read(w.view(), "b").unwrap(), b"landed");
    assert_eq!(names(w.view(), "dir"), ["new", "own", "x"]);
    assert_eq!(open_before.read_at(&mut [0], 0), Err(FsError::Stale));
    write(w.view(), "b", b"after");
    w.finish().unwrap();
    assert_eq!(s.info().unwrap().lower, LowerInfo::Tree(now.clone()));
    let v = s.view(ViewOptions::default()).unwrap();
    let changed: Vec<_> = v.changes().unwrap().changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(changed, ["a", "b", "dir/own"]);
    assert_eq!(s.conflicts_onto(&now).unwrap(), []);
    // Onto the same again nothing is to be done; only the position moves.
    let w = writer(&s);
    let again = TreeInfo { position: 9, ..now.clone() };
    assert!(!w.rebase_onto(&again, RebaseOptions::default()).unwrap().moved);
    w.finish().unwrap();
    assert_eq!(s.info().unwrap().lower.tree().unwrap().position, 9);
    assert_eq!(read(&s.view(ViewOptions::default()).unwrap(), "b").unwrap(), b"after");
}

/// Policies, markers and takes settle what both changed, as they do on a base.
#[test]
fn policies_and_resolves_settle_what_both_changed() {
    let lines = |what: &str| format!("one\n{what}\n\n\n\nlast\n");
    let (base, trees) = world();
    let d = open(base.path(), &trees);
    let was = trees.of(&[("text", &lines("two")), ("clash", "c\n"), ("bin", "\0old")]);
    let now = trees.of(&[
        ("text", &lines("two").replace("last", "LAST")),
        ("clash", "theirs\n"),
        ("bin", "\0new"),
    ]);
    let ours = |s: &Session| {
        edit(s, &[("text", lines("TWO").as_bytes()), ("clash", b"ours\n"), ("bin", b"\0ours")])
    };

    let s = begin(&d, &was);
    ours(&s);
    let w = writer(&s);
    for p in [Policy::Reject, Policy::Merge] {
        let e = w.rebase_onto(&now, policy(p)).err().unwrap();
        assert_eq!(e.code(), "CONFLICT");
        let unsettled: Vec<_> = e
            .conflicts()
            .iter()
            .filter(|c| p == Policy::Reject || c.unmerged.is_some())
            .map(|c| c.path.to_string())
            .collect();
        let want: &[&str] =
            if p == Policy::Reject { &["bin", "clash", "text"] } else { &["bin", "clash"] };
        assert_eq!(unsettled, want);
        assert_eq!(read(w.view(), "clash").unwrap(), b"ours\n");
        assert_eq!(s.info().unwrap().state, State::Conflicted);
    }
    let done = w.rebase_onto(&now, policy(Policy::LastWriteWins)).unwrap();
    assert_eq!(done.settled.len(), 3);
    assert_eq!(read(w.view(), "clash").unwrap(), b"ours\n");
    drop(w);

    let s = begin(&d, &was);
    ours(&s);
    let w = writer(&s);
    let e = w.resolve_onto(&now, ResolveOptions::default()).err().unwrap();
    assert_eq!(paths(e.conflicts()), ["bin"], "{e}");
    let takes = vec![(RelPath::new("bin").unwrap(), Take::Theirs)];
    let done = w.resolve_onto(&now, ResolveOptions { takes, ..Default::default() }).unwrap();
    assert_eq!((done.merged.len(), done.marked.len(), done.taken.len()), (1, 1, 1));
    assert_eq!(read(w.view(), "text").unwrap(), lines("TWO").replace("last", "LAST").as_bytes());
    assert_eq!(read(w.view(), "bin").unwrap(), b"\0new");
    let marked = String::from_utf8(read(w.view(), "clash").unwrap()).unwrap();
    for part in ["<<<<<<<", "ours\n", "theirs\n", "head of org/name, position 2"] {
        assert!(marked.contains(part), "{marked}");
    }
    drop(w);
    assert_eq!(paths_of(&s.info().unwrap().unresolved), ["clash"]);
    let w = writer(&s);
    let e = w.rebase_onto(&was, RebaseOptions::default()).err().unwrap();
    assert_eq!(e.code(), "UNRESOLVED");
}

fn paths_of(all: &[RelPath]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// What a serializable session read of one tree is held against another.
#[test]
fn reads_are_held_against_another_tree() {
    let (base, trees) = world();
    let d = open(base.path(), &trees);
    let was = trees.of(&[("read", "r"), ("listed/x", "x"), ("other", "o"), ("unread", "u")]);
    let same = trees.of(&[
        ("read", "r"),
        ("listed/x", "x"),
        ("other", "o"),
        ("unread", "U"),
        ("more", "m"),
    ]);
    let now = trees.of(&[
        ("read", "R"),
        ("listed/x", "x"),
        ("listed/new", "n"),
        ("other", "o"),
        ("absent", "a"),
        ("unread", "U"),
    ]);
    let s = d.begin(BeginOptions { isolation: Isolation::Serializable, ..on(&was) }).unwrap();
    let w = writer(&s);
    assert_eq!(read(w.view(), "read").unwrap(), b"r");
    assert_eq!(read(w.view(), "absent"), None);
    names(w.view(), "listed");
    write(w.view(), "other", b"by what it read");
    assert_eq!(s.reads_changed(&now).err().map(|e| e.code()), Some("READS_UNKNOWN"));
    w.view().sync().unwrap();
    assert_eq!(s.reads_changed(&was).unwrap(), []);
    assert_eq!(s.reads_changed(&same).unwrap(), []);
    let broken = s.reads_changed(&now).unwrap();
    assert_eq!(paths(&broken), ["absent", "listed", "read"]);
    assert!(broken.iter().all(|c| c.read && matches!(c.theirs, Theirs::Head { .. })));
    // A rebase does not forget them, and what is read after it is of the new tree.
    assert!(w.rebase_onto(&same, RebaseOptions::default()).unwrap().moved);
    assert_eq!(read(w.view(), "unread").unwrap(), b"U");
    w.view().sync().unwrap();
    assert_eq!(paths(&s.reads_changed(&now).unwrap()), ["absent", "listed", "read"]);
    assert_eq!(paths(&s.reads_changed(&was).unwrap()), ["unread"]);
    drop(w);
    let plain = begin(&d, &was);
    assert_eq!(plain.reads_changed(&now).err().unwrap().code(), "NOT_TRACKED");
}

#[test]
fn what_is_no_other_tree_of_its_project_is_refused() {
    let (base, trees) = world();
    let d = open(base.path(), &trees);
    let (was, now) = (trees.of(&[("f", "f")]), trees.of(&[("f", "g")]));
    let s = begin(&d, &was);
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() }).unwrap();
    assert_eq!(child.conflicts_onto(&now).err().unwrap().code(), "NOT_ON_TREE");
    assert_eq!(common::begin(&d, "live").conflicts_onto(&now).err().unwrap().code(), "NOT_ON_TREE");
    let w = writer(&s);
    let refused =
        |tree: TreeInfo| w.rebase_onto(&tree, RebaseOptions::default()).err().unwrap().code();
    assert_eq!(refused(now.clone()), "OPEN_CHILDREN");
    d.rollback(child.id(), false).unwrap();
    assert_eq!(refused(TreeInfo { project: "org/other".into(), ..now.clone() }), "TREE_INVALID");
    assert_eq!(refused(TreeInfo { tree: "sha256:xyz".into(), ..now.clone() }), "TREE_INVALID");
    let absent = TreeInfo { tree: format!("sha256:{}", "0".repeat(64)), ..now.clone() };
    assert_eq!(refused(absent), "UNREACHABLE");
    write(w.view(), "f", b"still writable");
    assert_eq!(s.info().unwrap().lower, LowerInfo::Tree(was));
}

/// Whatever fails or dies while it is rebased, it is wholly on the one or on the other tree, with
/// all that it changed, and so is its view.
#[test]
fn a_rebase_is_whole_whatever_dies() {
    for verdict in VERDICTS {
        for n in 0.. {
            let (base, trees) = world();
            let was = trees.of(&[("a", "a"), ("b", "b")]);
            let now = trees.of(&[("a", "a"), ("b", "B"), ("c", "c")]);
            let id = {
                let s = begin(&open(base.path(), &trees), &was);
                edit(&s, &[("a", b"ours"), ("new", b"own")]);
                s.id().clone()
            };
            let (at, door) = At::door(verdict);
            let (d, _) =
                Domain::open(base.path(), OpenOptions { door, ..options(&trees) }).unwrap();
            let w = writer(&d.session(&id).unwrap());
            at.arm(n);
            let before = at.seen();
            let done = w.rebase_onto(&now, RebaseOptions::default());
            let hit = at.seen() - before > n;
            if !matches!(verdict, Verdict::Stop | Verdict::StopAfter) {
                let seen = read(w.view(), "b").unwrap();
                let said = d.session(&id).unwrap().info().unwrap().lower;
                assert_eq!(seen == b"B", said == LowerInfo::Tree(now.clone()), "{verdict:?} {n}");
            }
            drop(w);
            let s = open(base.path(), &trees).session(&id).unwrap();
            let v = s.view(ViewOptions::default()).unwrap();
            let moved = s.info().unwrap().lower == LowerInfo::Tree(now.clone());
            assert!(moved || done.is_err(), "{verdict:?} {n}");
            assert_eq!(read(&v, "b").unwrap(), if moved { b"B" } else { b"b" }, "{verdict:?} {n}");
            assert_eq!(
                (read(&v, "a").unwrap(), read(&v, "new").unwrap()),
                (b"ours".to_vec(), b"own".to_vec())
            );
            assert_eq!(v.changes().unwrap().changes.len(), 2, "{verdict:?} {n}");
            drop(v);
            // It can be tried again.
            let w = writer(&s);
            assert_eq!(w.rebase_onto(&now, RebaseOptions::default()).unwrap().moved, !moved);
            assert_eq!(read(w.view(), "b").unwrap(), b"B");
            if !hit {
                assert!(n > 5, "{n}");
                break;
            }
        }
    }
}

/// What one of three sides does to a path.
#[derive(Debug, Clone)]
enum Do {
    Write(usize, usize),
    Remove(usize),
    Mode(usize, u32),
}

const PATHS: [&str; 6] = ["a", "b", "d/a", "d/b", "d/e/a", "f/x"];

fn text(n: usize) -> String {
    let mut lines: Vec<_> = (0..8).map(|i| format!("line {i}\n")).collect();
    lines[n % 8] = format!("changed {n}\n");
    lines.concat()
}

fn act() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0..PATHS.len(), 0..6usize).prop_map(|(p, n)| Do::Write(p, n)),
        1 => (0..PATHS.len()).prop_map(Do::Remove),
        1 => (0..PATHS.len(), prop_oneof![Just(0o600), Just(0o755)]).prop_map(|(p, m)| Do::Mode(p, m)),
    ]
}

fn in_dir(dir: &Path, acts: &[Do]) {
    for act in acts {
        match act {
            Do::Write(p, n) => {
                let at = dir.join(PATHS[*p]);
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                let fresh = !at.exists();
                std::fs::write(&at, text(*n)).unwrap();
                if fresh {
                    std::fs::set_permissions(&at, PermissionsExt::from_mode(0o644)).unwrap();
                }
            }
            Do::Remove(p) => drop(std::fs::remove_file(dir.join(PATHS[*p]))),
            Do::Mode(p, mode) => {
                drop(std::fs::set_permissions(
                    dir.join(PATHS[*p]),
                    PermissionsExt::from_mode(*mode),
                ));
            }
        }
    }
}

fn in_view(v: &View, acts: &[Do]) {
    let root = v.root();
    for act in acts {
        match act {
            Do::Write(p, n) => {
                for up in RelPath::new(PATHS[*p]).unwrap().ancestors().skip(1) {
                    let _ = v.mkdir_at(&root, up.as_bytes());
                }
                write(v, PATHS[*p], text(*n).as_bytes());
            }
            Do::Remove(p) => {
                let _ = v.unlink_at(&root, PATHS[*p].as_bytes());
            }
            Do::Mode(p, mode) => {
                let _ = v.set_mode_at(&root, PATHS[*p].as_bytes(), false, *mode);
            }
        }
    }
}

/// What a view shows: kind, mode and content.
fn shown(v: &View) -> BTreeMap<String, (u32, Option<Vec<u8>>)> {
    fn walk(v: &View, at: &RelPath, out: &mut BTreeMap<String, (u32, Option<Vec<u8>>)>) {
        let dir = if at.is_root() { ".".to_owned() } else { at.to_string() };
        for name in names(v, &dir) {
            let path = at.join(name.as_bytes());
            let m = v.stat_at(&v.root(), path.as_bytes(), false).unwrap();
            let content = read(v, &path.to_string());
            out.insert(path.to_string(), (m.mode, content));
            if m.kind == brio_session::Kind::Dir {
                walk(v, &path, out);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(v, &RelPath::root(), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// The oracle is the same done on directories: a live session on the first tree's directory,
    /// where the second one's changes are landed by another session; then rebased there.
    #[test]
    fn a_rebase_on_trees_is_one_on_directories(
        first in prop::collection::vec(act(), 3..10),
        ours in prop::collection::vec(act(), 0..6),
        theirs in prop::collection::vec(act(), 0..6),
        policy in prop_oneof![Just(Policy::Reject), Just(Policy::Merge), Just(Policy::LastWriteWins)],
    ) {
        let (base, trees) = world();
        let was = trees.add(|dir| in_dir(dir, &first));
        let d = open(base.path(), &trees);
        let on_tree = begin(&d, &was);

        let other = tempfile::tempdir_in(common::scratch()).unwrap();
        in_dir(other.path(), &first);
        let live = common::open(other.path());
        let (on_dir, lands) = (common::begin(&live, "ours"), common::begin(&live, "theirs"));

        for s in [&on_tree, &on_dir] {
            let w = writer(s);
            in_view(w.view(), &ours);
            w.finish().unwrap();
        }
        let w = writer(&lands);
        in_view(w.view(), &theirs);
        w.finish().unwrap();
        common::commit(&live, lands.id()).unwrap();
        let now = trees.add(|dir| copy(other.path(), dir));

        let found = on_dir.conflicts().unwrap();
        prop_assert_eq!(paths(&on_tree.conflicts_onto(&now).unwrap()), paths(&found));
        let w = writer(&on_tree);
        let a = w.rebase_onto(&now, RebaseOptions { policy, ..RebaseOptions::default() });
        let b = on_dir.rebase(&RebaseOptions { policy, ..RebaseOptions::default() });
        prop_assert_eq!(a.as_ref().err().map(|e| e.code()), b.as_ref().err().map(|e| e.code()));
        let seen = |s: &Session| shown(&s.view(ViewOptions::default()).unwrap());
        prop_assert_eq!(&shown(w.view()), &seen(&on_dir));
        drop(w);
        prop_assert_eq!(&seen(&on_tree), &seen(&on_dir));
        if let (Ok(a), Ok(b)) = (a, b) {
            prop_assert_eq!(a.settled, b.settled);
            let changed = |s: &Session| {
                let set = s.view(ViewOptions::default()).unwrap().changes().unwrap();
                set.changes.iter().map(|c| (c.path.to_string(), c.kind)).collect::<Vec<_>>()
            };
            prop_assert_eq!(changed(&on_tree), changed(&on_dir));
        }
    }
}

/// A directory without its state, modes and all.
fn copy(from: &Path, to: &Path) {
    for e in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if e.file_name() == ".brio" {
            continue;
        }
        let at = to.join(e.file_name());
        if e.file_type().unwrap().is_dir() {
            std::fs::create_dir(&at).unwrap();
            copy(&e.path(), &at);
            std::fs::set_permissions(&at, e.metadata().unwrap().permissions()).unwrap();
        } else {
            std::fs::copy(e.path(), &at).unwrap();
        }
    }
}
