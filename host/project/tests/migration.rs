//! From many sessions to one record: the six tests of R-062, and what else a migration promises.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use brio_project::*;
use brio_session::Verdict;
use common::*;

const DRY: MigrateOptions = MigrateOptions { dry_run: true };
const REAL: MigrateOptions = MigrateOptions { dry_run: false };

fn sessions(notes: &dyn Notes, sessions: &[(&str, &str)]) {
    for (id, updated) in sessions {
        put(notes, &format!("sessions/session-{id}"), &historic(id, updated, id));
    }
}

mod consolidate_historic_sessions {
    use super::*;

    //
    #[test]
    fn selects_most_recent_session_from_5_candidates() {
        let (mem, project) = in_memory();
        sessions(
            &*mem,
            &[
                ("a", "2026-01-02T00:00:00Z"),
                ("b", "2026-01-05T00:00:00.001Z"),
                // The text is greater, the time is not.
                ("c", "2026-01-05T02:00:00+02:00"),
                ("d", "2026-01-01T00:00:00Z"),
                ("e", "2025-12-31T00:00:00Z"),
            ],
        );
        let done = project.migrate(&REAL).unwrap();
        let winner = done.winner.unwrap();
        assert_eq!((winner.id.as_str(), winner.by, done.candidates), ("b", By::Newest, 5));
        let record = project.get_session().unwrap();
        assert_eq!(record.active_task.as_deref(), Some("b"));
        assert_eq!(record.version, 6, "one above the winner's");
        assert_eq!(record.updated_at, Timestamp::now(clock));
        assert_eq!(record.mode_history.len(), 1);
    }

    //
    #[test]
    fn handles_identical_timestamps_with_session_id_tiebreaker() {
        let (mem, project) = in_memory();
        let at = "2026-01-05T00:00:00Z";
        sessions(&*mem, &[("c", at), ("a10", at), ("a9", at), ("b", at)]);
        let done = project.migrate(&REAL).unwrap();
        assert_eq!(done.winner.unwrap().id, "a10", "ascending, as text");
    }

    //
    #[test]
    fn skips_corrupted_sessions_during_consolidation() {
        let (mem, project) = in_memory();
        sessions(&*mem, &[("good", "2026-01-01T00:00:00Z")]);
        let newest = historic("x", "2026-02-01T00:00:00Z", "x");
        for (id, content) in [
            ("cut", newest[..40].to_owned()),
            ("list", "[]".to_owned()),
            ("mode", newest.replace("planning", "dreaming")),
            ("time", newest.replace("2026-02-01", "soon")),
            ("gone", newest.replacen('{', "{\"deleted\":true,", 1)),
        ] {
            put(&*mem, &format!("sessions/session-{id}"), &content);
        }
        let before = contents(&*mem);
        let (done, log) = common::log::of(|| project.migrate(&REAL).unwrap());
        assert_eq!((done.winner.unwrap().id.as_str(), done.skipped), ("good", 5));
        let warned =
            log.iter().filter(|l| l.starts_with("WARN Skipping a historic session")).count();
        assert_eq!(warned, 5);
        let after = contents(&*mem);
        for id in ["cut", "list", "mode", "time", "gone"] {
            let path = format!("sessions/session-{id}");
            assert_eq!(after.get(&path), before.get(&path), "it stays as it is");
        }
        // A corrupted version alone is no reason to skip one: it is 0.
        let (mem, project) = in_memory();
        let odd = newest.replace("\"version\":5", "\"version\":\"?\"");
        put(&*mem, "sessions/session-odd", &odd);
        assert_eq!(project.get_session().unwrap().version, 1);
        drop(mem);
    }

    //
    #[test]
    fn removes_session_id_field_from_consolidated_state() {
        let (mem, project) = in_memory();
        let json = historic("a", "2026-01-01T00:00:00Z", "a").replacen('{', "{\"extra\":[1],", 1);
        put(&*mem, "sessions/session-a", &json);
        project.migrate(&REAL).unwrap();
        let stored = mem.read(&path(SESSION_PATH)).unwrap().unwrap().content;
        assert!(!stored.contains("sessionId"), "{stored}");
        assert!(stored.contains("\"extra\""), "what is not known is kept: {stored}");
    }

