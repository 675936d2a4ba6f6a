//! Sessions on a frozen copy of their base, wherever the tests run.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use brio_landing::{
    BeginError, BeginOptions, BoundaryKind, Domain, FrozenInfo, LowerInfo, LowerOptions, Method,
    ResolveOptions, Session, Short, SpaceGuards, Take, Theirs, WantedLower, check_reflink_support,
};
use brio_session::{Door, FsError, Hook, Kind, Op, RelPath, Verdict, View, ViewOptions};
use brio_tests::mounted::Mounted;
use brio_tests::skip::skip;
use common::{begin, commit, edit, names, open, open_door, read, state, tree, write, writer};
use rustix::fs::{FlockOperation, flock};

fn options(excludes: &[&str]) -> BeginOptions {
    let excludes = excludes.iter().map(|p| (*p).to_owned()).collect();
    let lower = LowerOptions { wanted: WantedLower::Frozen, excludes, ..LowerOptions::default() };
    BeginOptions { lower, ..BeginOptions::default() }
}

fn freeze(d: &Domain) -> Session {
    d.begin(options(&[])).unwrap()
}

fn info(s: &Session) -> FrozenInfo {
    match s.info().unwrap().lower {
        LowerInfo::Frozen(f) => f,
        other => panic!("it is not frozen: {other:?}"),
    }
}

fn look(s: &Session) -> View {
    s.view(ViewOptions::default()).unwrap()
}

