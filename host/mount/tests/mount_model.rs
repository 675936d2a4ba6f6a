//! The random sequences of the view's model (`host/session/tests/model`), run through a mount
//! and on a plain directory at once: both are directories of the host, and answer alike.
//!
//! `BRIO_MODEL_SEED` replays one sequence; `BRIO_MODEL_SEQUENCES` sets how many are run.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "../../session/tests/model/mod.rs"]
mod model;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use brio_session::{
    DirLower, Door, Fixed, FsResult, Lender, Lent, Lower, Sealed, View, ViewOptions,
};
use common::open;
use model::memory::Memory;
use model::ops::{self, Op};
use model::plain::{Plain, scan};
use model::run::same_tree;
use model::{Outcome, Rng, Subject, Value, apply, base, mask, permitted};

/// Where a session's view goes on as another: opened again from its layers.
#[derive(Clone)]
struct Moving(Arc<Mutex<(View, u64)>>);

impl Lender for Moving {
    fn read(&self) -> FsResult<Lent> {
        let (view, epoch) = self.0.lock().unwrap().clone();
        Ok(Lent::new(view, epoch))
    }

    fn write(&self) -> FsResult<Lent> {
        self.read()
    }
}

struct World {
    tmp: tempfile::TempDir,
    layers: Vec<PathBuf>,
}

impl World {
    fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let tmp = tempfile::tempdir_in(if shm.is_dir() { shm } else { Path::new("/tmp") }).unwrap();
        for d in ["base", "plain", "copy", "at"] {
            std::fs::create_dir(tmp.path().join(d)).unwrap();
        }
        for d in ["base", "plain", "copy"] {
            base::populate(&tmp.path().join(d));
        }
        let mut new = Self { tmp, layers: Vec::new() };
        new.layer();
        new
    }

    fn at(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    fn layer(&mut self) -> PathBuf {
        let path = self.at(&format!("layer{}", self.layers.len()));
        std::fs::create_dir(&path).unwrap();
        View::create_layer(&open(&path), &Door::default()).unwrap();
        self.layers.push(path.clone());
        path
    }

    fn view(&self) -> View {
        let mut lower: Arc<dyn Lower> = Arc::new(DirLower::new(open(&self.at("base"))));
        let (top, sealed) = self.layers.split_last().unwrap();
        for layer in sealed {
            lower = Arc::new(Sealed::open(open(layer), lower).unwrap());
        }
        View::open(open(top), lower, ViewOptions::default()).unwrap()
    }
}

/// Whether what a mount answers is what a directory does.
fn alike(op: &Op, mounted: &Outcome, plain: &Outcome) -> bool {
    mounted == plain || permitted::errors(op, mounted, plain)
}

fn run(seed: u64) -> Result<bool, String> {
    let mut world = World::new();
    let mut rng = Rng::new(seed);
    let fixed = seed.is_multiple_of(2);
    let moving = Moving(Arc::new(Mutex::new((world.view(), 1))));
    let mounted = if fixed {
        common::mount("mount_model", &world.at("at"), Fixed(moving.read().unwrap().view))
    } else {
        common::mount("mount_model", &world.at("at"), moving.clone())
    };
    let Some(mount) = mounted else { return Ok(false) };
    let before = scan(&world.at("base"));
    let mut memory = Memory::load(&world.at("plain"));
    let mut plain = Plain::new(&world.at("plain"));
    let mut there = Plain::new(&world.at("at"));
    let mut log = Vec::new();
    for n in 0..80 {
        let fail = |log: &[String], e: String| format!("{e}\nafter:\n  {}", log.join("\n  "));
        if rng.one_in(15) {
            if fixed || rng.one_in(2) {
                log.push("restack".to_owned());
                let layer = world.layer();
                moving.0.lock().unwrap().0.restack(Vec::new(), open(&layer)).unwrap();
            } else {
                // What was unlinked is not found again by its path.
                log.push("another view".to_owned());
                memory.close_all();
                plain.close_all();
                there.close_all();
                let mut now = moving.0.lock().unwrap();
                *now = (world.view(), now.1 + 1);
            }
        }
        let op = ops::generate(&mut rng, &memory.known());
        log.push(ops::show(&op));
        let told = memory.apply(&op);
        let (mut want, mut got) = (plain.apply(&op), there.apply(&op));
        for outcome in [&mut want, &mut got] {
            if let (Ok(Value::Stat(stat)), Ok(Value::Stat(told))) = (outcome, &told) {
                mask(stat, told);
            }
        }
        if !alike(&op, &got, &want) {
            return Err(fail(&log, format!("the mount answers {got:?} instead of {want:?}")));
        }
        if n % 16 == 15 {
            let want = memory.tree();
            same_tree("mount", &want, scan(&world.at("at"))).map_err(|e| fail(&log, e))?;
            same_tree("plain", &want, plain.tree()).map_err(|e| fail(&log, e))?;
        }
    }
    drop((there, plain));
    mount.unmount().map_err(|e| e.to_string())?;
    if scan(&world.at("base")) != before {
        return Err("the base was changed".into());
    }
    let view = world.view();
    same_tree("the view opened again", &memory.tree(), model::subject::scan(&view))?;
    apply::check(&view, &mut memory, &world.at("copy"))?;
    Ok(true)
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T4, B-031: a mounted view is a directory, whatever is done to it, and also when its layers
/// are sealed and its session opened anew under it.
#[test]
fn a_mounted_view_is_a_directory() {
    let (first, count) = match env("BRIO_MODEL_SEED") {
        Some(seed) => (seed, env("BRIO_MODEL_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_MODEL_SEQUENCES").unwrap_or(60)),
    };
    for seed in first..first + count {
        match run(seed) {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => panic!("BRIO_MODEL_SEED={seed}: {e}"),
        }
    }
}
