//! What tools expect of a directory, through a mount.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brio_mount::MountError;
use brio_session::{Door, Fixed, Hook, Op, RelPath, Verdict, ViewOptions};
use common::{Branch, Mapped};
use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

fn few(base: &Path) {
    fs::create_dir_all(base.join("d/e")).unwrap();
    fs::write(base.join("f"), "as it was").unwrap();
    fs::write(base.join("d/e/g"), "deep").unwrap();
    fs::hard_link(base.join("f"), base.join("d/f2")).unwrap();
    symlink("/etc/passwd", base.join("abs")).unwrap();
}

fn rw(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// B-031, T4: what is done through the mount is the branch's, and the base is not touched.
#[test]
fn what_is_written_is_the_branchs_alone() {
    let Some(b) = Branch::new("what_is_written_is_the_branchs_alone", few) else { return };
    fs::write(b.at("f"), "otherwise").unwrap();
    fs::rename(b.at("d/e"), b.at("moved")).unwrap();
    symlink("/anywhere", b.at("out")).unwrap();
    assert_eq!(fs::read_link(b.at("out")).unwrap(), Path::new("/anywhere"));
    assert_eq!(fs::read_link(b.at("abs")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read(b.at("moved/g")).unwrap(), b"deep");
    assert_eq!(fs::read(b.base().join("f")).unwrap(), b"as it was");
    assert_eq!(fs::read(b.base().join("d/e/g")).unwrap(), b"deep");
    let changed: Vec<_> =
        b.view.changes().unwrap().changes.into_iter().map(|c| c.path.to_string()).collect();
    assert_eq!(changed, ["d/e", "d/e/g", "f", "moved", "moved/g", "out"]);
}

#[test]
fn an_open_file_follows_renames_and_outlives_its_name() {
    let Some(b) = Branch::new("an_open_file_follows_renames_and_outlives_its_name", few) else {
        return;
    };
    let mut f = rw(&b.at("f"));
    let ino = f.metadata().unwrap().ino();
    fs::rename(b.at("f"), b.at("d/renamed")).unwrap();
    f.write_all(b"AS").unwrap();
    assert_eq!(fs::read(b.at("d/renamed")).unwrap(), b"AS it was");
    assert_eq!(fs::metadata(b.at("d/renamed")).unwrap().ino(), ino);
    fs::remove_file(b.at("d/renamed")).unwrap();
    f.seek(SeekFrom::End(0)).unwrap();
    f.write_all(b" and is").unwrap();
    f.sync_all().unwrap();
    let m = f.metadata().unwrap();
    assert_eq!((m.nlink(), m.len(), m.ino()), (0, 16, ino));
    f.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(f.metadata().unwrap().mode() & 0o777, 0o600);
    let mut all = String::new();
    f.rewind().unwrap();
    f.read_to_string(&mut all).unwrap();
    assert_eq!(all, "AS it was and is");
    // One that was never written, and whose bytes are still the base's.
    let mut g = File::open(b.at("d/e/g")).unwrap();
    fs::remove_file(b.at("d/e/g")).unwrap();
    all.clear();
    g.read_to_string(&mut all).unwrap();
    assert_eq!((all.as_str(), g.metadata().unwrap().nlink()), ("deep", 0));
    // A directory that is gone under somebody.
    let dir = File::open(b.at("d/e")).unwrap();
    fs::remove_dir(b.at("d/e")).unwrap();
    assert_eq!(dir.metadata().unwrap().nlink(), 0);
    let made = rustix::fs::openat(&dir, "x", OFlags::CREATE | OFlags::RDWR, Mode::RWXU);
    assert_eq!(made.unwrap_err(), Errno::NOENT);
}

#[test]
fn hard_links_are_one_file_and_the_bases_are_kept_apart() {
    let name = "hard_links_are_one_file_and_the_bases_are_kept_apart";
    let Some(b) = Branch::new(name, few) else { return };
    fs::hard_link(b.at("d/e/g"), b.at("g2")).unwrap();
    let (one, two) = (fs::metadata(b.at("d/e/g")).unwrap(), fs::metadata(b.at("g2")).unwrap());
    assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
    fs::write(b.at("g2"), "both").unwrap();
    assert_eq!(fs::read(b.at("d/e/g")).unwrap(), b"both");
    // A write in the branch breaks a link of the base; tools must not take the two for one.
    let (f, f2) = (fs::metadata(b.at("f")).unwrap(), fs::metadata(b.at("d/f2")).unwrap());
    assert_ne!(f.ino(), f2.ino());
    fs::write(b.at("f"), "mine").unwrap();
    assert_eq!(fs::read(b.at("d/f2")).unwrap(), b"as it was");
    // An absolute path's inode number is stable while somebody holds it.
    let held = File::open(b.at("d/f2")).unwrap();
    assert_eq!(held.metadata().unwrap().ino(), fs::metadata(b.at("d/f2")).unwrap().ino());
}

#[test]
fn a_rename_may_refuse_to_replace_and_exchange() {
    let Some(b) = Branch::new("a_rename_may_refuse_to_replace_and_exchange", few) else { return };
    let rename = |from, to, how| rustix::fs::renameat_with(CWD, b.at(from), CWD, b.at(to), how);
    assert_eq!(rename("f", "d/f2", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    assert_eq!(rename("f", "new", RenameFlags::NOREPLACE), Ok(()));
    assert_eq!(rename("new", "d/f2", RenameFlags::EXCHANGE), Ok(()));
    assert_eq!(rename("new", "d", RenameFlags::EXCHANGE), Ok(()));
    assert_eq!(fs::read(b.at("d")).unwrap(), b"as it was");
    assert_eq!(fs::read(b.at("new/f2")).unwrap(), b"as it was");
    assert_eq!(rename("f", "absent", RenameFlags::EXCHANGE), Err(Errno::NOENT));
    let whiteout = rename("d", "other", RenameFlags::WHITEOUT);
    assert_eq!(whiteout, Err(Errno::INVAL));
}

#[test]
fn modes_are_there_from_the_start_and_the_owner_stays() {
    let name = "modes_are_there_from_the_start_and_the_owner_stays";
    let Some(b) = Branch::new(name, few) else { return };
    let how = |mode| {
        let mut how = OpenOptions::new();
        how.write(true).create_new(true).mode(mode);
        how
    };
    let mut secret = how(0o400).open(b.at("secret")).unwrap();
    secret.write_all(b"a descriptor that was open before is good").unwrap();
    let mode = |name: &str| b.view.stat_at(&b.view.root(), name.as_bytes(), false).unwrap().mode;
    assert_eq!(mode("secret"), 0o400);
    rustix::fs::mkdir(b.at("private"), Mode::from_bits_retain(0o700)).unwrap();
    assert_eq!(mode("private"), 0o700);
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    rustix::fs::chown(b.at("f"), Some(uid), Some(gid)).unwrap();
    let other = rustix::fs::Uid::from_raw(uid.as_raw() + 1);
    assert_eq!(rustix::fs::chown(b.at("f"), Some(other), None), Err(Errno::PERM));
    let m = fs::metadata(b.at("f")).unwrap();
    assert_eq!((m.uid(), m.gid()), (uid.as_raw(), gid.as_raw()));
}

/// T14; the `vcs` grant.
#[test]
fn state_is_hidden_and_version_control_is_read_only() {
    let Some(b) = Branch::new("state_is_hidden_and_version_control_is_read_only", |base| {
        few(base);
        fs::create_dir_all(base.join(".brio/x")).unwrap();
        fs::create_dir_all(base.join(".git")).unwrap();
        fs::write(base.join(".git/config"), "c").unwrap();
    }) else {
        return;
    };
    let names: Vec<_> = fs::read_dir(b.at("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|n| n == ".brio"));
    assert_eq!(fs::metadata(b.at(".brio")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::create_dir(b.at("d/.brio")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(fs::read(b.at(".git/config")).unwrap(), b"c");
    let readonly = ErrorKind::ReadOnlyFilesystem;
    let writing = OpenOptions::new().write(true).open(b.at(".git/config"));
    assert_eq!(writing.unwrap_err().kind(), readonly);
    assert_eq!(fs::write(b.at(".git/hook"), "").unwrap_err().kind(), readonly);
    assert_eq!(fs::remove_file(b.at(".git/config")).unwrap_err().kind(), readonly);
    assert_eq!(fs::hard_link(b.at(".git/config"), b.at("c")).unwrap_err().kind(), readonly);
    assert_eq!(fs::rename(b.at(".git"), b.at("git")).unwrap_err().kind(), readonly);
    assert_eq!(fs::create_dir(b.at("d/.git")).unwrap_err().kind(), readonly);
}

#[test]
fn a_directory_is_listed_once_and_whole_while_it_changes() {
    let name = "a_directory_is_listed_once_and_whole_while_it_changes";
    let Some(b) = Branch::new(name, |base| {
        fs::create_dir(base.join("many")).unwrap();
        for i in 0..20_000 {
            fs::write(base.join(format!("many/stays-{i}")), "").unwrap();
            if i % 10 == 0 {
                fs::write(base.join(format!("many/goes-{i}")), "").unwrap();
            }
        }
    }) else {
        return;
    };
    let mut seen = BTreeSet::new();
    for (i, e) in fs::read_dir(b.at("many")).unwrap().enumerate() {
        let name = e.unwrap().file_name().into_string().unwrap();
        if i % 10 == 0 {
            let _ = fs::remove_file(b.at(&format!("many/goes-{i}")));
            fs::write(b.at(&format!("many/comes-{i}")), "").unwrap();
        }
        assert!(seen.insert(name.clone()), "{name} came twice");
    }
    assert_eq!(seen.iter().filter(|n| n.starts_with("stays-")).count(), 20_000);
    let now = fs::read_dir(b.at("many")).unwrap().count();
    let there = b.view.node_at(&b.view.root(), b"many", false).unwrap().0.as_dir().unwrap();
    assert_eq!(now, there.list().unwrap().len());
    // From its start again, it is what it is by then.
    let fd = File::open(b.at("many")).unwrap();
    let mut dir = rustix::fs::Dir::read_from(&fd).unwrap();
    let before = dir.by_ref().count();
    fs::write(b.at("many/one-more"), "").unwrap();
    dir.rewind();
    assert_eq!(dir.count(), before + 1);
    // Somebody else who lists it meanwhile, anew, does not move where a reader is.
    let mut slow = fs::read_dir(b.at("many")).unwrap();
    let mut seen: BTreeSet<_> = slow.by_ref().take(100).map(|e| e.unwrap().file_name()).collect();
    for i in 0..50 {
        fs::remove_file(b.at(&format!("many/stays-{i}"))).unwrap();
    }
    // Without the dots.
    assert_eq!(fs::read_dir(b.at("many")).unwrap().count(), before + 1 - 50 - 2);
    for e in slow {
        let name = e.unwrap().file_name();
        assert!(seen.insert(name.clone()), "{name:?} came twice");
    }
    let stays = (50..20_000).filter(|i| seen.contains(OsStr::new(&format!("stays-{i}"))));
    assert_eq!(stays.count(), 20_000 - 50);
}

#[test]
fn mapped_pages_are_the_file() {
    let Some(b) = Branch::new("mapped_pages_are_the_file", few) else { return };
    fs::write(b.at("map"), vec![b'.'; 3 * 4096]).unwrap();
    let f = rw(&b.at("map"));
    let map = Mapped::new(&f, 3 * 4096);
    f.write_at(b"by write", 0).unwrap();
    assert_eq!(map.read(0, 8), b"by write");
    map.write(5000, b"by store");
    map.sync();
    assert_eq!(&fs::read(b.at("map")).unwrap()[5000..5008], b"by store");
    map.write(6000, b"by sync");
    b.mount.sync();
    // Not through the kernel: it is in the layer.
    let read = |at, len| {
        let how = brio_session::OpenOptions { read: true, ..Default::default() };
        let found = b.view.open_at(&b.view.root(), b"map", &how).unwrap();
        let brio_session::Handle::File(f) = found else { panic!("a directory") };
        let mut bytes = vec![0; len];
        f.read_at(&mut bytes, at).unwrap();
        bytes
    };
    assert_eq!(read(5000, 8), b"by store");
    assert_eq!(read(6000, 7), b"by sync");
    map.write(7000, b"at the end");
    drop((map, f));
    b.mount.unmount().unwrap();
    assert_eq!(read(7000, 10), b"at the end");
}

#[test]
fn locks_are_kept() {
    use rustix::fs::{FlockOperation, flock};
    let Some(b) = Branch::new("locks_are_kept", few) else { return };
    let (one, two) = (rw(&b.at("f")), rw(&b.at("f")));
    flock(&one, FlockOperation::LockExclusive).unwrap();
    let tried = flock(&two, FlockOperation::NonBlockingLockShared);
    assert_eq!(tried, Err(Errno::WOULDBLOCK));
    flock(&one, FlockOperation::Unlock).unwrap();
    flock(&two, FlockOperation::NonBlockingLockShared).unwrap();
    drop(two);
    rustix::fs::fcntl_lock(&one, FlockOperation::NonBlockingLockExclusive).unwrap();
}

#[test]
fn what_a_view_has_not_is_refused_as_tools_expect() {
    let Some(b) = Branch::new("what_a_view_has_not_is_refused_as_tools_expect", few) else {
        return;
    };
    // Unnamed files, devices, allocation and extended attributes.
    let unnamed = rustix::fs::open(b.at("d"), OFlags::TMPFILE | OFlags::RDWR, Mode::RWXU);
    assert_eq!(unnamed.unwrap_err(), Errno::OPNOTSUPP);
    let null = rustix::fs::makedev(1, 3);
    let device = rustix::fs::FileType::CharacterDevice;
    let made = rustix::fs::mknodat(CWD, b.at("p"), device, Mode::RWXU, null);
    assert_eq!(made.unwrap_err(), Errno::PERM);
    let f = rw(&b.at("f"));
    let room = rustix::fs::fallocate(&f, FallocateFlags::empty(), 0, 10);
    assert_eq!(room.unwrap_err(), Errno::OPNOTSUPP);
    let mut value = [0; 8];
    assert_eq!(
        rustix::fs::getxattr(b.at("f"), "user.x", &mut value).unwrap_err(),
        Errno::OPNOTSUPP
    );
    let set = rustix::fs::setxattr(b.at("f"), "user.x", b"y", rustix::fs::XattrFlags::empty());
    assert_eq!(set.unwrap_err(), Errno::OPNOTSUPP);
    let long = "n".repeat(256);
    assert_eq!(fs::write(b.at(&long), "").unwrap_err().kind(), ErrorKind::InvalidFilename);
    // A regular file by mknod, and the size of the file system.
    let made = rustix::fs::FileType::RegularFile;
    rustix::fs::mknodat(CWD, b.at("made"), made, Mode::from_bits_retain(0o640), 0).unwrap();
    assert_eq!(fs::metadata(b.at("made")).unwrap().mode() & 0o777, 0o640);
    let (there, here) =
        (rustix::fs::statvfs(b.base()).unwrap(), rustix::fs::statvfs(b.at("")).unwrap());
    assert_eq!((here.f_blocks, here.f_namemax), (there.f_blocks, 255));
    assert_eq!(rustix::fs::seek(&f, rustix::fs::SeekFrom::Data(0)), Ok(0));
}

#[test]
fn processes_meet_at_fifos_and_sockets_until_the_mount_is_gone() {
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    let name = "processes_meet_at_fifos_and_sockets_until_the_mount_is_gone";
    let Some(b) = Branch::new(name, few) else { return };
    let fifo = |at: &str| {
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(CWD, b.at(at), kind, Mode::from_bits_retain(0o640), 0)
    };
    fifo("d/p").unwrap();
    assert_eq!(fifo("d/p").unwrap_err(), Errno::EXIST);
    assert_eq!(fifo("f").unwrap_err(), Errno::EXIST);
    assert_eq!(fifo(".brio").unwrap_err().kind(), fs::write(b.at(".brio"), "").unwrap_err().kind());
    let meta = fs::metadata(b.at("d/p")).unwrap();
    assert!(meta.file_type().is_fifo() && meta.mode() & 0o777 == 0o640 && meta.len() == 0);
    fs::rename(b.at("d/p"), b.at("q")).unwrap();
    fs::hard_link(b.at("q"), b.at("d/r")).unwrap();
    let writer = std::thread::spawn({
        let at = b.at("d/r");
        move || fs::write(at, "through").unwrap()
    });
    assert_eq!(fs::read(b.at("q")).unwrap(), b"through");
    writer.join().unwrap();

    let listener = UnixListener::bind(b.at("s")).unwrap();
    assert_eq!(UnixListener::bind(b.at("s")).unwrap_err().kind(), ErrorKind::AddrInUse);
    let mut client = UnixStream::connect(b.at("s")).unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    let mut said = String::new();
    listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
    let listed = fs::read_dir(b.at("")).unwrap().map(|e| e.unwrap());
    let kinds: BTreeSet<_> = listed
        .map(|e| (e.file_name(), e.file_type().unwrap()))
        .filter(|(_, kind)| kind.is_fifo() || kind.is_socket())
        .map(|(name, kind)| (name, kind.is_fifo()))
        .collect();
    assert_eq!(kinds, [("q".into(), true), ("s".into(), false)].into());
    UnixListener::bind(b.at("gone")).unwrap();
    fs::remove_file(b.at("gone")).unwrap();
    assert!(!b.at("gone").exists());
    drop(listener);

    let changes = b.view.changes().unwrap().changes.len();
    assert_eq!(changes, 3);
    b.mount.unmount().unwrap();
    let left = b.view.changes().unwrap().changes;
    assert!(left.iter().all(|c| c.path.as_bytes() == b"d" || c.path.is_root()), "{left:?}");
}

#[test]
fn times_are_kept_to_the_nanosecond() {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
    let Some(b) = Branch::new("times_are_kept_to_the_nanosecond", few) else { return };
    let set = |path: &str, atime, mtime| {
        let times = Timestamps { last_access: atime, last_modification: mtime };
        utimensat(CWD, b.at(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    };
    let at = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    for path in ["f", "d", "abs"] {
        // Before 1970 as well.
        set(path, at(12, 34), at(-5, 678_901_234));
        let m = fs::symlink_metadata(b.at(path)).unwrap();
        assert_eq!((m.atime(), m.atime_nsec()), (12, 34), "{path}");
        assert_eq!((m.mtime(), m.mtime_nsec()), (-5, 678_901_234), "{path}");
        set(path, at(0, UTIME_OMIT), at(0, UTIME_NOW));
        let m = fs::symlink_metadata(b.at(path)).unwrap();
        assert_eq!(m.atime(), 12);
        assert!(m.modified().unwrap().elapsed().unwrap() < Duration::from_secs(60));
    }
}

/// Fails every flush once it is told to.
struct FailingSync(AtomicBool);

impl Hook for FailingSync {
    fn verdict(&self, op: Op) -> Verdict {
        let flush = matches!(op, Op::Sync | Op::SyncFs);
        if flush && self.0.load(Ordering::SeqCst) { Verdict::Fail(5) } else { Verdict::Go }
    }
}

#[test]
fn a_flush_that_fails_is_told() {
    let hook = Arc::new(FailingSync(AtomicBool::new(false)));
    let options = ViewOptions { door: Door::with_hook(hook.clone()), ..Default::default() };
    let Some(b) = Branch::with("a_flush_that_fails_is_told", few, options, Fixed) else { return };
    let mut f = rw(&b.at("f"));
    f.write_all(b"x").unwrap();
    f.sync_all().unwrap();
    hook.0.store(true, Ordering::SeqCst);
    f.write_all(b"y").unwrap();
    assert_eq!(f.sync_all().unwrap_err().raw_os_error(), Some(5));
    assert_eq!(f.sync_data().unwrap_err().raw_os_error(), Some(5));
    assert_eq!(File::open(b.at("d")).unwrap().sync_all().unwrap_err().raw_os_error(), Some(5));
    hook.0.store(false, Ordering::SeqCst);
    f.sync_all().unwrap();
}

/// Isolation `serializable`: what was read through a mount is known, and a listing is no look
/// at what is listed.
#[test]
fn reads_are_recorded() {
    let options = ViewOptions { track_reads: true, ..Default::default() };
    let Some(b) = Branch::with("reads_are_recorded", few, options, Fixed) else { return };
    let of = |path: &str| b.view.reads().unwrap().paths.get(&RelPath::new(path).unwrap()).copied();
    assert_eq!(fs::read_dir(b.at("d/e")).unwrap().count(), 1);
    assert!(of("d/e").unwrap().listing.is_some());
    assert!(of("d/e/g").is_none());
    fs::read(b.at("d/e/g")).unwrap();
    assert!(of("d/e/g").unwrap().content);
    fs::metadata(b.at("f")).unwrap();
    let f = of("f").unwrap();
    assert!(f.metadata && !f.content);
    assert!(fs::metadata(b.at("d/absent")).is_err());
    assert_eq!(of("d/absent").unwrap().seen, None);
    assert!(!b.view.reads().unwrap().whole);
}

#[test]
fn a_mount_that_is_in_use_is_busy() {
    let Some(b) = Branch::new("a_mount_that_is_in_use_is_busy", few) else { return };
    let f = File::open(b.at("f")).unwrap();
    assert!(matches!(b.mount.unmount(), Err(MountError::Busy(_))));
    assert!(b.mount.is_mounted());
    b.mount.unmount_lazily().unwrap();
    assert!(fs::read_dir(b.at("")).unwrap().next().is_none());
    let mut text = [0; 9];
    f.read_exact_at(&mut text, 0).unwrap();
    assert_eq!(&text, b"as it was");
    drop(f);
    b.mount.wait();
    assert!(!b.mount.is_mounted());
}

#[test]
fn descriptors_are_not_kept_for_what_the_kernel_remembers() {
    let name = "descriptors_are_not_kept_for_what_the_kernel_remembers";
    let Some(b) = Branch::new(name, |base| {
        for i in 0..500 {
            fs::write(base.join(format!("f{i}")), "x").unwrap();
        }
    }) else {
        return;
    };
    let open = || {
        let all = fs::read_dir("/proc/self/fd").unwrap().map(|e| fs::read_link(e.unwrap().path()));
        all.filter(|to| to.as_ref().is_ok_and(|to| to.starts_with(b.base()))).count()
    };
    for i in 0..500 {
        fs::read(b.at(&format!("f{i}"))).unwrap();
    }
    // Closing is told to the server, but not waited for.
    for _ in 0..200 {
        if open() < 50 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} descriptors stay open", open());
}
