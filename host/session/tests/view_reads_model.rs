//! Whether what a view notes of its reads is all that it depends on: random sequences are run,
//! the base is changed at random, and they are run again on a new layer. Where everything holds
//! that was noted, every operation answers as it did.
//!
//! `BRIO_MODEL_SEED` and `BRIO_MODEL_SEQUENCES` as in `view_model`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod model;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use brio_session::{DirLower, Door, Lower, ReadSet, Sealed, Time, Tracked, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::memory::Memory;
use model::ops::{self, Op};
use model::subject::{Turn, ViewSubject};
use model::{Kind, Outcome, Rng, Subject, Value, base};

const OPS: usize = 40;

enum Step {
    Do(Op),
    Turn(Turn),
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn chain(base: &Path, layers: &[PathBuf]) -> View {
    let mut lower: Arc<dyn Lower> = Arc::new(Tracked::new(Arc::new(DirLower::new(open(base)))));
    let (top, sealed) = layers.split_last().unwrap();
    for l in sealed {
        lower = Arc::new(Sealed::open(open(l), lower).unwrap());
    }
    let options = ViewOptions { track_reads: true, ..ViewOptions::default() };
    View::open(open(top), lower, options).unwrap()
}

/// What the steps answer over the base, and what they read of it.
fn run(steps: &[Step], root: &Path, name: &str) -> (Vec<Outcome>, ReadSet) {
    let (root, name) = (root.to_owned(), name.to_owned());
    let new_layer = {
        let root = root.clone();
        move |n: usize| {
            let path = root.join(format!("{name}{n}"));
            std::fs::create_dir(&path).unwrap();
            View::create_layer(&open(&path), &Door::default()).unwrap();
            path
        }
    };
    let layers = Rc::new(RefCell::new(vec![new_layer(0)]));
    let base = root.join("base");
    let view = chain(&base, &layers.borrow());
    let turner = Box::new(move |view: View, turn: Turn| {
        let mut layers = layers.borrow_mut();
        match turn {
            Turn::Reopen => {
                view.sync().unwrap();
                drop(view);
                chain(&base, &layers)
            }
            Turn::Restack => {
                let layer = new_layer(layers.len());
                view.restack(Vec::new(), open(&layer)).unwrap();
                layers.push(layer);
                view
            }
        }
    });
    let mut view = ViewSubject::new(view, turner);
    let mut outcomes = Vec::new();
    for step in steps {
        match step {
            Step::Turn(turn) => view.turn(*turn),
            Step::Do(op) => outcomes.push(timeless(view.apply(op))),
        }
    }
    // As a landing finds it: from the disk.
    view.turn(Turn::Reopen);
    let reads = view.view().reads().unwrap();
    (outcomes, reads)
}

/// Without the times that nobody set: the clock goes on, and a directory's are not promised.
fn timeless(mut outcome: Outcome) -> Outcome {
    if let Ok(Value::Stat(s)) = &mut outcome {
        let set = s.mtime.filter(|t| t.secs < 1_500_000_000 && s.kind != Kind::Dir);
        s.mtime = set;
    }
    outcome
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap() {
        let e = e.unwrap();
        out.push(e.path());
        if e.file_type().unwrap().is_dir() {
            walk(&e.path(), out);
        }
    }
    out.sort();
}

/// Changes one thing outside.
fn change(rng: &mut Rng, root: &Path) {
    let mut paths = Vec::new();
    walk(root, &mut paths);
    let path = rng.pick(&paths).clone();
    let meta = std::fs::symlink_metadata(&path).unwrap();
    let mut dirs: Vec<_> = paths.iter().filter(|p| p.is_dir() && !p.is_symlink()).collect();
    let root = root.to_owned();
    dirs.push(&root);
    let names: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"f", b"new", b"ln", b"\xff\xfe"];
    let free = rng.pick(&dirs).join(OsStr::from_bytes(names[rng.below(names.len())]));
    let remove = |p: &Path| match meta.is_dir() {
        true => std::fs::remove_dir_all(p),
        false => std::fs::remove_file(p),
    };
    let content = |n: usize| vec![b'0' + (n % 10) as u8; n];
    // What cannot be done is no change.
    let _ = match rng.below(10) {
        0 | 1 if meta.is_file() => std::fs::write(&path, content(meta.len() as usize)),
        2 if meta.is_file() => std::fs::write(&path, content(rng.below(400))),
        3 if meta.is_file() => {
            base::set_mtime(&path, Time { secs: 1_100_000_000 + rng.below(9) as i64, nanos: 0 });
            Ok(())
        }
        4 if !meta.is_symlink() => std::fs::set_permissions(
            &path,
            PermissionsExt::from_mode(meta.mode() & 0o7777 ^ [0o222, 0o111][rng.below(2)]),
        ),
        5 => remove(&path),
        6 => std::fs::rename(&path, &free),
        7 => remove(&path).and_then(|()| match rng.below(3) {
            0 => std::fs::create_dir(&path),
            1 => symlink("f", &path),
            _ => std::fs::write(&path, "instead"),
        }),
        8 => std::fs::create_dir(&free),
        _ if !free.exists() && !free.is_symlink() => match rng.below(2) {
            0 => symlink(["a", "b/c", "../f", "nowhere"][rng.below(4)], &free),
            _ => std::fs::write(&free, "added"),
        },
        _ => Ok(()),
    };
}

