//! What was sealed lands exactly so, as the next landing, or not at all. B-050, B-052, B-120.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Isolation, Landed, Moved, Policy,
    RebaseOptions, Seal, Session, SessionId,
};
use brio_session::{RelPath, Time, ViewOptions};
use common::{begin, commit, edit, open, read, state, tree, write, writer};

fn path(p: &str) -> RelPath {
    RelPath::new(p).unwrap()
}

fn sealed(d: &Domain, seal: &Seal) -> Result<Landed, CommitError> {
    by(d, seal, Policy::Reject)
}

fn by(d: &Domain, seal: &Seal, policy: Policy) -> Result<Landed, CommitError> {
    let options = CommitOptions { sealed: Some(seal.clone()), policy, ..CommitOptions::default() };
    d.commit(&seal.session, options)
}

fn moved(e: CommitError) -> Moved {
    assert_eq!(e.code(), "SEAL_BROKEN", "{e}");
    match e {
        CommitError::SealBroken { moved, .. } => moved,
        e => panic!("{e}"),
    }
}

fn rebase(s: &Session, policy: Policy) -> Result<bool, CommitError> {
    s.rebase(&RebaseOptions { policy, ..RebaseOptions::default() }).map(|r| r.moved)
}

fn child(d: &Domain, parent: &Session) -> Session {
    let parent = Some(parent.id().clone());
    d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap()
}

/// A base of three texts, whose change times lie before every session.
fn base() -> (tempfile::TempDir, Domain) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(dir.path().join(name), "1\n2\n3\n").unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(3));
    let d = open(dir.path());
    (dir, d)
}

#[test]
fn what_was_sealed_lands_and_gates_in_branches_do_not_break_it() {
    let (dir, d) = base();
    let s = begin(&d, "feature");
    edit(&s, &[("a", b"ours")]);
    let w = writer(&s);
    w.view().mkdir_at(&w.view().root(), b"new").unwrap();
    write(w.view(), "new/file", b"new");
    w.view().symlink_at(b"file", &w.view().root(), b"new/link").unwrap();
    w.finish().unwrap();
    let seal = s.seal().unwrap();
    assert_eq!((seal.landing, &seal.session, &seal.parent), (0, s.id(), &None));
    // A gate works in a branch, which goes.
    let gate = child(&d, &s);
    edit(&gate, &[("a", b"what a test run left")]);
    d.rollback(gate.id(), false).unwrap();
    s.checkpoint("sealed").unwrap();
    assert_eq!(s.seal().unwrap(), seal, "looking changes nothing");
    // It is said so in a file, and read again by another process.
    let text = serde_json::to_string(&seal).unwrap();
    let seal: Seal = serde_json::from_str(&text).unwrap();
    assert!(seal.to_string().starts_with(&format!("{} on landing 0, changes ", s.id())));
    let d = open(dir.path());
    assert_eq!(sealed(&d, &seal).unwrap().landing, Some(1));
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"ours");
    assert_eq!(fs::read(dir.path().join("new/link")).unwrap(), b"new");
    assert_eq!(sealed(&d, &seal).unwrap_err().code(), "SESSION_ENDED");
}

