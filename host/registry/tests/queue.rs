//! The queue: turns, owners, groups, decisions.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use brio_registry::queue::{
    Back, Decision, Job, JobCounts, JobState, NewJob, Owner, Queue, dead_owners, is_alive,
};

fn queue() -> (tempfile::TempDir, Queue) {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(&dir.path().join("queue.db")).unwrap();
    (dir, queue)
}

fn job(id: &str, submission: &str, priority: i32) -> NewJob {
    NewJob {
        id: id.into(),
        parent: None,
        submission: submission.into(),
        name: id.into(),
        task: "{}".into(),
        priority,
    }
}

fn child(id: &str, parent: &str) -> NewJob {
    NewJob { parent: Some(parent.into()), ..job(id, parent, 0) }
}

fn id(job: Option<Job>) -> String {
    job.map_or_else(|| "-".into(), |j| j.id)
}

#[test]
fn jobs_take_turns_by_priority_submission_and_age() {
    let (_dir, q) = queue();
    assert!(q.submit(&[job("a1", "a", 0), job("a2", "a", 0), job("a3", "a", 0)], 1).unwrap());
    assert!(q.submit(&[job("b1", "b", 0), job("b2", "b", 0)], 2).unwrap());
    assert!(q.submit(&[job("c1", "c", 5), job("d1", "d", -1)], 3).unwrap());
    let order: Vec<_> = (0..8).map(|_| id(q.claim("me", 10, None).unwrap())).collect();
    assert_eq!(order, ["c1", "a1", "b1", "a2", "b2", "a3", "d1", "-"]);
    assert!(!q.submit(&[job("a1", "again", 0), job("new", "again", 0)], 4).unwrap());
    assert_eq!(q.job("new").unwrap(), None, "all or none");
    assert!(q.submit(&[job("new", "x", 0), job("a1", "x", 0)], 4).is_err());
    assert_eq!(q.job("new").unwrap(), None, "all or none");
}

#[test]
fn what_is_not_due_waits_and_says_when() {
    let (_dir, q) = queue();
    q.submit(&[job("a", "a", 0)], 1).unwrap();
    let claimed = q.claim("me", 5, None).unwrap().unwrap();
    assert_eq!(
        (claimed.state, claimed.started_at, claimed.attempt),
        (JobState::Running, Some(5), 0)
    );
    assert_eq!(q.begin_attempt("a", "me").unwrap(), Some(1));
    assert_eq!(q.begin_attempt("a", "you").unwrap(), None);
    assert!(q.note("a", "me", Some("sess-1"), Some("memo")).unwrap());
    assert!(q.put_back("a", "me", 100, Back::Crashed).unwrap());
    assert_eq!((q.next_due(5).unwrap(), q.next_due(100).unwrap()), (Some(100), None));
    assert_eq!(q.claim("me", 99, None).unwrap(), None);
    let again = q.claim("you", 100, None).unwrap().unwrap();
    assert_eq!((again.session, again.memo, again.interrupted), (None, None, 1));
    assert_eq!(q.begin_attempt("a", "you").unwrap(), Some(2));
    // What cannot be told yet keeps all that it has.
    assert!(q.note("a", "you", Some("sess-2"), Some("memo")).unwrap());
    assert!(q.put_back("a", "you", 100, Back::Unknown).unwrap());
    let same = q.claim("you", 100, None).unwrap().unwrap();
    assert_eq!((same.session.as_deref(), same.memo.as_deref()), (Some("sess-2"), Some("memo")));
    assert_eq!((same.attempt, same.interrupted, same.setbacks), (2, 1, 2));
    assert!(!q.finish("a", "me", "{}", 101).unwrap(), "it is another's");
    assert!(q.finish("a", "you", "{\"x\":1}", 102).unwrap());
    assert!(!q.finish("a", "you", "{}", 103).unwrap(), "once");
    let done = q.job("a").unwrap().unwrap();
    assert_eq!((done.state, done.ended_at), (JobState::Done, Some(102)));
    assert_eq!((done.outcome.as_deref(), done.owner), (Some("{\"x\":1}"), None));
}

#[test]
fn a_group_is_due_when_its_children_are_done() {
    let (_dir, q) = queue();
    q.submit(&[job("g", "g", 0), child("g/1", "g"), child("g/2", "g")], 1).unwrap();
    assert_eq!(id(q.claim("me", 2, None).unwrap()), "g/1");
    assert_eq!(id(q.claim("me", 2, None).unwrap()), "g/2");
    assert_eq!(q.claim("me", 2, None).unwrap(), None);
    q.finish("g/1", "me", "1", 3).unwrap();
    assert_eq!(q.claim("me", 3, None).unwrap(), None);
    q.finish("g/2", "me", "2", 3).unwrap();
    assert_eq!(id(q.claim("me", 3, None).unwrap()), "g");
    let outcomes: Vec<_> = q.children("g").unwrap().into_iter().map(|c| c.outcome).collect();
    assert_eq!(outcomes, [Some("1".into()), Some("2".into())]);
}

