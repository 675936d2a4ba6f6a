//! Sessions on a tree that end on their project's head, and ones that are opened with what was
//! made elsewhere: whole, or not at all, whatever dies.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/trees.rs"]
mod trees;

use std::sync::Arc;

use brio_landing::{
    BeginOptions, Domain, Elsewhere, Isolation, LandedNotes, NotesAt, NotesServer, OpenOptions,
    Session, SessionId, TreeInfo,
};
use brio_project::Notes as _;
use brio_session::{FsError, Verdict, View, ViewOptions};
use common::faults::{At, VERDICTS};
use common::{edit, get, put, read, state, write, writer};
use trees::{DirTrees, begin, on, open, options};

fn world() -> (tempfile::TempDir, Arc<DirTrees>, TreeInfo) {
    let trees = DirTrees::new(true);
    let tree = trees.of(&[("a", "a"), ("b", "b")]);
    (tempfile::tempdir_in(common::scratch()).unwrap(), trees, tree)
}

fn to() -> Elsewhere {
    let tree = format!("sha256:{}", "b".repeat(64));
    Elsewhere { position: 7, tree, message: Some("said".into()), ..Elsewhere::default() }
}

/// A session that changed a file and a note.
fn worked(d: &Domain, tree: &TreeInfo) -> Session {
    let s = begin(d, tree);
    edit(&s, &[("a", b"ours")]);
    put(&s.notes(common::project(d)), "n", "noted");
    s
}

fn ended(d: &Domain, id: &SessionId) -> Vec<serde_json::Value> {
    let lines = d.journal_entries().unwrap();
    let of = lines.into_iter().filter(|e| e.what == "landed" && e.session.as_ref() == Some(id));
    of.filter_map(|e| e.detail).collect()
}

#[test]
fn what_landed_on_the_head_is_over_here() {
    let (base, trees, tree) = world();
    let d = open(base.path(), &trees);
    let s = worked(&d, &tree);
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() }).unwrap();
    let w = writer(&s);
    let refused = |to: Elsewhere| w.land_elsewhere(to).err().unwrap().code();
    assert_eq!(refused(to()), "OPEN_CHILDREN");
    assert_eq!(w.may_land_elsewhere(false).err().unwrap().code(), "OPEN_CHILDREN");
    d.rollback(child.id(), false).unwrap();
    assert_eq!(refused(Elsewhere { tree: "sha256:0".into(), ..to() }), "TREE_INVALID");
    w.may_land_elsewhere(false).unwrap();
    let notes = w.land_elsewhere(to()).unwrap();
    assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["n"]);
    assert_eq!(w.view().stat_at(&w.view().root(), b"a", false), Err(FsError::Ended));
    assert!(w.land_elsewhere(to()).err().unwrap().code() == "SESSION_ENDED", "twice is no harm");
    drop(w);
    assert_eq!(s.info().err().unwrap().code(), "SESSION_ENDED");
    let notes = common::project(&d);
    assert_eq!(get(&*notes, "n").as_deref(), Some("noted"));
    let origin = notes.history(&"n".parse().unwrap()).unwrap()[0].origin.clone();
    assert_eq!(origin.as_deref(), Some("position 7 of org/name"));
    let told = ended(&d, s.id());
    assert_eq!(
        (told.len(), &told[0]["position"], &told[0]["message"]),
        (1, &7.into(), &"said".into())
    );
    assert_eq!((state(base.path(), "elsewhere"), state(base.path(), "sessions")), (vec![], vec![]));
    assert_eq!(d.landing().unwrap(), 0);
    // Only what stands on a tree by itself ends so.
    let live = common::begin(&d, "live");
    let e = writer(&live).land_elsewhere(to()).err().unwrap();
    assert_eq!(e.code(), "NOT_ON_TREE");
    // One whose machine went down, when that is accepted.
    let s = begin(&d, &tree);
    let w = writer(&s);
    write(w.view(), "a", b"x");
    drop(w);
    let boot = OpenOptions { boot_id: "boot-2".into(), ..options(&trees) };
    let (d, _) = Domain::open(base.path(), boot).unwrap();
    let w = writer(&d.session(s.id()).unwrap());
    assert_eq!(w.land_elsewhere(to()).err().unwrap().code(), "UNCLEAN");
    w.land_elsewhere(Elsewhere { accept_unclean: true, ..to() }).unwrap();
}

/// Wherever it fails or dies: the session is open and whole, or over; and whoever opens the domain
/// next has it over with its note delivered once, and the journal telling.
#[test]
fn it_is_over_or_open_whatever_dies() {
    for verdict in VERDICTS {
        for n in 0.. {
            let (base, trees, tree) = world();
            let id = worked(&open(base.path(), &trees), &tree).id().clone();
            let (at, door) = At::door(verdict);
            let (d, _) =
                Domain::open(base.path(), OpenOptions { door, ..options(&trees) }).unwrap();
            let w = writer(&d.session(&id).unwrap());
            at.arm(n);
            let before = at.seen();
            let done = w.land_elsewhere(to());
            let hit = at.seen() - before > n;
            drop(w);
            drop(d);
            let d = open(base.path(), &trees);
            let over = match d.session(&id) {
                Err(e) => {
                    assert_eq!(e.code(), "SESSION_ENDED", "{verdict:?} {n}");
                    true
                }
                Ok(s) => {
                    let v = s.view(ViewOptions::default()).unwrap();
                    assert_eq!(read(&v, "a").unwrap(), b"ours", "{verdict:?} {n}");
                    drop(v);
                    writer(&s).land_elsewhere(to()).unwrap();
                    false
                }
            };
            assert!(over || done.is_err(), "{verdict:?} {n}");
            let notes = common::project(&d);
            assert_eq!(get(&*notes, "n").as_deref(), Some("noted"), "{verdict:?} {n}");
            let history = notes.history(&"n".parse().unwrap()).unwrap();
            assert_eq!(history.len(), 1, "{verdict:?} {n}");
            assert!(!ended(&d, &id).is_empty(), "{verdict:?} {n}");
            assert!(d.sessions().unwrap().is_empty() && state(base.path(), "sessions").is_empty());
            if base.path().join(".brio/elsewhere").exists() {
                let left = state(base.path(), "elsewhere");
                assert!(!left.contains(&id.to_string()), "{verdict:?} {n}: {left:?}");
            }
            if !hit {
                assert!(n > 5, "{n}");
                break;
            }
        }
    }
}

