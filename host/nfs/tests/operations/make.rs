//! `CREATE`, `MKDIR`, `SYMLINK`, `MKNOD`, `WRITE` into what was just made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brio_session::{FsResult, Lender, Lent, View};
use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Branch, Place, Served, Sessions, options};
use crate::{guarded, mode, size};

fn fill(base: &std::path::Path) {
    std::fs::create_dir(base.join("dir")).unwrap();
    std::fs::write(base.join("file"), "of the base").unwrap();
    std::os::unix::fs::symlink("file", base.join("link")).unwrap();
}

#[test]
fn an_exclusive_create_that_is_asked_again_is_the_same_file() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let exclusive = |n: u64| createhow3::EXCLUSIVE(createverf3(n.to_be_bytes()));
    let one = 0xfedc_ba98_7654_3210;
    let file = c.create(&root, b"new", exclusive(one)).unwrap().0;
    assert_eq!(c.create(&root, b"new", exclusive(one)).unwrap().0, file);
    for other in [one ^ 1, one ^ 1 << 32, one.rotate_left(32)] {
        assert_eq!(c.create(&root, b"new", exclusive(other)).map(drop), Err(NFS3ERR_EXIST));
    }
    for name in [&b"dir"[..], b"file", b"link"] {
        assert_eq!(c.create(&root, name, exclusive(one)).map(drop), Err(NFS3ERR_EXIST));
    }
    // A client then sets what it would have set; after that it is nobody's answer any more.
    let now = sattr3 { mtime: set_mtime::SET_TO_SERVER_TIME, ..mode(0o600) };
    c.setattr(&file, now).unwrap();
    assert_eq!(c.create(&root, b"new", exclusive(one)).map(drop), Err(NFS3ERR_EXIST));
    assert_eq!(c.getattr(&file).unwrap().mode, 0o600);
}

#[test]
fn an_exclusive_create_is_known_to_the_next_server() {
    let mut branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let exclusive = || createhow3::EXCLUSIVE(createverf3([7; 8]));
    let file = c.create(&root, b"new", exclusive()).unwrap().0;
    branch.served.restart();
    let mut c = branch.served.client();
    assert_eq!(c.create(&root, b"new", exclusive()).unwrap().0, file);
}

#[test]
fn a_guarded_create_refuses_what_is_there_and_an_unchecked_one_takes_it() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    for name in [&b"dir"[..], b"file", b"link"] {
        assert_eq!(c.create(&root, name, guarded()).map(drop), Err(NFS3ERR_EXIST), "{name:?}");
    }
    let unchecked = |set| createhow3::UNCHECKED(set);
    for name in [&b"dir"[..], b"link"] {
        let made = c.create(&root, name, unchecked(sattr3::default()));
        assert_eq!(made.map(drop), Err(NFS3ERR_EXIST), "{name:?}");
    }
    let before = c.lookup(&root, b"file").unwrap();
    let then = nfstime3 { seconds: 5, nseconds: 0 };
    let set = sattr3 { mtime: set_mtime::SET_TO_CLIENT_TIME(then), ..mode(0o600) };
    let (file, attr) = c.create(&root, b"file", unchecked(set)).unwrap();
    assert_eq!(file, before.0);
    // Of what was there nothing is changed but its length, if that is asked for.
    assert_eq!((attr.size, attr.mode, attr.mtime), (11, before.1.mode, before.1.mtime));
    assert_eq!(c.create(&root, b"file", unchecked(size(2))).unwrap().1.size, 2);
    assert_eq!(c.read_all(&file).unwrap(), b"of");
    let (new, attr) = c.create(&root, b"new", unchecked(mode(0o640))).unwrap();
    assert_eq!((attr.type_, attr.mode, attr.size, attr.nlink), (ftype3::NF3REG, 0o640, 0, 1));
    assert_eq!(c.lookup(&root, b"new").unwrap().0, new);
    assert_eq!(std::fs::read(branch.place.base().join("file")).unwrap(), b"of the base");
}

