//! What a view notes of what it read of its base, operation by operation.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use brio_session::{
    DirLower, Fingerprint, FsError, Kind, Lower, ReadSet, RelPath, Sealed, SetTime, Time, Tracked,
    View, ViewOptions, is_layer_file,
};
use common::{Fixture, Short, how, open_dir};

fn base() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::write(b.join("f"), "base f").unwrap();
        std::fs::write(b.join("g"), "base g").unwrap();
        std::fs::write(b.join("d/h"), "base h").unwrap();
        symlink("d", b.join("to-d")).unwrap();
    })
}

fn tracking() -> ViewOptions {
    ViewOptions { track_reads: true, ..ViewOptions::default() }
}

fn open(f: &Fixture, options: ViewOptions) -> View {
    let mut lower: Arc<dyn Lower> = Arc::new(DirLower::new(open_dir(&f.base())));
    if options.track_reads {
        lower = Arc::new(Tracked::new(lower));
    }
    let (top, sealed) = f.layers.split_last().unwrap();
    for l in sealed {
        lower = Arc::new(Sealed::open(open_dir(l), lower).unwrap());
    }
    View::open(open_dir(top), lower, options).unwrap()
}

/// What was read, as letters: `k`ind, `m`etadata, `c`ontent, `l`isting; `-` nothing is there.
/// The root, which every view looks at, is left out.
fn said(set: &ReadSet) -> BTreeMap<String, String> {
    assert!(!set.whole);
    let letters = |r: &brio_session::Read| {
        let mut s = String::from(if r.seen.is_some() { "k" } else { "-" });
        s.push_str(if r.metadata { "m" } else { "" });
        s.push_str(if r.content { "c" } else { "" });
        s.push_str(if r.listing.is_some() { "l" } else { "" });
        s
    };
    let shown = set.paths.iter().filter(|(p, r)| !p.is_root() || r.listing.is_some());
    shown.map(|(p, r)| (p.to_string(), letters(r))).collect()
}

/// What `act` reads, on a fresh view.
fn reads(act: impl FnOnce(&View)) -> Vec<(String, String)> {
    let f = base();
    let v = open(&f, tracking());
    act(&v);
    said(&v.reads().unwrap()).into_iter().collect()
}

fn is(read: Vec<(String, String)>, want: &[(&str, &str)]) {
    let read: Vec<_> = read.iter().map(|(p, r)| (p.as_str(), r.as_str())).collect();
    assert_eq!(read, want);
}

#[test]
fn each_operation_notes_what_it_depends_on() {
    is(reads(|_| {}), &[]);
    is(reads(|v| assert!(v.stat("f").unwrap().ino > 0)), &[("f", "km")]);
    is(reads(|v| drop(v.file("f", how("r")).unwrap())), &[("f", "k")]);
    is(reads(|v| drop(v.get("f").unwrap())), &[("f", "kc")]);
    is(reads(|v| assert!(v.file("f", how("r")).unwrap().meta().is_ok())), &[("f", "km")]);
    is(reads(|v| drop(v.get("d/h").unwrap())), &[("d/h", "kc")]);
    is(reads(|v| drop(v.ls("d").unwrap())), &[("d", "kl")]);
    is(reads(|v| assert!(v.dir("d").unwrap().meta().is_ok())), &[("d", "km")]);
    // The way through a link.
    is(
        reads(|v| drop(v.get("to-d/h").unwrap())),
        &[("d", "k"), ("d/h", "kc"), ("to-d", "kc"), ("to-d/h", "-")],
    );
    let link = reads(|v| drop(v.read_link_at(&v.root(), b"to-d").unwrap()));
    is(link, &[("to-d", "kc")]);
    // Absence, and the first thing that is missing.
    is(reads(|v| assert!(v.stat("d/no").is_err())), &[("d", "k"), ("d/no", "-")]);
    is(
        reads(|v| assert!(v.stat("no/x/y").is_err())),
        &[("no", "-"), ("no/x", "-"), ("no/x/y", "-")],
    );
    is(reads(|v| assert!(v.stat("f/x").is_err())), &[("f", "k"), ("f/x", "-")]);
    // What is written over as a whole is not read; what stays in part is.
    is(reads(|v| drop(v.file("f", how("wt")).unwrap())), &[("f", "k")]);
    is(
        reads(|v| assert!(v.file("f", how("w")).unwrap().write_at(b"x", 3).is_ok())),
        &[("f", "kc")],
    );
    is(reads(|v| assert!(v.file("f", how("w")).unwrap().append(b"x").is_ok())), &[("f", "kc")]);
    is(reads(|v| v.unlink("f").unwrap()), &[("f", "k")]);
    is(reads(|v| v.put("new", b"x").unwrap()), &[("new", "-")]);
    is(reads(|v| v.mkdir("d/new").unwrap()), &[("d", "k"), ("d/new", "-")]);
    is(reads(|v| v.rmdir("d/e").unwrap()), &[("d", "k"), ("d/e", "kl")]);
    is(reads(|v| v.mv("f", "g").unwrap()), &[("f", "k"), ("g", "k")]);
    // A name that another file gets has to be looked at, and what is below a directory that moves.
    is(reads(|v| v.mv("d", "new").unwrap()), &[("d", "kl"), ("d/e", "kl"), ("new", "-")]);
}

