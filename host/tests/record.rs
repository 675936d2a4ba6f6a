//! Agents that read and write the project's record and notes, as their session has them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::{Path, PathBuf};

use brio_host::project::{Mode, NotePath, Notes, Pattern, Project, Update};
use brio_host::{
    AgentSource, Brio, CommitOptions, Ending, Metadata, Place as RunPlace, Ran, RunError,
    RunRequest, SessionHandle, ViewOptions,
};

struct Place {
    dir: tempfile::TempDir,
    base: PathBuf,
    brio: Brio,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    let brio = Brio::open(dir.path().join("home")).unwrap();
    Place { dir, base, brio }
}

impl Place {
    fn request(&self, place: RunPlace, args: &[&str]) -> RunRequest {
        let wasm =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../example-agents/prebuilt/test/record.wasm");
        let mut request = RunRequest::new(AgentSource::Named(wasm.into()), place);
        request.grants.project_record = true;
        request.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        request
    }

    fn begin(&self) -> SessionHandle {
        self.brio.begin(&self.base, Metadata::default()).unwrap()
    }

    /// In a session, which stays open.
    fn run(&self, session: &SessionHandle, args: &[&str]) -> Ran {
        self.brio.run(self.request(RunPlace::Session(session.clone()), args)).unwrap()
    }

    /// In a session of its own, which ends with it.
    fn alone(&self, base: &Path, args: &[&str]) -> Ran {
        let place = RunPlace::Begin { base: base.into(), metadata: Metadata::default() };
        self.brio.run(self.request(place, args)).unwrap()
    }

    fn project(&self) -> Project {
        self.brio.project(&self.base).unwrap()
    }

    fn note(&self, path: &str) -> Option<String> {
        content(&**self.project().notes(), path)
    }
}

fn content(notes: &dyn Notes, path: &str) -> Option<String> {
    notes.read(&NotePath::new(path).unwrap()).unwrap().map(|note| note.content)
}

fn said(ran: &Ran) -> &str {
    &ran.report.output.as_ref().unwrap_or_else(|| panic!("{:?}", ran.report)).summary
}

// B-012, R-001, R-002, R-010, R-011, R-012, R-013, R-020, R-021: what an agent wrote is its
// session's until that lands, and nobody's when it is rolled back.
#[test]
fn what_an_agent_wrote_is_the_projects_once_it_lands_and_never_if_it_is_rolled_back() {
    let p = place();
    let (kept, thrown) = (p.begin(), p.begin());
    for session in [&kept, &thrown] {
        let ran = p.run(session, &[]);
        assert!(ran.report.succeeded(), "{:?}\n{}", ran.report.error, ran.report.stdout.text());
        assert!(p.project().notes().list(&Pattern::all()).unwrap().is_empty());
        assert_eq!(
            content(&session.notes().unwrap(), "plans/next").as_deref(),
            Some("second, ü\n")
        );
    }
    thrown.rollback(false).unwrap();
    assert!(p.project().notes().list(&Pattern::all()).unwrap().is_empty());
    kept.commit(CommitOptions::default()).unwrap();
    let paths: Vec<_> = p.project().notes().list(&Pattern::all()).unwrap();
    let paths: Vec<_> = paths.iter().map(|info| info.path.as_str()).collect();
    assert_eq!(paths, ["plans/next", "sessions/agent-planner", "sessions/session"]);
    assert_eq!(p.note("plans/next").as_deref(), Some("second, ü\n"));
    let planner = "{\n  \"next\": [\n    \"lexer\",\n    3\n  ]\n}";
    assert_eq!(p.note("sessions/agent-planner").as_deref(), Some(planner));
    let record = p.project().get_session().unwrap();
    assert_eq!(
        (record.current_mode, record.active_feature.as_deref()),
        (Mode::Coding, Some("notes"))
    );
    assert_eq!(record.mode_history.len(), 5);
    assert!(p.note("sessions/session").unwrap().starts_with("{\n  \"currentMode\": \"coding\","));

    // Whoever runs it lands or rolls back: the notes go with the files.
    let ran = p.alone(&p.base, &["write", "plans/next", "third"]);
    assert!(matches!(ran.ending, Ending::Landed(_)), "{:?}", ran.ending);
    assert_eq!(p.note("plans/next").as_deref(), Some("third"));
    let ran = p.alone(&p.base, &["fail", "plans/next", "fourth"]);
    assert!(matches!(ran.ending, Ending::RolledBack(_)), "{:?}", ran.ending);
    assert_eq!(p.note("plans/next").as_deref(), Some("third"));
    let ran = p.alone(&p.base, &["read", "plans/next"]);
    assert_eq!(said(&ran), "third");
    assert!(matches!(ran.ending, Ending::Unchanged), "{:?}", ran.ending);
}

