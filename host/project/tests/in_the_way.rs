//! Who or what is in the way of a write: others who write the same, and what lies where a note's
//! directory or file should.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use brio_project::*;
use brio_session::{Door, Hook, Op, Verdict};
use common::*;

/// Writes the note `a` just before somebody else makes its directory.
struct First(PathBuf);

impl Hook for First {
    fn verdict(&self, op: Op) -> Verdict {
        if matches!(op, Op::Mkdir) {
            put(&dir_notes(&self.0), "a", "theirs");
        }
        Verdict::Go
    }
}

#[test]
fn of_two_that_make_a_note_at_once_both_are_in_its_history() {
    for (how, wins) in [(plain(), true), (expecting(0), false)] {
        let tmp = scratch();
        dir_notes(tmp.path());
        let door = Door::with_hook(Arc::new(First(tmp.path().to_owned())));
        let notes = with_door(tmp.path(), door).unwrap();
        let written = notes.write(&path("a"), "mine", &how);
        let read = notes.read(&path("a")).unwrap().unwrap();
        if wins {
            assert_eq!(written.unwrap().version, 2);
            assert_eq!((read.content.as_str(), read.version), ("mine", 2));
            let history = notes.history(&path("a")).unwrap();
            assert_eq!(history[1].content.as_deref(), Some("theirs"));
        } else {
            match written.unwrap_err() {
                NotesError::VersionMismatch { expected: 0, found: 1, .. } => {}
                e => panic!("{e}"),
            }
            assert_eq!((read.content.as_str(), read.version), ("theirs", 1));
        }
    }
}

#[test]
fn a_context_that_an_agent_writes_meanwhile_is_not_overridden_by_a_migration() {
    let (mem, project) = in_memory();
    put(&*mem, "sessions/session-a", &historic("a", "2026-01-01T00:00:00Z", "a"));
    put(&*mem, "session-a-agent-qa", "\"old\"");
    mem.before_next_write(|mem| put(mem, "sessions/agent-qa", "\"new\""));
    let done = project.migrate(&MigrateOptions::default()).unwrap();
    assert_eq!(done.contexts, 0);
    let kept = Step::ContextKept { agent: "qa", path: path("sessions/agent-qa") };
    assert!(done.steps.contains(&kept), "{:?}", done.steps);
    let context: Option<String> = project.load_agent_context(&agent("qa")).unwrap();
    assert_eq!(context.as_deref(), Some("new"));
    let old = mem.history(&path("session-a-agent-qa")).unwrap();
    assert_eq!(old[1].content.as_deref(), Some("\"old\""), "nor is the old one lost");
}

// Nothing is made by half: the next one that asks makes the record.
#[test]
fn a_record_that_cannot_be_made_says_why() {
    use rustix::io::Errno;
    for (errno, code) in [
        (Errno::NOSPC, "NO_SPACE"),
        (Errno::DQUOT, "NO_SPACE"),
        (Errno::IO, "NOTES_UNAVAILABLE"),
        (Errno::PERM, "IO"),
    ] {
        let tmp = scratch();
        dir_notes(tmp.path());
        let (_, door) = hook(0, Verdict::Fail(errno.raw_os_error()));
        let project = Project::new(Arc::new(with_door(tmp.path(), door).unwrap()), clock);
        let error = project.get_session().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.is_unavailable(), code == "NOTES_UNAVAILABLE", "{error}");
        let wanted = format!("{code}: ");
        assert!(error.to_string().starts_with(&wanted), "{error}");
        assert!(error.to_string().contains("could not write sessions/session"), "{error}");
        assert_eq!(project.load_session().unwrap(), None, "{code}");
        assert!(project.get_session().unwrap().is_untouched(), "{code}");
    }
}

// A link would lead out of the notes' directory: it is neither followed nor taken for no note.
#[test]
fn links_are_not_followed() {
    let (tmp, outside) = (scratch(), scratch());
    let notes = dir_notes(tmp.path());
    let other = dir_notes(outside.path());
    put(&other, "a", "outside");
    put(&other, "b", "outside");
    put(&notes, "a", "inside");
    std::fs::remove_file(tmp.path().join("a/1")).unwrap();
    symlink(outside.path().join("a/1"), tmp.path().join("a/1")).unwrap();
    symlink(outside.path().join("b"), tmp.path().join("b")).unwrap();
    for at in ["a", "b"] {
        let read = notes.read(&path(at)).unwrap_err();
        assert_eq!(read.code(), "IO", "{read}");
        assert!(read.to_string().contains(&format!("could not read {at}")), "{read}");
        assert_eq!(notes.write(&path(at), "x", &plain()).unwrap_err().code(), "IO");
        assert_eq!(notes.remove(&path(at), &plain()).unwrap_err().code(), "IO");
        assert!(notes.list(&Pattern::new(at).unwrap()).is_err());
    }
    assert_eq!(contents(&other).into_values().collect::<Vec<_>>(), ["outside", "outside"]);
    let left = std::fs::read_dir(outside.path().join("b")).unwrap().count();
    assert_eq!(left, 1, "no version was added");
}
