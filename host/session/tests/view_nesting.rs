//! Views over sealed layers: a child's work comes back to its parent by stacking.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;

use brio_session::{
    ChangeKind, DirLower, FsError, Lower, Sealed, SetTime, Time, View, ViewOptions,
};
use common::{Fixture, Short, how, open_dir, read_all};

fn fixture() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::write(b.join("f"), "base f").unwrap();
        std::fs::write(b.join("d/g"), "base g").unwrap();
        std::fs::write(b.join("d/e/h"), "base h").unwrap();
    })
}

/// A child over the parent's sealed layers.
fn child_of(f: &Fixture, sealed: usize, layer: &std::path::Path) -> View {
    let mut lower: Arc<dyn Lower> = Arc::new(DirLower::new(open_dir(&f.base())));
    for l in &f.layers[..sealed] {
        lower = Arc::new(Sealed::open(open_dir(l), lower).unwrap());
    }
    View::open(open_dir(layer), lower, ViewOptions::default()).unwrap()
}

/// The child sees the parent as of its begin; stacked, its layer means the same on the taller stack.
#[test]
fn child_is_stacked() {
    let mut f = fixture();
    let parent = f.view();
    parent.put("f", b"parent").unwrap();
    parent.mv("d", "moved").unwrap();
    parent.put("a", b"linked").unwrap();
    parent.ln("a", "b").unwrap();
    f.restack(&parent);
    let layer = f.tmp.path().join("child");
    std::fs::create_dir(&layer).unwrap();
    View::create_layer(&open_dir(&layer), &Default::default()).unwrap();
    let child = child_of(&f, 1, &layer);
    assert_eq!(child.get("f").unwrap(), b"parent");
    // The parent goes on; the child does not see it.
    parent.put("parents", b"later").unwrap();
    let open = parent.file("moved/e/h", how("rw")).unwrap();
    assert_eq!(child.stat("parents"), Err(FsError::NotFound));
    child.put("moved/g", b"child").unwrap();
    child.mv("moved/e", "e").unwrap();
    child.put("b", b"both").unwrap();
    child.unlink("f").unwrap();
    child.end();
    let next = f.push_layer();
    parent.restack(vec![open_dir(&layer)], open_dir(&next)).unwrap();
    assert_eq!(parent.get("moved/g").unwrap(), b"child");
    assert_eq!(parent.get("e/h").unwrap(), b"base h");
    assert_eq!(parent.get("a").unwrap(), b"both");
    assert_eq!(parent.stat("a").unwrap().nlink, 2);
    assert_eq!(parent.get("parents").unwrap(), b"later");
    assert_eq!(parent.stat("f"), Err(FsError::NotFound));
    assert_eq!(read_all(&open).unwrap(), b"base h");
    let diff = parent.diff();
    assert!(diff.contains(&("f".into(), ChangeKind::Removed)));
    assert!(diff.contains(&("e/h".into(), ChangeKind::Added)));
    // The same from disk.
    f.layers.insert(f.layers.len() - 1, layer);
    drop((parent, open));
    assert_eq!(f.view().diff(), diff);
}

/// A directory's handle follows it through renames and new layers, and stays a boundary.
#[test]
fn directory_handles() {
    let mut f = fixture();
    let v = f.view();
    let e = v.dir("d/e").unwrap();
    v.mv("d", "x").unwrap();
    f.restack(&v);
    assert_eq!(e.path().unwrap().as_bytes(), b"x/e");
    v.mv("x/e", "y").unwrap();
    v.mkdir_at(&e, b"sub").unwrap();
    f.restack(&v);
    assert_eq!(v.ls("y").unwrap(), ["h", "sub"]);
    assert_eq!(v.stat_at(&e, b"../f", true), Err(FsError::NotPermitted));
    assert_eq!(v.stat_at(&e, b"sub/../../f", true), Err(FsError::NotPermitted));
    v.symlink_at(b"../f", &e, b"up").unwrap();
    assert_eq!(v.stat_at(&e, b"up", true), Err(FsError::NotPermitted));
    assert_eq!(v.get("y/up").unwrap(), b"base f");
    v.unlink("y/up").unwrap();
    v.unlink("y/h").unwrap();
    v.rmdir("y/sub").unwrap();
    v.rmdir("y").unwrap();
    assert_eq!(e.list().err(), Some(FsError::NotFound));
    assert_eq!(e.meta().err(), Some(FsError::NotFound));
    f.restack(&v);
    v.mkdir("y").unwrap();
    assert_eq!(v.mkdir_at(&e, b"z"), Err(FsError::NotFound));
}

