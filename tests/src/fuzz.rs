//! What fuzz targets and the mutation test feed with bytes. Each panics on a defect.
#![allow(clippy::unwrap_used, reason = "for tests: what is unexpected ends them")]

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use brio_landing::fuzzing;
use brio_session::{
    DirLower, FsError, Handle, Kind, Lower, OpenOptions, RelPath, Sealed, View, ViewOptions,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, ResolveFlags};

/// The records of a landing, the journal, a session's `meta.json`.
pub fn records(data: &[u8]) {
    fuzzing::intent(data);
    fuzzing::end(data);
    fuzzing::journal(data);
    fuzzing::meta(data);
    let [intent, end] = fuzzing::framed(data);
    fuzzing::intent(&intent);
    fuzzing::end(&end);
}

/// A three-way merge: the texts are parted by the first byte.
pub fn merge(data: &[u8]) {
    let Some((part, rest)) = data.split_first() else { return };
    let mut texts = rest.splitn(3, |b| b == part);
    let mut text = || texts.next().unwrap_or_default();
    let (base, ours, theirs) = (text(), text(), text());
    let Ok(merged) = fuzzing::merge(base, ours, theirs) else { return };
    assert_eq!(Ok(merged), fuzzing::merge(base, theirs, ours), "who is who makes no difference");
    let is = |merged: Result<Option<Vec<u8>>, _>, text: &[u8]| merged == Ok(Some(text.to_vec()));
    assert!(is(fuzzing::merge(base, ours, base), ours));
    assert!(is(fuzzing::merge(base, base, theirs), theirs));
    assert!(is(fuzzing::merge(base, ours, ours), ours));
}

fn scratch() -> PathBuf {
    let place = PathBuf::from("/dev/shm");
    let place = if place.is_dir() { place } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("brio-fuzz-").tempdir_in(place).unwrap().keep()
}

fn dir(path: &std::path::Path) -> Dir {
    std::fs::create_dir_all(path).unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// The index of a layer: as it is, and as the payload of a frame whose checksum is right.
pub fn layer_index(data: &[u8]) {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = PLACE.get_or_init(scratch);
    let name = format!("{:?}", std::thread::current().id());
    let layer = place.join(name);
    let lower: Arc<dyn Lower> = Arc::new(DirLower::new(dir(&place.join("lower"))));
    let mut framed = b"BRIOLAYR".to_vec();
    framed.extend_from_slice(&1u32.to_le_bytes());
    framed.extend_from_slice(&7u64.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&framed), data);
    framed.extend_from_slice(&(data.len() as u32).to_le_bytes());
    framed.extend_from_slice(&crc.to_le_bytes());
    framed.extend_from_slice(data);
    for (raw, ours) in [(data, true), (&framed, false)] {
        let handle = dir(&layer);
        std::fs::write(layer.join("index"), raw).unwrap();
        let Ok(sealed) = Sealed::open(handle, lower.clone()) else { continue };
        walk(&sealed, &RelPath::root(), 0);
        if ours {
            // What a layer of ours could hold can also be gone on with.
            let how = ViewOptions { read_only: true, ..ViewOptions::default() };
            let _ = View::open(dir(&layer), lower.clone(), how).map(|v| v.changes());
        }
    }
}

fn walk(lower: &dyn Lower, at: &RelPath, depth: usize) {
    let Ok(entries) = lower.list(at) else { return };
    for e in entries.into_iter().take(32) {
        let path = at.join(&e.name);
        let _ = (lower.stat(&path), lower.open(&path), lower.read_link(&path));
        let _ = (lower.origin(&path), lower.touched(&path));
        if depth < 4 {
            walk(lower, &path, depth + 1);
        }
    }
}

/// A view and the same as a plain directory.
fn tree() -> &'static (View, Dir) {
    static TREE: OnceLock<(View, Dir)> = OnceLock::new();
    TREE.get_or_init(|| {
        let place = scratch();
        let base = place.join("base");
        for d in ["a/b/c", "d", "é"] {
            std::fs::create_dir_all(base.join(d)).unwrap();
        }
        for f in ["f", "a/f", "a/b/f", "a/b/c/f", "d/f", "é/f"] {
            std::fs::write(base.join(f), f).unwrap();
        }
        for (target, link) in [
            ("a", "l"),
            ("../a/b", "d/l"),
            ("l", "ll"),
            ("loop", "loop"),
            ("f", "to-f"),
            ("nowhere", "gone"),
            ("..", "a/up"),
            ("../..", "a/b/c/up"),
            ("../../../f", "a/out"),
            ("./a//b/./c/", "slashes"),
            ("a/f/", "file-slash"),
        ] {
            symlink(target, base.join(link)).unwrap();
        }
        let layer = dir(&place.join("layer"));
        View::create_layer(&layer, &brio_session::Door::default()).unwrap();
        let lower = Arc::new(DirLower::new(dir(&base)));
        (View::open(layer, lower, ViewOptions::default()).unwrap(), dir(&base))
    })
}

/// A path: what the view finds must be what the kernel finds beneath the same directory.
pub fn paths(data: &[u8]) {
    let Some((how, path)) = data.split_first() else { return };
    let follow = how & 1 == 0;
    let (view, plain) = tree();
    let found = view.stat_at(&view.root(), path, follow).map(|m| (m.kind, m.size));
    if let Ok((kind, _)) = found {
        let how = OpenOptions { read: true, follow: true, ..OpenOptions::default() };
        if follow && kind != Kind::Other {
            let opened = view.open_at(&view.root(), path, &how);
            let dir = matches!(opened, Ok(Handle::Dir(_)));
            assert_eq!(dir, kind == Kind::Dir, "{}: {:?}", path.escape_ascii(), opened.err());
        }
    }
    if path.contains(&0) || path.windows(5).any(|w| w.eq_ignore_ascii_case(b".brio")) {
        assert!(found.is_err() || !path.contains(&0), "{}", path.escape_ascii());
        return;
    }
    let flags = OFlags::PATH | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let kernel = loop {
        // AGAIN: a rename elsewhere made the kernel unsure that it stayed beneath.
        match rustix::fs::openat2(plain, path, flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN) => {}
            r => break r,
        }
    };
    let kernel = kernel.and_then(rustix::fs::fstat).map(|s| {
        match rustix::fs::FileType::from_raw_mode(s.st_mode) {
            rustix::fs::FileType::Directory => (Kind::Dir, 0),
            rustix::fs::FileType::Symlink => (Kind::Symlink, s.st_size as u64),
            _ => (Kind::File, s.st_size as u64),
        }
    });
    let found = found.map(|(k, size)| (k, if k == Kind::Dir { 0 } else { size }));
    match (&found, &kernel) {
        (Ok(a), Ok(b)) => assert_eq!(a, b, "{}", path.escape_ascii()),
        (Err(_), Err(_)) => {}
        // The kernel counts 40 links, and a path of 4096 bytes with its end.
        (Err(FsError::Loop | FsError::NameTooLong), Ok(_)) => {}
        _ => panic!("{} follow {follow}: {found:?}, the kernel {kernel:?}", path.escape_ascii()),
    }
}
