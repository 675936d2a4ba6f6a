//! The operations that name a path. Each looks first whether the place may be changed at all, so
//! that nothing read-only gets another name, another content or other times.

use rustix::fs::{AtFlags, Mode, linkat, mkdirat, renameat, symlinkat, unlinkat};

use super::walk::Place;
use super::{DirectDir, set_times};
use crate::hostdir::read_link;
use crate::{FsError, FsResult, Kind, Meta, SetTime, to_os};

impl DirectDir {
    /// Metadata of what is at `path`. `follow`: of a link's target.
    ///
    /// # Errors
    /// As `stat(2)`; `NotPermitted` when the path leads out of this directory.
    pub fn stat_at(&self, path: &[u8], follow: bool) -> FsResult<Meta> {
        self.walk(path, follow)?.found()
    }

    /// The target of the link at `path`.
    ///
    /// # Errors
    /// As `readlink(2)`: `Invalid` when it is none.
    pub fn read_link_at(&self, path: &[u8]) -> FsResult<Vec<u8>> {
        let place = self.walk(path, false)?;
        match place.found()?.kind {
            Kind::Symlink => read_link(&place.dir, &place.name),
            _ => Err(FsError::Invalid),
        }
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As `mkdir(2)`; `ReadOnly`, `FileLimit`.
    pub fn mkdir_at(&self, path: &[u8]) -> FsResult<()> {
        let place = self.walk_name(path)?;
        self.tree.writable(place.protected)?;
        place.free_name()?;
        self.tree.charge_file()?;
        Ok(mkdirat(&*place.dir, &*to_os(&place.name), Mode::from_raw_mode(0o777))?)
    }

    /// Makes a symbolic link. A target that is absolute would mean a path of the host:
    /// `NotPermitted`.
    ///
    /// # Errors
    /// As `symlink(2)`; `ReadOnly`, `FileLimit`.
    pub fn symlink_at(&self, target: &[u8], path: &[u8]) -> FsResult<()> {
        match target {
            [b'/', ..] => return Err(FsError::NotPermitted),
            [] => return Err(FsError::NotFound),
            _ if target.contains(&0) => return Err(FsError::Invalid),
            _ => {}
        }
        let place = self.walk_name(path)?;
        self.tree.writable(place.protected)?;
        place.free_name()?;
        if place.must_dir {
            return Err(FsError::NotFound);
        }
        self.tree.charge_file()?;
        Ok(symlinkat(&*to_os(target), &*place.dir, &*to_os(&place.name))?)
    }

    /// Makes another name, `new` in `to`, of the file or link at `old`.
    ///
    /// # Errors
    /// As `link(2)`: `NotPermitted` for a directory; `ReadOnly` where either name is, so that
    /// what is read-only cannot be written under another name; `FileLimit`.
    pub fn link_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        let from = self.walk(old, false)?;
        let place = to.walk_name(new)?;
        self.tree.writable(from.protected)?;
        to.tree.writable(place.protected)?;
        let kind = from.found()?.kind;
        place.free_name()?;
        if kind == Kind::Dir {
            return Err(FsError::NotPermitted);
        }
        if place.must_dir {
            return Err(FsError::NotFound);
        }
        self.tree.charge_file()?;
        let (old, new) = (to_os(&from.name), to_os(&place.name));
        Ok(linkat(&*from.dir, &*old, &*place.dir, &*new, AtFlags::empty())?)
    }

    /// Renames `old` to `new` in `to`, replacing a file by a file and an empty directory by a
    /// directory.
    ///
    /// # Errors
    /// As `rename(2)`; `ReadOnly` where either name is.
    pub fn rename_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        let from = self.walk_name(old)?;
        let place = to.walk_name(new)?;
        self.tree.writable(from.protected)?;
        to.tree.writable(place.protected)?;
        let meta = from.found()?;
        if from.name.is_empty() || place.name.is_empty() {
            return Err(FsError::Invalid);
        }
        if (from.must_dir || place.must_dir) && meta.kind != Kind::Dir {
            return Err(FsError::NotDirectory);
        }
        if place.at.is_none() {
            place.free_name()?;
        }
        Ok(renameat(&*from.dir, &*to_os(&from.name), &*place.dir, &*to_os(&place.name))?)
    }

    /// Removes a name of a file or link. Open handles keep the file.
    ///
    /// # Errors
    /// As `unlink(2)`: `IsDirectory`; `ReadOnly`.
    pub fn unlink_at(&self, path: &[u8]) -> FsResult<()> {
        self.remove(path, false)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As `rmdir(2)`: `NotEmpty`, `NotDirectory`; `ReadOnly`.
    pub fn rmdir_at(&self, path: &[u8]) -> FsResult<()> {
        self.remove(path, true)
    }

    fn remove(&self, path: &[u8], is_dir: bool) -> FsResult<()> {
        let place = self.walk_name(path)?;
        self.tree.writable(place.protected)?;
        match (is_dir, place.found()?.kind == Kind::Dir) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            (false, false) if place.must_dir => return Err(FsError::NotDirectory),
            _ => {}
        }
        if place.name.is_empty() {
            return Err(FsError::Invalid);
        }
        let how = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(unlinkat(&*place.dir, &*to_os(&place.name), how)?)
    }

    /// Sets the times of what is at `path`.
    ///
    /// # Errors
    /// As `utimensat(2)`; `ReadOnly`.
    pub fn set_times_at(
        &self,
        path: &[u8],
        follow: bool,
        atime: SetTime,
        mtime: SetTime,
    ) -> FsResult<()> {
        let Place { dir, name, at, protected, .. } = self.walk(path, follow)?;
        self.tree.writable(protected)?;
        at.ok_or(FsError::NotFound)?;
        set_times(&dir, if name.is_empty() { b"." } else { &name }, atime, mtime)
    }
}
