//! What one layer says, in memory: a tree of nodes over the paths of a lower.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::path::bytes;
use crate::{Kind, Observations, Observed, RelPath, Time};

/// A node of a layer.
pub(crate) type NodeId = u64;

/// The root directory of every layer.
pub(crate) const ROOT: NodeId = 0;

/// Ids and the numbers of originals are below this: no layer makes so many.
const IDS: u64 = 1 << 48;

/// A file, link or directory that a layer knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    pub ino: u64,
    pub mode: u32,
    pub atime: Time,
    pub mtime: Time,
    /// Times were set by name: they are part of the change.
    pub times_set: bool,
    pub body: Body,
    #[serde(skip)]
    pub children: BTreeMap<Vec<u8>, Child>,
    /// Names that lead here; a directory has one.
    #[serde(skip)]
    pub names: Vec<(NodeId, Vec<u8>)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// The layer's data file `f<id>`; `from` is the lower path that was copied up.
    Own { from: Option<RelPath> },
    /// Content that is still the lower's.
    Borrowed { from: RelPath },
    Symlink {
        #[serde(with = "bytes")]
        target: Vec<u8>,
    },
    /// Names that `children` lacks are looked up in this lower directory; `None` is opaque.
    Dir { lower: Option<RelPath> },
    /// A device, FIFO or socket of the base.
    Other { from: RelPath },
}

/// What a layer says about one name of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Child {
    Whiteout,
    Node(NodeId),
}

/// One physical change of a tree, as it stands in the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Record {
    /// Makes a node, or replaces its attributes; children and names stay.
    Node { id: NodeId, node: Node },
    /// Sets or removes what a directory says about a name.
    Entry {
        dir: NodeId,
        #[serde(with = "bytes")]
        name: Vec<u8>,
        child: Option<Child>,
        at: Time,
    },
    /// First sight of a path of the base, or more about it.
    Observed { base: RelPath, observed: Observed },
}

/// Where a look-up ended: in the layer, or below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Ref {
    Node(NodeId),
    Lower(RelPath),
}

/// A layer's tree.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub nodes: HashMap<NodeId, Node>,
    /// When a node was last changed, where that is later than its times tell: its names as the
    /// log has it, its attributes for as long as the layer is open.
    pub changed: HashMap<NodeId, Time>,
    pub next: NodeId,
    pub observed: Observations,
    /// Lower path -> the node that stands for it. Kept when the node is gone: then so is the path.
    pub promoted: HashMap<RelPath, NodeId>,
    /// The root's own attributes are in the log.
    pub own_root: bool,
    /// Set apart by layer, so that inode numbers of two layers never meet.
    pub tag: u64,
}

impl Record {
    /// Whether its numbers are such as layers have.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Node { id, .. } => *id < IDS,
            Self::Observed { observed, .. } => observed.original.is_none_or(|n| n < IDS),
            Self::Entry { .. } => true,
        }
    }
}

impl Tree {
    pub(crate) fn new(tag: u64) -> Self {
        let root = Node {
            ino: 1,
            mode: 0o755,
            atime: Time::default(),
            mtime: Time::default(),
            times_set: false,
            body: Body::Dir { lower: Some(RelPath::root()) },
            children: BTreeMap::new(),
            names: Vec::new(),
        };
        Self {
            nodes: HashMap::from([(ROOT, root)]),
            changed: HashMap::new(),
            next: 1,
            observed: Observations::new(),
            promoted: HashMap::from([(RelPath::root(), ROOT)]),
            own_root: false,
            tag,
        }
    }

    /// An inode number for something that was made in this layer.
    pub(crate) fn fresh_ino(&self, id: NodeId) -> u64 {
        (1 << 63) | ((self.tag & 0x7f_ffff) << 40) | (id & 0xff_ffff_ffff)
    }

    /// Applies one record; the caller has written it to the log. Returns the node that lost
    /// its last name, if one did.
    pub(crate) fn apply(&mut self, record: Record) -> Option<NodeId> {
        match record {
            Record::Node { id, mut node } => {
                self.own_root |= id == ROOT;
                if let Some(old) = self.nodes.remove(&id) {
                    node.children = old.children;
                    node.names = old.names;
                }
                if let Body::Dir { lower: Some(p) }
                | Body::Borrowed { from: p }
                | Body::Other { from: p }
                | Body::Own { from: Some(p) } = &node.body
                {
                    self.promoted.insert(p.clone(), id);
                }
                self.next = self.next.max(id + 1);
                self.nodes.insert(id, node);
                None
            }
            Record::Entry { dir, name, child, at } => {
                let d = self.nodes.get_mut(&dir)?;
                // An entry moves the time on; a promotion passes the one that is there.
                let moved = d.mtime != at;
                d.times_set &= !moved;
                d.mtime = at;
                let old = match child {
                    Some(c) => d.children.insert(name.clone(), c),
                    None => d.children.remove(&name),
                };
                if moved {
                    self.changed.insert(dir, at);
                }
                if let Some(Child::Node(new)) = child
                    && let Some(n) = self.nodes.get_mut(&new)
                {
                    // What has its first name was made just now.
                    if moved && !n.names.is_empty() {
                        self.changed.insert(new, at);
                    }
                    n.names.push((dir, name.clone()));
                }
                let Some(Child::Node(old)) = old else { return None };
                if moved {
                    self.changed.insert(old, at);
                }
                let n = self.nodes.get_mut(&old)?;
                if let Some(i) = n.names.iter().position(|(d, x)| *d == dir && *x == name) {
                    n.names.remove(i);
                }
                (n.names.is_empty() && old != ROOT).then_some(old)
            }
            Record::Observed { base, observed } => {
                // The next original is not to look for a free name behind all that are there.
                if let Some(original) = observed.original {
                    self.next = self.next.max(original + 1);
                }
                merge_observed(&mut self.observed, base, observed);
                None
            }
        }
    }

