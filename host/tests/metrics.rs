//! What a process counts of its own work.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use brio_host::{
    AgentSource, Brio, CommitOptions, Handle, Metadata, OpenOptions, Place, RunRequest,
    SessionHandle, UndoOptions, ViewOptions,
};

fn write(session: &SessionHandle, path: &str, text: &str) {
    let writer = session.writer("test", ViewOptions::default()).unwrap();
    let view = writer.view();
    let how = OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
    let Handle::File(file) = view.open_at(&view.root(), path.as_bytes(), &how).unwrap() else {
        panic!("a file");
    };
    file.write_at(text.as_bytes(), 0).unwrap();
    drop(file);
    writer.finish().unwrap();
}

#[test]
fn runs_landings_conflicts_and_refusals_are_counted_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("a"), "a\n").unwrap();
    let brio = Brio::open(dir.path().join("home")).unwrap();
    let begin = || brio.begin(&base, Metadata::default()).unwrap();
    let commit = |session: &SessionHandle| session.commit(CommitOptions::default());

    let (first, second, nothing) = (begin(), begin(), begin());
    write(&first, "a", "12345");
    write(&second, "a", "other");
    commit(&first).unwrap();
    commit(&second).unwrap_err();
    commit(&nothing).unwrap();
    second.rollback(false).unwrap();

    let parent = begin();
    let child = parent.begin_child(Metadata::default()).unwrap();
    write(&child, "b", "123");
    assert_eq!(commit(&parent).unwrap_err().code(), "OPEN_CHILDREN");
    commit(&child).unwrap();
    commit(&parent).unwrap();
    brio.undo(&base, 1, &UndoOptions::default()).unwrap();

    let run = |agent: &str, task: &str| {
        let place = Place::Begin { base: base.clone(), metadata: Metadata::default() };
        let mut request = RunRequest::new(AgentSource::Named(agent.into()), place);
        request.description = task.to_owned();
        brio.run(request)
    };
    run("replace", "s/a/bc/").unwrap();
    run("replace", "nonsense").unwrap();
    run("no-such-agent", "").unwrap_err();

    let done = brio.metrics();
    let count = |counts: &brio_host::Counts| {
        counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>()
    };
    assert_eq!(count(&done.landings), ["base 4", "session 1"]);
    assert_eq!(done.landing_time.counts.iter().sum::<u64>(), 4);
    // 12345, 123, then "a\n" again, then "bc\n".
    assert_eq!(done.bytes_landed, 5 + 3 + 2 + 3);
    assert_eq!((done.conflicts, count(&done.refusals)), (1, vec!["OPEN_CHILDREN 1".to_owned()]));
    assert_eq!(count(&done.runs), ["failed 1", "succeeded 1"]);
    assert_eq!(done.run_time.counts.iter().sum::<u64>(), 2);
    assert!(done.bytes_written >= 3 && done.limits.is_empty(), "{done:?}");
    assert_eq!(
        Brio::open(dir.path().join("home")).unwrap().metrics(),
        brio_host::Metrics::default()
    );
}

//
#[test]
fn a_record_that_overrides_one_which_its_writer_had_not_seen_is_counted() {
    use brio_host::project::Update;
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    fs::create_dir(&base).unwrap();
    let brio = Brio::open(dir.path().join("home")).unwrap();
    let task = |task: &str| Update { task: Some(task.into()), ..Update::default() };
    let project = brio.project(&base).unwrap();
    project.set_session(&task("first")).unwrap();
    let stale = project.set_session(&task("seen")).unwrap();
    assert_eq!(brio.metrics().record_conflicts, 0, "one after the other is none");

    // A whole record of which the writer knew an earlier version.
    project.set_session(&task("not seen")).unwrap();
    let saved = project.save_session(&stale).unwrap();
    assert_eq!((saved.active_task.as_deref(), saved.version), (Some("seen"), 4));
    assert_eq!(brio.metrics().record_conflicts, 1);

    // A session's, which lands over another one.
    let session = brio.begin(&base, Metadata::default()).unwrap();
    session.project().unwrap().set_session(&task("the session's")).unwrap();
    assert_eq!(brio.metrics().record_conflicts, 1, "it lands first");
    brio.project(&base).unwrap().set_session(&task("meanwhile")).unwrap();
    session.commit(CommitOptions::default()).unwrap();
    let landed = brio.project(&base).unwrap().get_session().unwrap();
    assert_eq!(landed.active_task.as_deref(), Some("the session's"));
    assert_eq!(brio.metrics().record_conflicts, 2);
    assert_eq!(brio.metrics().conflicts, 0, "a landing's own conflicts are others");
}
