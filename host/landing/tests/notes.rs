//! A session's notes: with its files they land, are rolled back, checkpointed, rebased, sealed and
//! undone. B-042, R-030, R-031, R-036
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Landed, LogFilter, NotesOptions, OpenOptions,
    Policy, RebaseOptions, ResolveOptions, Session, SessionNotes, Take, UndoOptions, Warning,
};
use brio_project::{Mode, Notes, Project, Update};
use brio_session::{Door, Hook, Op, RelPath, Verdict, ViewOptions};
use common::{begin, commit, contents, get, project, put, scratch, take, write, writer};

struct World {
    dir: tempfile::TempDir,
    d: Domain,
}

fn world() -> World {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::write(dir.path().join("file"), "old\n").unwrap();
    let d = common::open_keeping(dir.path());
    for path in ["a", "b"] {
        put(&*project(&d), path, "old");
    }
    World { dir, d }
}

impl World {
    fn notes(&self, s: &Session) -> SessionNotes {
        s.notes(project(&self.d))
    }

    fn base(&self) -> Vec<(String, String)> {
        contents(&*project(&self.d)).into_iter().collect()
    }

    fn file(&self, s: &Session, content: &str) {
        let w = writer(s);
        write(w.view(), "file", content.as_bytes());
        w.finish().unwrap();
    }

    fn child(&self, parent: &Session) -> Session {
        let parent = Some(parent.id().clone());
        self.d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap()
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(path, content)| (path.to_string(), content.to_string())).collect()
}

fn paths(landed: &Landed) -> Vec<&str> {
    landed.notes.iter().map(|path| path.as_str()).collect()
}

#[test]
fn they_are_seen_by_others_when_the_session_lands() {
    let w = world();
    let (s, other) = (begin(&w.d, "one"), begin(&w.d, "two"));
    let own = w.notes(&s);
    put(&own, "a", "new");
    take(&own, "b");
    put(&own, "c", "new");
    assert_eq!(
        contents(&own).into_iter().collect::<Vec<_>>(),
        pairs(&[("a", "new"), ("c", "new")])
    );
    let old = pairs(&[("a", "old"), ("b", "old")]);
    assert_eq!(w.base(), old);
    assert_eq!(contents(&w.notes(&other)).into_iter().collect::<Vec<_>>(), old);
    // What is written outside applies at once, and is seen where the session wrote nothing.
    put(&*project(&w.d), "d", "outside");
    assert_eq!(get(&own, "d").as_deref(), Some("outside"));

    w.file(&s, "new\n");
    let landed = commit(&w.d, s.id()).unwrap();
    assert_eq!((landed.landing, paths(&landed)), (Some(1), vec!["a", "b", "c"]));
    let new = pairs(&[("a", "new"), ("c", "new"), ("d", "outside")]);
    assert_eq!(w.base(), new);
    assert_eq!(contents(&w.notes(&other)).into_iter().collect::<Vec<_>>(), new);
    let history = project(&w.d).history(&"a".parse().unwrap()).unwrap();
    assert_eq!(history[0].origin.as_deref(), Some("landing 1"));
    let log = w.d.log(&LogFilter::default()).unwrap();
    assert_eq!(log.landings[0].notes, ["a", "b", "c"]);
    let error = own.read(&"a".parse().unwrap()).unwrap_err();
    assert_eq!(error.code(), "SESSION_ENDED");
}

#[test]
fn rolled_back_ones_are_seen_by_nobody() {
    let w = world();
    let s = begin(&w.d, "one");
    put(&w.notes(&s), "a", "new");
    put(&w.notes(&s), "c", "new");
    w.d.rollback(s.id(), false).unwrap();
    assert_eq!(w.base(), pairs(&[("a", "old"), ("b", "old")]));
    assert_eq!(project(&w.d).history(&"c".parse().unwrap()).unwrap(), []);
}

#[test]
fn notes_alone_are_a_landing() {
    let w = world();
    let s = begin(&w.d, "notes only");
    put(&w.notes(&s), "a", "new");
    let landed = commit(&w.d, s.id()).unwrap();
    assert_eq!((landed.landing, landed.changes.changes.len()), (Some(1), 0));
    assert_eq!(w.base(), pairs(&[("a", "new"), ("b", "old")]));
    let idle = begin(&w.d, "nothing");
    assert_eq!(idle.note_changes().unwrap(), []);
    assert_eq!(commit(&w.d, idle.id()).unwrap().landing, None);
    w.d.undo(1, &UndoOptions::default()).unwrap();
    assert_eq!(w.base(), pairs(&[("a", "old"), ("b", "old")]));
}

