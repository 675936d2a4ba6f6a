//! Recovery: every sealed landing without an end is completed or undone, under the exclusive lock.

use std::io;

use brio_session::RelPath;

use crate::apply::Work;
use crate::errors::Doing;
use crate::finish::{discard, finish, write_end};
use crate::history::{self, Landing};
use crate::intent::{ABORTING, End};
use crate::lock::Lock;
use crate::look::Look;
use crate::seq::{Phase, Value};
use crate::state::State;
use crate::{HostError, Kept, RecoverError, Recovered, SessionId, journal, tidy};

/// Whether this boot knows that every landing has ended well and its session is gone. Costs
/// the same however many landings there are.
pub(crate) fn quiet(state: &State) -> io::Result<bool> {
    let value = state.seq.get()?;
    let k = value.landing();
    // Numbers are given in ascending order: what was sealed after the last is the next.
    Ok(value.quiet()
        && state.seq.settled()? == Some(k)
        && Look::at(&state.landings, &history::name(k + 1))?.is_none())
}

/// Whether something is to be recovered; without a lock, so it may be stale.
pub(crate) fn pending(state: &State) -> io::Result<bool> {
    if quiet(state)? {
        return Ok(false);
    }
    let value = state.seq.get()?;
    if !value.quiet() {
        return Ok(true);
    }
    for k in history::numbers(state)? {
        if k > value.landing() {
            return Ok(true);
        }
        match history::load(state, k) {
            Ok(Landing { end: None, .. }) => return Ok(true),
            // A session that a finished landing names is over, though a crash left its directory.
            Ok(Landing { intent, end: Some(End::Finished { .. }), .. })
                if crate::meta::dir(state, &intent.session).is_ok() =>
            {
                return Ok(true);
            }
            // Collected meanwhile, or for whoever needs it to say.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(false)
}

/// Whether a landing of this session may not have ended well. A landing of another one that is
/// under way is not waited for.
pub(crate) fn concerns(state: &State, id: &SessionId) -> io::Result<bool> {
    if quiet(state)? {
        return Ok(false);
    }
    let settled = state.seq.settled()?.unwrap_or(0);
    let later = history::numbers(state)?.into_iter().filter(|k| *k > settled);
    Ok(later.map(|k| history::load(state, k)).any(|l| match l {
        Ok(l) => l.intent.session == *id && !matches!(l.end, Some(End::Aborted { .. })),
        // Collected meanwhile, or for recovery to say.
        Err(RecoverError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => false,
        Err(_) => true,
    }))
}

/// Takes the lock and settles.
pub(crate) fn now(state: &State) -> Result<Recovered, RecoverError> {
    let lock = state.exclusive()?;
    settle(state, &lock)
}

/// Completes or undoes what is open. Afterwards the sequence is quiet.
pub(crate) fn settle(state: &State, _lock: &Lock) -> Result<Recovered, RecoverError> {
    let what = "the landing sequence";
    let mut done = Recovered::default();
    if quiet(state).doing(what)? {
        return Ok(done);
    }
    if state.seq.settled().doing(what)?.is_none() {
        journal::mend(state).doing("the journal")?;
    }
    let mut newest = 0;
    let (mut damaged, mut well) = (Vec::new(), true);
    for k in history::numbers(state).doing("landings")? {
        let l = history::load(state, k)?;
        match &l.end {
            None if !state.trusts(l.intent.uid) => {
                return Err(RecoverError::Foreign { landing: k, uid: l.intent.uid });
            }
            None => damaged.extend(one(state, &l, &mut done)?),
            Some(End::Finished { .. }) => {
                if crate::meta::dir(state, &l.intent.session).is_ok() {
                    discard(state, &l.intent.session).doing(&l.intent.session)?;
                }
            }
            Some(End::Damaged { .. }) => well = false,
            Some(End::Aborted { .. }) => {}
        }
        newest = k;
    }
    // Above what lies there are numbers that were burned.
    newest = newest.max(state.seq.get().doing(what)?.landing());
    if well && damaged.is_empty() {
        state.seq.settle(&state.disk, newest).doing(what)?;
    } else {
        state.seq.raise(&state.disk, Value::new(newest, Phase::Ended)).doing(what)?;
    }
    if damaged.is_empty() { Ok(done) } else { Err(RecoverError::Damaged { paths_: damaged }) }
}

/// Returns the paths that could be neither completed nor undone.
fn one(state: &State, l: &Landing, done: &mut Recovered) -> Result<Vec<RelPath>, RecoverError> {
    let what = format!("landing {}", l.number);
    let dir = history::dir(state, l.number).doing(&what)?;
    // A rename that was seen and never synced could still be lost after it was acted on.
    state.disk.sync_dir(&state.landings).and_then(|()| sync(state)).doing(&what)?;
    let mut work = Work::new(state, l.number, &dir, &l.intent.steps);
    work.session = Some(l.intent.session.clone());
    if !l.aborting {
        state.seq.raise(&state.disk, Value::new(l.number, Phase::Sealed)).doing(&what)?;
        match work.roll_forward().map_err(|(p, e)| HostError::new(p, e)) {
            Ok(()) => {
                // If it fails the landing is not undone: it may have been acknowledged, and lost
                // its `end` only. The next one tries again.
                sync(state).doing(&what)?;
                let entry = journal::landed(l.number, &l.intent);
                let known = journal::entries(state).unwrap_or_default();
                let known = known.iter().any(|e| e.what == "landed" && e.landing == Some(l.number));
                for k in
                    finish(state, &l.intent, &mut work, (!known).then_some(&entry)).doing(&what)?
                {
                    work.kept.push(k);
                }
                journal(state, l, "recovered", "completed", &work.kept);
                done.completed.push(l.number);
                done.kept.extend(work.kept);
                return Ok(Vec::new());
            }
            // The process dies, or the door says so: the next one tries again.
            Err(e) if brio_session::is_stop(&e.source) => return Err(e.into()),
            Err(e) => {
                tracing::warn!("{what} cannot be completed ({e}); it is undone");
                mark_aborting(state, &dir).doing(&what)?;
            }
        }
    }
    state.seq.turn(&state.disk, l.number).doing(&what)?;
    match undo(state, &mut work).doing(&what)? {
        Ok(()) => {
            journal(state, l, "recovered", "undone", &work.kept);
            done.aborted.push(l.number);
            done.kept.extend(work.kept);
            Ok(Vec::new())
        }
        Err(paths) => Ok(paths),
    }
}

fn sync(state: &State) -> io::Result<()> {
    state.disk.sync_fs(&state.dir)
}

/// The durable word that a landing is being undone: recovery follows it.
pub(crate) fn mark_aborting(state: &State, dir: &std::os::fd::OwnedFd) -> io::Result<()> {
    let write = || -> io::Result<()> {
        if Look::at(dir, ABORTING)?.is_some() {
            return state.disk.sync_dir(dir);
        }
        let file = state.disk.write_new(dir, ABORTING, b"")?;
        state.disk.sync_file(&file)?;
        state.disk.sync_dir(dir)
    };
    write().or_else(|e| {
        if brio_session::is_stop(&e) {
            return Err(e);
        }
        // A full disk must not keep us from undoing.
        state.give_up_reserve();
        write()
    })
}

/// Undoes a landing that is marked. The inner error names what could not be put back.
pub(crate) fn undo(state: &State, work: &mut Work<'_>) -> io::Result<Result<(), Vec<RelPath>>> {
    let (mut failed, mut restored) = work.roll_back();
    if failed.iter().any(|(_, e)| brio_session::is_stop(e)) {
        return Err(failed.swap_remove(0).1);
    }
    if !failed.is_empty() {
        // Once more: a passing error, or a directory whose content went back meanwhile.
        (failed, restored) = work.roll_back();
    }
    if let Err(e) = sync(state) {
        if brio_session::is_stop(&e) {
            return Err(e);
        }
        sync(state)?;
    }
    if failed.is_empty() {
        detach(state, work)?;
    }
    let end = if failed.is_empty() {
        End::Aborted { kept: work.kept.clone(), restored }
    } else {
        End::Damaged { paths: failed.iter().map(|(p, _)| p.clone()).collect() }
    };
    if let Err(e) = write_end(state, work, &end) {
        if brio_session::is_stop(&e) {
            return Err(e);
        }
        state.give_up_reserve();
        write_end(state, work, &end)?;
    }
    state.restore_reserve();
    Ok(match end {
        End::Damaged { paths } => Err(paths),
        _ => Ok(()),
    })
}

/// What of ours stayed in the base because it was edited there is the session's own file as
/// well: the session gets copies, or it would go on writing into the base.
fn detach(state: &State, work: &mut Work<'_>) -> io::Result<()> {
    if let Err(e) = work.clear_slots() {
        if brio_session::is_stop(&e) {
            return Err(e);
        }
        work.clear_slots()?;
    }
    let Some(session) = &work.session else { return Ok(()) };
    let Ok(m) = crate::meta::load(state, session) else { return Ok(()) };
    // Durable before `end` says that the landing is undone: from then on the session may write.
    for layer in &m.layers {
        let Ok(dir) = crate::meta::layer_dir(state, layer) else { continue };
        let mut copied = false;
        for name in crate::disk::names(&dir)? {
            if !name.starts_with(b"f") || Look::at(&dir, &name)?.is_none_or(|l| l.nlink() < 2) {
                continue;
            }
            let how = rustix::fs::OFlags::RDONLY
                | rustix::fs::OFlags::CLOEXEC
                | rustix::fs::OFlags::NOFOLLOW;
            let from = std::fs::File::from(rustix::fs::openat(
                &dir,
                &*name,
                how,
                rustix::fs::Mode::empty(),
            )?);
            let copy = [b"copy-", &*name].concat();
            state.disk.remove_tree(&dir, &copy)?;
            let into = state.disk.create(&dir, &copy, 0o600)?;
            state.disk.clone_into(&from, &into)?;
            let old = Look::of(&from)?.meta();
            state.disk.chmod(&into, old.mode)?;
            state.disk.set_times(&dir, &copy, old.atime, old.mtime)?;
            state.disk.sync_file(&into)?;
            state.disk.rename(&dir, &copy, &dir, &name)?;
            copied = true;
        }
        if copied {
            state.disk.sync_dir(&dir)?;
        }
    }
    Ok(())
}

/// The paths of a base that is damaged.
pub(crate) fn damage(state: &State) -> io::Result<Vec<RelPath>> {
    if quiet(state)? {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for k in history::numbers(state)? {
        if let Ok(Landing { end: Some(End::Damaged { paths }), .. }) = history::load(state, k) {
            out.extend(paths);
        }
    }
    Ok(out)
}

/// `brio recover`: as [`now`], and tries again what a damaged base needs.
pub(crate) fn explicit(state: &State) -> Result<Recovered, RecoverError> {
    let lock = state.exclusive()?;
    // Damage, the new as the old, is tried again below.
    let mut done = match settle(state, &lock) {
        Err(RecoverError::Damaged { .. }) => Recovered::default(),
        r => r?,
    };
    for k in history::numbers(state).doing("landings")? {
        let l = history::load(state, k)?;
        let Some(End::Damaged { paths }) = &l.end else { continue };
        if !state.trusts(l.intent.uid) {
            return Err(RecoverError::Foreign { landing: k, uid: l.intent.uid });
        }
        let dir = history::dir(state, k).doing("landings")?;
        let mut work = Work::new(state, k, &dir, &l.intent.steps);
        work.session = Some(l.intent.session.clone());
        match undo(state, &mut work).doing(format!("landing {k}"))? {
            Ok(()) => {
                journal(state, &l, "recovered", "undone", &work.kept);
                done.repaired.extend(paths.iter().cloned());
                done.kept.extend(work.kept);
            }
            Err(paths_) => return Err(RecoverError::Damaged { paths_ }),
        }
    }
    settle(state, &lock)?;
    tidy::half_made(state, &lock).doing("sessions")?;
    drop(lock);
    tidy::tidy(state).doing("trash")?;
    Ok(done)
}

fn journal(state: &State, l: &Landing, what: &str, how: &str, kept: &[Kept]) {
    let mut entry = state.entry(what, Some(&l.intent.session));
    entry.goal.clone_from(&l.intent.goal);
    entry.agent.clone_from(&l.intent.agent);
    entry.landing = Some(l.number);
    let kept: Vec<_> = kept.iter().map(|k| serde_json::json!({"path": k.path.to_string(), "at": k.at.to_string(), "why": k.why})).collect();
    entry.detail = Some(serde_json::json!({ "landing": how, "kept": kept }));
    state.note(&entry);
}
