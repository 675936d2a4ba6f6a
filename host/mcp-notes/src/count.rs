//! How much of an answer is taken: bytes, and values in it.

use std::pin::Pin;
use std::task::{Context, Poll};

use brio_net::NetError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The largest answer, in bytes. The largest note fits in twice, as a text and as JSON, with what
/// JSON escapes in it.
pub(crate) const MOST_BYTES: u64 = 64 << 20;
/// So many values may be in it. A value takes many times the memory of the two bytes that it may
/// have on the way.
const MOST_VALUES: u64 = 1 << 20;

/// An answer that is not taken to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("its answer has over {MOST_VALUES} values")]
    Values,
    #[error("{0}")]
    Net(#[from] NetError),
}

/// Counts values of JSON as the bytes come by, in JSON as in events that hold some.
#[derive(Debug, Default)]
struct Counter {
    values: u64,
    in_text: bool,
    escaped: bool,
}

impl Counter {
    fn take(&mut self, bytes: &[u8]) -> Result<(), CountError> {
        for byte in bytes {
            match byte {
                // No text of JSON has a bare line's end in it: what a line left open is over.
                b'\n' | b'\r' => (self.in_text, self.escaped) = (false, false),
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = self.in_text,
                b'"' => self.in_text = !self.in_text,
                b',' | b':' | b'[' | b'{' if !self.in_text => self.values += 1,
                _ => {}
            }
        }
        if self.values > MOST_VALUES { Err(CountError::Values) } else { Ok(()) }
    }
}

/// A body of which the values are counted.
pub(crate) struct Counted<B> {
    body: B,
    counter: Counter,
}

impl<B> Counted<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, counter: Counter::default() }
    }
}

impl<B: Body<Data = Bytes, Error = NetError> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = CountError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CountError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            frame.data_ref().map_or(Ok(()), |data| self.counter.take(data))?;
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(parts: &[&str]) -> u64 {
        let mut counter = Counter::default();
        parts.iter().for_each(|part| counter.take(part.as_bytes()).unwrap());
        counter.values
    }

    #[test]
    fn values_are_counted_and_texts_are_not() {
        assert_eq!(values(&["[1,2,", "3]"]), 3);
        assert_eq!(values(&["{\"a\":\"1,2\\\",[{\"", "}"]), 2);
        assert_eq!(values(&["{\"a\\", "\",b\":1}"]), 2, "an escape that is torn");
        assert_eq!(values(&["data: \"open\nids: [0,0]"]), 4, "a line ends what it left open");
    }

    #[test]
    fn too_many_are_refused() {
        let mut counter = Counter::default();
        let many = ",".repeat(1 << 20);
        counter.take(many.as_bytes()).unwrap();
        assert!(matches!(counter.take(b","), Err(CountError::Values)));
    }
}