#[test]
fn what_nobody_may_write_is_written_by_who_made_it() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (file, attr) = c.create(&root, b"object", createhow3::GUARDED(mode(0o444))).unwrap();
    assert_eq!(attr.mode, 0o444);
    c.write(&file, 0, b"content", stable_how::FILE_SYNC).unwrap();
    assert_eq!(c.read_all(&file).unwrap(), b"content");
    c.setattr(&file, size(3)).unwrap();
    assert_eq!(c.getattr(&file).unwrap().size, 3);
    // Content that nobody may read is read by its owner's client all the same: it looked first.
    let (file, _) = c.create(&root, b"secret", createhow3::GUARDED(mode(0o000))).unwrap();
    c.write(&file, 0, b"x", stable_how::UNSTABLE).unwrap();
    assert_eq!(c.read_all(&file).unwrap(), b"x");
}

#[test]
fn directories_and_links_are_made_as_they_are_asked_for() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (dir, attr) = c.mkdir(&root, b"new", mode(0o2750)).unwrap();
    assert_eq!((attr.type_, attr.mode), (ftype3::NF3DIR, 0o2750));
    for name in [&b"new"[..], b"file", b"link", b".", b".."] {
        let made = c.mkdir(&root, name, sattr3::default());
        assert_eq!(made.map(drop), Err(NFS3ERR_EXIST), "{name:?}");
        assert_eq!(c.symlink(&root, name, b"x").map(drop), Err(NFS3ERR_EXIST), "{name:?}");
    }
    for target in [&b"nowhere"[..], b"/etc/passwd", b"../../..", b"\xff"] {
        let (link, attr) = c.symlink(&dir, b"l", target).unwrap();
        assert_eq!((attr.type_, attr.size), (ftype3::NF3LNK, target.len() as u64));
        assert_eq!(c.readlink(&link).unwrap(), target);
        assert_eq!(c.read(&link, 0, 1).map(drop), Err(NFS3ERR_INVAL));
        c.remove(&dir, b"l").unwrap();
    }
    assert_eq!(c.symlink(&dir, b"l", &[b'x'; 4096]).map(drop), Err(NFS3ERR_NAMETOOLONG));
    assert_eq!(c.symlink(&dir, b"l", b"").map(drop), Err(NFS3ERR_INVAL));
    let file = c.put(&dir, b"f", b"");
    assert_eq!(c.mkdir(&file, b"x", sattr3::default()).map(drop), Err(NFS3ERR_NOTDIR));
    assert_eq!(c.create(&file, b"x", guarded()).map(drop), Err(NFS3ERR_NOTDIR));
}

#[test]
fn there_are_no_devices() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let fifo = || mknoddata3::NF3FIFO(sattr3::default());
    assert_eq!(c.mknod(&root, b"fifo", fifo()), Err(NFS3ERR_PERM));
    let spec = specdata3 { specdata1: 1, specdata2: 3 };
    let device = mknoddata3::NF3CHR(devicedata3 { dev_attributes: sattr3::default(), spec });
    assert_eq!(c.mknod(&root, b"null", device), Err(NFS3ERR_PERM));
    assert!(c.lookup(&root, b"fifo").is_err());
}

