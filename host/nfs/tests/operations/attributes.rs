//! `GETATTR`, `SETATTR`, `ACCESS`.

use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Branch, Served, Sessions, options};
use crate::{guarded, mode, size};

fn at(seconds: u32, nseconds: u32) -> nfstime3 {
    nfstime3 { seconds, nseconds }
}

fn modified(time: nfstime3) -> sattr3 {
    sattr3 { mtime: set_mtime::SET_TO_CLIENT_TIME(time), ..sattr3::default() }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn a_guard_lets_only_the_next_change_through() {
    let branch = Branch::new(|base| std::fs::write(base.join("f"), "12345").unwrap());
    let (mut c, root) = branch.mounted();
    let (file, attr) = c.lookup(&root, b"f").unwrap();
    let wrong = at(attr.ctime.seconds, attr.ctime.nseconds ^ 1);
    let guarded = c.setattr_if(&file, size(1), Nfs3Option::Some(wrong));
    assert_eq!(guarded.map(drop), Err(NFS3ERR_NOT_SYNC));
    assert_eq!(c.getattr(&file).unwrap().size, 5);
    let done = c.setattr_if(&file, size(2), Nfs3Option::Some(attr.ctime)).unwrap();
    assert_eq!((done.before.unwrap().size, done.after.unwrap().size), (5, 2));
}

#[test]
fn times_are_the_clients_or_the_servers() {
    let branch = Branch::new(|base| {
        std::fs::write(base.join("file"), "x").unwrap();
        std::fs::create_dir(base.join("dir")).unwrap();
        std::os::unix::fs::symlink("file", base.join("link")).unwrap();
    });
    let (mut c, root) = branch.mounted();
    for name in [&b"file"[..], b"dir", b"link"] {
        let file = c.lookup(&root, name).unwrap().0;
        for time in [at(0, 0), at(1, 999_999_999), at(u32::MAX, 1)] {
            c.setattr(&file, modified(time)).unwrap();
            assert_eq!(c.getattr(&file).unwrap().mtime, time);
        }
        let before = c.getattr(&file).unwrap();
        let atime = set_atime::SET_TO_CLIENT_TIME(at(77, 88));
        c.setattr(&file, sattr3 { atime, ..sattr3::default() }).unwrap();
        let after = c.getattr(&file).unwrap();
        assert_eq!((after.atime, after.mtime), (at(77, 88), before.mtime));
        let from = now();
        c.setattr(&file, sattr3 { mtime: set_mtime::SET_TO_SERVER_TIME, ..sattr3::default() })
            .unwrap();
        let set = u64::from(c.getattr(&file).unwrap().mtime.seconds);
        assert!((from..=now()).contains(&set), "{set}");
        let odd = c.setattr(&file, modified(at(1, 1_000_000_000)));
        assert_eq!(odd.map(drop), Err(NFS3ERR_INVAL));
    }
    let odd = createhow3::GUARDED(modified(at(1, u32::MAX)));
    assert_eq!(c.create(&root, b"odd", odd).map(drop), Err(NFS3ERR_INVAL));
    assert_eq!(c.lookup(&root, b"odd").map(drop), Err(NFS3ERR_NOENT));
}

/// Times that a base has, and NFS has not.
#[test]
fn times_before_1970_and_after_2106_are_the_nearest() {
    let branch = Branch::new(|base| {
        for (name, secs) in [("old", -1_000_000i64), ("far", 1 << 33)] {
            let path = base.join(name);
            std::fs::write(&path, "x").unwrap();
            let time = rustix::fs::Timespec { tv_sec: secs, tv_nsec: 5 };
            let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
            let no = rustix::fs::AtFlags::empty();
            rustix::fs::utimensat(rustix::fs::CWD, &path, &times, no).unwrap();
        }
    });
    let (mut c, root) = branch.mounted();
    assert_eq!(c.lookup(&root, b"old").unwrap().1.mtime, at(0, 0));
    let far = c.lookup(&root, b"far").unwrap().1.mtime;
    assert!(far == at(u32::MAX, 999_999_999), "{far:?}");
}

#[test]
fn modes_and_owners() {
    let branch = Branch::new(|_| {});
    let (mut c, root) = branch.mounted();
    let file = c.create(&root, b"f", guarded()).unwrap().0;
    for bits in [0o7777, 0, 0o644, 0o4755] {
        c.setattr(&file, mode(bits)).unwrap();
        assert_eq!(c.getattr(&file).unwrap().mode, bits);
    }
    c.setattr(&file, mode(0o100_600)).unwrap();
    assert_eq!(c.getattr(&file).unwrap().mode, 0o600, "a kind is no bit of it");
    let owner = |uid| sattr3 { uid: Nfs3Option::Some(uid), ..sattr3::default() };
    c.setattr(&file, owner(0)).unwrap();
    assert_eq!(c.setattr(&file, owner(5)).map(drop), Err(NFS3ERR_PERM));
    let link = c.symlink(&root, b"l", b"f").unwrap().0;
    c.setattr(&link, mode(0o600)).unwrap();
    assert_eq!(c.setattr(&link, size(0)).map(drop), Err(NFS3ERR_INVAL));
    assert_eq!(c.setattr(&root, size(0)).map(drop), Err(NFS3ERR_ISDIR));
}

#[test]
fn sizes_grow_with_zeros_and_shrink() {
    let branch = Branch::new(|base| std::fs::write(base.join("f"), "12345").unwrap());
    let (mut c, root) = branch.mounted();
    let file = c.lookup(&root, b"f").unwrap().0;
    c.setattr(&file, size(8)).unwrap();
    assert_eq!(c.read_all(&file).unwrap(), b"12345\0\0\0");
    c.setattr(&file, size(2)).unwrap();
    c.setattr(&file, size(4)).unwrap();
    assert_eq!(c.read_all(&file).unwrap(), b"12\0\0");
    let attr = c.getattr(&file).unwrap();
    assert_eq!((attr.size, attr.used), (4, 512));
}

#[test]
fn all_files_are_the_owners_and_access_is_his() {
    let mut place = crate::common::Place::new(|base| {
        for (name, bits) in [("r", 0o400), ("w", 0o200), ("x", 0o500), ("none", 0)] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(base.join(name), "").unwrap();
            let bits = std::fs::Permissions::from_mode(bits);
            std::fs::set_permissions(base.join(name), bits).unwrap();
        }
    });
    let sessions = Sessions::one("one", place.branch());
    let options = brio_nfs::Options { uid: 501, gid: 20, ..options() };
    let served = Served::new(sessions, options, None);
    let (mut c, root) = served.mounted("one");
    let all = ACCESS3_READ
        | ACCESS3_LOOKUP
        | ACCESS3_MODIFY
        | ACCESS3_EXTEND
        | ACCESS3_DELETE
        | ACCESS3_EXECUTE;
    let write = ACCESS3_MODIFY | ACCESS3_EXTEND;
    let expected = [
        (&b"r"[..], ACCESS3_READ),
        (b"w", write),
        (b"x", ACCESS3_READ | ACCESS3_EXECUTE),
        (b"none", 0),
    ];
    for (name, may) in expected {
        let (file, attr) = c.lookup(&root, name).unwrap();
        assert_eq!((attr.uid, attr.gid), (501, 20));
        assert_eq!(c.access(&file, all).unwrap(), may, "{name:?}");
        assert_eq!(c.access(&file, ACCESS3_READ).unwrap(), may & ACCESS3_READ);
    }
    assert_eq!(c.access(&root, all).unwrap() & ACCESS3_LOOKUP, ACCESS3_LOOKUP);
}

