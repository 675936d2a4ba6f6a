//! `wasi:filesystem/types`: every function of a descriptor.

use std::sync::Arc;

use brio_session::{Meta, SetTime};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::descriptor::{Descriptor, DirStream, Node};
use super::dirs::At;
use super::files::{File, Opened};
use super::streams::{CHUNK, Reader, To, Writer};
use super::{Fault, FsCtx, convert, errors};
use crate::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, Host, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};

type Fd = Resource<Descriptor>;

impl Host for FsCtx<'_> {
    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(errors::from_stream(self.table.get(&error)?))
    }

    fn convert_error_code(&mut self, error: Fault) -> wasmtime::Result<ErrorCode> {
        match error {
            Fault::Code(code) => Ok(code),
            Fault::Trap(e) => Err(e),
        }
    }
}

impl FsCtx<'_> {
    fn open(&mut self, node: Node, flags: DescriptorFlags) -> Result<Fd, Fault> {
        let serial = self.fs.next_serial();
        Ok(self.table.push(Descriptor { serial, flags, node, id: Default::default() })?)
    }

    pub(crate) fn meta(&self, fd: &Fd) -> Result<(u32, Meta), Fault> {
        let descriptor = self.table.get(fd)?;
        let (mount, meta) = match &descriptor.node {
            Node::File(mount, f) => (mount.number, f.meta()?),
            Node::Dir(mount, d) => (mount.number, d.meta()?),
            Node::Sessions => (u32::MAX, self.sessions_meta()),
        };
        descriptor.id.set(Some((mount, meta.ino)));
        Ok((mount, meta))
    }

    /// Looks at a name and remembers who it is.
    pub(crate) fn meta_at(
        &mut self,
        fd: &Fd,
        flags: PathFlags,
        path: String,
    ) -> Result<(u32, Meta), Fault> {
        let follow = convert::follow(flags);
        let serial = self.table.get(fd)?.serial;
        match self.at(fd, path.clone())? {
            At::Sessions => Ok((u32::MAX, self.sessions_meta())),
            At::In { mount, dir, path: inner } => {
                let meta = dir.stat_at(inner.as_bytes(), follow)?;
                self.fs.memo.stat(serial, path, follow, mount.number, &meta);
                Ok((mount.number, meta))
            }
        }
    }
}