// others' landings are seen until the session writes the note itself; another project's
// notes never are.
#[test]
fn what_others_land_is_seen_and_what_is_anothers_is_not() {
    let p = place();
    let session = p.begin();
    assert_eq!(said(&p.run(&session, &["read", "a"])), "none");
    p.alone(&p.base, &["write", "a", "landed"]);
    p.project().set_session(&Update { task: Some("t".into()), ..Update::default() }).unwrap();
    assert_eq!(said(&p.run(&session, &["read", "a"])), "landed");
    assert_eq!(said(&p.run(&session, &["state"])), "Analysis Some(\"t\") 1");
    p.run(&session, &["write", "a", "mine"]);
    p.alone(&p.base, &["write", "a", "landed again"]);
    assert_eq!(said(&p.run(&session, &["read", "a"])), "mine");
    session.commit(CommitOptions::default()).unwrap();
    assert_eq!(p.note("a").as_deref(), Some("mine"), "the last to land wins");

    let other = p.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    assert_eq!(said(&p.alone(&other, &["read", "a"])), "none");
    assert_eq!(said(&p.alone(&other, &["state"])), "Analysis None 0");
}

#[test]
fn a_checkpoint_has_the_notes() {
    let p = place();
    let session = p.begin();
    p.run(&session, &["write", "a", "before"]);
    let checkpoint = |back: bool| {
        let writer = session.writer("test", ViewOptions::default()).unwrap();
        match back {
            true => drop(writer.restore("one").unwrap()),
            false => drop(writer.checkpoint("one").unwrap()),
        }
        writer.finish().unwrap();
    };
    checkpoint(false);
    p.run(&session, &["write", "a", "after"]);
    assert_eq!(said(&p.run(&session, &["read", "a"])), "after");
    checkpoint(true);
    assert_eq!(said(&p.run(&session, &["read", "a"])), "before");
    session.commit(CommitOptions::default()).unwrap();
    assert_eq!(p.note("a").as_deref(), Some("before"));
}

// T11: notes that cannot be reached or understood are never "none", nor a new record.
#[test]
fn notes_that_cannot_be_reached_are_not_missing() {
    let p = place();
    p.alone(&p.base, &["write", "a", "there"]);
    let session = p.begin();
    let code = |args: &[&str]| {
        let ran = p.run(&session, args);
        let error = ran.report.error.unwrap_or_else(|| panic!("{args:?}: {:?}", ran.report.output));
        assert_eq!(error.code, "AGENT_FAILED");
        let base = p.base.to_str().unwrap();
        assert!(!error.message.contains(base), "a guest sees no host path: {}", error.message);
        error.message.split(':').next().unwrap().to_owned()
    };
    let notes = p.base.join(".brio/notes");
    let format = notes.join(".format");
    let was = std::fs::read(&format).unwrap();
    let all = [&["read", "a"][..], &["state"], &["write", "a", "x"]];
    std::fs::write(&format, "brio-notes 99\n").unwrap();
    for args in all {
        assert_eq!(code(args), "NOTES_FORMAT", "{args:?}");
    }
    std::fs::write(&format, was).unwrap();
    let away = p.base.join(".brio/away");
    std::fs::rename(&notes, &away).unwrap();
    std::fs::write(&notes, "no directory").unwrap();
    for args in all {
        assert_eq!(code(args), "NOTES", "{args:?}");
    }
    std::fs::remove_file(&notes).unwrap();
    std::fs::rename(&away, &notes).unwrap();
    assert_eq!(said(&p.run(&session, &["read", "a"])), "there");
    let path = NotePath::new("sessions/session").unwrap();
    p.project().notes().write(&path, "no record", &Default::default()).unwrap();
    assert_eq!(code(&["state"]), "RECORD_CORRUPT");
}

#[test]
fn without_the_grant_nothing_is_begun() {
    let p = place();
    let place = RunPlace::Begin { base: p.base.clone(), metadata: Metadata::default() };
    let mut request = p.request(place, &[]);
    request.grants.project_record = false;
    request.grants.session_fs = true;
    let e = p.brio.run(request).unwrap_err();
    assert!(matches!(&e, RunError::NotGranted { grant: "project-record", .. }), "{e}");
    assert!(e.to_string().contains("--grant project-record"), "{e}");
    assert!(!p.base.join(".brio").exists());
}

// One run writes so much and no more, and what it wrote goes when it is rolled back.
#[test]
fn a_run_writes_so_much_and_no_more() {
    let p = place();
    let session = p.begin();
    assert_eq!(said(&p.run(&session, &["large"])), "4 notes");
    // The next run may again.
    assert!(p.run(&session, &["write", "a", "x"]).report.succeeded());
    session.rollback(false).unwrap();
    let left = std::fs::read_dir(p.base.join(".brio/notes")).unwrap();
    assert_eq!(left.filter(|e| e.as_ref().unwrap().file_name() != ".format").count(), 0);
}
