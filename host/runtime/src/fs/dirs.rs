//! Paths relative to a handle, and reading directories.

use brio_session::{Kind, Meta, Time};
use wasmtime::component::Resource;

use super::descriptor::{Descriptor, DirStream, Entry, Node};
use super::files::Dir;
use super::mounts::{Located, Mount};
use super::{Fault, FsCtx, convert};
use crate::bindings::wasi::filesystem::types::{
    DescriptorType, DirectoryEntry, ErrorCode, HostDirectoryEntryStream,
};

/// A path that was resolved as far as this crate does it; the view does the rest.
pub(super) enum At {
    In {
        mount: Mount,
        dir: Dir,
        path: String,
    },
    /// The directory of child sessions itself.
    Sessions,
}

impl At {
    /// For everything that changes something: the directory of child sessions is read-only.
    pub(super) fn changing(self) -> Result<(Mount, Dir, String), Fault> {
        match self {
            Self::In { mount, dir, path } => Ok((mount, dir, path)),
            Self::Sessions => Err(ErrorCode::ReadOnly.into()),
        }
    }
}

impl FsCtx<'_> {
    pub(super) fn at(&self, fd: &Resource<Descriptor>, path: String) -> Result<At, Fault> {
        convert::check_path(&path)?;
        match &self.table.get(fd)?.node {
            Node::File(..) => Err(ErrorCode::NotDirectory.into()),
            Node::Dir(mount, dir) => Ok(At::In { mount: mount.clone(), dir: dir.clone(), path }),
            Node::Sessions if path.starts_with('/') => Err(ErrorCode::NotPermitted.into()),
            Node::Sessions => match self.fs.mounts.in_sessions(&path) {
                Located::In(mount, path) => Ok(At::In { dir: mount.root(), mount, path }),
                Located::Sessions => Ok(At::Sessions),
                Located::Nowhere => Err(ErrorCode::NoEntry.into()),
                Located::Outside => Err(ErrorCode::NotPermitted.into()),
            },
        }
    }

    /// For a new name: one directly in the directory of child sessions cannot be made.
    pub(super) fn at_new(&self, fd: &Resource<Descriptor>, path: String) -> Result<At, Fault> {
        let in_sessions = matches!(self.table.get(fd)?.node, Node::Sessions);
        self.at(fd, path).map_err(|e| match e {
            Fault::Code(ErrorCode::NoEntry) if in_sessions => ErrorCode::ReadOnly.into(),
            e => e,
        })
    }

    pub(super) fn sessions_meta(&self) -> Meta {
        let since: Time = self.fs.mounts.since;
        Meta {
            kind: Kind::Dir,
            ino: 0,
            nlink: 2 + self.fs.mounts.children().count() as u64,
            size: 0,
            mode: 0o555,
            atime: since,
            mtime: since,
            ctime: since,
        }
    }

    pub(crate) fn list(&self, fd: &Resource<Descriptor>) -> Result<DirStream, Fault> {
        let descriptor = self.table.get(fd)?;
        let entries: Vec<Entry> = match &descriptor.node {
            Node::File(..) => return Err(ErrorCode::NotDirectory.into()),
            Node::Dir(mount, dir) => dir
                .list()?
                .into_iter()
                // A name that is not UTF-8 cannot be said in WASI: it is not shown.
                .filter_map(|e| {
                    let id = Some((mount.number, e.ino));
                    Some(Entry {
                        name: String::from_utf8(e.name).ok()?,
                        kind: convert::kind(e.kind),
                        id,
                    })
                })
                .collect(),
            Node::Sessions => {
                let entry = |(id, _): (&str, _)| Entry {
                    name: id.to_owned(),
                    kind: DescriptorType::Directory,
                    id: None,
                };
                self.fs.mounts.children().map(entry).collect()
            }
        };
        Ok(DirStream { dir: descriptor.serial, entries: entries.into_iter() })
    }
}

impl HostDirectoryEntryStream for FsCtx<'_> {
    fn read_directory_entry(
        &mut self,
        stream: Resource<DirStream>,
    ) -> Result<Option<DirectoryEntry>, Fault> {
        let stream = self.table.get_mut(&stream)?;
        let Some(Entry { name, kind, id }) = stream.entries.next() else { return Ok(None) };
        if let Some(id) = id {
            self.fs.memo.entry(stream.dir, &name, id);
        }
        Ok(Some(DirectoryEntry { type_: kind, name }))
    }

    fn drop(&mut self, stream: Resource<DirStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