impl HostDescriptor for FsCtx<'_> {
    fn read_via_stream(&mut self, fd: Fd, offset: u64) -> Result<Resource<DynInputStream>, Fault> {
        let stream: DynInputStream = Box::new(Reader::new(self.readable(&fd)?, offset));
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: u64,
    ) -> Result<Resource<DynOutputStream>, Fault> {
        self.output(&fd, To::At(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> Result<Resource<DynOutputStream>, Fault> {
        self.output(&fd, To::End)
    }

    /// A view has no use for advice; what no kernel would take is refused all the same.
    fn advise(&mut self, fd: Fd, offset: u64, length: u64, _: Advice) -> Result<(), Fault> {
        self.table.get(&fd)?.file()?;
        if i64::try_from(offset).is_err() || i64::try_from(length).is_err() {
            return Err(ErrorCode::Invalid.into());
        }
        Ok(())
    }

    fn sync_data(&mut self, fd: Fd) -> Result<(), Fault> {
        match &self.table.get(&fd)?.node {
            Node::File(_, f) => Ok(f.sync(true)?),
            Node::Dir(_, d) => Ok(d.sync()?),
            Node::Sessions => Ok(()),
        }
    }

    fn sync(&mut self, fd: Fd) -> Result<(), Fault> {
        match &self.table.get(&fd)?.node {
            Node::File(_, f) => Ok(f.sync(false)?),
            Node::Dir(_, d) => Ok(d.sync()?),
            Node::Sessions => Ok(()),
        }
    }

    fn get_flags(&mut self, fd: Fd) -> Result<DescriptorFlags, Fault> {
        Ok(self.table.get(&fd)?.flags)
    }

    fn get_type(&mut self, fd: Fd) -> Result<DescriptorType, Fault> {
        Ok(match self.table.get(&fd)?.node {
            Node::File(..) => DescriptorType::RegularFile,
            _ => DescriptorType::Directory,
        })
    }

    fn set_size(&mut self, fd: Fd, size: u64) -> Result<(), Fault> {
        self.fs.memo.forget();
        let file = self.table.get(&fd)?.file()?;
        if !file.writable() {
            // As ftruncate on a handle that is open for reading only.
            return Err(ErrorCode::Invalid.into());
        }
        Ok(file.set_len(size)?)
    }

    fn set_times(&mut self, fd: Fd, atime: NewTimestamp, mtime: NewTimestamp) -> Result<(), Fault> {
        let (atime, mtime) = (convert::set_time(atime)?, convert::set_time(mtime)?);
        self.touch(&fd, atime, mtime)
    }

    fn read(&mut self, fd: Fd, length: u64, offset: u64) -> Result<(Vec<u8>, bool), Fault> {
        let file = self.table.get(&fd)?.file()?;
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK).min(CHUNK)];
        let n = file.read_at(&mut buffer, offset)?;
        buffer.truncate(n);
        Ok((buffer, n == 0))
    }

    fn write(&mut self, fd: Fd, buffer: Vec<u8>, offset: u64) -> Result<u64, Fault> {
        let descriptor = self.table.get(&fd)?;
        let file = descriptor.file()?;
        let n = file.write_at(&buffer, offset)?;
        if descriptor.syncs() {
            file.sync(true)?;
        }
        Ok(n as u64)
    }

    fn read_directory(&mut self, fd: Fd) -> Result<Resource<DirStream>, Fault> {
        let stream = self.list(&fd)?;
        Ok(self.table.push(stream)?)
    }

    fn create_directory_at(&mut self, fd: Fd, path: String) -> Result<(), Fault> {
        self.fs.memo.forget();
        let (_, dir, path) = self.at_new(&fd, path)?.changing()?;
        Ok(dir.mkdir_at(path.as_bytes())?)
    }

    fn stat(&mut self, fd: Fd) -> Result<DescriptorStat, Fault> {
        Ok(convert::stat(&self.meta(&fd)?.1))
    }

    fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> Result<DescriptorStat, Fault> {
        Ok(convert::stat(&self.meta_at(&fd, flags, path)?.1))
    }

    fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        atime: NewTimestamp,
        mtime: NewTimestamp,
    ) -> Result<(), Fault> {
        let (atime, mtime) = (convert::set_time(atime)?, convert::set_time(mtime)?);
        self.touch_at(&fd, flags, path, atime, mtime)
    }

    fn link_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> Result<(), Fault> {
        // As wasmtime and wasi-testsuite have it: a hard link is never made through a link.
        if convert::follow(flags) {
            return Err(ErrorCode::Invalid.into());
        }
        self.fs.memo.forget();
        let (mount, from, old) = self.at(&fd, old)?.changing()?;
        let (other, to, new) = self.at_new(&new_fd, new)?.changing()?;
        if mount.number != other.number {
            return Err(ErrorCode::CrossDevice.into());
        }
        Ok(from.link_at(old.as_bytes(), &to, new.as_bytes())?)
    }

    fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Fd, Fault> {
        let how = convert::open(path_flags, open, flags)?;
        if how.create || how.truncate {
            self.fs.memo.forget();
        }
        let at = if how.create { self.at_new(&fd, path)? } else { self.at(&fd, path)? };
        let node = match at {
            At::Sessions if how.write || how.create || how.truncate => {
                return Err(ErrorCode::IsDirectory.into());
            }
            At::Sessions => Node::Sessions,
            At::In { mount, dir, path } => match dir.open_at(path.as_bytes(), &how)? {
                Opened::File(f) => Node::File(mount, Arc::new(f)),
                Opened::Dir(d) => Node::Dir(mount, d),
            },
        };
        let mut flags = flags;
        if !matches!(node, Node::Dir(..)) {
            flags &= !DescriptorFlags::MUTATE_DIRECTORY;
        }
        self.open(node, flags)
    }

    fn readlink_at(&mut self, fd: Fd, path: String) -> Result<String, Fault> {
        match self.at(&fd, path)? {
            At::Sessions => Err(ErrorCode::Invalid.into()),
            At::In { dir, path, .. } => {
                let target = dir.read_link_at(path.as_bytes())?;
                // As the WIT has it: an absolute target is a path of the host.
                if target.first() == Some(&b'/') {
                    return Err(ErrorCode::NotPermitted.into());
                }
                String::from_utf8(target).map_err(|_| ErrorCode::IllegalByteSequence.into())
            }
        }
    }

    fn remove_directory_at(&mut self, fd: Fd, path: String) -> Result<(), Fault> {
        self.fs.memo.forget();
        let (_, dir, path) = self.at(&fd, path)?.changing()?;
        Ok(dir.rmdir_at(path.as_bytes())?)
    }

    fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> Result<(), Fault> {
        self.fs.memo.forget();
        let (mount, from, old) = self.at(&fd, old)?.changing()?;
        let (other, to, new) = self.at_new(&new_fd, new)?.changing()?;
        if mount.number != other.number {
            return Err(ErrorCode::CrossDevice.into());
        }
        Ok(from.rename_at(old.as_bytes(), &to, new.as_bytes())?)
    }

    fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> Result<(), Fault> {
        convert::check_path(&target)?;
        self.fs.memo.forget();
        let (_, dir, path) = self.at_new(&fd, path)?.changing()?;
        Ok(dir.symlink_at(target.as_bytes(), path.as_bytes())?)
    }

    fn unlink_file_at(&mut self, fd: Fd, path: String) -> Result<(), Fault> {
        self.fs.memo.forget();
        let (_, dir, path) = self.at(&fd, path)?.changing()?;
        Ok(dir.unlink_at(path.as_bytes())?)
    }

    fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        let id = |fd| match self.meta(fd) {
            Ok((mount, meta)) => Ok(Some((mount, meta.ino))),
            // Handles of an ended session are no object any more.
            Err(Fault::Code(_)) => Ok(None),
            Err(Fault::Trap(e)) => Err(e),
        };
        Ok(matches!((id(&a)?, id(&b)?), (Some(a), Some(b)) if a == b))
    }

    fn metadata_hash(&mut self, fd: Fd) -> Result<MetadataHashValue, Fault> {
        if let Some(id) = self.table.get(&fd)?.id.get() {
            return Ok(convert::hash(id));
        }
        let (mount, meta) = self.meta(&fd)?;
        Ok(convert::hash((mount, meta.ino)))
    }

    fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue, Fault> {
        let serial = self.table.get(&fd)?.serial;
        if let Some(id) = self.fs.memo.get(serial, &path, convert::follow(flags)) {
            return Ok(convert::hash(id));
        }
        let (mount, meta) = self.meta_at(&fd, flags, path)?;
        Ok(convert::hash((mount, meta.ino)))
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.table.delete(fd)?;
        Ok(())
    }
}

