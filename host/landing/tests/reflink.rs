//! Frozen copies, copy-up and rollback on file systems that share blocks.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use brio_landing::{
    BeginError, BeginOptions, BoundaryKind, Domain, LowerInfo, LowerOptions, Method, Session,
    WantedLower, check_reflink_support,
};
use brio_session::{Handle, OpenOptions as Open, RelPath, View, ViewOptions};
use brio_tests::mounted::Mounted;
use brio_tests::skip::skip;
use common::{begin, commit, edit, names, open, read, state, writer};

const LARGE: u64 = 48 << 20;

fn freeze(d: &Domain) -> Session {
    let lower = LowerOptions { wanted: WantedLower::Frozen, ..LowerOptions::default() };
    d.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap()
}

fn method(s: &Session) -> (Method, Vec<Method>, u64) {
    match s.info().unwrap().lower {
        LowerInfo::Frozen(f) => {
            (f.method, f.not_used.into_iter().map(|n| n.method).collect(), f.bytes_copied)
        }
        other => panic!("it is not frozen: {other:?}"),
    }
}

fn look(s: &Session) -> View {
    s.view(ViewOptions::default()).unwrap()
}

fn mounted(kind: &str, test: &str) -> Option<Mounted> {
    match Mounted::new(kind, 512, "") {
        Ok(m) => Some(m),
        Err(why) => {
            skip(test, &format!("no {kind} here: {why}"));
            None
        }
    }
}

fn subvolume(path: &Path) {
    let made = Command::new("btrfs").args(["subvolume", "create"]).arg(path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn fill(base: &Path) {
    fs::create_dir_all(base.join("dir")).unwrap();
    fs::write(base.join("dir/a.txt"), "one\n").unwrap();
    let mut byte = 1u8;
    let noise: Vec<u8> = (0..LARGE)
        .map(|_| {
            byte = byte.wrapping_mul(5).wrapping_add(17);
            byte
        })
        .collect();
    fs::write(base.join("large"), noise).unwrap();
}

/// Bytes that are in use on a file system, all of it written.
fn used(at: &Path) -> i64 {
    let root = File::open(at).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    let s = rustix::fs::fstatvfs(&root).unwrap();
    ((s.f_blocks - s.f_bfree) * s.f_frsize) as i64
}

fn first_byte(s: &Session) {
    let w = writer(s);
    let how = Open { read: true, write: true, ..Open::default() };
    let Handle::File(f) = w.view().open_at(&w.view().root(), b"large", &how).unwrap() else {
        panic!("a file")
    };
    f.write_at(b"!", 0).unwrap();
    drop(f);
    w.finish().unwrap();
}

#[test]
fn copy_up_shares_blocks_with_the_base() {
    // B-030, B-031, B-032
    for kind in ["xfs", "btrfs"] {
        let Some(m) = mounted(kind, "copy_up_shares_blocks_with_the_base") else { continue };
        let base = m.dir("base");
        fill(&base);
        assert!(check_reflink_support(&base), "{kind}");
        let d = open(&base);
        let s = begin(&d, "a live one");
        let before = used(&base);
        first_byte(&s);
        let grown = used(&base) - before;
        assert!(grown < (LARGE / 4) as i64, "{kind}: {grown} bytes for one");
        assert_eq!(fs::read(base.join("large")).unwrap()[0], 22, "the base is as it was");
        commit(&d, s.id()).unwrap();
        let now = fs::read(base.join("large")).unwrap();
        assert_eq!((now[0], now.len() as u64), (b'!', LARGE), "{kind}");
        assert!(check_reflink_support(&base));
    }
}

#[test]
fn a_frozen_copy_by_reflink_takes_no_room() {
    // B-030, B-032, T19
    for kind in ["xfs", "btrfs"] {
        let Some(m) = mounted(kind, "a_frozen_copy_by_reflink_takes_no_room") else { continue };
        // On btrfs a plain directory: no subvolume's root.
        let base = m.dir("base");
        fill(&base);
        let d = open(&base);
        let before = used(&base);
        let s = freeze(&d);
        assert_eq!(method(&s), (Method::Reflink, vec![Method::Snapshot], 0), "{kind}");
        assert!(used(&base) - before < (LARGE / 4) as i64, "{kind}: blocks are shared");
        let old = fs::read(base.join("large")).unwrap();
        fs::write(base.join("large"), "other").unwrap();
        fs::remove_file(base.join("dir/a.txt")).unwrap();
        assert!(read(&look(&s), "large").unwrap() == old, "{kind}");
        assert_eq!(read(&look(&s), "dir/a.txt").unwrap(), b"one\n");
        d.rollback(s.id(), false).unwrap();
        assert!(used(&base) - before < (1 << 20), "{kind}: and free again");
        for sub in ["sessions", "staging", "trash"] {
            assert!(state(&base, sub).is_empty(), "{kind}: {sub}");
        }
        // The first write of a frozen session shares as well.
        fill(&base);
        let s = freeze(&d);
        let before = used(&base);
        first_byte(&s);
        assert!(used(&base) - before < (LARGE / 4) as i64, "{kind}");
        commit(&d, s.id()).unwrap();
        assert_eq!(fs::read(base.join("large")).unwrap()[0], b'!');
    }
}

fn subvolume_base(m: &Mounted) -> PathBuf {
    let base = m.path().join("base");
    subvolume(&base);
    fill(&base);
    base
}

// M-038: btrfs is used where it is there, and needed nowhere.
#[test]
fn a_subvolume_is_frozen_by_snapshot() {
    // B-030, B-072, T19
    let Some(m) = mounted("btrfs", "a_subvolume_is_frozen_by_snapshot") else { return };
    let base = subvolume_base(&m);
    fs::write(base.join(".brioignore"), "*.log\n").unwrap();
    fs::write(base.join("x.log"), "hidden").unwrap();
    let d = open(&base);
    let before = used(&base);
    let s = freeze(&d);
    let t = d
        .begin(BeginOptions {
            subdir: RelPath::new("dir").unwrap(),
            lower: LowerOptions { wanted: WantedLower::Frozen, ..LowerOptions::default() },
            ..BeginOptions::default()
        })
        .unwrap();
    assert_eq!(method(&s), (Method::Snapshot, vec![], 0));
    assert_eq!(method(&t).0, Method::Snapshot);
    assert!(used(&base) - before < (LARGE / 4) as i64);
    assert_eq!(names(&look(&s), "."), [".brioignore", "dir", "large"]);
    assert_eq!(names(&look(&t), "."), ["a.txt"]);

    // The base goes on; a landing, too.
    fs::write(base.join("large"), "by hand").unwrap();
    let other = begin(&d, "other");
    edit(&other, &[("dir/a.txt", b"landed\n")]);
    commit(&d, other.id()).unwrap();
    assert_eq!(read(&look(&s), "large").unwrap().len() as u64, LARGE);
    assert_eq!(read(&look(&s), "dir/a.txt").unwrap(), b"one\n");
    assert_eq!(read(&look(&t), "a.txt").unwrap(), b"one\n");
    edit(&t, &[("a.txt", b"mine\n")]);
    let e = commit(&d, t.id()).unwrap_err();
    assert_eq!(e.conflicts().len(), 1, "{e}");
    first_byte(&s);
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
    d.rollback(t.id(), false).unwrap();
    d.rollback(s.id(), false).unwrap();
    for sub in ["sessions", "staging", "trash"] {
        assert!(state(&base, sub).is_empty(), "{sub}");
    }
    let list = Command::new("btrfs").args(["subvolume", "list"]).arg(&base).output().unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert_eq!(list.lines().count(), 1, "no snapshot is left: {list}");

    // What did not change lands, whether its fingerprint is the snapshot's or the base's.
    let s = freeze(&d);
    let w = writer(&s);
    let (v, r) = (w.view(), w.view().root());
    v.rename_at(&r, b"large", &r, b"dir/large").unwrap();
    v.unlink_at(&r, b"dir/a.txt").unwrap();
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.join("dir/large")).unwrap(), b"by hand");
    assert!(!base.join("dir/a.txt").exists() && base.join("x.log").exists());
}

