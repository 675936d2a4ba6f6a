//! Whole workflows on a disk: four tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use brio_project::*;
use common::*;
use serde_json::{Value, json};

//
#[test]
fn completes_full_workflow_init_update_mode_change_cleanup() {
    let (one, two) = (scratch(), scratch());
    let project = in_dir(one.path());
    let other = in_dir(two.path());
    project.init_session().unwrap();
    project.set_session(&task("write the parser")).unwrap();
    let changed = project.set_session(&mode(Mode::Coding)).unwrap();
    assert_eq!((changed.version, changed.mode_history.len()), (2, 1));
    project.save_agent_context(&agent("planner"), &json!({"next": "tests"})).unwrap();
    // Another process, another project.
    let again = in_dir(one.path());
    assert_eq!(again.get_session().unwrap(), changed);
    let context: Option<Value> = again.load_agent_context(&agent("planner")).unwrap();
    assert_eq!(context, Some(json!({"next": "tests"})));
    assert!(other.get_session().unwrap().is_untouched());
    assert_eq!(other.load_agent_context::<Value>(&agent("planner")).unwrap(), None);
    again.cleanup_session().unwrap();
    assert_eq!(project.load_session().unwrap(), None);
    let history = project.notes().history(&path(SESSION_PATH)).unwrap();
    assert_eq!(history.len(), 4, "the record, two updates, the removal");
    assert!(history[0].content.is_none());
}

// R-063, T11
#[test]
fn survives_backend_disconnect_and_reconnect() {
    let (mem, project) = in_memory();
    let before = project.set_session(&task("x")).unwrap();
    mem.down.store(true, Ordering::SeqCst);
    assert!(project.get_session().unwrap_err().is_unavailable());
    assert!(project.set_session(&task("lost")).unwrap_err().is_unavailable());
    mem.down.store(false, Ordering::SeqCst);
    assert_eq!(project.get_session().unwrap(), before);
    assert_eq!(project.set_session(&task("y")).unwrap().version, 2);

    // A directory that goes away is no empty one.
    let tmp = scratch();
    let at = tmp.path().join("notes");
    std::fs::create_dir(&at).unwrap();
    let project = in_dir(&at);
    project.set_session(&task("x")).unwrap();
    std::fs::rename(&at, tmp.path().join("moved")).unwrap();
    assert_eq!(project.get_session().unwrap().version, 1, "it is used by its handle");
    std::fs::remove_dir_all(tmp.path().join("moved")).unwrap();
    let notes = project.notes();
    assert!(project.load_session().unwrap_err().is_unavailable());
    assert!(project.set_session(&task("y")).unwrap_err().is_unavailable());
    assert!(notes.list(&Pattern::all()).unwrap_err().is_unavailable());
    assert!(notes.history(&path("x")).unwrap_err().is_unavailable());
    assert!(notes.remove(&path("x"), &plain()).unwrap_err().is_unavailable());
}

// T11
#[test]
fn handles_rapid_successive_updates_without_corruption() {
    let tmp = scratch();
    let notes = crate::over(Arc::new(dir_notes(tmp.path())));
    let (threads, updates) = (4, 25);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let project = Project::new(notes.clone(), clock);
            scope.spawn(move || {
                let mut last = 0;
                for n in 0..updates {
                    let record = project.set_session(&task(&format!("{thread}.{n}"))).unwrap();
                    assert!(record.version > last, "it rises");
                    last = record.version;
                }
            });
        }
    });
    let record = Project::new(notes.clone(), clock).get_session().unwrap();
    assert_eq!(record.version, threads * updates, "every update counted");
    let history = notes.history(&path(SESSION_PATH)).unwrap();
    let version = |old: &Version| Record::from_json(old.content.as_ref().unwrap()).unwrap().version;
    let versions: Vec<_> = history.iter().map(version).collect();
    assert!(versions.is_sorted_by(|a, b| a == &(b + 1)), "one after the other: {versions:?}");
}

//
#[test]
fn migrates_existing_multi_session_project_on_first_access() {
    let tmp = scratch();
    five_sessions(&dir_notes(tmp.path()), None);
    let project = in_dir(tmp.path());
    let (record, log) = common::log::of(|| project.get_session().unwrap());
    assert_eq!((record.active_task.as_deref(), record.version), (Some("task of b"), 6));
    let told = "INFO Historic sessions detected - running consolidation";
    assert!(log.iter().any(|line| line == told), "{log:?}");
    let context: Value = project.load_agent_context(&agent("memory")).unwrap().unwrap();
    assert_eq!(context, json!({"of": "memory in b"}));
    let left = contexts_left(&**project.notes());
    assert_eq!(left, ["sessions/session-e"], "what is corrupted stays");

    // Whatever is accessed first.
    for access in 0..3 {
        let tmp = scratch();
        five_sessions(&dir_notes(tmp.path()), None);
        let project = in_dir(tmp.path());
        match access {
            0 => assert_eq!(project.set_session(&task("new")).unwrap().version, 7),
            1 => drop(project.load_agent_context::<Value>(&agent("qa")).unwrap().unwrap()),
            _ => project.save_agent_context(&agent("qa"), &json!({})).unwrap(),
        }
        assert_eq!(project.load_session().unwrap().unwrap().current_mode, Mode::Planning);
    }
}

fn contexts_left(notes: &dyn Notes) -> Vec<String> {
    let old = |path: &String| !path.starts_with("sessions/agent-") && path != SESSION_PATH;
    contents(notes).into_keys().filter(old).collect()
}