#[test]
fn a_conflict_of_files_keeps_them_in_the_session() {
    let w = world();
    let (s, other) = (begin(&w.d, "one"), begin(&w.d, "two"));
    w.file(&s, "ours\n");
    put(&w.notes(&s), "a", "ours");
    w.file(&other, "theirs\n");
    put(&w.notes(&other), "a", "theirs");
    commit(&w.d, other.id()).unwrap();
    assert_eq!(commit(&w.d, s.id()).unwrap_err().code(), "CONFLICT");
    assert_eq!(w.base(), pairs(&[("a", "theirs"), ("b", "old")]));
    assert_eq!(get(&w.notes(&s), "a").as_deref(), Some("ours"));
    let last = CommitOptions { policy: Policy::LastWriteWins, ..CommitOptions::default() };
    let landed = w.d.commit(s.id(), last).unwrap();
    assert_eq!(paths(&landed), ["a"]);
    assert_eq!(w.base(), pairs(&[("a", "ours"), ("b", "old")]));
    let history = project(&w.d).history(&"a".parse().unwrap()).unwrap();
    assert_eq!(history[1].content.as_deref(), Some("theirs"), "nothing is lost");
}

#[test]
fn a_child_sees_its_parents_and_lands_in_it() {
    let w = world();
    let parent = begin(&w.d, "parent");
    // Nothing but a note: the layer below the child must be kept all the same.
    put(&w.notes(&parent), "a", "parent");
    let child = w.child(&parent);
    assert_eq!(get(&w.notes(&child), "a").as_deref(), Some("parent"));
    put(&w.notes(&child), "c", "child");
    put(&w.notes(&parent), "d", "later");
    assert_eq!(get(&w.notes(&child), "d"), None, "as it was when it began");
    assert_eq!(get(&w.notes(&parent), "c"), None);
    let landed = commit(&w.d, child.id()).unwrap();
    assert_eq!((landed.landing, paths(&landed)), (None, vec!["c"]));
    assert_eq!(get(&w.notes(&parent), "c").as_deref(), Some("child"));
    assert_eq!(w.base(), pairs(&[("a", "old"), ("b", "old")]));
    let thrown = w.child(&parent);
    put(&w.notes(&thrown), "c", "thrown away");
    w.d.rollback(thrown.id(), false).unwrap();
    commit(&w.d, parent.id()).unwrap();
    let all = [("a", "parent"), ("b", "old"), ("c", "child"), ("d", "later")];
    assert_eq!(w.base(), pairs(&all));
}

#[test]
fn of_a_child_and_its_parent_the_last_wins_under_a_version_above_both() {
    let w = world();
    let parent = begin(&w.d, "parent");
    let child = w.child(&parent);
    put(&w.notes(&child), "a", "child");
    for n in 0..3 {
        put(&w.notes(&parent), "a", &format!("parent {n}"));
    }
    let before = w.notes(&parent).read(&"a".parse().unwrap()).unwrap().unwrap().version;
    commit(&w.d, child.id()).unwrap();
    let note = w.notes(&parent).read(&"a".parse().unwrap()).unwrap().unwrap();
    assert_eq!(note.content, "child");
    assert!(note.version > before, "{} is not above {before}", note.version);
    // A live parent sees it too, and one that only looked gives way.
    let live = writer(&parent);
    let notes: Arc<dyn Notes> = Arc::new(live.notes(project(&w.d)));
    let inside = Project::new(notes, SystemTime::now);
    let child = live.begin_child(BeginOptions::default()).unwrap();
    let of_child: Arc<dyn Notes> = Arc::new(w.notes(&child));
    assert!(Project::new(of_child, SystemTime::now).get_session().unwrap().is_untouched());
    put(&w.notes(&child), "b", "child");
    let update = Update { mode: Some(Mode::Coding), ..Update::default() };
    let version = inside.set_session(&update).unwrap().version;
    live.commit_child(child.id(), CommitOptions::default()).unwrap();
    assert_eq!(get(&live.notes(project(&w.d)), "b").as_deref(), Some("child"));
    let record = inside.get_session().unwrap();
    assert_eq!((record.current_mode, record.version), (Mode::Coding, version));
}

