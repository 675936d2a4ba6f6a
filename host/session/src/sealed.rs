//! A layer over a lower, read-only; and what the live upper shares with it.

use std::fs::File;
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::hostdir;
use crate::log::{End, INDEX};
use crate::tracked::{READS, READS_NEW};
use crate::tree::{Body, Child, Node, NodeId, ROOT, Ref, Tree, merge_observed};
use crate::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, Source,
    Time,
};

/// A layer that nobody writes any more, over another lower: itself a lower.
pub struct Sealed {
    pub(crate) stack: Stack,
}

impl Sealed {
    /// Opens the layer in `dir` over `below`.
    ///
    /// # Errors
    /// `Io(0)` for an index that is not one or of an unknown version, and the host's.
    pub fn open(dir: Dir, below: Arc<dyn Lower>) -> FsResult<Self> {
        Ok(Self { stack: Stack::open(dir, below)?.0 })
    }
}

/// A layer's tree with its data files, over a lower.
pub(crate) struct Stack {
    pub tree: Tree,
    pub dir: Arc<Dir>,
    pub below: Arc<dyn Lower>,
}

/// The data file that holds a node's content.
pub(crate) fn data_name(id: NodeId) -> String {
    format!("f{id}")
}

/// Whether a name is that of a file which a layer keeps in its directory, where other things
/// may lie beside it.
pub fn is_layer_file(name: &[u8]) -> bool {
    match name {
        [b'f' | b'o' | b'u', id @ ..] => !id.is_empty() && id.iter().all(u8::is_ascii_hexdigit),
        name => [INDEX, READS, READS_NEW].iter().any(|file| file.as_bytes() == name),
    }
}

impl Stack {
    /// The layer in `dir` over `below`, and where its log ends.
    pub(crate) fn open(dir: Dir, below: Arc<dyn Lower>) -> FsResult<(Self, End)> {
        let (mut tree, end) = crate::log::load(&dir)?;
        // The root has no record of its own until its attributes change: it looks as its lower does.
        if !tree.own_root
            && let Some(root) = tree.nodes.get_mut(&ROOT)
        {
            let m = below.stat(&RelPath::root())?;
            (root.ino, root.mode, root.atime) = (m.ino, m.mode, m.atime);
            if root.mtime == Time::default() {
                root.mtime = m.mtime;
            }
        }
        Ok((Self { tree, dir: Arc::new(dir), below }, end))
    }

    /// The one place that stands for a file: a node, or of its names below the first.
    pub(crate) fn identity(&self, r: Ref, nlink: u64) -> FsResult<Ref> {
        match self.tree.canonical(r) {
            Ref::Lower(p) if nlink > 1 => {
                let first = self.below.names(&p)?.into_iter().min();
                Ok(self.tree.canonical(Ref::Lower(first.unwrap_or(p))))
            }
            r => Ok(r),
        }
    }

