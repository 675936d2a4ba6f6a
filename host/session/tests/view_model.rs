//! Random sequences on a view over a plain directory, against two models (see `model`).
//!
//! The long run: `BRIO_MODEL_SEQUENCES=100000 cargo test --release -p brio-session --test
//! view_model`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod lazy;
mod model;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use brio_session::{DirLower, Door, Lower, Sealed, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::memory::Memory;
use model::plain::{Plain, scan};
use model::run::{Plan, sequence};
use model::subject::{Turn, ViewSubject};
use model::{Rng, Subject, apply, base};

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn new_layer(root: &Path, n: usize) -> PathBuf {
    let path = root.join(format!("layer{n}"));
    std::fs::create_dir(&path).unwrap();
    View::create_layer(&open(&path), &Door::default()).unwrap();
    path
}

/// Over a directory of the host, or over contents that are fetched as they are read.
#[derive(Clone, Copy)]
enum Over {
    Host,
    Lazy { hashes: bool },
}

fn chain(base: &Path, over: Over, layers: &[PathBuf]) -> View {
    let mut lower: Arc<dyn Lower> = match over {
        Over::Host => Arc::new(DirLower::new(open(base))),
        Over::Lazy { hashes } => {
            Arc::new(lazy::LazyDir::new(open(base), Arc::default(), 17, hashes))
        }
    };
    let (top, sealed) = layers.split_last().unwrap();
    for l in sealed {
        lower = Arc::new(Sealed::open(open(l), lower).unwrap());
    }
    View::open(open(top), lower, ViewOptions::default()).unwrap()
}

fn run(seed: u64, over: Over, plan: &Plan) -> Result<(), String> {
    let tmp = scratch();
    let root = tmp.path().to_path_buf();
    for d in ["base", "plain", "copy"] {
        std::fs::create_dir(root.join(d)).unwrap();
        base::populate(&root.join(d));
    }
    let before = scan(&root.join("base"));
    let layers = Rc::new(RefCell::new(vec![new_layer(&root, 0)]));
    let view = chain(&root.join("base"), over, &layers.borrow());
    let (l, r) = (layers.clone(), root.clone());
    let turner = Box::new(move |view: View, turn: Turn| {
        let mut layers = l.borrow_mut();
        match turn {
            Turn::Reopen => {
                drop(view);
                chain(&r.join("base"), over, &layers)
            }
            Turn::Restack => {
                let layer = new_layer(&r, layers.len());
                view.restack(Vec::new(), open(&layer)).unwrap();
                layers.push(layer);
                view
            }
        }
    });
    let mut view = ViewSubject::new(view, turner);
    let mut memory = Memory::load(&root.join("plain"));
    let mut plain = Plain::new(&root.join("plain"));
    let mut rng = Rng::new(seed);
    sequence(&mut rng, plan, &mut view, &mut memory, &mut plain)?;
    if scan(&root.join("base")) != before {
        return Err("the base was changed".into());
    }
    view.turn(Turn::Reopen);
    model::run::same_tree("the reopened view", &memory.tree(), view.tree())?;
    apply::check(view.view(), &mut memory, &root.join("copy"))
}

/// In memory where the system has such a place: a sequence is nothing but small files.
fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir()
        && let Ok(d) = tempfile::tempdir_in(shm)
    {
        return d;
    }
    tempfile::tempdir().unwrap()
}

/// Every sixteenth sequence is long, with many layers.
fn plan(seed: u64) -> Plan {
    match seed % 16 {
        0 => Plan { ops: 400, compare_every: 40, turn_every: 10 },
        _ => Plan::default(),
    }
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T4, B-031: a view is a directory, whatever was done to it and however it was layered.
#[test]
fn view_is_a_directory() {
    sequences(500, |_| Over::Host);
}

/// The same over contents that are fetched as they are read.
#[test]
fn view_over_fetched_contents_is_a_directory() {
    sequences(200, |seed| Over::Lazy { hashes: seed % 2 == 0 });
}

fn sequences(count: u64, over: fn(u64) -> Over) {
    let (first, count) = match env("BRIO_MODEL_SEED") {
        Some(seed) => (seed, env("BRIO_MODEL_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_MODEL_SEQUENCES").unwrap_or(count)),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    // A new layer waits for the clock to tick: most of the time nobody is running.
    let threads = threads * 4;
    let failed = std::sync::Mutex::new(None);
    let next = std::sync::atomic::AtomicU64::new(first);
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().is_some() {
                        return;
                    }
                    let result = std::panic::catch_unwind(|| run(seed, over(seed), &plan(seed)))
                        .unwrap_or_else(|_| Err("panicked, see above".into()));
                    if let Err(e) = result {
                        failed.lock().unwrap().get_or_insert((seed, e));
                    }
                }
            });
        }
    });
    if let Some((seed, e)) = failed.into_inner().unwrap() {
        panic!("BRIO_MODEL_SEED={seed}: {e}");
    }
}