#[test]
fn a_record_that_lands_rises_above_the_one_that_is_there_and_says_so() {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let conflicts = Arc::new(AtomicU64::new(0));
    let notes = NotesOptions { observer: conflicts.clone(), ..NotesOptions::default() };
    let d = Domain::open(dir.path(), OpenOptions { notes, ..common::options(None) }).unwrap().0;
    let record = |notes: Arc<dyn Notes>| Project::new(notes, SystemTime::now);
    let outside = record(project(&d));
    let task = |task: &str| Update { task: Some(task.into()), ..Update::default() };
    assert_eq!(outside.set_session(&task("begun")).unwrap().version, 1);
    let s = begin(&d, "one");
    let inside = record(Arc::new(s.notes(project(&d))));
    inside.set_session(&task("ours")).unwrap();
    for _ in 0..3 {
        outside.set_session(&task("theirs")).unwrap();
    }
    assert_eq!((inside.get_session().unwrap().version, conflicts.load(Ordering::Relaxed)), (2, 0));
    commit(&d, s.id()).unwrap();
    let landed = outside.get_session().unwrap();
    assert_eq!((landed.version, landed.active_task.as_deref()), (5, Some("ours")));
    assert_eq!(conflicts.load(Ordering::Relaxed), 1);
}

#[test]
fn a_checkpoint_has_them() {
    let w = world();
    let s = begin(&w.d, "one");
    put(&w.notes(&s), "a", "first");
    s.checkpoint("first").unwrap();
    put(&w.notes(&s), "a", "second");
    put(&w.notes(&s), "c", "second");
    s.restore("first").unwrap();
    assert_eq!(get(&w.notes(&s), "a").as_deref(), Some("first"));
    assert_eq!(get(&w.notes(&s), "c"), None);
    s.restore("before-restore").unwrap();
    assert_eq!(get(&w.notes(&s), "a").as_deref(), Some("second"));
    s.delete_checkpoint("first").unwrap();
    commit(&w.d, s.id()).unwrap();
    assert_eq!(w.base(), pairs(&[("a", "second"), ("b", "old"), ("c", "second")]));
}

#[test]
fn a_rebase_and_a_resolve_take_them_along() {
    for resolve in [false, true] {
        let w = world();
        let s = begin(&w.d, "one");
        put(&w.notes(&s), "a", "first");
        s.checkpoint("first").unwrap();
        put(&w.notes(&s), "a", "second");
        take(&w.notes(&s), "b");
        w.file(&s, "ours\n");
        let other = begin(&w.d, "two");
        w.file(&other, "theirs\n");
        commit(&w.d, other.id()).unwrap();
        s.delete_checkpoint("first").unwrap();
        if resolve {
            let takes = vec![(RelPath::new("file").unwrap(), Take::Ours)];
            w.d.resolve(s.id(), ResolveOptions { takes, stop: false }).unwrap();
        } else {
            let policy = Policy::LastWriteWins;
            let rebased = s.rebase(&RebaseOptions { policy, ..Default::default() }).unwrap();
            assert!(rebased.moved);
        }
        let own = w.notes(&s);
        assert_eq!(get(&own, "a").as_deref(), Some("second"));
        assert_eq!(get(&own, "b"), None);
        put(&own, "c", "after");
        commit(&w.d, s.id()).unwrap();
        assert_eq!(w.base(), pairs(&[("a", "second"), ("c", "after")]));
    }
}

#[test]
fn a_childs_survive_a_policy() {
    let w = world();
    let parent = begin(&w.d, "parent");
    let child = w.child(&parent);
    w.file(&child, "child\n");
    put(&w.notes(&child), "a", "child");
    w.file(&parent, "parent\n");
    put(&w.notes(&parent), "a", "parent");
    assert_eq!(commit(&w.d, child.id()).unwrap_err().code(), "CONFLICT");
    assert_eq!(get(&w.notes(&parent), "a").as_deref(), Some("parent"));
    let last = CommitOptions { policy: Policy::LastWriteWins, ..CommitOptions::default() };
    w.d.commit(child.id(), last).unwrap();
    assert_eq!(get(&w.notes(&parent), "a").as_deref(), Some("child"));
    commit(&w.d, parent.id()).unwrap();
    assert_eq!(w.base(), pairs(&[("a", "child"), ("b", "old")]));
}

