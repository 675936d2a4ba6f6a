//! What a session read on one machine, and others landed from another: refused where reads are
//! validated, and landed where they are not.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::{BeginOptions, Conflict, Isolation, Session, State, Theirs};
use brio_session::{Handle, OpenOptions, View, ViewOptions};
use brio_share::{LandOptions, ShareError};
use common::{Machine, New, edit, machine, read, seen, write};

over_every_place! {
    what_was_read_is_validated,
    of_two_that_read_each_others_one_lands,
    only_what_was_tracked_is_validated,
}

const BOTH: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

fn begin(m: &Machine, isolation: Isolation) -> Session {
    m.place.begin(&m.domain, BeginOptions { isolation, ..BeginOptions::default() }).unwrap()
}

fn base(m: &Machine) {
    let s = m.begin("base");
    edit(&s, &[("x", Some(b"1")), ("y", Some(b"1")), ("d/one", Some(b"1")), ("e/f", Some(b"1"))]);
    m.place.land(&s, &LandOptions::default()).unwrap();
}

fn work(s: &Session, act: impl FnOnce(&View)) {
    let w = s.writer("test", ViewOptions::default()).unwrap();
    act(w.view());
    w.finish().unwrap();
}

fn list(v: &View, path: &str) {
    let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
    let Handle::Dir(d) = v.open_at(&v.root(), path.as_bytes(), &how).unwrap() else { panic!() };
    d.list().unwrap();
}

fn is_there(v: &View, path: &str) -> bool {
    v.stat_at(&v.root(), path.as_bytes(), false).is_ok()
}

fn refused(e: ShareError) -> Vec<Conflict> {
    assert!(e.to_string().starts_with("CONFLICT: "), "{e}");
    match e {
        ShareError::Conflicts { conflicts, .. } => conflicts,
        e => panic!("{e}"),
    }
}

/// A way to read, what others do meanwhile, and the path that is told.
type Case = (fn(&View), (&'static str, Option<&'static [u8]>), &'static str);

const CASES: [Case; 5] = [
    (|v| drop(read(v, "x")), ("x", Some(b"2")), "x"),
    (|v| assert!(is_there(v, "x")), ("x", None), "x"),
    (|v| list(v, "d"), ("d/two", Some(b"2")), "d"),
    (|v| assert!(!is_there(v, "new")), ("new", Some(b"2")), "new"),
    (|v| drop(read(v, "e/f")), ("e/f", Some(b"22")), "e/f"),
];

fn what_was_read_is_validated(new: New) {
    for (reads, (path, content), told) in CASES {
        for isolation in BOTH {
            let line = new();
            let (a, b) = (machine(&line), machine(&line));
            base(&a);
            let (s, beside) = (begin(&a, isolation), begin(&a, isolation));
            work(&s, |v| {
                reads(v);
                write(v, "out", b"from what was read");
            });
            work(&beside, |v| {
                read(v, "y");
                write(v, "beside", b"from what nobody changes");
            });
            let other = b.begin("goal of b");
            edit(&other, &[(path, content)]);
            b.place.land(&other, &LandOptions::default()).unwrap();

            let landed = a.place.land(&s, &LandOptions::default());
            if isolation == Isolation::Snapshot {
                assert_eq!(landed.unwrap().record.unwrap().position, 3);
            } else {
                let conflicts = refused(landed.unwrap_err());
                let [c] = &conflicts[..] else { panic!("{conflicts:?}") };
                assert_eq!(c.path.to_string(), told);
                assert!(c.read && c.ours.is_none(), "{c:?}");
                if told == path {
                    let Theirs::Landing { number, goal, .. } = &c.theirs else { panic!("{c:?}") };
                    assert_eq!((*number, goal.as_deref()), (2, Some("goal of b")));
                }
                assert_eq!(a.place.head().unwrap().0.position(), 2, "nothing landed");
                assert!(matches!(s.info().unwrap().state, State::Open | State::Conflicted));
                // It is kept, and lands when less is asked for.
                let less =
                    LandOptions { isolation: Some(Isolation::Snapshot), ..LandOptions::default() };
                assert_eq!(a.place.land(&s, &less).unwrap().record.unwrap().position, 3);
            }
            // What nobody changed is no reason.
            let done = a.place.land(&beside, &LandOptions::default()).unwrap();
            assert_eq!(done.record.unwrap().position, 4);
        }
    }
}

/// Write skew: each reads both files, and writes one.
fn of_two_that_read_each_others_one_lands(new: New) {
    for isolation in BOTH {
        let line = new();
        let (a, b) = (machine(&line), machine(&line));
        base(&a);
        let sessions = [(&a, "x"), (&b, "y")].map(|(m, writes)| {
            let s = begin(m, isolation);
            work(&s, |v| {
                let both = [read(v, "x"), read(v, "y")].concat();
                write(v, writes, &both);
            });
            (m, s)
        });
        let [(m, first), (n, second)] = &sessions;
        m.place.land(first, &LandOptions::default()).unwrap();
        let landed = n.place.land(second, &LandOptions::default());
        let shown = |path: &str| seen(&machine(&line).begin("look"))[path].3.clone();
        assert_eq!(shown("x"), b"11");
        if isolation == Isolation::Snapshot {
            landed.unwrap();
            assert_eq!(shown("y"), b"11");
        } else {
            let conflicts = refused(landed.unwrap_err());
            assert_eq!(conflicts.len(), 1);
            assert_eq!((conflicts[0].path.to_string().as_str(), conflicts[0].read), ("x", true));
            assert_eq!(shown("y"), b"1");
        }
    }
}

/// Who did not track what he read cannot have it validated, whether the head moved or not.
fn only_what_was_tracked_is_validated(new: New) {
    for moves in [false, true] {
        let line = new();
        let (a, b) = (machine(&line), machine(&line));
        base(&a);
        let s = begin(&a, Isolation::Snapshot);
        edit(&s, &[("out", Some(b"1"))]);
        if moves {
            let other = b.begin("other");
            edit(&other, &[("x", Some(b"2"))]);
            b.place.land(&other, &LandOptions::default()).unwrap();
        }
        let strict =
            LandOptions { isolation: Some(Isolation::Serializable), ..LandOptions::default() };
        let e = a.place.land(&s, &strict).unwrap_err();
        assert!(e.to_string().starts_with("NOT_TRACKED"), "{e}");
        a.place.land(&s, &LandOptions::default()).unwrap();
    }
}
