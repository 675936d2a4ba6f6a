//! What is held by identity: it follows its file, and costs no descriptor; and renames that
//! leave or exchange what has the new name.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use brio_session::{FsError, FsResult, Kind, NodeHandle, Rename, SetTime, Time, View};
use common::{Fixture, Short, how, read_all};

fn base() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::create_dir_all(b.join("d/.git")).unwrap();
        std::fs::create_dir(b.join("other")).unwrap();
        std::fs::write(b.join("f"), "base f").unwrap();
        std::fs::write(b.join("d/g"), "base g").unwrap();
        std::os::unix::fs::symlink("f", b.join("link")).unwrap();
    })
}

fn node(v: &View, path: &str) -> NodeHandle {
    v.node_at(&v.root(), path.as_bytes(), false).unwrap().0
}

fn rename(v: &View, from: &str, to: &str, how: Rename) -> FsResult<()> {
    v.rename_how_at(&v.root(), from.as_bytes(), &v.root(), to.as_bytes(), how)
}

#[test]
fn a_node_is_its_file_whatever_becomes_of_the_name() {
    let fixture = base();
    let v = fixture.view();
    let (f, g, link) = (node(&v, "f"), node(&v, "d/g"), node(&v, "link"));
    assert_eq!((f.kind(), link.kind()), (Kind::File, Kind::Symlink));
    assert_eq!(link.read_link().unwrap(), b"f");
    v.mv("d/g", "moved").unwrap();
    v.put("moved", b"written").unwrap();
    assert_eq!(g.path().unwrap().to_string(), "moved");
    assert_eq!(node(&v, "moved"), g);
    assert_eq!(read_all(&g.open(&how("r")).unwrap()).unwrap(), b"written");
    g.link(&v.root(), b"second").unwrap();
    assert_eq!(node(&v, "second"), g);
    g.set_mode(0o600).unwrap();
    assert_eq!(v.stat("second").unwrap().mode, 0o600);
    // Without a name: as long as somebody has it open, its bytes are there.
    let open = f.open(&how("rw")).unwrap();
    v.unlink("f").unwrap();
    assert_eq!((f.meta().unwrap().nlink, f.path()), (0, Err(FsError::NotFound)));
    open.write_at(b"BASE", 0).unwrap();
    assert_eq!(read_all(&f.open(&how("r")).unwrap()).unwrap(), b"BASE f");
    drop(open);
    assert_eq!(f.open(&how("r")).err(), Some(FsError::Stale));
    let at = Time { secs: 7, nanos: 8 };
    f.set_times(SetTime::Keep, SetTime::At(at)).unwrap();
    assert_eq!(f.meta().unwrap().mtime, at);
    v.unlink("link").unwrap();
    assert_eq!(link.read_link().unwrap(), b"f");
    let d = node(&v, "other");
    v.rmdir("other").unwrap();
    assert_eq!(d.meta().unwrap().nlink, 0);
    assert!(d.as_dir().unwrap().list().is_err());
}

#[test]
fn a_change_of_a_name_or_of_attributes_is_told_by_the_change_time() {
    let fixture = base();
    let v = fixture.view();
    v.put("made", b"x").unwrap();
    for path in ["f", "made", "d/e", "link"] {
        let mut last = v.lstat(path).unwrap().ctime;
        let mut later = |what: &str| {
            let now = v.lstat(path).unwrap().ctime;
            assert!(now > last, "{what} of {path}: {now:?} after {last:?}");
            last = now;
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        std::thread::sleep(std::time::Duration::from_millis(2));
        if path != "link" {
            v.set_mode_at(&v.root(), path.as_bytes(), false, 0o700).unwrap();
            later("the mode");
        }
        v.mv(path, "elsewhere").unwrap();
        v.mv("elsewhere", path).unwrap();
        later("the name");
        if path != "d/e" {
            v.ln(path, "another").unwrap();
            later("a link");
            v.unlink("another").unwrap();
            later("the loss of a link");
        }
    }
}

#[test]
fn a_rename_can_leave_or_exchange_what_has_the_name() {
    let fixture = base();
    let v = fixture.view();
    v.put("made", b"made").unwrap();
    assert_eq!(rename(&v, "f", "made", Rename::NoReplace), Err(FsError::Exists));
    rename(&v, "made", "free", Rename::NoReplace).unwrap();
    assert_eq!(rename(&v, "f", "absent", Rename::Exchange), Err(FsError::NotFound));
    // A directory with what lies in it; a `.git`.
    assert_eq!(rename(&v, "other", "d/e", Rename::Exchange), Ok(()));
    assert_eq!(rename(&v, "d", "f", Rename::Exchange), Err(FsError::ReadOnly));
    assert_eq!(rename(&v, "f", "d", Rename::Exchange), Err(FsError::ReadOnly));
    v.put("other/inside", b"i").unwrap();
    assert_eq!(rename(&v, "other/inside", "other", Rename::Exchange), Err(FsError::Invalid));
    assert_eq!(rename(&v, "other", "other/inside", Rename::Exchange), Err(FsError::Invalid));
    // A file of the base with one of the layer, a file with a directory, and in one directory.
    let (f, free) = (node(&v, "f"), node(&v, "free"));
    rename(&v, "f", "free", Rename::Exchange).unwrap();
    assert_eq!(
        (f.path().unwrap().as_bytes(), free.path().unwrap().as_bytes()),
        (&b"free"[..], &b"f"[..])
    );
    rename(&v, "d/g", "other", Rename::Exchange).unwrap();
    let check = |v: &View| {
        assert_eq!(v.get("free").unwrap(), b"base f");
        assert_eq!(v.get("f").unwrap(), b"made");
        assert_eq!(v.get("other").unwrap(), b"base g");
        assert_eq!(v.get("d/g/inside").unwrap(), b"i");
        assert_eq!(v.ls("").err(), Some(FsError::NotFound));
        assert_eq!(v.ls(".").unwrap(), ["d", "f", "free", "link", "other"]);
        assert_eq!(v.ls("d").unwrap(), [".git", "e", "g"]);
    };
    check(&v);
    let told = v.diff();
    drop((v, f, free));
    let again = fixture.view();
    check(&again);
    assert_eq!(again.diff(), told);
}
