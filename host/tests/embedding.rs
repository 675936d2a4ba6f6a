//! What a program that embeds Brio relies on: sessions end as their scope says, and in the base
//! there is all of the work or none.

use std::fs;
use std::path::{Path, PathBuf};

use brio_host::{
    AgentSource, Brio, Handle, ListFilter, Metadata, OpenOptions, SessionGuard, SessionHandle,
    SessionManager, SessionMetadata, TaskRequest, TaskResult, ViewOptions,
};

struct Place {
    _tmp: tempfile::TempDir,
    brio: Brio,
    base: PathBuf,
}

fn place() -> Place {
    let tmp = tempfile::tempdir().expect("a temporary directory");
    let base = tmp.path().join("base");
    fs::create_dir(&base).expect("a base");
    fs::write(base.join("a.txt"), "old\n").expect("a file");
    let brio = Brio::open(tmp.path().join("home")).expect("a home");
    Place { _tmp: tmp, brio, base }
}

fn write(session: &SessionHandle, text: &str) {
    let writer = session.writer("test", ViewOptions::default()).expect("the lease");
    let view = writer.view();
    let how = OpenOptions { write: true, truncate: true, create: true, ..OpenOptions::default() };
    let Ok(Handle::File(f)) = view.open_at(&view.root(), b"a.txt", &how) else { panic!("no file") };
    f.write_at(text.as_bytes(), 0).expect("a write");
    writer.finish().expect("a clean end");
}

fn content(base: &Path) -> String {
    fs::read_to_string(base.join("a.txt")).expect("the file")
}

fn open_sessions(p: &Place) -> usize {
    p.brio.sessions(&ListFilter::default()).expect("the index").len()
}

// B-111: a guard rolls back when it is dropped, and commits when told to.
#[test]
fn a_guard_rolls_back_unless_it_commits() {
    let p = place();
    let guard = SessionGuard::new(p.brio.begin(&p.base, Metadata::default()).expect("a session"));
    write(guard.session(), "lost\n");
    assert!(guard.session_id().as_str().starts_with("sess-"));
    drop(guard);
    assert_eq!(content(&p.base), "old\n");
    assert_eq!(open_sessions(&p), 0);

    let guard = SessionGuard::new(p.brio.begin(&p.base, Metadata::default()).expect("a session"));
    write(guard.session(), "new\n");
    assert!(guard.commit().expect("a landing").landing.is_some());
    assert_eq!(content(&p.base), "new\n");
    assert_eq!(open_sessions(&p), 0);
}

// B-090: whatever the work does, the session ends and the error says what happened.
#[test]
fn work_that_fails_panics_or_cannot_land_leaves_no_session() {
    let p = place();
    let (value, landed) = p
        .brio
        .with_session(&p.base, Metadata::default(), |s| {
            write(s, "one\n");
            Ok::<_, String>(7)
        })
        .expect("a landing");
    assert_eq!((value, landed.changes.changes.len(), content(&p.base).as_str()), (7, 1, "one\n"));

    let failed = p.brio.with_session(&p.base, Metadata::default(), |s| {
        write(s, "two\n");
        Err::<(), _>("the work says no")
    });
    assert_eq!(failed.expect_err("a failure").to_string(), "the work says no");

    let panicked = p.brio.with_session(&p.base, Metadata::default(), |s| -> Result<(), String> {
        write(s, "three\n");
        panic!("on purpose")
    });
    assert_eq!(panicked.expect_err("a panic").to_string(), "Agent panicked");

    let late = p.brio.with_session(&p.base, Metadata::default(), |s| {
        write(s, "four\n");
        fs::write(p.base.join("a.txt"), "somebody else\n").map_err(|e| e.to_string())
    });
    let text = late.expect_err("a conflict").to_string();
    assert!(text.starts_with("Commit failed: CONFLICT: "), "{text}");
    assert_eq!(content(&p.base), "somebody else\n");
    assert_eq!(open_sessions(&p), 0);
}

// B-110: what a session is for is kept with it.
#[test]
fn metadata_is_kept_with_the_session() {
    let p = place();
    let metadata = Metadata {
        goal: Some("tidy up".into()),
        agent: Some("coder".into()),
        task_id: Some("task-7".into()),
        ..Metadata::default()
    };
    let session = p.brio.begin(&p.base, metadata).expect("a session");
    let kept = SessionMetadata::from(&session.info().expect("its info"));
    assert_eq!(&kept.session_id, session.id());
    let row = session.row().expect("its row");
    assert_eq!(row.goal.as_deref(), Some("tidy up"));
    assert_eq!(row.agent.as_deref(), Some("coder"));
    assert_eq!(row.task_id.as_deref(), Some("task-7"));
    session.rollback(false).expect("a rollback");
}

// B-102: a task begins a session on its directory; success lands, failure leaves nothing.
#[test]
fn a_task_lands_or_leaves_nothing() {
    let p = place();
    let task = |agent: &str, description: &str| TaskRequest {
        task_id: "t".into(),
        description: description.into(),
        working_directory: p.base.clone(),
        input_files: Vec::new(),
        agent: AgentSource::Named(agent.into()),
    };
    match p.brio.dispatch_task(task("hello", "everyone")) {
        TaskResult::Success(_) => {}
        other => panic!("{other:?}"),
    }
    assert!(
        fs::read_to_string(p.base.join("hello.txt")).expect("the greeting").contains("everyone")
    );
    match p.brio.dispatch_task(task("apply-patch", "this is no patch")) {
        TaskResult::Failure { kept: None, error } => assert!(!error.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(content(&p.base), "old\n");
    assert_eq!(open_sessions(&p), 0);
}

// B-113: of other processes too, and it is no error.
#[test]
fn a_second_session_on_one_base_is_warned_of() {
    let p = place();
    let manager = SessionManager::new(p.brio.clone());
    let first = manager.acquire_session(&p.base, Metadata::default()).expect("a session");
    assert!(first.warning.is_none());
    let second = manager.acquire_session(&p.base, Metadata::default()).expect("a session");
    let warning = second.warning.as_deref().unwrap_or_default();
    assert!(warning.starts_with("Warning: 1 existing sessions on "), "{warning}");
    assert_eq!(manager.active_sessions().len(), 2);
    drop((first, second));
    assert_eq!(manager.active_sessions().len(), 0);
    assert_eq!(open_sessions(&p), 0);

    // As another process would: it shares nothing but the home.
    let other = Brio::open(p.brio.home()).expect("the home");
    fs::create_dir(p.base.join("below")).expect("a directory");
    let theirs = other.begin(&p.base.join("below"), Metadata::default()).expect("a session");
    let branch = theirs.begin_child(Metadata::default()).expect("a branch");
    let mine = manager.acquire_session(&p.base, Metadata::default()).expect("a session");
    let warning = mine.warning.as_deref().unwrap_or_default();
    assert!(warning.starts_with("Warning: 1 existing sessions on "), "{warning}");
    drop(mine);
    branch.rollback(false).expect("a rollback");
    theirs.rollback(false).expect("a rollback");
    let mine = manager.acquire_session(&p.base, Metadata::default()).expect("a session");
    assert_eq!(mine.warning, None);
}
