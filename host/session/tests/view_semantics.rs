//! What a view does with each kind of file and each odd case, said one by one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use brio_session::{ChangeKind, FsError, Kind, Limits, SetTime, Time, ViewOptions};
use common::{Fixture, Short, how, read_all};

fn base() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::create_dir(b.join("empty")).unwrap();
        std::fs::write(b.join("f"), "base f").unwrap();
        std::fs::write(b.join("d/g"), "base g").unwrap();
        std::fs::write(b.join("d/e/h"), "base h").unwrap();
        std::fs::write(b.join("run.sh"), "#!").unwrap();
        std::fs::set_permissions(b.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("f", b.join("to-f")).unwrap();
        symlink("d", b.join("to-d")).unwrap();
        symlink("nowhere", b.join("dangling")).unwrap();
        symlink("../outside", b.join("escaping")).unwrap();
        symlink("/etc", b.join("absolute")).unwrap();
        std::fs::hard_link(b.join("f"), b.join("f2")).unwrap();
    })
}

/// T4: links of every kind are shown as they are, followed inside the view, and never out of it.
#[test]
fn symlinks() {
    let f = base();
    let v = f.view();
    assert_eq!(v.lstat("to-f").unwrap().kind, Kind::Symlink);
    assert_eq!(v.get("to-f").unwrap(), b"base f");
    assert_eq!(v.get("to-d/g").unwrap(), b"base g");
    assert_eq!(v.stat("dangling"), Err(FsError::NotFound));
    assert_eq!(v.lstat("dangling").unwrap().kind, Kind::Symlink);
    for p in ["escaping", "escaping/x", "absolute", "absolute/passwd", "..", "d/../.."] {
        assert_eq!(v.stat(p), Err(FsError::NotPermitted), "{p}");
        assert_eq!(v.put(p, b"x"), Err(FsError::NotPermitted), "{p}");
    }
    assert_eq!(v.sym("/etc", "abs2"), Err(FsError::NotPermitted));
    v.sym("../../up", "d/own-escape").unwrap();
    assert_eq!(v.stat("d/own-escape"), Err(FsError::NotPermitted));
    assert_eq!(v.read_link_at(&v.root(), b"d/own-escape").unwrap(), b"../../up");
    v.put("to-d/new", b"through the link").unwrap();
    assert_eq!(v.get("d/new").unwrap(), b"through the link");
    v.put("dangling", b"made").unwrap();
    assert_eq!(v.get("nowhere").unwrap(), b"made");
    v.unlink("to-d").unwrap();
    assert_eq!(v.get("d/g").unwrap(), b"base g");
    assert_eq!(v.file("to-f", how("rn")).err(), Some(FsError::Loop));
}

/// The size of a file that is read as a whole is found out once, and never stands in the way of
/// what the session writes.
#[test]
fn the_end_of_a_file_moves_with_what_is_written() {
    let mut f = base();
    let v = f.view();
    let (reader, writer) = (v.file("f", how("r")).unwrap(), v.file("./f", how("rw")).unwrap());
    let mut buf = [0; 6];
    for _ in 0..2 {
        assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 6);
        assert_eq!(&buf, b"base f");
        assert_eq!(reader.read_at(&mut [0; 32], 6).unwrap(), 0);
        assert_eq!(reader.read_at(&mut [0; 32], 6).unwrap(), 0);
    }
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 6);
    writer.append(b" and more").unwrap();
    assert_eq!(reader.read_at(&mut [0; 32], 6).unwrap(), 9);
    assert_eq!((reader.meta().unwrap().size, writer.meta().unwrap().size), (15, 15));
    f.restack(&v);
    let mut all = [0; 15];
    assert_eq!(reader.read_at(&mut all, 0).unwrap(), 15);
    writer.append(b"!").unwrap();
    assert_eq!(reader.read_at(&mut [0; 32], 15).unwrap(), 1);
    assert_eq!(reader.meta().unwrap().size, 16);
    // A change of its attributes is seen through a handle that was open before.
    let run = v.file("run.sh", how("r")).unwrap();
    assert_eq!((run.meta().unwrap().mode, run.meta().unwrap().size), (0o755, 2));
    v.set_mode_at(&v.root(), b"run.sh", false, 0o700).unwrap();
    assert_eq!((run.meta().unwrap().mode, run.meta().unwrap().size), (0o700, 2));
    assert_eq!(run.read_at(&mut buf, u64::MAX - 6), Err(FsError::Invalid));
}

