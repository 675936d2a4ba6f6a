//! A directory that belongs to a project, brought to where the head is: by a landing, as every
//! change of a base. What somebody changed there himself is told, and never overwritten.

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Metadata, StoreBinding, Synced,
};
use brio_session::{FsError, FsResult, Kind, RelPath, View, ViewOptions};
use brio_store::tree::{Difference, Entry, Key};
use brio_store::{Base, Hash};

use crate::fill::{differences, fill_where_it_fits};
use crate::{Place, ShareError};

/// How often a directory may change under an update before it gives up.
const ROUNDS: u32 = 5;

/// What an update of a directory did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// The position of the head that it holds now.
    pub position: u64,
    /// The landing in the directory; `None`: nothing was to be done.
    pub landing: Option<u64>,
    /// Paths that the head changed and that stay as somebody left them here.
    pub kept: Vec<RelPath>,
}

impl Place {
    /// Brings a base that belongs to this project, and holds a state of it, to a state that the
    /// head had, as right after a landing: the store is not asked where the head is. `None`: it
    /// belongs to another project, or to none, or holds no state of it, or is there already, or
    /// beyond; then nothing is done.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn follow(&self, domain: &Domain, to: Base) -> Result<Option<Updated>, ShareError> {
        let own =
            |b: &StoreBinding| b.store == self.url() && b.project == self.project.id().as_str();
        let Some(binding) = domain.store_binding()?.filter(own) else { return Ok(None) };
        let Some(from) = held(&binding)? else { return Ok(None) };
        if from.position >= to.position {
            return Ok(None);
        }
        self.bring(domain, binding, from, to).map(Some)
    }

    /// Brings the base of a domain from the state of the project that it held last to the head's,
    /// by a landing. Paths that are not as that state says stay as they are. Costs what changed
    /// between the two. A crash leaves the directory wholly before or after the landing, and the
    /// next update goes on.
    ///
    /// # Errors
    /// `NOT_BOUND`, `NOT_SYNCED`, those of a landing, and the store's.
    pub fn update(&self, domain: &Domain) -> Result<Updated, ShareError> {
        let base = || domain.root_path().to_owned();
        let binding =
            domain.store_binding()?.ok_or_else(|| ShareError::NotBound { base: base() })?;
        let Some(from) = held(&binding)? else {
            return Err(ShareError::NotSynced { base: base(), project: binding.project });
        };
        let to = self.head()?.0.base();
        self.bring(domain, binding, from, to)
    }

    /// As [`update`](Self::update), from a state that the base is known to hold, whatever its
    /// binding says, to another one.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn bring(
        &self,
        domain: &Domain,
        binding: StoreBinding,
        from: Base,
        to: Base,
    ) -> Result<Updated, ShareError> {
        let at_root = ShareError::path(&RelPath::root());
        let mut wanted = differences(self, from.tree, to.tree).map_err(at_root)?;
        wanted.iter_mut().for_each(without_set_ids);
        wanted.retain(|d| d.before != d.after);
        let (landing, kept) = self.land_here(domain, &wanted, to.position)?;
        let synced = Some(Synced { tree: to.tree.to_string(), position: to.position });
        if binding.synced != synced {
            domain.set_store_binding(Some(&StoreBinding { synced, ..binding }))?;
        }
        Ok(Updated { position: to.position, landing, kept })
    }

    /// Lands the differences, where the base is as their first side says.
    fn land_here(
        &self,
        domain: &Domain,
        wanted: &[Difference],
        position: u64,
    ) -> Result<(Option<u64>, Vec<RelPath>), ShareError> {
        if wanted.is_empty() {
            return Ok((None, Vec::new()));
        }
        let mut round = 0;
        loop {
            round += 1;
            let goal = format!("follow {} to position {position}", self.project.id());
            let metadata = Metadata { goal: Some(goal), ..Metadata::default() };
            let session = domain.begin(BeginOptions { metadata, ..BeginOptions::default() })?;
            let done = (|| {
                let writer = session.writer("update", ViewOptions::default())?;
                let kept = self.make_in(writer.view(), wanted)?;
                writer.finish().map_err(ShareError::host("a session"))?;
                let landed = domain.commit(session.id(), CommitOptions::default())?;
                Ok((landed.landing, kept))
            })();
            match done {
                Ok(done) => return Ok(done),
                Err(e) => {
                    // What was made can be made again.
                    if let Err(left) = domain.rollback(session.id(), false) {
                        tracing::warn!("session {}: {left}", session.id());
                    }
                    // Somebody changed a path just now: then it is his, when it is looked again.
                    let again = matches!(e, ShareError::Commit(CommitError::Conflict { .. }));
                    if !again || round == ROUNDS {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// Makes the differences that fit in a view of the base; gives the paths of the others.
    fn make_in(&self, view: &View, wanted: &[Difference]) -> Result<Vec<RelPath>, ShareError> {
        let mut fits = Vec::new();
        let mut kept = Vec::new();
        for d in wanted {
            let path = RelPath::new(d.key.path()).map_err(ShareError::path(&RelPath::root()))?;
            let fail = ShareError::path(&path);
            if is(view, &d.key, &d.after).map_err(fail)? {
                continue; // it is there already
            }
            match is(view, &d.key, &d.before).map_err(ShareError::path(&path))? {
                true => fits.push(d.clone()),
                false => kept.push(path),
            }
        }
        let mut cannot = |key: &Key, e: FsError| match e {
            FsError::NotFound
            | FsError::NotDirectory
            | FsError::IsDirectory
            | FsError::NotEmpty
            | FsError::Exists
            | FsError::ReadOnly
            | FsError::NotPermitted => {
                kept.push(RelPath::new(key.path())?);
                Ok(())
            }
            e => Err(e),
        };
        let at_root = ShareError::path(&RelPath::root());
        fill_where_it_fits(self, view, &fits, &mut cannot).map_err(at_root)?;
        // What the base leaves out of every session is in no landing.
        let made = view.changes().map_err(ShareError::path(&RelPath::root()))?.changes;
        let made: std::collections::BTreeSet<&RelPath> = made.iter().map(|c| &c.path).collect();
        for d in &fits {
            let path = RelPath::new(d.key.path()).map_err(ShareError::path(&RelPath::root()))?;
            if !made.contains(&path) {
                kept.push(path);
            }
        }
        kept.sort();
        kept.dedup();
        Ok(kept)
    }
}

/// The state of the project that a base held last.
fn held(binding: &StoreBinding) -> Result<Option<Base>, ShareError> {
    let Some(synced) = &binding.synced else { return Ok(None) };
    let bad = |e: brio_store::NoHash| ShareError::Corrupt {
        id: "store.json".into(),
        what: e.to_string(),
    };
    Ok(Some(Base { tree: synced.tree.parse().map_err(bad)?, position: synced.position }))
}

/// The set-user-id and set-group-id bits of files are for a checkout that is asked for them: who
/// follows does not have whoever lands run programs as him.
const SET_IDS: u16 = 0o6000;

fn without_set_ids(d: &mut Difference) {
    for entry in [&mut d.before, &mut d.after] {
        if let Some(Entry::File { mode, .. }) = entry {
            *mode &= !SET_IDS;
        }
    }
}

/// Whether a view shows this at a path, set-id bits of files aside.
fn is(view: &View, key: &Key, entry: &Option<Entry>) -> FsResult<bool> {
    let root = view.root();
    let meta = match view.stat_at(&root, &key.path(), false) {
        Ok(meta) => meta,
        Err(FsError::NotFound | FsError::NotDirectory) => return Ok(entry.is_none()),
        Err(e) => return Err(e),
    };
    let Some(entry) = entry else { return Ok(false) };
    let set_ids = if meta.kind == Kind::File { u32::from(SET_IDS) } else { 0 };
    let mode = meta.mode & !set_ids == u32::from(entry.mode());
    match (entry, meta.kind) {
        (Entry::Dir { .. }, Kind::Dir) => Ok(mode),
        (Entry::Link { target }, Kind::Symlink) => {
            Ok(view.read_link_at(&root, &key.path())? == *target)
        }
        (Entry::File { content, .. }, Kind::File) if mode && meta.size == content.size => {
            let there = view.change_content(&RelPath::new(key.path())?)?.source()?;
            Ok(Hash::from_bytes(there.sha256()?) == content.hash)
        }
        _ => Ok(false),
    }
}
