//! Two homes as two machines: what one does the other sees, as the store says and no other way.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::{Policy, Session, State, Theirs};
use brio_session::{SetTime, ViewOptions};
use brio_share::{LandOptions, Place, ShareError, Story};
use brio_store::SessionState;
use common::{New, edit, machine, read, seen, write};

over_every_place! {
    what_lands_here_is_there,
    a_pushed_session_is_opened_elsewhere,
    landings_meet_by_path,
    nothing_changed_is_no_landing,
    a_landing_whose_answer_was_lost_is_found,
    what_was_done_after_a_lost_answer_lands_too,
    a_push_whose_answer_was_lost_is_found,
    a_session_works_offline_as_far_as_it_was_read,
    what_is_read_next_is_fetched_ahead,
    children_land_in_their_parents,
    many_land_at_once,
}

fn land(place: &Place, s: &Session) -> brio_store::LandingDoc {
    place.land(s, &LandOptions::default()).unwrap().record.expect("something landed")
}

fn noise(n: usize, mut seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(n + 8);
    while out.len() < n {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        out.extend_from_slice(&seed.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    out.truncate(n);
    out
}

/// M-033, M-040, M-041, M-042, M-034: a session begins on the head's tree, is edited, lands; others see
/// nothing of it before, and all of it after.
fn what_lands_here_is_there(new: New) {
    let line = new();
    let (a, b) = (machine(&line), machine(&line));
    let s = a.begin("first");
    edit(&s, &[("file1.go", Some(b"1")), ("src/main.go", Some(b"old"))]);
    let before = b.begin("looks");
    assert!(seen(&before).is_empty());
    let record = land(&a.place, &s);
    assert_eq!((record.position, record.counts.added), (1, 3));
    assert_eq!(record.why.goal.as_deref(), Some("first"));
    assert!(s.info().is_err(), "it has ended here");
    let doc = b.place.session(s.id().as_str()).unwrap();
    assert_eq!((doc.state, doc.landing.unwrap().position), (SessionState::Landed, Some(1)));

    // M-036, M-043: who began before sees what was there then.
    assert!(seen(&before).is_empty());
    let after = b.begin("looks again");
    let v = after.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "src/main.go"), b"old");
    assert_eq!(seen(&after).len(), 3);
}