    //
    #[test]
    fn archives_old_session_notes_after_consolidation() {
        let tmp = scratch();
        let notes = dir_notes(tmp.path());
        five_sessions(&notes, Some("c"));
        let old = contents(&notes);
        let project = in_dir(tmp.path());
        let done = project.migrate(&REAL).unwrap();
        assert_eq!(done.archived, 4 * 11 + 1);
        let expected = AGENTS.map(|agent| format!("sessions/agent-{agent}")).into_iter();
        let mut expected: Vec<_> =
            expected.chain([SESSION_PATH.to_owned(), "sessions/session-e".to_owned()]).collect();
        expected.sort();
        assert_eq!(contents(&notes).into_keys().collect::<Vec<_>>(), expected);
        // Tombstones, and what was there is in the history.
        for (at, content) in old.iter().filter(|(at, _)| *at != "sessions/session-e") {
            let history = notes.history(&path(at)).unwrap();
            assert_eq!(history[0].content, None, "{at}");
            assert_eq!(history[1].content.as_ref(), Some(content), "{at}");
        }
    }

    //
    #[test]
    fn migrates_agent_context_to_new_path_format() {
        let (mem, project) = in_memory();
        five_sessions(&*mem, None);
        put(&*mem, "session-b-agent-qa", "no JSON");
        let done = project.migrate(&REAL).unwrap();
        assert_eq!((done.contexts, AGENTS.len()), (9, 10));
        for name in AGENTS.iter().filter(|name| **name != "qa") {
            let note = mem.read(&path(&format!("sessions/agent-{name}"))).unwrap().unwrap();
            assert_eq!(note.content, format!("{{\n  \"of\": \"{name} in b\"\n}}"), "the winner's");
        }
        assert!(mem.read(&path("sessions/agent-qa")).unwrap().is_none());
        assert!(mem.read(&path("session-b-agent-qa")).unwrap().is_some(), "skipped, so kept");
        assert!(mem.read(&path("session-a-agent-qa")).unwrap().is_none());
    }
}

//
#[test]
fn a_valid_pointer_is_preferred_and_an_invalid_one_is_not() {
    for (pointer, winner, by) in [
        ("c", "c", By::Pointer),
        ("{\"sessionId\": \"a\"}", "a", By::Pointer),
        ("e", "b", By::Newest),
        ("nobody", "b", By::Newest),
    ] {
        let (mem, project) = in_memory();
        five_sessions(&*mem, Some(pointer));
        let done = project.migrate(&REAL).unwrap();
        let chosen = done.winner.unwrap();
        assert_eq!((chosen.id.as_str(), chosen.by), (winner, by));
        assert!(mem.read(&path("sessions/current-session")).unwrap().is_none());
    }
}

// a line for each step, counts, the winner; a dry run tells the same and changes nothing.
#[test]
fn a_dry_run_tells_what_a_run_does() {
    let (mem, project) = in_memory();
    sessions(&*mem, &[("a", "2026-01-01T00:00:00Z"), ("b", "2026-01-02T00:00:00Z")]);
    put(&*mem, "sessions/session-c", "{");
    put(&*mem, "session-b-agent-qa", "{}");
    put(&*mem, "sessions/current-session", "b");
    let before = contents(&*mem);
    let dry = project.migrate(&DRY).unwrap();
    assert_eq!(contents(&*mem), before);
    let real = project.migrate(&REAL).unwrap();
    assert_eq!(dry, Migration { dry_run: true, ..real.clone() });
    let lines: Vec<_> = real.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "Found sessions/session-a, updated 2026-01-01T00:00:00.000Z",
            "Found sessions/session-b, updated 2026-01-02T00:00:00.000Z",
            "Skipped sessions/session-c: it is no JSON: EOF while parsing an object at line 1 column 1",
            "Selected b of 2, updated 2026-01-02T00:00:00.000Z: sessions/current-session names it",
            "Migrated agent context: qa, from session-b-agent-qa to sessions/agent-qa",
            "Wrote the record, version 6",
            "Archived: sessions/session-a",
            "Archived: session-b-agent-qa",
            "Archived: sessions/session-b",
            "Archived: sessions/current-session",
        ]
    );
    assert_eq!(real.record, Some(RecordStep::Written { version: 6 }));
    assert_eq!((real.candidates, real.skipped, real.contexts, real.archived), (2, 1, 1, 4));
}

#[test]
fn twice_changes_nothing() {
    let (mem, project) = in_memory();
    five_sessions(&*mem, Some("c"));
    project.migrate(&REAL).unwrap();
    let after = (contents(&*mem), mem.history(&path(SESSION_PATH)).unwrap());
    let again = project.migrate(&REAL).unwrap();
    assert_eq!((again.candidates, again.archived, again.record), (0, 0, None));
    assert_eq!((contents(&*mem), mem.history(&path(SESSION_PATH)).unwrap()), after);
    let (_, empty) = in_memory();
    let nothing = empty.migrate(&REAL).unwrap();
    assert_eq!(nothing.steps, [Step::Nothing]);
    assert_eq!(nothing.steps[0].to_string(), "Nothing to migrate");
}

