//! Standard output and error, as 0.3 asks for them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::output::Stream;

type Room = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// One of the two streams.
pub(crate) struct Output {
    stream: Stream,
    /// What is waited for while the sink is full.
    room: Option<Room>,
}

impl Output {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, room: None }
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &mut self.room {
                ready!(room.as_mut().poll(cx));
                self.room = None;
            }
            let free = self.stream.free();
            if free > 0 {
                let bytes = &bytes[..bytes.len().min(free)];
                return Poll::Ready(match self.stream.put(Bytes::copy_from_slice(bytes)) {
                    true => Ok(bytes.len()),
                    // The run ends for it at the next epoch.
                    false => Err(io::ErrorKind::BrokenPipe.into()),
                });
            }
            let stream = self.stream.clone();
            self.room = Some(Box::pin(async move { stream.room().await }));
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
