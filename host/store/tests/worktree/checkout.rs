//! Where a tree may be checked out, and how it goes on.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brio_store::worktree::{
    CheckedOut, CheckoutOptions, Progress, ScanOptions, Watch, WorktreeError, checkout,
};
use brio_store::{DiskCache, Hash, Project, Store, StoreOptions};

use super::{
    Mounted, chmod, fill, imported, noise, open, picture, project, project_on, run, scanned,
    settle, skip,
};

fn tree_of(p: &Project) -> Hash {
    run(p.head()).unwrap().tree()
}

fn check_out(p: &Project, dir: &Path) -> Result<CheckedOut, WorktreeError> {
    run(checkout(p, tree_of(p), &open(dir), &CheckoutOptions::default()))
}

/// Stops after some files.
fn stopped_after(files: u64) -> CheckoutOptions {
    let stop = Arc::new(AtomicBool::new(false));
    let told = {
        let stop = stop.clone();
        Arc::new(move |p: &Progress| stop.store(p.files >= files, Ordering::Relaxed))
    };
    let watch = Watch { told: Some(told), stop: Some(stop) };
    CheckoutOptions { watch, ..CheckoutOptions::default() }
}

fn sample() -> (Project, tempfile::TempDir) {
    let (p, from) = (project(), tempfile::tempdir().unwrap());
    fill(from.path(), 200, 500);
    std::fs::write(from.path().join("large"), noise(5 << 20, 77)).unwrap();
    std::fs::create_dir(from.path().join("empty")).unwrap();
    chmod(&from.path().join("empty"), 0o700);
    chmod(&from.path().join("dir-01"), 0o500);
    chmod(&from.path().join("dir-01/file-51"), 0o400);
    symlink("nowhere/at all", from.path().join("link")).unwrap();
    imported(&p, from.path(), &ScanOptions::default());
    (p, from)
}

#[test]
fn only_an_empty_directory_is_filled() {
    let (p, from) = sample();
    for way in ["file", "link", "dir", ".hidden"] {
        let to = tempfile::tempdir().unwrap();
        let at = to.path().join(way);
        match way {
            "dir" => std::fs::create_dir(&at).unwrap(),
            "link" => symlink("x", &at).unwrap(),
            _ => std::fs::write(&at, "mine").unwrap(),
        }
        let before = picture(to.path());
        let e = check_out(&p, to.path()).unwrap_err();
        assert_eq!(e.code(), "CHECKOUT_NOT_EMPTY");
        assert!(e.to_string().contains(way), "{e}");
        assert!(picture(to.path()) == before);
    }
    let to = tempfile::tempdir().unwrap();
    let done = check_out(&p, to.path()).unwrap();
    assert_eq!((done.files, done.kept), (201, 0));
    assert!(picture(to.path()) == picture(from.path()));
    let e = check_out(&p, to.path()).unwrap_err();
    assert_eq!(e.code(), "CHECKOUT_NOT_EMPTY");
}

#[test]
fn one_that_was_stopped_goes_on_and_believes_nothing() {
    let (p, from) = sample();
    let to = tempfile::tempdir().unwrap();
    let again =
        |options: &CheckoutOptions| run(checkout(&p, tree_of(&p), &open(to.path()), options));
    let e = again(&stopped_after(100)).unwrap_err();
    assert_eq!(e.code(), "INTERRUPTED");
    // What is there is damaged, in its middle and at its end, and has its mode already.
    let there: Vec<_> = picture(to.path()).into_keys().collect();
    assert!(there.iter().any(|n| n == b".brio-checkout"));
    let files: Vec<_> = there
        .iter()
        .map(|n| to.path().join(std::str::from_utf8(n).unwrap()))
        .filter(|p| p.is_file() && p.metadata().unwrap().len() == 500)
        .collect();
    assert!(files.len() >= 90, "{}", files.len());
    std::fs::write(&files[0], noise(500, 123_456)).unwrap();
    std::fs::write(&files[1], "").unwrap();
    std::fs::remove_file(&files[2]).unwrap();
    chmod(&files[3], 0o777);
    // Another tree does not go there.
    std::fs::write(from.path().join("more"), "more").unwrap();
    let (old, wanted) = (tree_of(&p), {
        let mut all = picture(from.path());
        all.remove(b"more".as_slice());
        all
    });
    imported(&p, from.path(), &ScanOptions::default());
    let e = again(&CheckoutOptions::default()).unwrap_err();
    assert_eq!(e.code(), "CHECKOUT_UNFINISHED", "{e}");
    assert!(e.to_string().contains(&old.to_string()));
    // Nor is somebody's file taken for ours.
    let at = to.path().join("dir-00/mine");
    std::fs::write(&at, "mine").unwrap();
    let go_on = |options: &CheckoutOptions| run(checkout(&p, old, &open(to.path()), options));
    let e = go_on(&CheckoutOptions::default()).unwrap_err();
    assert_eq!(e.code(), "CHECKOUT_NOT_EMPTY", "{e}");
    assert!(e.to_string().contains("dir-00/mine"));
    std::fs::remove_file(&at).unwrap();
    // Cut off again, and again.
    for files in [120, 199] {
        assert_eq!(go_on(&stopped_after(files)).unwrap_err().code(), "INTERRUPTED");
    }
    let done = go_on(&CheckoutOptions::default()).unwrap();
    assert!(done.kept >= 150, "{done:?}");
    assert!(picture(to.path()) == wanted);
}

