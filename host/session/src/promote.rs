//! From untouched to ours: promotion, first sight of the base, and copy-up.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::handle::{Content, DirHandle, Object};
use crate::io::{clone_file, create, set_file_times};
use crate::resolve::Place;
use crate::sealed::data_name;
use crate::state::State;
use crate::tree::{Body, Child, Node, NodeId, Record, Ref};
use crate::{FsError, FsResult, Kind, Meta, Observed, Op, RelPath, Source, Time, View};

/// Originals are kept of text up to this size, as the ancestor of a later merge.
const ORIGINAL_MAX: u64 = 1 << 20;

/// The id of nodes that are gone.
pub(crate) const GONE: NodeId = u64::MAX;

pub(crate) fn now() -> Time {
    let d = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { secs: d.as_secs() as i64, nanos: d.subsec_nanos() }
}

impl State {
    /// A fresh node's attributes.
    pub(crate) fn fresh(&self, id: NodeId, mode: u32, body: Body) -> Node {
        let at = now();
        Node {
            ino: self.stack.tree.fresh_ino(id),
            mode,
            atime: at,
            mtime: at,
            times_set: false,
            body,
            children: Default::default(),
            names: Vec::new(),
        }
    }

    /// The lower path that a name of this directory falls through to.
    pub(crate) fn below_name(&self, dir: NodeId, name: &[u8]) -> Option<RelPath> {
        match &self.stack.tree.nodes.get(&dir)?.body {
            Body::Dir { lower: Some(p) } => Some(p.join(name)),
            _ => None,
        }
    }

