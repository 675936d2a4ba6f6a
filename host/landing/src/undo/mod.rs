//! Undoing a landing: a session as of that landing which changes everything back, landed by the
//! same rules as any other. What lands is made of clones of the pre-images.

mod error;
mod inverse;
mod on_head;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use brio_session::{ChangeSet, Observed, RelPath, ViewOptions};

use crate::begin::{self, New, NewLower};
use crate::commit;
use crate::errors::Doing;
use crate::finish::{discard, empty_trash};
use crate::gc::is_collected;
use crate::history::{self, History, Landing};
use crate::intent::End;
use crate::lease::Lease;
use crate::meta::{self, Meta};
use crate::preimage::PreImages;
use crate::state::State;
use crate::undone::ByPath;
use crate::{
    BeginOptions, CommitError, CommitOptions, Conflict, Landed, Metadata, Policy, RecoverError,
    SessionId, Theirs, Warning, journal, layers, notes, recover,
};

pub use error::UndoError;

/// How a landing is undone.
#[derive(Debug, Clone, Default)]
pub struct UndoOptions {
    /// For the journal; shown by `brio log`.
    pub message: Option<String>,
    /// Which agent asked for it.
    pub agent: Option<String>,
    /// What becomes of paths that were changed since. A merge takes back what it can without
    /// touching later changes of texts, and refuses where an edit from outside has taken the
    /// landing's own text.
    pub policy: Policy,
}

/// See [`Domain::undo`](crate::Domain::undo).
pub(crate) fn undo(
    state: &Arc<State>,
    landing: u64,
    options: &UndoOptions,
) -> Result<Landed, UndoError> {
    state.may_land()?;
    if recover::pending(state).doing("the landing sequence")? {
        recover::now(state).map_err(Box::new)?;
    }
    let (session, lease, pre) = begin(state, landing, options)?;
    let done = attempt(state, &session, &pre, options);
    drop(lease);
    match &done {
        Ok(_) => {}
        // It is sealed: recovery decides, and takes the session with it.
        Err(UndoError::Commit(CommitError::Interrupted { .. })) => {}
        Err(_) => throw_away(state, &session),
    }
    done.map_err(|e| match e {
        // A pre-image went while we read it: over the quota everybody gives way.
        UndoError::Commit(CommitError::SnapshotGone { .. }) => collected(state, landing),
        UndoError::Io(e) if e.source.kind() == io::ErrorKind::NotFound => {
            match is_collected(state, landing) {
                Ok(true) => collected(state, landing),
                _ => UndoError::Io(e),
            }
        }
        UndoError::Commit(CommitError::Conflict { conflicts, .. }) => {
            UndoError::Conflict { landing, conflicts }
        }
        e => e,
    })
}

fn throw_away(state: &State, session: &SessionId) {
    let gone = match state.exclusive() {
        Ok(_lock) => discard(state, session),
        Err(e) => Err(io::Error::other(e)),
    };
    if let Err(e) = gone.and_then(|()| empty_trash(state)) {
        tracing::warn!("the session of an undo was not removed, `brio gc` does it: {e}");
    }
}

/// A session that keeps the landing's pre-images, and the right to write in it.
fn begin(
    state: &Arc<State>,
    landing: u64,
    options: &UndoOptions,
) -> Result<(SessionId, Lease, PreImages), UndoError> {
    let lock = state.shared()?;
    let l = find(state, landing)?;
    let pre = PreImages::open(state, l.clone()).doing(format!("landing {landing}"))?;
    let pre = pre.ok_or(UndoError::Aborted { landing })?;
    let goal = match &l.intent.goal {
        Some(goal) => format!("undo of landing {landing}: {goal}"),
        None => format!("undo of landing {landing}"),
    };
    let agent = options.agent.clone();
    let metadata = Metadata { goal: Some(goal), agent, ..Metadata::default() };
    let begin = BeginOptions { metadata, ..BeginOptions::default() };
    let new = New {
        landing,
        dirs: vec![state.root_ino],
        options: &begin,
        parent: None,
        lower: NewLower::default(),
        undo_of: Some(landing),
    };
    let lease = |dir: &_| Lease::of_new(state, dir, "undo").doing("a session");
    let (session, lease) = begin::make_with(state, &new, lease)?;
    drop(lock);
    Ok((session, lease, pre))
}

