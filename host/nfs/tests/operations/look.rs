//! `LOOKUP`, and `@`.

use std::os::unix::fs::MetadataExt;

use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Branch, Client, Fh};
use crate::size;

fn fill(base: &std::path::Path) {
    std::fs::create_dir_all(base.join("a/b")).unwrap();
    std::fs::write(base.join("a/f"), "of the base").unwrap();
    std::os::unix::fs::symlink("a", base.join("link")).unwrap();
}

fn id(c: &mut Client, file: &Fh) -> u64 {
    c.getattr(file).unwrap().fileid
}

#[test]
fn dots_lead_here_and_up_to_the_top() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let a = c.lookup(&root, b"a").unwrap().0;
    let b = c.lookup(&a, b"b").unwrap().0;
    assert_eq!(c.lookup(&b, b".").unwrap().0, b);
    assert_eq!(c.lookup(&b, b"..").unwrap().0, a);
    assert_eq!(c.lookup(&a, b"..").unwrap().0, root);
    let (sessions, exports, top) =
        (c.mnt("/exports/sessions").unwrap(), c.mnt("/exports").unwrap(), c.mnt("/").unwrap());
    for (of, up) in [(&root, &sessions), (&sessions, &exports), (&exports, &top), (&top, &top)] {
        assert_eq!(c.lookup(of, b"..").unwrap().0, *up);
        assert_eq!(c.lookup(of, b".").unwrap().0, *of);
    }
    assert_eq!(c.lookup(&sessions, b"one").unwrap().0, root);
    let f = c.lookup(&a, b"f").unwrap().0;
    for name in [&b"."[..], b"..", b"x"] {
        assert_eq!(c.lookup(&f, name).map(drop), Err(NFS3ERR_NOTDIR));
    }
    // A renamed directory's parent is the new one.
    c.rename((&a, b"b"), (&root, b"moved")).unwrap();
    assert_eq!(c.lookup(&b, b"..").unwrap().0, root);
}

#[test]
fn names_are_components() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let long = [b'x'; 256];
    let expected = [
        (&b"a/f"[..], NFS3ERR_INVAL),
        (b"/", NFS3ERR_INVAL),
        (b"a\0b", NFS3ERR_INVAL),
        (b"", NFS3ERR_INVAL),
        (&long, NFS3ERR_NAMETOOLONG),
        (&long[1..], NFS3ERR_NOENT),
        (b"nothing", NFS3ERR_NOENT),
        (b".brio", NFS3ERR_NOENT),
    ];
    let file = c.put(&root, b"file", b"");
    for (name, status) in expected {
        let shown = name.escape_ascii();
        assert_eq!(c.lookup(&root, name).map(drop), Err(status), "{shown}");
        if status == NFS3ERR_NOENT {
            continue;
        }
        assert_eq!(c.create(&root, name, crate::guarded()).map(drop), Err(status), "{shown}");
        assert_eq!(c.mkdir(&root, name, sattr3::default()).map(drop), Err(status), "{shown}");
        assert_eq!(c.symlink(&root, name, b"a").map(drop), Err(status), "{shown}");
        assert_eq!(c.link(&file, &root, name), Err(status), "{shown}");
        assert_eq!(c.rename((&root, b"file"), (&root, name)), Err(status), "{shown}");
        assert_eq!(c.rename((&root, name), (&root, b"other")), Err(status), "{shown}");
        assert_eq!(c.remove(&root, name), Err(status), "{shown}");
        assert_eq!(c.rmdir(&root, name), Err(status), "{shown}");
    }
    c.rename((&root, b"file"), (&root, &long[1..])).unwrap();
    assert_eq!(c.lookup(&root, &long[1..]).unwrap().0, file);
}