#[test]
fn what_is_written_is_read_and_its_verifier_is_that_of_the_server() {
    let mut branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let file = c.lookup(&root, b"file").unwrap().0;
    let done = c.write(&file, 3, b"THE", stable_how::UNSTABLE).unwrap();
    assert_eq!((done.count, done.committed), (3, stable_how::UNSTABLE));
    assert_eq!(c.commit(&file).unwrap(), done.verf);
    for stable in [stable_how::DATA_SYNC, stable_how::FILE_SYNC] {
        let more = c.write(&file, 100, b"end", stable).unwrap();
        assert_eq!((more.count, more.committed, more.verf), (3, stable, done.verf));
    }
    let mut want = b"of THE base".to_vec();
    want.resize(100, 0);
    want.extend_from_slice(b"end");
    assert_eq!(c.read_all(&file).unwrap(), want);
    branch.served.restart();
    let mut c = branch.served.client();
    assert_eq!(c.read_all(&file).unwrap(), want);
    assert_ne!(c.commit(&file).unwrap(), done.verf);
    assert_ne!(c.write(&file, 0, b"", stable_how::UNSTABLE).unwrap().verf, done.verf);
    assert_eq!(std::fs::read(branch.place.base().join("file")).unwrap(), b"of the base");
}

#[test]
fn reads_and_writes_at_the_limits() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let dir = c.lookup(&root, b"dir").unwrap().0;
    for file in ["file", "new"] {
        let file = match file {
            "new" => c.put(&root, b"new", b"of the base"),
            file => c.lookup(&root, file.as_bytes()).unwrap().0,
        };
        assert_eq!(c.read(&file, 0, 0).unwrap(), (vec![], false));
        assert_eq!(c.read(&file, 0, 10).unwrap(), (b"of the bas".to_vec(), false));
        assert_eq!(c.read(&file, 8, 3).unwrap(), (b"ase".to_vec(), true));
        assert_eq!(c.read(&file, 8, 4).unwrap(), (b"ase".to_vec(), true));
        for beyond in [11, 12, 1 << 40, i64::MAX as u64, 1 << 63, u64::MAX] {
            assert_eq!(c.read(&file, beyond, 9).unwrap(), (vec![], true), "at {beyond}");
        }
        assert_eq!(c.read(&file, 0, u32::MAX).unwrap(), (b"of the base".to_vec(), true));
        for far in [i64::MAX as u64, 1 << 63, u64::MAX] {
            let done = c.write(&file, far, b"xy", stable_how::UNSTABLE);
            assert_eq!(done.map(drop), Err(NFS3ERR_FBIG), "at {far}");
        }
        assert_eq!(c.setattr(&file, size(1 << 63)).map(drop), Err(NFS3ERR_FBIG));
    }
    assert_eq!(c.read(&dir, 0, 1).map(drop), Err(NFS3ERR_ISDIR));
    assert_eq!(c.write(&dir, 0, b"x", stable_how::UNSTABLE).map(drop), Err(NFS3ERR_ISDIR));
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| (i / 7) as u8).collect();
    let file = c.put(&root, b"large", &large);
    assert_eq!(c.read(&file, 0, 2 << 20).unwrap(), (large, true));
}

/// A lender that may lose what it had.
struct Losing(View, Arc<AtomicU64>);

impl Lender for Losing {
    fn read(&self) -> FsResult<Lent> {
        Ok(Lent::new(self.0.clone(), 0).with_losses(self.1.load(Ordering::Relaxed)))
    }

    fn write(&self) -> FsResult<Lent> {
        self.read()
    }
}

#[test]
fn what_may_be_lost_is_written_again() {
    let mut place = Place::new(fill);
    let (losses, sessions) = (Arc::new(AtomicU64::new(0)), Sessions::default());
    sessions.add("one", Losing(place.branch(), losses.clone()), None);
    let served = Served::new(sessions, options(), None);
    let (mut c, root) = served.mounted("one");
    let file = c.put(&root, b"f", b"");
    let done = c.write(&file, 0, b"abc", stable_how::UNSTABLE).unwrap();
    assert_eq!(c.commit(&file).unwrap(), done.verf);
    losses.store(1, Ordering::Relaxed);
    let again = c.commit(&file).unwrap();
    assert_ne!(again, done.verf, "what was written before it may be gone");
    assert_eq!(c.write(&file, 0, b"abc", stable_how::UNSTABLE).unwrap().verf, again);
    assert_eq!(c.commit(&file).unwrap(), again);
}
