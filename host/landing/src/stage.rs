//! Staging: everything a landing brings is made beside the base, complete and durable, before
//! anything is sealed. No lock is held.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use brio_project::NoteChange;
use brio_session::{
    Change, Content, FsError, Kind, NEW_DIR_MODE, NEW_FILE_MODE, RelPath, Source, View,
};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::acl;
use crate::claim::nonce;
use crate::disk;
use crate::errors::Doing;
use crate::facts::Dirs;
use crate::history;
use crate::intent::{Act, INTENT, INTENT_MAGIC, Intent, New, Step, clone_name, encode, slot_name};
use crate::lines::{self, LINES, Lines};
use crate::look::Look;
use crate::preimage::PreImages;
use crate::state::State;
use crate::{CommitError, HostError, RefusedWhy, manifest, notes};

/// A landing that is not sealed yet.
pub(crate) struct Staged {
    /// Its name in `staging/`.
    pub(crate) name: Vec<u8>,
    pub(crate) dir: OwnedFd,
    /// The plan's steps, with the staged inodes.
    pub(crate) intent: Intent,
}

/// Stages a plan. On an error nothing is left.
pub(crate) fn stage(
    state: &State,
    (view, subdir, changes): (&View, &RelPath, &HashMap<RelPath, &Change>),
    notes: &[NoteChange],
    intent: Intent,
) -> Result<Staged, CommitError> {
    let restored = match intent.undo_of {
        Some(k) => {
            let landing = history::ended_or_now(state, k).map_err(Box::new)?;
            PreImages::open(state, landing).doing(format!("landing {k}"))?
        }
        None => None,
    };
    let what = "staging";
    let name = format!("{}-{}", intent.session, nonce().doing(what)?).into_bytes();
    let failed_before = state.flush.failed();
    state.disk.mkdir(&state.staging, &name, 0o700).doing(what)?;
    let made = disk::open_dir(&state.staging, &name)
        .doing(what)
        .map_err(CommitError::from)
        .and_then(|dir| {
            let mut s = Stager {
                state,
                view,
                subdir,
                changes,
                dir: &dir,
                bases: Dirs::new(state),
                new_dirs: HashMap::new(),
                slots: HashMap::new(),
                acls: HashMap::new(),
                restored,
                lines: Lines::default(),
            };
            let mut intent = intent;
            for step in &mut intent.steps {
                s.step(step)?;
            }
            if !s.lines.is_empty() {
                let raw = s.lines.encode().doing("lines")?;
                state.disk.write_new(&dir, LINES, &raw).doing("lines")?;
            }
            if !notes.is_empty() {
                // What cannot be delivered must not be sealed.
                if !notes::elsewhere(state).doing("notes")? {
                    notes::of_domain(state)?;
                }
                notes::write(state, &dir, notes).doing("notes")?;
            }
            let raw = encode(INTENT_MAGIC, &intent).doing("intent")?;
            state.disk.write_new(&dir, INTENT, &raw).doing("intent")?;
            state.flush.wait(&state.disk, failed_before).doing(what)?;
            Ok((dir, intent))
        });
    match made {
        Ok((dir, intent)) => Ok(Staged { name, dir, intent }),
        Err(e) => {
            let _ = state.disk.remove_tree(&state.staging, &name);
            Err(e)
        }
    }
}

struct Stager<'a> {
    state: &'a State,
    view: &'a View,
    subdir: &'a RelPath,
    changes: &'a HashMap<RelPath, &'a Change>,
    dir: &'a OwnedFd,
    bases: Dirs<'a>,
    /// New directories: their slots and, where creation there would hand it down, their group.
    new_dirs: HashMap<RelPath, Option<u32>>,
    slots: HashMap<RelPath, u32>,
    /// Default ACLs of directories that were looked at.
    acls: HashMap<RelPath, Option<Rc<[u8]>>>,
    /// Of the landing that this one undoes.
    restored: Option<PreImages>,
    lines: Lines,
}

