//! Shapes of change sets.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use brio_session::{SetTime, Time, View};

use crate::common::write;

pub(crate) fn base(dir: &Path) {
    let file = |p: &str, c: &str| {
        let p = dir.join(p);
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(p, c).unwrap();
    };
    for i in 0..4 {
        file(&format!("plain-{i}"), "old");
        file(&format!("deep/a/b/file-{i}"), "old");
        file(&format!("gone/x/y/file-{i}"), "old");
    }
    file("gone/top", "old");
    file("dir/inner", "inner");
    file("file", "a file");
    file("linked", "three names");
    file("moved/one", "1");
    file("moved/sub/two", "2");
    file("borrowed", "its content stays");
    std::fs::hard_link(dir.join("linked"), dir.join("linked-2")).unwrap();
    std::fs::hard_link(dir.join("linked"), dir.join("deep/linked-3")).unwrap();
    symlink("file", dir.join("link")).unwrap();
    symlink("nowhere", dir.join("link-gone")).unwrap();
    std::fs::create_dir(dir.join("empty")).unwrap();
    std::fs::set_permissions(dir.join("plain-3"), PermissionsExt::from_mode(0o600)).unwrap();
}

type Shape = (&'static str, fn(&View));

pub(crate) const SHAPES: [Shape; 9] = [
    ("adds", adds),
    ("replaces", replaces),
    ("removes", removes),
    ("kinds", kinds),
    ("hard links", hard_links),
    ("symlinks", symlinks),
    ("moves", moves),
    ("metadata", metadata),
    ("everything", everything),
];

fn adds(v: &View) {
    let root = v.root();
    for d in ["new", "new/er", "new/er/est", "empty/new"] {
        v.mkdir_at(&root, d.as_bytes()).unwrap();
    }
    for f in ["added", "deep/a/added", "new/f", "new/er/f", "new/er/est/f", "empty/new/f"] {
        write(v, f, f.as_bytes());
    }
    v.mkdir_at(&root, b"new/locked").unwrap();
    write(v, "new/locked/f", b"f");
    v.set_mode_at(&root, b"new/locked", true, 0o500).unwrap();
}

fn replaces(v: &View) {
    for i in 0..4 {
        write(v, &format!("plain-{i}"), format!("new {i}").as_bytes());
        write(v, &format!("deep/a/b/file-{i}"), b"new");
    }
    write(v, "file", &[7; 100_000]);
}

fn removes(v: &View) {
    let root = v.root();
    for i in 0..4 {
        v.unlink_at(&root, format!("gone/x/y/file-{i}").as_bytes()).unwrap();
    }
    v.unlink_at(&root, b"gone/top").unwrap();
    for d in ["gone/x/y", "gone/x", "gone", "empty"] {
        v.rmdir_at(&root, d.as_bytes()).unwrap();
    }
    v.unlink_at(&root, b"plain-0").unwrap();
    v.unlink_at(&root, b"link").unwrap();
    v.unlink_at(&root, b"linked-2").unwrap();
}

fn kinds(v: &View) {
    let root = v.root();
    v.unlink_at(&root, b"dir/inner").unwrap();
    v.rmdir_at(&root, b"dir").unwrap();
    write(v, "dir", b"now a file");
    v.unlink_at(&root, b"file").unwrap();
    v.mkdir_at(&root, b"file").unwrap();
    write(v, "file/child", b"child");
    v.unlink_at(&root, b"link").unwrap();
    write(v, "link", b"now a file");
    v.unlink_at(&root, b"plain-1").unwrap();
    v.symlink_at(b"file", &root, b"plain-1").unwrap();
    v.rmdir_at(&root, b"empty").unwrap();
    v.symlink_at(b"dir", &root, b"empty").unwrap();
    v.unlink_at(&root, b"link-gone").unwrap();
    v.mkdir_at(&root, b"link-gone").unwrap();
}

fn hard_links(v: &View) {
    let root = v.root();
    write(v, "linked", b"broken off");
    write(v, "fresh", b"two names");
    v.link_at(&root, b"fresh", false, &root, b"fresh-2").unwrap();
    v.link_at(&root, b"fresh", false, &root, b"deep/fresh-3").unwrap();
    v.link_at(&root, b"plain-2", false, &root, b"plain-link").unwrap();
    v.unlink_at(&root, b"deep/linked-3").unwrap();
}

fn symlinks(v: &View) {
    let root = v.root();
    v.symlink_at(b"deep", &root, b"to-dir").unwrap();
    v.symlink_at(b"../file", &root, b"deep/up").unwrap();
    v.unlink_at(&root, b"link").unwrap();
    v.symlink_at(b"plain-0", &root, b"link").unwrap();
    v.rename_at(&root, b"link-gone", &root, b"deep/a/link-gone").unwrap();
}

fn moves(v: &View) {
    let root = v.root();
    v.rename_at(&root, b"moved", &root, b"elsewhere").unwrap();
    v.rename_at(&root, b"borrowed", &root, b"elsewhere/borrowed").unwrap();
    v.rename_at(&root, b"plain-0", &root, b"plain-1").unwrap();
    v.rename_at(&root, b"deep/a/b", &root, b"b").unwrap();
    v.rename_at(&root, b"dir", &root, b"empty").unwrap();
    write(v, "elsewhere/one", b"and written");
}

fn metadata(v: &View) {
    let root = v.root();
    for (p, mode) in [("plain-0", 0o755), ("plain-3", 0o644), ("deep", 0o700), ("deep/a", 0o711)] {
        v.set_mode_at(&root, p.as_bytes(), true, mode).unwrap();
    }
    let at = SetTime::At(Time { secs: 1_000_000_000, nanos: 5 });
    v.set_times_at(&root, b"plain-1", true, at, at).unwrap();
    v.set_times_at(&root, b"empty", true, at, at).unwrap();
    v.mkdir_at(&root, b"dated").unwrap();
    write(v, "dated/f", b"f");
    v.set_times_at(&root, b"dated", true, at, at).unwrap();
}

fn everything(v: &View) {
    let root = v.root();
    adds(v);
    for i in 0..2 {
        write(v, &format!("deep/a/b/file-{i}"), b"new");
    }
    for i in 0..4 {
        v.unlink_at(&root, format!("gone/x/y/file-{i}").as_bytes()).unwrap();
    }
    v.rmdir_at(&root, b"gone/x/y").unwrap();
    write(v, "gone/x/y", b"now a file");
    v.rename_at(&root, b"moved", &root, b"gone/moved").unwrap();
    v.unlink_at(&root, b"link").unwrap();
    v.symlink_at(b"deep", &root, b"link").unwrap();
    write(v, "linked", b"broken off");
    v.link_at(&root, b"linked", false, &root, b"new/hard").unwrap();
    v.set_mode_at(&root, b"deep", true, 0o711).unwrap();
}
