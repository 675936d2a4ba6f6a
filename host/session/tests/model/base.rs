//! What the base holds before a sequence.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use brio_session::Time;

/// Fills an empty directory. The same for every sequence, so that copies are made by calling it again.
pub fn populate(root: &Path) {
    let dir = |p: &str| std::fs::create_dir(root.join(p)).unwrap();
    let link = |t: &str, p: &str| std::os::unix::fs::symlink(t, root.join(p)).unwrap();
    for d in ["a", "a/b", "a/b/c", "d", "d/a", "g"] {
        dir(d);
    }
    link("a", "ln");
    link("../d", "a/up");
    link("nowhere", "d/ln");
    link("loop", "loop");
    link("../../../etc", "a/esc");
    link("/etc", "esc");
    link("b/c", "a/ln");
    for (i, f) in
        ["f", "a/f", "a/b/f", "a/b/c/f", "a/b/c/a", "d/f", "d/a/b", "d/a/c", "b"].iter().enumerate()
    {
        let len = [0, 3, 300, 5000][i % 4];
        let bytes: Vec<u8> = (0..len).map(|n| b'a' + ((n + i) % 26) as u8).collect();
        file(&root.join(f), &bytes, i as i64);
    }
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    file(&root.join("a").join(odd), b"not UTF-8\0", 99);
}

fn file(path: &Path, bytes: &[u8], n: i64) {
    std::fs::write(path, bytes).unwrap();
    set_mtime(path, Time { secs: 1_000_000_000 + n, nanos: 5 });
}

pub fn set_mtime(path: &Path, t: Time) {
    let at = std::time::UNIX_EPOCH + std::time::Duration::new(t.secs as u64, t.nanos);
    std::fs::File::open(path).unwrap().set_modified(at).unwrap();
}