#[test]
fn a_landing_that_touches_nothing_of_ours_breaks_it() {
    let (dir, d) = base();
    let (s, other) = (begin(&d, "ours"), begin(&d, "tidy up"));
    edit(&s, &[("a", b"ours")]);
    edit(&other, &[("b", b"theirs")]);
    let seal = s.seal().unwrap();
    commit(&d, other.id()).unwrap();
    let before = tree(dir.path());
    for policy in [Policy::Reject, Policy::Merge, Policy::LastWriteWins] {
        let e = by(&d, &seal, policy).unwrap_err();
        let text = e.to_string();
        assert!(text.contains(&format!("landing 1 of {} (\"tidy up\")", other.id())), "{text}");
        assert!(text.contains("rebase it"), "{text}");
        match moved(e) {
            Moved::Base(by) => {
                let by: Vec<_> = by.iter().map(|b| (b.landing, &b.session, &b.goal)).collect();
                assert_eq!(by, [(1, other.id(), &Some("tidy up".to_owned()))]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tree(dir.path()), before);
    assert_eq!(state(dir.path(), "staging"), Vec::<String>::new());
    assert_eq!(s.info().unwrap().state, brio_landing::State::Open, "it is no conflict");
    let entries = d.journal_entries().unwrap();
    assert_eq!(entries.iter().filter(|e| e.what == "seal-broken").count(), 3);
    // It can only be sealed again where it stands on what is there.
    let e = s.seal().unwrap_err();
    assert_eq!(e.code(), "SESSION_BEHIND");
    assert!(e.to_string().contains("landing 1 of"), "{e}");
    assert!(rebase(&s, Policy::Reject).unwrap());
    let again = s.seal().unwrap();
    assert_eq!((again.landing, again.digest), (1, seal.digest), "the changes are the same");
    moved(sealed(&d, &seal).unwrap_err());
    assert_eq!(sealed(&d, &again).unwrap().landing, Some(2));
    assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"theirs");
}

#[test]
fn every_kind_of_change_in_the_session_breaks_it() {
    type Edit = fn(&brio_session::View);
    let edits: [(&str, Edit); 8] = [
        ("content", |v| write(v, "a", b"OURS")),
        ("an addition", |v| write(v, "added", b"")),
        ("a removal", |v| v.unlink_at(&v.root(), b"b").unwrap()),
        ("a mode", |v| v.set_mode_at(&v.root(), b"a", false, 0o755).unwrap()),
        ("a rename", |v| v.rename_at(&v.root(), b"a", &v.root(), b"z").unwrap()),
        ("a link", |v| v.symlink_at(b"a", &v.root(), b"l").unwrap()),
        ("another name", |v| v.link_at(&v.root(), b"a", false, &v.root(), b"h").unwrap()),
        ("times", |v| {
            let t = brio_session::SetTime::At(Time { secs: 7, nanos: 0 });
            v.set_times_at(&v.root(), b"a", false, t, t).unwrap();
        }),
    ];
    for (what, change) in edits {
        let (dir, d) = base();
        let s = begin(&d, "ours");
        edit(&s, &[("a", b"ours")]);
        let seal = s.seal().unwrap();
        let w = writer(&s);
        change(w.view());
        w.finish().unwrap();
        let before = tree(dir.path());
        assert_eq!(moved(sealed(&d, &seal).unwrap_err()), Moved::Session, "{what}");
        assert_eq!(tree(dir.path()), before, "{what}");
        assert_eq!(state(dir.path(), "staging"), Vec::<String>::new(), "{what}");
        let seal = s.seal().unwrap();
        sealed(&d, &seal).unwrap_or_else(|e| panic!("{what}: {e}"));
    }
}

#[test]
fn changes_that_are_taken_back_leave_the_seal_whole() {
    let (dir, d) = base();
    let s = begin(&d, "ours");
    edit(&s, &[("a", b"ours")]);
    s.checkpoint("before").unwrap();
    let seal = s.seal().unwrap();
    edit(&s, &[("a", b"other"), ("b", b"other")]);
    moved(sealed(&d, &seal).unwrap_err());
    s.restore("before").unwrap();
    sealed(&d, &seal).unwrap();
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"ours");
}

#[test]
fn an_edit_from_outside_is_a_conflict_and_no_policy_settles_it_unseen() {
    let (dir, d) = base();
    let s = begin(&d, "ours");
    edit(&s, &[("a", b"one\n2\n3\n")]);
    let seal = s.seal().unwrap();
    fs::write(dir.path().join("a"), "1\n2\nthree\n").unwrap();
    assert_eq!(sealed(&d, &seal).unwrap_err().code(), "CONFLICT");
    for policy in [Policy::Merge, Policy::LastWriteWins] {
        assert_eq!(moved(by(&d, &seal, policy).unwrap_err()), Moved::Drift(vec![path("a")]));
    }
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"1\n2\nthree\n");
    assert_eq!(s.seal().unwrap_err().code(), "CONFLICT", "no gate needs to look at it");
    let e = rebase(&s, Policy::Reject).unwrap_err();
    assert_eq!((e.code(), e.conflicts().len()), ("CONFLICT", 1));
    assert!(e.conflicts()[0].sides.theirs.is_some(), "the report is complete");
    assert!(rebase(&s, Policy::Merge).unwrap());
    let seal = s.seal().unwrap();
    sealed(&d, &seal).unwrap();
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"one\n2\nthree\n");
}