    /// What a directory has to say about a name that is to be gone.
    pub(crate) fn absence(&self, dir: NodeId, name: &[u8]) -> FsResult<Option<Child>> {
        let Some(p) = self.below_name(dir, name) else { return Ok(None) };
        match self.stack.below.stat(&p) {
            Ok(_) => Ok(Some(Child::Whiteout)),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The record of the first sight of a lower path, if the base is what lies there and it
    /// was not seen before.
    pub(crate) fn sight(&self, lower: &RelPath) -> FsResult<Option<Record>> {
        let Some(base) = self.stack.below.origin(lower)? else { return Ok(None) };
        if self.stack.tree.observed.contains_key(&base) {
            return Ok(None);
        }
        let fingerprint = self.stack.below.fingerprint(&base)?;
        Ok(Some(Record::Observed {
            base,
            observed: Observed { fingerprint, ..Observed::default() },
        }))
    }
}

impl View {
    /// Makes something untouched a node, its ancestors first. Changes nothing that can be seen.
    pub(crate) fn promote(&self, state: &mut State, place: &Ref) -> FsResult<NodeId> {
        let p = match state.stack.tree.canonical(place.clone()) {
            Ref::Node(id) => return state.stack.node(id).map(|_| id),
            Ref::Lower(p) => p,
        };
        let (parent, name) = p.split().ok_or(FsError::Invalid)?;
        let name = name.to_vec();
        let dir = self.promote(state, &Ref::Lower(parent))?;
        let m = state.stack.below.stat(&p)?;
        let body = match m.kind {
            Kind::File => Body::Borrowed { from: p.clone() },
            Kind::Dir => Body::Dir { lower: Some(p.clone()) },
            Kind::Symlink => Body::Symlink { target: state.stack.below.read_link(&p)? },
            Kind::Other => Body::Other { from: p.clone() },
        };
        let node = Node {
            ino: m.ino,
            mode: m.mode,
            atime: m.atime,
            mtime: m.mtime,
            times_set: state.stack.below.set_times_of(&p)?.is_some(),
            body,
            children: Default::default(),
            names: Vec::new(),
        };
        // Other names that a layer below gave it stay names of it.
        let mut places = vec![(p.clone(), dir, name)];
        if !matches!(m.kind, Kind::Dir | Kind::Other) && m.nlink > 1 {
            for other in state.stack.below.names(&p)? {
                let Some((parent, name)) = other.split() else { continue };
                if other != p
                    && state.stack.tree.canonical(Ref::Lower(other.clone()))
                        == Ref::Lower(other.clone())
                {
                    let dir = self.promote(state, &Ref::Lower(parent))?;
                    if !state.stack.node(dir)?.children.contains_key(name) {
                        places.push((other.clone(), dir, name.to_vec()));
                    }
                }
            }
        }
        let id = state.stack.tree.next;
        let mut batch: Vec<_> = state.sight(&p)?.into_iter().collect();
        batch.push(Record::Node { id, node });
        for (_, dir, name) in &places {
            let at = state.stack.node(*dir)?.mtime;
            let child = Some(Child::Node(id));
            batch.push(Record::Entry { dir: *dir, name: name.clone(), child, at });
        }
        state.commit(batch, &self.inner)?;
        state.stack.tree.changed.insert(id, m.ctime);
        for (p, ..) in places {
            state.stack.tree.promoted.insert(p.clone(), id);
            self.inner.rekey(Ref::Lower(p), Ref::Node(id));
        }
        Ok(id)
    }

    /// Observes what the base holds at a name whose content is about to go, which takes as long as
    /// reading it: for who holds a lock of its own while it removes or replaces the name, and does
    /// this before. Nothing that can be seen changes. A name that leads to no file is none to
    /// observe, and no error.
    ///
    /// # Errors
    /// The host's, `ReadOnly`.
    pub fn observe_at(&self, dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        let _gate = self.inner.admit()?;
        self.sight_name(dir, path)
    }

    /// Likewise, for who holds the gate. What is wrong with the name is said by what follows.
    pub(crate) fn sight_name(&self, dir: &DirHandle, path: &[u8]) -> FsResult<()> {
        let place = dir.resolve_name(&*self.inner.read()?, path);
        match place {
            Ok(Place { at: Some((at, Meta { kind: Kind::File, .. })), protected, .. })
                if self.writable(protected).is_ok() =>
            {
                self.sight_content(&at)
            }
            _ => Ok(()),
        }
    }

    /// Keeps what the base held at a place whose content is about to go: its hash, and the
    /// text itself. The state is not locked while the bytes are read.
    fn sight_content(&self, place: &Ref) -> FsResult<()> {
        let (base, from) = {
            let state = self.inner.read()?;
            let from = match place {
                Ref::Lower(p) => p.clone(),
                Ref::Node(id) => match state.stack.tree.nodes.get(id).map(|n| &n.body) {
                    Some(Body::Borrowed { from }) => from.clone(),
                    _ => return Ok(()),
                },
            };
            let Some(base) = state.stack.below.origin(&from)? else { return Ok(()) };
            if state.stack.tree.observed.get(&base).is_some_and(|o| o.sha256.is_some()) {
                return Ok(());
            }
            match state.stack.below.open(&from) {
                Ok(f) => (base, f),
                // What cannot be read cannot be hashed; its fingerprint still guards it.
                Err(FsError::Access | FsError::NotSupported) => return Ok(()),
                Err(e) => return Err(e),
            }
        };
        let mut taken = Digested::new(&from)?;
        match (&from, taken.known) {
            // What is fetched is kept by its store: nothing is fetched only to be forgotten.
            (Source::Lazy(_), None) => return Ok(()),
            (Source::Lazy(_), Some(_)) => taken.text = None,
            (Source::File(_), _) => taken.read_all(&from)?,
        }
        let observed = self.digest(&base, taken)?;
        let mut state = self.inner.write()?;
        state.commit(vec![Record::Observed { base, observed }], &self.inner)
    }

    /// Turns what was read into an observation, its original written to the layer.
    fn digest(&self, base: &RelPath, taken: Digested) -> FsResult<Observed> {
        let state = self.inner.read()?;
        let fingerprint = match state.stack.tree.observed.get(base) {
            Some(o) => o.fingerprint,
            None => state.stack.below.fingerprint(base)?,
        };
        let (sha256, text) = taken.finish();
        let mut original = None;
        if let Some(text) = text {
            let door = &self.inner.options.door;
            let mut n = state.stack.tree.next;
            let file = loop {
                match create(&state.stack.dir, &format!("o{n}"), door) {
                    Err(FsError::Exists) => n += 1,
                    other => break other?,
                }
            };
            if let Some(mut f) = file {
                door.run(Op::Write, || f.write_all(&text))?;
                original = Some(n);
            }
        }
        Ok(Observed { fingerprint, sha256: Some(sha256), original })
    }

    /// Gives an open file its own content, the first `keep` bytes of what it had. A no-op when
    /// it has its own already. The caller holds the gate.
    pub(crate) fn copy_up(&self, object: &Arc<Object>, keep: u64) -> FsResult<()> {
        let mut content = object.content.write().unwrap_or_else(PoisonError::into_inner);
        let Content::Borrowed(borrowed) = &*content else { return Ok(()) };
        if keep > 0 {
            // What stays of it is part of what the session wrote.
            borrowed.note(self)?;
        }
        let from = &borrowed.from;
        let door = &self.inner.options.door;
        let (id, dir) = {
            let mut state = self.inner.write()?;
            let place = object.place(&state.stack.tree);
            match self.promote(&mut state, &place) {
                Ok(id) => (Some(id), state.stack.dir.clone()),
                Err(FsError::NotFound) => (None, state.stack.dir.clone()),
                Err(e) => return Err(e),
            }
        };
        let size = from.size()?;
        let name = match id {
            Some(id) => data_name(id),
            None => format!("u{:x}", now().nanos as u64 ^ (Arc::as_ptr(object) as u64)),
        };
        if id.is_some() {
            // Left by a copy-up that failed half-way.
            match dir.remove_file(&name) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        let Some(to) = create(&dir, &name, door)? else { return Ok(()) };
        let filled = self.fill(&to, from, size, keep.min(size));
        let result = filled.and_then(|taken| {
            if let Some(id) = id
                && self.adopt(id, &to, taken)?
            {
                return Ok(());
            }
            // No name leads to it (any more): it is its handles' alone.
            Ok(door.run(Op::Unlink, || dir.remove_file(&name))?)
        });
        match result {
            Ok(()) => {
                *content = Content::Own(to);
                Ok(())
            }
            Err(e) => {
                let _ = door.run(Op::Unlink, || dir.remove_file(&name));
                Err(e)
            }
        }
    }

    pub(crate) fn fill(
        &self,
        to: &File,
        from: &Source,
        size: u64,
        keep: u64,
    ) -> FsResult<Option<Digested>> {
        let door = &self.inner.options.door;
        // What may be an original is read anyway.
        if let Some(from) = from.as_file()
            && keep == size
            && size > ORIGINAL_MAX
            && clone_file(to, from, door)?
        {
            return Ok(None);
        }
        self.inner.charge_bytes(keep)?;
        let mut taken = Digested::new(from)?;
        // What a store keeps is fetched only as far as it stays.
        let part = keep < size && from.as_file().is_none();
        if part {
            taken.text = None;
        }
        let end = if part { keep } else { u64::MAX };
        let mut out = to;
        let (mut at, mut buf) = (0u64, vec![0u8; 256 << 10]);
        loop {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buf.len());
            let n = from.read_at(&mut buf[..most], at)?;
            if n == 0 {
                if keep > 0 {
                    // What ends in a hole.
                    door.run(Op::Truncate, || to.set_len(keep))?;
                }
                return Ok((!part || taken.known.is_some()).then_some(taken));
            }
            taken.update(&buf[..n]);
            if at < keep {
                let part = &buf[..n.min((keep - at) as usize)];
                // What is a hole, or might as well be one, stays one.
                if part.iter().any(|b| *b != 0) {
                    door.run(Op::Clone, || {
                        out.seek(SeekFrom::Start(at))?;
                        out.write_all(part)
                    })?;
                }
            }
            at += n as u64;
        }
    }

    /// Makes a filled data file the node's content; false when the node has lost its last name.
    fn adopt(&self, id: NodeId, to: &File, taken: Option<Digested>) -> FsResult<bool> {
        let from = match self.inner.read()?.stack.tree.nodes.get(&id).map(|n| &n.body) {
            Some(Body::Borrowed { from }) => from.clone(),
            Some(_) => return Err(FsError::Stale),
            None => return Ok(false),
        };
        let base = self.inner.read()?.stack.below.origin(&from)?;
        let observed = match (base, taken) {
            (Some(base), Some(taken)) => {
                let observed = self.digest(&base, taken)?;
                Some(Record::Observed { base, observed })
            }
            _ => None,
        };
        let door = &self.inner.options.door;
        let mut state = self.inner.write()?;
        let Some(mut node) = state.stack.tree.nodes.get(&id).cloned() else { return Ok(false) };
        door.run(Op::SetTimes, || set_file_times(to, node.atime, node.mtime))?;
        node.body = Body::Own { from: Some(from) };
        let mut batch = vec![Record::Node { id, node }];
        batch.extend(observed);
        state.commit(batch, &self.inner)?;
        Ok(true)
    }
}

/// A file's hash, and its bytes while it looks like a small text.
pub(crate) struct Digested {
    hash: Sha256,
    /// The hash, where it needs no reading.
    known: Option<[u8; 32]>,
    text: Option<Vec<u8>>,
}

impl Digested {
    fn new(from: &Source) -> FsResult<Self> {
        let text = (from.size()? <= ORIGINAL_MAX).then(Vec::new);
        Ok(Self { hash: Sha256::new(), known: from.known_sha256(), text })
    }

    fn update(&mut self, bytes: &[u8]) {
        if self.known.is_none() {
            self.hash.update(bytes);
        }
        if let Some(t) = &mut self.text {
            if bytes.contains(&0) || t.len() + bytes.len() > ORIGINAL_MAX as usize {
                self.text = None;
            } else {
                t.extend_from_slice(bytes);
            }
        }
    }

    fn read_all(&mut self, from: &Source) -> FsResult<()> {
        let (mut from, mut buf) = (from.reader(), vec![0u8; 256 << 10]);
        loop {
            match from.read(&mut buf)? {
                0 => return Ok(()),
                n => self.update(&buf[..n]),
            }
        }
    }

    fn finish(self) -> ([u8; 32], Option<Vec<u8>>) {
        (self.known.unwrap_or_else(|| self.hash.finalize().into()), self.text)
    }
}
