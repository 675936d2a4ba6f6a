//! A directory's content and the trees of its project: told, imported, checked out.

use std::path::{Path, PathBuf};

use brio_landing::{StoreBinding, Synced};
use brio_share::{ShareError, Updated};
use brio_store::worktree::{
    CheckedOut, CheckoutOptions, Drift, Noticed, ScanOptions, Watch, WorktreeError, checkout,
    drift, import, scan,
};
use brio_store::{Base, Counts, Hash, Landing, Why};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::StoreError;
use super::access::file_name;
use super::here::{HeadInfo, ProjectHere};
use crate::brio::make_private;

/// How a directory is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What the landing's record says of it.
    pub message: Option<String>,
    /// Who waits.
    pub watch: Watch,
}

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// The position of the head that it is; `None`: the directory is as the project.
    pub position: Option<u64>,
    /// The head's tree then.
    pub tree: Hash,
    /// How many paths were changed.
    pub counts: Counts,
    /// Files that were read: the others are known to be as they were.
    pub files_read: u64,
    /// Objects that were sent.
    pub objects: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// What a person should know.
    pub noticed: Vec<Noticed>,
    /// What others landed, brought to the directory.
    pub updated: Updated,
}

/// How a directory differs from its project.
#[derive(Debug)]
pub struct StoreStatus {
    /// The head.
    pub head: HeadInfo,
    /// The state that the directory held last; `None`: none yet.
    pub synced: Option<Synced>,
    /// Where it differs from that, but for what is left out; of one that held none, from the head.
    pub drift: Drift,
}

/// What is checked out, and where.
#[derive(Debug, Clone, Default)]
pub struct CheckoutRequest {
    /// The tree, `sha256:…`; `None`: the head's, and the directory belongs to the project then.
    pub tree: Option<String>,
    /// As [`CheckoutOptions::set_ids`].
    pub set_ids: bool,
    /// Who waits.
    pub watch: Watch,
}

impl ProjectHere {
    /// What was seen of files of a directory, so that they are not read again.
    fn stat_cache(&self, dir: &Path) -> Option<PathBuf> {
        let real = dir.canonicalize().ok()?;
        let of = (self.store(), self.name(), real.as_os_str().as_encoded_bytes());
        let of = [of.0.as_bytes(), b"\n", of.1.as_bytes(), b"\n", of.2].concat();
        let caches = self.brio().home().join("cache").join("stat");
        make_private(&caches).ok()?;
        Some(caches.join(file_name(&of)))
    }

    fn scan_options(&self, watch: &Watch) -> ScanOptions {
        let cache = self.stat_cache(self.base());
        ScanOptions { cache, watch: watch.clone(), ..ScanOptions::default() }
    }

