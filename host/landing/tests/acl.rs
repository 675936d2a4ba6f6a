//! What is new gets the default ACL of its directory, as if it had been created there.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{begin, commit, open, write, writer};
use rustix::fs::{XattrFlags, getxattr, setxattr};

const DEFAULT: &str = "system.posix_acl_default";
const ACCESS: &str = "system.posix_acl_access";

fn acl(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let n = getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(n);
    Some(value)
}

/// `u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---`
fn default_acl() -> Vec<u8> {
    let none = u32::MAX;
    let entries = [(1u16, 7u16, none), (2, 7, 1000), (4, 5, none), (16, 7, none), (32, 0, none)];
    let mut out = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(perm.to_le_bytes());
        out.extend(id.to_le_bytes());
    }
    out
}

#[test]
fn new_files_and_directories_inherit_as_native_ones_do() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("shared");
    fs::create_dir(&dir).unwrap();
    if setxattr(&dir, DEFAULT, &default_acl(), XattrFlags::empty()).is_err() {
        return common::skipped("default ACLs: this file system has none");
    }
    // What creation there gives.
    fs::write(dir.join("native"), "x").unwrap();
    fs::create_dir_all(dir.join("native-dir/below")).unwrap();

    let d = open(base.path());
    let s = begin(&d, "");
    let w = writer(&s);
    write(w.view(), "shared/ours", b"x");
    w.view().mkdir_at(&w.view().root(), b"shared/our-dir").unwrap();
    w.view().mkdir_at(&w.view().root(), b"shared/our-dir/below").unwrap();
    write(w.view(), "shared/our-dir/file", b"x");
    write(w.view(), "outside", b"x");
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();

    for (ours, native) in [
        ("ours", "native"),
        ("our-dir", "native-dir"),
        ("our-dir/below", "native-dir/below"),
        ("our-dir/file", "native"),
    ] {
        let (ours, native) = (dir.join(ours), dir.join(native));
        for name in [ACCESS, DEFAULT] {
            assert_eq!(acl(&ours, name), acl(&native, name), "{name} of {}", ours.display());
        }
        let mode = |p: &Path| fs::metadata(p).unwrap().mode();
        assert_eq!(mode(&ours), mode(&native), "{}", ours.display());
    }
    assert_eq!(acl(&base.path().join("outside"), ACCESS), None);
}
