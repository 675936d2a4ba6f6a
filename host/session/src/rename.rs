//! Renames.

use crate::handle::DirHandle;
use crate::ops::{DEEPEST, is_empty};
use crate::promote::{GONE, now};
use crate::resolve::{Place, VCS_DIR};
use crate::state::State;
use crate::tree::{Child, Record, Ref};
use crate::{FsError, FsResult, Kind, Meta, View};

/// What a rename does with what has the new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rename {
    /// Replaces it.
    #[default]
    Replace,
    /// Leaves both alone: `Exists`.
    NoReplace,
    /// Gives it the old name, at once: `NotFound` where nothing is.
    Exchange,
}

/// A name that nothing has: what is exchanged is never without one.
const HELD: &[u8] = b"/";

impl View {
    /// Renames, replacing a file by a file and an empty directory by a directory. Whole trees
    /// of the lower are renamed without being copied.
    ///
    /// # Errors
    /// As `rename(2)`.
    pub fn rename_at(
        &self,
        from_dir: &DirHandle,
        from: &[u8],
        to_dir: &DirHandle,
        to: &[u8],
    ) -> FsResult<()> {
        self.rename_how_at(from_dir, from, to_dir, to, Rename::Replace)
    }

    /// Renames; `how` says what becomes of something that has the new name already.
    ///
    /// # Errors
    /// As `renameat2(2)`.
    pub fn rename_how_at(
        &self,
        from_dir: &DirHandle,
        from: &[u8],
        to_dir: &DirHandle,
        to: &[u8],
        how: Rename,
    ) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        if how == Rename::Replace {
            self.sight_name(to_dir, to)?;
        }
        let mut state = self.inner.write()?;
        let from = from_dir.resolve_name(&state, from)?;
        let to = to_dir.resolve_name(&state, to)?;
        let (at, meta) = from.at.clone().ok_or(FsError::NotFound)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(FsError::Invalid);
        }
        let is_dir = meta.kind == Kind::Dir;
        if (from.must_dir || to.must_dir) && !is_dir {
            return Err(FsError::NotDirectory);
        }
        self.writable(from.protected || to.protected)?;
        self.may_move(&state, &at, meta.kind, &to.dir)?;
        match &to.at {
            None if how == Rename::Exchange => return Err(FsError::NotFound),
            None => to.free_name()?,
            Some(_) if how == Rename::NoReplace => return Err(FsError::Exists),
            Some((there, m)) if same_file(&state, (there, m), (&at, &meta))? => return Ok(()),
            Some((there, m)) if how == Rename::Exchange => {
                let (there, kind) = (there.clone(), m.kind);
                self.may_move(&state, &there, kind, &from.dir)?;
                return self.exchange(&mut state, (from, at), (to, there));
            }
            Some((there, m)) => match (is_dir, m.kind == Kind::Dir) {
                (true, false) => return Err(FsError::NotDirectory),
                (false, true) => return Err(FsError::IsDirectory),
                (true, true) if !is_empty(&state, there)? => {
                    return Err(FsError::NotEmpty);
                }
                _ => {}
            },
        }
        let old_dir = self.enter(&mut state, &from)?;
        let new_dir = self.enter(&mut state, &to)?;
        let id = self.promote(&mut state, &at)?;
        let mut batch = self.first_sight(&state, new_dir, &to.name)?;
        if let Some((there @ Ref::Lower(p), _)) = &to.at {
            if self.is_shared(&state, p)? {
                self.promote(&mut state, there)?;
            } else {
                batch.extend(state.sight(p)?);
            }
        }
        let at = now();
        let absent = state.absence(old_dir, &from.name)?;
        // The new name first: a node that has lost all its names is gone.
        batch.push(Record::Entry { dir: new_dir, name: to.name, child: Some(Child::Node(id)), at });
        batch.push(Record::Entry { dir: old_dir, name: from.name, child: absent, at });
        state.commit(batch, &self.inner)?;
        if let Some((Ref::Lower(p), _)) = to.at {
            state.stack.tree.promoted.entry(p).or_insert(GONE);
        }
        Ok(())
    }

    /// Whether something may go to the directory `to`.
    fn may_move(&self, state: &State, at: &Ref, kind: Kind, to: &Ref) -> FsResult<()> {
        if kind != Kind::Dir {
            return Ok(());
        }
        if !self.inner.options.vcs && holds_vcs(state, at)? {
            return Err(FsError::ReadOnly);
        }
        if state.stack.below.base().excludes() && holds_reserved(state, at)? {
            return Err(FsError::NotEmpty);
        }
        let tree = &state.stack.tree;
        let (old, new) = (tree.depth_of(at), tree.depth_of(to) + 1);
        // What lies too deep already may go up, or sideways.
        if new > old && new + height(state, at, DEEPEST.saturating_sub(new))? > DEEPEST {
            return Err(FsError::NameTooLong);
        }
        match (tree.path_of(at), tree.path_of(to)) {
            (Some(old), Some(new)) if new.starts_with(&old) => Err(FsError::Invalid),
            _ => Ok(()),
        }
    }

    fn exchange(
        &self,
        state: &mut State,
        (from, one): (Place, Ref),
        (to, two): (Place, Ref),
    ) -> FsResult<()> {
        let old_dir = self.enter(state, &from)?;
        let new_dir = self.enter(state, &to)?;
        let one = self.promote(state, &one)?;
        let two = self.promote(state, &two)?;
        let at = now();
        let entry = |dir, name: &[u8], id: Option<_>| Record::Entry {
            dir,
            name: name.to_vec(),
            child: id.map(Child::Node),
            at,
        };
        let batch = vec![
            entry(new_dir, HELD, Some(one)),
            entry(old_dir, &from.name, Some(two)),
            entry(new_dir, &to.name, Some(one)),
            entry(new_dir, HELD, None),
        ];
        state.commit(batch, &self.inner)?;
        state.stack.tree.changed.extend([(one, at), (two, at)]);
        Ok(())
    }
}