/// Everything that a base may hold.
fn fill(base: &Path) {
    fs::create_dir_all(base.join("dir/deep/empty")).unwrap();
    fs::create_dir(base.join("moves")).unwrap();
    fs::write(base.join("a.txt"), "one\n").unwrap();
    fs::write(base.join("dir/b.txt"), "two\n").unwrap();
    fs::write(base.join("dir-b"), "sorts between dir and dir/b.txt").unwrap();
    fs::write(base.join("moves/x"), "x").unwrap();
    fs::write(base.join("moves/y"), "y").unwrap();
    fs::write(base.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(base.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(base.join("zero"), "").unwrap();
    fs::hard_link(base.join("a.txt"), base.join("dir/again.txt")).unwrap();
    symlink("a.txt", base.join("link")).unwrap();
    symlink("/nowhere", base.join("dangling")).unwrap();
    fs::write(base.join("odd \n name \u{fc}"), "odd").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        base.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let mut sparse = File::create(base.join("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    sparse.seek(SeekFrom::Start(4 << 20)).unwrap();
    sparse.write_all(b"in the middle").unwrap();
}

/// Bytes on the disk below a path.
fn usage(path: &Path) -> u64 {
    let m = path.symlink_metadata().unwrap();
    let below = match m.is_dir() {
        true => fs::read_dir(path).unwrap().map(|e| usage(&e.unwrap().path())).sum(),
        false => 0,
    };
    m.blocks() * 512 + below
}

#[test]
fn a_frozen_session_sees_the_base_as_it_was_and_lands() {
    // B-030, B-031, B-034, T17
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let live = begin(&d, "the model");
    let s = freeze(&d);
    let (frozen, model) = (look(&s), look(&live));
    for path in [
        "a.txt",
        "dir",
        "dir/b.txt",
        "dir-b",
        "dir/again.txt",
        "run.sh",
        "zero",
        "link",
        "dangling",
        "fifo",
        "sparse",
        "dir/deep/empty",
        "odd \n name \u{fc}",
        "moves",
    ] {
        let stat = |v: &View| {
            let m = v.stat_at(&v.root(), path.as_bytes(), false).unwrap();
            (m.kind, m.ino, m.nlink, m.size, m.mode, m.mtime, m.ctime)
        };
        assert_eq!(stat(&frozen), stat(&model), "{path:?}");
        assert_eq!(read(&frozen, path), read(&model, path), "{path:?}");
    }
    for dir in [".", "dir", "dir/deep", "dir/deep/empty"] {
        assert_eq!(names(&frozen, dir), names(&model, dir), "{dir}");
    }
    let missing = |path: &[u8]| frozen.stat_at(&frozen.root(), path, false).unwrap_err();
    assert_eq!(missing(b"absent"), FsError::NotFound);
    assert_eq!(missing(b"absent/below"), FsError::NotFound);
    assert_eq!(missing(b"zero/below"), FsError::NotDirectory);
    assert_eq!(
        frozen.read_link_at(&frozen.root(), b"dangling").unwrap(),
        b"/nowhere",
        "a link is shown, not followed"
    );
    d.rollback(live.id(), false).unwrap();

    // The base changes in every way; the session sees nothing of it.
    let other = begin(&d, "another");
    edit(&other, &[("dir/b.txt", b"landed\n"), ("new.txt", b"landed\n")]);
    commit(&d, other.id()).unwrap();
    fs::write(base.path().join("run.sh"), "edited in place").unwrap();
    fs::remove_file(base.path().join("zero")).unwrap();
    fs::write(base.path().join("drifted"), "outside").unwrap();
    assert_eq!(read(&look(&s), "dir/b.txt").unwrap(), b"two\n");
    assert_eq!(read(&look(&s), "run.sh").unwrap(), b"#!/bin/sh\n");
    assert_eq!(read(&look(&s), "zero").unwrap(), b"");
    assert!(read(&look(&s), "new.txt").is_none() && read(&look(&s), "drifted").is_none());

    // What it changed and nobody else did lands; a moved directory takes along what it held.
    let w = writer(&s);
    let (v, r) = (w.view(), w.view().root());
    write(v, "a.txt", b"mine\n");
    write(v, "added", b"mine\n");
    v.rename_at(&r, b"moves", &r, b"moved").unwrap();
    v.unlink_at(&r, b"dir-b").unwrap();
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    fs::remove_file(base.path().join("fifo")).unwrap();
    let after = tree(base.path());
    let has = |p: &str| after.get(p.as_bytes()).cloned().unwrap_or_default();
    assert!(has("a.txt").contains("mine") && has("added").contains("mine"), "{after:?}");
    assert!(has("dir/again.txt").contains("one"), "the other name keeps the old content");
    assert!(has("moved/x").contains('x') && has("moves").is_empty() && has("dir-b").is_empty());
    assert!(has("dir/b.txt").contains("landed") && has("run.sh").contains("edited"));
    assert!(state(base.path(), "staging").is_empty() && state(base.path(), "sessions").is_empty());
}

#[test]
fn how_it_was_made_and_why_not_better_is_said() {
    // B-030, B-033, B-034
    let Ok(ext4) = Mounted::new("ext4", 64, "") else {
        return skip("how_it_was_made_and_why_not_better_is_said", "no ext4 image: not root?");
    };
    let base = ext4.dir("base");
    fill(&base);
    assert!(!check_reflink_support(&base));
    let s = freeze(&open(&base));
    let f = info(&s);
    assert_eq!(f.method, Method::Copy);
    let ways: Vec<_> = f.not_used.iter().map(|n| n.method).collect();
    assert_eq!(ways, [Method::Snapshot, Method::Reflink]);
    assert!(f.not_used[0].why.contains("not btrfs"), "{f:?}");
    assert!(f.not_used[1].why.contains("cannot share blocks"), "{f:?}");
    // Names of one file are copied once, holes not at all.
    assert_eq!(f.files, Some(9));
    assert!(f.bytes_copied < 64 << 10, "{f:?}");
    assert_eq!(f.unleased, 0);
    let sparse = fs::read(base.join("sparse")).unwrap();
    assert_eq!(read(&look(&s), "sparse").unwrap(), sparse);
    assert!(!check_reflink_support(&base), "nothing but the probe, and nothing is left of it");
    fs::remove_file(base.join("fifo")).unwrap();
    assert_eq!(tree(&base).len(), 16);
}

#[test]
fn conflicts_are_found_without_pre_images() {
    // B-080
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let (s, t) = (freeze(&d), freeze(&d));
    let other = begin(&d, "the other side");
    edit(&other, &[("dir/b.txt", b"theirs\n")]);
    let k = commit(&d, other.id()).unwrap().landing.unwrap();
    // Nobody keeps what was displaced: a frozen session does not read it.
    let slots = state(base.path(), &format!("landings/{k}"));
    assert!(slots.iter().all(|n| !n.starts_with('s')), "{slots:?}");
    let more = begin(&d, "one more");
    edit(&more, &[("more", b"x")]);
    commit(&d, more.id()).unwrap();
    d.gc().unwrap();

    edit(&s, &[("dir/b.txt", b"ours\n")]);
    let e = commit(&d, s.id()).unwrap_err();
    assert!(
        matches!(&e.conflicts()[0].theirs, Theirs::Landing { number, goal, .. }
            if *number == k && goal.as_deref() == Some("the other side")),
        "{e}"
    );
    d.rollback(s.id(), false).unwrap();
    fs::write(base.path().join("run.sh"), "by hand").unwrap();
    edit(&t, &[("run.sh", b"ours\n")]);
    let e = commit(&d, t.id()).unwrap_err();
    assert!(matches!(e.conflicts()[0].theirs, Theirs::Drift { .. }), "{e}");
    assert_eq!(fs::read(base.path().join("run.sh")).unwrap(), b"by hand");
}

#[test]
fn its_end_frees_the_copy() {
    // B-072, T19
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("big"), vec![7u8; 3 << 20]).unwrap();
    fs::create_dir(base.path().join("closed")).unwrap();
    fs::set_permissions(base.path().join("closed"), PermissionsExt::from_mode(0o555)).unwrap();
    let d = open(base.path());
    let brio = base.path().join(".brio");
    let usage = || {
        usage(&brio.join("sessions")) + usage(&brio.join("trash")) + usage(&brio.join("staging"))
    };
    let before = usage();
    let s = freeze(&d);
    let copied = info(&s).bytes_copied;
    let freed = d.rollback(s.id(), false).unwrap().bytes_freed;
    assert!(freed >= copied, "{freed} {copied}");
    assert_eq!(usage(), before);
    let s = freeze(&d);
    edit(&s, &[("x", b"y")]);
    commit(&d, s.id()).unwrap();
    assert_eq!(usage(), before);
}

#[test]
fn a_file_that_is_being_written_is_waited_for_or_named() {
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let held = File::options().append(true).open(base.path().join("dir/b.txt")).unwrap();
    let e = d.begin(options(&[])).err().unwrap();
    assert!(matches!(&e, BeginError::Changing { path } if path.to_string() == "dir/b.txt"), "{e}");
    assert_eq!(e.code(), "BASE_BUSY");
    assert!(state(base.path(), "staging").is_empty() && state(base.path(), "sessions").is_empty());
    // What is left out may be written.
    let s = d.begin(options(&["b.txt"])).unwrap();
    d.rollback(s.id(), false).unwrap();
    // Who is done soon is waited for.
    let done = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(40));
        (&held).write_all(b"the last line\n").unwrap();
    });
    let s = freeze(&d);
    done.join().unwrap();
    assert_eq!(read(&look(&s), "dir/b.txt").unwrap(), b"two\nthe last line\n");
}

