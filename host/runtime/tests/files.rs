//! The guest's file calls: over an empty upper, over a populated lower, in the plain form, and
//! every function of `wasi:filesystem` (T9, its part of this crate).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

pub mod common;

use brio_runtime::{Outcome, Plain, RunReport, RunSpec, Workspace};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{ENGINE, Session, guest, populate, spec};

fn held(report: &RunReport) {
    let text = report.stdout.text();
    // wasi-libc resolves the empty path to a preopen named "."; so it does in the plain form.
    let of_libc = "FAIL empty and wrong paths fail: the empty path was opened";
    let failed: Vec<&str> =
        text.lines().filter(|l| l.starts_with("FAIL") && *l != of_libc).collect();
    assert!(
        failed.is_empty(),
        "{}\n{:?}\n{}",
        failed.join("\n"),
        report.error,
        report.stderr.text()
    );
    assert!(text.contains(" held, "), "{report:?}");
}

fn plain(dir: &std::path::Path, args: &[&str]) -> RunSpec {
    let dir = Dir::open_ambient_dir(dir, ambient_authority()).unwrap();
    let mut spec = RunSpec::new(Workspace::Plain(Plain { dir, block_current_thread: true }));
    spec.args.extend(args.iter().map(|a| (*a).to_owned()));
    spec
}

#[test]
fn file_calls_hold_over_an_empty_base() {
    let session = Session::over(|_| {});
    held(&ENGINE.run(&guest("test/fs-probe.wasm"), spec(&session, &[])));
    assert_eq!(session.base.path().read_dir().unwrap().count(), 0, "the base was touched");
}

#[test]
fn file_calls_hold_over_a_populated_lower() {
    let session = Session::over(|at| {
        populate(at);
        // The guest itself writes the tree that its steps start from, into the base.
        let report = ENGINE.run(&guest("test/fs-probe.wasm"), plain(at, &["prepare"]));
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    });
    let before = tree(session.base.path());
    held(&ENGINE.run(&guest("test/fs-probe.wasm"), spec(&session, &[])));
    assert_eq!(tree(session.base.path()), before, "the base was touched");
}

#[test]
fn file_calls_hold_in_the_plain_form() {
    let dir = tempfile::tempdir().unwrap();
    held(&ENGINE.run(&guest("test/fs-probe.wasm"), plain(dir.path(), &[])));
}

#[test]
fn absolute_names_lead_to_the_session() {
    for (at, dir) in [
        ("/workspace", "/workspace/probe"),
        ("/data/x", "/data/x/probe"),
        ("/", "/probe"),
        ("/", "probe"),
    ] {
        let session = Session::over(populate);
        let mut spec = spec(&session, &[dir]);
        spec.at = at.into();
        held(&ENGINE.run(&guest("test/fs-probe.wasm"), spec));
        assert!(session.view.stat_at(&session.view.root(), b"probe", false).is_ok(), "{at}");
    }
}

#[test]
fn the_plain_form_offers_session_tools_and_refuses_what_it_cannot_do() {
    let dir = tempfile::tempdir().unwrap();
    let report = ENGINE.run(&guest("hello.wasm"), plain(dir.path(), &[]));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(dir.path().read_dir().unwrap().next().is_some());
    let report = ENGINE.run(&guest("test/sessions.wasm"), plain(dir.path(), &[]));
    assert_eq!(report.error.map(|e| e.code), Some("NOT_GRANTED".into()));
}

/// Every path below `at` with its content.
fn tree(at: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut pending = vec![at.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let content = if kind.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            out.push((path.to_string_lossy().into_owned(), content));
            if kind.is_dir() {
                pending.push(path);
            }
        }
    }
    out.sort();
    out
}