#[test]
fn what_there_is_room_for() {
    let branch = Branch::new(|_| {});
    let (mut c, root) = branch.mounted();
    let own = c.mnt("/exports").unwrap();
    for dir in [&root, &own] {
        let info = c.fsinfo(dir).unwrap();
        assert_eq!((info.rtmax, info.wtmax, info.maxfilesize), (1 << 20, 1 << 20, i64::MAX as u64));
        assert!(info.rtpref <= info.rtmax && info.wtpref <= info.wtmax && info.dtpref > 0);
        let has = FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME;
        assert_eq!((info.properties, info.time_delta), (has, at(0, 1)));
        let conf = c.pathconf(dir).unwrap();
        assert_eq!((conf.name_max, conf.no_trunc, conf.case_preserving), (255, true, true));
        assert!(conf.chown_restricted && !conf.case_insensitive);
    }
    let room = c.fsstat(&root).unwrap();
    assert!(room.tbytes >= room.fbytes && room.fbytes >= room.abytes && room.abytes > 0);
}

#[test]
fn a_change_of_content_takes_the_set_id_bits_away() {
    let branch = Branch::new(|base| std::fs::write(base.join("f"), "12345").unwrap());
    let (mut c, root) = branch.mounted();
    let (file, _) = c.lookup(&root, b"f").unwrap();
    // Without the group's execute bit, set-group-id means something else.
    for (set, left) in [(0o6755, 0o755), (0o4711, 0o711), (0o2745, 0o2745), (0o1644, 0o1644)] {
        c.setattr(&file, mode(set)).unwrap();
        c.write(&file, 0, b"x", stable_how::UNSTABLE).unwrap();
        assert_eq!(c.getattr(&file).unwrap().mode, left, "{set:o}, written");
        c.setattr(&file, mode(set)).unwrap();
        c.setattr(&file, size(1)).unwrap();
        assert_eq!(c.getattr(&file).unwrap().mode, left, "{set:o}, cut");
        c.setattr(&file, mode(set)).unwrap();
        c.commit(&file).unwrap();
        assert_eq!(c.getattr(&file).unwrap().mode, set, "{set:o}, only committed");
        c.write(&file, 0, b"x", stable_how::FILE_SYNC).unwrap();
        assert_eq!(c.getattr(&file).unwrap().mode, left, "{set:o}, written and synced");
    }
}