fn find(state: &State, landing: u64) -> Result<Arc<Landing>, UndoError> {
    let newest = state.seq.get().doing("the landing sequence")?.landing();
    if landing == 0 || landing > newest {
        return Err(UndoError::Unknown { landing });
    }
    let l = match history::ended_or_now(state, landing) {
        Ok(l) => l,
        Err(RecoverError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => {
            let lines = journal::entries(state).doing("the journal")?;
            let landed = |e: &crate::JournalEntry| e.what == "landed" && e.landing == Some(landing);
            return Err(match lines.iter().any(landed) {
                true => collected(state, landing),
                // Its number was burned.
                false => UndoError::Aborted { landing },
            });
        }
        Err(e) => return Err(Box::new(e).into()),
    };
    match &l.end {
        Some(End::Finished { .. }) if is_collected(state, landing).doing("landings")? => {
            Err(collected(state, landing))
        }
        Some(End::Finished { .. }) => Ok(l),
        Some(End::Aborted { .. }) => Err(UndoError::Aborted { landing }),
        Some(End::Damaged { paths }) => Err(CommitError::Damaged { paths_: paths.clone() }.into()),
        None => Err(UndoError::Aborted { landing }),
    }
}

fn collected(state: &State, landing: u64) -> UndoError {
    UndoError::Collected { landing, retention: state.options.retention }
}

fn attempt(
    state: &Arc<State>,
    session: &SessionId,
    pre: &PreImages,
    options: &UndoOptions,
) -> Result<Landed, UndoError> {
    let m = meta::load(state, session)?;
    let view = |source| UndoError::View { landing: pre.landing.number, source };
    let writing = ViewOptions { vcs: true, door: state.disk.0.clone(), ..ViewOptions::default() };
    let v = layers::view(state, &m, writing).map_err(view)?;
    let built = inverse::build(state, &v, pre);
    v.end();
    drop(v);
    let built = built?;
    let undone = (pre.landing.number, &pre.landing.intent.notes[..]);
    let stay = notes::undo(state, undone, &m).map_err(CommitError::from)?;
    let policy = options.policy;
    let options =
        CommitOptions { message: options.message.clone(), policy, ..CommitOptions::default() };
    let drifted = match policy {
        // Whatever stands there.
        Policy::LastWriteWins => Vec::new(),
        // What the landing left is not known any more: there is nothing to merge with.
        Policy::Reject | Policy::Merge => built.drifted,
    };
    let mut conflicts = built.conflicts;
    conflicts.extend(drifted);
    if conflicts.is_empty() {
        let mut landed = commit::land(state, &m, &options)?;
        landed.warnings.extend(stay.into_iter().map(|path| Warning::NoteStays { path }));
        return Ok(landed);
    }
    // What the plan has against it as well.
    for c in theirs(state, &m)? {
        if !conflicts.iter().any(|known| known.path == c.path) {
            conflicts.push(c);
        }
    }
    conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    Err(UndoError::Conflict { landing: pre.landing.number, conflicts })
}

/// The conflicts that a commit would meet.
fn theirs(state: &Arc<State>, m: &Meta) -> Result<Vec<Conflict>, UndoError> {
    match commit::prepare(state, m, &CommitOptions::default(), None).and_then(|c| c.plan()) {
        Ok(_) => Ok(Vec::new()),
        Err(CommitError::Conflict { conflicts, .. }) => Ok(conflicts),
        Err(e) => Err(e.into()),
    }
}

/// What an undo's session saw of the base is what the landing left there. A later landing that
/// was undone itself is no conflict: then it is what that undo left.
pub(crate) fn observed(
    state: &State,
    k: u64,
    history: &mut History,
    set: &ChangeSet,
) -> Result<ChangeSet, CommitError> {
    let landing = history::ended_or_now(state, k).map_err(Box::new)?;
    let mut set = set.clone();
    let changed: HashSet<RelPath> = set.changes.iter().map(|c| c.path.clone()).collect();
    // A directory above them that was moved away and brought back is another one now.
    let above = changed.iter().flat_map(RelPath::ancestors);
    let paths: HashSet<RelPath> = above.chain(changed.iter().cloned()).collect();
    let later: Vec<Arc<Landing>> = history.landings.clone();
    let by_path = ByPath::new(later.iter().map(|l| &**l), |p| paths.contains(p));
    let own = ByPath::new(std::iter::once(&*landing), |p| paths.contains(p));
    let mut left: HashMap<u64, PreImages> = HashMap::new();
    for path in &paths {
        let mut last = own.all(path).last().filter(|_| changed.contains(path));
        if by_path.standing(path).is_empty()
            && let Some(of) = by_path.all(path).last()
        {
            history.forget(path);
            last = Some(of);
        }
        let Some((l, step)) = last else { continue };
        let pre = match left.entry(l.number) {
            Entry::Occupied(e) => e.into_mut(),
            Entry::Vacant(e) => {
                let l = history::ended_or_now(state, l.number).map_err(Box::new)?;
                let what = format!("landing {}", l.number);
                let Some(pre) = PreImages::open(state, l).doing(what)? else { continue };
                e.insert(pre)
            }
        };
        let sha256 = step.new_sha256;
        let seen = Observed { fingerprint: pre.left(step), sha256, original: None };
        set.observed.insert(path.clone(), seen);
    }
    Ok(set)
}

/// Who changed a path since a landing: the last one that stands, or nobody that we know.
fn who(by_path: &ByPath<'_>, path: &RelPath, what: crate::What) -> Theirs {
    match by_path.standing(path).last() {
        Some((l, step)) => Theirs::Landing {
            number: l.number,
            session: l.intent.session.clone(),
            goal: l.intent.goal.clone(),
            what: step.what(),
        },
        None => Theirs::Drift { what },
    }
}
