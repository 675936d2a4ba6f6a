//! Random sequences by a guest (`fs-script`) in a directory that is bound beside its session,
//! against the tree in memory that the model of `brio-session`'s view is measured by: what a
//! guest does there and what it does in its session is one, but that it is done to the directory.
//!
//! `BRIO_PREOPEN_SEED` replays one sequence, `BRIO_PREOPEN_SEQUENCES` says how many are run.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code, reason = "a test, with parts of another")]

#[path = "preopen/forms.rs"]
mod forms;
#[path = "../session/tests/model/mod.rs"]
mod model;
#[path = "preopen/permitted.rs"]
mod permitted;
#[path = "preopen/script.rs"]
mod script;

use std::collections::BTreeSet;
use std::path::Path;

use brio_host::{AgentSource, BindAccess, Brio, Metadata, Place, RunRequest};
use forms::{on_disk, unlike};
use model::memory::Memory;
use model::{Rng, Subject as _};
use permitted::{Form, agrees};
use script::{argument, display, generate};

const COUNT: u64 = 60;
const GUEST: &[u8] = include_bytes!("../../example-agents/prebuilt/test/fs-script.wasm");

fn sequence(brio: &Brio, seed: u64, at: &Path) -> Result<(), String> {
    let (base, dir, model) = (at.join("base"), at.join("dir"), at.join("model"));
    for path in [&base, &dir, &model] {
        std::fs::create_dir(path).unwrap();
    }
    model::base::populate(&dir);
    model::base::populate(&model);
    let mut memory = Memory::load(&model);
    let session = brio.begin(&base, Metadata::default()).unwrap();
    session.bind(&dir, "/data", BindAccess::ReadWrite).map_err(|e| e.to_string())?;
    let rng = &mut Rng::new(seed);
    for n in 0..1 + rng.below(3) {
        let len = 10 + rng.below(40);
        let script = generate(rng, &mut memory, len);
        let agent = AgentSource::Bytes { name: "fs-script".into(), wasm: GUEST.to_vec() };
        let mut request = RunRequest::new(agent, Place::Session(session.clone()));
        request.args = std::iter::once("mount\t1".to_owned())
            .chain(script.steps.iter().map(argument))
            .collect();
        let ran = brio.run(request).map_err(|e| e.to_string())?;
        let (text, error) = (ran.report.stdout.text(), &ran.report.error);
        let lines: Vec<_> = text.lines().collect();
        if lines.len() != script.steps.len() + 1 || lines[0] != "done" {
            return Err(format!("run {n}: {error:?}: {text}"));
        }
        for (i, want) in script.want.iter().enumerate() {
            let (step, got) = (&script.steps[i], lines[i + 1]);
            // It is the host's own rename (rows 1 and 2), and names are said as a view says them.
            if ![Form::View, Form::Plain].iter().any(|form| agrees(*form, step, want, got)) {
                let before: Vec<_> = script.steps[..=i].iter().map(display).collect();
                let before = before.join("\n  ");
                return Err(format!("run {n}: {got:?} instead of {want:?} after\n  {before}"));
            }
        }
        assert!(ran.changes.changes.is_empty(), "nothing of it is the session's");
        if let Some(e) = unlike(&memory.tree(), &on_disk(&dir, &BTreeSet::new())) {
            return Err(format!("run {n}: the directory is not what was done: {e}"));
        }
    }
    let landed = session.commit(Default::default()).map_err(|e| e.to_string())?;
    assert_eq!(landed.landing, None, "nothing lands");
    assert_eq!(on_disk(&base, &BTreeSet::new()).len(), 0);
    Ok(())
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

// F-031: see the head of the file.
#[test]
fn a_bound_directory_is_a_directory() {
    let (first, count) = match env("BRIO_PREOPEN_SEED") {
        Some(seed) => (seed, env("BRIO_PREOPEN_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_PREOPEN_SEQUENCES").unwrap_or(COUNT)),
    };
    let home = tempfile::tempdir().unwrap();
    let brio = Brio::open(home.path().join("home")).unwrap();
    let mut failed = Vec::new();
    for seed in first..first + count {
        let at = tempfile::tempdir().unwrap();
        if let Err(e) = sequence(&brio, seed, at.path()) {
            failed.push(format!("BRIO_PREOPEN_SEED={seed}: {e}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