#[test]
fn subvolumes_below_are_named_and_not_crossed() {
    let Some(m) = mounted("btrfs", "subvolumes_below_are_named_and_not_crossed") else { return };
    let base = subvolume_base(&m);
    subvolume(&base.join("dir/nested"));
    fs::write(base.join("dir/nested/inner"), "x").unwrap();
    let plain = m.dir("plain/dir");
    subvolume(&plain.join("nested"));
    for base in [base, m.path().join("plain")] {
        let d = open(&base);
        let lower = LowerOptions { wanted: WantedLower::Frozen, ..LowerOptions::default() };
        let options = BeginOptions { lower, ..BeginOptions::default() };
        let e = d.begin(options.clone()).err().unwrap();
        let BeginError::Boundaries { boundaries } = &e else { panic!("{e}") };
        assert_eq!(boundaries.len(), 1, "{e}");
        assert_eq!(boundaries[0].path.to_string(), "dir/nested");
        assert_eq!(boundaries[0].kind, BoundaryKind::Subvolume);
        assert!(state(&base, "staging").is_empty());
        let lower = LowerOptions { excludes: vec!["nested/".into()], ..options.lower };
        let s = d.begin(BeginOptions { lower, ..options }).unwrap();
        assert!(!names(&look(&s), "dir").contains(&"nested".to_owned()));
        // A session that is frozen already is no obstacle to the next.
        let lower = LowerOptions {
            wanted: WantedLower::Frozen,
            excludes: vec!["nested/".into()],
            ..LowerOptions::default()
        };
        d.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap();
    }
}

#[test]
fn a_snapshot_that_a_crash_left_is_removed() {
    // T5
    let Some(m) = mounted("btrfs", "a_snapshot_that_a_crash_left_is_removed") else { return };
    let base = subvolume_base(&m);
    drop(open(&base));
    use brio_session::{Door, Hook, Op, Verdict};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    struct Nth(AtomicU32, u32);
    impl Hook for Nth {
        fn verdict(&self, _: Op) -> Verdict {
            match self.0.fetch_add(1, Ordering::SeqCst) == self.1 {
                true => Verdict::StopAfter,
                false => Verdict::Go,
            }
        }
    }
    let mut whole = 0;
    for n in 0..40 {
        let door = Door::with_hook(Arc::new(Nth(AtomicU32::new(0), n)));
        let options = brio_landing::OpenOptions { door, ..common::options(None) };
        if let Ok((d, _)) = Domain::open(&base, options) {
            let lower = LowerOptions { wanted: WantedLower::Frozen, ..LowerOptions::default() };
            let _ = d.begin(BeginOptions { lower, ..BeginOptions::default() });
        }
        let d = open(&base);
        for s in d.sessions().unwrap() {
            whole += 1;
            let s = d.session(&s.id).unwrap();
            assert_eq!(read(&look(&s), "dir/a.txt").unwrap(), b"one\n", "at {n}");
            d.rollback(s.id(), false).unwrap();
        }
        d.gc().unwrap();
        for sub in ["sessions", "staging", "trash"] {
            assert!(state(&base, sub).is_empty(), "at {n}: {sub}");
        }
    }
    assert!(whole > 0);
    let inode = fs::metadata(&base).unwrap().ino();
    assert_eq!(inode, 256, "it was a subvolume's root all the time");
}