#[test]
fn a_copy_is_never_torn_and_of_one_point_in_time() {
    let base = tempfile::tempdir().unwrap();
    let (first, second) = (base.path().join("1"), base.path().join("2"));
    let large = base.path().join("large");
    for f in [&first, &second] {
        fs::write(f, "00000000").unwrap();
    }
    fs::write(&large, vec![0u8; 1 << 20]).unwrap();
    for i in 0..200 {
        fs::write(base.path().join(format!("m{i}")), "between").unwrap();
    }
    let d = open(base.path());
    let stop = Arc::new(AtomicBool::new(false));
    let write_all = {
        let (stop, first, second, large) =
            (stop.clone(), first.clone(), second.clone(), large.clone());
        move || {
            let mut n = 0u32;
            // In bursts, or a begin could only give up.
            while !stop.load(Ordering::Relaxed) && n < 4000 {
                n += 1;
                fs::write(&first, format!("{n:08}")).unwrap();
                fs::write(&second, format!("{n:08}")).unwrap();
                let mut f = File::options().write(true).open(&large).unwrap();
                for _ in 0..16 {
                    f.write_all(&vec![n as u8; 1 << 16]).unwrap();
                }
                if n.is_multiple_of(20) {
                    std::thread::sleep(Duration::from_millis(60));
                }
            }
        }
    };
    let writer = std::thread::spawn(write_all);
    let (mut good, mut refused) = (0, 0);
    for _ in 0..6 {
        match d.begin(options(&[])) {
            Ok(s) => {
                let v = look(&s);
                let number = |p: &str| -> u32 {
                    String::from_utf8(read(&v, p).unwrap()).unwrap().parse().unwrap()
                };
                let (a, b) = (number("1"), number("2"));
                assert!(a == b || a == b + 1, "{a} was written before {b}");
                let bytes = read(&v, "large").unwrap();
                assert!(bytes.iter().all(|x| *x == bytes[0]), "torn");
                good += 1;
                d.rollback(s.id(), false).unwrap();
            }
            Err(BeginError::Changing { .. }) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(good + refused, 6);
    let s = freeze(&d);
    assert_eq!(read(&look(&s), "1"), read(&look(&s), "2"));
}

/// Does something at every operation of a kind.
struct At<F>(Op, AtomicU32, F);

impl<F: Fn(u32) -> Verdict + Send + Sync> Hook for At<F> {
    fn verdict(&self, op: Op) -> Verdict {
        if op == self.0 { (self.2)(self.1.fetch_add(1, Ordering::SeqCst)) } else { Verdict::Go }
    }
}

#[test]
fn no_lock_is_held_while_bytes_are_copied() {
    // T15
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let copied = Arc::new(AtomicU32::new(0));
    let hook = {
        let (path, copied) = (base.path().to_owned(), copied.clone());
        At(Op::Clone, AtomicU32::new(0), move |_| {
            let root = File::open(&path).unwrap();
            flock(&root, FlockOperation::NonBlockingLockExclusive).expect("nobody holds the lock");
            copied.fetch_add(1, Ordering::SeqCst);
            Verdict::Go
        })
    };
    let d = open_door(base.path(), Door::with_hook(Arc::new(hook)));
    freeze(&d);
    assert!(copied.load(Ordering::SeqCst) >= 9);
}

#[test]
fn a_landing_in_between_is_in_the_copy_or_not_at_all() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("z")).unwrap();
    for i in 0..20 {
        fs::write(base.path().join(format!("f{i:02}")), "old").unwrap();
        fs::write(base.path().join(format!("z/f{i:02}")), "old").unwrap();
    }
    // At the tenth copy somebody lands changes of what was copied, and of what was not yet.
    let path = base.path().to_owned();
    let hook = At(Op::Clone, AtomicU32::new(0), move |n| {
        if n == 10 {
            let d = open(&path);
            let s = begin(&d, "in between");
            edit(&s, &[("f00", b"new"), ("z/f00", b"new"), ("f19", b"new"), ("z/f19", b"new")]);
            commit(&d, s.id()).unwrap();
        }
        Verdict::Go
    });
    let d = open_door(base.path(), Door::with_hook(Arc::new(hook)));
    let s = freeze(&d);
    assert_eq!(s.info().unwrap().landing, 1, "it is of the later landing");
    for p in ["f00", "z/f00", "f19", "z/f19"] {
        assert_eq!(read(&look(&s), p).unwrap(), b"new", "{p}");
    }
    let d = open(base.path());
    edit(&s, &[("f00", b"ours")]);
    commit(&d, s.id()).unwrap();
}