    /// How the directory differs from the state of the project that it held last. Files of which
    /// it is not known what they hold are read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status(&self, watch: &Watch) -> Result<StoreStatus, StoreError> {
        let standing = self.standing()?;
        let tree = match &standing.synced {
            Some(synced) => tree_of(&synced.tree)?,
            None => standing.head.tree,
        };
        let drift = self.drift(tree, watch)?;
        Ok(StoreStatus { head: standing.head, synced: standing.synced, drift })
    }

    fn drift(&self, tree: Hash, watch: &Watch) -> Result<Drift, StoreError> {
        let (dir, options) = (open(self.base())?, self.scan_options(watch));
        Ok(self.worktree(|p| async move { drift(&p, &dir, tree, &options).await })?)
    }

    /// How many paths of the directory were changed and not imported: sessions do not see that.
    /// `None`: it never held a state of the project. The store is asked for what is not near.
    ///
    /// # Errors
    /// [`StoreError`]; `INTERRUPTED` where `watch` stopped it.
    pub fn not_imported(&self, watch: &Watch) -> Result<Option<usize>, StoreError> {
        let Some(synced) = self.synced()? else {
            return Ok(None);
        };
        Ok(Some(self.drift(tree_of(&synced.tree)?, watch)?.paths.len()))
    }

    fn worktree<T, F>(
        &self,
        work: impl FnOnce(brio_store::Project) -> F,
    ) -> Result<T, WorktreeError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, WorktreeError>> + Send + 'static,
    {
        let place = self.place();
        let done = work(place.project().clone());
        place.run(|_| async move { Ok(done.await) })?
    }

    /// Lands what the directory holds on the head, beside what others landed; then brings what
    /// they landed to the directory. What is left out of it (`.brioignore`, `.gitignore`) stays
    /// what it is in the project. Durable when it returns; one that was cut off goes on.
    ///
    /// # Errors
    /// `NOT_SYNCED` where the project has something and the directory never held it, `CONFLICT`
    /// where others changed the same paths; [`StoreError`]. Then nothing landed.
    pub fn import(&self, options: &ImportOptions) -> Result<Imported, StoreError> {
        let base = || self.base().to_owned();
        let binding = self.domain().store_binding()?;
        let binding = binding.ok_or_else(|| ShareError::NotBound { base: base() })?;
        let on = match &binding.synced {
            Some(synced) => Base { tree: tree_of(&synced.tree)?, position: synced.position },
            None => {
                let (head, _) = self.place().head()?;
                if head.position() > 0 {
                    let (project, store) = (self.name().to_owned(), self.store().to_owned());
                    let position = head.position();
                    return Err(StoreError::NeverSynced { base: base(), project, store, position });
                }
                head.base()
            }
        };
        let (dir, how) = (open(self.base())?, self.scan_options(&options.watch));
        let why = Why {
            who: self.brio().options().stores.who.clone(),
            goal: Some("import".to_owned()),
            message: options.message.clone(),
            ..Why::default()
        };
        let scanned = self.worktree(|p| async move { scan(&p, &dir, on, &how).await })?;
        let (noticed, files_read) = (scanned.noticed.clone(), scanned.files_read);
        let landing = self.worktree(|p| async move { import(&p, scanned, &why).await })?;
        let (landed, stored) = match landing {
            Landing::Landed(landed) => (Some(landed.record), landed.stored),
            Landing::Conflicts(conflicts) => {
                let paths = conflicts.iter().map(|c| c.key.to_string()).collect();
                let project = self.name().to_owned();
                return Err(StoreError::Conflicts { base: base(), project, paths });
            }
            _ => (None, Default::default()),
        };
        // What the directory held is what it stood on and its own: the difference from there to
        // the head has nothing to do where both made the same.
        let (holds, head) = match &landed {
            // Nobody landed in between: the directory is what the head is.
            Some(r) if r.position == on.position + 1 => (r.base_after(), r.base_after()),
            Some(r) => (on, r.base_after()),
            None => (on, self.place().head()?.0.base()),
        };
        let updated = self.place().bring(self.domain(), binding, holds, head)?;
        Ok(Imported {
            position: landed.as_ref().map(|r| r.position),
            tree: landed.as_ref().map_or(on.tree, |r| r.new_tree),
            counts: landed.as_ref().map(|r| r.counts).unwrap_or_default(),
            files_read,
            objects: stored.objects,
            bytes: stored.bytes,
            noticed,
            updated,
        })
    }

    /// Makes an empty or new directory what a tree of the project is. Without a tree it is the
    /// head's, and the directory belongs to the project then. One that was cut off goes on.
    ///
    /// # Errors
    /// `CHECKOUT_NOT_EMPTY` and the like; [`StoreError`]. After each the same checkout can go on.
    pub fn checkout(
        &self,
        into: &Path,
        request: &CheckoutRequest,
    ) -> Result<(Hash, CheckedOut), StoreError> {
        let (head, _) = self.place().head()?;
        let tree = match &request.tree {
            Some(tree) => tree_of(tree)?,
            None => head.tree(),
        };
        let io = |source| StoreError::Host { what: into.display().to_string(), source };
        std::fs::create_dir_all(into).map_err(io)?;
        let dir = open(into)?;
        let options = CheckoutOptions {
            set_ids: request.set_ids,
            cache: self.stat_cache(into),
            watch: request.watch.clone(),
        };
        let done = self.worktree(|p| async move { checkout(&p, tree, &dir, &options).await })?;
        if request.tree.is_none() {
            let (domain, _) = self.brio().domain(into, true)?;
            let synced = Some(Synced { tree: tree.to_string(), position: head.position() });
            let binding = StoreBinding::new(self.store(), self.name());
            domain.set_store_binding(Some(&StoreBinding { synced, ..binding }))?;
        }
        Ok((tree, done))
    }
}

fn open(dir: &Path) -> Result<Dir, StoreError> {
    Dir::open_ambient_dir(dir, ambient_authority())
        .map_err(|source| StoreError::Host { what: dir.display().to_string(), source })
}

fn tree_of(text: &str) -> Result<Hash, StoreError> {
    text.parse().map_err(|e: brio_store::NoHash| StoreError::Tree {
        tree: text.chars().take(100).collect(),
        why: e.to_string(),
    })
}
