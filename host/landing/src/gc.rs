//! Deleting pre-images that no open session needs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use brio_session::{Kind, is_stop};
use rustix::fs::{Mode, OFlags, openat};

use crate::busy::unwritten;
use crate::disk;
use crate::finish::{empty_trash, keep_late};
use crate::history::{self, Landing};
use crate::intent::{End, Step, clone_name, slot_name};
use crate::judge::{Seen, see};
use crate::lock::Lock;
use crate::look::Look;
use crate::state::State;
use crate::{SessionId, lease, lower, meta, recover};

/// Collects, under the exclusive lock: `trash/` holds what is to be deleted when it returns.
pub(crate) fn collect(state: &State, lock: &Lock) -> io::Result<u64> {
    pass(state, lock, true)
}

/// As [`collect`], without a flush of its own: what ended a moment ago is left for the next.
pub(crate) fn collect_flushed(state: &State, lock: &Lock) -> io::Result<u64> {
    pass(state, lock, false)
}

fn pass(state: &State, _lock: &Lock, flush: bool) -> io::Result<u64> {
    // A frozen session reads no pre-image, but asks who changed what.
    let (mut needed, mut asked) = (u64::MAX, u64::MAX);
    for id in meta::list(state)? {
        match meta::load(state, &id) {
            Ok(m) if m.lower.is_frozen() => asked = asked.min(m.oldest_landing()),
            Ok(m) => needed = needed.min(m.oldest_landing()),
            // It cannot be read, so it cannot be said what it needs.
            Err(_) => needed = 0,
        }
    }
    let numbers = history::numbers(state)?;
    let mut freed = 0;
    for k in &numbers {
        if needed < *k {
            continue;
        }
        let Ok(l) = history::load(state, *k) else { continue };
        if !matches!(l.end, Some(End::Finished { .. } | End::Aborted { .. })) {
            continue;
        }
        let (gone, bytes) = slots(state, &l)?;
        freed += bytes;
        // The newest stays as a witness of its number, without what takes room; and one whose
        // session may come back in a power cut, as a witness that it is over.
        if gone && numbers.last() != Some(k) && asked >= *k && ended_durably(state, *k, flush)? {
            let name = history::name(*k);
            state.disk.rename(
                &state.landings,
                &name,
                &state.trash,
                &[b"landing-", &*name].concat(),
            )?;
        }
    }
    Ok(freed)
}

/// Whether a session that landing `k` ended stays gone in a power cut.
fn ended_durably(state: &State, k: u64, flush: bool) -> io::Result<bool> {
    if state.is_flushed(k) {
        return Ok(true);
    }
    if !flush || !recover::quiet(state)? {
        return Ok(false);
    }
    let ended = state.seq.get()?.landing();
    match state.disk.sync_dir(&state.sessions) {
        Err(e) if is_stop(&e) => Err(e),
        Err(_) => Ok(false),
        Ok(()) => {
            state.flushed(ended + 1);
            Ok(true)
        }
    }
}

/// Removes the slots of a landing. One that somebody has open for writing stays, and one that
/// was edited through an old handle is kept first. False: something stayed.
fn slots(state: &State, l: &Landing) -> io::Result<(bool, u64)> {
    let finished = matches!(l.end, Some(End::Finished { .. }));
    let (mut gone, mut freed) = (true, 0);
    let dir = history::dir(state, l.number)?;
    for step in &l.intent.steps {
        let Some(slot) = step.slot() else { continue };
        freed += state.disk.remove_tree(&dir, &clone_name(slot))?;
        let name = slot_name(slot);
        let Some(look) = Look::at(&dir, &name)? else { continue };
        let remove = || -> io::Result<u64> {
            let now = Look::at(&dir, &name)?.map(|l| l.fingerprint());
            if finished && step.old.is_some() && see(now.as_ref(), step) == Seen::OldEdited {
                keep_edited(state, l, &dir, step, slot)?;
            }
            state.disk.remove_tree(&dir, &name)
        };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match look.kind() {
            Kind::File => openat(&dir, &*name, how, Mode::empty()).ok(),
            _ => None,
        };
        match file {
            // Under a lease: a handle must not write between the look and the unlinking.
            Some(file) => match unwritten(file.as_fd(), remove) {
                Some(bytes) => freed += bytes?,
                None => gone = false,
            },
            None => freed += remove()?,
        }
    }
    Ok((gone, freed))
}

fn keep_edited(
    state: &State,
    l: &Landing,
    dir: &OwnedFd,
    step: &Step,
    slot: u32,
) -> io::Result<()> {
    let kept = keep_late(state, l.number, dir.as_fd(), &step.path, slot)?;
    let mut entry = state.entry("late-edit", Some(&l.intent.session));
    entry.landing = Some(l.number);
    entry.detail =
        Some(serde_json::json!({ "path": kept.path.to_string(), "kept": kept.at.to_string() }));
    state.note(&entry);
    Ok(())
}

/// Removes what crashes left: trash, staging of sessions that nobody commits, half-made sessions.
pub(crate) fn tidy(state: &State) -> io::Result<u64> {
    let mut freed = empty_trash(state)?;
    for name in disk::names(&state.staging)? {
        if let Some(bytes) = lower::sweep(state, &name)? {
            freed += bytes;
            continue;
        }
        // "sess-<uuid>-<nonce>"
        let id = std::str::from_utf8(&name).ok().and_then(|n| n.rsplit_once('-')).map(|(id, _)| id);
        let live = id.and_then(|id| id.parse::<SessionId>().ok()).is_some_and(|id| {
            // A session that has ended holds no lease, and stages nothing.
            meta::dir(state, &id).is_ok() && !lease::is_free(state, &id)
        });
        if !live {
            freed += state.disk.remove_tree(&state.staging, &name)?;
        }
    }
    Ok(freed)
}

/// Removes half-made sessions, under the exclusive lock: a begin holds it shared.
pub(crate) fn half_made(state: &State, _lock: &Lock) -> io::Result<()> {
    for name in disk::names(&state.sessions)? {
        if name.starts_with(b".sess-") {
            state.disk.remove_tree(&state.sessions, &name)?;
        }
    }
    Ok(())
}
