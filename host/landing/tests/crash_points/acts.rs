//! What is interrupted, and what must hold afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use brio_landing::{
    BeginOptions, CommitError, Domain, GcOptions, OpenOptions, Session, SessionError, SessionId,
    UndoOptions,
};
use brio_session::{Door, Handle, Kind, OpenOptions as Open, View, ViewOptions};

use crate::common::rich::{base_notes, notes};
use crate::common::{
    self, begin, commit, edit, everything as tree, open, options, project, put, read, state, write,
    writer,
};
use crate::faults::{Fault, Faults, How};
use crate::shapes::{SHAPES, base};
use crate::{Tally, Tree, scratch, whole};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Land,
    /// As [`Land`](Self::Land): most of what can go wrong goes wrong here.
    LandAgain,
    /// A child lands in its parent.
    Nested,
    /// The parent lands with what its child brought.
    Stacked,
    Rollback,
    /// What the window no longer covers and no session needs is deleted.
    Collect,
    Begin,
    /// A landing is undone.
    Undo,
    Checkpoint,
}

impl Act {
    pub(crate) const ALL: [Act; 9] = [
        Act::Land,
        Act::LandAgain,
        Act::Nested,
        Act::Stacked,
        Act::Rollback,
        Act::Collect,
        Act::Begin,
        Act::Undo,
        Act::Checkpoint,
    ];
}

/// One crash point.
pub(crate) struct Point {
    pub(crate) act: Act,
    pub(crate) shape: usize,
    /// What the base holds when the act was done.
    pub(crate) new: Tree,
    pub(crate) first: Fault,
    /// In the same process, or (true) in the one that recovers.
    pub(crate) second: Option<(bool, Fault)>,
    pub(crate) label: String,
}

/// A base with sessions, before the act.
struct World {
    dir: tempfile::TempDir,
    old: Tree,
    /// The session that the act is about.
    subject: Option<SessionId>,
    /// Sessions that must go on seeing what they saw.
    witnesses: Vec<(Session, Tree)>,
}

impl World {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn new(act: Act, shape: usize) -> Self {
        let dir = tempfile::tempdir_in(scratch()).unwrap();
        base(dir.path());
        let d = open(dir.path());
        base_notes(&d);
        let mut witnesses = Vec::new();
        let mut witness = |d: &Domain| {
            let s = begin(d, "witness");
            let seen = flat(&common::tree(dir.path()));
            witnesses.push((s, seen));
        };
        let change = |s: &Session| {
            let w = writer(s);
            SHAPES[shape].1(w.view());
            w.finish().unwrap();
            notes(&d, s);
        };
        let child = |s: &Session| {
            edit(s, &[("of-parent", b"p"), ("deep/of-parent", b"p")]);
            let parent = Some(s.id().clone());
            let c = d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap();
            change(&c);
            // What both wrote is settled when the child lands.
            put(&s.notes(project(&d)), "replaced", "of the parent");
            c
        };
        let subject = match act {
            Act::Land | Act::LandAgain | Act::Rollback | Act::Checkpoint => {
                witness(&d);
                let s = begin(&d, "subject");
                change(&s);
                Some(s.id().clone())
            }
            Act::Nested => {
                let s = begin(&d, "parent");
                witness(&d);
                Some(child(&s).id().clone())
            }
            Act::Stacked => {
                let s = begin(&d, "parent");
                witness(&d);
                commit(&d, child(&s).id()).unwrap();
                let w = writer(&s);
                write(w.view(), "of-parent", b"again");
                w.finish().unwrap();
                Some(s.id().clone())
            }
            Act::Undo => {
                witness(&d);
                let s = begin(&d, "lands");
                change(&s);
                commit(&d, s.id()).unwrap();
                witness(&d);
                None
            }
            Act::Collect => {
                let s = begin(&d, "lands");
                change(&s);
                commit(&d, s.id()).unwrap();
                witness(&d);
                let s = begin(&d, "lands, too");
                edit(&s, &[("plain-2", b"second"), ("deep/linked-4", b"second")]);
                commit(&d, s.id()).unwrap();
                witness(&d);
                None
            }
            Act::Begin => {
                witness(&d);
                None
            }
        };
        let old = tree(dir.path());
        Self { dir, old, subject, witnesses }
    }

