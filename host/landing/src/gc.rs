//! Deleting pre-images: those that no open session needs and that are past the undo window, and
//! what must go because of the quota.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use brio_session::{Kind, is_stop};
use rustix::fs::{Mode, OFlags, openat};

use crate::binds;
use crate::busy::unwritten;
use crate::disk;
use crate::errors::is_full;
use crate::finish::keep_late;
use crate::history::{self, Landing};
use crate::intent::{ABORTING, END, End, Step, clone_name, slot_name};
use crate::judge::{Seen, see};
use crate::lines::LINES;
use crate::lock::Lock;
use crate::look::Look;
use crate::quota::{self, Choice, Ended, Held, Need};
use crate::state::State;
use crate::{Quota, Retention, SessionId, lease, meta, recover};

/// An empty file in `landings/<k>`: its pre-images are gone, or are going. It is there before
/// the first of them is unlinked.
pub(crate) const COLLECTED: &[u8] = b"collected";

/// Everything is counted once in so many landings.
const COUNT_EVERY: u64 = 32;

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bytes on disk that are free again.
    pub bytes_freed: u64,
    /// Landings that cannot be undone any more.
    pub landings: Vec<u64>,
    /// Sessions that lost what the base held when they began.
    pub stale: Vec<SessionId>,
}

/// Collects after something ended, under the exclusive lock: `trash/` holds what is to be
/// deleted when it returns. Costs a look at the oldest landing, and at every open session only
/// where records are left that one of those may ask for, and once in 32 landings, with a count of
/// all that is kept.
pub(crate) fn collect(state: &State, lock: &Lock) -> io::Result<u64> {
    after(state, lock, true)
}

/// As [`collect`], without a flush of its own: what ended a moment ago is left for the next.
pub(crate) fn collect_flushed(state: &State, lock: &Lock) -> io::Result<u64> {
    after(state, lock, false)
}

fn after(state: &State, lock: &Lock, flush: bool) -> io::Result<u64> {
    let newest = state.seq.get()?.landing();
    let counted = state.counted.load(Ordering::Relaxed);
    let count = newest / COUNT_EVERY > counted / COUNT_EVERY;
    let retention = state.options.retention;
    let oldest = state.oldest.load(Ordering::Relaxed);
    if !count && is_young(state, oldest, retention.window) && !(flush && is_left(state, oldest)?) {
        return Ok(0);
    }
    let run = Run { state, retention, count, all: count, recount: false, dry: false, flush };
    let done = run.with_reserve(lock)?;
    state.counted.store(newest, Ordering::Relaxed);
    Ok(done.bytes_freed)
}

/// Whether a landing's pre-images stay whatever sessions need; so do those of all later ones.
fn is_young(state: &State, k: u64, window: Duration) -> bool {
    k > 0 && matches!(ended(state, k), Ended::Finished(age) if age < window)
}

/// Whether there are records older than the oldest landing that was not collected: they stay for
/// as long as a session asks who changed what.
fn is_left(state: &State, oldest: u64) -> io::Result<bool> {
    Ok(Look::at(&state.landings, &history::name(oldest.saturating_sub(1)))?.is_some())
}

/// One pass over the landings.
pub(crate) struct Run<'a> {
    pub(crate) state: &'a State,
    pub(crate) retention: Retention,
    /// Whether the quota is looked at.
    pub(crate) count: bool,
    /// Whether landings are looked at that were collected before.
    pub(crate) all: bool,
    /// Whether what was counted before is counted again.
    pub(crate) recount: bool,
    /// Whether nothing is done.
    pub(crate) dry: bool,
    /// Whether what ended a moment ago is flushed, where its record could go.
    pub(crate) flush: bool,
}

