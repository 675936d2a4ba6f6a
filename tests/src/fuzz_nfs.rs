//! What fuzz targets feed a server of NFS with. Each panics on a defect: on a panic of the
//! server's own, on an answer that is out of bounds, and when the base was changed.
#![allow(clippy::unwrap_used, reason = "for tests: what is unexpected ends them")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use brio_nfs::fuzz::Deaf;
use brio_nfs::{Exports, Opened, Options, Users};
use brio_session::{DirLower, Door, Fixed, FsError, FsResult, Lender, Limits, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// A server has so many inputs; then there is another one, over an empty layer.
const INPUTS: usize = 2000;
/// Of one input.
const CALLS: usize = 24;
/// What is read or listed at most, and what stands around it.
const LONGEST: usize = (1 << 20) + (4 << 10);

struct Branch {
    view: View,
    base: View,
}

impl Exports for Branch {
    fn directories(&self) -> &[&'static str] {
        &["view"]
    }

    fn list(&self, _: &str) -> Vec<String> {
        vec!["branch".into()]
    }

    fn open(&self, _: &str, name: &str) -> FsResult<Opened> {
        let lender = Arc::new(Fixed(self.view.clone()));
        if name == "branch" {
            Ok(Opened { name: name.into(), lender })
        } else {
            Err(FsError::NotFound)
        }
    }

    fn base(&self, _: &str, _: &str) -> FsResult<Arc<dyn Lender>> {
        Ok(Arc::new(Fixed(self.base.clone())))
    }

    fn is_there(&self, _: &str, name: &str) -> bool {
        name == "branch"
    }
}

type Seen = BTreeMap<std::path::PathBuf, (u64, u32, u64, i64, i64, Vec<u8>)>;

struct World {
    server: Deaf,
    tmp: tempfile::TempDir,
    before: Seen,
    inputs: usize,
    handles: Vec<Vec<u8>>,
}

fn dir(path: &Path) -> Dir {
    std::fs::create_dir_all(path).unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn look(at: &Path, seen: &mut Seen) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let m = path.symlink_metadata().unwrap();
        let content = if m.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        if m.is_dir() {
            look(&path, seen);
        }
        let what = (m.ino(), m.mode(), m.nlink(), m.mtime_nsec(), m.ctime_nsec(), content);
        seen.insert(path, what);
    }
}

impl World {
    fn new() -> Self {
        let place = Path::new("/dev/shm");
        let place = if place.is_dir() { place } else { Path::new("/tmp") };
        let tmp = tempfile::Builder::new().prefix("brio-fuzz-").tempdir_in(place).unwrap();
        let base = tmp.path().join("base");
        std::fs::create_dir_all(base.join("a/b")).unwrap();
        for f in ["f", "a/f", "a/b/f", "@x"] {
            std::fs::write(base.join(f), f.repeat(500)).unwrap();
        }
        std::fs::hard_link(base.join("f"), base.join("g")).unwrap();
        std::os::unix::fs::symlink("a/f", base.join("link")).unwrap();
        let lower = || Arc::new(DirLower::new(dir(&base)));
        let layer = |name: &str, options| {
            let layer = dir(&tmp.path().join(name));
            View::create_layer(&layer, &Door::default()).unwrap();
            View::open(layer, lower(), options).unwrap()
        };
        let limits = Limits { disk: Some(16 << 20), files: Some(20_000) };
        let view = layer("layer", ViewOptions { limits, ..ViewOptions::default() });
        let base_view = layer("nothing", ViewOptions { read_only: true, ..ViewOptions::default() });
        let options = Options { uid: 0, gid: 0, users: Users::Owner, clients: Vec::new() };
        let server = Deaf::new(Branch { view, base: base_view }, options, None).unwrap();
        let mut before = Seen::new();
        look(&base, &mut before);
        let mut new = Self { server, tmp, before, inputs: 0, handles: Vec::new() };
        for path in ["/", "/exports/view", "/exports/view/branch/@", "/exports/view/branch"] {
            new.answered(&call((100_005, 3, 1), &opaque(path.as_bytes())));
        }
        assert_eq!(new.handles.len(), 4);
        new
    }

    /// Answers, and looks at the answer.
    fn answered(&mut self, record: &[u8]) -> Option<Vec<u8>> {
        let answer = self.server.answer(record)?;
        assert!(answer.len() <= LONGEST && answer.len().is_multiple_of(4), "{}", answer.len());
        assert_eq!(answer[..4], record[..4], "its number");
        assert_eq!(answer[4..8], [0, 0, 0, 1], "a reply");
        // Accepted, with an empty verifier: a system error is a panic that was caught.
        if answer[8..12] == [0; 4] {
            assert_ne!(answer[20..24], [0, 0, 0, 5], "{record:?}");
        }
        // Handles are where their length and version are.
        for at in answer.windows(5).take(4096).enumerate().filter(|(_, w)| *w == [0, 0, 0, 21, 1]) {
            let handle = answer.get(at.0 + 4..at.0 + 25);
            if let Some(handle) = handle.filter(|h| !self.handles.iter().any(|k| k == h)) {
                if self.handles.len() > 64 {
                    self.handles.remove(4);
                }
                self.handles.push(handle.to_vec());
            }
        }
        Some(answer)
    }

    fn look_at_the_base(&self) {
        let mut now = Seen::new();
        look(&self.tmp.path().join("base"), &mut now);
        assert!(now == self.before, "the base was changed");
    }
}