/// What came of one sequence: whether what was read held, and whether the answers were the same.
fn sequence(seed: u64) -> Result<(bool, bool), String> {
    let shm = Path::new("/dev/shm");
    let tmp = match shm.is_dir().then(|| tempfile::tempdir_in(shm)) {
        Some(Ok(tmp)) => tmp,
        _ => tempfile::tempdir().unwrap(),
    };
    for d in ["base", "memory"] {
        std::fs::create_dir(tmp.path().join(d)).unwrap();
        base::populate(&tmp.path().join(d));
    }
    let mut rng = Rng::new(seed);
    let mut memory = Memory::load(&tmp.path().join("memory"));
    let mut steps = Vec::new();
    for _ in 0..[4, OPS][rng.below(2)] {
        if rng.one_in(12) {
            let turn = if rng.one_in(2) { Turn::Reopen } else { Turn::Restack };
            if turn == Turn::Reopen {
                memory.close_all();
            }
            steps.push(Step::Turn(turn));
        }
        let op = ops::generate(&mut rng, &memory.known());
        let _ = memory.apply(&op);
        steps.push(Step::Do(op));
    }
    let (first, reads) = run(&steps, tmp.path(), "first");
    assert!(!reads.whole);
    let root = tmp.path().join("base");
    for _ in 0..1 + rng.below(3) {
        change(&mut rng, &root);
    }
    let broken = reads.broken(&DirLower::new(open(&root))).unwrap();
    let (second, _) = run(&steps, tmp.path(), "second");
    let differs = first.iter().zip(&second).position(|(a, b)| a != b);
    if let (true, Some(n)) = (broken.is_empty(), differs) {
        let ops: Vec<_> = steps
            .iter()
            .map(|s| match s {
                Step::Do(op) => ops::show(op),
                Step::Turn(turn) => format!("{turn:?}"),
            })
            .collect();
        return Err(format!(
            "all that was read holds, but the answer {n} is {:?} and was {:?}\n  {}\nreads: {:#?}",
            second[n],
            first[n],
            ops.join("\n  "),
            reads.paths,
        ));
    }
    Ok((broken.is_empty(), differs.is_none()))
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_was_read_is_all_that_a_sequence_depends_on() {
    let (from, count) = match env("BRIO_MODEL_SEED") {
        Some(seed) => (seed, env("BRIO_MODEL_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_MODEL_SEQUENCES").unwrap_or(400)),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64 * 4;
    let results: Vec<_> = std::thread::scope(|s| {
        let run = move |t: u64| {
            let seeds = (from + t..from + count).step_by(threads as usize);
            seeds.map(|seed| (seed, sequence(seed))).collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..threads).map(|t| s.spawn(move || run(t))).collect();
        all.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let (mut held, mut differed) = (0, 0);
    for (seed, result) in results {
        match result {
            Ok((holds, same)) => {
                held += u64::from(holds);
                differed += u64::from(!same);
            }
            Err(e) => panic!("BRIO_MODEL_SEED={seed}: {e}"),
        }
    }
    println!("{count} sequences: {held} where all that was read held, {differed} that differed");
    // Otherwise it says nothing.
    assert!(count < 100 || (held * 10 > count && differed * 10 > count));
}
