//! Which landing each line of a file came with: from the file as it is, back through what each
//! landing displaced.

use std::io::{self, Read};
use std::sync::Arc;

use brio_session::{Kind, RelPath, Time};
use rustix::fs::{Mode, OFlags, openat};
use sha2::{Digest, Sha256};

use crate::errors::{Doing, io_code};
use crate::facts::Dirs;
use crate::gc::is_collected;
use crate::history::{self, Landing};
use crate::intent::{Act, End, Step};
use crate::lines::{self, Line, Lines};
use crate::look::Look;
use crate::preimage::PreImages;
use crate::state::State;
use crate::undone::ByPath;
use crate::{DomainError, HeadError, HostError, SessionId, manifest};

/// How often it is tried again because something landed meanwhile.
const ATTEMPTS: usize = 16;

/// A file, with where its lines came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The file, relative to the domain's root.
    pub path: RelPath,
    /// Its lines.
    pub lines: Vec<BlameLine>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameLine {
    /// Its bytes, the newline included.
    pub text: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a line came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A landing brought it.
    Landing {
        /// Its number.
        landing: u64,
        /// When it was sealed.
        time: Time,
        /// Which session landed; `None`: it was none, but an import.
        session: Option<SessionId>,
        /// Its goal.
        goal: Option<String>,
    },
    /// It came from no landing: an editor, a `git pull`.
    Outside {
        /// The landing after which it came, or the one whose text is not recorded, so that it
        /// may be from that as well.
        after: u64,
    },
    /// It was there before this landing; of older ones nothing is kept.
    Before {
        /// The landing's number.
        landing: u64,
    },
}

