//! Reading and writing a file as a stream. A view answers at once, so nothing here waits.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::errors;
use super::files::File;

/// What one call may move: a bound on the host's memory, not on the guest's reads.
pub(crate) const CHUNK: usize = 1 << 20;

/// Reads on from a position.
pub(super) struct Reader {
    file: Arc<File>,
    at: u64,
}

impl Reader {
    pub(super) fn new(file: Arc<File>, at: u64) -> Self {
        Self { file, at }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = BytesMut::zeroed(size.min(CHUNK));
        let n = self.file.read_at(&mut buffer, self.at).map_err(errors::stream)?;
        if n == 0 {
            return Err(StreamError::Closed);
        }
        self.at += n as u64;
        buffer.truncate(n);
        Ok(buffer.freeze())
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.read(size)
    }
}

/// Writes on from a position, or at the end.
pub(crate) struct Writer {
    file: Arc<File>,
    to: To,
    sync: bool,
    closed: bool,
}

/// Where a [`Writer`] writes.
pub(crate) enum To {
    At(u64),
    End,
}

impl Writer {
    pub(super) fn new(file: Arc<File>, to: To, sync: bool) -> Self {
        Self { file, to, sync, closed: false }
    }

    /// Writes all of it.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> brio_session::FsResult<()> {
        while !bytes.is_empty() {
            let n = match &mut self.to {
                To::End => self.file.append(bytes)?,
                To::At(at) => {
                    let n = self.file.write_at(bytes, *at)?;
                    *at += n as u64;
                    n
                }
            };
            if n == 0 {
                return Err(brio_session::FsError::NoSpace);
            }
            bytes = &bytes[n..];
        }
        if self.sync { self.file.sync(true) } else { Ok(()) }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn check_write(&mut self) -> StreamResult<usize> {
        if self.closed { Err(StreamError::Closed) } else { Ok(CHUNK) }
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if bytes.len() > CHUNK {
            return Err(crate::output::too_much());
        }
        self.put(&bytes).map_err(|e| {
            self.closed = true;
            errors::stream(e)
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        if self.closed { Err(StreamError::Closed) } else { Ok(()) }
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write(bytes)
    }
}
