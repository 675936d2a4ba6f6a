//! Looking at all that a project needs, and mending what can be mended.
//!
//! Every node and every index that the roots reach is read from the store itself, past what is
//! kept near; blobs are looked for in listings, or read too. What is found is told, and the look
//! goes on. Nothing is ever removed: a repair writes what is missing, and replaces only what did
//! not hold what its name says.

use std::collections::{BTreeMap, HashSet};

use crate::gc::Root;
use crate::key::Kind;
use crate::{Content, Hash, Project, Result};

mod directories;
mod history;
mod mend;
mod notes;
mod places;
mod shown;
mod walk;

use places::Places;

/// How a project is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsckOptions {
    /// Reads every blob and every pack, and checks the hash of each file.
    pub read_data: bool,
    /// Mends what can be mended.
    pub repair: bool,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// A blob or a node that is needed is not there.
    Missing {
        /// Which.
        kind: Kind,
        /// Its hash.
        hash: Hash,
    },
    /// A blob or a node that is needed does not hold what its hash says, or breaks the format.
    Corrupt {
        /// Which.
        kind: Kind,
        /// Its hash.
        hash: Hash,
        /// What is wrong.
        why: String,
    },
    /// The chunks of a file are another content.
    Content {
        /// The hash of the file.
        hash: Hash,
        /// What is wrong.
        why: String,
    },
    /// An entry has no directory around it.
    NoDirectory {
        /// The tree.
        tree: Hash,
        /// The entry, for people.
        path: String,
    },
    /// An index is lost, or cannot be read, or is not what its pack is.
    Index {
        /// The pack.
        pack: Hash,
        /// What is wrong.
        why: String,
    },
    /// A pack is not there, or not what its name or its index says.
    Pack {
        /// The pack.
        pack: Hash,
        /// What is wrong.
        why: String,
    },
    /// A ref cannot be read.
    Ref {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The record of a landing is not there, or does not follow from the others.
    Landing {
        /// Its position.
        position: u64,
        /// What is wrong.
        why: String,
    },
    /// A version of a note does not hold what its hash says; the others are the way back.
    Note {
        /// The note's path.
        path: String,
        /// The version.
        version: u64,
        /// What is wrong.
        why: String,
    },
    /// What a session says in words is not what it is.
    Projection {
        /// The session.
        session: String,
        /// What is wrong.
        why: String,
    },
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing that is needed is lost.
    Warning,
    /// Something that is needed cannot be had.
    Error,
}

/// How it can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// The index is made again from its pack.
    Index,
    /// It is written again from what it tells of.
    Projection,
    /// This machine's disk cache has the content: it is stored again.
    Cache,
}

/// Who needs something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The head, a landing, a session, a note.
    pub root: Root,
    /// The path, for people; of a node, the last one in it. `None`: all of it.
    pub path: Option<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub damage: Damage,
    /// How bad it is.
    pub severity: Severity,
    /// Who needs it: some of them, where there are many.
    pub needed_by: Vec<Need>,
    /// How `repair` mends it; `None`: it cannot.
    pub mend: Option<Mend>,
    /// It was mended.
    pub mended: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckProgress {
    /// So many nodes were read.
    Nodes(u64),
    /// So many blobs were looked at, of so many.
    Blobs(u64, u64),
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Trees.
    pub trees: u64,
    /// Nodes.
    pub nodes: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of content that were read, but for nodes.
    pub bytes: u64,
}

impl FsckReport {
    /// Whether all that is needed is there, or is again.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|f| f.mended || f.severity == Severity::Warning)
    }
}

/// Needs that are told of one thing.
const NEEDS: usize = 16;

/// A look, under way.
struct Fsck<'a> {
    project: &'a Project,
    options: FsckOptions,
    places: Places,
    roots: Vec<(Root, Hash)>,
    /// What notes need.
    contents: Vec<(Root, Content)>,
    found: BTreeMap<Damage, Finding>,
    /// Objects that are not there or not whole.
    bad: HashSet<(Kind, Hash)>,
    report: FsckReport,
}

impl Fsck<'_> {
    fn find(&mut self, damage: Damage, severity: Severity, mend: Option<Mend>) -> &mut Finding {
        self.found.entry(damage.clone()).or_insert_with(|| Finding {
            damage,
            severity,
            needed_by: Vec::new(),
            mend,
            mended: false,
        })
    }
}

impl Finding {
    fn needed(&mut self, root: &Root, path: Option<String>) {
        let need = Need { root: root.clone(), path };
        if self.needed_by.len() < NEEDS && !self.needed_by.contains(&need) {
            self.needed_by.push(need);
        }
    }
}

impl Project {
    /// Looks at all that the head, the landings whose trees are kept, the sessions and the notes
    /// need, and tells what of it is not there or not whole. What changes meanwhile may be told as
    /// damage that a second look does not find. Takes at most 120 bytes of memory for each object,
    /// and some 64 MB for what is read at a time.
    ///
    /// # Errors
    /// Only when it cannot go on: `PROJECT_UNKNOWN`, `STORE_FORMAT` of the project,
    /// `STORE_UNREACHABLE` and the like. What is damaged is no error.
    pub async fn fsck(
        &self,
        options: &FsckOptions,
        see: &mut (dyn FnMut(FsckProgress) + Send),
    ) -> Result<FsckReport> {
        self.check().await?;
        let mut look = Fsck {
            project: self,
            options: *options,
            places: Places::default(),
            roots: Vec::new(),
            contents: Vec::new(),
            found: BTreeMap::new(),
            bad: HashSet::new(),
            report: FsckReport::default(),
        };
        look.places().await?;
        look.history().await?;
        look.notes().await?;
        let contents = look.nodes(see).await?;
        look.blobs(contents, see).await?;
        look.directories().await?;
        look.who_needs().await?;
        look.lost_indexes();
        if options.repair {
            look.mend().await?;
        }
        let mut findings: Vec<Finding> = look.found.into_values().collect();
        findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
        look.report.findings = findings;
        Ok(look.report)
    }
}
