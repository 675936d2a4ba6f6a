//! A base and a session that changes it in every way.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{project, put, take, write, writer};

pub fn base(dir: &Path) {
    let file = |p: &str, c: &str| {
        let p = dir.join(p);
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(p, c).unwrap();
    };
    file("replace", "old");
    file("remove", "old");
    file("mode", "same");
    file("deep/a/b/keep", "keep");
    file("deep/a/b/replace", "old");
    file("gone/x/one", "1");
    file("gone/two", "2");
    file("to-file/inner", "inner");
    file("to-dir", "was a file");
    file("linked", "two names");
    file("moved/file", "moved");
    file("borrowed", "its content stays");
    std::fs::hard_link(dir.join("linked"), dir.join("linked-too")).unwrap();
    symlink("replace", dir.join("link")).unwrap();
    symlink("nowhere", dir.join("link-gone")).unwrap();
    std::fs::create_dir(dir.join("modes")).unwrap();
    std::fs::set_permissions(dir.join("modes"), PermissionsExt::from_mode(0o755)).unwrap();
}

/// Notes of the base.
pub fn base_notes(d: &brio_landing::Domain) {
    for path in ["kept", "replaced", "removed"] {
        put(&*project(d), path, "old");
    }
}

/// What the session makes of them.
pub fn notes(d: &brio_landing::Domain, s: &brio_landing::Session) {
    let w = writer(s);
    let own = w.notes(project(d));
    put(&own, "replaced", "new");
    put(&own, "plans/added", "new");
    take(&own, "removed");
    w.finish().unwrap();
}

pub fn change(s: &brio_landing::Session) {
    let w = writer(s);
    let v = w.view();
    let root = v.root();
    write(v, "replace", b"new");
    v.unlink_at(&root, b"remove").unwrap();
    v.set_mode_at(&root, b"mode", true, 0o640).unwrap();
    write(v, "deep/a/b/replace", b"new");
    write(v, "deep/a/b/added", b"added");
    for p in ["gone/x/one", "gone/two"] {
        v.unlink_at(&root, p.as_bytes()).unwrap();
    }
    v.rmdir_at(&root, b"gone/x").unwrap();
    v.rmdir_at(&root, b"gone").unwrap();
    v.unlink_at(&root, b"to-file/inner").unwrap();
    v.rmdir_at(&root, b"to-file").unwrap();
    write(v, "to-file", b"now a file");
    v.unlink_at(&root, b"to-dir").unwrap();
    v.mkdir_at(&root, b"to-dir").unwrap();
    write(v, "to-dir/child", b"child");
    write(v, "linked", b"broken link");
    v.rename_at(&root, b"moved", &root, b"elsewhere").unwrap();
    v.rename_at(&root, b"borrowed", &root, b"borrowed-2").unwrap();
    v.unlink_at(&root, b"link").unwrap();
    v.symlink_at(b"deep", &root, b"link").unwrap();
    v.unlink_at(&root, b"link-gone").unwrap();
    v.symlink_at(b"replace", &root, b"link-new").unwrap();
    v.mkdir_at(&root, b"new").unwrap();
    v.mkdir_at(&root, b"new/er").unwrap();
    write(v, "new/er/file", b"file");
    v.link_at(&root, b"new/er/file", false, &root, b"new/hard").unwrap();
    v.mkdir_at(&root, b"new/empty").unwrap();
    v.mkdir_at(&root, b"new/read-only").unwrap();
    write(v, "new/read-only/x", b"x");
    v.set_mode_at(&root, b"new/read-only", true, 0o555).unwrap();
    v.set_mode_at(&root, b"modes", true, 0o700).unwrap();
    for i in 0..8 {
        write(v, &format!("new/many-{i}"), format!("{i}").as_bytes());
    }
    w.finish().unwrap();
}
