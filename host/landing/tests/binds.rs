//! What a session shows beside itself: the record, and earlier landings.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::{BeginOptions, Bind, BindAccess, BindError, BindSource, GcOptions, Session};
use brio_session::{FsError, Lower, RelPath, Verdict};
use common::faults::{At, VERDICTS};
use common::{begin, commit, edit, open, open_door, open_keeping};

fn bind(target: &str, source: BindSource) -> Bind {
    Bind { target: target.into(), source, access: BindAccess::ReadOnly }
}

fn directory(target: &str) -> Bind {
    bind(target, BindSource::Directory("/srv/data".into()))
}

fn targets(s: &Session) -> Vec<String> {
    s.binds().unwrap().into_iter().map(|b| b.target).collect()
}

fn content(lower: &dyn Lower, path: &str) -> Result<String, FsError> {
    let file = lower.open(&RelPath::new(path).unwrap())?;
    Ok(std::io::read_to_string(file.reader()).unwrap())
}

// F-011, F-031: the record is the old one or the new one, whatever dies or fails while it is
// written; what was acknowledged is there.
#[test]
fn the_record_is_whole_whenever_its_writer_dies() {
    for verdict in VERDICTS {
        let mut points = 0;
        for n in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let id = {
                let s = begin(&open(dir.path()), "shows");
                s.bind(directory("/a")).unwrap();
                s.id().clone()
            };
            let (at, door) = At::door(verdict);
            let d = open_door(dir.path(), door);
            let s = d.session(&id).unwrap();
            let before = at.seen();
            at.arm(n);
            let done = s.bind(directory("/b"));
            let reached = at.seen() > before + n;
            drop(d);
            let d = open(dir.path());
            let s = d.session(&id).unwrap();
            let label = format!("{verdict:?} at {n}: {done:?}");
            let old = ["/a"].map(str::to_owned).to_vec();
            let new = ["/a", "/b"].map(str::to_owned).to_vec();
            match &done {
                Ok(()) => assert_eq!(targets(&s), new, "{label}"),
                Err(_) if matches!(verdict, Verdict::Stop | Verdict::StopAfter) => {
                    assert!([&old, &new].contains(&&targets(&s)), "{label}");
                }
                Err(_) => assert_eq!(targets(&s), old, "{label}"),
            }
            // Whatever was left does not stand in the way.
            s.unbind("/a", "bind").unwrap();
            s.bind(directory("/c")).unwrap();
            assert!(targets(&s).contains(&"/c".to_owned()), "{label}");
            if !reached {
                break;
            }
            points += 1;
        }
        assert!(points >= 3, "{verdict:?}: {points} points");
    }
}

#[test]
fn who_binds_at_once_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let id = begin(&open(dir.path()), "shows").id().clone();
    std::thread::scope(|scope| {
        for who in 0..3 {
            let (dir, id) = (dir.path(), &id);
            scope.spawn(move || {
                let d = open(dir);
                for n in 0..10 {
                    d.session(id).unwrap().bind(directory(&format!("/{who}/{n}"))).unwrap();
                }
                d.session(id).unwrap().unbind(&format!("/{who}/0"), "bind").unwrap();
            });
        }
    });
    let s = open(dir.path()).session(&id).unwrap();
    let mut want: Vec<_> =
        (0..3).flat_map(|who| (1..10).map(move |n| format!("/{who}/{n}"))).collect();
    want.sort();
    assert_eq!(targets(&s), want);
}

