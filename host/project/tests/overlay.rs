//! A session's notes: seen there at once, by others when they are delivered, by nobody if not.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brio_project::*;
use common::*;
use serde_json::{Value, json};

struct World {
    below: Arc<DirNotes>,
    one: Arc<Overlay>,
    two: Arc<Overlay>,
    _dirs: [tempfile::TempDir; 3],
}

fn world() -> World {
    let dirs = [scratch(), scratch(), scratch()];
    let below = Arc::new(dir_notes(dirs[0].path()));
    for at in ["a", "b", "c"] {
        put(&below, at, "old");
    }
    let over =
        |dir: &tempfile::TempDir| Arc::new(Overlay::new(below.clone(), dir_notes(dir.path())));
    World { one: over(&dirs[1]), two: over(&dirs[2]), below, _dirs: dirs }
}

fn read(notes: &dyn Notes, at: &str) -> Option<(String, u64)> {
    notes.read(&path(at)).unwrap().map(|note| (note.content, note.version))
}

#[test]
fn a_sessions_notes_are_its_own_until_they_are_delivered() {
    let world = world();
    let World { below, one, two, .. } = &world;
    put(one, "a", "new");
    put(one, "d", "new");
    one.remove(&path("b"), &plain()).unwrap();
    assert_eq!(read(one, "a"), Some(("new".into(), 2)), "the version goes on");
    assert_eq!(read(one, "b"), None);
    assert_eq!(one.list(&Pattern::all()).unwrap().len(), 3);
    for other in [below as &dyn Notes, two] {
        assert_eq!(read(other, "a"), Some(("old".into(), 1)));
        assert_eq!(read(other, "b"), Some(("old".into(), 1)));
        assert_eq!(read(other, "d"), None);
    }
    let changes = one.changes().unwrap();
    let short: Vec<_> = changes
        .iter()
        .map(|c| (c.path.as_str(), c.content.as_deref(), c.version, c.base))
        .collect();
    assert_eq!(short, [("a", Some("new"), 2, 1), ("b", None, 2, 1), ("d", Some("new"), 1, 0)]);
    assert!(two.changes().unwrap().is_empty());

    // What others write below is seen where the session wrote nothing.
    put(below, "a", "theirs");
    put(below, "c", "theirs");
    assert_eq!(read(one, "a"), Some(("new".into(), 2)));
    assert_eq!(read(one, "c"), Some(("theirs".into(), 2)));

    let delivered = deliver(&one.changes().unwrap(), below, "landing 1", clock, &()).unwrap();
    assert_eq!(delivered.len(), 3);
    assert!(delivered.iter().all(|d| d.written.is_some_and(|w| !w.replayed)));
    assert_eq!(read(two, "a"), Some(("new".into(), 3)), "the last write wins");
    assert_eq!(read(two, "b"), None);
    assert_eq!(read(two, "d"), Some(("new".into(), 1)));
    let history = below.history(&path("a")).unwrap();
    assert_eq!(history[0].origin.as_deref(), Some("landing 1"));
    assert_eq!(history[1].content.as_deref(), Some("theirs"), "nothing is lost");
}

#[test]
fn what_is_not_delivered_goes_with_its_directory() {
    let world = world();
    let World { below, .. } = &world;
    let before = contents(below);
    let own = scratch();
    let session = Overlay::new(below.clone(), dir_notes(own.path()));
    put(&session, "a", "new");
    Project::new(Arc::new(session), clock).set_session(&task("x")).unwrap();
    drop(own);
    assert_eq!(contents(below), before);
    assert_eq!(Project::new(below.clone(), clock).load_session().unwrap(), None);
}

// T11, R-031, R-036
#[test]
fn a_record_from_a_session_rises_above_the_one_below() {
    let world = world();
    let World { below, one, two, .. } = &world;
    let outside = Project::new(below.clone(), clock);
    outside.set_session(&task("begun")).unwrap();
    let (in_one, in_two) = (Project::new(one.clone(), clock), Project::new(two.clone(), clock));
    for n in 0..3 {
        in_one.set_session(&task(&format!("one {n}"))).unwrap();
    }
    in_two.set_session(&mode(Mode::Coding)).unwrap();
    assert_eq!(in_one.get_session().unwrap().version, 4);
    assert_eq!(in_two.get_session().unwrap().version, 2);
    assert_eq!(outside.get_session().unwrap().version, 1);

    let conflicts = AtomicU64::new(0);
    deliver(&one.changes().unwrap(), below, "1", clock, &conflicts).unwrap();
    let landed = outside.get_session().unwrap();
    assert_eq!((landed.version, landed.active_task.as_deref()), (4, Some("one 2")));
    assert_eq!(conflicts.load(Ordering::Relaxed), 0, "nobody else wrote");
    let (_, log) = common::log::of(|| {
        deliver(&two.changes().unwrap(), below, "2", clock, &conflicts).unwrap()
    });
    let landed = outside.get_session().unwrap();
    assert_eq!((landed.version, landed.current_mode), (5, Mode::Coding));
    assert_eq!(landed.active_task.as_deref(), Some("begun"), "the last record wins as a whole");
    assert_eq!(conflicts.load(Ordering::Relaxed), 1);
    let warning = "WARN Version conflict detected - proceeding with LWW \
                   currentVersion=4 attemptedVersion=1";
    assert!(log.iter().any(|line| line == warning), "{log:?}");
    let again = deliver(&two.changes().unwrap(), below, "2", clock, &conflicts).unwrap();
    assert!(again[0].written.unwrap().replayed);
    assert_eq!(conflicts.load(Ordering::Relaxed), 1, "a replay is no conflict");
    assert_eq!(outside.get_session().unwrap(), landed);
}

