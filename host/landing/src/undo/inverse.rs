//! The opposite of a landing, made in a session's view.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use brio_session::{Content, FsError, FsResult, Handle, Kind, OpenOptions, RelPath, SetTime, View};

use crate::conflict::{Side, Sides};
use crate::errors::Doing;
use crate::history::History;
use crate::intent::{Act, Step, slot_name};
use crate::look::Look;
use crate::preimage::PreImages;
use crate::state::State;
use crate::undone::ByPath;
use crate::{
    CommitError, Conflict, HostError, RefusedWhy, Theirs, UndoError, What, manifest, preflight,
};

/// What was found on the way: paths that are not what the landing left.
pub(super) struct Built {
    /// That cannot be changed back.
    pub(super) conflicts: Vec<Conflict>,
    /// Whose content is another.
    pub(super) drifted: Vec<Conflict>,
}

/// Changes back what a landing changed.
pub(super) fn build(state: &State, view: &View, pre: &PreImages) -> Result<Built, UndoError> {
    let landing = pre.landing.number;
    let later = History::load(state, landing).map_err(Box::new)?;
    if let Some(by) = later.undone_by(landing) {
        return Err(UndoError::AlreadyUndone { landing, by });
    }
    let mut b = Builder {
        state,
        view,
        pre,
        later: &later,
        by_path: ByPath::new(later.landings.iter().map(|l| &**l), |_| true),
        conflicts: BTreeMap::new(),
        modes: BTreeMap::new(),
        links: HashMap::new(),
    };
    let mut steps = Vec::new();
    for step in pre.landing.intent.steps.iter().filter(|s| !s.is_late_meta()) {
        if pre.done(step).doing(&step.path)? {
            steps.push(step);
        }
    }
    steps.sort_by(|a, b| a.path.cmp(&b.path));
    b.make(&steps)?;
    let expected: BTreeSet<&RelPath> = steps.iter().map(|s| &s.path).collect();
    let drifted = b.check(&steps, &expected)?;
    let (drifted, conflicts) = b.conflicts.into_values().partition(|c| drifted.contains(&c.path));
    Ok(Built { conflicts, drifted })
}

struct Builder<'a> {
    state: &'a State,
    view: &'a View,
    pre: &'a PreImages,
    /// Landings since.
    later: &'a History,
    by_path: ByPath<'a>,
    conflicts: BTreeMap<RelPath, Conflict>,
    /// Modes that directories get when everything else is done.
    modes: BTreeMap<RelPath, u32>,
    /// Names of files with several, by inode.
    links: HashMap<u64, RelPath>,
}

