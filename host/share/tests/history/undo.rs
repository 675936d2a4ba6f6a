//! Landings taken back.

use brio_landing::{Policy, Theirs, UndoError, UndoOptions};
use brio_session::ViewOptions;
use brio_share::{LandOptions, ShareError};
use brio_store::{GcOptions, Project};

use crate::common::{Machine, machine, project, write};
use crate::{land, nothing_left, path, text, undo};

/// Any machine undoes what another landed, by a landing that says so; once; and an undo of that
/// brings it back. Files, modes, links, directories that may not be written in, and kinds.
#[test]
fn a_landing_is_undone_elsewhere_and_that_again() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    land(
        &a,
        "base",
        &[("f", Some(b"1")), ("gone", Some(b"g")), ("turns", Some(b"t")), ("d/in", Some(b"i"))],
    );
    let s = a.begin("close");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    w.view().set_mode_at(&w.view().root(), b"d", false, 0o555).unwrap();
    w.finish().unwrap();
    a.place.land(&s, &LandOptions::default()).unwrap();

    let s = a.begin("much");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let (v, root) = (w.view(), w.view().root());
    v.unlink_at(&root, b"gone").unwrap();
    v.unlink_at(&root, b"turns").unwrap();
    write(v, "turns/into/a", b"directory");
    v.symlink_at(b"f", &root, b"link").unwrap();
    v.set_mode_at(&root, b"f", false, 0o755).unwrap();
    v.set_mode_at(&root, b"d", false, 0o755).unwrap();
    write(v, "d/in", b"changed");
    write(v, "d/new", b"new");
    v.set_mode_at(&root, b"d", false, 0o555).unwrap();
    v.make_dir_at(&root, b"closed", 0o755).unwrap();
    write(v, "closed/in", b"in");
    v.set_mode_at(&root, b"closed", false, 0o555).unwrap();
    w.finish().unwrap();
    let much = a.place.land(&s, &LandOptions::default()).unwrap().record.unwrap();
    land(&b, "beside", &[("beside", Some(b"b"))]);

    let options =
        UndoOptions { message: Some("no".into()), agent: Some("x".into()), ..Default::default() };
    let undone = b.place.undo(&b.domain, 3, &options).unwrap().record.unwrap();
    assert_eq!((undone.position, undone.why.undo_of), (5, Some(3)));
    assert_eq!(undone.why.goal.as_deref(), Some("undo of landing 3: much"));
    assert_eq!(
        (undone.why.message.as_deref(), undone.why.agent.as_deref()),
        (Some("no"), Some("x"))
    );
    // But for what landed beside it the tree is the one before, to the byte.
    let same = |at: u64, before: brio_store::Hash| {
        let wanted = a.place.run(|p: Project| async move {
            let head = p.head().await?;
            let now = p.tree(p.past(at, &head).await?.base.tree);
            brio_store::tree::diff(&p.tree(before), &now).await
        });
        let differ: Vec<_> = wanted.unwrap().into_iter().map(|d| d.key.path()).collect();
        assert_eq!(differ, [b"beside"]);
    };
    same(5, much.old_tree);

    for m in [&a, &b] {
        let e = undo(m, 3, Policy::LastWriteWins).unwrap_err();
        assert!(
            matches!(e, ShareError::Undo(UndoError::AlreadyUndone { landing: 3, by: 5 })),
            "{e}"
        );
        for unknown in [0, 99] {
            let e = undo(m, unknown, Policy::Reject).unwrap_err();
            assert!(e.to_string().starts_with("LANDING_UNKNOWN: there is no landing"), "{e}");
        }
        let log = m.place.log(None, None).unwrap();
        assert_eq!((log.landings[0].undo_of, log.landings[2].undone_by), (Some(3), Some(5)));
    }
    let again = undo(&a, 5, Policy::Reject).unwrap().record.unwrap();
    assert_eq!(again.why.undo_of, Some(5));
    same(6, much.new_tree);
    // So it can be undone once more.
    assert_eq!(a.place.log(None, None).unwrap().landings[3].undone_by, None);
    undo(&b, 3, Policy::Reject).unwrap();
    same(7, much.old_tree);
    nothing_left(&a);
    nothing_left(&b);
}

