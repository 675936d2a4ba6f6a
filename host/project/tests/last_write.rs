//! Who writes the record last has written it: what that means for a writer.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_project::*;
use common::*;

// no error, no question, no waiting and no second round; one write, and a warning.
#[test]
fn a_stale_write_is_neither_refused_nor_repeated() {
    let (mem, project) = in_memory();
    let stale = project.set_session(&task("mine")).unwrap();
    project.set_session(&task("theirs")).unwrap();
    mem.calls();
    let (saved, log) = common::log::of(|| project.save_session(&stale).unwrap());
    assert_eq!(mem.calls(), ["read sessions/session", "write sessions/session"]);
    let warning = "WARN Version conflict detected - proceeding with LWW \
                   currentVersion=2 attemptedVersion=1";
    assert_eq!(log, [warning]);
    assert_eq!(saved.active_task.as_deref(), Some("mine"));
    assert_eq!(project.get_session().unwrap(), saved);
    // The update that was lost can be had again.
    let history = mem.history(&path(SESSION_PATH)).unwrap();
    assert!(history[1].content.as_ref().unwrap().contains("theirs"), "{history:?}");
}

// clocks need not agree, for none is asked which write is later.
#[test]
fn a_writer_whose_clock_is_behind_writes_all_the_same() {
    let (mem, project) = in_memory();
    let first = project.set_session(&task("now")).unwrap();
    let later = first.to_json().replace("2026-", "2036-").replace("\"now\"", "\"from ahead\"");
    put(&*mem, SESSION_PATH, &later);
    let (second, log) = common::log::of(|| project.set_session(&task("from behind")).unwrap());
    assert_eq!(log, Vec::<String>::new(), "of one version: no conflict, whatever the times");
    assert_eq!((second.version, second.active_task.as_deref()), (2, Some("from behind")));
    assert!(second.updated_at < "2036-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(project.get_session().unwrap(), second);
}

// every update has a version of its own, by which a caller finds its own again.
#[test]
fn updates_are_told_apart_by_their_versions() {
    let (mem, project) = in_memory();
    let versions: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|word| project.set_session(&task(word)).unwrap())
        .map(|record| (record.version, record.active_task.unwrap()))
        .collect();
    assert_eq!(versions, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    let history = mem.history(&path(SESSION_PATH)).unwrap();
    let then = |version: u64| {
        let of = |v: &Version| Record::from_json(v.content.as_ref()?).ok();
        history.iter().filter_map(of).find(|record| record.version == version).unwrap()
    };
    for (version, task) in versions {
        assert_eq!(then(version).active_task, Some(task));
    }
}
