//! Open files of a directory that is served as it is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{Direct, timestamps};
use crate::hostdir::stat_file;
use crate::io::read_full;
use crate::{FsError, FsResult, Meta, SetTime};

/// An open regular file of a [`Direct`]. Clones are the same handle.
#[derive(Clone)]
pub struct DirectFile {
    tree: Direct,
    file: Arc<File>,
    read: bool,
    write: bool,
    protected: bool,
}

impl DirectFile {
    pub(super) fn new(
        tree: Direct,
        file: File,
        (read, write): (bool, bool),
        protected: bool,
    ) -> Self {
        Self { tree, file: Arc::new(file), read, write, protected }
    }

    /// Whether it was opened for writing.
    pub fn writable(&self) -> bool {
        self.write
    }

    /// Reads at a byte offset; fewer bytes than asked for only at the end, 0 past it.
    ///
    /// # Errors
    /// `BadDescriptor` when not opened for reading, and the host's.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        if !self.read {
            return Err(FsError::BadDescriptor);
        }
        read_full(&self.file, buf, offset)
    }

    /// Writes all of `buf` at a byte offset; a gap before it reads as zeros.
    ///
    /// # Errors
    /// `BadDescriptor` when not opened for writing, `NoSpace`, `TooLarge`, `DiskLimit`.
    pub fn write_at(&self, buf: &[u8], offset: u64) -> FsResult<usize> {
        self.may_write()?;
        if buf.is_empty() {
            return Ok(0);
        }
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= i64::MAX as u64);
        let end = end.ok_or(FsError::TooLarge)?;
        // What a write leaves out is charged as if it were written.
        let grown = end.saturating_sub(self.size()?);
        self.tree.charge_bytes(grown.max(buf.len() as u64))?;
        self.file.write_all_at(buf, offset)?;
        Ok(buf.len())
    }

    /// Writes `buf` at the end, wherever that is by then.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn append(&self, buf: &[u8]) -> FsResult<usize> {
        self.may_write()?;
        if buf.is_empty() {
            return Ok(0);
        }
        self.tree.charge_bytes(buf.len() as u64)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::io::{ReadWriteFlags, pwritev2};
            let bytes = [std::io::IoSlice::new(buf)];
            Ok(pwritev2(&*self.file, &bytes, 0, ReadWriteFlags::APPEND)?)
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            self.file.write_all_at(buf, self.size()?)?;
            Ok(buf.len())
        }
    }

    /// Sets the length in bytes; what is added reads as zeros and is charged as if written.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn set_len(&self, len: u64) -> FsResult<()> {
        self.may_write()?;
        if len > i64::MAX as u64 {
            return Err(FsError::TooLarge);
        }
        self.tree.charge_bytes(len.saturating_sub(self.size()?))?;
        Ok(self.file.set_len(len)?)
    }

    /// Makes its content, and unless `data_only` its metadata, durable.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&self, data_only: bool) -> FsResult<()> {
        Ok(if data_only { self.file.sync_data() } else { self.file.sync_all() }?)
    }

    /// Its metadata; without a name left, `nlink` is 0.
    ///
    /// # Errors
    /// The host's.
    pub fn meta(&self) -> FsResult<Meta> {
        Ok(self.tree.meta_of(&rustix::fs::fstat(&*self.file)?))
    }

    /// Sets its times, whatever it was opened for.
    ///
    /// # Errors
    /// As `futimens(2)`; `ReadOnly`.
    pub fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.tree.writable(self.protected)?;
        Ok(rustix::fs::futimens(&*self.file, &timestamps(atime, mtime)?)?)
    }

    fn size(&self) -> FsResult<u64> {
        Ok(stat_file(&self.file)?.0.size)
    }

    fn may_write(&self) -> FsResult<()> {
        if !self.write {
            return Err(FsError::BadDescriptor);
        }
        self.tree.writable(self.protected)
    }
}