/// Where the project's notes are elsewhere, they are pending until they are there.
#[test]
fn notes_of_the_head_wait_for_their_place() {
    let (base, trees, tree) = world();
    let d = open(base.path(), &trees);
    let server = NotesServer {
        url: "http://127.0.0.1:1/mcp".into(),
        project: None,
        token_file: None,
        insecure: false,
    };
    d.set_notes_at(&NotesAt::Mcp(server)).unwrap();
    let s = worked(&d, &tree);
    writer(&s).land_elsewhere(to()).unwrap();
    let pending = d.pending_notes().unwrap();
    let by = LandedNotes::Head { position: 7, project: "org/name".into() };
    assert_eq!((pending.len(), &pending[0].by, pending[0].notes.len()), (1, &by, 1));
    let there = common::project(&d);
    assert_eq!(d.deliver_notes(&*there).unwrap(), 1);
    assert_eq!(d.pending_notes().unwrap(), []);
    assert_eq!(get(&*there, "n").as_deref(), Some("noted"));
}

fn fill(v: &View) -> Result<(), FsError> {
    v.mkdir_at(&v.root(), b"d")?;
    write(v, "d/new", b"from another machine");
    write(v, "a", b"ours");
    v.unlink_at(&v.root(), b"b")
}

#[test]
fn a_session_is_opened_with_what_was_made_elsewhere() {
    let (base, trees, tree) = world();
    let d = open(base.path(), &trees);
    let id = SessionId::random().unwrap();
    let options = BeginOptions { isolation: Isolation::Serializable, ..on(&tree) };
    let s = d.begin_filled(options, Some(id.clone()), fill).unwrap();
    assert_eq!(s.id(), &id);
    let info = s.info().unwrap();
    assert!(!info.unclean);
    let v = s.view(ViewOptions::default()).unwrap();
    let changed: Vec<_> = v.changes().unwrap().changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(changed, ["a", "b", "d", "d/new"]);
    assert_eq!(read(&v, "d/new").unwrap(), b"from another machine");
    drop(v);
    // What put it there is not what it read.
    let other = trees.of(&[("a", "A")]);
    assert_eq!(s.reads_changed(&other).unwrap(), []);
    let taken =
        |d: &Domain| d.begin_filled(on(&tree), Some(id.clone()), fill).err().unwrap().code();
    assert_eq!(taken(&d), "SESSION_EXISTS");
    d.rollback(&id, false).unwrap();
    let s = d.begin_filled(on(&tree), Some(id.clone()), fill).unwrap();
    writer(&s).land_elsewhere(to()).unwrap();
    assert_eq!(taken(&d), "SESSION_EXISTS");
    // What cannot be put there leaves nothing.
    let e = d.begin_filled(on(&tree), None, |_| Err(FsError::Unreachable)).err().unwrap();
    assert_eq!(e.code(), "UNREACHABLE");
    let e = d.begin_filled(BeginOptions::default(), None, fill).err().unwrap();
    assert_eq!(e.code(), "NOT_ON_TREE");
    assert_eq!((state(base.path(), "sessions"), state(base.path(), "staging")), (vec![], vec![]));
}

#[test]
fn it_is_there_whole_or_not_at_all() {
    for verdict in VERDICTS {
        for n in 0.. {
            let (base, trees, tree) = world();
            drop(open(base.path(), &trees));
            let (at, door) = At::door(verdict);
            let (d, _) =
                Domain::open(base.path(), OpenOptions { door, ..options(&trees) }).unwrap();
            let id = SessionId::random().unwrap();
            at.arm(n);
            let before = at.seen();
            let put = |v: &View| {
                let how =
                    brio_session::OpenOptions { write: true, create: true, ..Default::default() };
                match v.open_at(&v.root(), b"new", &how)? {
                    brio_session::Handle::File(f) => f.write_at(b"whole", 0).map(drop),
                    brio_session::Handle::Dir(_) => Err(FsError::IsDirectory),
                }
            };
            let done = d.begin_filled(on(&tree), Some(id.clone()), put);
            let hit = at.seen() - before > n;
            let made = done.is_ok();
            drop((done, d));
            let d = open(base.path(), &trees);
            match d.session(&id) {
                Ok(s) => {
                    let v = s.view(ViewOptions::default()).unwrap();
                    assert_eq!(read(&v, "new").unwrap(), b"whole", "{verdict:?} {n}");
                    assert!(!s.info().unwrap().unclean, "{verdict:?} {n}");
                    let told = made || matches!(verdict, Verdict::Stop | Verdict::StopAfter);
                    assert!(told, "{verdict:?} {n}");
                }
                Err(e) => {
                    assert_eq!(e.code(), "SESSION_UNKNOWN", "{verdict:?} {n}");
                    assert!(!made, "{verdict:?} {n}");
                    assert!(state(base.path(), "sessions").is_empty(), "{verdict:?} {n}");
                }
            }
            assert!(state(base.path(), "staging").is_empty(), "{verdict:?} {n}");
            if !hit {
                assert!(n > 8, "{n}");
                break;
            }
        }
    }
}
