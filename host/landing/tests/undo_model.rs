//! Random landings, undone newest first, give back each earlier tree; with a session that looks
//! at one of them all the while.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use brio_landing::{Domain, UndoOptions};
use brio_session::{SetTime, Time, View};
use common::{begin, commit, open_keeping as open, scratch, write, writer};
use proptest::prelude::*;

const PATHS: [&str; 9] = ["a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/b"];

#[derive(Debug, Clone)]
enum Step {
    Write(usize, u8),
    Unlink(usize),
    Mkdir(usize),
    Rmdir(usize),
    Rename(usize, usize),
    Symlink(usize, usize),
    Link(usize, usize),
    Chmod(usize, u32),
    Times(usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let p = || 0..PATHS.len();
    prop_oneof![
        4 => (p(), 0..4u8).prop_map(|(p, c)| Step::Write(p, c)),
        3 => p().prop_map(Step::Unlink),
        3 => p().prop_map(Step::Mkdir),
        2 => p().prop_map(Step::Rmdir),
        2 => (p(), p()).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (p(), p()).prop_map(|(a, b)| Step::Symlink(a, b)),
        1 => (p(), p()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => (p(), prop_oneof![Just(0o700u32), Just(0o644), Just(0o555), Just(0o755)])
            .prop_map(|(p, m)| Step::Chmod(p, m)),
        1 => (p(), 0..100i64).prop_map(|(p, t)| Step::Times(p, t)),
    ]
}

/// What a view refuses is no step.
fn apply(v: &View, s: &Step) {
    let root = v.root();
    let at = |p: &usize| PATHS[*p].as_bytes();
    let _ = match s {
        Step::Write(p, c) => {
            let free = v.stat_at(&root, at(p), false).map(|m| m.kind);
            let parent = PATHS[*p].rsplit_once('/').map_or(".", |(d, _)| d);
            let inside = v.stat_at(&root, parent.as_bytes(), false);
            let into = inside.is_ok_and(|m| {
                m.kind == brio_session::Kind::Dir && (m.mode & 0o222 != 0 || free.is_ok())
            });
            let writable = v.stat_at(&root, at(p), false).map_or(0o200, |m| m.mode) & 0o222 != 0;
            if into && writable && free.is_ok_and(|k| k == brio_session::Kind::File)
                || into && free.is_err()
            {
                write(v, PATHS[*p], format!("{c} of {}", PATHS[*p]).repeat(*c as usize).as_bytes());
            }
            Ok(())
        }
        Step::Unlink(p) => v.unlink_at(&root, at(p)),
        Step::Mkdir(p) => v.mkdir_at(&root, at(p)),
        Step::Rmdir(p) => v.rmdir_at(&root, at(p)),
        Step::Rename(a, b) => v.rename_at(&root, at(a), &root, at(b)),
        Step::Symlink(to, p) => v.symlink_at(at(to), &root, at(p)),
        Step::Link(a, b) => v.link_at(&root, at(a), false, &root, at(b)),
        Step::Chmod(p, m) => v.set_mode_at(&root, at(p), false, *m),
        Step::Times(p, t) => {
            let t = SetTime::At(Time { secs: *t, nanos: 5 });
            v.set_times_at(&root, at(p), false, t, t)
        }
    };
}

type Tree = BTreeMap<Vec<u8>, (String, Option<(i64, i64)>)>;

fn tree(base: &Path) -> Tree {
    let mut out = Tree::new();
    walk(base, base, &mut out);
    out
}

fn walk(base: &Path, dir: &Path, out: &mut Tree) {
    for e in fs::read_dir(dir).unwrap() {
        let path = e.unwrap().path();
        if path.file_name().unwrap() == ".brio" {
            continue;
        }
        let m = path.symlink_metadata().unwrap();
        let mode = m.permissions().mode() & 0o7777;
        let what = if m.is_dir() {
            walk(base, &path, out);
            format!("dir {mode:o}")
        } else if m.is_symlink() {
            format!("link {:?}", fs::read_link(&path).unwrap())
        } else {
            format!("file {mode:o} {:?}", String::from_utf8_lossy(&fs::read(&path).unwrap()))
        };
        let name = path.strip_prefix(base).unwrap().as_os_str().as_bytes().to_vec();
        out.insert(name, (what, (!m.is_dir()).then(|| (m.mtime(), m.mtime_nsec()))));
    }
}

fn land(d: &Domain, steps: &[Step]) -> Option<u64> {
    let s = begin(d, "random");
    let w = writer(&s);
    for step in steps {
        apply(w.view(), step);
    }
    w.finish().unwrap();
    commit(d, s.id()).unwrap().landing
}

fn undo(d: &Domain, k: u64) -> u64 {
    let done = d.undo(k, &UndoOptions::default()).unwrap_or_else(|e| panic!("undo of {k}: {e}"));
    done.landing.unwrap_or_else(|| panic!("undo of {k} did nothing"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("BRIO_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
    ))]

    // T3: what landed is undone, and what was undone is done again.
    #[test]
    fn undoing_newest_first_gives_back_each_earlier_tree(
        work in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..6),
        looks_at in 0..6usize,
        redo in any::<bool>(),
    ) {
        let dir = tempfile::tempdir_in(scratch()).unwrap();
        let base = dir.path();
        fs::create_dir_all(base.join("d/e")).unwrap();
        fs::write(base.join("a"), "a").unwrap();
        fs::write(base.join("d/a"), "a in d").unwrap();
        fs::write(base.join("d/e/a"), "a in e").unwrap();
        let d = open(base);
        let mut before = Vec::new();
        let mut frozen = None;
        for (i, steps) in work.iter().enumerate() {
            if i == looks_at {
                let s = begin(&d, "looks");
                let seen = common::read(&s.view(Default::default()).unwrap(), "a");
                frozen = Some((s, seen));
            }
            let was = tree(base);
            if let Some(k) = land(&d, steps) {
                before.push((k, was, tree(base)));
            }
        }
        while let Some((k, was, is)) = before.pop() {
            let u = undo(&d, k);
            prop_assert_eq!(&tree(base), &was, "undo of {}", k);
            if redo {
                let again = undo(&d, u);
                prop_assert_eq!(&tree(base), &is, "undo of the undo of {}", k);
                undo(&d, again);
                prop_assert_eq!(&tree(base), &was, "and back");
            }
        }
        if let Some((s, seen)) = frozen {
            prop_assert_eq!(common::read(&s.view(Default::default()).unwrap(), "a"), seen);
        }
    }
}
