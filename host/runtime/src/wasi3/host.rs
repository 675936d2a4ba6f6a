//! `wasi:filesystem@0.3`: every function, by what answers it in 0.2.

use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};

use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::{convert, streams};
use crate::bindings::wasi::filesystem::preopens::Host as Preopens;
use crate::bindings::wasi::filesystem::types::{Advice as Advice2, HostDescriptor as Two};
use crate::fs::{BrioFs, Descriptor, Fault, FsCtx, To};

type Fd = Resource<Descriptor>;
type Ended = FutureReader<Result<(), ErrorCode>>;

impl types::Host for FsCtx<'_> {
    fn convert_error_code(&mut self, error: Fault) -> wasmtime::Result<ErrorCode> {
        match error {
            Fault::Code(code) => Ok(convert::code(code)),
            Fault::Trap(e) => Err(e),
        }
    }
}

impl preopens::Host for FsCtx<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        Preopens::get_directories(self)
    }
}

impl types::HostDescriptor for FsCtx<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        Two::drop(self, fd)
    }
}

/// A view answers at once: nothing here waits.
fn with<U, T>(store: &Accessor<U, BrioFs>, answer: impl FnOnce(&mut FsCtx<'_>) -> T) -> T {
    store.with(|mut store| answer(&mut store.get()))
}

impl<U: Send + 'static> types::HostDescriptorWithStore<U> for BrioFs {
    fn read_via_stream(
        mut store: Access<'_, U, Self>,
        fd: Fd,
        offset: u64,
    ) -> wasmtime::Result<(StreamReader<u8>, Ended)> {
        let file = store.get().readable(&fd);
        streams::read(&mut store, file, offset)
    }

    fn write_via_stream(
        mut store: Access<'_, U, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: u64,
    ) -> wasmtime::Result<Ended> {
        let writer = store.get().writer(&fd, To::At(offset));
        streams::write(&mut store, writer, data)
    }

    fn append_via_stream(
        mut store: Access<'_, U, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Ended> {
        let writer = store.get().writer(&fd, To::End);
        streams::write(&mut store, writer, data)
    }

    fn read_directory(
        mut store: Access<'_, U, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Ended)> {
        let listed = store.get().list(&fd);
        streams::list(&mut store, listed)
    }

    async fn advise(
        store: &Accessor<U, Self>,
        fd: Fd,
        offset: u64,
        length: u64,
        _: Advice,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::advise(fs, fd, offset, length, Advice2::Normal))
    }

    async fn sync_data(store: &Accessor<U, Self>, fd: Fd) -> Result<(), Fault> {
        with(store, |fs| Two::sync_data(fs, fd))
    }

    async fn get_flags(store: &Accessor<U, Self>, fd: Fd) -> Result<DescriptorFlags, Fault> {
        with(store, |fs| Two::get_flags(fs, fd)).map(convert::flags_of)
    }

    async fn get_type(store: &Accessor<U, Self>, fd: Fd) -> Result<DescriptorType, Fault> {
        with(store, |fs| Two::get_type(fs, fd)).map(convert::kind)
    }

    async fn set_size(store: &Accessor<U, Self>, fd: Fd, size: u64) -> Result<(), Fault> {
        with(store, |fs| Two::set_size(fs, fd, size))
    }

    async fn set_times(
        store: &Accessor<U, Self>,
        fd: Fd,
        atime: NewTimestamp,
        mtime: NewTimestamp,
    ) -> Result<(), Fault> {
        let (atime, mtime) = (convert::set_time(atime)?, convert::set_time(mtime)?);
        with(store, |fs| fs.touch(&fd, atime, mtime))
    }

    async fn sync(store: &Accessor<U, Self>, fd: Fd) -> Result<(), Fault> {
        with(store, |fs| Two::sync(fs, fd))
    }

    async fn create_directory_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        path: String,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::create_directory_at(fs, fd, path))
    }

    async fn stat(store: &Accessor<U, Self>, fd: Fd) -> Result<DescriptorStat, Fault> {
        with(store, |fs| Ok(convert::stat(&fs.meta(&fd)?.1)))
    }

    async fn stat_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> Result<DescriptorStat, Fault> {
        let flags = convert::path_flags(flags);
        with(store, |fs| Ok(convert::stat(&fs.meta_at(&fd, flags, path)?.1)))
    }

    async fn set_times_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
        atime: NewTimestamp,
        mtime: NewTimestamp,
    ) -> Result<(), Fault> {
        let (atime, mtime) = (convert::set_time(atime)?, convert::set_time(mtime)?);
        with(store, |fs| fs.touch_at(&fd, convert::path_flags(flags), path, atime, mtime))
    }

    async fn link_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::link_at(fs, fd, convert::path_flags(flags), old, new_fd, new))
    }

    async fn open_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Fd, Fault> {
        let (path_flags, open) = (convert::path_flags(path_flags), convert::open_flags(open));
        let flags = convert::descriptor_flags(flags);
        with(store, |fs| Two::open_at(fs, fd, path_flags, path, open, flags))
    }

    async fn readlink_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> Result<String, Fault> {
        with(store, |fs| Two::readlink_at(fs, fd, path))
    }

    async fn remove_directory_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        path: String,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::remove_directory_at(fs, fd, path))
    }

    async fn rename_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::rename_at(fs, fd, old, new_fd, new))
    }

    async fn symlink_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        target: String,
        path: String,
    ) -> Result<(), Fault> {
        with(store, |fs| Two::symlink_at(fs, fd, target, path))
    }

    async fn unlink_file_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> Result<(), Fault> {
        with(store, |fs| Two::unlink_file_at(fs, fd, path))
    }

    async fn is_same_object(store: &Accessor<U, Self>, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        with(store, |fs| Two::is_same_object(fs, a, b))
    }

    async fn metadata_hash(store: &Accessor<U, Self>, fd: Fd) -> Result<MetadataHashValue, Fault> {
        with(store, |fs| Two::metadata_hash(fs, fd)).map(convert::hash)
    }

    async fn metadata_hash_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue, Fault> {
        let flags = convert::path_flags(flags);
        with(store, |fs| Two::metadata_hash_at(fs, fd, flags, path)).map(convert::hash)
    }
}