    /// Does the act; whether it was acknowledged.
    fn act(&self, act: Act, d: &Domain) -> Result<(), String> {
        match (act, &self.subject) {
            (Act::Rollback, Some(id)) => d.rollback(id, false).map(drop).map_err(|e| e.to_string()),
            (Act::Checkpoint, Some(id)) => {
                let s = d.session(id).map_err(|e| e.to_string())?;
                s.checkpoint("here").map(drop).map_err(|e| e.to_string())
            }
            (_, Some(id)) => commit(d, id).map(drop).map_err(|e| {
                let interrupted = matches!(e, CommitError::Interrupted { .. });
                format!("{}{e}", if interrupted { "INTERRUPTED: " } else { "" })
            }),
            (Act::Collect, _) => {
                let window = Some(std::time::Duration::ZERO);
                let options = GcOptions { window, ..GcOptions::default() };
                d.gc_with(&options).map(drop).map_err(|e| e.to_string())
            }
            (Act::Undo, _) => {
                d.undo(1, &UndoOptions::default()).map(drop).map_err(|e| e.to_string())
            }
            _ => d.begin(BeginOptions::default()).map(drop).map_err(|e| e.to_string()),
        }
    }
}

fn open_with(base: &Path, door: Door, boot: &str) -> Option<Domain> {
    let options = OpenOptions { door, boot_id: boot.into(), ..options(None) };
    Domain::open(base, options).ok().map(|(d, _)| d)
}

/// Runs an act without a fault: its operations, and the base afterwards.
pub(crate) fn count(act: Act, shape: usize) -> (usize, Tree) {
    let w = World::new(act, shape);
    let never = Fault { at: usize::MAX - 100, how: How::Dead };
    let (faults, door) = Faults::door(never, None);
    let d = open_with(w.path(), door, "boot-1").unwrap();
    faults.arm();
    w.act(act, &d).unwrap();
    (faults.count(), tree(w.path()))
}

pub(crate) fn run(p: &Point, tally: &Tally) {
    let label = &p.label;
    let w = World::new(p.act, p.shape);
    let (here, later) = match p.second {
        Some((false, f)) => (Some(f), None),
        Some((true, f)) => (None, Some(f)),
        None => (None, None),
    };
    let (faults, door) = Faults::door(p.first, here);
    let d = open_with(w.path(), door, "boot-1").unwrap();
    faults.arm();
    let result = w.act(p.act, &d);
    drop(d);
    let reached = faults.reached.load(Ordering::SeqCst);
    tally.reached.fetch_add(u64::from(reached > 0), Ordering::Relaxed);
    let mut seconds = u64::from(reached > 1);
    let label = &format!("{label}: {result:?}");
    if p.second.is_none() && p.first.survives() {
        // B-063: what is reported as failed is undone when the call returns.
        let now = tree(w.path());
        match &result {
            Ok(()) => same(&now, &p.new, label),
            Err(e) => {
                assert!(!e.starts_with("INTERRUPTED"), "{label}");
                same(&now, &w.old, label);
            }
        }
        if p.first.how == How::Full && matches!(p.act, Act::Rollback | Act::Collect) {
            // T23
            assert!(result.is_ok(), "{label}");
        }
    }
    // Writes are lost when the machine goes down: the next process runs in another boot.
    let cut = |f: &Option<Fault>| f.is_some_and(|f| matches!(f.how, How::Lost(_)));
    let first = [Some(p.first), here].iter().any(cut);
    let lost = first || cut(&later);
    if let Some(fault) = later {
        let (faults, door) = Faults::door(fault, None);
        faults.arm();
        if let Some(d) = open_with(w.path(), door, if first { "boot-2" } else { "boot-1" }) {
            let _ = d.recover();
            let _ = d.gc();
        }
        seconds += u64::from(faults.reached.load(Ordering::SeqCst) > 0);
    }
    tally.second_reached.fetch_add(seconds.min(1), Ordering::Relaxed);
    // A nested landing survives kill -9, not a power cut, which may leave half of a family.
    let torn = lost && matches!(p.act, Act::Nested);
    settle(p, &w, result.is_ok(), lost, torn, label, tally);
}

