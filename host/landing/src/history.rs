//! The landings that lie in a domain, and what they did since a given one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use brio_session::{Fingerprint, Kind, RelPath};

use crate::RecoverError;
use crate::disk;
use crate::errors::Doing;
use crate::intent::{
    ABORTING, BadRecord, END, END_MAGIC, End, INTENT, INTENT_MAGIC, Intent, Step, decode,
};
use crate::state::State;

/// One landing, as it lies in `landings/<k>`.
pub(crate) struct Landing {
    pub(crate) number: u64,
    pub(crate) intent: Intent,
    pub(crate) aborting: bool,
    pub(crate) end: Option<End>,
}

/// The numbers in `landings/`, ascending.
pub(crate) fn numbers(state: &State) -> io::Result<Vec<u64>> {
    let names = disk::names(&state.landings)?;
    let mut out: Vec<u64> =
        names.iter().filter_map(|n| std::str::from_utf8(n).ok()?.parse().ok()).collect();
    out.sort_unstable();
    Ok(out)
}

pub(crate) fn name(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Reads a landing.
pub(crate) fn load(state: &State, number: u64) -> Result<Landing, RecoverError> {
    let what = format!("landing {number}");
    let bad = |e: BadRecord| match e {
        BadRecord::Version(found) => RecoverError::FormatUnknown { landing: number, found },
        BadRecord::Torn => {
            RecoverError::Corrupt { landing: number, what: "a record is damaged".to_owned() }
        }
    };
    let dir = disk::open_dir(&state.landings, &name(number)).doing(&what)?;
    let raw = disk::read(&dir, INTENT).doing(&what)?;
    let raw = raw.ok_or(RecoverError::Corrupt {
        landing: number,
        what: "its intent is missing".to_owned(),
    })?;
    let intent = decode(INTENT_MAGIC, &raw).map_err(bad)?;
    let end = match disk::read(&dir, END).doing(&what)?.map(|raw| decode(END_MAGIC, &raw)) {
        // That of a finished landing is not synced: a power cut may have left half of it, and
        // what it records is found again.
        None | Some(Err(BadRecord::Torn)) => None,
        Some(end) => Some(end.map_err(bad)?),
    };
    let aborting = disk::read(&dir, ABORTING).doing(&what)?.is_some();
    Ok(Landing { number, intent, aborting, end })
}

/// Opens a landing's directory. None is kept open: a view may outlive thousands of landings.
pub(crate) fn dir(state: &State, number: u64) -> io::Result<OwnedFd> {
    disk::open_dir(&state.landings, &name(number))
}

/// A file in a landing's directory, seen from `landings/`.
pub(crate) fn inside(number: u64, file: &[u8]) -> Vec<u8> {
    [&*name(number), b"/", file].concat()
}

/// Ended landings that were read before: they don't change.
#[derive(Default)]
pub(crate) struct Ended(Mutex<BTreeMap<u64, Arc<Landing>>>);

/// How many are remembered, the newest ones.
const REMEMBERED: usize = 4096;

/// Reads a landing, or remembers it.
pub(crate) fn ended_or_now(state: &State, number: u64) -> Result<Arc<Landing>, RecoverError> {
    let known = || state.ended.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(l) = known().get(&number) {
        return Ok(l.clone());
    }
    let l = Arc::new(load(state, number)?);
    if matches!(l.end, Some(End::Finished { .. } | End::Aborted { .. })) {
        let mut known = known();
        known.insert(number, l.clone());
        if known.len() > REMEMBERED {
            known.pop_first();
        }
    }
    Ok(l)
}

/// What landings did since one of them.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) landings: Vec<Arc<Landing>>,
    /// For each path, where it is named first.
    first: HashMap<RelPath, (usize, usize)>,
    /// The named paths in each directory.
    children: HashMap<RelPath, Vec<RelPath>>,
    /// Directories that were removed or replaced, with all that was in them.
    gone_dirs: HashSet<RelPath>,
    /// Files as our own displacements left them: other names of a pre-image, and what an abort put back.
    displaced: HashMap<u64, Vec<Fingerprint>>,
}