#[test]
fn decisions_and_cancellations_wake_what_waits() {
    let (_dir, q) = queue();
    let says = |comment: &str| Decision {
        session: "sess-1".into(),
        seal: "s".into(),
        approved: true,
        comment: comment.into(),
        author: "me".into(),
        at: 7,
    };
    q.submit(&[job("a", "a", 0)], 1).unwrap();
    let wait = || {
        assert_eq!(id(q.claim("me", 1, None).unwrap()), "a");
        q.note("a", "me", Some("sess-1"), None).unwrap();
        assert!(!q.decide(&says("too early")).unwrap(), "nobody asks");
        q.wait("a", "me", "seal").unwrap();
        q.job("a").unwrap().unwrap().state
    };
    assert_eq!(wait(), JobState::Waiting);
    assert_eq!(q.claim("me", 1, None).unwrap(), None);
    assert!(q.decide(&says("fine")).unwrap());
    let woken = q.job("a").unwrap().unwrap();
    assert_eq!((woken.state, woken.session.as_deref()), (JobState::Queued, Some("sess-1")));
    assert_eq!(q.decisions("sess-1").unwrap(), [says("fine")]);
    assert!(!q.decide(&says("again")).unwrap(), "it is decided");
    assert_eq!(wait(), JobState::Waiting);
    assert!(q.look_again("sess-1").unwrap() && !q.look_again("sess-1").unwrap());
    assert_eq!(wait(), JobState::Waiting);
    let cancelled: Vec<_> = q.cancel("a").unwrap().into_iter().map(|j| j.id).collect();
    assert_eq!(cancelled, ["a"]);
    assert_eq!(wait(), JobState::Queued);
    q.claim("me", 1, None).unwrap();
    assert_eq!(q.cancelled("me").unwrap(), ["a"]);
    q.put_back("a", "me", 0, Back::Again).unwrap();
    assert_eq!(id(q.claim("me", 1, None).unwrap()), "a");
    q.finish("a", "me", "{}", 9).unwrap();
    assert_eq!(q.cancel("a").unwrap(), []);
}

#[test]
fn what_is_cancelled_is_due_at_once_with_its_children() {
    let (_dir, q) = queue();
    q.submit(&[job("g", "g", 0), child("g/1", "g"), child("g/2", "g")], 1).unwrap();
    q.claim("me", 1, None).unwrap();
    q.put_back("g/1", "me", 1_000, Back::Again).unwrap();
    assert_eq!(q.cancel("g").unwrap().len(), 3);
    assert_eq!(id(q.claim("me", 2, None).unwrap()), "g/1");
    assert!(q.job("g/2").unwrap().unwrap().cancelled);
}

#[test]
fn the_jobs_of_a_dead_owner_are_taken_over_once() {
    let (dir, q) = queue();
    let owners = dir.path().join("owners");
    let (dead, me) = (Owner::new(&owners).unwrap(), Owner::new(&owners).unwrap());
    q.submit(&[job("a", "a", 0), job("b", "b", 0)], 1).unwrap();
    q.claim(dead.name(), 1, None).unwrap();
    q.claim(me.name(), 1, None).unwrap();
    assert_eq!(q.owners().unwrap().len(), 2);
    assert!(is_alive(&owners, dead.name()).unwrap());
    let name = dead.name().to_owned();
    drop(dead);
    assert!(!is_alive(&owners, &name).unwrap());
    let taken = q.take_over(&name, me.name(), Some("a")).unwrap();
    assert_eq!((taken, q.take_over(&name, "you", None).unwrap().len()), (vec!["a".to_owned()], 0));
    assert!(!q.finish("a", &name, "{}", 2).unwrap());
    assert!(q.finish("a", me.name(), "{}", 2).unwrap());
}