/// T4: names of one file are one file, also over layers; links of the base break and say so.
#[test]
fn hard_links() {
    let mut f = base();
    let v = f.view();
    v.put("a", b"one").unwrap();
    v.ln("a", "b").unwrap();
    v.ln("d/g", "g2").unwrap();
    assert_eq!(v.stat("a").unwrap().nlink, 2);
    assert_eq!(v.stat("a").unwrap().ino, v.stat("b").unwrap().ino);
    f.restack(&v);
    v.file("b", how("w")).unwrap().append(b" two").unwrap();
    assert_eq!(v.get("a").unwrap(), b"one two");
    v.put("g2", b"both").unwrap();
    assert_eq!(v.get("d/g").unwrap(), b"both");
    f.restack(&v);
    drop(v);
    let v = f.view();
    v.unlink("a").unwrap();
    assert_eq!((v.stat("b").unwrap().nlink, v.get("b").unwrap()), (1, b"one two".to_vec()));
    v.put("f", b"changed").unwrap();
    assert_eq!(v.get("f2").unwrap(), b"base f");
    let set = v.changes().unwrap();
    let of = |p: &str| set.changes.iter().find(|c| c.path.as_bytes() == p.as_bytes()).unwrap();
    assert!(of("f").link_broken);
    assert_eq!(of("g2").hard_link_of.as_ref().unwrap().as_bytes(), b"d/g");
    assert_eq!(v.ln("d", "d2"), Err(FsError::NotPermitted));
}

/// T4: mode bits are kept by a copy-up and by a rename, and a change of them is a change.
#[test]
fn modes() {
    let f = base();
    let v = f.view();
    assert_eq!(v.stat("run.sh").unwrap().mode, 0o755);
    v.file("run.sh", how("w")).unwrap().append(b"\n").unwrap();
    assert_eq!(v.stat("run.sh").unwrap().mode, 0o755);
    v.set_mode_at(&v.root(), b"f", true, 0o600).unwrap();
    v.mv("run.sh", "d/run.sh").unwrap();
    drop(v);
    let v = f.view();
    assert_eq!(v.stat("d/run.sh").unwrap().mode, 0o755);
    assert_eq!(v.stat("f").unwrap().mode, 0o600);
    assert!(v.diff().contains(&("f".into(), ChangeKind::MetaOnly)));
    let root = f.base().metadata().unwrap().mode() & 0o7777;
    assert_eq!(v.root().meta().unwrap().mode, root);
}

/// T4: empty directories and the replacement of one kind by another.
#[test]
fn kinds_replace_each_other() {
    let f = base();
    let v = f.view();
    v.rmdir("empty").unwrap();
    v.put("empty", b"a file now").unwrap();
    v.unlink("f").unwrap();
    v.mkdir("f").unwrap();
    v.mkdir("f/sub").unwrap();
    v.mkdir("still-empty").unwrap();
    v.unlink("to-f").unwrap();
    v.mkdir("to-f").unwrap();
    assert_eq!(v.rmdir("d"), Err(FsError::NotEmpty));
    drop(v);
    let v = f.view();
    let mut diff = v.diff();
    diff.sort_by(|a, b| a.0.cmp(&b.0));
    use ChangeKind::*;
    let want = [
        ("empty", TypeChanged),
        ("f", TypeChanged),
        ("f/sub", Added),
        ("still-empty", Added),
        ("to-f", TypeChanged),
    ];
    assert_eq!(diff, want.map(|(p, k)| (p.to_owned(), k)));
    v.rmdir("f/sub").unwrap();
    v.rmdir("f").unwrap();
    v.put("f", b"base f").unwrap();
    assert!(!v.diff().iter().any(|(p, _)| p == "f"), "the same content again is no change");
}