#[test]
fn a_seal_holds_them() {
    let w = world();
    let s = begin(&w.d, "one");
    let sealed = |seal| CommitOptions { sealed: Some(seal), ..CommitOptions::default() };
    let nothing = s.seal().unwrap();
    put(&w.notes(&s), "a", "seen by the gates");
    let seal = s.seal().unwrap();
    assert_ne!(nothing.digest, seal.digest);
    put(&w.notes(&s), "a", "not seen by them");
    let error = w.d.commit(s.id(), sealed(seal.clone())).unwrap_err();
    assert!(matches!(error, CommitError::SealBroken { .. }), "{error}");
    put(&w.notes(&s), "a", "seen by the gates");
    assert_eq!(w.d.commit(s.id(), sealed(seal)).unwrap().landing, Some(1));
    assert_eq!(w.base()[0].1, "seen by the gates");
    let parent = begin(&w.d, "parent");
    let child = w.child(&parent);
    put(&w.notes(&child), "a", "one");
    let seal = child.seal().unwrap();
    put(&w.notes(&child), "a", "two");
    let error = w.d.commit(child.id(), sealed(seal)).unwrap_err();
    assert!(matches!(error, CommitError::SealBroken { .. }), "{error}");
}

#[test]
fn an_undo_puts_back_what_nobody_wrote_since() {
    let w = world();
    let s = begin(&w.d, "one");
    w.file(&s, "new\n");
    for (path, content) in [("a", "landed"), ("c", "landed"), ("d", "landed")] {
        put(&w.notes(&s), path, content);
    }
    take(&w.notes(&s), "b");
    commit(&w.d, s.id()).unwrap();
    put(&*project(&w.d), "d", "later");
    let undone = w.d.undo(1, &UndoOptions::default()).unwrap();
    assert_eq!(undone.warnings, [Warning::NoteStays { path: "d".parse().unwrap() }]);
    assert_eq!(w.base(), pairs(&[("a", "old"), ("b", "old"), ("d", "later")]));
    assert_eq!(std::fs::read_to_string(w.dir.path().join("file")).unwrap(), "old\n");
    // An undo is a landing: it can be undone.
    let again = w.d.undo(2, &UndoOptions::default()).unwrap();
    assert_eq!(paths(&again), ["a", "b", "c"]);
    assert_eq!(w.base(), pairs(&[("a", "landed"), ("c", "landed"), ("d", "later")]));
}

#[test]
fn who_may_write_them() {
    let w = world();
    let s = begin(&w.d, "one");
    let live = writer(&s);
    let held = live.notes(project(&w.d));
    put(&held, "a", "held");
    let asked = w.notes(&s);
    let error = asked.write(&"a".parse().unwrap(), "busy", &Default::default()).unwrap_err();
    assert_eq!(error.code(), "SESSION_BUSY");
    assert_eq!(get(&asked, "a").as_deref(), Some("held"), "reading takes no lease");
    live.finish().unwrap();
    let error = held.write(&"a".parse().unwrap(), "late", &Default::default()).unwrap_err();
    assert_eq!(error.code(), "LEASE_GONE");
    put(&asked, "a", "asked");
    assert_eq!(get(&held, "a").as_deref(), Some("asked"));
}

/// Says a verdict at the N-th operation.
struct At(usize, Verdict, AtomicUsize);

impl Hook for At {
    fn verdict(&self, _: Op) -> Verdict {
        if self.2.fetch_add(1, Ordering::SeqCst) == self.0 { self.1 } else { Verdict::Go }
    }
}

/// A family whose notes cross, and a rebase that is due.
fn family() -> (World, Session, Session) {
    let w = world();
    let parent = begin(&w.d, "parent");
    put(&w.notes(&parent), "b", "before");
    let child = w.child(&parent);
    put(&w.notes(&child), "a", "child");
    put(&w.notes(&child), "c", "child");
    put(&w.notes(&parent), "a", "parent");
    w.file(&child, "child\n");
    (w, parent, child)
}

