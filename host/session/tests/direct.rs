//! A directory of the host, served as it is: nothing leads out of it, nothing read-only changes.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use brio_session::{
    Account, Direct, DirectDir, DirectFile, DirectHandle, DirectOptions, FsError, FsResult, Kind,
    Limits, OpenOptions, SetTime, Time,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

fn open(at: &Path, options: DirectOptions) -> DirectDir {
    let dir = Dir::open_ambient_dir(at, ambient_authority()).unwrap();
    Direct::new(dir, options).unwrap().root()
}

fn writable(at: &Path) -> DirectDir {
    open(at, DirectOptions::default())
}

fn read_only(at: &Path) -> DirectDir {
    open(at, DirectOptions { read_only: true, ..DirectOptions::default() })
}

fn how(text: &str) -> OpenOptions {
    OpenOptions {
        read: text.contains('r'),
        write: text.contains('w'),
        create: text.contains('c'),
        exclusive: text.contains('x'),
        truncate: text.contains('t'),
        directory: text.contains('d'),
        follow: text.contains('f'),
        owner: false,
        mode: None,
    }
}

fn file(dir: &DirectDir, path: &str, flags: &str) -> FsResult<DirectFile> {
    match dir.open_at(path.as_bytes(), &how(flags))? {
        DirectHandle::File(file) => Ok(file),
        DirectHandle::Dir(_) => Err(FsError::IsDirectory),
    }
}

fn sub(dir: &DirectDir, path: &str) -> DirectDir {
    match dir.open_at(path.as_bytes(), &how("rd")).unwrap() {
        DirectHandle::Dir(dir) => dir,
        DirectHandle::File(_) => panic!("{path} is a file"),
    }
}

fn names(dir: &DirectDir) -> Vec<String> {
    dir.list().unwrap().into_iter().map(|e| String::from_utf8(e.name).unwrap()).collect()
}

/// A directory to serve, and a secret beside it.
fn world() -> (tempfile::TempDir, std::path::PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let at = tmp.path().join("shown");
    fs::create_dir_all(at.join("d/e")).unwrap();
    fs::write(at.join("a.txt"), "content").unwrap();
    fs::write(at.join("d/b.txt"), "deeper").unwrap();
    fs::write(tmp.path().join("secret"), "secret").unwrap();
    (tmp, at)
}

#[test]
fn what_is_written_is_there_at_once() {
    let (_tmp, at) = world();
    let root = writable(&at);
    let made = file(&root, "d/new", "rwcx").unwrap();
    assert_eq!(made.write_at(b"0123456789", 0).unwrap(), 10);
    assert_eq!(made.append(b"ab").unwrap(), 2);
    made.set_len(11).unwrap();
    made.sync(false).unwrap();
    assert_eq!(fs::read(at.join("d/new")).unwrap(), b"0123456789a");
    let mut buf = [0; 32];
    assert_eq!(made.read_at(&mut buf, 8).unwrap(), 3);
    assert_eq!(&buf[..3], b"89a");
    assert_eq!(file(&root, "d/new", "rwcx").err(), Some(FsError::Exists));
    root.mkdir_at(b"f").unwrap();
    root.symlink_at(b"../a.txt", b"f/l").unwrap();
    assert_eq!(root.read_link_at(b"f/l").unwrap(), b"../a.txt");
    root.link_at(b"a.txt", &sub(&root, "f"), b"second").unwrap();
    assert_eq!(root.stat_at(b"f/second", false).unwrap().nlink, 2);
    root.rename_at(b"f/second", &root, b"third").unwrap();
    let when = Time { secs: 1_000_000, nanos: 7 };
    root.set_times_at(b"third", false, SetTime::Keep, SetTime::At(when)).unwrap();
    assert_eq!(fs::metadata(at.join("a.txt")).unwrap().mtime(), 1_000_000, "one file, two names");
    assert_eq!(root.stat_at(b"a.txt", false).unwrap().mtime, when);
    root.unlink_at(b"a.txt").unwrap();
    root.unlink_at(b"f/l").unwrap();
    root.rmdir_at(b"f").unwrap();
    root.sync().unwrap();
    assert_eq!(names(&root), ["d", "third"]);
    // What somebody else does is seen as well.
    fs::write(at.join("other"), "other").unwrap();
    assert_eq!(root.stat_at(b"other", false).unwrap().size, 5);
    fs::rename(at.join("d"), at.join("moved")).unwrap();
    assert_eq!(root.stat_at(b"d", false).err(), Some(FsError::NotFound));
    made.write_at(b"X", 0).unwrap();
    assert!(fs::read_to_string(at.join("moved/new")).unwrap().starts_with("X1"));
}

