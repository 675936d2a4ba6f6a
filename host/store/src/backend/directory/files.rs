//! Objects as files. A file gets its name when all of it is on the disk, so whoever sees one
//! sees it whole, whenever a process is killed or the power fails.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, File, Metadata, OpenOptions};
#[cfg(unix)]
use cap_std::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use time::OffsetDateTime;

use super::super::{MAX_OBJECT, too_large};
use crate::id::AttemptId;
use crate::{Error, Listed, Put, Result};

/// Where files are written before they get their names.
const TEMPORARY: &str = "tmp";

/// A temporary file that old belongs to no process that still runs: one that lives writes at
/// most an object, and renames it.
const LEFT: Duration = Duration::from_secs(3600);

pub(super) struct Files {
    root: PathBuf,
    dir: Dir,
    /// Directories whose names are known to be on the disk. None is ever removed.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Files {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let host = |e| Error::host(format!("make {}", root.display()), e);
        let mut new = std::fs::DirBuilder::new();
        new.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut new, 0o700);
        new.create(root).map_err(host)?;
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(host)?;
        if let Some(above) = root.parent() {
            std::fs::File::open(above).and_then(|d| d.sync_all()).map_err(host)?;
        }
        let files = Self { root: root.into(), dir, durable: Mutex::default() };
        match files.dir.create_dir_with(TEMPORARY, &private()) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(files.told("make", TEMPORARY, e)),
            _ => Ok(files),
        }
    }

    fn told(&self, verb: &str, key: &str, e: io::Error) -> Error {
        Error::host(format!("{verb} {}", self.root.join(key).display()), e)
    }

    pub(super) fn sync_root(&self) -> Result<()> {
        sync(&self.dir).map_err(|e| self.told("sync", "", e))
    }

    /// Removes what killed processes left.
    pub(super) fn sweep(&self) -> Result<()> {
        let told = |e| self.told("sweep", TEMPORARY, e);
        let now = self.now()?;
        for entry in self.dir.read_dir(TEMPORARY).map_err(told)? {
            let entry = entry.map_err(told)?;
            // Whoever is gone meanwhile was swept by somebody else, or has its name now.
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(modified) = modified(&metadata) else { continue };
            if metadata.is_file() && now - modified > LEFT {
                match entry.remove_file() {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(told(e)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The time by the file system's clock, which is not always this machine's.
    pub(super) fn now(&self) -> Result<OffsetDateTime> {
        let name = temporary()?;
        let told = |e| self.told("write", &name, e);
        let file = self.dir.open_with(&name, &new_file()).map_err(told)?;
        let at = file.metadata().and_then(|m| modified(&m));
        self.dir.remove_file(&name).map_err(told)?;
        at.map_err(told)
    }

    pub(super) fn read(
        &self,
        key: &str,
        offset: u64,
        length: Option<u64>,
    ) -> Result<Option<Bytes>> {
        self.try_read(key, offset, length).map_err(|e| self.told("read", key, e))
    }

    fn try_read(&self, key: &str, offset: u64, length: Option<u64>) -> io::Result<Option<Bytes>> {
        let Some(mut file) = absent(self.dir.open(key))? else { return Ok(None) };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let rest = metadata.len().saturating_sub(offset);
        let length = length.map_or(rest, |l| l.min(rest));
        if length > MAX_OBJECT {
            return Err(io::Error::other(too_large(length)));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.seek(SeekFrom::Start(offset.min(metadata.len())))?;
        file.take(length).read_to_end(&mut bytes)?;
        Ok(Some(bytes.into()))
    }

    pub(super) fn stat(&self, key: &str) -> Result<Option<Listed>> {
        let listed = || {
            let Some(metadata) = absent(self.dir.symlink_metadata(key))? else { return Ok(None) };
            match metadata.is_file() {
                true => listed(key.into(), &metadata).map(Some),
                false => Ok(None),
            }
        };
        listed().map_err(|e| self.told("look at", key, e))
    }

    pub(super) fn create(&self, key: &str, value: &[u8]) -> Result<Put> {
        let parent = self.parent(key)?;
        let put = if self.stat(key)?.is_some() {
            Put::Exists
        } else {
            let name = self.write_temporary(value)?;
            match self.name_new(&name, &parent, leaf(key)) {
                Ok(()) => Put::Created,
                Err(e) => {
                    let _ = self.dir.remove_file(&name);
                    match e.kind() {
                        ErrorKind::AlreadyExists => Put::Exists,
                        _ => return Err(self.told("write", key, e)),
                    }
                }
            }
        };
        // Also for one that was there: who wrote it may not have come as far.
        sync(&parent).map_err(|e| self.told("sync", key, e))?;
        Ok(put)
    }

    pub(super) fn overwrite(&self, key: &str, value: &[u8]) -> Result<()> {
        let parent = self.parent(key)?;
        let name = self.write_temporary(value)?;
        let renamed = self.dir.rename(&name, &parent, leaf(key));
        if renamed.is_err() {
            let _ = self.dir.remove_file(&name);
        }
        renamed.and_then(|()| sync(&parent)).map_err(|e| self.told("write", key, e))
    }

    /// An object that comes back after a power cut is garbage as it was before, so nothing is
    /// synced.
    pub(super) fn delete(&self, key: &str) -> Result<()> {
        match absent(self.dir.remove_file(key)) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.told("remove", key, e)),
        }
    }

    fn write_temporary(&self, value: &[u8]) -> Result<String> {
        let name = temporary()?;
        let written = self.dir.open_with(&name, &new_file()).and_then(|mut file: File| {
            file.write_all(value)?;
            // Before it gets its name: no name ever stands for bytes that are not on the disk.
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(name),
            Err(e) => {
                let _ = self.dir.remove_file(&name);
                Err(self.told("write", &name, e))
            }
        }
    }

    /// Gives a file its name if that is free. A hard link where the file system has no such
    /// rename.
    fn name_new(&self, from: &str, parent: &Dir, to: &str) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        {
            use rustix::io::Errno;
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(&self.dir, from, parent, to, flags) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                r => return Ok(r?),
            }
        }
        self.dir.hard_link(from, parent, to)?;
        self.dir.remove_file(from)
    }

    /// The directory of a key, which is made, and on the disk by its name.
    fn parent(&self, key: &str) -> Result<Dir> {
        let told = |e| self.told("make the directory of", key, e);
        let mut dir = self.dir.try_clone().map_err(told)?;
        let Some((parents, _)) = key.rsplit_once('/') else { return Ok(dir) };
        let mut path = PathBuf::new();
        for name in parents.split('/') {
            path.push(name);
            match dir.create_dir_with(name, &private()) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(told(e)),
                _ => {}
            }
            let known = self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(&path);
            if !known {
                sync(&dir).map_err(told)?;
                self.durable.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
            }
            dir = dir.open_dir(name).map_err(told)?;
        }
        Ok(dir)
    }

    /// One page in the order of the keys.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        page: usize,
    ) -> Result<Vec<Listed>> {
        let mut found = Vec::new();
        let after = after.unwrap_or("");
        self.walk(&self.dir, "", prefix, after, page, &mut found)
            .map_err(|e| self.told("list", prefix, e))?;
        Ok(found)
    }

    /// What lies below `at`, which is empty or ends with `/`. A directory is entered only if a
    /// key below it can begin with `prefix` and come after `after`.
    fn walk(
        &self,
        dir: &Dir,
        at: &str,
        prefix: &str,
        after: &str,
        page: usize,
        found: &mut Vec<Listed>,
    ) -> io::Result<()> {
        let mut keys = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if at.is_empty() && (name == TEMPORARY || name.starts_with("refs.db")) {
                continue;
            }
            let kind = entry.file_type()?;
            // With its `/`, as it stands in keys: so `a-b` comes before what is in `a`.
            let slash = if kind.is_dir() { "/" } else { "" };
            let key = format!("{at}{name}{slash}");
            let wanted = match kind.is_dir() {
                true => {
                    (prefix.starts_with(&key) || key.starts_with(prefix))
                        && (after < key.as_str() || after.starts_with(&key))
                }
                false => kind.is_file() && key.starts_with(prefix) && key.as_str() > after,
            };
            if wanted {
                keys.push((key, entry));
            }
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, entry) in keys {
            if found.len() == page {
                return Ok(());
            }
            if key.ends_with('/') {
                self.walk(&entry.open_dir()?, &key, prefix, after, page, found)?;
            } else if let Some(metadata) = absent(entry.metadata())? {
                found.push(listed(key, &metadata)?);
            }
        }
        Ok(())
    }
}

fn private() -> DirBuilder {
    let mut new = DirBuilder::new();
    #[cfg(unix)]
    new.mode(0o700);
    new
}

fn new_file() -> OpenOptions {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    new.mode(0o600);
    new
}

fn leaf(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn temporary() -> Result<String> {
    Ok(format!("{TEMPORARY}/{}", AttemptId::random()?))
}

/// Makes the names in a directory durable. Its handle is a path's only, so it is opened.
fn sync(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

fn modified(metadata: &Metadata) -> io::Result<OffsetDateTime> {
    Ok(metadata.modified()?.into_std().into())
}

fn listed(key: String, metadata: &Metadata) -> io::Result<Listed> {
    Ok(Listed { key, size: metadata.len(), modified: modified(metadata)? })
}