/// M-035: what a session stands on is `@` in its root, and never changes; a file of that name
/// comes before it.
#[test]
fn the_base_is_at_the_at() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let base = c.lookup(&root, b"@").unwrap().0;
    assert_eq!(c.mnt("/exports/sessions/one/@").unwrap(), base);
    assert!(!c.names(&root).contains(&"@".to_owned()));
    assert_eq!(c.lookup(&base, b"..").unwrap().0, root);
    assert_eq!(c.lookup(&base, b"@").map(drop), Err(NFS3ERR_NOENT));
    let a = c.lookup(&root, b"a").unwrap().0;
    assert_eq!(c.lookup(&a, b"@").map(drop), Err(NFS3ERR_NOENT), "only in the root");
    let file = c.lookup(&a, b"f").unwrap().0;
    c.write(&file, 0, b"OF THE BRANCH", stable_how::FILE_SYNC).unwrap();
    c.remove(&a, b"f").unwrap();
    let old = c.lookup(&base, b"a").unwrap().0;
    let old = c.lookup(&old, b"f").unwrap().0;
    assert_eq!(c.read_all(&old).unwrap(), b"of the base");
    assert_ne!(id(&mut c, &base), id(&mut c, &root));
    let real = c.put(&root, b"@", b"real");
    assert_eq!(c.lookup(&root, b"@").unwrap().0, real);
    assert!(c.names(&root).contains(&"@".to_owned()));
    c.remove(&root, b"@").unwrap();
    assert_eq!(c.lookup(&root, b"@").unwrap().0, base);
}

/// M-043: whatever is asked of what a session stands on, it is refused, and the directory is as
/// it was.
#[test]
fn the_base_cannot_be_changed() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let state = |path: &str| {
        let m = std::fs::symlink_metadata(branch.place.base().join(path)).unwrap();
        (m.ino(), m.mtime_nsec(), m.ctime_nsec(), m.len(), m.mode())
    };
    let before = ["", "a", "a/f", "a/b", "link"].map(state);
    let base = c.lookup(&root, b"@").unwrap().0;
    let a = c.lookup(&base, b"a").unwrap().0;
    let f = c.lookup(&a, b"f").unwrap().0;
    let ro = || Err(NFS3ERR_ROFS);
    assert_eq!(c.write(&f, 0, b"x", stable_how::UNSTABLE).map(drop), ro());
    assert_eq!(c.setattr(&f, size(0)).map(drop), ro());
    assert_eq!(c.setattr(&f, crate::mode(0o777)).map(drop), ro());
    let now = sattr3 { mtime: set_mtime::SET_TO_SERVER_TIME, ..sattr3::default() };
    assert_eq!(c.setattr(&a, now).map(drop), ro());
    for how in [
        createhow3::UNCHECKED(size(0)),
        createhow3::GUARDED(sattr3::default()),
        createhow3::EXCLUSIVE(createverf3([1; 8])),
    ] {
        assert_eq!(c.create(&a, b"new", how).map(drop), ro());
    }
    assert_eq!(c.create(&a, b"f", createhow3::UNCHECKED(size(0))).map(drop), ro());
    assert_eq!(c.mkdir(&a, b"new", sattr3::default()).map(drop), ro());
    assert_eq!(c.symlink(&a, b"new", b"f").map(drop), ro());
    assert_eq!(c.remove(&a, b"f"), ro());
    assert_eq!(c.rmdir(&a, b"b"), ro());
    assert_eq!(c.rename((&a, b"f"), (&a, b"g")), ro());
    assert_eq!(c.link(&f, &a, b"g"), ro());
    assert_eq!(c.read_all(&f).unwrap(), b"of the base");
    assert_eq!(["", "a", "a/f", "a/b", "link"].map(state), before);
    // The server's own directories likewise.
    let own = c.mnt("/exports/sessions").unwrap();
    assert_eq!(c.mkdir(&own, b"two", sattr3::default()).map(drop), ro());
    assert_eq!(c.rmdir(&own, b"one"), ro());
    assert_eq!(c.rename((&own, b"one"), (&own, b"two")), ro());
    assert_eq!(c.setattr(&own, crate::mode(0)).map(drop), ro());
}
