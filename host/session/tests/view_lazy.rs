//! What a view fetches of contents that are fetched as they are read, and what it does when they
//! are out of reach.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Read;
use std::sync::Arc;

use brio_session::{FsError, RelPath, Source, View, ViewOptions};
use common::lazy::{Asked, LazyDir};
use common::{Fixture, Short, how, open_dir, read_all};
use sha2::{Digest, Sha256};

const LARGE: u64 = 1 << 30;

fn base() -> Fixture {
    Fixture::new(|b| {
        std::fs::write(b.join("text"), "one\ntwo\n").unwrap();
        std::fs::write(b.join("other"), "other").unwrap();
        std::fs::File::create(b.join("large")).unwrap().set_len(LARGE).unwrap();
        std::fs::File::create(b.join("hole")).unwrap().set_len(8 << 20).unwrap();
        let mixed: Vec<u8> = (0..3 << 20).map(|i| (i / 7) as u8).collect();
        std::fs::write(b.join("mixed"), mixed).unwrap();
    })
}

fn view(f: &Fixture, hashes: bool) -> (View, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let lower = LazyDir::new(open_dir(&f.base()), asked.clone(), 64 << 10, hashes);
    let layer = open_dir(f.layers.last().unwrap());
    (View::open(layer, Arc::new(lower), ViewOptions::default()).unwrap(), asked)
}

/// Bytes that the layer takes on disk.
fn layer_bytes(f: &Fixture) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(f.layers.last().unwrap()).unwrap();
    files.map(|e| e.unwrap().metadata().unwrap().blocks() * 512).sum()
}

/// Names, sizes and times are no content; of a large file only what is read is fetched, and
/// nothing of it is kept.
#[test]
fn only_what_is_read_is_fetched() {
    let f = base();
    let (v, asked) = view(&f, false);
    let before = layer_bytes(&f);
    assert_eq!(v.stat("large").unwrap().size, LARGE);
    assert_eq!(v.ls(".").unwrap().len(), 5);
    let large = v.file("large", how("r")).unwrap();
    assert_eq!((asked.opened(), asked.bytes()), (1, 0));
    let mut byte = [7];
    assert_eq!(large.read_at(&mut byte, LARGE - 1).unwrap(), 1);
    assert_eq!((byte, asked.bytes()), ([0], 1));
    assert_eq!(large.read_at(&mut byte, LARGE).unwrap(), 0);
    assert_eq!(large.read_at(&mut byte, u64::MAX).err(), Some(FsError::Invalid));
    assert_eq!((v.written(), layer_bytes(&f)), ((0, 0), before));
    assert!(v.diff().is_empty());
    assert_eq!(asked.bytes(), 1);
}

/// A first write fetches the file once; what comes after is the layer's own. Its hash and its
/// text are those of what was fetched.
#[test]
fn copy_up_fetches_once() {
    let f = base();
    let (v, asked) = view(&f, false);
    let size = 3 << 20;
    let file = v.file("mixed", how("rw")).unwrap();
    file.write_at(b"ours", 10).unwrap();
    file.write_at(b"more", 1 << 20).unwrap();
    assert_eq!((asked.opened(), asked.bytes()), (1, size));
    let mut want = std::fs::read(f.base().join("mixed")).unwrap();
    let was = want.clone();
    want[10..14].copy_from_slice(b"ours");
    want[1 << 20..(1 << 20) + 4].copy_from_slice(b"more");
    assert_eq!(read_all(&file).unwrap(), want);
    assert_eq!(asked.bytes(), size);
    v.put("text", b"new").unwrap();
    // What is cut to nothing is not fetched.
    assert_eq!(asked.bytes(), size);
    v.file("other", how("rw")).unwrap().append(b"!").unwrap();
    let set = v.changes().unwrap();
    let seen = |p: &str| set.observed[&RelPath::new(p).unwrap()].clone();
    assert_eq!(seen("mixed").sha256, Some(Sha256::digest(&was).into()));
    assert_eq!(seen("other").sha256, Some(Sha256::digest(b"other").into()));
    let mut original = String::new();
    let kept = v.original(&RelPath::new("other").unwrap()).unwrap();
    kept.unwrap().read_to_string(&mut original).unwrap();
    assert_eq!(original, "other");
}