/// M-001, M-011, M-044, M-050, M-002: a pushed session is the same elsewhere: files, modes, links, empty
/// directories, what is gone, what is large; and its story.
fn a_pushed_session_is_opened_elsewhere(new: New) {
    let line = new();
    let (a, b) = (machine(&line), machine(&line));
    let base = a.begin("base");
    let large = noise(5 << 20, 5);
    edit(
        &base,
        &[
            ("keep", Some(b"kept")),
            ("gone", Some(b"x")),
            ("mode", Some(b"#!/bin/sh")),
            ("dir/was", Some(b"a file")),
            ("turns/into", Some(b"a link")),
            ("big", Some(&large)),
            ("becomes-dir", Some(b"x")),
        ],
    );
    land(&a.place, &base);

    let s = a.begin("work");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let (v, root) = (w.view(), w.view().root());
    v.unlink_at(&root, b"gone").unwrap();
    v.set_mode_at(&root, b"mode", false, 0o755).unwrap();
    v.rename_at(&root, b"dir", &root, b"moved").unwrap();
    v.unlink_at(&root, b"turns/into").unwrap();
    v.rmdir_at(&root, b"turns").unwrap();
    v.symlink_at(b"keep", &root, b"turns").unwrap();
    v.unlink_at(&root, b"becomes-dir").unwrap();
    write(v, "becomes-dir/inside", b"now");
    v.mkdir_at(&root, b"empty").unwrap();
    v.make_dir_at(&root, b"closed", 0o755).unwrap();
    write(v, "closed/in", b"in");
    v.set_mode_at(&root, b"closed", false, 0o555).unwrap();
    let mut changed = large.clone();
    changed[3 << 20] ^= 1;
    write(v, "big", &changed);
    // Times alone are no change of a tree.
    v.set_times_at(&root, b"keep", false, SetTime::Now, SetTime::Now).unwrap();
    w.finish().unwrap();

    let story = Story {
        title: Some("a title".into()),
        machine: Some("machine a".into()),
        conversation: vec![serde_json::json!({"role": "user", "text": "do it"})],
        decisions: vec![serde_json::json!({"what": "rename", "why": "clearer"})],
        ..Story::default()
    };
    let pushed = a.place.push(&s, &story).unwrap();
    assert_eq!(pushed.session.seq, 1);
    assert!(pushed.stored.bytes < 4 << 20, "what is there is not sent: {:?}", pushed.stored);

    let there = b.place.open_session(&b.domain, s.id().as_str()).unwrap();
    assert_eq!(there.id(), s.id());
    assert_eq!(seen(&there), seen(&s));
    let (here, info) = (s.info().unwrap(), there.info().unwrap());
    assert_eq!((&info.goal, &info.agent, &info.lower), (&here.goal, &here.agent, &here.lower));
    let doc = b.place.session(s.id().as_str()).unwrap();
    assert_eq!(doc.conversation, story.conversation);
    assert_eq!(doc.decisions, story.decisions);
    // M-044: what it did not touch has the same times, too.
    let times = |s: &Session| {
        let v = s.view(ViewOptions::default()).unwrap();
        v.stat_at(&v.root(), b"moved", false).unwrap();
        let m = v.stat_at(&v.root(), b"moved/was", false).unwrap();
        (m.mtime, m.size)
    };
    assert_eq!(times(&there).1, times(&s).1);
    // And pushing it back says nothing new.
    let again = b.place.push(&there, &story).unwrap();
    assert_eq!((again.session.seq, again.session.tree), (2, pushed.session.tree));

    // M-050: who comes second is told, and nothing of his is lost.
    edit(&s, &[("mine", Some(b"a"))]);
    let e = a.place.push(&s, &story).unwrap_err();
    assert!(e.to_string().starts_with("CONFLICT: session"), "{e}");
    let v = s.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "mine"), b"a");

    // It lands from where it is; here it is told so.
    land(&b.place, &there);
    let e = a.place.push(&s, &story).unwrap_err();
    assert!(e.to_string().starts_with("CONFLICT"), "{e}");
    let e = a.place.open_session(&machine(&line).domain, s.id().as_str()).map(drop).unwrap_err();
    assert!(matches!(e, ShareError::Ended { .. }), "{e}");
    let c = machine(&line);
    let landed = c.begin("look");
    assert_eq!(seen(&landed).get("becomes-dir/inside").unwrap().3, b"now");
    assert!(!seen(&landed).contains_key("gone"));
}

/// M-042, M-050: disjoint landings succeed side by side; one that meets another's is told why, is
/// kept, and lands by a policy.
fn landings_meet_by_path(new: New) {
    let line = new();
    let (a, b) = (machine(&line), machine(&line));
    let base = a.begin("base");
    edit(&base, &[("text", Some(b"one\ntwo\nthree\nfour\nfive\n")), ("x", Some(b"x"))]);
    land(&a.place, &base);

    let (sa, sb, sc) = (a.begin("goal of a"), b.begin("goal of b"), b.begin("beside"));
    edit(&sa, &[("text", Some(b"ONE\ntwo\nthree\nfour\nfive\n")), ("x", Some(b"a"))]);
    edit(&sb, &[("text", Some(b"one\ntwo\nthree\nfour\nFIVE\n"))]);
    edit(&sc, &[("new", Some(b"c"))]);
    assert_eq!(land(&a.place, &sa).position, 2);
    assert_eq!(land(&b.place, &sc).position, 3);

    let e = b.place.land(&sb, &LandOptions::default()).unwrap_err();
    let ShareError::Conflicts { conflicts, .. } = &e else { panic!("{e}") };
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].path.to_string(), "text");
    let Theirs::Landing { number, session, goal, .. } = &conflicts[0].theirs else {
        panic!("{:?}", conflicts[0].theirs)
    };
    assert_eq!((*number, session, goal.as_deref()), (2, sa.id(), Some("goal of a")));
    assert!(e.to_string().starts_with("CONFLICT: 1 path of session sess-"), "{e}");
    assert!(matches!(sb.info().unwrap().state, State::Open | State::Conflicted));
    assert_eq!(b.place.head().unwrap().0.position(), 3, "nothing happened");

    let options = LandOptions { policy: Policy::Merge, ..LandOptions::default() };
    let landed = b.place.land(&sb, &options).unwrap();
    assert_eq!(landed.settled.len(), 1);
    assert_eq!(landed.record.unwrap().position, 4);
    let look = a.begin("look");
    let v = look.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "text"), b"ONE\ntwo\nthree\nfour\nFIVE\n");
}

