//! `READDIR`, `READDIRPLUS`.

use std::collections::{BTreeMap, BTreeSet};

use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Branch, Client, Fh};

const MANY: usize = 50_000;

/// All that a listing in parts tells; between parts something happens.
fn in_parts(
    c: &mut Client,
    dir: &Fh,
    count: u32,
    plus: bool,
    mut between: impl FnMut(&mut Client, usize),
) -> Vec<(String, u64)> {
    let (mut all, mut cookie, mut parts) = (Vec::new(), 0, 0);
    loop {
        let (part, eof): (Vec<_>, _) = if plus {
            let part = c.readdirplus(dir, cookie, (count, count)).unwrap();
            let each = |e: entryplus3<'_>| (e.name.as_ref().to_vec(), e.fileid, e.cookie);
            (part.entries.0.into_iter().map(each).collect(), part.eof)
        } else {
            let part = c.readdir(dir, cookie, count).unwrap();
            let each = |e: entry3<'_>| (e.name.as_ref().to_vec(), e.fileid, e.cookie);
            (part.entries.0.into_iter().map(each).collect(), part.eof)
        };
        assert!(eof || !part.is_empty(), "a part with nothing in it, and more to come");
        for (name, id, next) in part {
            assert!(next > cookie, "cookies go up");
            cookie = next;
            all.push((String::from_utf8(name).unwrap(), id));
        }
        if eof {
            return all;
        }
        parts += 1;
        between(c, parts);
    }
}

#[test]
fn nothing_is_told_twice_and_nothing_that_stays_is_left_out() {
    let branch = Branch::new(|base| {
        std::fs::create_dir(base.join("d")).unwrap();
        for n in 0..MANY {
            std::fs::File::create(base.join(format!("d/{n}"))).unwrap();
        }
    });
    let (mut c, root) = branch.mounted();
    let dir = c.lookup(&root, b"d").unwrap().0;
    for plus in [false, true] {
        let there: BTreeSet<_> = c.names(&dir).into_iter().collect();
        let changed = std::cell::RefCell::new(BTreeSet::new());
        let tag = if plus { "plus" } else { "plain" };
        let all = in_parts(&mut c, &dir, 32 << 10, plus, |c, part| {
            if part % 8 != 1 {
                return;
            }
            // Names on both sides of where the listing is.
            for n in (part * 7..MANY).step_by(9973) {
                let name = n.to_string();
                if c.remove(&dir, name.as_bytes()).is_ok() {
                    changed.borrow_mut().insert(name);
                }
                let name = format!("{tag}-{n}");
                if c.create(&dir, name.as_bytes(), crate::guarded()).is_ok() {
                    changed.borrow_mut().insert(name);
                }
            }
        });
        let changed = changed.into_inner();
        assert!(changed.len() > 50, "{}", changed.len());
        let told: BTreeSet<_> = all.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(told.len(), all.len(), "told twice");
        for name in there.iter().filter(|name| !changed.contains(*name)) {
            assert!(told.contains(name), "{name} was left out");
        }
    }
}

/// A whole part of what was listed may be gone by the time that it is asked for.
#[test]
fn parts_of_which_nothing_is_left_are_passed_over() {
    let branch = Branch::new(|_| {});
    let (mut c, root) = branch.mounted();
    let dir = c.mkdir(&root, b"d", sattr3::default()).unwrap().0;
    for n in 0..1000 {
        c.create(&dir, format!("{n:04}").as_bytes(), crate::guarded()).unwrap();
    }
    for plus in [true, false] {
        let first = in_parts(&mut c, &dir, 4 << 10, plus, |c, part| {
            if part == 1 && plus {
                for n in 0..1000 {
                    c.remove(&dir, format!("{n:04}").as_bytes()).unwrap();
                }
            }
        });
        assert!(first.len() < 1002);
    }
}

