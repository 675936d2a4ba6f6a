//! Applying a sealed landing, rolling one forward, and undoing one. Nothing else in this
//! program changes a base.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use brio_session::{Fingerprint, Kind, RelPath, STATE_DIR};
use rustix::io::Errno;

use crate::conflict::{Side, Sides};
use crate::disk;
use crate::facts::Dirs;
use crate::intent::{Step, slot_name};
use crate::judge::{Backward, Forward, Seen, backward, forward, meta_is, see};
use crate::look::Look;
use crate::state::{KEPT, State};
use crate::{Conflict, Kept, Theirs, What, preflight};

/// A sealed landing that is being worked on.
pub(crate) struct Work<'a> {
    pub(crate) state: &'a State,
    pub(crate) number: u64,
    pub(crate) dir: &'a OwnedFd,
    pub(crate) steps: &'a [Step],
    pub(crate) kept: Vec<Kept>,
    /// Whose files were staged, for an undoing.
    pub(crate) session: Option<crate::SessionId>,
    dirs: Dirs<'a>,
}

/// How often a step is looked at while outside keeps changing its path.
const LOOKS: usize = 64;

enum Next {
    Done,
    LookAgain,
}

/// Whether a rename failed because what was seen there has changed meanwhile.
fn outrun(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound)
}

/// A step that failed for good.
pub(crate) struct Failed {
    pub(crate) path: RelPath,
    pub(crate) source: io::Error,
    /// It failed because somebody else changed the path.
    pub(crate) conflict: Option<Conflict>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(state: &'a State, number: u64, dir: &'a OwnedFd, steps: &'a [Step]) -> Self {
        Self { state, number, dir, steps, kept: Vec::new(), session: None, dirs: Dirs::new(state) }
    }

    /// Applies all steps of a landing that was just sealed.
    pub(crate) fn apply(&mut self) -> Result<(), Box<Failed>> {
        for step in self.steps {
            self.apply_step(step).map_err(|(source, what)| {
                let conflict = what.map(|what| Conflict {
                    path: step.path.clone(),
                    ours: Some(preflight::ours(step)),
                    read: false,
                    theirs: Theirs::Drift { what },
                    sides: Sides {
                        base: step.old.as_ref().map(Side::of),
                        ours: step.new.map(|n| n.side()),
                        theirs: None,
                    },
                    unmerged: None,
                });
                Box::new(Failed { path: step.path.clone(), source, conflict })
            })?;
        }
        Ok(())
    }

    fn apply_step(&mut self, step: &Step) -> Result<(), (io::Error, Option<What>)> {
        let hard = |e: io::Error| (e, None);
        let (parent, name) = self.dirs.parent(&step.path).map_err(hard)?;
        let disk = &self.state.disk;
        let Some(slot) = step.slot() else {
            let now = Look::at(&*parent, name).map_err(hard)?.map(|l| l.fingerprint());
            // A directory of ours is planned without an inode.
            let planned = step.old.is_none_or(|old| now.is_some_and(|n| n.ino == old.ino));
            if now.is_none() || !planned {
                return Err((Errno::STALE.into(), Some(What::Replaced)));
            }
            return self.set_meta(step).map_err(hard);
        };
        let slot = slot_name(slot);
        match (&step.old, &step.new) {
            (None, _) => disk.rename_noreplace(self.dir, &slot, &*parent, name).map_err(|e| {
                let taken = e.kind() == io::ErrorKind::AlreadyExists;
                (e, taken.then_some(What::Added))
            })?,
            (Some(_), Some(_)) => {
                disk.exchange(self.dir, &slot, &*parent, name).map_err(|e| {
                    let gone = e.kind() == io::ErrorKind::NotFound;
                    (e, gone.then_some(What::Removed))
                })?;
            }
            (Some(_), None) => {
                disk.rename_noreplace(&*parent, name, self.dir, &slot).map_err(|e| {
                    let gone = e.kind() == io::ErrorKind::NotFound;
                    (e, gone.then_some(What::Removed))
                })?;
            }
        }
        self.dirs.forget(&step.path);
        if let Some(old) = &step.old {
            let now = Look::at(self.dir, &slot).map_err(hard)?.map(|l| l.fingerprint());
            if see(now.as_ref(), step) != Seen::Old && !disk.0.stopped() && now.is_some() {
                return Err((Errno::STALE.into(), Some(What::Modified)));
            }
            if old.kind == Kind::Dir && now.is_some() && !self.is_empty(&slot).map_err(hard)? {
                return Err((Errno::NOTEMPTY.into(), Some(What::Modified)));
            }
        }
        Ok(())
    }