#[test]
fn a_rebase_settles_by_policy_or_leaves_the_session_as_it_was() {
    let (dir, d) = base();
    let (s, other) = (begin(&d, "ours"), begin(&d, "theirs"));
    edit(&s, &[("a", b"one\n2\n3\n"), ("b", b"ours\n"), ("new", b"new")]);
    edit(&other, &[("a", b"1\n2\nthree\n"), ("b", b"theirs\n")]);
    commit(&d, other.id()).unwrap();
    let record = || {
        let m = fs::read(dir.path().join(format!(".brio/sessions/{}/meta.json", s.id())));
        let mut m: serde_json::Value = serde_json::from_slice(&m.unwrap()).unwrap();
        m["conflicted"] = serde_json::Value::Null;
        m
    };
    let before = record();
    for (policy, paths) in [(Policy::Reject, 2), (Policy::Merge, 2)] {
        let e = rebase(&s, policy).unwrap_err();
        assert_eq!((e.code(), e.conflicts().len()), ("CONFLICT", paths));
        assert_eq!(record(), before);
    }
    let options = RebaseOptions { policy: Policy::LastWriteWins, ..RebaseOptions::default() };
    let done = s.rebase(&options).unwrap();
    assert_eq!((done.landing, done.moved), (1, true));
    assert_eq!(done.settled, [path("a"), path("b")]);
    assert_eq!(s.info().unwrap().landing, 1);
    assert!(!rebase(&s, Policy::Reject).unwrap(), "there is nothing to do");
    let entries = d.journal_entries().unwrap();
    assert_eq!(entries.iter().filter(|e| e.what == "rebased").count(), 1);
    sealed(&d, &s.seal().unwrap()).unwrap();
    assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"ours\n");
    assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"new");
}

#[test]
fn a_session_that_changed_nothing_ends_only_on_what_its_gates_saw() {
    let (_dir, d) = base();
    let (s, other) = (begin(&d, ""), begin(&d, ""));
    let seal = s.seal().unwrap();
    edit(&other, &[("b", b"theirs")]);
    commit(&d, other.id()).unwrap();
    assert!(matches!(moved(sealed(&d, &seal).unwrap_err()), Moved::Base(_)));
    rebase(&s, Policy::Reject).unwrap();
    assert_eq!(sealed(&d, &s.seal().unwrap()).unwrap().landing, None);
}

#[test]
fn a_seal_is_of_one_session_and_with_open_children_nothing_lands() {
    let (_dir, d) = base();
    let (s, other) = (begin(&d, ""), begin(&d, ""));
    edit(&s, &[("a", b"same")]);
    edit(&other, &[("a", b"same")]);
    let seal = s.seal().unwrap();
    let options = CommitOptions { sealed: Some(seal.clone()), ..CommitOptions::default() };
    let e = d.commit(other.id(), options.clone()).unwrap_err();
    assert_eq!(moved(e), Moved::OtherSession(s.id().clone()));
    let c = child(&d, &s);
    edit(&c, &[("b", b"child")]);
    let e = d.commit(s.id(), CommitOptions { cascade: true, ..options }).unwrap_err();
    assert_eq!(e.code(), "OPEN_CHILDREN");
    assert_eq!(s.seal().unwrap_err().code(), "OPEN_CHILDREN");
    assert!(d.session(c.id()).is_ok(), "the child has not landed either");
}

