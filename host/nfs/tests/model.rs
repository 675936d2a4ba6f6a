//! The random sequences of the view's model (`host/session/tests/model`), run over NFS and on a
//! plain directory at once, while layers are sealed, the session is opened anew and the server is
//! ended and begun again; a client keeps its handles through all of it.
//!
//! `BRIO_MODEL_SEED` replays one sequence; `BRIO_MODEL_SEQUENCES` sets how many are run.
//!
//! What a kernel's client does itself, and so this one does too, each a difference that is permitted:
//!
//! 1. There are no open files. Before the last name of an open file goes, a kernel renames the
//!    file away, which can be seen; so here it is closed first, everywhere.
//! 2. How a file was opened (for reading, for writing) is the client's to watch.
//! 3. Paths are walked by the client, links too: one that leads out of the root, or is absolute, is
//!    refused by it, and so is one that is to be made absolute, as the plain directory's library does.
//! 4. A slash at the end of a name means a directory: the client looks.
//! 5. An append is a write at the size that the client was told.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
mod kernel;
#[path = "../../session/tests/model/mod.rs"]
mod model;

use std::path::PathBuf;

use brio_session::{View, ViewOptions};
use common::{Moving, Place, Served, Sessions, open, options};
use kernel::Kernel;
use model::memory::Memory;
use model::ops::{self, Op, SLOTS};
use model::plain::{Plain, scan};
use model::run::same_tree;
use model::{Rng, Subject, Value, apply, base, mask, permitted};

struct World {
    place: Place,
    layers: Vec<PathBuf>,
    moving: Moving,
    served: Served,
    memory: Memory,
    plain: Plain,
    nfs: Kernel,
}

impl World {
    fn new() -> Self {
        let mut place = Place::new(base::populate);
        for d in ["plain", "copy"] {
            std::fs::create_dir(place.tmp.path().join(d)).unwrap();
            base::populate(&place.tmp.path().join(d));
        }
        let layers = vec![place.layer()];
        let moving = Moving::new(place.view(&layers, ViewOptions::default()));
        let sessions = Sessions::default();
        sessions.add("one", moving.clone(), None);
        let served = Served::new(sessions, options(), Some(place.table()));
        let (client, root) = served.mounted("one");
        let at = place.tmp.path().join("plain");
        let (memory, plain) = (Memory::load(&at), Plain::new(&at));
        Self { place, layers, moving, served, memory, plain, nfs: Kernel::new(client, root) }
    }

    fn view(&self) -> View {
        self.place.view(&self.layers, ViewOptions::default())
    }

    /// Something happens to the session, or to its server.
    fn turn(&mut self, rng: &mut Rng) -> &'static str {
        match rng.below(3) {
            0 => {
                let layer = self.place.layer();
                self.moving.0.lock().unwrap().0.restack(Vec::new(), open(&layer)).unwrap();
                self.layers.push(layer);
                "restack"
            }
            1 => {
                self.moving.move_to(self.view());
                "another view"
            }
            _ => {
                if rng.one_in(2) {
                    self.moving.move_to(self.view());
                }
                self.served.restart();
                self.nfs.reconnect(self.served.client());
                "another server"
            }
        }
    }

    /// Closes what an operation would take the last name from (1).
    fn close_what_goes(&mut self, op: &Op) {
        let mut after = self.memory.clone();
        if after.apply(op).is_err() {
            return;
        }
        for slot in 0..SLOTS {
            let stat = after.apply(&Op::HandleStat { slot });
            if matches!(stat, Ok(Value::Stat(stat)) if stat.nlink == 0) {
                let close = Op::Close { slot };
                let _ = self.memory.apply(&close);
                let _ = (self.plain.apply(&close), self.nfs.apply(&close));
            }
        }
    }

    fn one(&mut self, op: &Op) -> Result<(), String> {
        self.close_what_goes(op);
        let told = self.memory.apply(op);
        let (mut want, mut got) = (self.plain.apply(op), self.nfs.apply(op));
        for outcome in [&mut want, &mut got] {
            if let (Ok(Value::Stat(stat)), Ok(Value::Stat(told))) = (outcome, &told) {
                mask(stat, told);
            }
        }
        if got != told {
            return Err(format!("NFS answers {got:?} instead of {told:?}"));
        }
        if want != got && !permitted::errors(op, &got, &want) {
            return Err(format!("the directory answers {want:?}, NFS {got:?}"));
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), String> {
        let want = self.memory.tree();
        same_tree("NFS", &want, self.nfs.tree())?;
        same_tree("plain", &want, self.plain.tree())
    }
}

fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new();
    let mut rng = Rng::new(seed);
    let before = scan(&world.place.base());
    let mut log = Vec::new();
    for n in 0..80 {
        if rng.one_in(12) {
            log.push(world.turn(&mut rng).to_owned());
        }
        let op = ops::generate(&mut rng, &world.memory.known());
        log.push(ops::show(&op));
        let mut done = world.one(&op);
        if n % 16 == 15 {
            done = done.and_then(|()| world.compare());
        }
        done.map_err(|e| format!("{e}\nafter:\n  {}", log.join("\n  ")))?;
    }
    if scan(&world.place.base()) != before {
        return Err("the base was changed".into());
    }
    let view = world.view();
    same_tree("the view opened again", &world.memory.tree(), model::subject::scan(&view))?;
    apply::check(&view, &mut world.memory, &world.place.tmp.path().join("copy"))
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T4, M-043: an exported view is a directory, whatever is done to it and to its server, and the
/// base stays as it was.
#[test]
fn an_exported_view_is_a_directory() {
    let (first, count) = match env("BRIO_MODEL_SEED") {
        Some(seed) => (seed, env("BRIO_MODEL_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_MODEL_SEQUENCES").unwrap_or(60)),
    };
    for seed in first..first + count {
        if let Err(e) = run(seed) {
            panic!("BRIO_MODEL_SEED={seed}: {e}");
        }
    }
}