/// T4: names: case, length, bytes that are not UTF-8.
#[test]
fn names() {
    let f = base();
    let v = f.view();
    let root = v.root();
    v.put("README", b"upper").unwrap();
    v.put("readme", b"lower").unwrap();
    assert_eq!(
        (v.get("README").unwrap(), v.get("readme").unwrap()),
        (b"upper".to_vec(), b"lower".to_vec())
    );
    let long = "n".repeat(255);
    v.put(&long, b"long").unwrap();
    assert_eq!(v.put(&"n".repeat(256), b""), Err(FsError::NameTooLong));
    assert_eq!(v.put(&"x/".repeat(2100), b""), Err(FsError::NameTooLong));
    v.mkdir_at(&root, b"\xff\xfe").unwrap();
    v.mkdir_at(&root, b"\xff\xfe/\x80").unwrap();
    assert_eq!(v.mkdir_at(&root, b"a\0b"), Err(FsError::Invalid));
    drop((v, root));
    let v = f.view();
    assert_eq!(v.stat_at(&v.root(), b"\xff\xfe/\x80", false).unwrap().kind, Kind::Dir);
    assert_eq!(v.get(&long).unwrap(), b"long");
}

/// T4: holes stay holes to the reader, and large files come up whole.
#[test]
fn sparse_and_large() {
    let big: Vec<u8> = (0..9 << 20).map(|i: u32| (i / 7) as u8).collect();
    let f = Fixture::new(|b| {
        std::fs::write(b.join("big"), &big).unwrap();
        std::fs::File::create(b.join("hole")).unwrap().set_len(64 << 20).unwrap();
    });
    let v = f.view();
    let s = v.file("sparse", how("rwc")).unwrap();
    s.write_at(b"end", 1 << 30).unwrap();
    let mut buf = [1; 8];
    assert_eq!(s.read_at(&mut buf, 12345).unwrap(), 8);
    assert_eq!(buf, [0; 8]);
    assert_eq!(s.meta().unwrap().size, (1 << 30) + 3);
    assert_eq!(s.write_at(b"x", u64::MAX), Err(FsError::TooLarge));
    let hole = v.file("hole", how("rw")).unwrap();
    hole.write_at(b"x", 3).unwrap();
    assert_eq!(hole.meta().unwrap().size, 64 << 20);
    assert_eq!(hole.read_at(&mut buf, (64 << 20) - 4).unwrap(), 4);
    let blocks: u64 = std::fs::read_dir(&f.layers[0])
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().blocks())
        .sum();
    assert!(blocks * 512 < 4 << 20, "a hole was filled");
    let h = v.file("big", how("rw")).unwrap();
    h.write_at(b"!", 5 << 20).unwrap();
    let got = read_all(&h).unwrap();
    assert_eq!((got.len(), got[5 << 20]), (big.len(), b'!'));
    assert_eq!((&got[..5 << 20], &got[(5 << 20) + 1..]), (&big[..5 << 20], &big[(5 << 20) + 1..]));
    assert_eq!(std::fs::read(f.base().join("big")).unwrap(), big);
}