/// A session that changed nothing lands as nothing, and has ended.
fn nothing_changed_is_no_landing(new: New) {
    let line = new();
    let a = machine(&line);
    let s = a.begin("idle");
    let done = a.place.land(&s, &LandOptions::default()).unwrap();
    assert_eq!(done.record, None);
    assert!(s.info().is_err());
    assert_eq!(a.place.head().unwrap().0.position(), 0);
}

/// A line that is cut when the head has moved, and nobody was told: the next attempt finds it.
fn a_landing_whose_answer_was_lost_is_found(new: New) {
    for pushed in [false, true] {
        let line = new();
        let a = machine(&line);
        let s = a.begin("cut off");
        edit(&s, &[("f", Some(b"1"))]);
        if pushed {
            a.place.push(&s, &Story::default()).unwrap();
        }
        line.cut_after("/head");
        let e = a.place.land(&s, &LandOptions::default()).unwrap_err();
        assert!(e.to_string().contains("STORE_UNREACHABLE"), "{e}");
        assert_eq!(s.info().unwrap().state, State::Open);
        line.mend();
        let id = s.id().clone();
        drop(s);
        let a = a.restart();
        let s = a.domain.session(&id).unwrap();
        let done = a.place.land(&s, &LandOptions::default()).unwrap();
        assert_eq!(done.record.unwrap().position, 1, "it landed once");
        assert_eq!(a.place.head().unwrap().0.position(), 1);
        assert!(s.info().is_err());
        let doc = a.place.session(id.as_str()).unwrap();
        assert_eq!(doc.state, SessionState::Landed);
    }
}

/// Who goes on working after such an attempt loses nothing: what is new lands as well.
fn what_was_done_after_a_lost_answer_lands_too(new: New) {
    let line = new();
    let a = machine(&line);
    let s = a.begin("cut off");
    edit(&s, &[("f", Some(b"1")), ("same", Some(b"1"))]);
    line.cut_after("/head");
    a.place.land(&s, &LandOptions::default()).unwrap_err();
    line.mend();
    edit(&s, &[("f", Some(b"2")), ("g", Some(b"2"))]);
    let done = a.place.land(&s, &LandOptions::default()).unwrap();
    assert_eq!(done.record.unwrap().position, 2, "the rest is a landing of its own");
    let look = machine(&line);
    let look = look.begin("look");
    let v = look.view(ViewOptions::default()).unwrap();
    assert_eq!(
        (read(&v, "f"), read(&v, "g"), read(&v, "same")),
        (b"2".into(), b"2".into(), b"1".into())
    );
}

/// A push whose answer was lost is no conflict with oneself.
fn a_push_whose_answer_was_lost_is_found(new: New) {
    let line = new();
    let a = machine(&line);
    let s = a.begin("cut off");
    for round in 0..3u64 {
        edit(&s, &[("f", Some(&[round as u8]))]);
        line.cut_after("/sessions/");
        let e = a.place.push(&s, &Story::default()).unwrap_err();
        assert!(e.to_string().contains("STORE_UNREACHABLE"), "{e}");
        line.mend();
        edit(&s, &[("g", Some(&[round as u8]))]);
        let done = a.place.push(&s, &Story::default()).unwrap();
        assert_eq!(done.session.seq, 2 * round + 2);
        let there = machine(&line);
        let opened = there.place.open_session(&there.domain, s.id().as_str()).unwrap();
        assert_eq!(seen(&opened), seen(&s));
    }
}