#[test]
fn a_begin_that_is_killed_anywhere_leaves_a_whole_session_or_none() {
    // T5
    let base = tempfile::tempdir().unwrap();
    for i in 0..3 {
        fs::write(base.path().join(format!("f{i}")), "content").unwrap();
    }
    drop(open(base.path()));
    struct Nth(AtomicU32, u32);
    impl Hook for Nth {
        fn verdict(&self, _: Op) -> Verdict {
            match self.0.fetch_add(1, Ordering::SeqCst) == self.1 {
                true => Verdict::Stop,
                false => Verdict::Go,
            }
        }
    }
    for n in 0.. {
        let d = Domain::open(base.path(), common::options(None)).unwrap().0;
        drop(d);
        let door = Door::with_hook(Arc::new(Nth(AtomicU32::new(0), n)));
        let dead = Domain::open(
            base.path(),
            brio_landing::OpenOptions { door: door.clone(), ..common::options(None) },
        );
        let begun = match dead {
            Ok((d, _)) => d.begin(options(&[])).is_ok(),
            Err(_) => false,
        };
        let d = open(base.path());
        let sessions = d.sessions().unwrap();
        for s in &sessions {
            let v = look(&d.session(&s.id).unwrap());
            assert_eq!(read(&v, "f2").unwrap(), b"content", "at {n}");
            d.rollback(&s.id, false).unwrap();
        }
        d.gc().unwrap();
        assert!(state(base.path(), "staging").is_empty(), "at {n}");
        assert!(state(base.path(), "sessions").is_empty(), "at {n}");
        if begun && !door.stopped() {
            assert!(n > 20, "{n}");
            break;
        }
    }
}