/// Whether two places are names of one file.
fn same_file(state: &State, a: (&Ref, &Meta), b: (&Ref, &Meta)) -> FsResult<bool> {
    let of = |(r, m): (&Ref, &Meta)| match m.kind {
        Kind::Dir => Ok(r.clone()),
        _ => state.stack.identity(r.clone(), m.nlink),
    };
    Ok(of(a)? == of(b)?)
}

/// How many levels lie below a directory; more than `most` are not counted.
fn height(state: &State, dir: &Ref, most: usize) -> FsResult<usize> {
    let mut highest = 0;
    let mut below = vec![(dir.clone(), 0)];
    while let Some((dir, level)) = below.pop() {
        for e in state.stack.list_ref(&dir)? {
            highest = highest.max(level + 1);
            if highest > most {
                return Ok(highest);
            }
            if e.kind == Kind::Dir
                && let Some(sub) = state.stack.tree.step(&dir, &e.name)
            {
                below.push((sub, level + 1));
            }
        }
    }
    Ok(highest)
}

/// Whether a directory holds a `.git` at any depth.
fn holds_vcs(state: &State, dir: &Ref) -> FsResult<bool> {
    for e in state.stack.list_ref(dir)? {
        if e.name == VCS_DIR {
            return Ok(true);
        }
        if e.kind == Kind::Dir
            && let Some(sub) = state.stack.tree.step(dir, &e.name)
            && holds_vcs(state, &sub)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a directory holds something at any depth that no listing shows: it would go along.
fn holds_reserved(state: &State, dir: &Ref) -> FsResult<bool> {
    if state.stack.reserved(dir)? {
        return Ok(true);
    }
    for e in state.stack.list_ref(dir)? {
        if e.kind == Kind::Dir
            && let Some(sub) = state.stack.tree.step(dir, &e.name)
            && holds_reserved(state, &sub)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