    /// The node that stands for this place, if the layer has one.
    pub(crate) fn canonical(&self, r: Ref) -> Ref {
        match r {
            Ref::Lower(p) => match self.promoted.get(&p) {
                Some(id) => Ref::Node(*id),
                None => Ref::Lower(p),
            },
            r => r,
        }
    }

    /// One step down from a directory. `None`: the layer says that nothing is there.
    /// A [`Ref::Lower`] may or may not exist.
    pub(crate) fn step(&self, dir: &Ref, name: &[u8]) -> Option<Ref> {
        match dir {
            Ref::Lower(p) => Some(self.canonical(Ref::Lower(p.join(name)))),
            Ref::Node(id) => {
                let node = self.nodes.get(id)?;
                match node.children.get(name) {
                    Some(Child::Node(id)) => Some(Ref::Node(*id)),
                    Some(Child::Whiteout) => None,
                    None => match &node.body {
                        Body::Dir { lower: Some(p) } => Some(Ref::Lower(p.join(name))),
                        _ => None,
                    },
                }
            }
        }
    }

    /// Walks a path that has no links in it.
    pub(crate) fn walk(&self, path: &RelPath) -> Option<Ref> {
        let mut at = Ref::Node(ROOT);
        let mut rest = path.components();
        while let Some(name) = rest.next() {
            at = self.step(&at, name)?;
            if let Ref::Lower(p) = &at {
                let mut p = p.clone();
                for name in rest {
                    p = p.join(name);
                }
                return Some(Ref::Lower(p));
            }
        }
        Some(at)
    }

    /// A path in the view that leads to this place; `None` when it has lost its names.
    pub(crate) fn path_of(&self, r: &Ref) -> Option<RelPath> {
        match r {
            Ref::Node(id) => {
                let mut names = Vec::new();
                let mut at = *id;
                while at != ROOT {
                    let (dir, name) = self.nodes.get(&at)?.names.first()?;
                    names.push(name.as_slice());
                    at = *dir;
                }
                Some(names.iter().rev().fold(RelPath::root(), |p, n| p.join(n)))
            }
            Ref::Lower(p) => {
                if let Some(id) = self.promoted.get(p) {
                    return self.path_of(&Ref::Node(*id));
                }
                let (parent, name) = p.split()?;
                Some(self.path_of(&Ref::Lower(parent))?.join(name))
            }
        }
    }

    /// How many names lead to this place.
    pub(crate) fn depth_of(&self, r: &Ref) -> usize {
        let (mut at, mut depth) = (r.clone(), 0);
        loop {
            at = match at {
                Ref::Node(ROOT) => return depth,
                Ref::Node(id) => match self.nodes.get(&id).and_then(|n| n.names.first()) {
                    Some((dir, _)) => Ref::Node(*dir),
                    None => return depth,
                },
                Ref::Lower(p) => match p.split() {
                    Some((parent, _)) => self.canonical(Ref::Lower(parent)),
                    None => return depth,
                },
            };
            depth += 1;
        }
    }

    /// Where this layer has moved what its lower has at a path; `None`: it has removed it.
    pub(crate) fn now_at(&self, lower: &RelPath) -> Option<RelPath> {
        let r = self.canonical(Ref::Lower(lower.clone()));
        let path = self.path_of(&r)?;
        (self.walk(&path)? == r).then_some(path)
    }

    /// Forgets nodes without a name (what was unlinked before the layer was last closed).
    pub(crate) fn sweep(&mut self) {
        self.nodes.retain(|id, n| *id == ROOT || !n.names.is_empty());
        // No handle is left that would have to be told that its place is gone.
        self.promoted.retain(|_, id| self.nodes.contains_key(id));
        self.changed.retain(|id, _| self.nodes.contains_key(id));
    }
}

/// The first sight of a path stays; what it lacked is added.
pub(crate) fn merge_observed(into: &mut Observations, base: RelPath, new: Observed) {
    let at = into.entry(base).or_insert_with(|| new.clone());
    if at.sha256.is_none() {
        at.sha256 = new.sha256;
    }
    if at.original.is_none() {
        at.original = new.original;
    }
}

impl Body {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Own { .. } | Self::Borrowed { .. } => Kind::File,
            Self::Symlink { .. } => Kind::Symlink,
            Self::Dir { .. } => Kind::Dir,
            Self::Other { .. } => Kind::Other,
        }
    }
}
