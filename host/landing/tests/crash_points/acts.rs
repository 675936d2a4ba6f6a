//! What is interrupted, and what must hold afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use brio_landing::{
    BeginOptions, CommitError, Domain, OpenOptions, Session, SessionError, SessionId,
};
use brio_session::{Door, Handle, Kind, OpenOptions as Open, View, ViewOptions};

use crate::common::{begin, commit, edit, open, options, read, state, tree, write, writer};
use crate::faults::{Fault, Faults, How};
use crate::shapes::{SHAPES, base};
use crate::{Tally, Tree, scratch};

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
    /// The session that needed all pre-images goes.
    Collect,
    Begin,
}

impl Act {
    pub(crate) const ALL: [Act; 7] = [
        Act::Land,
        Act::LandAgain,
        Act::Nested,
        Act::Stacked,
        Act::Rollback,
        Act::Collect,
        Act::Begin,
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
        let mut witnesses = Vec::new();
        let mut witness = |d: &Domain| {
            let s = begin(d, "witness");
            let seen = flat(&tree(dir.path()));
            witnesses.push((s, seen));
        };
        let change = |s: &Session| {
            let w = writer(s);
            SHAPES[shape].1(w.view());
            w.finish().unwrap();
        };
        let child = |s: &Session| {
            edit(s, &[("of-parent", b"p"), ("deep/of-parent", b"p")]);
            let parent = Some(s.id().clone());
            let c = d.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap();
            change(&c);
            c
        };
        let subject = match act {
            Act::Land | Act::LandAgain | Act::Rollback => {
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
            Act::Collect => {
                let first = begin(&d, "needs everything");
                let s = begin(&d, "lands");
                change(&s);
                commit(&d, s.id()).unwrap();
                witness(&d);
                let s = begin(&d, "lands, too");
                edit(&s, &[("plain-2", b"second"), ("deep/linked-4", b"second")]);
                commit(&d, s.id()).unwrap();
                witness(&d);
                Some(first.id().clone())
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
            (Act::Land | Act::LandAgain | Act::Nested | Act::Stacked, Some(id)) => {
                commit(d, id).map(drop).map_err(|e| {
                    let interrupted = matches!(e, CommitError::Interrupted { .. });
                    format!("{}{e}", if interrupted { "INTERRUPTED: " } else { "" })
                })
            }
            (Act::Rollback | Act::Collect, Some(id)) => {
                d.rollback(id, false).map(drop).map_err(|e| e.to_string())
            }
            _ => d.begin(BeginOptions::default()).map(drop).map_err(|e| e.to_string()),
        }
    }
}

fn open_with(base: &Path, door: Door) -> Option<Domain> {
    Domain::open(base, OpenOptions { door, ..options(None) }).ok().map(|(d, _)| d)
}

/// For a process that comes later: after a power cut the machine has booted again.
fn booted(lost: bool) -> OpenOptions {
    let mut options = options(None);
    if lost {
        options.boot_id = "boot-2".into();
    }
    options
}

/// Runs an act without a fault: its operations, and the base afterwards.
pub(crate) fn count(act: Act, shape: usize) -> (usize, Tree) {
    let w = World::new(act, shape);
    let never = Fault { at: usize::MAX - 100, how: How::Dead };
    let (faults, door) = Faults::door(never, None);
    let d = open_with(w.path(), door).unwrap();
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
    let d = open_with(w.path(), door).unwrap();
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
    let lost = [Some(p.first), here].iter().flatten().any(|f| matches!(f.how, How::Lost(_)));
    if let Some(fault) = later {
        let (faults, door) = Faults::door(fault, None);
        faults.arm();
        let options = OpenOptions { door, ..booted(lost) };
        if let Ok((d, _)) = Domain::open(w.path(), options) {
            let _ = d.recover();
            let _ = d.gc();
        }
        seconds += u64::from(faults.reached.load(Ordering::SeqCst) > 0);
    }
    tally.second_reached.fetch_add(seconds.min(1), Ordering::Relaxed);
    let lost = [Some(p.first), p.second.map(|s| s.1)]
        .iter()
        .flatten()
        .any(|f| matches!(f.how, How::Lost(_)));
    // A begin and a nested landing survive kill -9, not a power cut, which may leave half of
    // a session.
    let torn = lost && matches!(p.act, Act::Nested | Act::Begin);
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
    let (d, _) = Domain::open(w.path(), booted(lost)).unwrap_or_else(|e| panic!("{label}: {e}"));
    d.recover().unwrap_or_else(|e| panic!("{label}: {e}"));
    let now = tree(w.path());
    let kept: Vec<_> = w.witnesses.iter().collect();
    for (s, seen) in &kept {
        // T17: also across a crash.
        let view = d.session(s.id()).unwrap_or_else(|e| panic!("{label}: {e}"));
        let view = view.view(ViewOptions::default()).unwrap();
        same(&through(&view), seen, &format!("{label}: a witness"));
    }
    let known: BTreeSet<_> = d.sessions().unwrap().into_iter().map(|s| s.id).collect();
    if torn {
        same(&now, &w.old, label);
        return;
    }
    let gone = match &w.subject {
        None => {
            let more = known.len() - w.witnesses.len();
            assert!(more <= 1 && (more == 1 || !acknowledged || lost), "{label}: {more} begun");
            same(&now, &w.old, label);
            for id in &known {
                let s = d.session(id).unwrap();
                same(&through(&s.view(ViewOptions::default()).unwrap()), &flat(&now), label);
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
fn through(v: &View) -> Tree {
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
                    let content = read(v, &path).unwrap_or_else(|| panic!("{path} cannot be read"));
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