/// T14: the state directory is not there, whatever the path, and cannot be made.
#[test]
fn state_directory_is_hidden() {
    let f = Fixture::new(|b| {
        for d in ["", "d/", "d/e/"] {
            std::fs::create_dir_all(b.join(d).join(".brio/sessions")).unwrap();
            std::fs::write(b.join(d).join(".brio/secret"), "s").unwrap();
        }
        symlink(".brio", b.join("in")).unwrap();
        symlink("d/.brio/secret", b.join("in2")).unwrap();
    });
    let v = f.view();
    for d in ["", "d/", "d/e/", "d/../", "./d//"] {
        let p = |s: &str| format!("{d}{s}");
        assert_eq!(v.stat(&p(".brio")), Err(FsError::NotFound), "{d}");
        assert_eq!(v.stat(&p(".brio/secret")), Err(FsError::NotFound), "{d}");
        assert_eq!(v.get(&p(".brio/secret")), Err(FsError::NotFound), "{d}");
        assert_eq!(v.mkdir(&p(".brio")), Err(FsError::NotPermitted), "{d}");
        assert_eq!(v.put(&p(".brio"), b""), Err(FsError::NotPermitted), "{d}");
        assert_eq!(v.sym("x", &p(".brio")), Err(FsError::NotPermitted), "{d}");
        assert!(v.put(&p(".brio/new"), b"").is_err(), "{d}");
        assert!(v.mkdir(&p(".brio/sub/x")).is_err(), "{d}");
        assert_eq!(v.unlink(&p(".brio/secret")), Err(FsError::NotFound), "{d}");
        assert_eq!(v.rmdir(&p(".brio")), Err(FsError::NotFound), "{d}");
        assert_eq!(v.mv(&p(".brio"), "seen"), Err(FsError::NotFound), "{d}");
        assert_eq!(v.mv("in", &p(".brio")), Err(FsError::NotPermitted), "{d}");
        assert_eq!(v.ln("in", &p(".brio")), Err(FsError::NotPermitted), "{d}");
        let dir = if d.is_empty() { "." } else { d };
        assert!(!v.ls(dir).unwrap().contains(&".brio".to_owned()), "{d}");
    }
    assert_eq!(v.stat("in"), Err(FsError::NotFound));
    assert_eq!(v.stat("in/secret"), Err(FsError::NotFound));
    assert_eq!(v.get("in2"), Err(FsError::NotFound));
    assert!(v.put("in/x", b"").is_err());
    // What is hidden is not thrown away with its directory either.
    assert_eq!(v.rmdir("d/e"), Err(FsError::NotEmpty));
    v.mkdir("other").unwrap();
    assert_eq!(v.mv("other", "d/e"), Err(FsError::NotEmpty));
    v.mv("d", "moved").unwrap();
    assert_eq!(v.stat("moved/e/.brio"), Err(FsError::NotFound));
    assert_eq!(v.rmdir("moved/e"), Err(FsError::NotEmpty));
    v.mv("moved", "d").unwrap();
    v.rmdir("other").unwrap();
    assert_eq!(v.diff(), []);
}

/// T18: `.git` stays as it is through every way around, unless it was granted.
#[test]
fn git_is_read_only() {
    let fill = |b: &std::path::Path| {
        std::fs::create_dir_all(b.join("sub/.git/hooks")).unwrap();
        std::fs::write(b.join("sub/.git/config"), "[core]").unwrap();
        std::fs::write(b.join("plain"), "p").unwrap();
        symlink("sub/.git", b.join("alias")).unwrap();
    };
    let mut f = Fixture::new(fill);
    let v = f.view();
    let check = |v: &brio_session::View| {
        for p in ["sub/.git/config", "alias/config", "sub/./.git/../.git/config"] {
            assert_eq!(v.get(p).unwrap(), b"[core]");
            assert_eq!(v.file(p, how("w")).err(), Some(FsError::ReadOnly), "{p}");
            assert_eq!(v.file(p, how("t")).err(), Some(FsError::ReadOnly), "{p}");
            assert_eq!(v.unlink(p), Err(FsError::ReadOnly), "{p}");
            assert_eq!(v.ln(p, "stolen"), Err(FsError::ReadOnly), "{p}");
            assert_eq!(v.mv(p, "stolen"), Err(FsError::ReadOnly), "{p}");
            assert_eq!(v.mv("plain", p), Err(FsError::ReadOnly), "{p}");
            let h = v.file(p, how("r")).unwrap();
            assert_eq!(h.write_at(b"x", 0), Err(FsError::BadDescriptor));
            assert_eq!(h.set_times(SetTime::Now, SetTime::Now), Err(FsError::ReadOnly));
            assert_eq!(h.set_mode(0o777), Err(FsError::ReadOnly));
            assert_eq!(v.set_mode_at(&v.root(), p.as_bytes(), true, 0o777), Err(FsError::ReadOnly));
        }
        assert_eq!(v.put("alias/hooks/post-commit", b"#!"), Err(FsError::ReadOnly));
        assert_eq!(v.mkdir("new.d/.git").err(), Some(FsError::NotFound));
        assert_eq!(v.mkdir(".git"), Err(FsError::ReadOnly));
        assert_eq!(v.put(".git", b"gitdir: x"), Err(FsError::ReadOnly));
        assert_eq!(v.sym("sub", ".git"), Err(FsError::ReadOnly));
        assert_eq!(v.mv("sub", "sub2"), Err(FsError::ReadOnly));
        assert_eq!(v.mv("sub/.git", "git"), Err(FsError::ReadOnly));
        let hooks = v.dir("alias/hooks").unwrap();
        assert!(v.mkdir_at(&hooks, b"x").is_err());
        assert_eq!(hooks.set_mode(0), Err(FsError::ReadOnly));
    };
    check(&v);
    f.restack(&v);
    check(&v);
    assert_eq!(v.diff(), []);
    drop(v);
    let v = f.view_with(ViewOptions { vcs: true, ..Default::default() });
    v.put("sub/.git/config", b"mine").unwrap();
    v.mv("sub", "sub2").unwrap();
    assert_eq!(v.get("sub2/.git/config").unwrap(), b"mine");
}

