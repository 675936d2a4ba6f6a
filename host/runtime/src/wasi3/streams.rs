//! Reading and writing a file, and listing a directory, as streams of 0.3.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Access, Destination, FutureReader, Source, StreamConsumer, StreamProducer, StreamReader,
    StreamResult,
};

use super::bindings::wasi::filesystem::types::{DirectoryEntry, ErrorCode};
use super::convert;
use crate::fs::{BrioFs, CHUNK, DirStream, Fault, File, Writer};

type Ended = FutureReader<Result<(), ErrorCode>>;

/// Tells how a stream ended, once: well, unless it was told otherwise before.
struct End(Option<oneshot::Sender<Result<(), ErrorCode>>>);

impl End {
    fn new() -> (Self, oneshot::Receiver<Result<(), ErrorCode>>) {
        let (send, receive) = oneshot::channel();
        (Self(Some(send)), receive)
    }

    /// The guest is told and the stream ends, or the guest ends.
    fn failed(&mut self, fault: impl Into<Fault>) -> wasmtime::Result<StreamResult> {
        match fault.into() {
            Fault::Trap(e) => Err(e),
            Fault::Code(code) => {
                if let Some(send) = self.0.take() {
                    let _ = send.send(Err(convert::code(code)));
                }
                Ok(StreamResult::Dropped)
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            // Nobody may be interested.
            let _ = send.send(Ok(()));
        }
    }
}

pub(super) fn read<U: 'static>(
    store: &mut Access<'_, U, BrioFs>,
    file: Result<Arc<File>, Fault>,
    at: u64,
) -> wasmtime::Result<(StreamReader<u8>, Ended)> {
    let (mut end, ended) = End::new();
    let stream = match file {
        Ok(file) => StreamReader::new(&mut *store, Reader { file, at, end })?,
        Err(fault) => {
            end.failed(fault)?;
            StreamReader::new(&mut *store, Vec::new())?
        }
    };
    Ok((stream, FutureReader::new(store, ended)?))
}

pub(super) fn write<U: 'static>(
    store: &mut Access<'_, U, BrioFs>,
    writer: Result<Writer, Fault>,
    mut data: StreamReader<u8>,
) -> wasmtime::Result<Ended> {
    let (mut end, ended) = End::new();
    match writer {
        Ok(writer) => data.pipe(&mut *store, Sink { writer, end })?,
        Err(fault) => {
            data.close(&mut *store)?;
            end.failed(fault)?;
        }
    }
    FutureReader::new(store, ended)
}

pub(super) fn list<U: 'static>(
    store: &mut Access<'_, U, BrioFs>,
    listed: Result<DirStream, Fault>,
) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Ended)> {
    let (mut end, ended) = End::new();
    let entries: Vec<_> = match listed {
        Ok(stream) => stream
            .into_names()
            .map(|(name, kind)| DirectoryEntry { type_: convert::kind(kind), name })
            .collect(),
        Err(fault) => {
            end.failed(fault)?;
            Vec::new()
        }
    };
    Ok((StreamReader::new(&mut *store, entries)?, FutureReader::new(store, ended)?))
}

struct Reader {
    file: Arc<File>,
    at: u64,
    end: End,
}

impl<D: 'static> StreamProducer<D> for Reader {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, BytesMut>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut destination = destination.as_direct(store, CHUNK);
        let buffer = destination.remaining();
        if buffer.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed)); // is there something? at once
        }
        let room = buffer.len().min(CHUNK);
        Poll::Ready(match self.file.read_at(&mut buffer[..room], self.at) {
            Ok(0) => Ok(StreamResult::Dropped),
            Ok(n) => {
                destination.mark_written(n);
                self.at = self.at.saturating_add(n as u64);
                Ok(StreamResult::Completed)
            }
            Err(e) => self.end.failed(e),
        })
    }
}

struct Sink {
    writer: Writer,
    end: End,
}

impl<D: 'static> StreamConsumer<D> for Sink {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let n = bytes.len().min(CHUNK);
        Poll::Ready(match self.writer.put(&bytes[..n]) {
            Ok(()) => {
                source.mark_read(n);
                Ok(StreamResult::Completed)
            }
            Err(e) => self.end.failed(e),
        })
    }
}
