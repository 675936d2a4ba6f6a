//! What a directory holds, as entries of a tree, its new contents on their way into the store.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;

use super::cache::StatCache;
use super::pair::{Pair, pair};
use super::progress::{EndsWith, Pace};
use super::read::{For, Job, Told, read_all};
use super::root::{Is, Root};
use super::walk::{Noticed, Walked, walk};
use super::{Ignore, Watch, WorktreeError, WorktreeResult, entries, offload};
use crate::doc::Base;
use crate::tree::{Edits, Entry, Key};
use crate::{Content, Error, Hash, Project, Upload};

/// How a directory is scanned.
#[derive(Debug, Clone, Default)]
pub struct ScanOptions {
    /// What is left out.
    pub ignore: Ignore,
    /// A file for what is known of files, so that they are not read again. It belongs to this
    /// directory and this project.
    pub cache: Option<PathBuf>,
    /// Who waits.
    pub watch: Watch,
}

/// What a directory holds, beside a tree that it is compared with.
pub struct Scan {
    pub(super) base: Base,
    pub(super) upload: Upload,
    /// What must be done to the tree of `base` for it to be what the directory holds.
    pub edits: Edits,
    /// What the directory holds, and is not left out, in order.
    pub entries: Vec<(Key, Entry)>,
    /// What a person should know.
    pub noticed: Vec<Noticed>,
    /// Files that were read: the others are known to be as they were.
    pub files_read: u64,
}

/// Scans a directory: what differs from the tree of `base`, which a ref names, is stored, and
/// lies in the store unnamed until it is imported. What is left out stays what it is in the tree.
///
/// # Errors
/// `WORKTREE_READ` for what cannot be read, `WORKTREE_NAME`, `WORKTREE_IGNORE`, `INTERRUPTED`;
/// the store's. A second scan goes on where one was cut off, if it has the same cache.
pub async fn scan(
    project: &Project,
    dir: &Dir,
    base: Base,
    options: &ScanOptions,
) -> WorktreeResult<Scan> {
    let pace = Pace::new(&options.watch);
    let _ends = EndsWith(pace.clone());
    let root = Arc::new(Root::of(dir).map_err(|e| WorktreeError::read(b"", e))?);
    let tree = Arc::new(entries(&project.tree(base.tree)).await?);
    let (cache, walked, pairs) = {
        let (root, tree, pace) = (root.clone(), tree.clone(), pace.clone());
        let (path, project, ignore) = (options.cache.clone(), project.clone(), options.ignore);
        offload(move || {
            let cache = StatCache::open(path.as_deref(), &project, &root);
            let walked = walk(&root, ignore, &pace)?;
            let pairs = pair(&walked, &tree);
            Ok::<_, WorktreeError>((cache, walked, pairs))
        })
        .await??
    };
    let mut contents = Contents {
        project,
        upload: project.upload(),
        known: vec![None; walked.found.len()],
        cache,
        noticed: Vec::new(),
        read: 0,
    };
    let jobs = contents.known_ones(&walked, &tree, &pairs, &pace).await?;
    let done = contents.read_all(root, &walked, jobs, &tree, &pairs, pace).await;
    let there = |key: &Key| walked.found.binary_search_by(|f| f.key.cmp(key)).is_ok();
    contents.cache.keep(there);
    // Also of what was cut off: it need not be done twice.
    contents.cache.save();
    done?;
    contents.finish(base, walked, &tree, &pairs)
}

/// What files hold, as it becomes known.
struct Contents<'a> {
    project: &'a Project,
    upload: Upload,
    known: Vec<Option<Content>>,
    cache: StatCache,
    noticed: Vec<Noticed>,
    read: u64,
}