/// T18: a directory without write permission takes no change of its entries; a sealed view none at all.
#[test]
fn read_only_directories() {
    let f = base();
    std::fs::set_permissions(f.base().join("d"), PermissionsExt::from_mode(0o555)).unwrap();
    let v = f.view();
    for p in ["d/new", "to-d/new", "to-d/../d/new"] {
        assert_eq!(v.put(p, b""), Err(FsError::Access), "{p}");
        assert_eq!(v.mkdir(p), Err(FsError::Access), "{p}");
        assert_eq!(v.mv("f", p), Err(FsError::Access), "{p}");
        assert_eq!(v.ln("f", p), Err(FsError::Access), "{p}");
    }
    assert_eq!(v.unlink("to-d/g"), Err(FsError::Access));
    assert_eq!(v.mv("d/g", "g"), Err(FsError::Access));
    drop(v);
    std::fs::set_permissions(f.base().join("d"), PermissionsExt::from_mode(0o755)).unwrap();
    let v = f.view_with(ViewOptions { read_only: true, ..Default::default() });
    assert_eq!(v.get("f").unwrap(), b"base f");
    assert_eq!(v.put("f", b""), Err(FsError::ReadOnly));
    assert_eq!(v.put("new", b""), Err(FsError::ReadOnly));
    assert_eq!(v.unlink("f"), Err(FsError::ReadOnly));
    assert_eq!(v.rmdir("empty"), Err(FsError::ReadOnly));
    assert_eq!(v.mv("f", "z"), Err(FsError::ReadOnly));
    assert_eq!(v.ln("f", "z"), Err(FsError::ReadOnly));
    let h = v.file("f", how("r")).unwrap();
    assert_eq!(h.set_times(SetTime::Now, SetTime::Now), Err(FsError::ReadOnly));
}

