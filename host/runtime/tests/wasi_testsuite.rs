//! WebAssembly/wasi-testsuite, preview 1, inside of a session over a populated lower layer.
//!
//! Set `BRIO_WASI_TESTSUITE` to a directory that holds the suite's `tests/` as its branch
//! `prod/testsuite-base` has them (`git archive prod/testsuite-base tests | tar x -C DIR`),
//! then `cargo test -p brio-runtime --test wasi_testsuite -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_runtime::{Outcome, Plain, RunReport, RunSpec, Workspace};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{ENGINE, Session, populate};
use serde_json::Value;

const EXCLUSIONS: &str = include_str!("wasi_testsuite_exclusions.txt");

/// Part of what issue 2 asks for: wasi-testsuite in a session over a populated lower layer.
#[test]
#[ignore = "needs wasi-testsuite: set BRIO_WASI_TESTSUITE and pass --ignored (see the head of this file)"]
fn preview_1_passes_in_a_session() {
    let suite = std::env::var_os("BRIO_WASI_TESTSUITE").map(PathBuf::from);
    let suite = suite.expect("set BRIO_WASI_TESTSUITE to the extracted suite");
    let excluded: BTreeMap<&str, &str> = EXCLUSIONS
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
        .map(|l| l.split_once(": ").expect("an exclusion is `NAME: REASON`"))
        .collect();
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    for language in ["assemblyscript", "c", "rust"] {
        let dir = suite.join("tests").join(language).join("testsuite/wasm32-wasip1");
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut tests: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        tests.retain(|p| p.extension().is_some_and(|e| e == "wasm"));
        tests.sort();
        assert!(!tests.is_empty(), "{}: no tests", dir.display());
        for test in tests {
            let name = format!("{language}/{}", test.file_stem().unwrap().to_str().unwrap());
            let result = run(&test, false);
            match (result, excluded.get(name.as_str())) {
                (Ok(()), None) => passed += 1,
                (Ok(()), Some(_)) => {
                    failed.push(format!("{name}: is excluded but passes; remove the exclusion"))
                }
                (Err(_), Some(_)) if run(&test, true).is_ok() => {
                    failed.push(format!(
                        "{name}: is excluded, but it passes in the plain form: it is about the view"
                    ));
                }
                (Err(_), Some(reason)) => skipped.push(format!("{name}: {reason}")),
                (Err(why), None) => failed.push(format!("{name}: {why}")),
            }
        }
    }
    println!(
        "wasi-testsuite, preview 1: {passed} passed, {} failed, {} excluded",
        failed.len(),
        skipped.len()
    );
    for line in &skipped {
        println!("  excluded {line}");
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn run(test: &Path, plain: bool) -> Result<(), String> {
    let spec: Value = match std::fs::read(test.with_extension("json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => Value::Null,
    };
    let session = Session::over(|at| {
        if let Some(root) = spec["root"].as_str() {
            copy(&test.with_file_name(root), at);
        }
        populate(at);
    });
    let agent = ENGINE.load(test).map_err(|e| e.to_string())?;
    let mut run = RunSpec::new(session.view.clone());
    if plain {
        let dir = Dir::open_ambient_dir(session.base.path(), ambient_authority()).unwrap();
        run.view = Workspace::Plain(Plain { dir, block_current_thread: true });
    }
    run.at = "/".into();
    run.limits.wall = Duration::from_secs(60);
    run.args = vec![test.file_name().unwrap().to_str().unwrap().into()];
    run.args.extend(
        spec["args"].as_array().into_iter().flatten().map(|a| a.as_str().unwrap().to_owned()),
    );
    let env = spec["env"].as_object().into_iter().flatten();
    run.env = env.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
    check(&spec, &ENGINE.run(&agent, run))
}

fn check(spec: &Value, report: &RunReport) -> Result<(), String> {
    let (out, err) = (report.stdout.text(), report.stderr.text());
    let shown = || format!("{:?}\n    stdout: {out}\n    stderr: {err}", report.error);
    if !matches!(report.outcome, Outcome::Succeeded | Outcome::Failed) {
        return Err(shown());
    }
    let expected = spec["exit_code"].as_i64().unwrap_or(0);
    if report.exit.map(i64::from) != Some(expected) {
        return Err(format!("exit {:?}, expected {expected}: {}", report.exit, shown()));
    }
    for (name, text) in [("stdout", &out), ("stderr", &err)] {
        if let Some(expected) = spec[name].as_str()
            && text != expected
        {
            return Err(format!("{name} is {text:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