impl History {
    /// Landings after `since` that are sealed or finished; aborted ones did nothing.
    ///
    /// No landing is applied before the sequence was raised to it, so what lies above that
    /// has done nothing yet.
    pub(crate) fn load(state: &State, since: u64) -> Result<History, RecoverError> {
        let mut landings = Vec::new();
        let mut ours = Vec::new();
        let newest = state.seq.get().doing("the landing sequence")?.landing();
        for k in since.saturating_add(1)..=newest {
            match ended_or_now(state, k) {
                Ok(l) => match &l.end {
                    Some(End::Aborted { restored, .. }) => ours.extend(restored.iter().copied()),
                    _ => landings.push(l),
                },
                // Collected while we looked: nobody needs it, so neither do we.
                Err(RecoverError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        let mut h = Self::of(landings);
        for f in ours {
            h.displaced.entry(f.ino).or_default().push(f);
        }
        Ok(h)
    }

    pub(crate) fn of(landings: Vec<Arc<Landing>>) -> History {
        let mut h = History { landings, ..History::default() };
        for (i, l) in h.landings.iter().enumerate() {
            for (j, s) in l.intent.steps.iter().enumerate() {
                h.first.entry(s.path.clone()).or_insert_with(|| {
                    if let Some((parent, _)) = s.path.split() {
                        h.children.entry(parent).or_default().push(s.path.clone());
                    }
                    (i, j)
                });
                if s.slot().is_some() && s.old.is_some_and(|o| o.kind == Kind::Dir) {
                    h.gone_dirs.insert(s.path.clone());
                }
            }
            if let Some(End::Finished { displaced, .. }) = &l.end {
                for f in displaced {
                    h.displaced.entry(f.ino).or_default().push(*f);
                }
            }
        }
        h
    }

    /// The landing since then that undid one, unless that was undone itself.
    pub(crate) fn undone_by(&self, landing: u64) -> Option<u64> {
        let undos = self.landings.iter().filter(|l| l.intent.undo_of == Some(landing));
        undos.map(|l| l.number).find(|by| self.undone_by(*by).is_none())
    }

    /// Forgets what was done to a path.
    pub(crate) fn forget(&mut self, path: &RelPath) {
        self.first.remove(path);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.landings.is_empty()
    }

    /// The first step since then that names a path.
    pub(crate) fn first(&self, path: &RelPath) -> Option<(&Arc<Landing>, &Step)> {
        let (i, j) = *self.first.get(path)?;
        let l = self.landings.get(i)?;
        Some((l, l.intent.steps.get(j)?))
    }

    /// The last landing since then that names a path, and what it did.
    pub(crate) fn last(&self, path: &RelPath) -> Option<(&Arc<Landing>, &Step)> {
        self.first.get(path)?;
        self.landings
            .iter()
            .rev()
            .find_map(|l| l.intent.steps.iter().find(|s| s.path == *path).map(|s| (l, s)))
    }

    /// All steps that name a path, oldest first.
    pub(crate) fn all<'a>(
        &'a self,
        path: &'a RelPath,
    ) -> impl Iterator<Item = (&'a Arc<Landing>, &'a Step)> {
        let named = self.first.contains_key(path);
        let of = move |l: &'a Arc<Landing>| {
            l.intent.steps.iter().filter(move |s| s.path == *path).map(move |s| (l, s))
        };
        self.landings.iter().filter(move |_| named).flat_map(of)
    }

    /// Whether a directory at a path was removed or replaced: all that was in it is named.
    pub(crate) fn is_gone_dir(&self, path: &RelPath) -> bool {
        self.gone_dirs.contains(path)
    }

    /// The named paths in a directory.
    pub(crate) fn children(&self, dir: &RelPath) -> &[RelPath] {
        self.children.get(dir).map_or(&[], Vec::as_slice)
    }

    /// The named paths below a directory, at any depth.
    pub(crate) fn below<'a>(&'a self, dir: &'a RelPath) -> impl Iterator<Item = &'a RelPath> {
        self.first.keys().filter(move |p| *p != dir && p.starts_with(dir))
    }

    /// Whether a file's change time is what our own displacement of another name of it left.
    pub(crate) fn touched_by_us(&self, now: &Fingerprint) -> bool {
        self.displaced
            .get(&now.ino)
            .is_some_and(|all| all.iter().any(|f| f.ctime == now.ctime && f.same_content(now)))
    }
}
