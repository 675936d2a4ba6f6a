//! Made-up programs of file operations, performed by a guest (`fs-script`) straight through
//! `wasi:filesystem`, and by a tree in memory: in the session, in a second view that can be written
//! and in one that cannot, from directories that move meanwhile. Every answer is compared, error
//! codes included, and the trees after each run.
//!
//! `BRIO_FUZZ_OPERATIONS` sets how many operations there are in all, `BRIO_SEED` is the first
//! seed. A program that fails is cut down before it is shown.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;
#[path = "../../session/tests/model/mod.rs"]
mod model;
#[path = "fuzz/program.rs"]
mod program;
#[path = "../../tests/preopen/script.rs"]
#[allow(dead_code, reason = "part of it is another test's")]
mod script;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use brio_runtime::{Agent, RunSpec};
use brio_session::{DirLower, Door, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{ENGINE, guest};
use model::memory::Memory;
use model::run::same_tree;
use model::subject::scan;
use model::{Rng, Subject, base};
use program::{Act, MOUNTS, Models, READ_ONLY, generate};

/// Operations of an ordinary run of the tests.
const COUNT: u64 = 20_000;
/// Operations of one run of the guest, and its runs on one session.
const LENGTH: usize = 500;
const RUNS: usize = 4;

type Program = Vec<Vec<Act>>;

fn dir(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn layer(at: &Path, name: &str) -> PathBuf {
    let path = at.join(name);
    std::fs::create_dir(&path).unwrap();
    View::create_layer(&dir(&path), &Door::default()).unwrap();
    path
}

struct Fixture {
    tmp: tempfile::TempDir,
    views: Vec<View>,
}

impl Fixture {
    fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let made = if shm.is_dir() { tempfile::tempdir_in(shm).ok() } else { None };
        let tmp = made.unwrap_or_else(|| tempfile::tempdir().unwrap());
        std::fs::create_dir(tmp.path().join("base")).unwrap();
        base::populate(&tmp.path().join("base"));
        let view = |n: usize| {
            let upper = layer(tmp.path(), &format!("{n}"));
            let lower = Arc::new(DirLower::new(dir(&tmp.path().join("base"))));
            let options = ViewOptions { read_only: n == READ_ONLY, ..ViewOptions::default() };
            View::open(dir(&upper), lower, options).unwrap()
        };
        let views = (0..MOUNTS).map(view).collect();
        Self { tmp, views }
    }

    fn models(&self) -> Models {
        let tree = |_| Memory::load(&self.tmp.path().join("base"));
        Models::new((0..MOUNTS).map(tree).collect())
    }
}

fn make_up(seed: u64) -> Program {
    let mut models = Fixture::new().models();
    let rng = &mut Rng::new(seed);
    let runs = 1 + rng.below(RUNS);
    let mut run = |_| {
        let acts = generate(rng, &mut models, LENGTH);
        models.end();
        acts
    };
    (0..runs).map(&mut run).collect()
}

/// Performs a program; what is wrong, and the run and act where it is.
fn perform(agent: &Agent, program: &Program) -> Result<(), (usize, usize, String)> {
    let fixture = Fixture::new();
    let mut models = fixture.models();
    for (n, acts) in program.iter().enumerate() {
        let mut spec = RunSpec::new(fixture.views[0].clone());
        spec.binds = vec![
            ("/second".into(), fixture.views[1].clone().into()),
            ("/read-only".into(), fixture.views[READ_ONLY].clone().into()),
        ];
        spec.args.extend(acts.iter().map(Act::argument));
        spec.stdout.capture = usize::MAX;
        let report = ENGINE.run(agent, spec);
        let lines: Vec<_> = report.stdout.text().lines().map(str::to_owned).collect();
        for (i, act) in acts.iter().enumerate() {
            let lost = models.is_lost() && !matches!(act, Act::Leave | Act::Mount(_));
            if lost {
                return Ok(());
            }
            let want = models.perform(act);
            match lines.get(i) {
                Some(got) if want.allows(got) => {}
                got => {
                    let error = &report.error;
                    return Err((n, i, format!("answers {got:?} instead of {want:?} ({error:?})")));
                }
            }
        }
        models.end();
        for (i, view) in fixture.views.iter().enumerate() {
            let who = format!("directory {i} after run {n}");
            same_tree(&who, &models.trees[i].tree(), scan(view))
                .map_err(|e| (n, acts.len().saturating_sub(1), e))?;
        }
        if !n.is_multiple_of(2) {
            let upper = layer(fixture.tmp.path(), &format!("next{n}"));
            fixture.views[0].restack(Vec::new(), dir(&upper)).unwrap();
        }
    }
    Ok(())
}

fn checked(agent: &Agent, program: &Program) -> Option<(usize, usize, String)> {
    std::panic::catch_unwind(AssertUnwindSafe(|| perform(agent, program)))
        .unwrap_or_else(|_| Err((program.len() - 1, 0, "panicked, see above".into())))
        .err()
}

/// Leaves out halves, quarters and so on, as long as it still fails.
fn cut(agent: &Agent, mut program: Program, (run, act, _): (usize, usize, String)) -> String {
    program.truncate(run + 1);
    program[run].truncate(act + 1);
    for run in 0..program.len() {
        let mut piece = program[run].len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < program[run].len() {
                let mut shorter = program.clone();
                let end = (at + piece).min(shorter[run].len());
                shorter[run].drain(at..end);
                match checked(agent, &shorter) {
                    Some(_) => program = shorter,
                    None => at += piece,
                }
            }
            piece /= 2;
        }
    }
    let wrong = checked(agent, &program).map_or_else(|| "it comes and goes".into(), |e| e.2);
    let run = |acts: &Vec<Act>| {
        let acts: Vec<_> = acts.iter().map(|a| format!("  {}", a.display())).collect();
        format!("run:\n{}", acts.join("\n"))
    };
    format!("{wrong}\n{}", program.iter().map(run).collect::<Vec<_>>().join("\n"))
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T4, T9, T18, B-031: whatever a guest does, it is answered as by a directory.
#[test]
fn whatever_a_guest_does_it_is_answered_as_by_a_directory() {
    let agent = guest("test/fs-script.wasm");
    let (first, count) =
        (env("BRIO_SEED").unwrap_or(1), env("BRIO_FUZZ_OPERATIONS").unwrap_or(COUNT));
    let (next, done) = (AtomicU64::new(first), AtomicU64::new(0));
    let failed = Mutex::new(None);
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                while done.load(Ordering::Relaxed) < count && failed.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let program = make_up(seed);
                    let acts: usize = program.iter().map(Vec::len).sum();
                    if let Some(wrong) = checked(&agent, &program) {
                        let shown = cut(&agent, program, wrong);
                        failed.lock().unwrap().get_or_insert(format!("BRIO_SEED={seed}: {shown}"));
                    }
                    done.fetch_add(acts as u64, Ordering::Relaxed);
                }
            });
        }
    });
    if let Some(failed) = failed.into_inner().unwrap() {
        panic!("{failed}");
    }
    let (done, seeds) = (done.into_inner(), next.into_inner() - first);
    println!("{done} operations in {:?}, {seeds} programs from seed {first}", begun.elapsed());
}