impl Stager<'_> {
    fn step(&mut self, step: &mut Step) -> Result<(), CommitError> {
        let path = step.path.clone();
        let io = |e: io::Error| CommitError::Io(HostError::new(&path, e));
        if let (Some(old), Some(slot)) = (&step.old, step.slot())
            && old.kind == Kind::File
            && old.nlink > 1
        {
            self.clone_old(&path, slot, old).map_err(io)?;
            step.cloned = true;
        }
        let (Some(new), Some(slot)) = (step.new, step.slot()) else { return Ok(()) };
        let name = slot_name(slot);
        self.content(&path, &name)?;
        if new.kind == Kind::File {
            step.new_sha256 = self.hash(slot, &name).map_err(io)?;
        }
        self.slots.insert(path.clone(), slot);
        match (step.act, &step.old) {
            (Act::Replace { .. }, Some(old)) if old.kind == new.kind => {
                self.keep(&path, &name, &new)?
            }
            _ if self.restore(&path, &name, &new)? => {}
            (Act::Replace { .. }, Some(_)) => self.keep(&path, &name, &new)?,
            _ => self.inherit(&path, &name, &new).map_err(io)?,
        }
        let acl = match step.old {
            None => self.hand_down(&path, &name, &new).map_err(io)?,
            Some(_) => false,
        };
        if new.kind != Kind::Symlink && !acl {
            let mode = if new.kind == Kind::Dir { new.mode | 0o700 } else { new.mode };
            let now = Look::raw(self.dir, &name).map_err(|e| io(e.into()))?;
            if now.mode() != mode {
                self.state.disk.chmod_at(self.dir, &name, mode).map_err(io)?;
            }
        }
        if let (Some((atime, mtime)), false) = (new.times, new.kind == Kind::Dir) {
            self.state.disk.set_times(self.dir, &name, atime, mtime).map_err(io)?;
        }
        let look = Look::raw(self.dir, &name).map_err(|e| io(e.into()))?.fingerprint();
        step.new =
            Some(New { ino: look.ino, size: look.size, mtime: look.mtime, mode: look.mode, ..new });
        Ok(())
    }

    fn content(&mut self, path: &RelPath, name: &[u8]) -> Result<(), CommitError> {
        let disk = &self.state.disk;
        let io = |e: io::Error| CommitError::Io(HostError::new(path, e));
        let view = |source: FsError| CommitError::View { path: path.clone(), source };
        let inside = path.strip_prefix(self.subdir).unwrap_or_default();
        let change = self.changes.get(path);
        let first = change.and_then(|c| c.hard_link_of.as_ref()).and_then(|p| self.slots.get(p));
        if let Some(first) = first {
            return disk.link(self.dir, &slot_name(*first), self.dir, name).map_err(io);
        }
        match self.view.change_content(&inside).map_err(view)? {
            Content::Dir => disk.mkdir(self.dir, name, 0o700).map_err(io),
            Content::Symlink(target) => disk.symlink(&target, self.dir, name).map_err(io),
            Content::Own { dir, name: file } => {
                match disk.link(&dir, file.as_bytes(), self.dir, name) {
                    // Too many links, or links to what one does not own are not allowed.
                    Err(e)
                        if matches!(
                            Errno::from_io_error(&e),
                            Some(Errno::MLINK | Errno::PERM | Errno::XDEV)
                        ) =>
                    {
                        let from = dir.open(&file).map_err(io)?.into_std();
                        self.copy(&from.into(), name, change).map_err(io)
                    }
                    r => r.map_err(io),
                }
            }
            Content::Borrowed(from) => {
                // A copy of a file that somebody wrote to meanwhile is neither state of it.
                let state = |from: &Source| match from.as_file() {
                    Some(file) => Ok(Some(Look::of(file)?.fingerprint())),
                    None => Ok(None),
                };
                let before = state(&from).map_err(io)?;
                self.copy(&from, name, change).map_err(io)?;
                match (before, state(&from).map_err(io)?) {
                    (Some(before), Some(now)) if !before.same_as(&now) => {
                        Err(view(FsError::SnapshotGone))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// SHA-256 of what was staged; a text's lines are remembered. `None` for another name of
    /// what is staged already and may not be read any more.
    fn hash(&mut self, slot: u32, name: &[u8]) -> io::Result<Option<[u8; 32]>> {
        let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = match openat(self.dir, name, how, Mode::empty()) {
            Err(Errno::ACCESS) => return Ok(None),
            file => File::from(file?),
        };
        if file.metadata()?.len() > lines::LIMIT {
            return Ok(Some(manifest::hash(file)?));
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        self.lines.add(slot, &content);
        Ok(Some(Sha256::digest(&content).into()))
    }

    fn copy(&self, from: &Source, name: &[u8], change: Option<&&Change>) -> io::Result<()> {
        let into = self.state.disk.create(self.dir, name, 0o600)?;
        match from.as_file() {
            Some(file) => self.state.disk.clone_into(file, &into)?,
            None => self.state.disk.fetch_into(from, &into)?,
        }
        match change.and_then(|c| c.after) {
            Some(m) => self.state.disk.set_times(self.dir, name, m.atime, m.mtime),
            None => Ok(()),
        }
    }

    /// A pre-image with other names is cloned: who writes through those must not change it.
    fn clone_old(
        &mut self,
        path: &RelPath,
        slot: u32,
        old: &brio_session::Fingerprint,
    ) -> io::Result<()> {
        let (parent, name) = self.bases.parent(path)?;
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let from = File::from(openat(&*parent, name, how, Mode::empty())?);
        let into = self.state.disk.create(self.dir, &clone_name(slot), 0o600)?;
        self.state.disk.clone_into(&from, &into)?;
        self.state.disk.chmod(&into, old.mode)?;
        self.state.disk.set_times(self.dir, &clone_name(slot), old.mtime, old.mtime)
    }

    /// A replaced file keeps its owner, ACL and other attributes, or is refused.
    fn keep(&mut self, path: &RelPath, name: &[u8], new: &New) -> Result<(), CommitError> {
        let io = |e: io::Error| CommitError::Io(HostError::new(path, e));
        let (parent, base_name) = self.bases.parent(path).map_err(io)?;
        self.keep_of(path, name, new, (&parent, base_name))
    }

    /// What an undo brings back gets the owner, ACL and attributes that it had. False: there
    /// was nothing.
    fn restore(&mut self, path: &RelPath, name: &[u8], new: &New) -> Result<bool, CommitError> {
        let Some(pre) = &self.restored else { return Ok(false) };
        let Some(slot) = pre.slot(path) else { return Ok(false) };
        self.keep_of(path, name, new, (&pre.dir, &slot))?;
        Ok(true)
    }

    fn keep_of(
        &self,
        path: &RelPath,
        name: &[u8],
        new: &New,
        (parent, base_name): (&OwnedFd, &[u8]),
    ) -> Result<(), CommitError> {
        let io = |e: io::Error| CommitError::Io(HostError::new(path, e));
        let refused = |why| CommitError::Refused { path: path.clone(), why };
        // Gone or changed since the plan: the validation under the lock will say so.
        let Some(old) = Look::at(parent, base_name).map_err(io)? else { return Ok(()) };
        let now = Look::raw(self.dir, name).map_err(|e| io(e.into()))?;
        let owner = (old.uid(), old.gid());
        if (now.uid(), now.gid()) != owner {
            let uid = (now.uid() != owner.0).then_some(owner.0);
            let gid = (now.gid() != owner.1).then_some(owner.1);
            match self.state.disk.chown(self.dir, name, uid, gid) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(refused(RefusedWhy::Owner { uid: owner.0, gid: owner.1 }));
                }
                r => r.map_err(io)?,
            }
        }
        if old.kind() != new.kind || !matches!(new.kind, Kind::File | Kind::Dir) {
            return Ok(());
        }
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let from = match openat(parent, base_name, how, Mode::empty()) {
            Ok(fd) => fd,
            // Its attributes cannot be seen, so it cannot be said that they are kept.
            Err(Errno::ACCESS) => {
                return Err(refused(RefusedWhy::Xattr("(unreadable)".to_owned())));
            }
            Err(e) => return Err(io(e.into())),
        };
        let mut into: Option<Rc<File>> = None;
        for (attribute, value) in xattrs(&from).map_err(io)? {
            let into = match &into {
                Some(f) => f.clone(),
                None => {
                    let f = openat(self.dir, name, how, Mode::empty()).map_err(|e| io(e.into()))?;
                    into.insert(Rc::new(f.into())).clone()
                }
            };
            match self.state.disk.set_xattr(&*into, &attribute, &value) {
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
                    ) =>
                {
                    return Err(refused(RefusedWhy::Xattr(
                        String::from_utf8_lossy(&attribute).into_owned(),
                    )));
                }
                r => r.map_err(io)?,
            }
        }
        Ok(())
    }

    /// A new file gets the group that creation there would give it.
    fn inherit(&mut self, path: &RelPath, name: &[u8], new: &New) -> io::Result<()> {
        let parent = path.split().map(|(p, _)| p).unwrap_or_default();
        let group = match self.new_dirs.get(&parent) {
            Some(group) => *group,
            None => match self.bases.look(&parent)? {
                Some(l) if l.kind() == Kind::Dir && l.mode() & 0o2000 != 0 => Some(l.gid()),
                _ => None,
            },
        };
        if new.kind == Kind::Dir {
            self.new_dirs.insert(path.clone(), group);
        }
        let Some(gid) = group else { return Ok(()) };
        if Look::raw(self.dir, name)?.gid() != gid {
            match self.state.disk.chown(self.dir, name, None, Some(gid)) {
                // Creation there would have given it; a user outside of the group does without.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                r => r?,
            }
        }
        Ok(())
    }

    /// Where a directory has a default ACL, what is new in it gets that, as if it were created
    /// there. False: it has none, and the mode decides.
    fn hand_down(&mut self, path: &RelPath, name: &[u8], new: &New) -> io::Result<bool> {
        let parent = path.split().map(|(p, _)| p).unwrap_or_default();
        let Some(default) = self.default_acl(&parent)? else { return Ok(false) };
        // What a view gives to all that is new is nobody's wish: creation would have asked for
        // everything and left it to the ACL.
        let mode = match (new.kind, new.mode) {
            (Kind::File, NEW_FILE_MODE) => 0o666,
            (Kind::Dir, NEW_DIR_MODE) => 0o777,
            (Kind::Symlink, _) => return Ok(false),
            (_, mode) => mode,
        };
        let Some(access) = acl::inherited(&default, mode) else { return Ok(false) };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = openat(self.dir, name, how, Mode::empty())?;
        self.state.disk.set_xattr(&fd, acl::ACCESS, &access)?;
        if new.kind == Kind::Dir {
            self.state.disk.set_xattr(&fd, acl::DEFAULT, &default)?;
            self.acls.insert(path.clone(), Some(default));
        }
        Ok(true)
    }

    fn default_acl(&mut self, dir: &RelPath) -> io::Result<Option<Rc<[u8]>>> {
        if let Some(known) = self.acls.get(dir) {
            return Ok(known.clone());
        }
        let how = OFlags::RDONLY | OFlags::DIRECTORY;
        let found = match disk::open_beneath(self.state.root()?, dir.as_bytes(), how, true) {
            Ok(fd) => attribute(&fd, acl::DEFAULT)?.map(Rc::from),
            // New as well, or gone: the validation under the lock will say so. One that cannot
            // be read says nothing.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::XDEV) => None,
            Err(e) => return Err(e.into()),
        };
        self.acls.insert(dir.clone(), found.clone());
        Ok(found)
    }
}

/// One attribute of a file, where it has it.
fn attribute(file: &OwnedFd, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0u8; 1 << 16];
    match rustix::fs::fgetxattr(file, name, &mut value[..]) {
        Ok(n) => value.truncate(n),
        Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
        Err(e) => return Err(e.into()),
    }
    Ok(Some(value))
}

/// All attributes of a file.
fn xattrs(file: &OwnedFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0u8; 1 << 16];
    let n = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(n) => n,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut out = Vec::new();
    for name in names[..n].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        if let Some(value) = attribute(file, name)? {
            out.push((name.to_vec(), value));
        }
    }
    Ok(out)
}
