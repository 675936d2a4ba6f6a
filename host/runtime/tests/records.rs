//! Guests that work with the project's record and notes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use brio_runtime::{Outcome, ProjectMode, RunReport};
use common::notebook::Notebook;
use common::{ENGINE, Session, guest, populate, spec};

fn run(notes: Option<&Arc<Notebook>>, args: &[&str]) -> (Session, RunReport) {
    let session = Session::over(populate);
    let mut spec = spec(&session, args);
    spec.records = notes.map(|notes| notes.clone() as _);
    let report = ENGINE.run(&guest("test/record.wasm"), spec);
    (session, report)
}

/// T9 for Rust, R-011, R-020, R-021: every function of `project-record` is called by a real
/// component and answers as its WIT says; the guest checks each answer.
#[test]
fn every_function_of_project_record_answers_as_its_wit_says() {
    let notes = Arc::new(Notebook::default());
    let (_, report) = run(Some(&notes), &[]);
    let text = report.stdout.text();
    let failed: Vec<&str> = text.lines().filter(|l| l.starts_with("FAIL")).collect();
    let failed = failed.join("\n");
    assert!(failed.is_empty() && report.succeeded(), "{failed}\n{:?}\n{text}", report.error);
    for name in [
        "get-record",
        "set-record",
        "save-agent-context",
        "load-agent-context",
        "read-note",
        "write-note",
        "list-notes",
        "remove-note",
        "note-history",
    ] {
        assert!(text.contains(&format!("OK {name}: ")), "{name} was not called: {text}");
    }
    assert_eq!(notes.state().unwrap().mode, ProjectMode::Coding);
    assert_eq!(notes.content("plans/next").as_deref(), Some("second, ü\n"));
}

#[test]
fn without_the_grant_the_component_is_refused_before_it_starts() {
    let (session, report) = run(None, &[]);
    assert_eq!(report.outcome, Outcome::Failed);
    let error = report.error.unwrap();
    assert_eq!(error.code, "NOT_GRANTED");
    assert!(error.message.contains("--grant project-record"), "{}", error.message);
    assert!(session.view.changes().unwrap().changes.is_empty());
}

/// T11: that the notes cannot be reached is never read as "there is none".
#[test]
fn notes_that_cannot_be_reached_are_not_none() {
    let notes = Arc::new(Notebook::default());
    let output = |report: RunReport| report.output.unwrap().summary;
    assert_eq!(output(run(Some(&notes), &["read", "plans/next"]).1), "none");
    notes.down.store(true, Ordering::SeqCst);
    for args in [&["read", "plans/next"][..], &["state"], &["write", "plans/next", "x"]] {
        let (_, report) = run(Some(&notes), args);
        assert_eq!(report.outcome, Outcome::Failed, "{args:?}");
        let error = report.error.unwrap();
        assert_eq!(error.message, "NOTES_UNAVAILABLE: they are away", "{args:?}");
    }
    notes.down.store(false, Ordering::SeqCst);
    assert_eq!(output(run(Some(&notes), &["read", "plans/next"]).1), "none");
}