#[test]
fn a_childs_seal_is_broken_by_its_parent_and_by_its_siblings() {
    let (dir, d) = base();
    let parent = begin(&d, "parent");
    edit(&parent, &[("a", b"parent")]);
    let (one, two) = (child(&d, &parent), child(&d, &parent));
    edit(&one, &[("b", b"one")]);
    edit(&two, &[("c", b"two")]);
    let (first, second) = (one.seal().unwrap(), two.seal().unwrap());
    assert_eq!(first.parent, second.parent);
    assert_eq!(first.parent.as_ref().unwrap().session, *parent.id());
    assert!(first.to_string().contains(&format!("on {} (", parent.id())), "{first}");
    assert_eq!(sealed(&d, &first).unwrap().parent, Some(parent.id().clone()));
    // Its sibling was not there when its gates looked.
    let e = by(&d, &second, Policy::LastWriteWins).unwrap_err();
    assert_eq!(moved(e), Moved::Parent(parent.id().clone()));
    assert_eq!(two.seal().unwrap_err().code(), "SESSION_BEHIND");
    assert!(rebase(&two, Policy::Reject).unwrap());
    assert!(!rebase(&two, Policy::Reject).unwrap());
    let second = two.seal().unwrap();
    edit(&parent, &[("a", b"moved")]);
    assert_eq!(moved(sealed(&d, &second).unwrap_err()), Moved::Parent(parent.id().clone()));
    rebase(&two, Policy::Reject).unwrap();
    let second = two.seal().unwrap();
    edit(&two, &[("c", b"TWO")]);
    assert_eq!(moved(sealed(&d, &second).unwrap_err()), Moved::Session);
    // While its parent is being written, it lands on what is there in that moment.
    let second = two.seal().unwrap();
    let w = writer(&parent);
    let options = CommitOptions { sealed: Some(second.clone()), ..CommitOptions::default() };
    write(w.view(), "a", b"written");
    let e = w.commit_child(two.id(), options).unwrap_err();
    assert_eq!(moved(e), Moved::Parent(parent.id().clone()));
    w.finish().unwrap();
    rebase(&two, Policy::Reject).unwrap();
    let w = writer(&parent);
    let options = CommitOptions { sealed: Some(two.seal().unwrap()), ..CommitOptions::default() };
    w.commit_child(two.id(), options).unwrap();
    assert_eq!(read(w.view(), "c").unwrap(), b"TWO");
    w.finish().unwrap();
    sealed(&d, &parent.seal().unwrap()).unwrap();
    let file = |p: &str| fs::read_to_string(dir.path().join(p)).unwrap();
    assert_eq!([file("a"), file("b"), file("c")], ["written", "one", "TWO"]);
}

#[test]
fn a_landing_that_was_undone_did_not_break_it() {
    use brio_session::Verdict;
    use common::faults::At;
    let (dir, d) = base();
    drop(d);
    // One landing of somebody else fails for good after its seal, wherever that is.
    let mut aborted = 0;
    for n in 0.. {
        let (at, door) = At::door(Verdict::Fail(5));
        let d = common::open_door(dir.path(), door);
        let (s, other) = (begin(&d, ""), begin(&d, "fails"));
        edit(&s, &[("a", format!("ours {n}").as_bytes())]);
        edit(&other, &[("b", format!("theirs {n}").as_bytes())]);
        let seal = s.seal().unwrap();
        let (before, was) = (d.landing().unwrap(), at.seen());
        at.arm(n);
        let failed = commit(&d, other.id());
        let all = at.seen() - was <= n;
        at.arm(usize::MAX / 2);
        let burned = d.landing().unwrap() > before && failed.is_err();
        let landed = sealed(&d, &seal);
        match (burned, &failed) {
            (true, _) => {
                aborted += 1;
                let landed = landed.unwrap().landing.unwrap();
                assert!(landed > before + 1, "{n}");
            }
            (false, Ok(_)) => drop(moved(landed.unwrap_err())),
            (false, Err(_)) => assert_eq!(landed.unwrap().landing, Some(before + 1), "{n}"),
        }
        for id in [s.id(), other.id()] {
            let _ = d.rollback(id, false);
        }
        if all {
            break;
        }
    }
    assert!(aborted > 0, "some fault came after the seal");
}