#[test]
fn two_do_not_work_in_one_directory() {
    let (p, from) = sample();
    let to = tempfile::tempdir().unwrap();
    let inner = Arc::new(std::sync::Mutex::new(None));
    let (q, at, found) = (p.clone(), to.path().to_owned(), inner.clone());
    let once = AtomicBool::new(false);
    let told = move |_: &Progress| {
        if !once.swap(true, Ordering::SeqCst) {
            let (q, at) = (q.clone(), at.clone());
            let second = std::thread::spawn(move || check_out(&q, &at).map_err(|e| e.code()));
            *found.lock().unwrap() = Some(second.join().unwrap());
        }
    };
    let watch = Watch { told: Some(Arc::new(told)), stop: None };
    let options = CheckoutOptions { watch, ..CheckoutOptions::default() };
    run(checkout(&p, tree_of(&p), &open(to.path()), &options)).unwrap();
    assert_eq!(*inner.lock().unwrap(), Some(Err("CHECKOUT_BUSY")));
    assert!(picture(to.path()) == picture(from.path()));
}

#[test]
fn set_id_bits_are_given_when_asked_for() {
    let (p, from) = (project(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("tool"), "x").unwrap();
    chmod(&from.path().join("tool"), 0o4755);
    imported(&p, from.path(), &ScanOptions::default());
    for set_ids in [false, true] {
        let to = tempfile::tempdir().unwrap();
        let options = CheckoutOptions { set_ids, ..CheckoutOptions::default() };
        let done = run(checkout(&p, tree_of(&p), &open(to.path()), &options)).unwrap();
        let mode = to.path().join("tool").metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, if set_ids { 0o4755 } else { 0o755 });
        assert_eq!(done.without_set_ids, u64::from(!set_ids));
    }
}