fn in_world(act: impl FnOnce(&mut World)) {
    thread_local!(static WORLD: RefCell<Option<World>> = const { RefCell::new(None) });
    WORLD.with_borrow_mut(|kept| {
        let world = kept.get_or_insert_with(World::new);
        act(world);
        world.inputs += 1;
        if world.inputs.is_multiple_of(100) {
            world.look_at_the_base();
            world.server.rest();
        }
        if world.inputs == INPUTS {
            *kept = None;
        }
    });
}

/// Whatever a client may send.
pub fn record(data: &[u8]) {
    in_world(|world| drop(world.answered(data)));
}

/// Calls with a good head, of arguments that fit and arguments that do not.
pub fn calls(data: &[u8]) {
    in_world(|world| {
        let mut from = Bytes(data);
        for _ in 0..CALLS {
            if from.0.is_empty() {
                return;
            }
            let call = one(&mut from, &world.handles);
            world.answered(&call);
        }
    });
}

fn word(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = word(bytes.len() as u32);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn call((program, version, procedure): (u32, u32, u32), arguments: &[u8]) -> Vec<u8> {
    let user = [word(0), opaque(b"fuzz"), word(0), word(0), word(0)].concat();
    let head = [7, 0, 2, program, version, procedure, 1].map(word).concat();
    [&head[..], &opaque(&user), &word(0), &word(0), arguments].concat()
}

/// Choices, made from an input.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[usize::from(self.byte()) % of.len()]
    }

    fn number(&mut self) -> u64 {
        let n = u64::from(self.byte());
        *self.pick(&[
            0,
            1,
            n,
            n * 100,
            4096,
            1 << 20,
            1 << 31,
            u64::from(u32::MAX),
            1 << 40,
            i64::MAX as u64,
            u64::MAX,
        ])
    }

    fn small(&mut self) -> Vec<u8> {
        word(self.number() as u32)
    }

    fn handle(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut handle = self.pick(known).clone();
        let at = usize::from(self.byte());
        match self.byte() {
            0 => handle[at % 21] ^= 1 << (at % 8),
            1 => handle.truncate(at % 21),
            2 => handle.resize(at, 9),
            _ => {}
        }
        opaque(&handle)
    }

    fn name(&mut self) -> Vec<u8> {
        let long = [b'x'; 300];
        let names: [&[u8]; 18] = [
            b"f",
            b"a",
            b"b",
            b"g",
            b"link",
            b"new",
            b"x",
            b"y",
            b"z",
            b"@",
            b".",
            b"..",
            b"",
            b"a/f",
            b"\xff\0",
            &long[..255],
            &long,
            b".brio",
        ];
        let name: &&[u8] = self.pick(&names);
        opaque(name)
    }

    fn place(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        [self.handle(known), self.name()].concat()
    }

    fn set(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let which = self.byte();
        for bit in 0..3 {
            out.extend(word((which >> bit & 1).into()));
            if which >> bit & 1 == 1 {
                out.extend(self.small());
            }
        }
        out.extend(word((which >> 3 & 1).into()));
        if which >> 3 & 1 == 1 {
            out.extend(self.number().to_be_bytes());
        }
        for shift in [4, 6] {
            out.extend(word((which >> shift & 3).into()));
            if which >> shift & 3 == 2 {
                out.extend([self.small(), self.small()].concat());
            }
        }
        out
    }
}

fn one(from: &mut Bytes<'_>, known: &[Vec<u8>]) -> Vec<u8> {
    let procedure = u32::from(from.byte()) % 24;
    let long = |from: &mut Bytes<'_>| from.number().to_be_bytes().to_vec();
    let mut arguments = match procedure {
        0 => Vec::new(),
        2 => {
            let mut set = [from.handle(known), from.set()].concat();
            set.extend(match from.byte() % 4 {
                0 => [word(1), from.small(), from.small()].concat(),
                _ => word(0),
            });
            set
        }
        3 | 12 | 13 => from.place(known),
        4 => [from.handle(known), from.small()].concat(),
        6 | 21 => [from.handle(known), long(from), from.small()].concat(),
        7 => {
            let data = vec![from.byte(); usize::from(from.byte()) * 64];
            let count = if from.byte() == 0 { from.small() } else { word(data.len() as u32) };
            let stable = word(u32::from(from.byte()) % 4);
            [from.handle(known), long(from), count, stable, opaque(&data)].concat()
        }
        8 => {
            let (place, how) = (from.place(known), u32::from(from.byte()) % 4);
            let what = if how == 2 { vec![from.byte(); 8] } else { from.set() };
            [place, word(how), what].concat()
        }
        9 => [from.place(known), from.set()].concat(),
        10 => [from.place(known), from.set(), from.name()].concat(),
        11 => {
            let kind = u32::from(from.byte()) % 9;
            let device = if kind == 3 || kind == 4 { vec![0; 8] } else { Vec::new() };
            [from.place(known), word(kind), from.set(), device].concat()
        }
        14 => [from.place(known), from.place(known)].concat(),
        15 => [from.handle(known), from.place(known)].concat(),
        16 => [from.handle(known), long(from), long(from), from.small()].concat(),
        17 => {
            let (dir, cookie) = (from.handle(known), long(from));
            [dir, cookie, long(from), from.small(), from.small()].concat()
        }
        _ => from.handle(known),
    };
    match from.byte() {
        0 => arguments.truncate(usize::from(from.byte())),
        1 => arguments.extend([0; 4]),
        2 => {
            let at = usize::from(from.byte()) * 4;
            if let Some(some) = arguments.get_mut(at..at + 4) {
                some.copy_from_slice(&(from.number() as u32).to_be_bytes());
            }
        }
        _ => {}
    }
    // Now and then it is for the other program.
    let program = if from.byte() == 0 { 100_005 } else { 100_003 };
    call((program, 3, procedure), &arguments)
}