/// B-031: what handles do, row by row.
#[test]
fn handles() {
    let f = base();
    let v = f.view();
    // A handle follows its file through a rename, of it and of its directory.
    let h = v.file("d/g", how("rw")).unwrap();
    v.mv("d/g", "g").unwrap();
    h.append(b"+1").unwrap();
    assert_eq!(v.get("g").unwrap(), b"base g+1");
    let deep = v.file("d/e/h", how("r")).unwrap();
    let dir = v.dir("d/e").unwrap();
    v.mv("d", "moved").unwrap();
    assert_eq!(read_all(&deep).unwrap(), b"base h");
    assert_eq!(dir.path().unwrap().as_bytes(), b"moved/e");
    v.put("moved/e/h", b"written by name").unwrap();
    assert_eq!(read_all(&deep).unwrap(), b"written by name");
    // It outlives the last name, with its identity and its mode.
    let x = v.file("run.sh", how("rw")).unwrap();
    let before = x.meta().unwrap();
    v.unlink("run.sh").unwrap();
    v.put("run.sh", b"another").unwrap();
    let after = x.meta().unwrap();
    assert_eq!((after.nlink, after.ino, after.mode), (0, before.ino, 0o755));
    x.append(b" still").unwrap();
    let t = Time { secs: 7, nanos: 0 };
    x.set_times(SetTime::Keep, SetTime::At(t)).unwrap();
    let m = x.meta().unwrap();
    assert_eq!((m.mtime, m.mode, m.ino), (t, 0o755, before.ino));
    assert_eq!(read_all(&x).unwrap(), b"#! still");
    assert_eq!(v.get("run.sh").unwrap(), b"another");
    // Access modes.
    assert_eq!(v.file("f", how("r")).unwrap().write_at(b"x", 0), Err(FsError::BadDescriptor));
    assert_eq!(v.file("f", how("w")).unwrap().read_at(&mut [0], 0), Err(FsError::BadDescriptor));
    // A removed directory is empty and takes nothing.
    let gone = v.dir("empty").unwrap();
    v.rmdir("empty").unwrap();
    assert_eq!(v.mkdir_at(&gone, b"x"), Err(FsError::NotFound));
    // Exclusive creation.
    assert_eq!(v.file("f", how("wcx")).err(), Some(FsError::Exists));
    assert_eq!(v.file("dangling", how("wcx")).err(), Some(FsError::Exists));
    // A time that no host can tell is an error, not a panic.
    for t in [Time { secs: i64::MAX, nanos: u32::MAX }, Time { secs: 0, nanos: 1_000_000_000 }] {
        let set = v.set_times_at(&v.root(), b"f", true, SetTime::At(t), SetTime::At(t));
        assert_eq!(set, Err(FsError::Invalid));
    }
}

/// A listing that was taken is not moved by what happens meanwhile.
#[test]
fn listing_is_stable() {
    let f = base();
    let v = f.view();
    let before = v.dir(".").unwrap().list().unwrap();
    for e in &before {
        if e.kind == Kind::File {
            v.unlink_at(&v.root(), &e.name).unwrap();
            v.put("new", b"x").unwrap();
        }
    }
    let names: Vec<_> = before.iter().map(|e| e.name.clone()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted, "sorted, and each once");
    assert!(v.ls(".").unwrap().contains(&"new".to_owned()));
}

/// A copy-up happens at the first write, not at open, and keeps mode and times.
#[test]
fn copy_up_at_first_write() {
    let f = base();
    let v = f.view();
    let before = v.stat("f").unwrap();
    let h = v.file("f", how("rw")).unwrap();
    assert_eq!(h.write_at(b"", 0).unwrap(), 0);
    let data = || {
        std::fs::read_dir(&f.layers[0])
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('f'))
            .count()
    };
    assert_eq!((data(), v.written()), (0, (0, 0)));
    assert_eq!(v.diff(), []);
    h.set_len(6).unwrap();
    assert_eq!(data(), 1);
    let after = v.stat("f").unwrap();
    assert_eq!((after.ino, after.mode, after.size), (before.ino, before.mode, before.size));
    v.set_times_at(&v.root(), b"d/g", true, SetTime::Keep, SetTime::At(Time { secs: 5, nanos: 6 }))
        .unwrap();
    let g = v.file("d/g", how("w")).unwrap();
    let p = brio_session::RelPath::new("d/g").unwrap();
    assert_eq!(v.explicit_times(&p).unwrap().unwrap().1, Time { secs: 5, nanos: 6 });
    g.append(b"x").unwrap();
    assert!(v.stat("d/g").unwrap().mtime.secs > 5);
    assert_eq!(v.explicit_times(&p).unwrap(), None, "a write moves a time that was set");
}

