//! The operations, on descriptors.

use std::collections::HashMap;

use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::filesystem::preopens::get_directories;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode,
    NewTimestamp, OpenFlags, PathFlags, filesystem_error_code,
};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// What one call writes to a stream at most.
const CHUNK: usize = 4096;

type Result<T> = std::result::Result<T, ErrorCode>;

/// Entries of a directory; `None` is one whose name WASI cannot say.
pub type Entries = Vec<Option<(DescriptorType, String)>>;

pub struct Files {
    /// The directories that were open at the start, but for the current one.
    mounts: Vec<Descriptor>,
    /// The one that is worked in.
    at: usize,
    /// Directories below, which stand for theirs until they are left.
    entered: HashMap<usize, Descriptor>,
    slots: HashMap<(usize, u32), Descriptor>,
    held: HashMap<(usize, u32), DirectoryEntryStream>,
}

impl Files {
    pub fn new() -> Option<Self> {
        let open = get_directories().into_iter().filter(|(_, name)| name != ".");
        let mounts: Vec<_> = open.map(|(dir, _)| dir).collect();
        let (entered, slots, held) = (HashMap::new(), HashMap::new(), HashMap::new());
        (!mounts.is_empty()).then_some(Self { mounts, at: 0, entered, slots, held })
    }

    pub fn root(&self) -> &Descriptor {
        self.root_of(self.at)
    }

    fn root_of(&self, mount: usize) -> &Descriptor {
        self.entered.get(&mount).unwrap_or(&self.mounts[mount])
    }

    fn known(&self, mount: usize) -> Result<usize> {
        (mount < self.mounts.len()).then_some(mount).ok_or(ErrorCode::BadDescriptor)
    }

    pub fn mount(&mut self, mount: usize) -> Result<()> {
        self.at = self.known(mount)?;
        Ok(())
    }

    pub fn enter(&mut self, path: &str) -> Result<()> {
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        let how = (PathFlags::SYMLINK_FOLLOW, OpenFlags::DIRECTORY);
        let dir = self.root().open_at(how.0, path, how.1, flags)?;
        self.entered.insert(self.at, dir);
        Ok(())
    }

    pub fn leave(&mut self) {
        self.entered.remove(&self.at);
    }

    pub fn rename_to(&self, mount: usize, from: &str, to: &str) -> Result<()> {
        self.root().rename_at(from, self.root_of(self.known(mount)?), to)
    }

    pub fn link_to(&self, mount: usize, from: &str, to: &str) -> Result<()> {
        self.root().link_at(PathFlags::empty(), from, self.root_of(self.known(mount)?), to)
    }

    pub fn open(&mut self, slot: u32, path: &str, how: &str) -> Result<bool> {
        self.slots.remove(&(self.at, slot));
        let asked = |letter| how.contains(letter);
        let mut open = OpenFlags::empty();
        for (letter, flag) in
            [('c', OpenFlags::CREATE), ('x', OpenFlags::EXCLUSIVE), ('t', OpenFlags::TRUNCATE)]
        {
            if asked(letter) {
                open = open | flag;
            }
        }
        let mut flags = DescriptorFlags::empty();
        for (letter, flag) in [('r', DescriptorFlags::READ), ('w', DescriptorFlags::WRITE)] {
            if asked(letter) {
                flags = flags | flag;
            }
        }
        let file = self.root().open_at(follow_if(asked('f')), path, open, flags)?;
        if file.get_type()? == DescriptorType::Directory {
            return Ok(true);
        }
        self.slots.insert((self.at, slot), file);
        Ok(false)
    }

    pub fn close(&mut self, slot: u32) {
        self.slots.remove(&(self.at, slot));
    }

    fn slot(&self, slot: u32) -> Result<&Descriptor> {
        self.slots.get(&(self.at, slot)).ok_or(ErrorCode::BadDescriptor)
    }

