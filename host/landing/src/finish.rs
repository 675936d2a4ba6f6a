//! The end of a landing whose steps are all applied and durable.

use std::io;
use std::os::fd::AsFd;

use brio_session::{Fingerprint, Kind, RelPath};

use crate::apply::Work;
use crate::disk;
use crate::intent::{END, END_MAGIC, End, Intent, encode, slot_name};
use crate::judge::{Seen, see};
use crate::look::Look;
use crate::lower::LOWER;
use crate::meta;
use crate::nesting::family;
use crate::state::{KEPT, State};
use crate::{JournalEntry, Kept, SessionId, home, notes};

/// Ends a landing: its session goes, `end` is written; the caller moves the sequence. Under the
/// exclusive lock. Returns the pre-images that were edited meanwhile: path, and where that version is.
///
/// The notes land with the files. The journal comes before the session goes: whoever asks later what became of the session finds it there. A
/// crash right after may write it twice, never not at all.
pub(crate) fn finish(
    state: &State,
    intent: &Intent,
    work: &mut Work<'_>,
    entry: Option<&JournalEntry>,
) -> io::Result<Vec<Kept>> {
    // What can fail here without harm comes after them.
    if !intent.notes.is_empty() {
        notes::deliver(state, work.number, work.dir)?;
    }
    if let Some(entry) = entry {
        state.write_journal(entry)?;
    }
    // First the session: its layer files are links of what has landed, and unlinking them
    // moves the ctime of base files, which must not happen after the next begin takes its T0.
    discard(state, &intent.session)?;
    let mut late = Vec::new();
    let mut edited = Vec::new();
    let mut displaced: Vec<Fingerprint> = Vec::new();
    for step in &intent.steps {
        let (Some(slot), Some(old)) = (step.slot(), &step.old) else { continue };
        let Some(now) = Look::at(work.dir, &slot_name(slot))?.map(|l| l.fingerprint()) else {
            continue;
        };
        if see(Some(&now), step) == Seen::OldEdited {
            late.push(slot);
            edited.push(keep_late(state, work.number, work.dir.as_fd(), &step.path, slot)?);
        }
        if old.nlink > 1 && old.kind != Kind::Dir {
            displaced.push(now);
        }
    }
    let left = work.left();
    let end = End::Finished { left, displaced, late, kept: work.kept.clone() };
    write_end(state, work, &end)?;
    Ok(edited)
}

/// Writes `end`. It is not synced: what it records can be found again.
pub(crate) fn write_end(state: &State, work: &Work<'_>, end: &End) -> io::Result<()> {
    let raw = encode(END_MAGIC, end)?;
    state.disk.replace(
        work.dir.as_fd(),
        END,
        &raw,
        matches!(end, End::Damaged { .. } | End::Aborted { .. }),
    )
}

/// Gives an edited pre-image a name in `kept/`; the slot stays for older sessions.
pub(crate) fn keep_late(
    state: &State,
    k: u64,
    dir: std::os::fd::BorrowedFd<'_>,
    path: &RelPath,
    slot: u32,
) -> io::Result<Kept> {
    let kept = match disk::open_dir(&state.dir, KEPT) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            state.disk.mkdir(&state.dir, KEPT, 0o700)?;
            disk::open_dir(&state.dir, KEPT)?
        }
        r => r?,
    };
    let name = format!("{k}-s{slot}");
    match state.disk.link(dir, &slot_name(slot), &kept, name.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let at = RelPath::new(format!("{}/kept/{name}", brio_session::STATE_DIR)).unwrap_or_default();
    Ok(Kept {
        path: path.clone(),
        at,
        why: "the replaced file was edited while it was replaced".to_owned(),
    })
}

/// Moves a session and those that landed in it to `trash/`, and unlinks there what else has a
/// name. What remains is deleted without a lock.
pub(crate) fn discard(state: &State, id: &SessionId) -> io::Result<()> {
    let ids: Vec<SessionId> = match meta::load(state, id) {
        Ok(m) => family(&m).cloned().collect(),
        Err(_) => vec![id.clone()],
    };
    // The head goes last: until then the family can be found again.
    for id in ids.iter().rev() {
        let name = id.as_str().as_bytes();
        match state.disk.rename(&state.sessions, name, &state.trash, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            r => r?,
        }
        if let Ok(dir) = disk::open_dir(&state.trash, name) {
            unlink_shared(state, &dir)?;
        }
        state.tell_home(&home::end_line(id));
    }
    Ok(())
}

fn unlink_shared(state: &State, dir: &std::os::fd::OwnedFd) -> io::Result<()> {
    // Somebody may be emptying the trash meanwhile: what is gone is no error.
    for name in disk::gone_is_empty(disk::names(dir))? {
        // A frozen copy shares names with nothing, and may be large.
        if name == LOWER {
            continue;
        }
        match Look::at(dir, &name)? {
            Some(l) if l.kind() == Kind::Dir => match disk::open_dir(dir, &name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                inner => unlink_shared(state, &inner?)?,
            },
            Some(l) if l.kind() == Kind::File && l.nlink() > 1 => {
                match state.disk.unlink(dir, &name) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    r => r?,
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Deletes what lies in `trash/`; returns the bytes that are free again. What another process
/// deletes meanwhile is no error.
pub(crate) fn empty_trash(state: &State) -> io::Result<u64> {
    let mut unbounded = usize::MAX;
    empty_some(state, &mut unbounded)
}

/// As [`empty_trash`], until `budget` entries are gone.
pub(crate) fn empty_some(state: &State, budget: &mut usize) -> io::Result<u64> {
    let mut freed = 0;
    for name in disk::names(&state.trash)? {
        freed += state.disk.remove_some(&state.trash, &name, budget)?;
    }
    Ok(freed)
}