/// What was changed since stands against an undo, by path and by landing; nothing is lost, and a
/// policy settles what it can.
#[test]
fn what_changed_since_is_a_conflict() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    land(&a, "base", &[("text", Some(b"one\ntwo\nthree\nfour\nfive\n")), ("f", Some(b"1"))]);
    land(&a, "change", &[("text", Some(b"ONE\ntwo\nthree\nfour\nfive\n")), ("f", Some(b"2"))]);
    land(&b, "since", &[("text", Some(b"ONE\ntwo\nthree\nfour\nFIVE\n"))]);

    let e = undo(&b, 2, Policy::Reject).unwrap_err();
    let wanted = "CONFLICT: landing 2 cannot be undone, its paths were changed since: text";
    assert!(e.to_string().starts_with(wanted), "{e}");
    let ShareError::Undo(UndoError::Conflict { conflicts, .. }) = &e else { panic!("{e}") };
    let Theirs::Landing { number, goal, .. } = &conflicts[0].theirs else {
        panic!("{conflicts:?}")
    };
    assert_eq!((conflicts.len(), *number, goal.as_deref()), (1, 3, Some("since")));
    assert_eq!(a.place.head().unwrap().0.position(), 3, "nothing happened");
    nothing_left(&b);

    let merged = undo(&b, 2, Policy::Merge).unwrap();
    assert_eq!((merged.settled.len(), merged.record.unwrap().why.undo_of), (1, Some(2)));
    assert_eq!(text(&a, "text").as_deref(), Some("one\ntwo\nthree\nfour\nFIVE\n"));
    assert_eq!(text(&a, "f").as_deref(), Some("1"));

    // What cannot be merged is refused, and overridden if that is said.
    land(&a, "again", &[("f", Some(b"3"))]);
    land(&b, "and again", &[("f", Some(b"4"))]);
    let e = undo(&a, 5, Policy::Merge).unwrap_err();
    assert!(matches!(e, ShareError::Undo(UndoError::Conflict { .. })), "{e}");
    undo(&a, 5, Policy::LastWriteWins).unwrap();
    assert_eq!(text(&b, "f").as_deref(), Some("1"));
    nothing_left(&a);
    nothing_left(&b);
}

/// Of machines that undo one landing at the same time one does, and the others are told.
#[test]
fn an_undo_is_done_once() {
    let line = project();
    let machines: Vec<Machine> = (0..4).map(|_| machine(&line)).collect();
    land(&machines[0], "base", &[("f", Some(b"1"))]);
    for (round, policy) in
        [Policy::Reject, Policy::Merge, Policy::LastWriteWins].into_iter().enumerate()
    {
        let landing =
            land(&machines[0], "change", &[("f", Some(format!("round {round}").as_bytes()))]);
        let done: Vec<_> = std::thread::scope(|s| {
            let each = |m| s.spawn(move || undo(m, landing.position, policy));
            let all: Vec<_> = machines.iter().map(each).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let won = done.iter().filter(|d| d.is_ok()).count();
        assert_eq!(won, 1, "{done:?}");
        for e in done.into_iter().filter_map(Result::err) {
            assert!(matches!(e, ShareError::Undo(UndoError::AlreadyUndone { .. })), "{e}");
        }
        assert_eq!(machines[0].place.head().unwrap().0.position(), landing.position + 1);
    }
    machines.iter().for_each(nothing_left);
}

/// A line that is cut when the head has moved: the undo is done, nobody is left behind, and who
/// asks again is told.
#[test]
fn an_undo_whose_answer_was_lost_is_found() {
    let line = project();
    let a = machine(&line);
    land(&a, "base", &[("f", Some(b"1"))]);
    land(&a, "change", &[("f", Some(b"2"))]);
    line.cut();
    undo(&a, 2, Policy::Reject).unwrap_err();
    line.mend();
    nothing_left(&a);
    assert_eq!(a.place.head().unwrap().0.position(), 2);

    line.cut_after("head");
    undo(&a, 2, Policy::Reject).unwrap_err();
    line.mend();
    nothing_left(&a);
    let e = undo(&a, 2, Policy::Reject).unwrap_err();
    assert!(matches!(e, ShareError::Undo(UndoError::AlreadyUndone { by: 3, .. })), "{e}");
    assert_eq!(text(&a, "f").as_deref(), Some("1"));
}

/// What is no longer kept is neither offered nor undone, and its lines are said to be older.
#[test]
fn what_is_not_kept_is_not_undone() {
    let line = project();
    let a = machine(&line);
    for n in 1..=4 {
        land(&a, &n.to_string(), &[("f", Some("line\n".repeat(n).as_bytes()))]);
    }
    let keep = GcOptions { keep_landings: Some(2), ..GcOptions::default() };
    let kept = a.place.run(|p: Project| async move {
        p.collect(&keep, &mut |_| {}).await?;
        p.kept_from().await
    });
    let kept = kept.unwrap();
    assert!((2..=4).contains(&kept), "{kept}");
    for of in [None, Some(path("f"))] {
        let log = a.place.log(None, of.as_ref()).unwrap();
        let undoable: Vec<u64> =
            log.landings.iter().filter(|l| l.undoable).map(|l| l.landing).collect();
        assert_eq!((undoable, log.kept_since), ((kept..=4).rev().collect(), Some(kept)));
    }
    let e = undo(&a, kept - 1, Policy::LastWriteWins).unwrap_err();
    assert!(e.to_string().starts_with("LANDING_COLLECTED: what landing "), "{e}");
    assert_eq!(e.code(), "LANDING_COLLECTED");
    let origins: Vec<_> =
        a.place.blame(&path("f")).unwrap().lines.into_iter().map(|l| l.origin).collect();
    let older = |o: &&brio_landing::Origin| matches!(o, brio_landing::Origin::Before { .. });
    assert_eq!(origins.iter().filter(older).count() as u64, kept - 1, "{origins:?}");
    undo(&a, 4, Policy::Reject).unwrap();
    nothing_left(&a);
}