#[test]
fn what_was_checked_out_need_not_be_read() {
    let (p, _from) = sample();
    let (to, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Some(home.path().join("cache"));
    let options = CheckoutOptions { cache: cache.clone(), ..CheckoutOptions::default() };
    run(checkout(&p, tree_of(&p), &open(to.path()), &options)).unwrap();
    let options = ScanOptions { cache, ..ScanOptions::default() };
    let scan = scanned(&p, to.path(), &options).unwrap();
    assert_eq!((scan.files_read, scan.edits.len()), (0, 0));
    std::fs::write(to.path().join("dir-00/file-1"), noise(500, 4_711)).unwrap();
    let scan = scanned(&p, to.path(), &options).unwrap();
    assert_eq!((scan.files_read, scan.edits.len()), (1, 1));
}

#[test]
fn a_full_disk_is_told_and_gone_on_from() {
    let (p, from) = sample();
    let to = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::tmpfs(to.path(), "size=4m") else {
        return skip("a_full_disk_is_told_and_gone_on_from", "nothing can be mounted here");
    };
    let e = check_out(&p, to.path()).unwrap_err();
    assert_eq!(e.code(), "WORKTREE_WRITE", "{e}");
    assert!(e.to_string().contains("large"), "{e}");
    let remount = ["-o", "remount,size=64m", to.path().to_str().unwrap()];
    assert!(std::process::Command::new("mount").args(remount).status().unwrap().success());
    let done = check_out(&p, to.path()).unwrap();
    assert!(done.kept >= 200, "{done:?}");
    assert!(picture(to.path()) == picture(from.path()));
}

#[test]
fn names_that_are_one_are_told_before_anything_is_written() {
    let (p, from, to) = (project(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let test = "names_that_are_one_are_told_before_anything_is_written";
    let Some(_mounted) = Mounted::tmpfs(to.path(), "casefold") else {
        return skip(test, "no tmpfs without upper and lower case");
    };
    let inside = to.path().join("here");
    std::fs::create_dir(&inside).unwrap();
    let folds = std::process::Command::new("chattr").arg("+F").arg(&inside).output();
    if !folds.is_ok_and(|o| o.status.success()) {
        return skip(test, "a directory cannot be made to fold case");
    }
    std::fs::create_dir(from.path().join("src")).unwrap();
    std::fs::write(from.path().join("src/Makefile"), "upper").unwrap();
    std::fs::write(from.path().join("src/makefile"), "lower").unwrap();
    imported(&p, from.path(), &ScanOptions::default());
    let e = check_out(&p, &inside).unwrap_err();
    assert_eq!(e.code(), "CHECKOUT_NAMES", "{e}");
    assert!(e.to_string().contains("src/Makefile") && e.to_string().contains("src/makefile"));
    assert_eq!(picture(&inside).len(), 1, "the marker alone");
    std::fs::remove_file(from.path().join("src/makefile")).unwrap();
    std::fs::remove_file(inside.join(".brio-checkout")).unwrap();
    imported(&p, from.path(), &ScanOptions::default());
    check_out(&p, &inside).unwrap();
    assert!(picture(&inside) == picture(from.path()));
}

/// A file system that shares blocks, in a file.
struct Btrfs {
    _image: tempfile::NamedTempFile,
    at: tempfile::TempDir,
    _mounted: Mounted,
}

impl Btrfs {
    fn new() -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(256 << 20).unwrap();
        let at = tempfile::tempdir().unwrap();
        let done = |program: &str, args: &[&std::ffi::OsStr]| {
            let output = std::process::Command::new(program).args(args).output();
            output.is_ok_and(|o| o.status.success())
        };
        let path = image.path().as_os_str();
        let made = done("mkfs.btrfs", &["-q".as_ref(), path])
            && done("mount", &["-o".as_ref(), "loop".as_ref(), path, at.path().as_os_str()]);
        made.then(|| Self { _image: image, _mounted: Mounted(at.path().to_owned()), at })
    }
}

#[test]
fn files_share_their_blocks_with_the_cache() {
    let from = tempfile::tempdir().unwrap();
    fill(from.path(), 100, 20_000);
    settle();
    let Some(fs) = Btrfs::new() else {
        return skip("files_share_their_blocks_with_the_cache", "no btrfs can be made here");
    };
    let backend = Arc::<brio_store::backend::Memory>::default();
    imported(&project_on(backend.clone()), from.path(), &ScanOptions::default());
    let disk = DiskCache::open(fs.at.path().join("cache"), 1 << 30).unwrap();
    let options = StoreOptions { disk: Some(disk), ..StoreOptions::default() };
    let p = Store::new(backend, options).project(&"org/name".parse().unwrap());
    for (n, shared) in [("first", 0), ("second", 100)] {
        let to = fs.at.path().join(n);
        std::fs::create_dir(&to).unwrap();
        let done = check_out(&p, &to).unwrap();
        assert_eq!(done.shared, shared);
        assert!(picture(&to) == picture(from.path()));
    }
    // What is damaged in the cache is not shared.
    let victim = walk_one(&fs.at.path().join("cache/blobs"));
    std::fs::write(&victim, noise(20_000, 1)).unwrap();
    let to = fs.at.path().join("third");
    std::fs::create_dir(&to).unwrap();
    let done = check_out(&p, &to).unwrap();
    assert_eq!(done.shared, 99);
    assert!(picture(&to) == picture(from.path()));
}

fn walk_one(dir: &Path) -> std::path::PathBuf {
    let first = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    if first.is_dir() { walk_one(&first) } else { first }
}
