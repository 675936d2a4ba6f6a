//! Deleting pre-images that no open session needs.

use std::io;
use std::os::fd::AsFd;

use crate::disk;
use crate::finish::{empty_trash, keep_late, slot_names};
use crate::history::{self, Landing};
use crate::intent::{End, slot_name};
use crate::judge::{Seen, see};
use crate::lock::Lock;
use crate::look::Look;
use crate::state::State;
use crate::{lease, meta, SessionId};

/// Collects, under the exclusive lock: `trash/` holds what is to be deleted when it returns.
pub(crate) fn collect(state: &State, _lock: &Lock) -> io::Result<u64> {
    let mut needed = u64::MAX;
    for id in meta::list(state)? {
        match meta::load(state, &id) {
            Ok(m) => needed = needed.min(m.landing),
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
        keep_edited(state, &l)?;
        let name = history::name(*k);
        if numbers.last() == Some(k) {
            // The newest stays as a witness of its number, without what takes room.
            for slot in slot_names(&l.intent) {
                freed += state.disk.remove_tree(&l.dir, &slot)?;
            }
        } else {
            state.disk.rename(&state.landings, &name, &state.trash, &[b"landing-", &*name].concat())?;
        }
    }
    Ok(freed)
}

/// A pre-image that was edited through an old handle is never collected.
fn keep_edited(state: &State, l: &Landing) -> io::Result<()> {
    if !matches!(l.end, Some(End::Finished { .. })) {
        return Ok(());
    }
    for step in &l.intent.steps {
        let (Some(slot), true) = (step.slot(), step.old.is_some()) else { continue };
        let now = Look::at(&l.dir, &slot_name(slot))?.map(|l| l.fingerprint());
        if see(now.as_ref(), step) == Seen::OldEdited {
            let kept = keep_late(state, l.number, l.dir.as_fd(), &step.path, slot)?;
            let mut entry = state.entry("late-edit", Some(&l.intent.session));
            entry.landing = Some(l.number);
            entry.detail = Some(serde_json::json!({ "path": kept.path.to_string(), "kept": kept.at.to_string() }));
            state.note(&entry);
        }
    }
    Ok(())
}

/// Removes what crashes left: trash, staging of sessions that nobody commits, half-made sessions.
pub(crate) fn tidy(state: &State) -> io::Result<u64> {
    let mut freed = empty_trash(state)?;
    for name in disk::names(&state.staging)? {
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
