//! A process that keeps sessions open while others land, and looks at them all the time: each
//! answer must be that of the copy that it took when the session began.

use std::path::Path;

use brio_landing::{BeginOptions, Domain, Session};
use brio_session::{FileHandle, Handle, OpenOptions, View, ViewOptions};
use brio_tests::rng::Rng;

use crate::model::{Node, Op, Tree, apply};
use crate::record::{self, Copy};
use crate::{subject, worker};

struct Watched {
    session: Session,
    view: View,
    n: u64,
    tree: Tree,
    /// Open since the session began.
    handles: Vec<(String, FileHandle)>,
}

pub(crate) fn watch(domain: &Domain, out: &Path, stop: &Path, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut all: Vec<Watched> = Vec::new();
    let mut names: Vec<String> = worker::base();
    let (mut answers, mut sessions) = (0u64, 0);
    while !stop.exists() {
        if all.len() < 6 && (all.is_empty() || rng.one_in(60)) {
            let w = begin(domain, out, &mut rng);
            names.extend(w.tree.keys().filter(|p| !names.contains(p)).cloned().collect::<Vec<_>>());
            all.push(w);
            sessions += 1;
        }
        if all.len() == 6 && rng.one_in(120) {
            let w = all.swap_remove(rng.below(6));
            whole(&w);
            domain.rollback(w.session.id(), false).unwrap();
            continue;
        }
        let at = rng.below(all.len());
        if rng.one_in(40) {
            // Another process would open it anew, with what lies there now.
            all[at].view = all[at].session.view(ViewOptions::default()).unwrap();
            whole(&all[at]);
        }
        for _ in 0..8 {
            look(&all[at], &names, &mut rng);
            answers += 1;
        }
    }
    for w in &all {
        whole(w);
    }
    println!("reader: {answers} answers of {sessions} sessions");
}

fn begin(domain: &Domain, out: &Path, rng: &mut Rng) -> Watched {
    let session = domain.begin(BeginOptions::default()).unwrap();
    let n = session.info().unwrap().landing;
    let view = session.view(ViewOptions::default()).unwrap();
    let tree = subject::copy(&view);
    record::append(out, &Copy { n, tree: tree.clone() });
    let files: Vec<_> = tree.iter().filter(|(_, n)| matches!(n, Node::File { .. })).collect();
    let handles = (0..3)
        .map(|_| {
            let path = rng.pick(&files).0.clone();
            let how = OpenOptions { read: true, ..OpenOptions::default() };
            match view.open_at(&view.root(), path.as_bytes(), &how) {
                Ok(Handle::File(f)) => (path, f),
                other => panic!("{path}: {:?}", other.err()),
            }
        })
        .collect();
    Watched { session, view, n, tree, handles }
}

fn look(w: &Watched, names: &[String], rng: &mut Rng) {
    if rng.one_in(10) {
        let (path, f) = rng.pick(&w.handles);
        let text = subject::read_all(f).unwrap();
        assert!(
            matches!(w.tree.get(path), Some(Node::File { text: t, .. }) if *t == text),
            "as of landing {}: the handle of {path} gives {text:?}, not {:?}",
            w.n,
            w.tree.get(path)
        );
        return;
    }
    let path = rng.pick(names).clone();
    let op = match rng.below(4) {
        0 => Op::Stat { path },
        1 => Op::List { path: crate::model::parent(&path).to_owned() },
        _ => Op::Read { path },
    };
    let (is, was) = (subject::run(&w.view, &op), apply(&mut w.tree.clone(), &op));
    assert_eq!(is, was, "as of landing {}: {op:?}", w.n);
}

fn whole(w: &Watched) {
    let now = subject::copy(&w.view);
    for path in now.keys().chain(w.tree.keys()) {
        assert_eq!(now.get(path), w.tree.get(path), "as of landing {}: {path}", w.n);
    }
    assert!(w.view.changes().unwrap().changes.is_empty());
}