impl Builder<'_> {
    fn make(&mut self, steps: &[&Step]) -> Result<(), UndoError> {
        let mut good = Vec::new();
        for step in steps {
            if self.is_as_left(step)? {
                good.push(*step);
            }
        }
        for step in good.iter().rev() {
            if step.new.is_some() && step.act != Act::DirMeta {
                self.remove(step)?;
            }
        }
        for step in &good {
            if step.old.is_some() && step.act != Act::DirMeta && self.is_free(step) {
                self.bring_back(step)?;
            }
        }
        for step in good.iter().filter(|s| s.act == Act::DirMeta) {
            if let Some(old) = &step.old {
                self.modes.insert(step.path.clone(), old.mode);
                if step.new.is_some_and(|n| n.times.is_some()) {
                    self.times(&step.path, old.mtime, old.mtime)?;
                }
            }
        }
        let modes = std::mem::take(&mut self.modes);
        for (path, mode) in modes.iter().rev() {
            let set = self.view.set_mode_at(&self.view.root(), path.as_bytes(), false, *mode);
            match set {
                Err(FsError::NotFound) => {}
                r => r.map_err(|e| self.failed(e))?,
            }
        }
        Ok(())
    }

    fn failed(&self, source: FsError) -> UndoError {
        UndoError::View { landing: self.pre.landing.number, source }
    }

    fn conflict(&mut self, path: &RelPath, ours: Option<&Step>, what: What) {
        let theirs = super::who(&self.by_path, path, what);
        self.conflicts.entry(path.clone()).or_insert_with(|| Conflict {
            path: path.clone(),
            ours: ours.map(|s| match preflight::ours(s) {
                brio_session::ChangeKind::Added => brio_session::ChangeKind::Removed,
                brio_session::ChangeKind::Removed => brio_session::ChangeKind::Added,
                kind => kind,
            }),
            read: false,
            theirs,
            sides: Sides {
                base: ours.and_then(|s| self.pre.left(s)).as_ref().map(Side::of),
                ..Sides::default()
            },
            unmerged: None,
        });
    }

    /// Whether what the base held as of the landing is of the kind that it left there. The
    /// rest is the plan's to find.
    fn is_as_left(&mut self, step: &Step) -> Result<bool, UndoError> {
        let now = self.view.with_base(|b| b.stat(&step.path)).map_err(|e| self.failed(e))?;
        let now = match now {
            Ok(m) => Some(m.kind),
            Err(FsError::NotFound | FsError::NotDirectory) => None,
            Err(e) => return Err(self.failed(e)),
        };
        let what = match (step.new.map(|n| n.kind), now) {
            (a, b) if a == b => return Ok(true),
            (None, _) => What::Added,
            (_, None) => What::Removed,
            _ => What::Replaced,
        };
        self.conflict(&step.path, Some(step), what);
        Ok(false)
    }

    fn remove(&mut self, step: &Step) -> Result<(), UndoError> {
        let (root, path) = (self.view.root(), step.path.as_bytes());
        self.open_up(&step.path)?;
        if step.new.is_none_or(|n| n.kind != Kind::Dir) {
            return self.view.unlink_at(&root, path).map_err(|e| self.failed(e));
        }
        match self.view.rmdir_at(&root, path) {
            Err(FsError::NotEmpty) => {
                for name in self.list(&step.path).map_err(|e| self.failed(e))? {
                    let inside = step.path.join(&name);
                    if !self.conflicts.contains_key(&inside) {
                        self.conflict(&inside, None, What::Added);
                    }
                }
                let later: Vec<_> = self.later.below(&step.path).cloned().collect();
                for inside in later {
                    let theirs = super::who(&self.by_path, &inside, What::Added);
                    if matches!(theirs, Theirs::Landing { what, .. } if what != What::Removed) {
                        self.conflict(&inside, None, What::Added);
                    }
                }
                Ok(())
            }
            r => r.map_err(|e| self.failed(e)),
        }
    }

    fn list(&self, dir: &RelPath) -> FsResult<Vec<Vec<u8>>> {
        let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        match self.view.open_at(&self.view.root(), dir.as_bytes(), &how)? {
            Handle::Dir(d) => Ok(d.list()?.into_iter().map(|e| e.name).collect()),
            Handle::File(_) => Err(FsError::NotDirectory),
        }
    }

    /// Whether something can be made at a path: what was to go there has gone.
    fn is_free(&self, step: &Step) -> bool {
        let root = self.view.root();
        let parent = step.path.split().map(|(p, _)| p).unwrap_or_default();
        let free = self.view.stat_at(&root, step.path.as_bytes(), false);
        let inside = parent.is_root()
            || self
                .view
                .stat_at(&root, parent.as_bytes(), false)
                .is_ok_and(|m| m.kind == Kind::Dir);
        inside && free.is_err()
    }

    /// A directory that may not be written in is opened for a while.
    fn open_up(&mut self, path: &RelPath) -> Result<(), UndoError> {
        let Some((parent, _)) = path.split() else { return Ok(()) };
        let (root, name) = (self.view.root(), parent.as_bytes());
        let name = if name.is_empty() { b"." } else { name };
        let mode = self.view.stat_at(&root, name, false).map_err(|e| self.failed(e))?.mode;
        if mode & 0o222 != 0 {
            return Ok(());
        }
        self.modes.entry(parent.clone()).or_insert(mode);
        self.view.set_mode_at(&root, name, false, mode | 0o700).map_err(|e| self.failed(e))
    }

    fn bring_back(&mut self, step: &Step) -> Result<(), UndoError> {
        let Some(old) = &step.old else { return Ok(()) };
        let (root, path) = (self.view.root(), step.path.as_bytes());
        let io = |e: io::Error| UndoError::Io(HostError::new(&step.path, e));
        self.open_up(&step.path)?;
        let slot = slot_name(step.slot().unwrap_or_default());
        match old.kind {
            Kind::Dir => {
                self.view.mkdir_at(&root, path).map_err(|e| self.failed(e))?;
                self.modes.insert(step.path.clone(), old.mode);
                self.times(&step.path, old.mtime, old.mtime)
            }
            Kind::Symlink => {
                self.still_is(step)?;
                let target = rustix::fs::readlinkat(&self.pre.dir, &*slot, Vec::new());
                let target = target.map_err(|e| io(e.into()))?.into_bytes();
                self.view.symlink_at(&target, &root, path).map_err(|e| self.failed(e))?;
                self.times(&step.path, old.mtime, old.mtime)
            }
            Kind::File => match self.links.get(&old.ino).filter(|_| old.nlink > 1) {
                Some(first) => {
                    let made = self.view.link_at(&root, first.as_bytes(), false, &root, path);
                    made.map_err(|e| self.failed(e))
                }
                None => self.file(step),
            },
            Kind::Other => {
                let why = RefusedWhy::Kind;
                Err(CommitError::Refused { path: step.path.clone(), why }.into())
            }
        }
    }

    /// Makes a file of a clone of its pre-image.
    fn file(&mut self, step: &Step) -> Result<(), UndoError> {
        let Some(old) = &step.old else { return Ok(()) };
        let (root, path) = (self.view.root(), step.path.as_bytes());
        let io = |e: io::Error| UndoError::Io(HostError::new(&step.path, e));
        let from = self.pre.file(step).map_err(io)?.ok_or_else(|| self.damaged(step))?;
        let how =
            OpenOptions { write: true, create: true, exclusive: true, ..OpenOptions::default() };
        self.view.open_at(&root, path, &how).map_err(|e| self.failed(e))?;
        let content = self.view.change_content(&step.path).map_err(|e| self.failed(e))?;
        let Content::Own { dir, name } = content else {
            return Err(self.failed(FsError::Invalid));
        };
        let into = dir.open_with(&name, cap_std::fs::OpenOptions::new().read(true).write(true));
        let into = into.map_err(io)?.into_std();
        self.state.disk.clone_into(&from, &into).map_err(io)?;
        self.verify(step, into)?;
        self.links.insert(old.ino, step.path.clone());
        let atime = Look::of(from.as_fd()).map_err(io)?.meta().atime;
        self.view.set_mode_at(&root, path, false, old.mode).map_err(|e| self.failed(e))?;
        self.times(&step.path, atime, old.mtime)
    }

    fn verify(&self, step: &Step, mut copy: File) -> Result<(), UndoError> {
        use std::io::Seek;
        let io = |e: io::Error| UndoError::Io(HostError::new(&step.path, e));
        let size = copy.metadata().map_err(io)?.len();
        copy.rewind().map_err(io)?;
        let same = match step.old_sha256 {
            Some(sha256) => manifest::hash(copy).map_err(io)? == sha256,
            None => true,
        };
        self.still_is(step)?;
        if same && step.old.is_some_and(|o| o.size == size) {
            Ok(())
        } else {
            Err(self.damaged(step))
        }
    }

    fn still_is(&self, step: &Step) -> Result<(), UndoError> {
        match self.pre.unchanged(step).doing(&step.path)? {
            true => Ok(()),
            false => Err(self.damaged(step)),
        }
    }

    fn damaged(&self, step: &Step) -> UndoError {
        UndoError::Damaged { landing: self.pre.landing.number, path: step.path.clone() }
    }

    fn times(
        &self,
        path: &RelPath,
        atime: brio_session::Time,
        mtime: brio_session::Time,
    ) -> Result<(), UndoError> {
        let (a, m) = (SetTime::At(atime), SetTime::At(mtime));
        let set = self.view.set_times_at(&self.view.root(), path.as_bytes(), false, a, m);
        set.map_err(|e| self.failed(e))
    }

    /// The contents that were there are what the landing left, and nothing else was touched:
    /// a link that somebody put into a path's way leads elsewhere.
    /// Returns the paths whose content is another.
    fn check(
        &mut self,
        steps: &[&Step],
        expected: &BTreeSet<&RelPath>,
    ) -> Result<BTreeSet<RelPath>, UndoError> {
        let set = self.view.changes().map_err(|e| self.failed(e))?;
        for c in &set.changes {
            if !expected.contains(&c.path) {
                self.conflict(&c.path, None, What::Replaced);
            }
        }
        let mut drifted = BTreeSet::new();
        for step in steps {
            let seen = set.observed.get(&step.path).and_then(|o| o.sha256);
            if let (Some(seen), Some(left)) = (seen, step.new_sha256)
                && seen != left
                && !self.conflicts.contains_key(&step.path)
            {
                self.conflict(&step.path, Some(step), What::Modified);
                drifted.insert(step.path.clone());
            }
        }
        Ok(drifted)
    }
}