/// Of a file that is cut only what stays is fetched; of one that goes, nothing.
#[test]
fn what_goes_is_not_fetched() {
    for hashes in [false, true] {
        let f = base();
        let (v, asked) = view(&f, hashes);
        v.file("mixed", how("w")).unwrap().set_len(1000).unwrap();
        assert_eq!(asked.bytes(), 1000, "hashes: {hashes}");
        assert_eq!(v.get("mixed").unwrap(), std::fs::read(f.base().join("mixed")).unwrap()[..1000]);
        v.unlink("large").unwrap();
        v.unlink("other").unwrap();
        v.mv("text", "moved").unwrap();
        assert_eq!(asked.bytes(), 1000);
        let seen = v.changes().unwrap().observed[&RelPath::new("other").unwrap()].clone();
        let want = hashes.then(|| Sha256::digest(b"other").into());
        assert_eq!((seen.sha256, seen.original), (want, None));
        assert_eq!(asked.bytes(), 1000);
        let moved = v.change_content(&RelPath::new("moved").unwrap()).unwrap().source().unwrap();
        assert_eq!(moved.sha256().unwrap(), <[u8; 32]>::from(Sha256::digest("one\ntwo\n")));
        assert_eq!(asked.bytes(), if hashes { 1000 } else { 1008 });
        assert_eq!(v.get("moved").unwrap(), b"one\ntwo\n");
    }
}

/// What is written anew as it was is no change; a known hash tells that without fetching.
#[test]
fn the_same_again_is_no_change() {
    for hashes in [false, true] {
        let f = base();
        let (v, asked) = view(&f, hashes);
        v.put("text", b"one\ntwo\n").unwrap();
        v.put("other", b"OTHER").unwrap();
        let diff = v.diff();
        assert_eq!(diff.len(), 1, "{diff:?}");
        assert_eq!(diff[0].0, "other");
        assert_eq!(asked.bytes(), if hashes { 0 } else { 13 });
    }
}

/// A whole copy keeps holes, whether the content is the lower's or the layer's.
#[test]
fn copies_have_the_same_bytes() {
    use std::os::unix::fs::MetadataExt;
    let f = base();
    let (v, _) = view(&f, false);
    let to = tempfile::tempfile().unwrap();
    assert_eq!(v.file("hole", how("r")).unwrap().copy_to(&to, true).unwrap(), 0);
    assert_eq!((to.metadata().unwrap().len(), to.metadata().unwrap().blocks()), (8 << 20, 0));
    let to = tempfile::tempfile().unwrap();
    assert_eq!(v.file("mixed", how("r")).unwrap().copy_to(&to, true).unwrap(), 3 << 20);
    let (a, b) = (Source::from(to), v.change_content(&RelPath::new("mixed").unwrap()).unwrap());
    let b = b.source().unwrap();
    assert!(a.same_as(&b).unwrap() && b.same_as(&a).unwrap());
    v.file("new", how("wc")).unwrap().copy_from(&b).unwrap();
    assert_eq!(v.get("new").unwrap(), std::fs::read(f.base().join("mixed")).unwrap());
}

/// Out of reach, or other bytes than were asked for: an operation that needs them says so and
/// changes nothing; everything else goes on, and so does that one later.
#[test]
fn what_cannot_be_fetched_is_said() {
    for e in [FsError::Unreachable, FsError::Corrupt] {
        let f = base();
        let (v, asked) = view(&f, false);
        let open = v.file("text", how("rw")).unwrap();
        asked.break_with(Some(e));
        assert_eq!(read_all(&open).err(), Some(e));
        assert_eq!(open.write_at(b"x", 0).err(), Some(e));
        assert_eq!(v.get("text").err(), Some(e));
        let to = tempfile::tempfile().unwrap();
        assert_eq!(open.copy_to(&to, false).err(), Some(e));
        assert!(v.diff().is_empty());
        v.put("other", b"all new").unwrap();
        v.unlink("large").unwrap();
        assert_eq!(v.diff().len(), 2);
        assert_eq!(v.get("other").unwrap(), b"all new");
        asked.break_with(None);
        assert_eq!(open.write_at(b"O", 0).unwrap(), 1);
        assert_eq!(v.get("text").unwrap(), b"One\ntwo\n");
        // It survives the host's error type, which copies pass through.
        assert_eq!(FsError::from(std::io::Error::from(e)), e);
    }
}

/// Who has a file open keeps it after its last name is gone.
#[test]
fn an_open_file_outlives_its_name() {
    let f = base();
    let (v, _) = view(&f, false);
    let open = v.file("text", how("rw")).unwrap();
    v.unlink("text").unwrap();
    let meta = open.meta().unwrap();
    assert_eq!((meta.size, meta.nlink), (8, 0));
    assert_eq!(read_all(&open).unwrap(), b"one\ntwo\n");
    open.write_at(b"O", 0).unwrap();
    assert_eq!(read_all(&open).unwrap(), b"One\ntwo\n");
    assert_eq!(v.diff().len(), 1);
}
