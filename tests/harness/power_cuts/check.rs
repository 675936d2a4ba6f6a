//! What must hold on a disk after a power cut.

use std::collections::BTreeMap;
use std::path::Path;

use brio_landing::{BeginOptions, CommitOptions, SessionError};
use brio_session::ViewOptions;
use brio_tests::tree::{Node, Tree, difference, on_disk, seen};

use crate::worker::{Line, open};

/// What the cuts met.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Met {
    pub(crate) cuts: usize,
    /// Landings that were acknowledged before their cut.
    pub(crate) landings: usize,
    /// Recovery had a landing to complete or to undo.
    pub(crate) recovered: usize,
    /// The base holds a landing that was not acknowledged yet.
    pub(crate) ahead: usize,
    pub(crate) clean: usize,
    pub(crate) fsynced: usize,
    pub(crate) dirty_sessions: usize,
}

pub(crate) fn parse(log: &[u8]) -> Vec<Line> {
    // The last line may be half written.
    let whole = log.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    log[..whole]
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect()
}

/// Checks a base after a cut: `before` was logged before it, `until` surely before it was over.
pub(crate) fn check(
    base: &Path,
    first: &[Tree],
    before: &[Line],
    until: &[Line],
    met: &mut Met,
) -> Result<(), String> {
    met.cuts += 1;
    if !base.join(".brio").exists() && before.is_empty() {
        return Ok(());
    }
    let d = open(base, "boot-2").map_err(|e| format!("opening: {e}"))?;
    let done = d.recover().map_err(|e| format!("recovery: {e}"))?;
    met.recovered += usize::from(!done.completed.is_empty() || !done.aborted.is_empty());
    for (w, first) in first.iter().enumerate() {
        directory(base, w, first, before, until, met)?;
    }
    sessions(&d, before, until, met)?;
    // It goes on: a landing, the collection, and nothing left to recover.
    let s = d.begin(BeginOptions::default()).map_err(|e| format!("a begin: {e}"))?;
    let writer = s.writer("check", ViewOptions::default()).map_err(|e| e.to_string())?;
    let change = brio_tests::tree::Change::Write("after".into(), "the cut".into());
    brio_tests::tree::change(writer.view(), &change);
    writer.finish().map_err(|e| e.to_string())?;
    d.commit(s.id(), CommitOptions::default()).map_err(|e| format!("a landing: {e}"))?;
    d.gc().map_err(|e| format!("gc: {e}"))?;
    drop(d);
    let d = open(base, "boot-2").map_err(|e| format!("opening again: {e}"))?;
    let again = d.recover().map_err(|e| format!("recovery again: {e}"))?;
    if again != Default::default() {
        return Err(format!("recovery again: {again:?}"));
    }
    Ok(())
}

fn directory(
    base: &Path,
    w: usize,
    first: &Tree,
    before: &[Line],
    until: &[Line],
    met: &mut Met,
) -> Result<(), String> {
    let acknowledged = before.iter().filter_map(|l| match l {
        Line::Landed { w: of, n, .. } if *of == w => Some(*n),
        _ => None,
    });
    let least = acknowledged.max().unwrap_or(0);
    met.landings += least;
    let mut states = BTreeMap::from([(0, first)]);
    states.extend(until.iter().filter_map(|l| match l {
        Line::Try { w: of, n, tree } if *of == w => Some((*n, tree)),
        _ => None,
    }));
    let now = on_disk(&base.join(format!("w{w}")));
    match states.range(least..).find(|(_, t)| ***t == now) {
        Some((n, _)) => {
            met.ahead += usize::from(*n > least);
            Ok(())
        }
        None => {
            let older = states.range(..least).find(|(_, t)| ***t == now).map(|(n, _)| *n);
            let near: Vec<_> = states
                .range(least..)
                .map(|(n, t)| format!("not landing {n}: {:#?}", difference(&now, t)))
                .collect();
            Err(format!(
                "w{w}: landing {least} was acknowledged; an older state: {older:?}; {}",
                near.join("\n")
            ))
        }
    }
}

fn sessions(
    d: &brio_landing::Domain,
    before: &[Line],
    until: &[Line],
    met: &mut Met,
) -> Result<(), String> {
    let ending =
        |id: &str| until.iter().any(|l| matches!(l, Line::Ending { session } if session == id));
    let id = |s: &str| s.parse().map_err(|_| format!("{s} is no id"));
    for line in before {
        match line {
            Line::Landed { session, .. } => match d.session(&id(session)?) {
                Err(SessionError::Ended { .. }) => {}
                // The journal's last lines may be gone.
                Err(SessionError::Unknown { .. }) => {}
                Err(e) => return Err(format!("{session} has landed: {e}")),
                Ok(_) => return Err(format!("{session} has landed, and is open")),
            },
            Line::Clean { session, tree, .. } if !ending(session) => {
                met.clean += 1;
                let s = d.session(&id(session)?).map_err(|e| format!("clean: {e}"))?;
                let info = s.info().map_err(|e| format!("clean: {e}"))?;
                if info.unclean {
                    return Err(format!("{session} was finished, and is unclean"));
                }
                let view = s.view(ViewOptions::default()).map_err(|e| format!("{session}: {e}"))?;
                let wrong = difference(&seen(&view), tree);
                if !wrong.is_empty() {
                    return Err(format!("{session} was finished and shows {wrong:#?}"));
                }
            }
            Line::Fsynced { session, path, text } if !ending(session) => {
                met.fsynced += 1;
                let s = d.session(&id(session)?).map_err(|e| format!("fsynced: {e}"))?;
                let view = s.view(ViewOptions::default()).map_err(|e| format!("fsynced: {e}"))?;
                let there = view
                    .stat_at(&view.root(), path.as_bytes(), false)
                    .map(|_| seen(&view))
                    .map_err(|e| format!("{session}: the fsynced {path}: {e}"))?;
                if there.get(path) != Some(&Node::File(text.clone())) {
                    return Err(format!("{session}: the fsynced {path}: {:?}", there.get(path)));
                }
            }
            _ => {}
        }
    }
    // What was under way may be lost, or torn: then it says so, and can be thrown away.
    for info in d.sessions().map_err(|e| format!("sessions: {e}"))? {
        let known = |l: &Line| match l {
            Line::Clean { session, .. } | Line::Fsynced { session, .. } => {
                session == info.id.as_str()
            }
            _ => false,
        };
        if before.iter().any(known) {
            continue;
        }
        met.dirty_sessions += 1;
        d.rollback(&info.id, false).map_err(|e| format!("{}: {e}", info.id))?;
    }
    Ok(())
}