#[test]
fn what_was_read_is_still_the_commits_to_validate() {
    let (dir, d) = base();
    let isolation = Isolation::Serializable;
    let s = d.begin(BeginOptions { isolation, ..BeginOptions::default() }).unwrap();
    let w = writer(&s);
    assert!(read(w.view(), "b").is_some());
    write(w.view(), "a", b"ours");
    w.finish().unwrap();
    let seal = s.seal().unwrap();
    fs::write(dir.path().join("b"), "from outside").unwrap();
    for policy in [Policy::Reject, Policy::LastWriteWins] {
        let e = by(&d, &seal, policy).unwrap_err();
        assert_eq!(e.code(), "CONFLICT", "no rebase helps against that");
        assert!(e.conflicts()[0].read);
    }
    assert_eq!(rebase(&s, Policy::LastWriteWins).unwrap_err().code(), "CONFLICT");
}

#[test]
fn many_sealed_sessions_land_each_on_what_it_was_sealed_on() {
    // B-050, T1: eight at once, in group commits, on one base.
    const THREADS: usize = 8;
    const EACH: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let landed: Mutex<Vec<(u64, u64, SessionId)>> = Mutex::default();
    let broken = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for t in 0..THREADS {
            let (d, landed, broken) = (&d, &landed, &broken);
            scope.spawn(move || {
                for i in 0..EACH {
                    let s = begin(d, &format!("{t}.{i}"));
                    edit(&s, &[(&format!("{t}.{i}"), b"x")]);
                    loop {
                        let seal = match s.seal() {
                            Ok(seal) => seal,
                            Err(e) => {
                                assert_eq!(e.code(), "SESSION_BEHIND", "{e}");
                                rebase(&s, Policy::Reject).unwrap();
                                continue;
                            }
                        };
                        match sealed(d, &seal) {
                            Ok(l) => {
                                let one = (l.landing.unwrap(), seal.landing, s.id().clone());
                                landed.lock().unwrap().push(one);
                                break;
                            }
                            Err(e) => {
                                assert!(matches!(moved(e), Moved::Base(_)));
                                broken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                                rebase(&s, Policy::Reject).unwrap();
                            }
                        }
                    }
                }
            });
        }
    });
    let landed = landed.into_inner().unwrap();
    assert_eq!(landed.len(), THREADS * EACH);
    for (number, sealed, id) in &landed {
        assert_eq!(*number, sealed + 1, "{id} landed on what its gates did not see");
    }
    let numbers: BTreeSet<u64> = landed.iter().map(|l| l.0).collect();
    assert_eq!(numbers, (1..=(THREADS * EACH) as u64).collect());
    assert_eq!(tree(dir.path()).len(), THREADS * EACH, "nothing is lost");
    assert_eq!(d.sessions().unwrap().len(), 0);
    println!("{} seals were broken", broken.into_inner());
}

#[test]
fn sealed_and_plain_landings_share_a_base() {
    const THREADS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for t in 0..THREADS {
            let (d, wrong) = (&d, &wrong);
            scope.spawn(move || {
                for i in 0..12 {
                    let s = begin(d, "");
                    edit(&s, &[(&format!("{t}.{i}"), b"x")]);
                    if t % 2 == 0 {
                        commit(d, s.id()).unwrap();
                        continue;
                    }
                    let number = loop {
                        if let Ok(seal) = s.seal()
                            && let Ok(l) = sealed(d, &seal)
                        {
                            break (l.landing.unwrap(), seal.landing + 1);
                        }
                        rebase(&s, Policy::Reject).unwrap();
                    };
                    if number.0 != number.1 {
                        wrong.lock().unwrap().push(number);
                    }
                }
            });
        }
    });
    assert_eq!(wrong.into_inner().unwrap(), []);
    assert_eq!(tree(dir.path()).len(), THREADS * 12);
}

#[test]
fn a_rebased_session_shows_what_landed_and_keeps_its_work() {
    let (_dir, d) = base();
    let (s, other) = (begin(&d, ""), begin(&d, ""));
    edit(&s, &[("a", b"ours")]);
    edit(&other, &[("b", b"theirs")]);
    commit(&d, other.id()).unwrap();
    let shown = |s: &Session, p: &str| read(&s.view(ViewOptions::default()).unwrap(), p).unwrap();
    assert_eq!(shown(&s, "b"), b"1\n2\n3\n", "it sees the base as of when it began");
    assert!(rebase(&s, Policy::Reject).unwrap());
    assert_eq!((shown(&s, "a"), shown(&s, "b")), (b"ours".to_vec(), b"theirs".to_vec()));
}