    fn is_empty(&self, slot: &[u8]) -> io::Result<bool> {
        Ok(disk::names(disk::open_dir(self.dir, slot)?)?.is_empty())
    }

    /// Mode, then times: of a directory that is there.
    fn set_meta(&mut self, step: &Step) -> io::Result<()> {
        let Some(new) = &step.new else { return Ok(()) };
        let (parent, name) = self.dirs.parent(&step.path)?;
        let name = if name.is_empty() { b"." } else { name };
        let Some(now) = Look::at(&*parent, name)? else { return Ok(()) };
        if now.kind() != Kind::Dir || meta_is(&now.fingerprint(), new) {
            return Ok(());
        }
        if let Some((atime, mtime)) = new.times {
            self.state.disk.set_times(&*parent, name, atime, mtime)?;
        }
        if now.mode() != new.mode {
            self.state.disk.chmod_at(&*parent, name, new.mode)?;
        }
        Ok(())
    }

    /// Completes what a crash interrupted; later edits stay.
    pub(crate) fn roll_forward(&mut self) -> Result<(), (RelPath, io::Error)> {
        for step in self.steps {
            self.forward_step(step).map_err(|e| (step.path.clone(), e))?;
        }
        Ok(())
    }

    /// Somebody may come between a look and the rename that follows it, so a step is looked at
    /// again after each rename, until there is nothing left to do.
    fn until_done(
        &mut self,
        step: &Step,
        once: fn(&mut Self, &Step) -> io::Result<Next>,
    ) -> io::Result<()> {
        for _ in 0..LOOKS {
            match once(self, step) {
                Ok(Next::Done) => return Ok(()),
                Ok(Next::LookAgain) => {}
                Err(e) if outrun(&e) => {}
                Err(e) => return Err(e),
            }
            self.dirs.forget(&step.path);
        }
        Err(Errno::BUSY.into())
    }

    fn forward_step(&mut self, step: &Step) -> io::Result<()> {
        self.until_done(step, Self::forward_once)
    }