/// What the versions of WASI share.
impl FsCtx<'_> {
    fn output(&mut self, fd: &Fd, to: To) -> Result<Resource<DynOutputStream>, Fault> {
        let stream: DynOutputStream = Box::new(self.writer(fd, to)?);
        Ok(self.table.push(stream)?)
    }

    pub(crate) fn readable(&self, fd: &Fd) -> Result<Arc<File>, Fault> {
        match &self.table.get(fd)?.node {
            Node::File(_, f) => Ok(f.clone()),
            _ => Err(ErrorCode::IsDirectory.into()),
        }
    }

    pub(crate) fn writer(&self, fd: &Fd, to: To) -> Result<Writer, Fault> {
        let descriptor = self.table.get(fd)?;
        let file = descriptor.file()?;
        if !file.writable() {
            return Err(ErrorCode::BadDescriptor.into());
        }
        Ok(Writer::new(file.clone(), to, descriptor.syncs()))
    }

    pub(crate) fn touch(&mut self, fd: &Fd, atime: SetTime, mtime: SetTime) -> Result<(), Fault> {
        self.fs.memo.forget();
        match &self.table.get(fd)?.node {
            Node::File(_, f) => Ok(f.set_times(atime, mtime)?),
            Node::Dir(_, d) => Ok(d.set_times(atime, mtime)?),
            Node::Sessions => Err(ErrorCode::ReadOnly.into()),
        }
    }

    pub(crate) fn touch_at(
        &mut self,
        fd: &Fd,
        flags: PathFlags,
        path: String,
        atime: SetTime,
        mtime: SetTime,
    ) -> Result<(), Fault> {
        self.fs.memo.forget();
        let (_, dir, path) = self.at(fd, path)?.changing()?;
        Ok(dir.set_times_at(path.as_bytes(), convert::follow(flags), atime, mtime)?)
    }
}