/// A file that was opened before its layer was sealed is written in the new one, under all its
/// names; one that had lost its names stays its handle's.
#[test]
fn file_handles_across_layers() {
    let mut f = fixture();
    let v = f.view();
    v.put("a", b"1").unwrap();
    v.ln("a", "b").unwrap();
    v.put("lost", b"l").unwrap();
    let (a, b) = (v.file("a", how("rw")).unwrap(), v.file("b", how("rw")).unwrap());
    let (lost, base) = (v.file("lost", how("rw")).unwrap(), v.file("d/g", how("rw")).unwrap());
    v.unlink("lost").unwrap();
    v.unlink("d/g").unwrap();
    for n in 0..3u8 {
        f.restack(&v);
        let c = v.file(if n == 1 { "a" } else { "b" }, how("rw")).unwrap();
        assert!(a.same_file(&b) && b.same_file(&c));
        c.append(&[b'2' + n]).unwrap();
        lost.append(b"+").unwrap();
        base.append(b"+").unwrap();
    }
    assert_eq!(read_all(&a).unwrap(), b"1234");
    assert_eq!(read_all(&lost).unwrap(), b"l+++");
    assert_eq!(read_all(&base).unwrap(), b"base g+++");
    assert_eq!((lost.meta().unwrap().nlink, base.meta().unwrap().nlink), (0, 0));
    v.sync().unwrap();
    a.sync(false).unwrap();
    lost.sync(true).unwrap();
    let ino = v.stat("a").unwrap().ino;
    drop(v);
    let v = f.view();
    assert_eq!((v.get("b").unwrap(), v.stat("b").unwrap().ino), (b"1234".to_vec(), ino));
    assert_eq!(v.stat("lost"), Err(FsError::NotFound));
    let left: Vec<_> = f
        .layers
        .iter()
        .flat_map(|l| std::fs::read_dir(l).unwrap())
        .map(|e| e.unwrap().file_name())
        .filter(|n| n.to_string_lossy().starts_with('u'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Times that were set stay over layers, for each kind of file.
#[test]
fn times_over_layers() {
    let mut f = fixture();
    let v = f.view();
    v.sym("f", "s").unwrap();
    let t = |n| SetTime::At(Time { secs: n, nanos: 1 });
    let root = v.root();
    for (i, p) in ["f", "d", "d/g", "s"].iter().enumerate() {
        v.set_times_at(&root, p.as_bytes(), false, SetTime::Keep, t(i as i64)).unwrap();
    }
    v.set_times_at(&root, b"d/e", false, t(-5), t(-6)).unwrap();
    for _ in 0..2 {
        f.restack(&v);
        v.mv("d/g", "d/g2").unwrap();
        v.mv("d/g2", "d/g").unwrap();
        for (i, p) in ["f", "", "d/g", "s"].iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            assert_eq!(v.lstat(p).unwrap().mtime, Time { secs: i as i64, nanos: 1 }, "{p}");
            let p = brio_session::RelPath::new(*p).unwrap();
            let explicit = v.explicit_times(&p).unwrap().map(|t| t.1);
            assert_eq!(explicit, Some(Time { secs: i as i64, nanos: 1 }), "{p}");
        }
    }
    assert_eq!(v.stat("d/e").unwrap().mtime, Time { secs: -6, nanos: 1 });
    assert!(v.stat("d").unwrap().mtime.secs > 100, "an entry moved it on");
    v.set_mode_at(&root, b"f", true, 0o640).unwrap();
    f.restack(&v);
    v.file("f", how("w")).unwrap().append(b"!").unwrap();
    assert_eq!(v.stat("f").unwrap().mode, 0o640);
}