// T14, F-031: by whatever way, nothing outside of the directory is reached.
#[test]
fn nothing_leads_out() {
    let (tmp, at) = world();
    symlink("../secret", at.join("out")).unwrap();
    symlink(tmp.path().join("secret"), at.join("absolute")).unwrap();
    symlink("../..", at.join("d/up")).unwrap();
    symlink("d/../a.txt", at.join("inside")).unwrap();
    symlink("loop", at.join("loop")).unwrap();
    let root = writable(&at);
    for path in ["out", "absolute", "d/up/secret", "../secret", "d/../../secret", "/etc/passwd"] {
        for flags in ["rf", "wf", "wcf", "wtf"] {
            assert_eq!(
                file(&root, path, flags).err(),
                Some(FsError::NotPermitted),
                "{path} {flags}"
            );
        }
        assert_eq!(root.stat_at(path.as_bytes(), true).err(), Some(FsError::NotPermitted));
    }
    assert_eq!(file(&root, "out", "r").err(), Some(FsError::Loop));
    assert_eq!(file(&root, "loop", "rf").err(), Some(FsError::Loop));
    assert!(file(&root, "inside", "rf").is_ok(), "what stays inside is followed");
    // Nor out of a directory below, whose handle that is.
    assert_eq!(file(&sub(&root, "d"), "../a.txt", "r").err(), Some(FsError::NotPermitted));
    for (old, new) in [("a.txt", "../x"), ("../secret", "x"), ("a.txt", "d/up/x"), ("out/", "x")] {
        assert!(root.rename_at(old.as_bytes(), &root, new.as_bytes()).is_err(), "{old} {new}");
        assert!(root.link_at(old.as_bytes(), &root, new.as_bytes()).is_err(), "{old} {new}");
    }
    assert_eq!(root.symlink_at(b"/etc/passwd", b"l").err(), Some(FsError::NotPermitted));
    assert!(root.mkdir_at(b"../x").is_err() && root.unlink_at(b"../secret").is_err());
    assert!(root.set_times_at(b"out", true, SetTime::Now, SetTime::Now).is_err());
    assert_eq!(fs::read_to_string(tmp.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2);
    // A directory that is moved away while it is open takes nobody out with it.
    let deep = sub(&root, "d");
    fs::rename(at.join("d"), tmp.path().join("gone")).unwrap();
    assert_eq!(file(&deep, "../secret", "r").err(), Some(FsError::NotPermitted));
}

#[test]
fn reserved_names_are_not_there_and_cannot_be_made() {
    let (_tmp, at) = world();
    fs::create_dir_all(at.join("d/.brio/sessions")).unwrap();
    fs::write(at.join("d/.brio/claim"), "claim").unwrap();
    symlink("d/.brio/claim", at.join("l")).unwrap();
    let root = writable(&at);
    for path in ["d/.brio", "d/.brio/claim", "d/.brio/sessions"] {
        assert_eq!(root.stat_at(path.as_bytes(), true).err(), Some(FsError::NotFound), "{path}");
        assert_eq!(file(&root, path, "r").err(), Some(FsError::NotFound), "{path}");
    }
    assert_eq!(file(&root, "l", "rf").err(), Some(FsError::NotFound));
    assert!(!names(&sub(&root, "d")).contains(&".brio".to_owned()));
    assert_eq!(root.mkdir_at(b".brio").err(), Some(FsError::NotPermitted));
    assert_eq!(file(&root, ".brio", "wc").err(), Some(FsError::NotPermitted));
    assert_eq!(root.symlink_at(b"d", b".brio").err(), Some(FsError::NotPermitted));
    assert_eq!(root.link_at(b"a.txt", &root, b".brio").err(), Some(FsError::NotPermitted));
    assert_eq!(root.rename_at(b"d", &root, b"d2/.brio").err(), Some(FsError::NotFound));
    assert_eq!(root.rename_at(b"d/e", &root, b".brio").err(), Some(FsError::NotPermitted));
    assert_eq!(root.rename_at(b"d/.brio", &root, b"x").err(), Some(FsError::NotFound));
    assert!(root.unlink_at(b"d/.brio/claim").is_err() && root.rmdir_at(b"d/.brio").is_err());
    root.rmdir_at(b"d/e").unwrap();
    root.unlink_at(b"d/b.txt").unwrap();
    assert_eq!(root.rmdir_at(b"d").err(), Some(FsError::NotEmpty), "what is hidden keeps it");
    assert_eq!(fs::read_to_string(at.join("d/.brio/claim")).unwrap(), "claim");
}

/// Every way to change something, over `a.txt`, `d` and `d/b.txt` below `at`.
fn changes(root: &DirectDir, other: &DirectDir, at: &str) -> Vec<(&'static str, FsResult<()>)> {
    let p = |name: &str| format!("{at}{name}").into_bytes();
    let text = |name: &str| format!("{at}{name}");
    let now = (SetTime::Now, SetTime::Now);
    let reading = file(root, &text("a.txt"), "r").unwrap();
    let dir = sub(root, &text("d"));
    vec![
        ("open for writing", file(root, &text("a.txt"), "w").map(drop)),
        ("open to truncate", file(root, &text("a.txt"), "rt").map(drop)),
        ("create", file(root, &text("new"), "wc").map(drop)),
        ("mkdir", root.mkdir_at(&p("new"))),
        ("symlink", root.symlink_at(b"a.txt", &p("new"))),
        ("link", root.link_at(&p("a.txt"), root, &p("new"))),
        ("link out", root.link_at(&p("a.txt"), other, b"new")),
        ("rename", root.rename_at(&p("a.txt"), root, &p("new"))),
        ("rename over", root.rename_at(&p("a.txt"), root, &p("d/b.txt"))),
        ("rename out", root.rename_at(&p("a.txt"), other, b"new")),
        ("unlink", root.unlink_at(&p("a.txt"))),
        ("rmdir", root.rmdir_at(&p("d/e"))),
        ("times", root.set_times_at(&p("a.txt"), false, now.0, now.1)),
        ("times of a handle", reading.set_times(now.0, now.1)),
        ("times of a directory", dir.set_times(now.0, now.1)),
    ]
}

// F-031: no rename, no hard link, no truncation, no time (as of RUSTSEC-2026-0188) by a bind that
// is read-only; nor from it to one that is not.
#[test]
fn read_only_refuses_every_change() {
    let (tmp, at) = world();
    let other = tmp.path().join("other");
    fs::create_dir(&other).unwrap();
    let (root, other) = (read_only(&at), writable(&other));
    let before = fs::metadata(at.join("a.txt")).unwrap();
    for (what, done) in changes(&root, &other, "") {
        assert_eq!(done, Err(FsError::ReadOnly), "{what}");
    }
    assert_eq!(other.link_at(b"x", &root, b"y").err(), Some(FsError::ReadOnly));
    let reading = file(&root, "a.txt", "r").unwrap();
    assert_eq!(reading.write_at(b"x", 0).err(), Some(FsError::BadDescriptor));
    assert_eq!(reading.append(b"x").err(), Some(FsError::BadDescriptor));
    assert_eq!(reading.set_len(0).err(), Some(FsError::BadDescriptor));
    let after = fs::metadata(at.join("a.txt")).unwrap();
    assert_eq!(fs::read_to_string(at.join("a.txt")).unwrap(), "content");
    assert_eq!(
        (before.mtime_nsec(), before.ctime_nsec(), before.nlink()),
        (after.mtime_nsec(), after.ctime_nsec(), after.nlink())
    );
    assert_eq!(names(&root), ["a.txt", "d"]);
    assert!(names(&other).is_empty());
}

#[test]
fn version_control_is_read_only_unless_granted() {
    let (tmp, at) = world();
    let git = at.join("x/.git");
    fs::create_dir_all(git.join("d/e")).unwrap();
    fs::write(git.join("a.txt"), "content").unwrap();
    fs::write(git.join("d/b.txt"), "content").unwrap();
    let root = writable(&at);
    for (what, done) in changes(&root, &root, "x/.git/") {
        assert_eq!(done, Err(FsError::ReadOnly), "{what}");
    }
    assert_eq!(root.rename_at(b"d", &root, b".git").err(), Some(FsError::ReadOnly));
    assert_eq!(root.mkdir_at(b".git").err(), Some(FsError::ReadOnly));
    let below = sub(&sub(&root, "x/.git"), "d");
    assert_eq!(file(&below, "b.txt", "w").err(), Some(FsError::ReadOnly), "by a handle too");
    let inside = open(&git, DirectOptions { in_vcs: true, ..DirectOptions::default() });
    assert_eq!(file(&inside, "a.txt", "w").err(), Some(FsError::ReadOnly));
    let granted = open(&at, DirectOptions { vcs: true, ..DirectOptions::default() });
    assert!(file(&granted, "x/.git/a.txt", "w").is_ok());
    drop(tmp);
}

#[test]
fn only_regular_files_are_opened() {
    let (_tmp, at) = world();
    let fifo = std::process::Command::new("mkfifo").arg(at.join("fifo")).status();
    assert!(fifo.is_ok_and(|s| s.success()));
    let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    let root = writable(&at);
    for name in ["fifo", "socket"] {
        for flags in ["r", "w", "rw", "wt"] {
            assert_eq!(file(&root, name, flags).err(), Some(FsError::NotSupported), "{name}");
        }
        assert_eq!(root.stat_at(name.as_bytes(), true).unwrap().kind, Kind::Other);
    }
    assert_eq!(file(&root, "d", "w").err(), Some(FsError::IsDirectory));
    assert_eq!(file(&root, "a.txt", "rd").err(), Some(FsError::NotDirectory));
    assert_eq!(file(&root, "a.txt/", "r").err(), Some(FsError::NotDirectory));
    assert_eq!(file(&root, "a.txt/x", "r").err(), Some(FsError::NotDirectory));
}

// What is written beside a session counts as what is written in it.
#[test]
fn the_limits_of_the_run_hold() {
    let (_tmp, at) = world();
    let limits = Limits { disk: Some(100), files: Some(2) };
    let account = Account::default();
    let options = || DirectOptions { limits, account: account.clone(), ..Default::default() };
    let (one, two) = (open(&at, options()), open(&at, options()));
    let made = file(&one, "one", "wc").unwrap();
    made.write_at(&[0; 60], 0).unwrap();
    two.mkdir_at(b"two").unwrap();
    assert_eq!(two.mkdir_at(b"three").err(), Some(FsError::FileLimit));
    assert_eq!(file(&one, "four", "wc").err(), Some(FsError::FileLimit));
    assert_eq!(made.write_at(&[0; 60], 0).err(), Some(FsError::DiskLimit));
    assert_eq!(made.write_at(b"x", 1 << 30).err(), Some(FsError::DiskLimit), "a hole counts");
    assert_eq!(made.set_len(1 << 30).err(), Some(FsError::DiskLimit));
    assert_eq!(made.append(&[0; 41]).err(), Some(FsError::DiskLimit));
    assert_eq!(made.append(&[0; 40]).unwrap(), 40);
    assert!(!at.join("three").exists() && !at.join("four").exists());
}