#[test]
fn a_childs_landing_that_is_interrupted_anywhere_is_whole_or_nothing() {
    let seen = |w: &World, id: &brio_landing::SessionId| {
        let s = w.d.session(id).unwrap();
        let read = common::read(&s.view(ViewOptions::default()).unwrap(), "file").unwrap();
        (contents(&w.notes(&s)), read)
    };
    let (mut points, mut olds) = (0, 0);
    for verdict in [Verdict::Stop, Verdict::StopAfter, Verdict::Fail(libc::EIO)] {
        for n in 0.. {
            let (w, parent, child) = family();
            let old = seen(&w, parent.id());
            let at = Arc::new(At(n, verdict, AtomicUsize::new(0)));
            let door = Door::with_hook(at.clone());
            let options = OpenOptions { door, ..common::keeping(None) };
            let done = match Domain::open(w.dir.path(), options) {
                Ok((d, _)) => d.commit(child.id(), CommitOptions::default()).is_ok(),
                Err(_) => false,
            };
            if at.2.load(Ordering::SeqCst) <= n {
                assert!(done);
                break;
            }
            let now = seen(&w, parent.id());
            if w.d.session(child.id()).is_ok_and(|s| s.info().is_ok()) {
                assert_eq!(now, old, "{verdict:?} at {n}: open, and yet landed");
                assert!(!done);
                commit(&w.d, child.id()).unwrap();
                olds += 1;
            }
            let (notes, file) = seen(&w, parent.id());
            let notes: Vec<_> = notes.into_iter().collect();
            assert_eq!(notes, pairs(&[("a", "child"), ("b", "before"), ("c", "child")]));
            assert_eq!(file, b"child\n");
            commit(&w.d, parent.id()).unwrap();
            assert_eq!(w.base(), notes, "{verdict:?} at {n}");
            points += 1;
        }
    }
    assert!(points > 60 && olds > 30, "{points} points, {olds} old");
}

#[test]
fn where_notes_are_elsewhere_they_are_pending_until_they_are_there() {
    let w = world();
    std::fs::write(w.dir.path().join(".brio/notes.json"), "{}").unwrap();
    let elsewhere = tempfile::tempdir_in(scratch()).unwrap();
    let there = {
        let dir =
            cap_std::fs::Dir::open_ambient_dir(elsewhere.path(), cap_std::ambient_authority());
        let options = brio_project::DirOptions::new(SystemTime::now);
        Arc::new(brio_project::DirNotes::open(dir.unwrap(), options).unwrap())
    };
    put(&*there, "a", "there");
    for n in 0..2 {
        let s = begin(&w.d, "one");
        let own = s.notes(there.clone());
        assert_eq!(get(&own, "a").as_deref(), Some(if n == 0 { "there" } else { "later" }));
        put(&own, "a", &format!("landed {n}"));
        if n == 1 {
            take(&own, "a");
        }
        put(&own, "c", &format!("landed {n}"));
        w.file(&s, &format!("{n}\n"));
        assert_eq!(commit(&w.d, s.id()).unwrap().landing, Some(n + 1));
        put(&*there, "a", "later");
    }
    assert_eq!(w.base(), pairs(&[("a", "old"), ("b", "old")]), "the domain's own are not used");
    let pending = w.d.pending_notes().unwrap();
    let pending: Vec<_> = pending.iter().map(|p| (p.by.clone(), p.notes.len())).collect();
    let of = brio_landing::LandedNotes::Landing;
    assert_eq!(pending, [(of(1), 2), (of(2), 2)]);
    // The records of landings may go meanwhile.
    w.d.gc().unwrap();

    // Whatever interrupts it, what did not arrive is delivered by the next, and nothing twice.
    let mut rounds = 0;
    for n in 0.. {
        let at = Arc::new(At(n, Verdict::Stop, AtomicUsize::new(0)));
        let options = OpenOptions { door: Door::with_hook(at.clone()), ..common::keeping(None) };
        let Ok((d, _)) = Domain::open(w.dir.path(), options) else { continue };
        let done = d.deliver_notes(&*there);
        rounds += 1;
        if at.2.load(Ordering::SeqCst) <= n {
            done.unwrap();
            break;
        }
    }
    assert!(rounds > 1);
    assert_eq!(w.d.pending_notes().unwrap(), []);
    assert_eq!(contents(&*there).into_iter().collect::<Vec<_>>(), pairs(&[("c", "landed 1")]));
    let history = there.history(&"c".parse().unwrap()).unwrap();
    let of = |n: u64| Some(format!("landing {n} of {}", w.d.claim_id()));
    let origins: Vec<_> = history.into_iter().map(|v| v.origin).collect();
    assert_eq!(origins, [of(2), of(1)]);
    assert_eq!(w.d.deliver_notes(&*there).unwrap(), 0);
    let undone = w.d.undo(2, &UndoOptions::default()).unwrap();
    assert_eq!(undone.warnings.len(), 2, "their history is elsewhere");
}