#[test]
fn a_prefix_is_enough_if_it_is_one_jobs() {
    let (_dir, q) = queue();
    q.submit(&[job("task-ab1", "a", 0), job("task-ab2", "a", 0)], 1).unwrap();
    assert_eq!(id(q.find("ab1").unwrap()), "task-ab1");
    assert_eq!(id(q.find("task-ab2").unwrap()), "task-ab2");
    q.submit(&[job("task-gr", "g", 0), child("task-gr.1", "task-gr")], 1).unwrap();
    assert_eq!(id(q.find("g").unwrap()), "task-gr", "not one of its own");
    assert_eq!(id(q.find("gr.").unwrap()), "task-gr.1");
    assert_eq!(q.find("c").unwrap(), None);
    assert_eq!(q.find("ab").unwrap_err().code(), "TASK_AMBIGUOUS");
    assert_eq!(q.find("%").unwrap(), None);
}

#[test]
fn what_has_ended_is_listed_when_asked_for_and_a_prefix_is_no_pattern() {
    let (_dir, q) = queue();
    q.submit(&[job("task-a%", "a", 1), job("task-ab", "b", 0)], 1).unwrap();
    assert_eq!(id(q.claim("me", 1, None).unwrap()), "task-a%");
    assert!(q.note_session("task-a%", "me", "sess-1").unwrap());
    assert!(!q.note_session("task-a%", "you", "sess-2").unwrap());
    assert_eq!(q.job("task-a%").unwrap().unwrap().session.as_deref(), Some("sess-1"));
    assert!(q.finish("task-a%", "me", "{}", 2).unwrap());
    let ids = |ended| -> Vec<_> { q.jobs(ended).unwrap().into_iter().map(|j| j.id).collect() };
    assert_eq!(ids(false), ["task-ab"]);
    assert_eq!(ids(true), ["task-a%", "task-ab"]);
    assert_eq!(id(q.find("a%").unwrap()), "task-a%");
    assert_eq!(id(q.find("task-ab").unwrap()), "task-ab");
    assert_eq!(q.find("task-b").unwrap(), None);
}

#[test]
fn many_workers_get_each_job_once() {
    let (dir, q) = queue();
    let jobs: Vec<_> =
        (0..200).map(|n| job(&format!("task-{n}"), &format!("{}", n % 7), 0)).collect();
    q.submit(&jobs, 1).unwrap();
    let got = AtomicUsize::new(0);
    let all: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (path, got) = (dir.path().join("queue.db"), &got);
                scope.spawn(move || {
                    let (q, me) = (Queue::open(&path).unwrap(), format!("worker {worker}"));
                    let mut mine = Vec::new();
                    while let Some(job) = q.claim(&me, 2, None).unwrap() {
                        assert!(q.finish(&job.id, &me, &me, 3).unwrap());
                        got.fetch_add(1, Ordering::Relaxed);
                        mine.push(job.id);
                    }
                    mine
                })
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (200, 200));
    assert!(q.jobs(true).unwrap().iter().all(|j| j.state == JobState::Done));
}

