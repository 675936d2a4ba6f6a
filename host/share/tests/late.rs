//! Requests that arrive long after their sender gave up or crashed: a landing or a push whose
//! swap is still on its way when the next one is made. Whatever comes when, a session lands what
//! it is, once, and whoever was told that it landed finds it so for good.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::Session;
use brio_share::{LandOptions, ShareError, Story};
use brio_store::{LandingDoc, Project, SessionState};
use common::{Line, Machine, New, Seen, edit, machine, seen};

over_every_place! {
    whatever_arrives_late_a_session_lands_once,
    what_others_changed_since_stays,
    who_opens_a_session_knows_its_attempts,
    late_pushes_are_no_conflict,
    what_is_given_up_never_lands,
}

/// What is done in a session after an attempt to land it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Nothing,
    More,
    TakenBack,
    AllTakenBack,
}

/// When what is on its way arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrives {
    Before,
    /// Right before the next attempt, which looked already.
    Between,
    After,
}

fn work(s: &Session, since: Since) {
    match since {
        Since::Nothing => {}
        Since::More => edit(s, &[("f", Some(b"2")), ("more", Some(b"2"))]),
        Since::TakenBack | Since::AllTakenBack => {
            edit(s, &[("g", None), ("d/h", None), ("gone", Some(b"0"))]);
            let w = s.writer("test", Default::default()).unwrap();
            w.view().rmdir_at(&w.view().root(), b"d").unwrap();
            w.finish().unwrap();
        }
    }
    if since == Since::AllTakenBack {
        edit(s, &[("f", Some(b"0"))]);
    }
}

fn on_the_head(line: &std::sync::Arc<Line>) -> Seen {
    let m = machine(line);
    seen(&m.begin("look"))
}

/// The landings of a session, oldest first; each changed something.
fn landings(m: &Machine, id: &str) -> Vec<LandingDoc> {
    let records = m.place.run(|p: Project| async move {
        let head = p.head().await?;
        let mut records = p.landings(&head, head.position()).await?;
        records.reverse();
        Ok(records)
    });
    let mut records = records.unwrap();
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.position, n as u64 + 1);
        assert_ne!(record.old_tree, record.new_tree);
    }
    records.retain(|r| r.why.session.as_deref() == Some(id));
    records
}

/// A session on a head that is not empty, which was to land, and nobody knows whether it did.
fn sent(m: &Machine, pushed: bool) -> Session {
    let base = m.begin("base");
    edit(&base, &[("f", Some(b"0")), ("gone", Some(b"0"))]);
    m.place.land(&base, &LandOptions::default()).unwrap();
    let s = m.begin("cut off");
    edit(&s, &[("f", Some(b"1")), ("g", Some(b"1")), ("d/h", Some(b"1")), ("gone", None)]);
    if pushed {
        m.place.push(&s, &Story::default()).unwrap();
    }
    send(m, &s);
    s
}

/// An attempt whose swap of the head is on its way when the machine hears nothing more.
fn send(m: &Machine, s: &Session) {
    m.line.hold("/head");
    let e = m.place.land(s, &LandOptions::default()).unwrap_err();
    assert!(e.to_string().contains("STORE_UNREACHABLE"), "{e}");
    m.line.mend();
}

fn whatever_arrives_late_a_session_lands_once(new: New) {
    let mut n = 0;
    for since in [Since::Nothing, Since::More, Since::TakenBack, Since::AllTakenBack] {
        for arrives in [Arrives::Before, Arrives::Between, Arrives::After] {
            // Neighbours differ in one or the other.
            let (twice, pushed) = (n % 2 == 1, n / 2 % 2 == 1);
            n += 1;
            eprintln!("{since:?} {arrives:?} twice {twice} pushed {pushed}");
            one(new, since, arrives, twice, pushed);
        }
    }
}

fn one(new: New, since: Since, arrives: Arrives, twice: bool, pushed: bool) {
    let line = new();
    let a = machine(&line);
    let s = sent(&a, pushed);
    let id = s.id().clone();
    drop(s);
    let a = a.restart();
    let s = a.domain.session(&id).unwrap();
    // Both are on their way, and the head is the one that they are for.
    if twice && since != Since::AllTakenBack {
        work(&s, since);
        send(&a, &s);
    } else if twice {
        send(&a, &s);
        work(&s, since);
    } else {
        work(&s, since);
    }
    match arrives {
        Arrives::Before => line.deliver(),
        Arrives::Between => line.deliver_before("/head"),
        Arrives::After => {}
    }
    let want = seen(&s);
    let done = a.place.land(&s, &LandOptions::default()).unwrap();
    assert!(s.info().is_err(), "it has ended");
    assert_eq!(on_the_head(&line), want);
    line.deliver();
    assert_eq!(on_the_head(&line), want, "something landed after that");

    let all = landings(&a, id.as_str());
    assert_eq!(done.record.as_ref(), all.last().filter(|_| done.record.is_some()));
    match (since, arrives) {
        (Since::Nothing, _) | (Since::More | Since::TakenBack, Arrives::After) => {
            assert_eq!(all.len(), 1);
        }
        (Since::AllTakenBack, Arrives::After) => assert_eq!((done.record, all.len()), (None, 0)),
        // What it was then, and what it is now.
        _ => assert!((1..=2).contains(&all.len())),
    }
    let doc = a.place.session(id.as_str()).unwrap();
    assert_eq!((doc.state, doc.attempts.len()), (SessionState::Landed, 0));
    assert_eq!(doc.landing.and_then(|l| l.position), all.last().map(|r| r.position));
}