#[test]
fn the_disk_is_guarded_by_two_rules_before_anything_is_copied() {
    // B-112, B-114
    let name = "the_disk_is_guarded_by_two_rules_before_anything_is_copied";
    let small = match Mounted::new("tmpfs", 16, "") {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let base = small.dir("base");
    let refused = |mb: usize, guards: SpaceGuards| -> Option<BeginError> {
        fs::write(base.join("big"), vec![1u8; mb * 1_000_000]).unwrap();
        let d = open(&base);
        let o = options(&[]);
        let lower = LowerOptions { space: guards, ..o.lower };
        let begun = d.begin(BeginOptions { lower, ..o });
        assert!(state(&base, "staging").is_empty());
        begun.map(|s| d.rollback(s.id(), false).unwrap()).err()
    };
    assert!(refused(3, SpaceGuards::default()).is_none());
    let e = refused(6, SpaceGuards::default()).unwrap();
    assert!(matches!(e, BeginError::Space(Short::Room { .. })), "{e}");
    assert!(e.to_string().starts_with("NO_SPACE: Insufficient space: need 12MB, have "), "{e}");
    let e = refused(8, SpaceGuards::default()).unwrap();
    assert!(matches!(e, BeginError::Space(Short::Share { .. })), "{e}");
    assert!(e.to_string().contains("Insufficient disk space for session"), "{e}");
    assert!(e.to_string().contains("--exclude"), "{e}");
    assert_eq!(e.code(), "NO_SPACE");
    // Both can be set.
    assert!(refused(6, SpaceGuards { factor: 1, ..SpaceGuards::default() }).is_none());
    assert!(refused(3, SpaceGuards { share: 1, ..SpaceGuards::default() }).is_some());
    // Live copies nothing.
    fs::write(base.join("big"), vec![1u8; 8_000_000]).unwrap();
    open(&base).begin(BeginOptions::default()).unwrap();
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_nothing() {
    // T23
    let name = "a_disk_that_fills_up_meanwhile_leaves_nothing";
    let small = match Mounted::new("tmpfs", 16, "") {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let base = small.dir("base");
    fs::write(base.join("a"), vec![1u8; 9_000_000]).unwrap();
    let d = open(&base);
    let o = options(&[]);
    let space = SpaceGuards { share: u32::MAX, factor: 0 };
    let e = d.begin(BeginOptions { lower: LowerOptions { space, ..o.lower }, ..o }).err().unwrap();
    assert_eq!(e.code(), "NO_SPACE", "{e}");
    assert!(state(&base, "staging").is_empty() && state(&base, "sessions").is_empty());
}

#[test]
fn mounts_below_are_named_and_not_crossed() {
    let name = "mounts_below_are_named_and_not_crossed";
    let (outer, inner) = match (Mounted::new("tmpfs", 4, ""), Mounted::new("tmpfs", 1, "")) {
        (Ok(o), Ok(i)) => (o, i),
        (Err(why), _) | (_, Err(why)) => return skip(name, &why),
    };
    let base = outer.dir("base");
    fs::create_dir_all(base.join("a/mnt")).unwrap();
    fs::write(base.join("a/file"), "x").unwrap();
    fs::write(inner.path().join("inner"), "x").unwrap();
    let bound = std::process::Command::new("mount")
        .arg("--bind")
        .args([inner.path(), base.join("a/mnt")])
        .status();
    assert!(bound.unwrap().success());
    struct Unbind<'a>(&'a Path);
    impl Drop for Unbind<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(self.0).status();
        }
    }
    let at = base.join("a/mnt");
    let _unbind = Unbind(&at);
    let d = open(&base);
    let e = d.begin(options(&[])).err().unwrap();
    let BeginError::Boundaries { boundaries } = &e else { panic!("{e}") };
    assert_eq!(boundaries.len(), 1);
    assert_eq!(
        (boundaries[0].path.to_string().as_str(), boundaries[0].kind),
        ("a/mnt", BoundaryKind::Mount)
    );
    assert!(e.to_string().contains("a/mnt"), "{e}");
    assert!(state(&base, "staging").is_empty());
    let s = d.begin(options(&["mnt/"])).unwrap();
    assert_eq!(names(&look(&s), "a"), ["file"]);
}