/// The lines of a file cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlameError {
    /// There is nothing at the path.
    #[error("PATH_MISSING: {path} does not exist; `brio log --path {path}` shows what changed it")]
    Missing {
        /** The path. */
        path: RelPath,
    },
    /// It is no regular file.
    #[error("NOT_A_FILE: {path} is no regular file; only those have lines")]
    NotAFile {
        /** The path. */
        path: RelPath,
    },
    /// It has no lines.
    #[error("BINARY: {path} is no text; `brio log --path {path}` shows what changed it")]
    Binary {
        /** The path. */
        path: RelPath,
    },
    /// The history of its project cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl BlameError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Head(e) => e.code,
            Self::Missing { .. } => "PATH_MISSING",
            Self::NotAFile { .. } => "NOT_A_FILE",
            Self::Binary { .. } => "BINARY",
            Self::Domain(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

/// See [`Domain::blame`](crate::Domain::blame).
pub(crate) fn blame(state: &State, path: &RelPath) -> Result<Blame, BlameError> {
    for last in 1..=ATTEMPTS {
        let before = state.seq.get().doing("the landing sequence")?;
        let found = attempt(state, path);
        if last < ATTEMPTS && state.seq.get().doing("the landing sequence")? != before {
            continue;
        }
        match found {
            // What is kept was collected while we read it.
            Err(BlameError::Io(e))
                if last < ATTEMPTS && e.source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    let e = io::Error::other("landings kept getting in between");
    Err(HostError::new(path, e).into())
}

fn attempt(state: &State, path: &RelPath) -> Result<Blame, BlameError> {
    let text = read(state, path)?;
    let landings = kept(state)?;
    let by_path = ByPath::new(landings.iter().map(|l| &**l), |_| true);
    let newest = state.seq.get().doing("the landing sequence")?.landing();
    let mut trace =
        Trace { state, lines: Open::of(&text), sha256: Some(Sha256::digest(&text).into()) };
    trace.back(&by_path, path)?;
    let oldest = landings.first().map_or(newest + 1, |l| l.number);
    Ok(trace.lines.blame(path, &text, &Origin::Before { landing: oldest }))
}

impl Blame {
    /// Of a file whose older versions are asked for, the newest first, as long as lines are left
    /// whose origin is not known: each with what replaced it, and `None` where that was no text.
    /// What is left at the end is from `before`.
    ///
    /// # Errors
    /// `BINARY`, and what `older` answers.
    pub fn of_versions<E: From<BlameError>>(
        path: &RelPath,
        text: &[u8],
        before: &Origin,
        mut older: impl FnMut() -> Result<Option<(Origin, Option<Vec<u8>>)>, E>,
    ) -> Result<Self, E> {
        if !lines::is_text(text) {
            return Err(BlameError::Binary { path: path.clone() }.into());
        }
        let mut open = Open::of(text);
        while !open.open.is_empty()
            && let Some((origin, version)) = older()?
        {
            match version.filter(|text| lines::is_text(text)) {
                Some(text) => open.rebase(lines::hashes(&text), &origin),
                None => open.rest(&origin),
            }
        }
        Ok(open.blame(path, text, before))
    }
}

/// The file as it is now.
fn read(state: &State, path: &RelPath) -> Result<Vec<u8>, BlameError> {
    let missing = || BlameError::Missing { path: path.clone() };
    let mut dirs = Dirs::new(state);
    let Some((parent, name)) = path.split() else {
        return Err(BlameError::NotAFile { path: path.clone() });
    };
    let dir = dirs.get(&parent).doing(path)?.ok_or_else(missing)?;
    match Look::at(&*dir, name).doing(path)?.ok_or_else(missing)?.kind() {
        Kind::File => {}
        _ => return Err(BlameError::NotAFile { path: path.clone() }),
    }
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = openat(&*dir, name, how, Mode::empty()).doing(path)?;
    let mut text = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut text).doing(path)?;
    match lines::is_text(&text) {
        true => Ok(text),
        false => Err(BlameError::Binary { path: path.clone() }),
    }
}

/// The finished landings whose pre-images are kept, oldest first.
fn kept(state: &State) -> Result<Vec<Arc<Landing>>, BlameError> {
    let mut out = Vec::new();
    for k in history::numbers(state).doing("landings")? {
        if is_collected(state, k).doing("landings")? {
            continue;
        }
        if let Ok(l) = history::ended_or_now(state, k)
            && matches!(l.end, Some(End::Finished { .. }))
        {
            out.push(l);
        }
    }
    Ok(out)
}

/// The lines of a file on their way back.
struct Open {
    /// The text as it was at the point that was reached.
    now: Vec<Line>,
    /// Lines of the file whose origin is not known yet, and where they are in `now`.
    open: Vec<(usize, usize)>,
    found: Vec<Option<Origin>>,
}

impl Open {
    fn of(text: &[u8]) -> Self {
        let now = lines::hashes(text);
        let open = (0..now.len()).map(|i| (i, i)).collect();
        Self { open, found: vec![None; now.len()], now }
    }

    /// What is new since an older text has an origin; the rest is looked for there.
    fn rebase(&mut self, older: Vec<Line>, origin: &Origin) {
        let was = lines::was(&older, &self.now);
        let mut open = Vec::new();
        for (line, at) in self.open.drain(..) {
            match was.get(at).copied().flatten() {
                Some(at) => open.push((line, at)),
                None => self.found[line] = Some(origin.clone()),
            }
        }
        (self.open, self.now) = (open, older);
    }

    fn rest(&mut self, origin: &Origin) {
        for (line, _) in self.open.drain(..) {
            self.found[line] = Some(origin.clone());
        }
    }

    fn blame(self, path: &RelPath, text: &[u8], before: &Origin) -> Blame {
        let line = |(text, origin): (&[u8], Option<Origin>)| BlameLine {
            text: text.to_vec(),
            origin: origin.unwrap_or_else(|| before.clone()),
        };
        Blame { path: path.clone(), lines: lines::split(text).zip(self.found).map(line).collect() }
    }
}

struct Trace<'a> {
    state: &'a State,
    lines: Open,
    /// The SHA-256 of the text that was reached, where it is known.
    sha256: Option<[u8; 32]>,
}

impl Trace<'_> {
    fn back(&mut self, by_path: &ByPath<'_>, path: &RelPath) -> Result<(), BlameError> {
        let (mut path, mut before) = (path.clone(), u64::MAX);
        loop {
            let mut moved = None;
            for (l, step) in by_path.standing(&path).into_iter().rev() {
                if l.number >= before || self.lines.open.is_empty() {
                    continue;
                }
                let pre = self.pre_images(l)?;
                let Some(pre) = pre.filter(|p| p.done(step).unwrap_or(false)) else { continue };
                before = l.number;
                if !self.left(l, step)? {
                    return Ok(());
                }
                match self.displaced(&pre, step)? {
                    Some(text) => self.step_back(&text, &origin(l)),
                    None => {
                        moved = self.moved_from(&pre, l, step)?;
                        if moved.is_none() {
                            self.lines.rest(&origin(l));
                            return Ok(());
                        }
                        break;
                    }
                }
            }
            match moved {
                Some(from) => path = from,
                None => return Ok(()),
            }
        }
    }

    fn pre_images(&self, l: &Landing) -> Result<Option<PreImages>, BlameError> {
        let what = format!("landing {}", l.number);
        let Ok(l) = history::ended_or_now(self.state, l.number) else { return Ok(None) };
        Ok(PreImages::open(self.state, l).doing(what)?)
    }

    /// Goes back to what a landing left: what is not of that came from outside. False: it left
    /// no file there, so all of it did.
    fn left(&mut self, l: &Landing, step: &Step) -> Result<bool, BlameError> {
        let outside = Origin::Outside { after: l.number };
        let (Some(new), Some(slot)) = (&step.new, step.slot()) else {
            // The mode of a directory that is a file now, or a removal.
            self.lines.rest(&outside);
            return Ok(false);
        };
        if new.kind != Kind::File {
            self.lines.rest(&outside);
            return Ok(false);
        }
        if self.sha256.is_some() && self.sha256 == step.new_sha256 {
            return Ok(true);
        }
        let what = format!("landing {}", l.number);
        let lines = Lines::load(self.state, l.number).doing(what)?;
        match lines.get(slot) {
            Some(left) => {
                let left = left.to_vec();
                self.lines.rebase(left, &outside);
            }
            // Not recorded: whatever the landing changed as well may be from outside.
            None => {
                let pre = self.pre_images(l)?;
                let old = pre.map(|p| self.displaced(&p, step)).transpose()?.flatten();
                self.lines.rebase(lines::hashes(&old.unwrap_or_default()), &outside);
            }
        }
        self.sha256 = step.new_sha256;
        Ok(true)
    }

    /// What a landing replaced, if it was a text.
    fn displaced(&self, pre: &PreImages, step: &Step) -> Result<Option<Vec<u8>>, BlameError> {
        if step.old.is_none_or(|old| old.kind != Kind::File) {
            return Ok(None);
        }
        // Edited through an old handle: what it was is not known any more.
        let Some(mut file) = pre.file(step).doing(&step.path)? else { return Ok(None) };
        let mut text = Vec::new();
        file.read_to_end(&mut text).doing(&step.path)?;
        Ok(lines::is_text(&text).then_some(text))
    }

    fn step_back(&mut self, older: &[u8], origin: &Origin) {
        self.lines.rebase(lines::hashes(older), origin);
        self.sha256 = Some(Sha256::digest(older).into());
    }

    /// The path from which a landing moved a file as it was: it removed the same content there.
    fn moved_from(
        &self,
        pre: &PreImages,
        l: &Landing,
        added: &Step,
    ) -> Result<Option<RelPath>, BlameError> {
        let (Some(sha256), Some(new)) = (added.new_sha256, &added.new) else { return Ok(None) };
        for step in &l.intent.steps {
            let same_size = step.old.is_some_and(|o| o.kind == Kind::File && o.size == new.size);
            if !matches!(step.act, Act::Remove { .. }) || !same_size {
                continue;
            }
            let content = match step.old_sha256 {
                Some(known) => Some(known),
                None => match pre.file(step).doing(&step.path)? {
                    Some(file) => Some(manifest::hash(file).doing(&step.path)?),
                    None => None,
                },
            };
            if content == Some(sha256) {
                return Ok(Some(step.path.clone()));
            }
        }
        Ok(None)
    }
}

fn origin(l: &Landing) -> Origin {
    Origin::Landing {
        landing: l.number,
        time: l.intent.time,
        session: Some(l.intent.session.clone()),
        goal: l.intent.goal.clone(),
    }
}