#[test]
fn what_the_session_wrote_is_not_read() {
    let own = reads(|v| {
        v.mkdir("mine").unwrap();
        v.put("mine/a", b"x").unwrap();
        v.get("mine/a").unwrap();
        v.stat("mine/a").unwrap();
        v.ls("mine").unwrap();
        v.changes().unwrap();
        assert!(v.stat("mine/none").is_err());
    });
    is(own, &[("mine", "-")]);
    let over = reads(|v| {
        v.file("f", how("wt")).unwrap().write_at(b"mine", 0).unwrap();
        v.get("f").unwrap();
        v.stat("f").unwrap();
    });
    is(over, &[("f", "k")]);
    // A handle that was open before the copy-up reads what is the session's now.
    let handle = reads(|v| {
        let r = v.file("f", how("r")).unwrap();
        v.file("f", how("wt")).unwrap();
        r.read_at(&mut [0; 9], 0).unwrap();
    });
    is(handle, &[("f", "k")]);
    // Moved, it is still the base's.
    let moved = reads(|v| {
        v.mv("f", "mine").unwrap();
        v.get("mine").unwrap();
    });
    is(moved, &[("f", "kc"), ("mine", "-")]);
}

fn fingerprint(b: &Path, p: &str) -> Option<Fingerprint> {
    DirLower::new(open_dir(b)).fingerprint(&RelPath::new(p).unwrap()).unwrap()
}