#[test]
fn the_record_goes_with_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let parent = begin(&d, "parent");
    let child = d
        .begin(brio_landing::BeginOptions {
            parent: Some(parent.id().clone()),
            ..Default::default()
        })
        .unwrap();
    child.bind(directory("/a")).unwrap();
    parent.bind(directory("/b")).unwrap();
    edit(&child, &[("f", b"1")]);
    let at = |s: &Session| dir.path().join(".brio/sessions").join(s.id().as_str());
    assert!(at(&child).join("binds").is_file());
    commit(&d, child.id()).unwrap();
    assert!(at(&child).is_dir(), "its layers are the parent's");
    assert!(!at(&child).join("binds").exists());
    assert!(matches!(child.binds(), Err(BindError::Session(_))));
    assert!(matches!(child.bind(directory("/c")), Err(BindError::Session(_))));
    assert_eq!(targets(&parent), ["/b"], "nobody inherits it");
    commit(&d, parent.id()).unwrap();
    assert!(!at(&parent).exists());
}

#[test]
fn what_is_no_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let s = begin(&d, "shows");
    let at = dir.path().join(".brio/sessions").join(s.id().as_str()).join("binds");
    for text in ["", "{", "{\"format\":2,\"binds\":[]}", "[]"] {
        std::fs::write(&at, text).unwrap();
        for done in [s.binds().map(drop), s.bind(directory("/a"))] {
            assert!(matches!(done, Err(BindError::Corrupt { .. })), "{text}: {done:?}");
        }
    }
    // It can still be thrown away.
    d.rollback(s.id(), false).unwrap();
}

// The base as of a landing is what it was, for as long as it is kept, and then an error: never
// something newer, though nobody keeps the pre-images for a mount.
#[test]
fn a_mounted_landing_never_shows_anything_newer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "0").unwrap();
    let d = open_keeping(dir.path());
    let land = |path: &str, text: &str| {
        let s = begin(&d, "lands");
        edit(&s, &[(path, text.as_bytes())]);
        commit(&d, s.id()).unwrap();
    };
    land("f", "1");
    land("g", "2");
    let s = begin(&d, "shows");
    assert!(matches!(s.base_as_of(3), Err(BindError::LandingUnknown { landing: 3 })));
    for k in 0..=2 {
        s.bind(bind(&format!("/as-of/{k}"), BindSource::Landing(k))).unwrap();
    }
    land("f", "3");
    land("new", "4");
    let as_of = |k: u64| s.base_as_of(k).unwrap();
    let [zero, one, two] = [as_of(0), as_of(1), as_of(2)];
    let all = |lower: &dyn Lower| ["f", "g", "new"].map(|path| content(lower, path));
    let missing = || Err(FsError::NotFound);
    let text = |t: &str| Ok(t.to_owned());
    let want = [
        [text("0"), missing(), missing()],
        [text("1"), missing(), missing()],
        [text("1"), text("2"), missing()],
    ];
    assert_eq!([all(&*zero), all(&*one), all(&*two)], want);
    // What undo would need goes; what the session itself needs stays.
    let window = Some(std::time::Duration::ZERO);
    d.gc_with(&GcOptions { window, ..GcOptions::default() }).unwrap();
    for _ in 0..3 {
        land("f", "5");
        land("g", "6");
        d.gc_with(&GcOptions { window, ..GcOptions::default() }).unwrap();
        assert_eq!(content(&*zero, "f"), Err(FsError::SnapshotGone));
        assert_eq!(content(&*zero, "g"), missing());
        assert_eq!(content(&*zero, "new"), missing());
        assert_eq!(all(&*two), want[2]);
    }
    assert!(matches!(s.base_as_of(0), Err(BindError::LandingGone { landing: 0 })));
    assert_eq!(all(&*s.base_as_of(2).unwrap()), want[2]);
    let other = begin(&d, "cannot");
    let refused = other.bind(bind("/zero", BindSource::Landing(0)));
    assert!(matches!(refused, Err(BindError::LandingGone { landing: 0 })), "{refused:?}");
    // When nobody has it mounted any more, its record goes as well.
    let first = dir.path().join(".brio/landings/1");
    assert!(first.is_dir());
    let run = common::writer(&s);
    let refused = s.unbind("/as-of/0", "mount");
    assert!(matches!(refused, Err(BindError::Busy { .. })), "a run may read it: {refused:?}");
    run.finish().unwrap();
    s.unbind("/as-of/0", "mount").unwrap();
    s.unbind("/as-of/1", "mount").unwrap();
    d.gc_with(&GcOptions { window, ..GcOptions::default() }).unwrap();
    assert!(!first.exists());
}

