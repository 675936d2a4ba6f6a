//! Random sequences by a guest (`fs-script`) in a session and in its plain form (`--preopen`),
//! against the tree in memory that the model of `brio-session`'s view is measured by. Each
//! sequence is several runs on one session; others land in between; then both forms land.
//!
//! The long run: `BRIO_PREOPEN_SEQUENCES=100000 cargo test --release -p brio-host --test
//! preopen_model`. `BRIO_PREOPEN_SEED` replays one sequence, or is the first of that many.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "preopen/forms.rs"]
mod forms;
#[path = "../session/tests/model/mod.rs"]
mod model;
#[path = "preopen/permitted.rs"]
mod permitted;
#[path = "preopen/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use brio_host::Brio;
use forms::{Subject, difference, on_disk, unlike};
use model::memory::Memory;
use model::run::same_tree;
use model::{Kind, Rng, Subject as _, show};
use permitted::{Form, agrees};
use script::{Script, display, generate};

/// Sequences of an ordinary run of the tests.
const COUNT: u64 = 500;
/// After so many failures no more are looked for.
const FAILURES: usize = 4;

const GUEST: &[u8] = include_bytes!("../../example-agents/prebuilt/test/fs-script.wasm");

fn run(brio: &Brio, seed: u64) -> Result<End, String> {
    let (tmp, mut log) = (scratch(), Vec::new());
    let end = sequence(brio, seed, tmp.path(), &mut log);
    forget(brio, tmp.path());
    end.map_err(|e| format!("{e}\nafter:\n  {}", log.join("\n  ")))
}

/// Takes the bases of a sequence out of the home: it is asked for all of them at every begin.
fn forget(brio: &Brio, at: &Path) {
    let domains = std::fs::read_dir(brio.home().join("domains")).unwrap();
    for record in domains.map(|e| e.unwrap().path()).filter(|p| p.extension().is_none()) {
        // Another thread may have been here.
        let text = std::fs::read_to_string(&record).unwrap_or_default();
        if text.contains(at.to_str().unwrap()) {
            std::fs::remove_file(&record).unwrap();
            let _ = std::fs::remove_file(record.with_extension("sessions"));
        }
    }
}

fn sequence(brio: &Brio, seed: u64, at: &Path, log: &mut Vec<String>) -> Result<End, String> {
    let subjects = [Form::View, Form::Plain].map(|form| Subject::new(brio, form, at));
    let rng = &mut Rng::new(seed);
    let model = at.join("model");
    std::fs::create_dir(&model).unwrap();
    model::base::populate(&model);
    let files = on_disk(&model, &BTreeSet::new()).into_iter().filter(|(_, e)| e.kind == Kind::File);
    let files: Vec<_> = files.map(|(path, _)| path).collect();
    let mut memory = Memory::load(&model);
    let mut alone = true;
    for n in 0..1 + rng.below(3) {
        if rng.one_in(2) {
            alone = false;
            others_land(&subjects, rng, &files, log);
        }
        let len = 10 + rng.below(40);
        let script = generate(rng, &mut memory, len);
        log.push(format!("run {n}"));
        one(&subjects, &script, log)?;
        for s in &subjects {
            same_tree(&format!("{:?} after run {n}", s.form), &memory.tree(), s.tree())?;
        }
    }
    land(&subjects, &mut memory, alone)
}