    fn forward_once(&mut self, step: &Step) -> io::Result<Next> {
        let (target, slot) = self.seen(step)?;
        let disk = &self.state.disk;
        let name = step.slot().map(slot_name).unwrap_or_default();
        if (step.new, target, slot) == (None, Seen::Nothing, Seen::Nothing)
            && let Some(dir) = self.in_slot_of_parent(step)?
        {
            let (_, last) = step.path.split().unwrap_or_default();
            disk.rename_noreplace(&dir, last, self.dir, &name)?;
            return Ok(Next::LookAgain);
        }
        match forward(step, target, slot) {
            Forward::Done => return Ok(Next::Done),
            Forward::Leave => {
                if step.new.is_none() {
                    self.report(step, step.path.clone(), "it was edited after the crash and stays");
                }
                return Ok(Next::Done);
            }
            Forward::SetMeta => {
                self.set_meta(step)?;
                return Ok(Next::Done);
            }
            Forward::RenameIn => match self.dirs.parent(&step.path) {
                Ok((parent, last)) => disk.rename_noreplace(self.dir, &name, &*parent, last)?,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    self.keep_beside(step, &name, "its directory is gone")?
                }
                Err(e) => return Err(e),
            },
            Forward::Exchange => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                if step.old.is_some_and(|o| o.kind == Kind::Dir)
                    && !self.dir_is_empty(&step.path)?
                {
                    self.keep_beside(
                        step,
                        &name,
                        "the directory in its place was filled after the crash",
                    )?;
                } else {
                    disk.exchange(self.dir, &name, &*parent, last)?;
                }
            }
            Forward::RenameOut => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                if step.old.is_some_and(|o| o.kind == Kind::Dir)
                    && !self.dir_is_empty(&step.path)?
                {
                    self.report(step, step.path.clone(), "it was filled after the crash and stays");
                    return Ok(Next::Done);
                }
                disk.rename_noreplace(&*parent, last, self.dir, &name)?;
            }
            Forward::KeepBeside => {
                self.keep_beside(step, &name, "a later edit stays at its path")?
            }
            Forward::ExchangeBack => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                disk.exchange(self.dir, &name, &*parent, last)?;
            }
            Forward::RenameBack => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                disk.rename_noreplace(self.dir, &name, &*parent, last)?;
                self.report(
                    step,
                    step.path.clone(),
                    "it was edited while it was removed, and stays",
                );
            }
        }
        Ok(Next::LookAgain)
    }

    /// The directory that a removed path was in, where that was moved to its slot with the path
    /// in it: in a power cut the rename of a directory may stay and the one before it be lost.
    fn in_slot_of_parent(&self, step: &Step) -> io::Result<Option<OwnedFd>> {
        let Some(dir) = self.displaced_dir(step)? else { return Ok(None) };
        let (_, name) = step.path.split().unwrap_or_default();
        let old = step.old.map(|o| o.ino);
        let there = Look::at(&dir, name)?.map(|l| l.ino());
        Ok((there.is_some() && there == old).then_some(dir))
    }

    /// The parent of a path, displaced by this landing as well.
    fn displaced_dir(&self, step: &Step) -> io::Result<Option<OwnedFd>> {
        let Some((parent, _)) = step.path.split() else { return Ok(None) };
        let of = |s: &&Step| s.path == parent && s.slot().is_some();
        let Some(above) = self.steps.iter().find(of) else { return Ok(None) };
        let Some(old) = above.old.filter(|o| o.kind == Kind::Dir) else { return Ok(None) };
        let own = |fd: &OwnedFd| Look::of(fd).is_ok_and(|l| l.ino() == old.ino);
        if let Some(slot) = above.slot()
            && let Ok(dir) = disk::open_dir(self.dir, &slot_name(slot))
            && own(&dir)
        {
            return Ok(Some(dir));
        }
        let Some(higher) = self.displaced_dir(above)? else { return Ok(None) };
        let (_, name) = parent.split().unwrap_or_default();
        Ok(disk::open_dir(&higher, name).ok().filter(own))
    }

    fn dir_is_empty(&mut self, path: &RelPath) -> io::Result<bool> {
        match self.dirs.get(path)? {
            Some(dir) => Ok(disk::names(&*dir)?.is_empty()),
            None => Ok(true),
        }
    }

    fn seen(&mut self, step: &Step) -> io::Result<(Seen, Seen)> {
        let target = self.dirs.look(&step.path)?.map(|l| l.fingerprint());
        let slot = match step.slot() {
            Some(n) => Look::at(self.dir, &slot_name(n))?.map(|l| l.fingerprint()),
            None => None,
        };
        let mut seen = see(target.as_ref(), step);
        // A directory that this landing added has no inode in its metadata step.
        if step.slot().is_none()
            && step.old.is_none()
            && target.is_some_and(|t| t.kind == Kind::Dir)
        {
            seen = Seen::New;
        }
        Ok((seen, see(slot.as_ref(), step)))
    }

    fn report(&mut self, step: &Step, at: RelPath, why: &str) {
        if self.kept.iter().any(|k| k.path == step.path && k.at == at) {
            return;
        }
        self.kept.push(Kept { path: step.path.clone(), at, why: why.to_owned() });
    }

    /// Puts what a slot holds next to its target as `<name>.brio-<k>`, or, where that cannot be,
    /// into `kept/`.
    fn keep_beside(&mut self, step: &Step, slot: &[u8], why: &str) -> io::Result<()> {
        if let Ok((parent, last)) = self.dirs.parent(&step.path) {
            for n in 0..100u32 {
                let mut name = [last, format!(".brio-{}", self.number).as_bytes()].concat();
                if n > 0 {
                    name.extend_from_slice(format!("-{n}").as_bytes());
                }
                match self.state.disk.rename_noreplace(self.dir, slot, &*parent, &name) {
                    Ok(()) => {
                        let dir = step.path.split().map(|(p, _)| p).unwrap_or_default();
                        self.report(step, dir.join(&name), why);
                        return Ok(());
                    }
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(e) if Errno::from_io_error(&e) == Some(Errno::NAMETOOLONG) => break,
                    Err(e) => return Err(e),
                }
            }
        }
        self.keep_inside(step, slot, why)
    }

    /// Moves what a slot holds into `kept/`.
    pub(crate) fn keep_inside(&mut self, step: &Step, slot: &[u8], why: &str) -> io::Result<()> {
        let (name, at) = keep(self.state, self.number, self.dir, slot)?;
        tracing::info!("{} is kept as {}", step.path, String::from_utf8_lossy(&name));
        self.report(step, at, why);
        Ok(())
    }

    /// Undoes what was applied, last first. Returns the paths that could not be put back, and
    /// what was put back as that left it.
    pub(crate) fn roll_back(&mut self) -> (Vec<(RelPath, io::Error)>, Vec<Fingerprint>) {
        let (mut failed, mut restored) = (Vec::new(), Vec::new());
        for step in self.steps.iter().rev() {
            if let Err(e) = self.backward_step(step) {
                failed.push((step.path.clone(), e));
            }
        }
        for step in self.steps {
            if step.old.is_some_and(|o| o.kind != Kind::Dir)
                && let Ok(Some(l)) = self.dirs.look(&step.path)
            {
                restored.push(l.fingerprint());
            }
        }
        (failed, restored)
    }

    fn backward_step(&mut self, step: &Step) -> io::Result<()> {
        self.until_done(step, Self::backward_once)
    }

    fn backward_once(&mut self, step: &Step) -> io::Result<Next> {
        let (target, slot) = self.seen(step)?;
        let disk = &self.state.disk;
        let name = step.slot().map(slot_name).unwrap_or_default();
        match backward(step, target, slot) {
            Backward::Done => return Ok(Next::Done),
            Backward::Leave => {
                self.report(step, step.path.clone(), "it was edited after it landed, and stays");
                return Ok(Next::Done);
            }
            Backward::KeepOld => {
                self.keep_inside(
                    step,
                    &name,
                    "what was there before; a later edit stays at its path",
                )?;
                return Ok(Next::Done);
            }
            Backward::RenameOut => {
                if step.new.is_some_and(|n| n.kind == Kind::Dir)
                    && !self.dir_is_empty(&step.path)?
                {
                    self.report(
                        step,
                        step.path.clone(),
                        "it was filled after it landed, and stays",
                    );
                    return Ok(Next::Done);
                }
                let (parent, last) = self.dirs.parent(&step.path)?;
                disk.rename_noreplace(&*parent, last, self.dir, &name)?;
            }
            Backward::ExchangeBack => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                disk.exchange(self.dir, &name, &*parent, last)?;
            }
            Backward::RenameBack => {
                let (parent, last) = self.dirs.parent(&step.path)?;
                disk.rename_noreplace(self.dir, &name, &*parent, last)?;
            }
            Backward::ResetMeta => {
                if let Some(old) = &step.old {
                    let (parent, last) = self.dirs.parent(&step.path)?;
                    let last = if last.is_empty() { b"." } else { last };
                    if Look::at(&*parent, last)?.is_some_and(|l| l.mode() != old.mode) {
                        disk.chmod_at(&*parent, last, old.mode)?;
                    }
                    if step.new.is_some_and(|n| n.times.is_some()) {
                        disk.set_times(&*parent, last, old.mtime, old.mtime)?;
                    }
                }
                return Ok(Next::Done);
            }
        }
        Ok(Next::LookAgain)
    }

    /// After an undoing: what a slot holds that is not what we staged goes to `kept/` and is
    /// reported; what we staged is removed, so that only the session has it again.
    pub(crate) fn clear_slots(&mut self) -> io::Result<()> {
        for step in self.steps {
            let Some(name) = step.slot().map(slot_name) else { continue };
            let Some(now) = Look::at(self.dir, &name)?.map(|l| l.fingerprint()) else { continue };
            match see(Some(&now), step) {
                Seen::New => {
                    self.state.disk.remove_tree(self.dir, &name)?;
                }
                _ if now.kind == Kind::Dir => {}
                _ => self.keep_inside(step, &name, "it was edited while the landing was undone")?,
            }
        }
        Ok(())
    }

    /// Fingerprints of what is at the paths of additions and replacements now.
    pub(crate) fn left(&mut self) -> Vec<(RelPath, Fingerprint)> {
        let mut out = Vec::new();
        for step in self.steps {
            if step.new.is_some()
                && let Ok(Some(l)) = self.dirs.look(&step.path)
            {
                out.push((step.path.clone(), l.fingerprint()));
            }
        }
        out
    }
}

/// Moves a slot into `kept/`; returns its name and its path from the root.
pub(crate) fn keep(
    state: &State,
    number: u64,
    dir: &OwnedFd,
    slot: &[u8],
) -> io::Result<(Vec<u8>, RelPath)> {
    let kept = match disk::open_dir(&state.dir, KEPT) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            state.disk.mkdir(&state.dir, KEPT, 0o700)?;
            disk::open_dir(&state.dir, KEPT)?
        }
        r => r?,
    };
    let name = [number.to_string().as_bytes(), b"-", slot].concat();
    state.disk.rename_noreplace(dir.as_fd(), slot, &kept, &name)?;
    let at =
        RelPath::new([STATE_DIR.as_bytes(), b"/", KEPT, b"/", &name].concat()).unwrap_or_default();
    Ok((name, at))
}