/// The next process finds everything old, or everything new.
fn settle(
    p: &Point,
    w: &World,
    acknowledged: bool,
    lost: bool,
    torn: bool,
    label: &str,
    tally: &Tally,
) {
    let boot_id = if lost { "boot-3" } else { "boot-1" }.to_owned();
    let options = OpenOptions { boot_id, ..options(None) };
    let (d, _) = Domain::open(w.path(), options).unwrap_or_else(|e| panic!("{label}: {e}"));
    d.recover().unwrap_or_else(|e| panic!("{label}: {e}"));
    let now = tree(w.path());
    let kept: Vec<_> = w.witnesses.iter().collect();
    for (s, seen) in &kept {
        // T17: also across a crash.
        let view = d.session(s.id()).unwrap_or_else(|e| panic!("{label}: {e}"));
        let view = view.view(ViewOptions::default()).unwrap();
        same(&through(&view, label), seen, &format!("{label}: a witness"));
    }
    let known: BTreeSet<_> = d.sessions().unwrap().into_iter().map(|s| s.id).collect();
    if torn {
        same(&now, &w.old, label);
        return;
    }
    let gone = match &w.subject {
        None if p.act == Act::Collect => {
            same(&now, &w.old, label);
            true
        }
        None if p.act == Act::Undo => {
            let undone = now == p.new;
            if !undone {
                same(&now, &w.old, label);
                assert!(!acknowledged, "{label}: acknowledged, then lost");
                w.act(p.act, &d).unwrap_or_else(|e| panic!("{label}: the retry: {e}"));
                same(&tree(w.path()), &p.new, &format!("{label}: after the retry"));
            }
            undone
        }
        Some(id) if p.act == Act::Checkpoint => {
            let s = d.session(id).unwrap_or_else(|e| panic!("{label}: {e}"));
            let made = s.info().unwrap().checkpoints.iter().any(|c| c.name == "here");
            assert!(made || !acknowledged, "{label}: acknowledged, then lost");
            same(&now, &w.old, label);
            commit(&d, id).unwrap_or_else(|e| panic!("{label}: the commit: {e}"));
            let (_, new) = whole(Act::Land, p.shape);
            same(&tree(w.path()), &new, &format!("{label}: after the commit"));
            made
        }
        None => {
            let more = known.len() - w.witnesses.len();
            assert!(more <= 1 && (more == 1 || !acknowledged || lost), "{label}: {more} begun");
            same(&now, &w.old, label);
            for id in &known {
                let s = d.session(id).unwrap();
                let (seen, now) = (s.view(ViewOptions::default()).unwrap(), common::tree(w.path()));
                same(&through(&seen, label), &flat(&now), label);
            }
            more == 1
        }
        Some(id) => match d.session(id) {
            Ok(_) => false,
            Err(SessionError::Ended { .. }) => true,
            Err(SessionError::Unknown { .. }) if lost => {
                tally.forgotten.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(e) => panic!("{label}: {e}"),
        },
    };
    assert!(gone || !acknowledged || lost, "{label}: acknowledged, then lost");
    match (gone, &w.subject) {
        (_, Some(_)) if p.act == Act::Checkpoint => {}
        (true, Some(_)) => same(&now, &p.new, &format!("{label}: ended")),
        (false, Some(id)) => {
            same(&now, &w.old, &format!("{label}: still open"));
            // T3: the retry does what the first was to do.
            w.act(p.act, &d).unwrap_or_else(|e| panic!("{label}: the retry of {id}: {e}"));
            same(&tree(w.path()), &p.new, &format!("{label}: after the retry"));
        }
        (_, None) => {}
    }
    let tallied = if gone { &tally.new } else { &tally.old };
    tallied.fetch_add(1, Ordering::Relaxed);
    if p.act == Act::Nested {
        // What the child brought lands with its parent.
        let parent =
            d.sessions().unwrap().into_iter().find(|s| s.goal.as_deref() == Some("parent"));
        let before = tree(w.path());
        commit(&d, &parent.unwrap().id).unwrap_or_else(|e| panic!("{label}: the parent: {e}"));
        let now = tree(w.path());
        assert_ne!(before, now);
        assert_eq!(now.get(&b"of-parent"[..]), Some(&"file 644 \"p\"".to_owned()), "{label}");
        assert_eq!(now.get(&b"/note/replaced"[..]), Some(&"new".to_owned()), "{label}");
    }
    for id in d.sessions().unwrap().into_iter().map(|s| s.id) {
        d.rollback(&id, false).unwrap_or_else(|e| panic!("{label}: {e}"));
    }
    d.gc().unwrap();
    for sub in ["staging", "trash", "sessions", "kept"] {
        if w.path().join(".brio").join(sub).exists() {
            assert_eq!(state(w.path(), sub), Vec::<String>::new(), "{label}: leaked in {sub}");
        }
    }
}

#[track_caller]
fn same(now: &Tree, expected: &Tree, label: &str) {
    let all: BTreeSet<_> = now.keys().chain(expected.keys()).collect();
    let wrong: Vec<_> = all
        .into_iter()
        .filter(|p| now.get(*p) != expected.get(*p))
        .map(|p| {
            let short = |t: &Tree| t.get(p).map(|s| s.chars().take(60).collect::<String>());
            format!("{}: {:?}, not {:?}", String::from_utf8_lossy(p), short(now), short(expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{label}:\n{}", wrong.join("\n"));
}

/// A tree without what a view does not say in the same words: which names are one file.
fn flat(tree: &Tree) -> Tree {
    let cut = |s: &String| s.split("\" = ").next().map(|h| h.trim_end_matches('"').to_owned());
    tree.iter().filter_map(|(p, s)| Some((p.clone(), cut(s)?))).collect()
}

/// What a view shows, in the words of `common::tree`, [`flat`].
fn through(v: &View, label: &str) -> Tree {
    let mut out = Tree::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        let at = if dir.is_empty() { "." } else { &dir };
        let how = Open { read: true, directory: true, ..Open::default() };
        let Handle::Dir(d) = v.open_at(&v.root(), at.as_bytes(), &how).unwrap() else {
            panic!("{dir} is no directory")
        };
        for e in d.list().unwrap() {
            let name = String::from_utf8(e.name).unwrap();
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let m = v.stat_at(&v.root(), path.as_bytes(), false).unwrap();
            let what = match m.kind {
                Kind::Dir => format!("dir {:o}", m.mode),
                Kind::Symlink => {
                    let t = v.read_link_at(&v.root(), path.as_bytes()).unwrap();
                    format!("link {:?}", String::from_utf8_lossy(&t))
                }
                _ => {
                    let content =
                        read(v, &path).unwrap_or_else(|| panic!("{label}: {path} cannot be read"));
                    format!("file {:o} {:?}", m.mode, String::from_utf8_lossy(&content))
                }
            };
            if m.kind == Kind::Dir {
                open.push(path.clone());
            }
            out.insert(path.into_bytes(), what);
        }
    }
    flat(&out)
}