/// What is no longer so after `change` outside.
fn broken(act: impl FnOnce(&View), change: impl FnOnce(&Path)) -> Vec<String> {
    let f = base();
    let v = open(&f, tracking());
    act(&v);
    let set = v.reads().unwrap();
    let now = || DirLower::new(open_dir(&f.base()));
    assert_eq!(set.broken(&now()).unwrap(), []);
    change(&f.base());
    set.broken(&now()).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_read_is_found_broken_and_the_rest_is_not() {
    let edit = |b: &Path| std::fs::write(b.join("f"), "longer than before").unwrap();
    assert_eq!(broken(|v| drop(v.get("f").unwrap()), edit), ["f"]);
    assert_eq!(broken(|v| assert!(v.stat("f").unwrap().ino > 0), edit), ["f"]);
    assert_eq!(broken(|v| drop(v.ls(".").unwrap()), edit), [""; 0]);
    assert_eq!(broken(|v| drop(v.file("f", how("wt")).unwrap()), edit), [""; 0]);
    let add = |b: &Path| std::fs::write(b.join("d/new"), "").unwrap();
    assert_eq!(broken(|v| drop(v.ls("d").unwrap()), add), ["d"]);
    assert_eq!(broken(|v| drop(v.get("d/h").unwrap()), add), [""; 0]);
    assert_eq!(broken(|v| assert!(v.dir("d").unwrap().meta().is_ok()), add), [""; 0]);
    assert_eq!(broken(|v| assert!(v.stat("d/new").is_err()), add), ["d/new"]);
    let way = |b: &Path| {
        std::fs::rename(b.join("d"), b.join("was-d")).unwrap();
        std::fs::write(b.join("d"), "").unwrap();
    };
    assert_eq!(broken(|v| assert!(v.stat("d/no").is_err()), way), ["d"]);
    assert_eq!(broken(|v| drop(v.get("d/h").unwrap()), way), ["d/h"]);
    let mode =
        |b: &Path| std::fs::set_permissions(b.join("f"), PermissionsExt::from_mode(0o400)).unwrap();
    assert_eq!(broken(|v| drop(v.file("f", how("w")).unwrap()), mode), ["f"]);
    let kind = |b: &Path| {
        std::fs::remove_file(b.join("f")).unwrap();
        std::fs::create_dir(b.join("f")).unwrap();
    };
    assert_eq!(broken(|v| drop(v.ls(".").unwrap()), kind), ["."]);
}

#[test]
fn reads_are_kept_with_the_layer_while_they_are_complete() {
    let mut f = base();
    let file = |f: &Fixture, n: usize| f.layers[n].join("reads").exists();
    let v = open(&f, tracking());
    v.get("f").unwrap();
    v.put("new", b"x").unwrap();
    assert!(!file(&f, 0), "nothing is said before the first sync");
    v.sync().unwrap();
    assert!(file(&f, 0));
    assert_eq!(
        open(&f, ViewOptions { read_only: true, ..ViewOptions::default() }).reads(),
        v.reads()
    );
    // Nothing new: it stays. Something new: it goes before anything can depend on it.
    v.get("f").unwrap();
    assert!(file(&f, 0));
    v.stat("g").unwrap();
    assert!(!file(&f, 0));
    drop(v);
    // As after kill -9: what was written may depend on anything.
    let v = open(&f, tracking());
    assert!(v.reads().unwrap().whole);
    v.sync().unwrap();
    assert!(open(&f, tracking()).reads().unwrap().whole, "and stays so");
    drop(v);

    // A stack says what all its layers say, and a view goes on with what its layer said.
    f = base();
    let v = open(&f, tracking());
    v.get("f").unwrap();
    v.put("new", b"x").unwrap();
    f.restack(&v);
    assert!(file(&f, 0));
    v.stat("g").unwrap();
    v.put("newer", b"x").unwrap();
    v.sync().unwrap();
    let all = said(&v.reads().unwrap());
    let want = [("f", "kc"), ("g", "km"), ("new", "-"), ("newer", "-")];
    assert_eq!(all, want.map(|(p, r)| (p.to_owned(), r.to_owned())).into());
    drop(v);
    let v = open(&f, tracking());
    assert_eq!(said(&v.reads().unwrap()), all);
    v.stat("g").unwrap();
    v.sync().unwrap();
    assert_eq!(said(&v.reads().unwrap()), all);
    assert!(file(&f, 1), "nothing was read that was not known");
    drop(v);
    // One that does not track says nothing by reading, and all by writing.
    let v = open(&f, ViewOptions::default());
    v.stat("d/h").unwrap();
    assert!(file(&f, 1));
    assert_eq!(said(&v.reads().unwrap()), all);
    v.set_times_at(&v.root(), b"new", true, SetTime::Keep, SetTime::At(Time::default())).unwrap();
    assert!(!file(&f, 1));
    assert!(v.reads().unwrap().whole);
}

#[test]
fn a_record_that_cannot_be_read_says_nothing() {
    let f = base();
    let v = open(&f, tracking());
    v.get("f").unwrap();
    v.sync().unwrap();
    drop(v);
    let file = f.layers[0].join("reads");
    let good = std::fs::read(&file).unwrap();
    for end in [0, 7, 19, good.len() - 1] {
        std::fs::write(&file, &good[..end]).unwrap();
        assert!(open(&f, ViewOptions::default()).reads().unwrap().whole, "{end} bytes");
    }
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &bad).unwrap();
    assert!(open(&f, tracking()).reads().unwrap().whole);
    let mut newer = good;
    newer[8] = 2;
    std::fs::write(&file, &newer).unwrap();
    assert_eq!(open(&f, ViewOptions::default()).reads().unwrap_err(), FsError::Io(0));
    for name in std::fs::read_dir(&f.layers[0]).unwrap() {
        let name = name.unwrap().file_name();
        assert!(is_layer_file(name.as_encoded_bytes()), "{name:?}");
    }
    assert!(!is_layer_file(b"meta.json") && !is_layer_file(b"f"));
}

#[test]
fn a_view_without_a_tracked_base_cannot_track() {
    let f = base();
    assert_eq!(f.try_view(tracking()).err(), Some(FsError::Invalid));
    assert_eq!(fingerprint(&f.base(), "f").unwrap().kind, Kind::File);
}