/// Lands both: to the same base, or with the same conflict.
fn land([view, plain]: &[Subject; 2], memory: &mut Memory, alone: bool) -> Result<End, String> {
    let changes = [view.changes(), plain.changes()];
    let conflicts = [view.land()?, plain.land()?];
    let rewritten = permitted::rewritten(&changes);
    let mut more = conflicts[1].difference(&conflicts[0]);
    if !conflicts[0].is_subset(&conflicts[1]) || !more.all(|path| rewritten.contains(path)) {
        let of = |c: &BTreeSet<Vec<u8>>| c.iter().map(|p| show(p)).collect::<Vec<_>>().join(", ");
        return Err(format!("conflicts: view {}; plain {}", of(&conflicts[0]), of(&conflicts[1])));
    }
    for (s, _) in [view, plain].iter().zip(&conflicts).filter(|(_, c)| !c.is_empty()) {
        same_tree(&format!("{:?} after the conflict", s.form), &memory.tree(), s.tree())?;
    }
    let [ours, theirs] = [view, plain].map(|s| on_disk(&s.base, &rewritten));
    let end = match [&conflicts[0], &conflicts[1]].map(BTreeSet::is_empty) {
        [true, true] if alone => End::Alone,
        [true, true] => End::Beside,
        [true, false] => return Ok(End::Conflict),
        _ => End::Conflict,
    };
    let told = if end == End::Conflict { BTreeSet::new() } else { memory.told() };
    if let Some(e) = difference(&ours, &theirs, &told) {
        return Err(format!("after the landings: {e}"));
    }
    match unlike(&memory.tree(), &ours) {
        Some(e) if end == End::Alone => Err(format!("the base is not the session: {e}")),
        _ => Ok(end),
    }
}

/// Others land in both bases: a file of their own, and one of the base that neither session has
/// to do with by now.
fn others_land(subjects: &[Subject; 2], rng: &mut Rng, files: &[Vec<u8>], log: &mut Vec<String>) {
    let own = format!("other{}", rng.below(10)).into_bytes();
    let file = rng.pick(files).clone();
    let free = |path: &[u8]| !subjects.iter().any(|s| s.touches(path));
    for path in [own, file].iter().filter(|path| free(path)) {
        let text = format!("other {}", rng.next());
        log.push(format!("another lands {}", show(path)));
        for s in subjects {
            s.other_lands(path, &text);
        }
    }
}

/// How a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Alone,
    Beside,
    Conflict,
}

/// One run in each form.
fn one(subjects: &[Subject; 2], script: &Script, log: &mut Vec<String>) -> Result<(), String> {
    let steps: Vec<String> = script.steps.iter().map(display).collect();
    let mut answers = Vec::new();
    for s in subjects {
        match s.run(GUEST, script) {
            Ok(lines) if lines.len() == steps.len() => answers.push(lines),
            wrong => {
                log.extend(steps);
                return Err(format!("{:?}: {wrong:?}", s.form));
            }
        }
    }
    for (i, want) in script.want.iter().enumerate() {
        log.push(steps[i].clone());
        for (s, lines) in subjects.iter().zip(&answers) {
            if !agrees(s.form, &script.steps[i], want, &lines[i]) {
                return Err(format!("{:?} answers {:?} instead of {want:?}", s.form, lines[i]));
            }
        }
    }
    Ok(())
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

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T4, B-031: what a guest does in a session and what it does in a plain directory is one.
#[test]
fn the_view_and_the_plain_form_are_one_directory() {
    let (first, count) = match env("BRIO_PREOPEN_SEED") {
        Some(seed) => (seed, env("BRIO_PREOPEN_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_PREOPEN_SEQUENCES").unwrap_or(COUNT)),
    };
    let home = scratch();
    let brio = Brio::open(home.path().join("home")).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (failed, ends) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let next = AtomicU64::new(first);
    std::thread::scope(|s| {
        // A new layer waits for the clock to tick: some of the time nobody is running.
        for _ in 0..threads * 2 {
            s.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().len() >= FAILURES {
                        return;
                    }
                    let result = std::panic::catch_unwind(AssertUnwindSafe(|| run(&brio, seed)))
                        .unwrap_or_else(|_| Err("panicked, see above".into()));
                    match result {
                        Ok(end) => *ends.lock().unwrap().entry(end).or_insert(0_u64) += 1,
                        Err(e) => {
                            failed.lock().unwrap().push(format!("BRIO_PREOPEN_SEED={seed}: {e}"));
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let ends = ends.into_inner().unwrap();
    println!("{count} sequences: {ends:?}");
    assert!(count < COUNT || ends.len() == 3, "some ends were never met: {ends:?}");
}