#[test]
fn a_directory_below_the_root_is_copied_alone() {
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let subdir = RelPath::new("dir").unwrap();
    let s = d.begin(BeginOptions { subdir, ..options(&[]) }).unwrap();
    assert_eq!(names(&look(&s), "."), ["again.txt", "b.txt", "deep"]);
    assert_eq!(info(&s).files, Some(2));
    edit(&s, &[("b.txt", b"below\n")]);
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("dir/b.txt")).unwrap(), b"below\n");
}

#[test]
fn an_index_that_was_damaged_is_refused() {
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let s = freeze(&d);
    let index = base.path().join(format!(".brio/sessions/{}/lower.index", s.id()));
    let good = fs::read(&index).unwrap();
    assert_eq!(&good[..8], b"BRIOLOWR");
    for (at, bit) in [(9, 1u8), (good.len() / 2, 4), (good.len() - 1, 1)] {
        let mut bad = good.clone();
        bad[at] ^= bit;
        fs::write(&index, bad).unwrap();
        assert!(s.view(ViewOptions::default()).is_err(), "at {at}");
    }
    fs::write(&index, &good).unwrap();
    assert_eq!(look(&s).stat_at(&look(&s).root(), b"a.txt", false).unwrap().kind, Kind::File);
}

#[test]
fn a_checkpoint_of_a_frozen_session_stands_on_its_copy() {
    let base = tempfile::tempdir().unwrap();
    fill(base.path());
    let d = open(base.path());
    let s = freeze(&d);
    edit(&s, &[("a.txt", b"ours\n")]);
    s.checkpoint("before").unwrap();
    let other = begin(&d, "another");
    edit(&other, &[("a.txt", b"theirs\n"), ("dir/b.txt", b"theirs\n")]);
    commit(&d, other.id()).unwrap();
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
    // A resolve puts it on the base as it is now, which is read live.
    let takes = vec![(RelPath::new("a.txt").unwrap(), Take::Ours)];
    d.resolve(s.id(), ResolveOptions { takes, ..ResolveOptions::default() }).unwrap();
    assert_eq!(s.info().unwrap().lower, LowerInfo::Live);
    assert_eq!(read(&look(&s), "dir/b.txt").unwrap(), b"theirs\n");
    // And the checkpoint back on its copy, whatever is kept of the base.
    s.restore("before").unwrap();
    assert_eq!(info(&s).method, info(&freeze(&d)).method);
    assert_eq!(read(&look(&s), "dir/b.txt").unwrap(), b"two\n");
    assert_eq!(read(&look(&s), "a.txt").unwrap(), b"ours\n");
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
    let takes = vec![(RelPath::new("a.txt").unwrap(), Take::Ours)];
    d.resolve(s.id(), ResolveOptions { takes, ..ResolveOptions::default() }).unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read(base.path().join("a.txt")).unwrap(), b"ours\n");
    assert_eq!(fs::read(base.path().join("dir/b.txt")).unwrap(), b"theirs\n");
}