/// Limits refuse before anything is done, and say which.
#[test]
fn limits() {
    let f = base();
    let limits = Limits { disk: Some(100), files: Some(2) };
    let v = f.view_with(ViewOptions { limits, ..Default::default() });
    v.put("a", &[1; 90]).unwrap();
    assert_eq!(v.put("a", &[1; 11]), Err(FsError::DiskLimit));
    assert_eq!(v.file("d/g", how("w")).unwrap().append(b"xxxxx"), Err(FsError::DiskLimit));
    assert_eq!(v.get("d/g").unwrap(), b"base g");
    assert_eq!(v.limit_hit(), Some(FsError::DiskLimit));
    v.mkdir("b").unwrap();
    assert_eq!(v.mkdir("c"), Err(FsError::FileLimit));
    assert_eq!(v.sym("x", "c"), Err(FsError::FileLimit));
    assert_eq!(v.ln("f", "c"), Err(FsError::FileLimit));
    assert_eq!(v.put("c", b""), Err(FsError::FileLimit));
    assert_eq!(v.stat("c"), Err(FsError::NotFound));
    assert_eq!(v.limit_hit(), Some(FsError::DiskLimit), "the first");
}

/// Ten sealed layers, a rename of a directory in each, at another depth each time.
#[test]
fn nested_renames() {
    let mut f = base();
    let v = f.view();
    let mut at = "d".to_owned();
    for i in 0..10 {
        let parent = format!("p{i}");
        v.mkdir(&parent).unwrap();
        let to = format!("{parent}/m{i}");
        v.mv(&at, &to).unwrap();
        v.put(&format!("{to}/own{i}"), format!("{i}").as_bytes()).unwrap();
        at = if i % 3 == 2 { format!("p{i}/m{i}") } else { parent };
        f.restack(&v);
    }
    fn leaves(v: &brio_session::View, d: &str, out: &mut Vec<(String, Vec<u8>)>) {
        for n in v.ls(d).unwrap() {
            let p = format!("{d}/{n}");
            match v.lstat(&p).unwrap().kind {
                Kind::Dir => leaves(v, &p, out),
                Kind::File => out.push((p.clone(), v.get(&p).unwrap())),
                _ => {}
            }
        }
    }
    let mut live = Vec::new();
    leaves(&v, ".", &mut live);
    let diff = v.diff();
    drop(v);
    let v = f.view();
    let mut reopened = Vec::new();
    leaves(&v, ".", &mut reopened);
    assert_eq!(live, reopened);
    assert_eq!(diff, v.diff());
    for (name, text) in [("/g", "base g"), ("/e/h", "base h")] {
        assert!(live.iter().any(|(p, b)| p.ends_with(name) && b == text.as_bytes()), "{name}");
    }
    for i in 0..10 {
        assert!(live.iter().any(|(p, b)| p.ends_with(&format!("/own{i}")) && *b == format!("{i}").into_bytes()));
    }
    assert!(diff.contains(&("d/g".into(), ChangeKind::Removed)));
}

// A view may be rooted at one of its directories: nothing above is reached from there, and the
// change set stays that of the whole.
#[test]
fn a_rooted_view_is_a_directory_of_the_whole() {
    let f = base();
    let view = f.view();
    view.mkdir_at(&view.root(), b"sub").expect("a directory");
    let sub =
        view.rooted(&brio_session::RelPath::new("sub").expect("a path")).expect("a view of it");
    sub.mkdir_at(&sub.root(), b"inner").expect("a directory");
    assert!(view.stat_at(&view.root(), b"sub/inner", true).is_ok());
    assert_eq!(sub.stat_at(&sub.root(), b"../sub", true), Err(brio_session::FsError::NotPermitted));
    assert_eq!(sub.changes().expect("changes").changes.len(), 2);
    assert!(view.rooted(&brio_session::RelPath::new("absent").expect("a path")).is_err());
}