/// What was replaced between two parts of a listing keeps its handle, also for the next server.
#[test]
fn an_old_listing_spoils_no_handle() {
    let mut branch = Branch::new(|_| {});
    let (mut c, root) = branch.mounted();
    let dir = c.mkdir(&root, b"d", sattr3::default()).unwrap().0;
    for n in 0..400 {
        c.create(&dir, format!("{n:04}").as_bytes(), crate::guarded()).unwrap();
    }
    let new = std::cell::RefCell::new(BTreeMap::new());
    in_parts(&mut c, &dir, 4 << 10, false, |c, part| {
        if part == 1 {
            for n in 0..400 {
                let name = format!("{n:04}");
                c.remove(&dir, name.as_bytes()).unwrap();
                let (file, attr) = c.mkdir(&dir, name.as_bytes(), sattr3::default()).unwrap();
                c.put(&file, b"in it", name.as_bytes());
                new.borrow_mut().insert(name, (file, attr.fileid));
            }
        }
    });
    branch.served.restart();
    let mut c = branch.served.client();
    for (name, (file, id)) in new.into_inner() {
        assert_eq!(c.getattr(&file).map(|a| a.fileid), Ok(id), "{name}");
        let child = c.lookup(&file, b"in it").unwrap().0;
        assert_eq!(c.read_all(&child).unwrap(), name.as_bytes());
    }
}

#[test]
fn a_part_too_small_for_one_entry_is_refused() {
    let branch = Branch::new(|base| std::fs::write(base.join("x".repeat(200)), "").unwrap());
    let (mut c, root) = branch.mounted();
    for count in [0, 1, 100] {
        assert_eq!(c.readdir(&root, 0, count).map(drop), Err(NFS3ERR_TOOSMALL), "{count}");
        let small = c.readdirplus(&root, 0, (count, count));
        assert_eq!(small.map(drop), Err(NFS3ERR_TOOSMALL), "{count}");
    }
    // As large as it was asked for at most, and `dircount` is no hard limit.
    for count in [512u32, 1024] {
        let part = c.readdir(&root, 0, count).unwrap();
        assert!(wire(&part.entries.0) <= count as usize);
    }
    assert!(!c.readdirplus(&root, 0, (1, 4096)).unwrap().entries.0.is_empty());
    let file = c.lookup(&root, "x".repeat(200).as_bytes()).unwrap().0;
    assert_eq!(c.readdir(&file, 0, 4096).map(drop), Err(NFS3ERR_NOTDIR));
    // A cookie from nowhere is a place like every other.
    assert!(c.readdir(&root, u64::MAX, 4096).unwrap().eof);
}

fn wire(entries: &[entry3<'_>]) -> usize {
    4 + 88 + 8 + 8 + entries.iter().map(|e| crate::common::wire::packed(e).len() + 4).sum::<usize>()
}

#[test]
fn listings_tell_what_look_ups_and_attributes_tell() {
    let branch = Branch::new(|base| {
        std::fs::write(base.join("file"), "content").unwrap();
        std::fs::hard_link(base.join("file"), base.join("same")).unwrap();
        std::fs::create_dir_all(base.join("dir/deeper")).unwrap();
        std::os::unix::fs::symlink("file", base.join("link")).unwrap();
    });
    let (mut c, root) = branch.mounted();
    let new = c.put(&root, b"new", b"1");
    c.link(&new, &root, b"other").unwrap();
    for first in [false, true] {
        let plain = in_parts(&mut c, &root, 4096, false, |_, _| {});
        let plus = c.readdirplus(&root, 0, (4096, 64 << 10)).unwrap().entries.0;
        assert_eq!(plain.len(), plus.len());
        for ((name, id), e) in plain.into_iter().zip(plus) {
            assert_eq!((name.as_bytes(), id), (e.name.as_ref(), e.fileid), "{first}");
            if name == ".." {
                continue;
            }
            let (handle, attr) = c.lookup(&root, name.as_bytes()).unwrap();
            assert_eq!((attr.fileid, c.getattr(&handle).unwrap().fileid), (id, id), "{name}");
            if name != "." {
                assert_eq!(e.name_handle.unwrap(), handle, "{name}");
                let told = e.name_attributes.unwrap();
                assert_eq!((told.fileid, told.size, told.type_), (id, attr.size, attr.type_));
            }
        }
    }
}