#[test]
fn a_session_that_only_looked_overrides_no_record() {
    let world = world();
    let World { below, one, two, .. } = &world;
    let looked = Project::new(one.clone(), clock).get_session().unwrap();
    assert!(looked.is_untouched());
    let outside = Project::new(below.clone(), clock);
    let mine = outside.set_session(&task("mine")).unwrap();
    let delivered = deliver(&one.changes().unwrap(), below, "1", clock, &()).unwrap();
    assert_eq!(delivered[0].written, None);
    assert_eq!(outside.get_session().unwrap(), mine);
    // Where there is none it arrives, and so does a note that is no record.
    outside.cleanup_session().unwrap();
    assert!(deliver(&one.changes().unwrap(), below, "1", clock, &()).unwrap()[0].written.is_some());
    assert!(outside.get_session().unwrap().is_untouched());
    put(two, SESSION_PATH, "no record");
    deliver(&two.changes().unwrap(), below, "2", clock, &()).unwrap();
    assert_eq!(outside.get_session().unwrap_err().code(), "RECORD_CORRUPT");
}

// What was written in a directory of a session goes on in another one, and lands as it would have.
#[test]
fn what_is_carried_is_the_same_changes() {
    let world = world();
    let World { below, one, .. } = &world;
    put(one, "a", "first");
    put(one, "a", "new");
    one.remove(&path("b"), &plain()).unwrap();
    put(one, "d", "");
    Project::new(one.clone(), clock).set_session(&task("carried")).unwrap();
    let changes = one.changes().unwrap();
    assert_eq!(changes.len(), 4);

    let dir = scratch();
    carry(&changes, &dir_notes(dir.path())).unwrap();
    let other = Overlay::new(below.clone(), dir_notes(dir.path()));
    assert_eq!(other.changes().unwrap(), changes);
    assert_eq!(contents(&other), contents(one));
    assert_eq!(read(&other, "a"), Some(("new".into(), 3)), "the versions go on too");
    // What others wrote below since is overridden and not lost, as from the first directory.
    put(below, "a", "theirs");
    deliver(&other.changes().unwrap(), below, "landing 1", clock, &()).unwrap();
    assert_eq!(contents(below), contents(&other));
    let history = below.history(&path("a")).unwrap();
    assert_eq!(history[1].content.as_deref(), Some("theirs"));
    let again = deliver(&changes, below, "landing 1", clock, &()).unwrap();
    assert!(again.iter().all(|d| d.written.is_some_and(|w| w.replayed)), "{again:?}");
}

// A delivery that is repeated does not bring back a record that was removed since.
#[test]
fn a_record_that_was_removed_since_stays_removed() {
    let world = world();
    let World { below, one, .. } = &world;
    Project::new(one.clone(), clock).set_session(&task("landed")).unwrap();
    let changes = one.changes().unwrap();
    deliver(&changes, below, "landing 1", clock, &()).unwrap();
    let outside = Project::new(below.clone(), clock);
    assert_eq!(outside.get_session().unwrap().active_task.as_deref(), Some("landed"));
    outside.cleanup_session().unwrap();
    let conflicts = AtomicU64::new(0);
    let again = deliver(&changes, below, "landing 1", clock, &conflicts).unwrap();
    assert_eq!(again[0].written, Some(Written { version: 1, replayed: true }));
    assert_eq!(outside.load_session().unwrap(), None);
    assert_eq!(conflicts.load(Ordering::Relaxed), 0);
}

// the contexts are notes as others, and a migration inside a session is the session's.
#[test]
fn contexts_and_migrations_are_a_sessions_too() {
    let world = world();
    let World { below, one, .. } = &world;
    five_sessions(below, Some("c"));
    let before = contents(below);
    let inside = Project::new(one.clone(), clock);
    assert_eq!(inside.get_session().unwrap().active_task.as_deref(), Some("task of c"));
    inside.save_agent_context(&agent("qa"), &json!({"seen": 1})).unwrap();
    assert_eq!(contents(below), before);
    deliver(&one.changes().unwrap(), below, "1", clock, &()).unwrap();
    assert_eq!(contents(below), contents(one));
    let outside = Project::new(below.clone(), clock);
    let context: Option<Value> = outside.load_agent_context(&agent("qa")).unwrap();
    assert_eq!(context, Some(json!({"seen": 1})));
}

#[test]
fn a_history_is_seen_version_by_version_until_it_is_enough() {
    let world = world();
    let World { below, one, .. } = &world;
    put(below, "a", "below");
    put(one, "a", "first");
    put(one, "a", "second");
    let seen = |most: usize| {
        let mut seen = Vec::new();
        let mut see = |version: Version| {
            seen.push(version.content.unwrap());
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        one.visit_history(&path("a"), &mut see).unwrap();
        seen
    };
    let all = ["second", "first", "below", "old"];
    for most in 1..=4 {
        assert_eq!(seen(most), all[..most]);
    }
    assert_eq!(seen(9), all);
    let whole: Vec<_> =
        one.history(&path("a")).unwrap().into_iter().map(|v| v.content.unwrap()).collect();
    assert_eq!(whole, all);
}