// M-033: the base as of a landing can be looked at though nothing keeps it: it is what it was, or
// an error, and never something newer.
#[test]
fn a_landing_that_nobody_keeps_never_shows_anything_newer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "0").unwrap();
    let d = open_keeping(dir.path());
    // Somebody else lands and collects.
    let land = |path: &str, text: &str| {
        let d = open_keeping(dir.path());
        let s = begin(&d, "lands");
        edit(&s, &[(path, text.as_bytes())]);
        commit(&d, s.id()).unwrap();
    };
    land("f", "1");
    land("g", "2");
    assert!(matches!(d.as_of(3), Err(BindError::LandingUnknown { landing: 3 })));
    let [zero, one, two] = [0, 1, 2].map(|k| d.as_of(k).unwrap());
    land("f", "3");
    let missing = || Err(FsError::NotFound);
    let text = |t: &str| Ok(t.to_owned());
    let all = |lower: &dyn Lower| ["f", "g", "new"].map(|path| content(lower, path));
    let want = [
        [text("0"), missing(), missing()],
        [text("1"), missing(), missing()],
        [text("1"), text("2"), missing()],
    ];
    assert_eq!([all(&*zero), all(&*one), all(&*two)], want);
    let window = Some(std::time::Duration::ZERO);
    for round in 0..3 {
        // What comes between two looks is never seen, and collected.
        for step in ["a", "b"] {
            land("f", &format!("5 {round} {step}"));
            land("g", &format!("6 {round} {step}"));
            land("new", &format!("7 {round} {step}"));
            let collector = open_keeping(dir.path());
            collector.gc_with(&GcOptions { window, ..GcOptions::default() }).unwrap();
        }
        land("f", &format!("8 {round}"));
        for (lower, want) in [&zero, &one, &two].into_iter().zip(&want) {
            for (path, want) in ["f", "g", "new"].into_iter().zip(want) {
                let found = content(&**lower, path);
                let gone = found == Err(FsError::SnapshotGone);
                assert!(gone || found == *want, "round {round}, {path}: {found:?}");
            }
            assert_eq!(content(&**lower, "f"), Err(FsError::SnapshotGone));
        }
    }
    // Whatever is found of the landings that were collected, a new look is refused too.
    d.gc_with(&GcOptions { window, ..GcOptions::default() }).unwrap();
    for k in 0..=2 {
        let refused = d.as_of(k).map(drop);
        let gone = matches!(
            refused,
            Err(BindError::LandingGone { .. } | BindError::LandingUnknown { .. })
        );
        assert!(gone, "{k}: {refused:?}");
    }
}

// M-035, M-043: what a session branches is what it was at the begin, whatever lands after that
// and whatever the session writes; for a child with its parent's work of then.
#[test]
fn what_a_session_branches_stays() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "0").unwrap();
    let d = open(dir.path());
    let parent = begin(&d, "parent");
    edit(&parent, &[("f", b"parent"), ("p", b"p")]);
    let child = BeginOptions { parent: Some(parent.id().clone()), ..BeginOptions::default() };
    let child = d.begin(child).unwrap();
    edit(&child, &[("f", b"child")]);
    let other = begin(&d, "other");
    edit(&other, &[("f", b"landed")]);
    commit(&d, other.id()).unwrap();
    let of = |s: &Session, path: &str| content(&*s.base().unwrap(), path);
    assert_eq!(of(&parent, "f").as_deref(), Ok("0"));
    assert_eq!(of(&parent, "p"), Err(FsError::NotFound));
    assert_eq!(of(&child, "f").as_deref(), Ok("parent"));
    assert_eq!(of(&child, "p").as_deref(), Ok("p"));
}
