//! Guests that begin sessions of their own, and `session-tools`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::sync::Arc;

use brio_runtime::{Outcome, RunReport, RunSpec, SessionState, Sessions};
use common::family::Family;
use common::{ENGINE, guest, populate};

const OWN: &str = "sess-own";

fn run(args: &[&str], change: impl FnOnce(&mut RunSpec)) -> (Arc<Family>, RunReport) {
    let (family, view) = Family::new(OWN, populate);
    let mut spec = RunSpec::new(view);
    spec.args.extend(args.iter().map(|a| (*a).to_owned()));
    spec.task.task_id = "task-1".into();
    spec.task.session_id = Some(OWN.into());
    spec.sessions = Some(family.clone());
    change(&mut spec);
    let report = ENGINE.run(&guest("test/sessions.wasm"), spec);
    (family, report)
}

/// T9 for Rust: every function of `session-fs` (B-010 to B-014), of `session` and of
/// `session-tools` (B-101) is called by a real component and answers as its WIT says; the guest
/// checks each answer. B-102, B-105: the context carries the session.
#[test]
fn every_function_of_brio_core_answers_as_its_wit_says() {
    let (_, report) = run(&[], |_| {});
    let text = report.stdout.text();
    let failed: Vec<&str> = text.lines().filter(|l| l.starts_with("FAIL")).collect();
    assert!(
        failed.is_empty() && report.succeeded(),
        "{}\n{:?}\n{text}",
        failed.join("\n"),
        report.error
    );
    for name in [
        "begin-session",
        "commit-session",
        "rollback-session",
        "get-session-path",
        "status",
        "change-set",
        "checkpoint",
        "restore",
        "checkpoints",
        "restore of the own session",
    ] {
        assert!(text.contains(&format!("OK {name}: ")), "{name} was not called: {text}");
    }
}

/// B-014: the text of a conflict begins with the code.
#[test]
fn a_conflict_is_told_by_its_code() {
    let error =
        brio_runtime::SessionsError::new(brio_runtime::SessionsCode::Conflict, "CONFLICT: a.txt");
    assert_eq!(error.to_string(), "CONFLICT: a.txt");
}

#[test]
fn without_the_grant_the_component_is_refused_before_it_starts() {
    let (family, report) = run(&[], |spec| spec.sessions = None);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.error.unwrap().code, "NOT_GRANTED");
    assert!(family.changes(OWN).unwrap().changes.is_empty());
}

#[test]
fn what_a_stopped_guest_left_open_is_rolled_back() {
    // However the run ends, no child stays open.
    for millis in [1, 5, 20, 60] {
        let (family, _) =
            run(&[], |spec| spec.limits.wall = std::time::Duration::from_millis(millis));
        let status = family.status(OWN).unwrap();
        assert_eq!((status.state, status.open_children), (SessionState::Open, vec![]));
    }
}
