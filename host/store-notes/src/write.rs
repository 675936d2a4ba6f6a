//! How a note gets a new version.

use brio_project::{NotePath, NotesError, Timestamp, WriteOptions, Written, check_size};
use brio_store::{AttemptId, NewNote, NoteBy, NoteSwap, StoredNote};

use crate::error::told;
use crate::{StoreNotes, instant, unless_tombstone};

/// So many swaps may be lost to others. Each waits a little longer than the one before.
const ROUNDS: u32 = 200;

/// What a change did.
pub(crate) struct Changed {
    pub(crate) written: Written,
    pub(crate) was_there: bool,
}

/// Says what a note is to be, from what is stored; `None` is a removal.
type Decide<'a> = dyn FnMut(Option<&StoredNote>) -> Result<Option<String>, NotesError> + 'a;

/// Checks what is to be written; `None` is a removal.
pub(crate) fn content_to_write(
    path: &NotePath,
    content: &str,
    how: &WriteOptions,
) -> Result<Option<String>, NotesError> {
    check_size(path, content, how)?;
    Ok(unless_tombstone(content))
}

/// What is stored for a write, and for what content.
struct Ready {
    content: Option<String>,
    new: NewNote,
}

impl StoreNotes {
    /// Gives a note a new version, from the one that is there: `decide` is asked again when
    /// others wrote meanwhile.
    pub(crate) fn change(
        &self,
        path: &NotePath,
        how: &WriteOptions,
        decide: &mut Decide<'_>,
    ) -> Result<Changed, NotesError> {
        check_size(path, "", how)?;
        let attempt = AttemptId::random().map_err(|e| told("write", path, e))?;
        let mut now = self.stored(path)?;
        let mut ready: Option<Ready> = None;
        let mut moved = true;
        for lost in 1..=ROUNDS {
            if let Some(was) = replay(now.as_ref(), how) {
                let written = Written { version: was, replayed: true };
                return Ok(Changed { written, was_there: true });
            }
            let visible = now.as_ref().map_or(0, |now| now.doc.visible());
            if let Some(expected) = how.expected_version.filter(|expected| *expected != visible) {
                let path = path.clone();
                return Err(NotesError::VersionMismatch { path, expected, found: visible });
            }
            let known = ready.take();
            let mut next = match known {
                // A swap of which nobody knows whether it was made is tried again as it was.
                Some(ready) if !moved => ready,
                known => {
                    let content = decide(now.as_ref())?;
                    match known {
                        Some(ready) if ready.content == content => ready,
                        _ => self.ready(path, &attempt, content)?,
                    }
                }
            };
            if next.content.is_none() && visible == 0 && how.origin.is_none() {
                let version =
                    now.as_ref().and_then(|now| now.doc.newest()).map_or(0, |v| v.version);
                let written = Written { version, replayed: false };
                return Ok(Changed { written, was_there: false });
            }
            let (from, at) = (now.clone(), path.to_string());
            let by = NoteBy {
                at: instant(Timestamp::now(self.clock)),
                by: self.by.clone(),
                origin: how.origin.clone(),
            };
            let new = next.new;
            let (swapped, new) = self.ask(format_args!("write {path}"), path, |p| async move {
                let swapped = p.swap_note(&at, from.as_ref(), &new, &by).await?;
                if let NoteSwap::Done(_) = swapped {
                    new.release().await;
                    return Ok((swapped, None));
                }
                p.back_off(lost).await;
                Ok((swapped, Some(new)))
            })?;
            match swapped {
                NoteSwap::Done(version) => {
                    let written = Written { version, replayed: false };
                    return Ok(Changed { written, was_there: visible != 0 });
                }
                NoteSwap::Lost(found) => {
                    moved = found != now;
                    if moved {
                        self.tell(path, found.as_ref());
                    }
                    now = found;
                }
            }
            if let Some(new) = new {
                next.new = new;
                ready = Some(next);
            }
        }
        let what = format!("note {path}");
        Err(told("write", path, brio_store::Error::Busy { what, attempts: ROUNDS }))
    }

    fn ready(
        &self,
        path: &NotePath,
        attempt: &AttemptId,
        content: Option<String>,
    ) -> Result<Ready, NotesError> {
        let (attempt, its) = (attempt.clone(), content.clone());
        let what = format_args!("write {path}");
        let new = self.ask(what, path, |p| async move { p.new_note(attempt, its).await })?;
        Ok(Ready { content, new })
    }

    /// Says that another write came first.
    fn tell(&self, path: &NotePath, found: Option<&StoredNote>) {
        let newest = found.and_then(|found| found.doc.newest());
        let version = newest.map_or(0, |v| v.version);
        let by = newest.and_then(|v| v.by.as_deref()).unwrap_or("somebody");
        tracing::warn!(%path, version, by, "A note was written meanwhile - this write goes on from there");
    }
}

/// The version that this very write made before.
fn replay(now: Option<&StoredNote>, how: &WriteOptions) -> Option<u64> {
    let origin = how.origin.as_ref()?;
    let its = now?.doc.origins.iter().find(|was| was.origin == *origin)?;
    Some(its.version)
}
