//! Trees on disk: made at random, and read as what a round trip has to keep.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What lies at a path: mode and kind, the modification time of what is no directory, content
/// or target, and the first name of the same file.
pub(crate) type Tree = BTreeMap<PathBuf, (u32, Option<(i64, i64)>, Vec<u8>, PathBuf)>;

pub(crate) fn tree(dir: &Path) -> Tree {
    let (mut all, mut first) = (Tree::new(), HashMap::new());
    look(dir, dir, &mut all);
    for (path, node) in &mut all {
        let meta = fs::symlink_metadata(dir.join(path)).unwrap();
        if meta.nlink() > 1 && !meta.is_dir() {
            node.3.clone_from(first.entry(meta.ino()).or_insert_with(|| path.clone()));
        }
    }
    all
}

fn look(root: &Path, dir: &Path, all: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == ".brio" {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_dir() {
            look(root, &path, all);
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_vec()
        } else if meta.is_file() {
            let mut bytes = fs::read(&path).unwrap();
            if bytes.len() > 100 {
                // All of them are made of one byte.
                bytes = format!("{} of {:?}", bytes.len(), bytes[bytes.len() / 2]).into_bytes();
            }
            bytes
        } else {
            continue;
        };
        let time = (!meta.is_dir()).then(|| (meta.mtime(), meta.mtime_nsec()));
        // Links' times are not taken back.
        let time = time.filter(|_| !meta.is_symlink());
        let name = path.strip_prefix(root).unwrap().to_owned();
        all.insert(name, (meta.mode(), time, content, PathBuf::new()));
    }
}

pub(crate) fn without_links(mut tree: Tree) -> Tree {
    tree.values_mut().for_each(|node| node.3.clear());
    tree
}

/// The first difference.
pub(crate) fn same(what: &str, a: &Tree, b: &Tree) {
    for path in a.keys().chain(b.keys()) {
        assert_eq!(a.get(path), b.get(path), "{what}: {}", path.display());
    }
}

const NAMES: [&[u8]; 5] = [b"a", b"b", b"c", b"d\xff", b"e e"];
const MODES: [u32; 5] = [0o644, 0o600, 0o755, 0o444, 0o4711];
const DIR_MODES: [u32; 4] = [0o755, 0o700, 0o555, 0o2775];

/// Fills a directory. Contents, sizes and times are few, so that two trees meet in some.
pub(crate) fn fill(rng: &mut Rng, dir: &Path) {
    let mut files = Vec::new();
    grow(rng, dir, 3, &mut files);
}

/// Edits a directory: contents, times, modes, links, names.
pub(crate) fn edit(rng: &mut Rng, dir: &Path) {
    for path in tree(dir).into_keys().map(|path| dir.join(path)) {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            continue;
        }
        match rng.below(10) {
            0 if meta.is_file() => {
                fs::write(&path, rng.pick(&["one", "edited"])).unwrap();
                touch(&path, rng.below(3));
            }
            1 if meta.is_file() => chmod(&path, MODES[rng.below(5) as usize]),
            2 => fs::remove_file(&path).unwrap(),
            3 => fs::rename(&path, dir.join(rng.pick(&["a", "moved"]))).unwrap_or(()),
            4 => fs::hard_link(&path, dir.join(rng.pick(&["b", "linked"]))).unwrap_or(()),
            _ => {}
        }
    }
}

fn grow(rng: &mut Rng, dir: &Path, depth: u32, files: &mut Vec<PathBuf>) {
    for name in NAMES {
        let path = dir.join(std::ffi::OsStr::from_bytes(name));
        match rng.below(8) {
            0 | 1 => {
                let text: [&[u8]; 5] = [b"one", b"two", b"six", b"", &[7; 5000]];
                fs::write(&path, rng.pick(&text)).unwrap();
                touch(&path, rng.below(3));
                chmod(&path, MODES[rng.below(5) as usize]);
                files.push(path);
            }
            2 | 3 if depth > 0 => {
                fs::create_dir(&path).unwrap();
                grow(rng, &path, depth - 1, files);
                chmod(&path, DIR_MODES[rng.below(4) as usize]);
            }
            4 => symlink(rng.pick(&["a", "../b", "/etc/passwd", "gone"]), &path).unwrap(),
            5 if !files.is_empty() => {
                let of = files[rng.below(files.len() as u64) as usize].clone();
                fs::hard_link(of, &path).unwrap();
            }
            _ => {}
        }
    }
}

pub(crate) fn touch(path: &Path, secs: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000 + secs);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
