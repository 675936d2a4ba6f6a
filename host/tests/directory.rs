//! Export and import: a session as a directory, and a directory as a session.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "directory/trees.rs"]
mod trees;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brio_host::{
    Brio, CommitOptions, ExportOptions, ImportOptions, Metadata, Progress, SessionHandle,
    StopToken, Watch,
};
use trees::{Rng, chmod, edit, fill, same, touch, tree};

struct World {
    tmp: tempfile::TempDir,
    brio: Brio,
}

impl World {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let brio = Brio::open(tmp.path().join("home")).unwrap();
        fs::create_dir(tmp.path().join("base")).unwrap();
        Self { tmp, brio }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    fn begin(&self) -> SessionHandle {
        self.brio.begin(&self.at("base"), Metadata::default()).unwrap()
    }

    fn make(&self, name: &str) -> PathBuf {
        let dir = self.at(name);
        fs::create_dir(&dir).unwrap();
        dir
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.tmp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is read-only cannot be removed by its owner.
        let _ =
            std::process::Command::new("chmod").args(["-R", "u+rwX"]).arg(self.tmp.path()).output();
    }
}

fn export(session: &SessionHandle, dir: &Path) -> brio_host::Exported {
    session.export(dir, &ExportOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn import(session: &SessionHandle, dir: &Path) -> Vec<String> {
    let set = session.import(dir, &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    set.changes.iter().map(|c| c.path.to_string()).collect()
}

/// One of everything that a session holds.
fn populate(base: &Path) {
    fs::create_dir_all(base.join("d/closed")).unwrap();
    fs::write(base.join("d/closed/f"), "in a closed directory").unwrap();
    chmod(&base.join("d/closed/f"), 0o444);
    chmod(&base.join("d/closed"), 0o555);
    fs::create_dir(base.join("empty")).unwrap();
    fs::write(base.join("text"), "text\n").unwrap();
    touch(&base.join("text"), 5);
    fs::hard_link(base.join("text"), base.join("d/same")).unwrap();
    fs::write(base.join("run.sh"), "#!/bin/sh\n").unwrap();
    chmod(&base.join("run.sh"), 0o6755);
    symlink("/usr/bin/env", base.join("absolute")).unwrap();
    symlink("nowhere", base.join("dangling")).unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd \xff\n");
    fs::write(base.join(odd), "odd").unwrap();
    fs::File::create(base.join("sparse")).unwrap().set_len(64 << 20).unwrap();
    fs::create_dir(base.join(".git")).unwrap();
    fs::write(base.join(".git/index"), "index").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        base.join("fifo"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
}

// T4: what a session shows is what its export holds, and its import changes nothing.
#[test]
fn an_export_is_the_session_and_comes_back_as_nothing() {
    let w = World::new();
    populate(&w.at("base"));
    let session = w.begin();
    let exported = export(&session, &w.at("out"));
    same("the export", &tree(&w.at("base")), &tree(&w.at("out")));
    assert_eq!(exported.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fifo"]);
    assert_eq!((exported.files, exported.dirs, exported.symlinks), (7, 4, 2));
    let sparse = fs::metadata(w.at("out/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "its hole is filled: {} blocks", sparse.blocks());
    let time = |p: &str| fs::symlink_metadata(w.at(p)).unwrap().mtime_nsec();
    for p in ["empty", "absolute", "d/closed"] {
        assert_eq!(time(&format!("base/{p}")), time(&format!("out/{p}")), "{p}");
    }
    assert_eq!(import(&session, &w.at("out")), [""; 0]);
    assert!(session.changes().unwrap().changes.is_empty());
    // An empty directory may be there.
    export(&session, &w.make("again"));
    same("the second export", &tree(&w.at("out")), &tree(&w.at("again")));
}

// T4: additions, changes, type changes, deletions, modes and links, against a plain directory.
#[test]
fn a_session_becomes_any_directory() {
    let count = std::env::var("BRIO_DIRECTORY_TREES").map_or(60, |n| n.parse().unwrap());
    let first = std::env::var("BRIO_SEED").map_or(1, |n| n.parse().unwrap());
    for seed in first..first + count {
        let w = World::new();
        let mut rng = Rng(seed);
        fill(&mut rng, &w.at("base"));
        let session = w.begin();
        for n in 0..1 + rng.below(3) {
            let dir = w.at(&format!("in{n}"));
            if rng.below(2) == 0 {
                export(&session, &dir);
                edit(&mut rng, &dir);
            } else {
                fs::create_dir(&dir).unwrap();
                fill(&mut rng, &dir);
            }
            import(&session, &dir);
            let out = w.at(&format!("out{n}"));
            export(&session, &out);
            same(&format!("seed {seed}, import {n}"), &tree(&dir), &tree(&out));
            assert_eq!(import(&session, &out), [""; 0], "seed {seed}: it is that already");
            assert_eq!(import(&session, &dir), [""; 0], "seed {seed}: it is that already");
            if rng.below(4) == 0 {
                // The base is now what was imported.
                session.commit(CommitOptions::default()).unwrap_or_else(|e| panic!("{seed}: {e}"));
                // A link that was broken and where nothing else differs is no change to land.
                let landed = [tree(&dir), tree(&w.at("base"))].map(trees::without_links);
                same(&format!("seed {seed}, landed"), &landed[0], &landed[1]);
                break;
            }
        }
    }
}

#[test]
fn content_is_compared_also_where_size_and_times_agree() {
    let w = World::new();
    fs::write(w.at("base/package.json"), "1.2.3").unwrap();
    touch(&w.at("base/package.json"), 1);
    let session = w.begin();
    export(&session, &w.at("out"));
    for text in ["1.2.4", "1.2.5"] {
        fs::write(w.at("out/package.json"), text).unwrap();
        touch(&w.at("out/package.json"), 1);
        let quick = ImportOptions { quick: true, ..ImportOptions::default() };
        assert!(session.import(&w.at("out"), &quick).unwrap().changes.is_empty());
        assert_eq!(import(&session, &w.at("out")), ["package.json"], "{text}");
        let again = w.at(&format!("again-{text}"));
        export(&session, &again);
        assert_eq!(fs::read_to_string(again.join("package.json")).unwrap(), text);
    }
}

fn watched(act: impl Fn(Progress, &StopToken) + Send + Sync + 'static) -> Watch {
    let stop = StopToken::default();
    let token = stop.clone();
    Watch { stop, progress: Some(Arc::new(move |p| act(p, &token))) }
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let w = World::new();
    populate(&w.at("base"));
    let session = w.begin();
    let before = w.names();
    let stopped = || ExportOptions {
        watch: watched(|p, stop| {
            if p.done > 5 {
                stop.stop()
            }
        }),
        ..ExportOptions::default()
    };
    let e = session.export(&w.at("out"), &stopped()).unwrap_err();
    assert_eq!(e.code(), "INTERRUPTED", "{e}");
    assert_eq!(w.names(), before);
    let empty = w.make("empty");
    chmod(&empty, 0o751);
    touch(&empty, 9);
    session.export(&empty, &stopped()).unwrap_err();
    let meta = fs::metadata(&empty).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o751, 1_000_000_009));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    // Somebody writes in the session.
    let writer = session.writer("test", brio_host::ViewOptions::default()).unwrap();
    let e = session.export(&w.at("out"), &ExportOptions::default()).unwrap_err();
    assert_eq!(e.code(), "SESSION_BUSY", "{e}");
    drop(writer);
    export(&session, &w.at("out"));
}

#[test]
fn an_export_goes_where_it_is_no_part_of_what_is_branched() {
    let w = World::new();
    fs::create_dir(w.at("base/sub")).unwrap();
    // The domain is the whole of the base.
    w.begin();
    let session = w.brio.begin(&w.at("base/sub"), Metadata::default()).unwrap();
    let refused = |dir: &Path, code: &str| {
        let e = session.export(dir, &ExportOptions::default()).unwrap_err();
        assert_eq!(e.code(), code, "{e}");
        assert!(e.to_string().starts_with(code), "{e}");
    };
    refused(&w.at("base/out"), "EXPORT_INSIDE");
    refused(&w.at("base/.brio/out"), "EXPORT_INSIDE");
    refused(&w.at("home/out"), "EXPORT_INSIDE");
    symlink(w.at("base"), w.at("link")).unwrap();
    refused(&w.at("link/out"), "EXPORT_INSIDE");
    refused(&w.at("no/such/out"), "IO");
    fs::write(w.at("file"), "").unwrap();
    refused(&w.at("file"), "EXPORT_EXISTS");
    w.make("full");
    fs::write(w.at("full/file"), "").unwrap();
    refused(&w.at("full"), "EXPORT_EXISTS");
    assert_eq!(fs::read_dir(w.at("base")).unwrap().count(), 2, "sub and .brio");
}

#[test]
fn an_import_that_fails_leaves_the_session_as_it_was() {
    let w = World::new();
    for n in 0..9 {
        fs::write(w.at(&format!("base/{n}")), "old").unwrap();
    }
    let session = w.begin();
    let dir = w.make("in");
    fs::write(dir.join("0"), "first").unwrap();
    assert_eq!(import(&session, &dir).len(), 9);
    let before = w.at("before");
    export(&session, &before);
    let layers = layers_of(&w, &session);

    for n in 0..9 {
        fs::write(dir.join(n.to_string()), "new").unwrap();
    }
    let unchanged = |what: &str| {
        let after = w.at(&format!("after {what}"));
        export(&session, &after);
        same(what, &tree(&before), &tree(&after));
        assert_eq!(layers_of(&w, &session), layers, "{what}");
    };
    let fails = |options: &ImportOptions, code: &str| {
        let e = session.import(&dir, options).unwrap_err();
        assert_eq!(e.code(), code, "{e}");
        assert!(e.to_string().contains("the session is what it was"), "{e}");
        e.to_string()
    };
    // A file changes while the directory is read.
    let late = dir.join("8");
    let watch = watched(move |_, _| fs::write(&late, "later").unwrap());
    let e = fails(&ImportOptions { watch, ..ImportOptions::default() }, "CHANGING");
    assert!(e.contains("in/8"), "{e}");
    unchanged("a change");
    let watch = watched(|_, stop| stop.stop());
    fails(&ImportOptions { watch, ..ImportOptions::default() }, "INTERRUPTED");
    unchanged("an interrupt");
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    let e = fails(&ImportOptions::default(), "IMPORT_REFUSED");
    assert!(e.contains("in/socket"), "{e}");
    unchanged("a socket");
    fs::remove_file(dir.join("socket")).unwrap();
    // Looked at, and not accepted.
    let prepared = session.prepare_import(&dir, &ImportOptions::default()).unwrap();
    assert_eq!(prepared.changes().changes.len(), 9);
    drop(prepared);
    unchanged("a look");
    assert_eq!(import(&session, &dir).len(), 9);
    same("then it lands", &tree(&dir), &{
        export(&session, &w.at("last"));
        tree(&w.at("last"))
    });
}

fn layers_of(w: &World, session: &SessionHandle) -> Vec<String> {
    let dir = w.at("base/.brio/sessions").join(session.id().as_str());
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.parse::<u32>().is_ok())
        .collect();
    names.sort();
    names
}

#[test]
fn git_and_what_is_excluded_are_left_alone() {
    let w = World::new();
    populate(&w.at("base"));
    fs::write(w.at("base/.brioignore"), "target/\n").unwrap();
    fs::create_dir(w.at("base/target")).unwrap();
    fs::write(w.at("base/target/old"), "built").unwrap();
    let session = w.begin();
    let dir = w.at("out");
    export(&session, &dir);
    assert!(!dir.join("target").exists());
    fs::create_dir(dir.join("target")).unwrap();
    fs::write(dir.join("target/new"), "built").unwrap();
    fs::write(dir.join(".git/index"), "touched").unwrap();
    fs::write(dir.join("text"), "work").unwrap();
    let mut import = session.prepare_import(&dir, &ImportOptions::default()).unwrap();
    let told: Vec<_> = import.changes().changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(told, ["d/same", "text"]);
    assert_eq!(import.vcs_differs().map(ToString::to_string), Some(".git/index".into()));
    assert_eq!(import.excluded(), 2);
    import.accept().unwrap();
    drop(import);
    let vcs = ImportOptions { vcs: true, ..ImportOptions::default() };
    let set = session.import(&dir, &vcs).unwrap();
    assert_eq!(set.changes.len(), 1);
    session.commit(CommitOptions::default()).unwrap();
    assert_eq!(fs::read_to_string(w.at("base/.git/index")).unwrap(), "touched");
    assert_eq!(fs::read_to_string(w.at("base/target/old")).unwrap(), "built");
    assert!(!w.at("base/target/new").exists() && w.at("base/fifo").exists());
}

// T17: an export is of the session's snapshot, whatever lands meanwhile.
#[test]
fn others_land_while_a_session_is_exported() {
    let w = World::new();
    for n in 0..60 {
        fs::create_dir_all(w.at(&format!("base/d{}", n % 6))).unwrap();
        fs::write(w.at(&format!("base/d{}/{n}", n % 6)), format!("old {n}")).unwrap();
    }
    let session = w.begin();
    let want = tree(&w.at("base"));
    let (over, landed) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|s| {
        let lander = s.spawn(|| {
            let mut round = 0_u64;
            while !over.load(Ordering::SeqCst) {
                round += 1;
                let other = w.begin();
                let dir = w.at(&format!("other{round}"));
                export(&other, &dir);
                for n in (round % 5..60).step_by(5) {
                    let path = dir.join(format!("d{}/{n}", n % 6));
                    match n % 3 {
                        0 if path.exists() => fs::remove_file(path).unwrap(),
                        _ => fs::write(path, format!("round {round}")).unwrap(),
                    }
                }
                import(&other, &dir);
                other.commit(CommitOptions::default()).unwrap();
                landed.store(true, Ordering::SeqCst);
            }
        });
        for n in 0.. {
            let out = w.at(&format!("out{n}"));
            export(&session, &out);
            let got = tree(&out);
            if got != want {
                over.store(true, Ordering::SeqCst);
                same(&format!("export {n}"), &want, &got);
            }
            if n >= 12 && (landed.load(Ordering::SeqCst) || lander.is_finished()) {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
    });
}
