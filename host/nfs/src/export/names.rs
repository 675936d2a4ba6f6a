//! What clients are told of an export's names, and what becomes of that.

use brio_session::{DirEntry, DirHandle, FsError, FsResult, Kind, Lent, Meta, NodeHandle};

use super::{Export, broken, lock};
use crate::handles::{Seen, Told};

impl Export {
    /// What a client is told of a node that it found at a name.
    pub(crate) fn tell(
        &self,
        lent: &Lent,
        (parent, name): (u64, &[u8]),
        node: &NodeHandle,
        meta: &Meta,
    ) -> FsResult<Told> {
        if let Some(told) = lock(&self.known).at(lent.epoch).told(node) {
            return Ok(told);
        }
        let told = match self.other_name(lent, node, meta.ino, meta.nlink)? {
            Some(told) => {
                self.handles.name(parent, name, told.id).map_err(broken)?;
                told
            }
            None => {
                self.handles.tell(self.seen(parent, name, meta.ino, meta.kind)).map_err(broken)?
            }
        };
        lock(&self.known).at(lent.epoch).put(node.clone(), told);
        Ok(told)
    }

    /// What a client is told of what a listing shows, in its order. `None`: it may be something
    /// that is known under another name, and must be looked at.
    pub(crate) fn tell_names(
        &self,
        parent: u64,
        entries: &[&DirEntry],
    ) -> FsResult<Vec<Option<Told>>> {
        let seen = entries.iter().map(|e| self.seen(parent, &e.name, e.ino, e.kind));
        self.handles.tell_all(seen).map_err(broken)
    }

    fn seen<'a>(&self, parent: u64, name: &'a [u8], ino: u64, kind: Kind) -> Seen<'a> {
        Seen { export: self.id, parent, name, ino, kind }
    }

    /// The number that it has by another of its names. Hard links of a base are files of their own
    /// in a view, though they share an inode number: so it is looked which node each of them is.
    fn other_name(
        &self,
        lent: &Lent,
        node: &NodeHandle,
        ino: u64,
        links: u64,
    ) -> FsResult<Option<Told>> {
        if node.kind() == Kind::Dir || links < 2 {
            return Ok(None);
        }
        for told in self.handles.of_ino(self.id, ino).map_err(broken)? {
            let found = lent.view.unnoted(|| self.find(lent, told.id, 0));
            if found.is_ok_and(|(known, _)| known == *node) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// The number of the directory that something was told in; a directory has one.
    pub(crate) fn parent(&self, id: u64) -> FsResult<u64> {
        let (_, names) = self.handles.get(self.id, id).map_err(broken)?.ok_or(FsError::Stale)?;
        names.first().map(|(parent, _)| *parent).ok_or(FsError::Stale)
    }

    pub(crate) fn told(&self, id: u64) -> FsResult<Told> {
        let found = self.handles.get(self.id, id).map_err(broken)?;
        found.map(|(told, _)| told).ok_or(FsError::Stale)
    }

    pub(crate) fn linked(&self, parent: u64, name: &[u8], id: u64) -> FsResult<()> {
        self.handles.name(parent, name, id).map_err(broken)
    }

    /// What is at a name that is about to go, if that may not be its only one.
    pub(crate) fn with_others(
        &self,
        lent: &Lent,
        dir: &DirHandle,
        name: &[u8],
    ) -> Option<NodeHandle> {
        let (node, meta) = lent.view.unnoted(|| lent.view.node_at(dir, name, false)).ok()?;
        (meta.kind != Kind::Dir && meta.nlink > 1).then_some(node)
    }

    /// Another place of what just lost a name. Somebody else may have made it, or a client that
    /// was never told of it: then it must be told before the last name that was is forgotten.
    fn other_place(&self, lent: &Lent, node: Option<NodeHandle>) -> Option<(u64, Vec<u8>)> {
        let node = node?;
        let path = node.path().ok()?;
        let (above, name) = match path.as_bytes().iter().rposition(|b| *b == b'/') {
            Some(slash) => (&path.as_bytes()[..slash], &path.as_bytes()[slash + 1..]),
            None => (&b""[..], path.as_bytes()),
        };
        let mut at = (self.root.id, lent.view.root());
        lent.view.unnoted(|| {
            for component in above.split(|b| *b == b'/').filter(|c| !c.is_empty()) {
                let (dir, meta) = lent.view.node_at(&at.1, component, false).ok()?;
                at = (self.tell(lent, (at.0, component), &dir, &meta).ok()?.id, dir.as_dir()?);
            }
            let (found, _) = lent.view.node_at(&at.1, name, false).ok()?;
            (found == node).then(|| (at.0, name.to_vec()))
        })
    }

    /// A name is gone, which `with_others` was looked at for.
    pub(crate) fn removed(
        &self,
        lent: &Lent,
        (parent, name): (u64, &[u8]),
        node: Option<NodeHandle>,
    ) -> FsResult<()> {
        let instead = self.other_place(lent, node);
        let gone = self.handles.removed(parent, name, instead.as_ref()).map_err(broken)?;
        self.forget(gone);
        Ok(())
    }

    /// Renames by `act`, and what is told of names with that; `replaced` as above.
    pub(crate) fn rename(
        &self,
        lent: &Lent,
        from: (u64, &[u8]),
        to: (u64, &[u8]),
        replaced: Option<NodeHandle>,
        act: impl FnOnce() -> FsResult<()>,
    ) -> FsResult<()> {
        self.handles.renaming(self.id, from, to).map_err(broken)?;
        if let Err(e) = act() {
            self.handles.not_renamed(self.id).map_err(broken)?;
            return Err(e);
        }
        let instead = self.other_place(lent, replaced);
        let gone = self.handles.renamed(self.id, from, to, instead.as_ref()).map_err(broken)?;
        self.forget(gone);
        Ok(())
    }

    /// Makes what nothing has the name of, for whoever shows `verifier`: so that he is recognised,
    /// also when this is cut short.
    pub(crate) fn make_exclusively<E: From<FsError>>(
        &self,
        (parent, name): (u64, &[u8]),
        verifier: &[u8],
        act: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.handles.making(self.id, parent, name, verifier).map_err(broken)?;
        let done = act();
        self.handles.made(self.id).map_err(broken)?;
        done
    }

    /// Whether making it so was cut short.
    pub(crate) fn was_made_exclusively(
        &self,
        (parent, name): (u64, &[u8]),
        verifier: &[u8],
    ) -> FsResult<bool> {
        self.handles.was_making(self.id, parent, name, verifier).map_err(broken)
    }
}