#[test]
fn an_untouched_record_yields_and_another_one_stays() {
    let (mem, project) = in_memory();
    project.get_session().unwrap();
    sessions(&*mem, &[("a", "2026-01-01T00:00:00Z")]);
    project.migrate(&REAL).unwrap();
    assert_eq!(project.get_session().unwrap().active_task.as_deref(), Some("a"));

    let (mem, project) = in_memory();
    let mine = project.set_session(&task("mine")).unwrap();
    put(&*mem, "sessions/agent-qa", "{\"new\": true}");
    sessions(&*mem, &[("a", "2026-01-01T00:00:00Z")]);
    put(&*mem, "session-a-agent-qa", "{\"old\": true}");
    put(&*mem, "session-a-agent-critic", "{\"old\": true}");
    let done = project.migrate(&REAL).unwrap();
    assert_eq!(done.record, Some(RecordStep::Kept { version: 1 }));
    assert_eq!(project.get_session().unwrap(), mine);
    let lines: Vec<_> = done.steps.iter().map(ToString::to_string).collect();
    assert!(lines.contains(&"Kept the record that is there, version 1".to_owned()));
    assert!(lines.contains(&"Kept agent context: qa, at sessions/agent-qa already".to_owned()));
    let qa = mem.read(&path("sessions/agent-qa")).unwrap().unwrap();
    assert_eq!(qa.content, "{\"new\": true}");
    assert!(mem.read(&path("sessions/agent-critic")).unwrap().is_some());
}

#[test]
fn sessions_in_other_notes_are_migrated_from_there() {
    let (mem, project) = in_memory();
    let other = Mem::default();
    five_sessions(&other, None);
    project.migrate_from(&other, &REAL).unwrap();
    assert_eq!(project.get_session().unwrap().active_task.as_deref(), Some("task of b"));
    assert_eq!(contents(&*mem).len(), 11);
    assert_eq!(contents(&other).into_keys().collect::<Vec<_>>(), ["sessions/session-e"]);
}

#[test]
fn somebody_who_writes_the_record_meanwhile_is_not_overridden() {
    let (mem, project) = in_memory();
    sessions(&*mem, &[("a", "2026-01-01T00:00:00Z")]);
    let theirs = Record::new(Timestamp::now(clock)).updated(&task("t"), Timestamp::now(clock));
    let json = theirs.to_json();
    mem.before_next_write(move |mem| put(mem, SESSION_PATH, &json));
    let done = project.migrate(&REAL).unwrap();
    assert_eq!(done.record, Some(RecordStep::Kept { version: 1 }));
    assert_eq!(project.get_session().unwrap(), theirs);
}

/// Ten agents in two sessions, one of them corrupted, and the pointer: small, so that every
/// operation can be tried.
fn small(notes: &dyn Notes) {
    sessions(notes, &[("a", "2026-01-03T00:00:00Z"), ("b", "2026-01-05T00:00:00Z")]);
    put(notes, "sessions/session-e", "{");
    for agent in AGENTS {
        put(notes, &format!("session-a-agent-{agent}"), &format!("{{\"a\":\"{agent}\"}}"));
    }
    put(notes, "session-b-agent-qa", "{}");
    put(notes, "sessions/current-session", "a");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

// R-040 and the promise that a crash in the middle is repaired by the next run: every operation
// on the disk is the last one of a killed process, and one that fails.
#[test]
fn a_migration_that_is_interrupted_anywhere_is_finished_by_the_next_access() {
    let start = scratch();
    small(&dir_notes(start.path()));
    let whole = scratch();
    copy(start.path(), whole.path());
    let (counted, door) = hook(usize::MAX, Verdict::Go);
    let notes = Arc::new(with_door(whole.path(), door).unwrap());
    Project::new(notes.clone(), clock).get_session().unwrap();
    let operations = counted.seen();
    let wanted = contents(&*notes);
    assert_eq!(wanted.len(), 12, "{wanted:?}");
    assert!(operations > 100, "{operations}");
    for verdict in verdicts() {
        // Every operation for the killed process, some of them for the others.
        let step = if matches!(verdict, Verdict::Stop) { 1 } else { 5 };
        for n in (0..operations).step_by(step) {
            let tmp = scratch();
            copy(start.path(), tmp.path());
            let (_, door) = hook(n, verdict);
            let first = with_door(tmp.path(), door).map(Arc::new);
            let label = format!("{verdict:?} at {n} of {operations}");
            if let Ok(notes) = first {
                let _ = Project::new(notes, clock).get_session();
            }
            let notes = Arc::new(dir_notes(tmp.path()));
            let record = Project::new(notes.clone(), clock).get_session().unwrap();
            assert_eq!(record.version, 6, "{label}");
            assert_eq!(contents(&*notes), wanted, "{label}");
        }
    }
}