impl Contents<'_> {
    /// What need not be read; the rest.
    async fn known_ones(
        &mut self,
        walked: &Walked,
        tree: &[(Key, Entry)],
        pairs: &[Pair],
        pace: &Pace,
    ) -> WorktreeResult<Vec<Job>> {
        let mut jobs = Vec::new();
        for Pair { found, there } in pairs {
            let Some(index) = *found else { continue };
            let found = &walked.found[index];
            if found.print.is != Is::File {
                continue;
            }
            let size = found.print.size;
            pace.expect(1, size);
            let there = there.and_then(|i| match &tree[i].1 {
                Entry::File { content, .. } => Some(*content),
                _ => None,
            });
            let cached = self.cache.get(&found.key, &found.print);
            let is_there = match cached {
                // The tree has it.
                Some(content) if there == Some(content) => true,
                // It was read, and perhaps stored, by a scan that was not imported.
                Some(content) => self.rely(&content).await?,
                None => false,
            };
            if is_there {
                self.known[index] = cached;
                pace.done(1, size);
                continue;
            }
            let chunks = match there {
                // One that is as long is likely to be the same.
                Some(content) if content.size != size => {
                    Self::chunks(self.project, &content).await?
                }
                _ => Default::default(),
            };
            jobs.push(Job { index, key: found.key.clone(), size, known: there, chunks });
        }
        Ok(jobs)
    }

    /// The chunks of a content.
    async fn chunks(project: &Project, content: &Content) -> WorktreeResult<HashSet<Hash>> {
        if content.depth == 0 {
            return Ok(HashSet::new());
        }
        let file = project.file(*content);
        Ok(file.chunks().await?.iter().map(|c| c.hash).collect())
    }

    /// Whether the store has all of a content; then it stays.
    async fn rely(&mut self, content: &Content) -> WorktreeResult<bool> {
        if !self.upload.rely(content.root).await? {
            return Ok(false);
        }
        match content.depth {
            0 => return Ok(true),
            1 => {}
            // Over ten gigabytes: its lists are many, and it is cut again.
            _ => return Ok(false),
        }
        let file = self.project.file(*content);
        let chunks = match file.chunks().await {
            Ok(chunks) => chunks,
            Err(Error::Missing { .. }) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        for chunk in chunks {
            if !self.upload.rely(chunk.hash).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read_all(
        &mut self,
        root: Arc<Root>,
        walked: &Walked,
        jobs: Vec<Job>,
        tree: &[(Key, Entry)],
        pairs: &[Pair],
        pace: Arc<Pace>,
    ) -> WorktreeResult<()> {
        let differs = self.read(root.clone(), walked, jobs, pace.clone()).await?;
        let mut jobs = Vec::new();
        for Pair { found, there } in pairs {
            let (Some(index), Some(there)) = (*found, *there) else { continue };
            if let Entry::File { content, .. } = &tree[there].1
                && differs.contains(&index)
            {
                let (key, size) = (walked.found[index].key.clone(), walked.found[index].print.size);
                let chunks = Self::chunks(self.project, content).await?;
                jobs.push(Job { index, key, size, known: None, chunks });
            }
        }
        self.read(root, walked, jobs, pace).await.map(|_| ())
    }

    /// Reads files, but for those that differ from what they held: these are told.
    async fn read(
        &mut self,
        root: Arc<Root>,
        walked: &Walked,
        jobs: Vec<Job>,
        pace: Arc<Pace>,
    ) -> WorktreeResult<HashSet<usize>> {
        let mut differs = HashSet::new();
        if jobs.is_empty() {
            return Ok(differs);
        }
        let compression = self.project.options().compression;
        let mut left = jobs.len();
        let mut told = read_all(root, jobs, For::Storing(compression), pace);
        while let Some(batch) = self.upload.beside(told.recv()).await? {
            for one in batch? {
                match one {
                    Told::Blob(sealed) => self.upload.add(sealed).await?,
                    Told::Still(hash) => {
                        if !self.upload.rely(hash).await? {
                            return Err(Error::missing("blob", &hash).into());
                        }
                    }
                    Told::Differs { index } => {
                        left -= 1;
                        differs.insert(index);
                    }
                    Told::File { index, read } => {
                        left -= 1;
                        self.read += 1;
                        let Some(read) = read else { continue };
                        let key = &walked.found[index].key;
                        self.known[index] = Some(read.content);
                        match read.quiet {
                            true => self.cache.put(key, read.print, read.content),
                            false => self.noticed.push(Noticed::Changing(key.clone())),
                        }
                    }
                }
            }
            self.cache.save_at_times();
        }
        match left {
            0 => Ok(differs),
            _ => Err(WorktreeError::Interrupted),
        }
    }

    fn finish(
        self,
        base: Base,
        walked: Walked,
        tree: &[(Key, Entry)],
        pairs: &[Pair],
    ) -> WorktreeResult<Scan> {
        let mut scan = Scan {
            base,
            upload: self.upload,
            edits: Edits::new(),
            entries: Vec::with_capacity(walked.found.len()),
            noticed: walked.noticed,
            files_read: self.read,
        };
        scan.noticed.extend(self.noticed);
        for Pair { found, there } in pairs {
            let there = there.map(|i| &tree[i]);
            let now = found.and_then(|i| {
                let found = &walked.found[i];
                let mode = found.print.mode;
                let file = || self.known[i].map(|content| Entry::File { mode, content });
                Some((&found.key, found.entry().or_else(file)?))
            });
            match (now, there) {
                (Some((key, now)), there) => {
                    if there.is_none_or(|(_, before)| *before != now) {
                        scan.edits.insert(key.clone(), Some(now.clone()));
                    }
                    scan.entries.push((key.clone(), now));
                }
                (None, Some((key, _))) => {
                    scan.edits.insert(key.clone(), None);
                }
                // It came and went.
                (None, None) => {}
            }
        }
        Ok(scan)
    }
}