    /// Whether a directory holds a reserved name, which no listing shows.
    pub(crate) fn reserved(&self, r: &Ref) -> FsResult<bool> {
        match r {
            Ref::Lower(p) => self.below.reserved(p),
            Ref::Node(id) => match &self.node(*id)?.body {
                Body::Dir { lower: Some(p) } => self.below.reserved(p),
                _ => Ok(false),
            },
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> FsResult<&Node> {
        self.tree.nodes.get(&id).ok_or(FsError::NotFound)
    }

    /// What is at a place: `NotFound` where nothing is.
    pub(crate) fn meta(&self, r: &Ref) -> FsResult<Meta> {
        match r {
            Ref::Lower(p) => self.below.stat(p),
            Ref::Node(id) => self.node_meta(*id),
        }
    }

    fn node_meta(&self, id: NodeId) -> FsResult<Meta> {
        let n = self.node(id)?;
        let (size, atime, mtime, ctime) = match &n.body {
            Body::Own { .. } => {
                let m = hostdir::stat(&self.dir, data_name(id).as_bytes())?.0;
                (m.size, m.atime, m.mtime, m.ctime)
            }
            Body::Borrowed { from } | Body::Other { from } => {
                (self.below.stat(from)?.size, n.atime, n.mtime, n.mtime)
            }
            Body::Symlink { target } => (target.len() as u64, n.atime, n.mtime, n.mtime),
            Body::Dir { .. } => (4096, n.atime, n.mtime, n.mtime),
        };
        let ctime = match (self.tree.changed.get(&id), &n.body) {
            (Some(changed), Body::Own { .. }) => ctime.max(*changed),
            (Some(changed), _) => *changed,
            (None, _) => ctime,
        };
        let nlink = if n.body.kind() == Kind::Dir { 2 } else { n.names.len() as u64 };
        Ok(Meta { kind: n.body.kind(), ino: n.ino, nlink, size, mode: n.mode, atime, mtime, ctime })
    }

    pub(crate) fn open_ref(&self, r: &Ref) -> FsResult<Source> {
        match r {
            Ref::Lower(p) => self.below.open(p),
            Ref::Node(id) => match &self.node(*id)?.body {
                Body::Own { .. } => {
                    Ok(hostdir::open_file(&self.dir, data_name(*id).as_bytes())?.into())
                }
                Body::Borrowed { from } => self.below.open(from),
                Body::Dir { .. } => Err(FsError::IsDirectory),
                Body::Symlink { .. } => Err(FsError::Loop),
                Body::Other { .. } => Err(FsError::NotSupported),
            },
        }
    }

    pub(crate) fn read_link_ref(&self, r: &Ref) -> FsResult<Vec<u8>> {
        match r {
            Ref::Lower(p) => self.below.read_link(p),
            Ref::Node(id) => match &self.node(*id)?.body {
                Body::Symlink { target } => Ok(target.clone()),
                _ => Err(FsError::Invalid),
            },
        }
    }

    /// The merged entries of a directory, sorted by name.
    pub(crate) fn list_ref(&self, r: &Ref) -> FsResult<Vec<DirEntry>> {
        let mut out = match r {
            Ref::Lower(p) => self.below.list(p)?,
            Ref::Node(id) => {
                let n = self.node(*id)?;
                let Body::Dir { lower } = &n.body else { return Err(FsError::NotDirectory) };
                let mut out = match lower {
                    Some(p) => self.below.list(p)?,
                    None => Vec::new(),
                };
                if !n.children.is_empty() {
                    out.retain(|e| !n.children.contains_key(&e.name));
                    for (name, child) in &n.children {
                        if let Child::Node(id) = child {
                            let c = self.node(*id)?;
                            let kind = c.body.kind();
                            out.push(DirEntry { name: name.clone(), kind, ino: c.ino });
                        }
                    }
                }
                out
            }
        };
        out.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// Where in the base this place comes from.
    pub(crate) fn origin_ref(&self, r: &Ref) -> FsResult<Option<RelPath>> {
        match r {
            Ref::Lower(p) => self.below.origin(p),
            Ref::Node(id) => match &self.node(*id)?.body {
                Body::Dir { lower: Some(p) }
                | Body::Borrowed { from: p }
                | Body::Other { from: p } => self.below.origin(p),
                _ => Ok(None),
            },
        }
    }

    /// The original that this layer or one below keeps of a path of the base; the first
    /// sight's, as [`Observations`] have it.
    pub(crate) fn original(&self, base: &RelPath) -> FsResult<Option<File>> {
        if let Some(found) = self.below.original(base)? {
            return Ok(Some(found));
        }
        match self.tree.observed.get(base).and_then(|o| o.original) {
            Some(n) => Ok(Some(hostdir::open_file(&self.dir, format!("o{n}").as_bytes())?)),
            None => Ok(None),
        }
    }

    fn at(&self, path: &RelPath) -> FsResult<Ref> {
        if let Some(r) = self.tree.walk(path) {
            return Ok(r);
        }
        // The layer says that nothing is there; tell a missing parent from one that is no directory.
        for p in path.ancestors() {
            match self.tree.walk(&p).map(|r| self.meta(&r)) {
                Some(Ok(m)) if m.kind == Kind::Dir => {}
                Some(Ok(_)) => return Err(FsError::NotDirectory),
                _ => break,
            }
        }
        Err(FsError::NotFound)
    }
}

impl Lower for Sealed {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.stack.meta(&self.stack.at(path)?)
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.stack.open_ref(&self.stack.at(path)?)
    }

    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        match self.stack.at(path)? {
            Ref::Lower(p) => self.stack.below.open_known(&p),
            r => self.stack.open_ref(&r),
        }
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.stack.read_link_ref(&self.stack.at(path)?)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.stack.list_ref(&self.stack.at(path)?)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        match self.stack.at(path) {
            Ok(r) => self.stack.origin_ref(&r),
            // Gone from this layer: its place is where its parent comes from.
            Err(FsError::NotFound) => match path.split() {
                Some((parent, name)) => Ok(self.origin(&parent)?.map(|p| p.join(name))),
                None => Ok(None),
            },
            Err(e) => Err(e),
        }
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        self.stack.below.fingerprint(base)
    }

    fn touched(&self, path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        touched(
            &self.stack,
            &match self.stack.at(path) {
                Ok(r) => r,
                Err(FsError::NotFound | FsError::NotDirectory) => return Ok(None),
                Err(e) => return Err(e),
            },
        )
    }

    fn observations(&self, into: &mut Observations) {
        self.stack.below.observations(into);
        for (p, o) in &self.stack.tree.observed {
            // An original is named within its own layer; only the topmost layer's are found by it.
            let o = crate::Observed { original: None, ..o.clone() };
            merge_observed(into, p.clone(), o);
        }
    }

    fn own_file(&self, path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        own_file(&self.stack, &self.stack.at(path)?)
    }

    fn set_times_of(&self, path: &RelPath) -> FsResult<Option<(Time, Time)>> {
        times_of(&self.stack, &self.stack.at(path)?)
    }

    fn names(&self, path: &RelPath) -> FsResult<Vec<RelPath>> {
        let tree = &self.stack.tree;
        match self.stack.at(path)? {
            Ref::Node(id) => {
                let node = self.stack.node(id)?;
                let paths = node
                    .names
                    .iter()
                    .filter_map(|(dir, name)| Some(tree.path_of(&Ref::Node(*dir))?.join(name)));
                Ok(paths.collect())
            }
            Ref::Lower(p) => {
                let mut paths = Vec::new();
                for q in self.stack.below.names(&p)? {
                    let q = Ref::Lower(q);
                    if let Some(path) = tree.path_of(&q)
                        && tree.walk(&path).as_ref() == Some(&q)
                    {
                        paths.push(path);
                    }
                }
                Ok(paths)
            }
        }
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.stack.reserved(&self.stack.at(path)?)
    }

    fn read_set(&self, into: &mut crate::ReadSet) -> FsResult<()> {
        self.stack.below.read_set(into)?;
        into.merge(crate::tracked::of_layer(&self.stack.dir)?);
        Ok(())
    }

    fn notes(&self) -> Option<&Arc<crate::Notes>> {
        self.stack.below.notes()
    }

    fn original(&self, base: &RelPath) -> FsResult<Option<File>> {
        self.stack.original(base)
    }

    fn base(&self) -> &dyn Lower {
        self.stack.below.base()
    }
}

pub(crate) fn touched(stack: &Stack, r: &Ref) -> FsResult<Option<Vec<Vec<u8>>>> {
    match r {
        Ref::Lower(p) => stack.below.touched(p),
        Ref::Node(id) => {
            let n = stack.node(*id)?;
            let mut names: Vec<_> = n.children.keys().cloned().collect();
            if let Body::Dir { lower: Some(p) } = &n.body {
                names.extend(stack.below.touched(p)?.unwrap_or_default());
            }
            names.sort_unstable();
            names.dedup();
            Ok(Some(names))
        }
    }
}

pub(crate) fn own_file(stack: &Stack, r: &Ref) -> FsResult<Option<(Dir, String)>> {
    match r {
        Ref::Lower(p) => stack.below.own_file(p),
        Ref::Node(id) => match &stack.node(*id)?.body {
            Body::Own { .. } => Ok(Some((stack.dir.try_clone()?, data_name(*id)))),
            Body::Borrowed { from } => stack.below.own_file(from),
            _ => Ok(None),
        },
    }
}

pub(crate) fn times_of(stack: &Stack, r: &Ref) -> FsResult<Option<(Time, Time)>> {
    match r {
        Ref::Lower(p) => stack.below.set_times_of(p),
        Ref::Node(id) => {
            let n = stack.node(*id)?;
            if !n.times_set {
                return Ok(None);
            }
            if let Body::Own { .. } = n.body {
                // A write after the times were set moved them on.
                let m = hostdir::stat(&stack.dir, data_name(*id).as_bytes())?.0;
                return Ok((m.mtime == n.mtime).then_some((n.atime, n.mtime)));
            }
            Ok(Some((n.atime, n.mtime)))
        }
    }
}