/// It landed, others changed it, and only then does its machine ask.
fn what_others_changed_since_stays(new: New) {
    let line = new();
    let (a, b) = (machine(&line), machine(&line));
    let s = sent(&a, false);
    // And another attempt, on the same head: the first one arrives.
    send(&a, &s);
    line.deliver();
    let other = b.begin("other");
    edit(&other, &[("f", Some(b"other"))]);
    b.place.land(&other, &LandOptions::default()).unwrap();
    let head = on_the_head(&line);
    let done = a.place.land(&s, &LandOptions::default()).unwrap();
    assert_eq!(done.record.unwrap().position, 2, "it had landed before");
    assert_eq!(on_the_head(&line), head);
}

/// A machine that opens a session looks for what others sent of it.
fn who_opens_a_session_knows_its_attempts(new: New) {
    for (since, arrives) in [
        (Since::Nothing, Arrives::Before),
        (Since::More, Arrives::Before),
        (Since::TakenBack, Arrives::Between),
        (Since::Nothing, Arrives::Between),
        (Since::More, Arrives::After),
    ] {
        let line = new();
        let (a, b) = (machine(&line), machine(&line));
        let s = sent(&a, true);
        send(&a, &s);
        let there = b.place.session(s.id().as_str()).unwrap();
        assert_eq!((there.state, there.attempts.len()), (SessionState::Committing, 2));
        let there = b.place.open_session(&b.domain, s.id().as_str()).unwrap();
        assert_eq!(seen(&there), seen(&s));
        work(&there, since);
        match arrives {
            Arrives::Before => line.deliver(),
            Arrives::Between => line.deliver_before("/head"),
            Arrives::After => {}
        }
        let want = seen(&there);
        let done = b.place.land(&there, &LandOptions::default()).unwrap();
        line.deliver();
        assert_eq!(on_the_head(&line), want, "{since:?} {arrives:?}");
        let all = landings(&b, s.id().as_str());
        assert_eq!(done.record.as_ref(), all.last());
        let landings = match (since, arrives) {
            (Since::Nothing, _) | (_, Arrives::After) => 1,
            _ => 2,
        };
        assert_eq!(all.len(), landings, "{since:?} {arrives:?}");
        // Who comes back is told the truth, and changes nothing.
        match a.place.land(&s, &LandOptions::default()) {
            Ok(done) => assert_eq!(done.record.unwrap().position, 2),
            Err(e) => assert!(e.to_string().starts_with("SESSION_ENDED"), "{e}"),
        }
        assert_eq!(on_the_head(&line), want);
        let c = machine(&line);
        let e = c.place.open_session(&c.domain, s.id().as_str()).map(drop).unwrap_err();
        assert!(matches!(e, ShareError::Ended { .. }), "{e}");
    }
}

/// A push that arrives between the next one's look and its swap is the same machine's.
fn late_pushes_are_no_conflict(new: New) {
    let line = new();
    let a = machine(&line);
    let s = a.begin("pushed");
    let mut seq = 0;
    for round in 0..4u8 {
        for twice in [false, true] {
            edit(&s, &[("f", Some(&[round, u8::from(twice)]))]);
            for _ in 0..=u8::from(twice) {
                line.hold("/sessions/");
                a.place.push(&s, &Story::default()).unwrap_err();
                line.mend();
            }
            edit(&s, &[("g", Some(&[round]))]);
            match round {
                0 => line.deliver(),
                1 => line.deliver_before("/sessions/"),
                _ => {}
            }
            let done = a.place.push(&s, &Story::default()).unwrap();
            assert!(done.session.seq > seq);
            seq = done.session.seq;
            line.deliver();
            let there = a.place.session(s.id().as_str()).unwrap();
            assert_eq!((there.seq, there.tree), (seq, done.session.tree), "round {round}");
        }
    }
}

/// After `settle` nothing of a session lands that was rolled back.
fn what_is_given_up_never_lands(new: New) {
    for arrives in [Arrives::Before, Arrives::Between, Arrives::After] {
        let line = new();
        let a = machine(&line);
        let s = sent(&a, false);
        send(&a, &s);
        match arrives {
            Arrives::Before => line.deliver(),
            Arrives::Between => line.deliver_before("/head"),
            Arrives::After => {}
        }
        let landed = a.place.settle(&s).unwrap();
        let head = on_the_head(&line);
        let position = landed.as_ref().map_or(1, |l| l.position);
        assert_eq!(position, if arrives == Arrives::After { 1 } else { 2 });
        a.domain.rollback(s.id(), false).unwrap();
        line.deliver();
        assert_eq!(on_the_head(&line), head, "{arrives:?}");
        // The head is one to land on, as ever.
        let next = a.begin("next");
        edit(&next, &[("next", Some(b"1"))]);
        let done = a.place.land(&next, &LandOptions::default()).unwrap();
        assert_eq!(done.record.unwrap().position, position + 1);
    }
    // Also where nothing ever landed.
    let line = new();
    let a = machine(&line);
    let s = a.begin("first");
    edit(&s, &[("f", Some(b"1"))]);
    send(&a, &s);
    assert_eq!(a.place.settle(&s).unwrap(), None);
    line.deliver();
    assert!(on_the_head(&line).is_empty());
    assert_eq!(a.place.land(&s, &LandOptions::default()).unwrap().record.unwrap().position, 1);
}