#[test]
fn another_version_is_refused() {
    let (dir, q) = queue();
    drop(q);
    let path = dir.path().join("queue.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert_eq!(Queue::open(&path).unwrap_err().code(), "FORMAT_UNKNOWN");
}

fn end(q: &Queue, id: &str, session: &str, at: i64) {
    assert_eq!(self::id(q.claim("me", at, None).unwrap()), id);
    assert!(q.note(id, "me", Some(session), None).unwrap());
    assert!(q.finish(id, "me", "{}", at).unwrap());
}

/// Has a person decide about a session of a job that runs.
fn decide(q: &Queue, id: &str, session: &str, at: i64) {
    assert_eq!(self::id(q.claim("me", at, None).unwrap()), id);
    assert!(q.note(id, "me", Some(session), None).unwrap());
    assert!(q.wait(id, "me", "good?").unwrap());
    let (seal, comment, author) = ("s".into(), String::new(), "me".into());
    let session = session.into();
    assert!(q.decide(&Decision { session, seal, approved: true, comment, author, at }).unwrap());
}

#[test]
fn what_has_ended_is_removed_whole_with_its_decisions() {
    let (_dir, q) = queue();
    q.submit(&[job("g", "g", 0), child("g.1", "g"), child("g.2", "g")], 1).unwrap();
    end(&q, "g.1", "s1", 10);
    assert_eq!(q.ended_by(100).unwrap(), [""; 0], "of a group a part has ended");
    assert!(!q.remove("g").unwrap());
    assert_eq!(q.jobs(true).unwrap().len(), 3, "all or nothing");
    decide(&q, "g.2", "s0", 11);
    decide(&q, "g.2", "s2", 12);
    end(&q, "g.2", "s2", 20);
    end(&q, "g", "s3", 30);
    q.submit(&[job("a", "a", 0)], 31).unwrap();
    decide(&q, "a", "sa", 32);
    end(&q, "a", "sa", 40);
    assert_eq!(q.ended_by(29).unwrap(), [""; 0]);
    assert_eq!(q.ended_by(30).unwrap(), ["g"]);
    assert_eq!(q.ended_by(40).unwrap(), ["g", "a"]);
    let ids: Vec<_> = q.submission("g").unwrap().into_iter().map(|j| j.id).collect();
    assert_eq!(ids, ["g", "g.1", "g.2"]);

    assert!(q.remove("g").unwrap());
    assert!(!q.remove("g").unwrap(), "there is none any more");
    let left: Vec<_> = q.jobs(true).unwrap().into_iter().map(|j| j.id).collect();
    assert_eq!(left, ["a"]);
    let said = |session| q.decisions(session).unwrap().len();
    assert_eq!((said("s0"), said("s2"), said("sa")), (1, 0, 1));
    assert_eq!(q.remove_decisions(10).unwrap(), 0, "it was said later");
    assert_eq!(q.remove_decisions(100).unwrap(), 1);
    assert_eq!((said("s0"), said("sa")), (0, 1), "another job's stays");
    assert!(q.submit(&[job("g", "g", 0)], 50).unwrap(), "the id is free");
}

#[test]
fn what_removed_rows_took_is_given_back_while_others_work() {
    let (dir, q) = queue();
    let path = dir.path().join("queue.db");
    let other = Queue::open(&path).unwrap();
    for n in 0..8 {
        let task = "x".repeat(1 << 20);
        q.submit(&[NewJob { task, ..job(&format!("j{n}"), &format!("j{n}"), 0) }], 1).unwrap();
        end(&q, &format!("j{n}"), "s", 2);
    }
    other.submit(&[job("rest", "rest", 0)], 3).unwrap();
    q.ended_by(5).unwrap().iter().for_each(|of| assert!(q.remove(of).unwrap()));
    q.compact().unwrap();
    let size: u64 = ["queue.db", "queue.db-wal"]
        .map(|name| std::fs::metadata(dir.path().join(name)).map_or(0, |meta| meta.len()))
        .iter()
        .sum();
    assert!(size < 1 << 20, "{size}");
    other.submit(&[job("more", "more", 0)], 4).unwrap();
    drop((q, other));
    let again = Queue::open(&path).unwrap();
    let left: Vec<_> = again.jobs(true).unwrap().into_iter().map(|j| j.id).collect();
    assert_eq!(left, ["rest", "more"]);
}

#[test]
fn files_of_dead_owners_are_found_and_those_of_others_not() {
    use std::time::{Duration, SystemTime};
    let dir = tempfile::tempdir().unwrap();
    let owners = dir.path().join("owners");
    assert_eq!(dead_owners(&owners, SystemTime::now()).unwrap(), []);
    let _alive = Owner::new(&owners).unwrap();
    std::fs::write(owners.join("1-dead"), "").unwrap();
    std::fs::create_dir(owners.join("directory")).unwrap();
    let later = SystemTime::now() + Duration::from_secs(60);
    let found = dead_owners(&owners, later).unwrap();
    assert_eq!(found, [(owners.join("1-dead"), 0)]);
    let before = SystemTime::now() - Duration::from_secs(3600);
    assert_eq!(dead_owners(&owners, before).unwrap(), [], "it may be about to lock it");
}

#[test]
fn who_watches_is_told_how_many_are_where_and_what_is_new() {
    let (_dir, q) = queue();
    assert_eq!((q.counts().unwrap(), q.last_number().unwrap()), (JobCounts::default(), 0));
    q.submit(&[job("a", "a", 0), job("b", "b", 0), job("c", "c", 0), job("d", "d", 0)], 1).unwrap();
    for _ in 0..3 {
        q.claim("me", 1, None).unwrap();
    }
    q.wait("a", "me", "{}").unwrap();
    q.finish("b", "me", "{}", 2).unwrap();
    assert_eq!(q.counts().unwrap(), JobCounts { queued: 1, running: 1, waiting: 1 });
    let (new, last) = q.submitted_after(0).unwrap();
    let new: Vec<_> = new.iter().map(|j| (j.id.as_str(), j.state)).collect();
    let (waiting, done) = (JobState::Waiting, JobState::Done);
    let (running, queued) = (JobState::Running, JobState::Queued);
    assert_eq!(new, [("a", waiting), ("b", done), ("c", running), ("d", queued)]);
    assert_eq!(last, q.last_number().unwrap());
    assert_eq!(q.submitted_after(last).unwrap(), (Vec::new(), last));
}