/// M-093: where its data is near, a session goes on without the store; where it is not, that is said.
fn a_session_works_offline_as_far_as_it_was_read(new: New) {
    let line = new();
    let a = machine(&line);
    let base = a.begin("base");
    edit(&base, &[("read", Some(b"near")), ("far/unread", Some(b"far"))]);
    land(&a.place, &base);
    let b = machine(&line);
    let s = b.begin("offline");
    let v = s.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "read"), b"near");
    drop(v);
    line.cut();
    let id = s.id().clone();
    drop(s);
    let b = b.restart();
    let s = b.domain.session(&id).unwrap();
    edit(&s, &[("mine", Some(b"written offline"))]);
    let v = s.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "read"), b"near");
    assert_eq!(read(&v, "mine"), b"written offline");
    let how = brio_session::OpenOptions { read: true, ..Default::default() };
    let e = v.open_at(&v.root(), b"far/unread", &how).map(drop).unwrap_err();
    assert_eq!(e, brio_session::FsError::Unreachable);
    drop(v);
    let e = b.place.land(&s, &LandOptions::default()).unwrap_err();
    assert!(e.to_string().starts_with("STORE_UNREACHABLE"), "{e}");
    line.mend();
    assert_eq!(land(&b.place, &s).position, 2);
}

/// Who reads one file after another of a directory finds the next ones near.
fn what_is_read_next_is_fetched_ahead(new: New) {
    let line = new();
    let a = machine(&line);
    let s = a.begin("many");
    let files: Vec<(String, Vec<u8>)> =
        (0..40).map(|n| (format!("d/{n:02}"), format!("file {n}").into_bytes())).collect();
    let edits: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(&text[..]))).collect();
    edit(&s, &edits);
    land(&a.place, &s);
    let b = machine(&line);
    let s = b.begin("reads");
    let v = s.view(ViewOptions::default()).unwrap();
    let (first, rest) = files.split_at(2);
    for (path, text) in first {
        assert_eq!(read(&v, path), *text);
    }
    let tree = b.place.project().tree(b.place.head().unwrap().0.tree());
    let entries = b.place.run(move |_| async move { tree.list(b"d").await }).unwrap();
    let near = || {
        entries.iter().all(|(_, e)| match e {
            brio_store::tree::Entry::File { content, .. } => {
                b.place.project().kept_file(&content.root).is_some()
            }
            _ => true,
        })
    };
    let begun = std::time::Instant::now();
    while !near() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "nothing was fetched");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    line.cut();
    for (path, text) in rest {
        assert_eq!(read(&v, path), *text);
    }
}

/// A child lands in its parent, and the parent on the head.
fn children_land_in_their_parents(new: New) {
    let line = new();
    let a = machine(&line);
    let parent = a.begin("parent");
    edit(&parent, &[("p", Some(b"p"))]);
    let child = a
        .domain
        .begin(brio_landing::BeginOptions {
            parent: Some(parent.id().clone()),
            ..brio_landing::BeginOptions::default()
        })
        .unwrap();
    edit(&child, &[("c", Some(b"c"))]);
    let e = a.place.land(&parent, &LandOptions::default()).unwrap_err();
    assert!(e.to_string().starts_with("OPEN_CHILDREN"), "{e}");
    assert_eq!(a.place.head().unwrap().0.position(), 0, "before the head moved");
    let e = a.place.push(&child, &Story::default()).unwrap_err();
    assert!(e.to_string().starts_with("NOT_SHARED"), "{e}");
    a.domain.commit(child.id(), Default::default()).unwrap();
    assert_eq!(land(&a.place, &parent).counts.added, 2);
}

/// Sixteen sessions on four machines land at once: all of them, in one chain.
fn many_land_at_once(new: New) {
    let line = new();
    let machines: Vec<_> = (0..4).map(|_| machine(&line)).collect();
    std::thread::scope(|scope| {
        for (m, a) in machines.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..4 {
                    let s = a.begin("race");
                    edit(&s, &[(&format!("m{m}-{n}"), Some(b"x"))]);
                    land(&a.place, &s);
                }
            });
        }
    });
    let look = machines[0].begin("look");
    assert_eq!(seen(&look).len(), 16);
    assert_eq!(machines[0].place.head().unwrap().0.position(), 16);
}
