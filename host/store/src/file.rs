//! Reading the content of a file, as much of it as is asked for.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};
use tokio::sync::OnceCell;

use crate::content::{Chunk, WHOLE, chunks};
use crate::{Content, Error, Hash, Hasher, Project, Result};

/// Chunks that are asked for at a time.
const AT_ONCE: usize = 4;

/// The content of a file in a project. What is read was verified.
#[derive(Clone)]
pub struct FileContent {
    project: Project,
    content: Content,
    chunks: Arc<OnceCell<Vec<Chunk>>>,
}

impl FileContent {
    pub(crate) fn new(project: Project, content: Content) -> Self {
        Self { project, content, chunks: Arc::default() }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.content.size
    }

    /// What it is.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its blobs, in order; of a chunked file the lists are read.
    ///
    /// # Errors
    /// When the store cannot be read, or is corrupt.
    pub async fn chunks(&self) -> Result<&[Chunk]> {
        let Content { size, depth, root, .. } = self.content;
        let found = self.chunks.get_or_try_init(|| async {
            if (depth == 0) != (size <= WHOLE) {
                let what = format!("file {}", self.content.hash);
                return Err(Error::corrupt(what, "its depth does not fit its size"));
            }
            let found = match (depth, size) {
                (0, 0) => Vec::new(),
                (0, _) => {
                    let length = u32::try_from(size)
                        .map_err(|_| Error::corrupt(format!("blob {root}"), "it is too long"))?;
                    vec![Chunk { offset: 0, length, hash: root }]
                }
                _ => listed(&self.project, root, depth).await?,
            };
            let end = found.last().map_or(0, |c| c.offset + u64::from(c.length));
            match end == size {
                true => Ok(found),
                false => Err(Error::corrupt(
                    format!("list {root}"),
                    format!("its chunks are {end} bytes, and the file has {size}"),
                )),
            }
        });
        Ok(found.await?)
    }

    /// Up to `length` bytes from `offset` on; fewer at the end of a chunk, none at the end of
    /// the file.
    ///
    /// # Errors
    /// As [`chunks`](Self::chunks).
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let chunks = self.chunks().await?;
        let at = chunks.partition_point(|c| c.offset + u64::from(c.length) <= offset);
        let Some(chunk) = chunks.get(at) else { return Ok(Bytes::new()) };
        let content = self.chunk(chunk).await?;
        let from = (offset - chunk.offset) as usize;
        let to = content.len().min(from.saturating_add(length));
        Ok(content.slice(from..to))
    }

    /// One of its chunks.
    ///
    /// # Errors
    /// As [`chunks`](Self::chunks).
    pub async fn chunk(&self, chunk: &Chunk) -> Result<Bytes> {
        chunk_of(&self.project, chunk).await
    }

    /// Writes all of it, and checks that it is what its hash says.
    ///
    /// # Errors
    /// As [`chunks`](Self::chunks), and what `to` says.
    pub async fn copy_to(&self, to: &mut (impl Write + Send)) -> Result<()> {
        let mut hasher = Hasher::default();
        for some in self.chunks().await?.chunks(AT_ONCE) {
            for content in try_join_all(some.iter().map(|c| self.chunk(c))).await? {
                hasher.update(&content);
                to.write_all(&content).map_err(|e| Error::host("a file", e))?;
            }
        }
        match hasher.finish() == self.content.hash {
            true => Ok(()),
            false => {
                let what = format!("file {}", self.content.hash);
                Err(Error::corrupt(what, "its chunks are another content"))
            }
        }
    }
}

/// A chunk, as long as its list says.
async fn chunk_of(project: &Project, chunk: &Chunk) -> Result<Bytes> {
    let content = project.blob(&chunk.hash).await?;
    match content.len() == chunk.length as usize {
        true => Ok(content),
        false => {
            let what = format!("blob {}", chunk.hash);
            Err(Error::corrupt(what, "its length is not what its file says"))
        }
    }
}

/// The chunks below a list.
fn listed(project: &Project, root: Hash, depth: u8) -> BoxFuture<'_, Result<Vec<Chunk>>> {
    Box::pin(async move {
        let list = match depth {
            1 => project.blob(&root).await?,
            _ => {
                let mut out = Vec::new();
                for some in listed(project, root, depth - 1).await?.chunks(AT_ONCE) {
                    let read = try_join_all(some.iter().map(|c| chunk_of(project, c))).await?;
                    read.iter().for_each(|b| out.extend_from_slice(b));
                }
                if out.len() as u64 <= WHOLE {
                    let what = format!("list {root}");
                    return Err(Error::corrupt(what, "it lists what one blob holds"));
                }
                out.into()
            }
        };
        chunks(&list, &root)
    })
}

/// Shows each blob that a content consists of; lists are read.
pub(crate) async fn blobs_of(
    project: &Project,
    content: &Content,
    see: &mut (dyn FnMut(Hash) + Send),
) -> Result<()> {
    see(content.root);
    let mut pieces: Vec<Hash> = Vec::new();
    for depth in 1..=content.depth {
        let list = match depth {
            1 => project.blob(&content.root).await?,
            _ => {
                let mut list = Vec::new();
                for some in pieces.chunks(AT_ONCE) {
                    let read = try_join_all(some.iter().map(|hash| project.blob(hash))).await?;
                    read.iter().for_each(|b| list.extend_from_slice(b));
                }
                list.into()
            }
        };
        pieces = chunks(&list, &content.root)?.iter().map(|c| c.hash).collect();
        pieces.iter().copied().for_each(&mut *see);
    }
    Ok(())
}
