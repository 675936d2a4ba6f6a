//! Where the bytes of a file of a lower are.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::io::{read_full, write_full};
use crate::{FsResult, copy_content, hostdir};

/// Content that is fetched as it is read. It never changes.
pub trait ReadAt: Send + Sync {
    /// Bytes.
    fn size(&self) -> u64;

    /// Reads at a byte offset, as `pread(2)`: at least one byte, but nothing at the end and past
    /// it.
    ///
    /// # Errors
    /// `Unreachable`, `Corrupt`, and the host's.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize>;

    /// The SHA-256 of all of it, where that is known without reading it.
    fn sha256(&self) -> Option<[u8; 32]> {
        None
    }
}

/// The content of a regular file of a [`Lower`](crate::Lower).
pub enum Source {
    /// A file of the host: shared and copied by the host's own means.
    File(File),
    /// Fetched as it is read.
    Lazy(Arc<dyn ReadAt>),
}

impl Source {
    /// Bytes.
    ///
    /// # Errors
    /// The host's.
    pub fn size(&self) -> FsResult<u64> {
        match self {
            Self::File(file) => Ok(hostdir::stat_file(file)?.0.size),
            Self::Lazy(content) => Ok(content.size()),
        }
    }

    /// Fills `buf` from a byte offset, or reads to the end.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        match self {
            Self::File(file) => read_full(file, buf, offset),
            Self::Lazy(content) => {
                let mut done = 0;
                while done < buf.len() {
                    let Some(at) = offset.checked_add(done as u64) else { break };
                    match content.read_at(&mut buf[done..], at)? {
                        0 => break,
                        n => done += n.min(buf.len() - done),
                    }
                }
                Ok(done)
            }
        }
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> Reader<'_> {
        Reader { source: self, at: 0 }
    }

    /// The file of the host, if it is one.
    pub fn as_file(&self) -> Option<&File> {
        match self {
            Self::File(file) => Some(file),
            Self::Lazy(_) => None,
        }
    }

    /// The SHA-256 of all of it, where that is known without reading it.
    pub fn known_sha256(&self) -> Option<[u8; 32]> {
        match self {
            Self::File(_) => None,
            Self::Lazy(content) => content.sha256(),
        }
    }

    /// The SHA-256 of all of it.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn sha256(&self) -> FsResult<[u8; 32]> {
        if let Some(known) = self.known_sha256() {
            return Ok(known);
        }
        let (mut sha, mut buf, mut at) = (Sha256::new(), vec![0; PIECE], 0);
        loop {
            match self.read_at(&mut buf, at)? {
                0 => return Ok(sha.finalize().into()),
                n => {
                    sha.update(&buf[..n]);
                    at += n as u64;
                }
            }
        }
    }

    /// Whether both hold the same. What one of them is known to hold is not read.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn same_as(&self, other: &Self) -> FsResult<bool> {
        if self.size()? != other.size()? {
            return Ok(false);
        }
        if self.known_sha256().is_some() || other.known_sha256().is_some() {
            return Ok(self.sha256()? == other.sha256()?);
        }
        let (mut x, mut y) = (vec![0u8; PIECE], vec![0u8; PIECE]);
        let mut at = 0;
        loop {
            let n = self.read_at(&mut x, at)?;
            if other.read_at(&mut y, at)? != n || x[..n] != y[..n] {
                return Ok(false);
            }
            if n == 0 {
                return Ok(true);
            }
            at += n as u64;
        }
    }

    /// Gives the empty file `to` of the host what it holds; returns the bytes that were copied,
    /// and not shared. `reflink`: try to share. Holes stay holes.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at), and the host's about `to`.
    pub fn copy_to(&self, to: &File, reflink: bool) -> io::Result<u64> {
        if let Self::File(from) = self {
            return copy_content(from, to, reflink);
        }
        let (mut buf, mut at, mut copied) = (vec![0; PIECE], 0, 0);
        loop {
            let n = self.read_at(&mut buf, at)?;
            if n == 0 {
                break;
            }
            if buf[..n].iter().any(|b| *b != 0) {
                write_full(to, &buf[..n], at)?;
                copied += n as u64;
            }
            at += n as u64;
        }
        to.set_len(at)?;
        Ok(copied)
    }

    /// Another handle of the same.
    ///
    /// # Errors
    /// The host's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::File(file) => Self::File(file.try_clone()?),
            Self::Lazy(content) => Self::Lazy(content.clone()),
        })
    }
}

/// What is read at once.
const PIECE: usize = 256 << 10;

impl From<File> for Source {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Lazy(content) => write!(f, "Lazy({} bytes)", content.size()),
        }
    }
}

/// Reads a [`Source`] in order, with a position of its own.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.source {
            Source::File(file) => crate::io::read_at(file, buf, self.at)?,
            Source::Lazy(content) => content.read_at(buf, self.at)?.min(buf.len()),
        };
        self.at += n as u64;
        Ok(n)
    }
}