    fn open_file(&self, path: &str, flags: DescriptorFlags) -> Result<Descriptor> {
        let file = self.root().open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), flags)?;
        match file.get_type()? {
            DescriptorType::Directory => Err(ErrorCode::IsDirectory),
            _ => Ok(file),
        }
    }

    /// Through a stream, or at an offset, as the offset falls.
    pub fn read(&self, slot: u32, at: u64, len: u64) -> Result<Vec<u8>> {
        let file = self.slot(slot)?;
        if at % 2 == 1 && len > 0 { stream_read(file, at, len) } else { read(file, at, len) }
    }

    pub fn read_path(&self, path: &str) -> Result<Vec<u8>> {
        read(&self.open_file(path, DescriptorFlags::READ)?, 0, u64::MAX)
    }

    pub fn read_link(&self, path: &str) -> Result<String> {
        self.root().readlink_at(path)
    }

    pub fn write(&self, slot: u32, at: u64, data: &[u8]) -> Result<usize> {
        write(self.slot(slot)?, at, data)
    }

    pub fn append(&self, slot: u32, data: &[u8]) -> Result<usize> {
        append(self.slot(slot)?, data)
    }

    pub fn write_path(&self, path: &str, at: u64, data: &[u8]) -> Result<usize> {
        write(&self.open_file(path, DescriptorFlags::WRITE)?, at, data)
    }

    pub fn append_path(&self, path: &str, data: &[u8]) -> Result<usize> {
        append(&self.open_file(path, DescriptorFlags::WRITE)?, data)
    }

    pub fn set_len(&self, slot: u32, len: u64) -> Result<()> {
        self.slot(slot)?.set_size(len)
    }

    pub fn set_len_path(&self, path: &str, len: u64) -> Result<()> {
        self.open_file(path, DescriptorFlags::WRITE)?.set_size(len)
    }

    pub fn handle_stat(&self, slot: u32) -> Result<DescriptorStat> {
        self.slot(slot)?.stat()
    }

    pub fn stat(&self, path: &str, follow: bool) -> Result<DescriptorStat> {
        self.root().stat_at(follow_if(follow), path)
    }

    pub fn handle_times(&self, slot: u32, seconds: u64, nanoseconds: u32) -> Result<()> {
        let at = NewTimestamp::Timestamp(Datetime { seconds, nanoseconds });
        self.slot(slot)?.set_times(NewTimestamp::NoChange, at)
    }

    pub fn set_times(&self, path: &str, seconds: u64, nanoseconds: u32) -> Result<()> {
        let at = NewTimestamp::Timestamp(Datetime { seconds, nanoseconds });
        self.root().set_times_at(follow_if(true), path, NewTimestamp::NoChange, at)
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.root().rename_at(from, self.root(), to)
    }

    pub fn link(&self, from: &str, to: &str) -> Result<()> {
        self.root().link_at(PathFlags::empty(), from, self.root(), to)
    }

    pub fn same(&self, a: &str, b: &str) -> Result<bool> {
        let of = |path| self.root().metadata_hash_at(PathFlags::empty(), path);
        let (a, b) = (of(a)?, of(b)?);
        Ok((a.lower, a.upper) == (b.lower, b.upper))
    }

    pub fn list(&self, path: &str) -> Result<Entries> {
        drain(&self.read_dir(path)?)
    }

    pub fn hold(&mut self, slot: u32, path: &str) -> Result<()> {
        self.held.remove(&(self.at, slot));
        let stream = self.read_dir(path)?;
        self.held.insert((self.at, slot), stream);
        Ok(())
    }

    pub fn drain(&mut self, slot: u32) -> Result<Entries> {
        drain(&self.held.remove(&(self.at, slot)).ok_or(ErrorCode::BadDescriptor)?)
    }

    fn read_dir(&self, path: &str) -> Result<DirectoryEntryStream> {
        let how = (PathFlags::SYMLINK_FOLLOW, OpenFlags::DIRECTORY, DescriptorFlags::READ);
        self.root().open_at(how.0, path, how.1, how.2)?.read_directory()
    }
}

fn follow_if(follow: bool) -> PathFlags {
    if follow { PathFlags::SYMLINK_FOLLOW } else { PathFlags::empty() }
}

fn drain(stream: &DirectoryEntryStream) -> Result<Entries> {
    let mut entries = Vec::new();
    loop {
        match stream.read_directory_entry() {
            Ok(Some(entry)) => entries.push(Some((entry.type_, entry.name))),
            Ok(None) => return Ok(entries),
            Err(ErrorCode::IllegalByteSequence) => entries.push(None),
            Err(code) => return Err(code),
        }
    }
}

fn read(file: &Descriptor, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let done = bytes.len() as u64;
        let (more, end) = file.read((len - done).min(1 << 16), at + done)?;
        bytes.extend_from_slice(&more);
        if end || more.is_empty() || bytes.len() as u64 == len {
            return Ok(bytes);
        }
    }
}

fn stream_read(file: &Descriptor, at: u64, len: u64) -> Result<Vec<u8>> {
    let stream: InputStream = file.read_via_stream(at)?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        match stream.blocking_read(len - bytes.len() as u64) {
            Ok(more) => bytes.extend_from_slice(&more),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(code(&error)),
        }
    }
    Ok(bytes)
}

/// Through a stream, or at an offset, as the offset falls.
fn write(file: &Descriptor, at: u64, data: &[u8]) -> Result<usize> {
    if at % 2 == 1 && !data.is_empty() {
        return stream_write(&file.write_via_stream(at)?, data);
    }
    let mut done = 0;
    loop {
        done += file.write(&data[done..], at + done as u64)? as usize;
        if done == data.len() {
            return Ok(done);
        }
    }
}

/// An empty write is no business of a stream, but of the descriptor.
fn append(file: &Descriptor, data: &[u8]) -> Result<usize> {
    if data.is_empty() {
        return write(file, 0, data);
    }
    stream_write(&file.append_via_stream()?, data)
}

fn stream_write(stream: &OutputStream, data: &[u8]) -> Result<usize> {
    for chunk in data.chunks(CHUNK) {
        stream.blocking_write_and_flush(chunk).map_err(|e| code(&e))?;
    }
    Ok(data.len())
}

fn code(error: &StreamError) -> ErrorCode {
    match error {
        StreamError::LastOperationFailed(error) => {
            filesystem_error_code(error).unwrap_or(ErrorCode::Io)
        }
        StreamError::Closed => ErrorCode::Pipe,
    }
}