impl Run<'_> {
    /// On a full disk the reserve makes room for what has to be written first.
    pub(crate) fn with_reserve(&self, lock: &Lock) -> io::Result<Collected> {
        match self.pass(lock) {
            Err(e) if is_full(&e) && !is_stop(&e) => {
                self.state.give_up_reserve();
                let done = self.pass(lock);
                self.state.restore_reserve();
                done
            }
            r => r,
        }
    }

    fn pass(&self, _lock: &Lock) -> io::Result<Collected> {
        let state = self.state;
        let numbers = history::numbers(state)?;
        if numbers.is_empty() {
            return Ok(Collected::default());
        }
        let (needs, lowest) = needs(state)?;
        // What was collected before is the older part, but for what was busy then.
        let done = match self.all {
            true => 0,
            false => numbers.partition_point(|k| is_collected(state, *k).unwrap_or(true)),
        };
        let kept = numbers.iter().skip(done).filter(|k| !is_collected(state, **k).unwrap_or(true));
        let mut seen = HashSet::new();
        let mut total = 0;
        let mut sizes = Vec::new();
        if self.count {
            // They change by late edits only; whoever asks explicitly has all of it counted.
            let mut known = state.sizes.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|k, _| !self.recount && numbers.binary_search(k).is_ok());
            for k in kept.clone() {
                let bytes = match known.get(k) {
                    Some(bytes) => *bytes,
                    None => pre_images(state, *k, &mut seen)?,
                };
                known.insert(*k, bytes);
                sizes.push(bytes);
                total += bytes;
            }
        }
        let over = if self.count { total.saturating_sub(self.quota()?) } else { 0 };
        let sizes = sizes.into_iter().chain(std::iter::repeat(0));
        let held = kept.clone().zip(sizes).map(|(k, bytes)| Held {
            number: *k,
            ended: ended(state, *k),
            bytes,
        });
        let choice = quota::choose(held, needs, self.retention.window, over);
        let oldest = kept.clone().find(|k| choice.landings.binary_search(k).is_err());
        if self.dry {
            return self.forecast(choice, &numbers, lowest);
        }
        let mut out = Collected::default();
        for id in &choice.stale {
            meta::mark_stale(state, id)?;
            state.note(&state.entry("stale", Some(id)));
        }
        for (i, k) in numbers.iter().enumerate() {
            let chosen = choice.landings.binary_search(k).is_ok();
            if !chosen && !self.all && i >= done {
                break;
            }
            // The newest stays as a witness of its number, without what takes room.
            let goes = *k <= lowest && i + 1 < numbers.len();
            // What a crash, or a handle that was in use, left of an earlier collection.
            let left = (goes || self.all) && is_collected(state, *k)?;
            if !(chosen || left) {
                continue;
            }
            let Ok(l) = history::load(state, *k) else { continue };
            let (gone, bytes) = self.slots(&l, *k > lowest)?;
            out.bytes_freed += bytes;
            // Nor does one whose session may come back in a power cut: it tells that it is over.
            if gone && goes && self.ended_durably(*k)? {
                let name = history::name(*k);
                let trash = [b"landing-", &*name].concat();
                state.disk.rename(&state.landings, &name, &state.trash, &trash)?;
            }
        }
        state.oldest.store(oldest.copied().unwrap_or(0), Ordering::Relaxed);
        out.landings = choice.landings;
        out.stale = choice.stale;
        if !out.landings.is_empty() {
            let mut entry = state.entry("collected", None);
            entry.detail = Some(serde_json::json!({
                "landings": out.landings, "bytes_freed": out.bytes_freed,
            }));
            state.note(&entry);
        }
        Ok(out)
    }

    /// Whether a session that landing `k` ended stays gone in a power cut.
    fn ended_durably(&self, k: u64) -> io::Result<bool> {
        let state = self.state;
        if state.is_flushed(k) {
            return Ok(true);
        }
        if !self.flush || !recover::quiet(state)? {
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

    /// How many bytes pre-images may take.
    fn quota(&self) -> io::Result<u64> {
        Ok(match self.retention.quota {
            Quota::Bytes(n) => n,
            Quota::Percent(p) => {
                let s = rustix::fs::fstatvfs(&self.state.dir)?;
                s.f_blocks.saturating_mul(s.f_frsize) / 100 * u64::from(p)
            }
        })
    }

    fn forecast(&self, choice: Choice, numbers: &[u64], lowest: u64) -> io::Result<Collected> {
        let state = self.state;
        let mut seen = HashSet::new();
        let mut bytes_freed = 0;
        for k in numbers {
            let goes = choice.landings.contains(k) || is_collected(state, *k)?;
            if goes && *k <= lowest && numbers.last() != Some(k) {
                bytes_freed += disk::usage(&state.landings, &history::name(*k), &mut seen)?;
            } else if goes {
                bytes_freed += pre_images(state, *k, &mut seen)?;
            }
        }
        Ok(Collected { bytes_freed, landings: choice.landings, stale: choice.stale })
    }

    /// Removes the slots of a landing. One that somebody has open for writing stays, and one
    /// that was edited through an old handle is kept first. False: something stayed.
    /// `needed`: a session reads them, and must find them marked whatever happens.
    fn slots(&self, l: &Landing, needed: bool) -> io::Result<(bool, u64)> {
        let state = self.state;
        let finished = matches!(l.end, Some(End::Finished { .. }));
        let (mut gone, mut freed) = (true, 0);
        let dir = history::dir(state, l.number)?;
        match state.disk.create(&dir, COLLECTED, 0o600) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            r => drop(r?),
        }
        if needed {
            state.disk.sync_dir(&dir)?;
        }
        freed += state.disk.remove_tree(&dir, LINES)?;
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
}

/// What sessions need, and the oldest landing that any of them, stale or not, looks at: the
/// intents of all later ones are read.
fn needs(state: &State) -> io::Result<(Vec<Need>, u64)> {
    let (mut needs, mut lowest) = (Vec::new(), u64::MAX);
    for id in meta::list(state)? {
        match meta::load(state, &id) {
            // An undo that died: its session is garbage.
            Ok(m) if m.undo_of.is_some() && lease::is_free(state, &id) => {}
            Ok(m) => {
                lowest = lowest.min(m.oldest_landing()).min(binds::oldest_landing(state, &id)?);
                // A frozen session reads no pre-image, but asks who changed what.
                if let (false, Some(oldest)) = (m.stale, m.oldest_read()) {
                    needs.push(Need { session: id, oldest });
                }
            }
            // It cannot be read, so it cannot be said what it needs.
            Err(_) => {
                lowest = 0;
                if Look::at(meta::dir(state, &id)?, meta::STALE)?.is_none() {
                    needs.push(Need { session: id, oldest: 0 });
                }
            }
        }
    }
    Ok((needs, lowest))
}

/// Whether the pre-images of a landing are gone, or are going; so is a landing that is not there.
pub(crate) fn is_collected(state: &State, k: u64) -> io::Result<bool> {
    if Look::at(&state.landings, &history::inside(k, COLLECTED))?.is_some() {
        return Ok(true);
    }
    Ok(Look::at(&state.landings, &history::name(k))?.is_none())
}

/// How a landing ended, without reading its records.
fn ended(state: &State, k: u64) -> Ended {
    let at = |name: &[u8]| Look::at(&state.landings, &history::inside(k, name));
    match (at(END), at(ABORTING)) {
        (Ok(Some(end)), Ok(None)) => {
            let (then, now) = (end.fingerprint().mtime, state.now());
            let secs = u64::try_from(now.secs.saturating_sub(then.secs)).unwrap_or(0);
            Ended::Finished(Duration::from_secs(secs))
        }
        (Ok(Some(_)), Ok(Some(_))) => match history::load(state, k) {
            Ok(Landing { end: Some(End::Aborted { .. }), .. }) => Ended::Aborted,
            _ => Ended::No,
        },
        _ => Ended::No,
    }
}

/// What the pre-images of a landing take on disk, hard links counted once.
fn pre_images(state: &State, k: u64, seen: &mut HashSet<u64>) -> io::Result<u64> {
    let dir = match history::dir(state, k) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        r => r?,
    };
    let mut bytes = 0;
    for name in disk::names(&dir)? {
        let slot = matches!(name.first(), Some(b's' | b'c'));
        if name == LINES || slot && name[1..].iter().all(u8::is_ascii_digit) {
            bytes += disk::usage(&dir, &name, seen)?;
        }
    }
    Ok(bytes)
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
