//! Frames: `head length u32 | body length u32 | head | body`, little-endian. A head is postcard,
//! a body is bytes: what is read, written and shown is never encoded.

use std::io::{self, BufReader, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use serde::Serialize;
use serde::de::DeserializeOwned;

const BUFFER: usize = 128 << 10;

/// What one frame may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) head: usize,
    pub(super) body: usize,
}

/// The end that writes. Frames of several threads do not mix.
pub(super) struct Writer(Mutex<UnixStream>);

impl Writer {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self(Mutex::new(socket))
    }

    pub(super) fn send(&self, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
        let encoded = postcard::to_extend(head, vec![0; 8]).map_err(io::Error::other)?;
        let mut head = encoded;
        let lengths = [head.len() - 8, body.len()];
        for (place, length) in lengths.into_iter().enumerate() {
            let length = u32::try_from(length).map_err(io::Error::other)?;
            head[place * 4..][..4].copy_from_slice(&length.to_le_bytes());
        }
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sent = 0;
        while sent < head.len() {
            let parts = [IoSlice::new(&head[sent..]), IoSlice::new(body)];
            match socket.write_vectored(&parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) if n > head.len() - sent => {
                    let of_body = n - (head.len() - sent);
                    return socket.write_all(&body[of_body..]);
                }
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        socket.write_all(body)
    }
}

/// How long what comes is looked for before the thread sleeps: an answer is mostly there earlier
/// than a sleeping thread is woken.
const LOOK: Duration = Duration::from_micros(50);
/// Who looked in vain so often does so only every now and then.
const VAIN: u32 = 4;
const NOW_AND_THEN: u32 = 64;

/// A socket that is looked at for a moment before it is waited for.
struct Eager {
    socket: UnixStream,
    /// There is a processor for each side.
    looks: bool,
    vain: u32,
}

impl Eager {
    fn look(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        if self.vain >= VAIN {
            self.vain += 1;
            if !self.vain.is_multiple_of(NOW_AND_THEN) {
                return None;
            }
        }
        let begun = Instant::now();
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, got)) => {
                    self.vain = 0;
                    return Some(Ok(got));
                }
                Err(Errno::AGAIN) if begun.elapsed() < LOOK => std::hint::spin_loop(),
                Err(Errno::AGAIN) => {
                    self.vain = self.vain.saturating_add(1);
                    return None;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Some(Err(e.into())),
            }
        }
    }
}

impl Read for Eager {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.looks.then(|| self.look(buffer)).flatten() {
            Some(read) => read,
            None => self.socket.read(buffer),
        }
    }
}

/// The end that reads.
pub(super) struct Reader(BufReader<Eager>);

/// A frame whose body is still to be read, all of it.
pub(super) struct Head {
    pub(super) head: Vec<u8>,
    pub(super) body: usize,
}

impl Head {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> io::Result<T> {
        postcard::from_bytes(&self.head).map_err(io::Error::other)
    }
}

impl Reader {
    pub(super) fn new(socket: UnixStream) -> Self {
        let looks = std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        Self(BufReader::with_capacity(BUFFER, Eager { socket, looks, vain: 0 }))
    }

    /// The next head; `None` at the end of the stream, also in the middle of a frame.
    pub(super) fn head(&mut self, most: Most) -> io::Result<Option<Head>> {
        let mut lengths = [0; 8];
        match self.0.read_exact(&mut lengths) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [head, body] = [0, 4].map(|at| {
            let mut length = [0; 4];
            length.copy_from_slice(&lengths[at..at + 4]);
            u32::from_le_bytes(length) as usize
        });
        if head > most.head || body > most.body {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
        }
        Ok(Some(Head { head: self.bytes(head)?, body }))
    }

    /// A length that somebody claims costs no memory before the bytes are there.
    pub(super) fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length.min(BUFFER));
        (&mut self.0).take(length as u64).read_to_end(&mut bytes)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most { head: 64, body: 1 << 20 };

    #[test]
    fn frames_come_as_they_went() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (writer, mut reader) = (Writer::new(ours), Reader::new(theirs));
        let large = vec![7_u8; 1 << 20];
        let sender = std::thread::spawn(move || {
            for (head, body) in [(1_u64, &[][..]), (u64::MAX, &large), (3, b"x")] {
                writer.send(&head, body).unwrap();
            }
        });
        for (head, length) in [(1_u64, 0), (u64::MAX, 1 << 20), (3, 1)] {
            let frame = reader.head(MOST).unwrap().unwrap();
            assert_eq!((frame.decode::<u64>().unwrap(), frame.body), (head, length));
            assert_eq!(reader.bytes(frame.body).unwrap().len(), length);
        }
        sender.join().unwrap();
        assert!(reader.head(MOST).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_or_torn_is_no_frame() {
        for (bytes, torn) in [
            (&[65, 0, 0, 0, 0, 0, 0, 0][..], false),
            (&[1, 0, 0, 0, 1, 0, 16, 0, 0][..], false),
            (&[4, 0, 0, 0, 0, 0, 0, 0, 1][..], false),
            (&[4, 0, 0][..], true),
        ] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            let got = Reader::new(theirs).head(MOST);
            assert_eq!(matches!(got, Ok(None)), torn, "{bytes:?}");
            assert_eq!(got.is_err(), !torn, "{bytes:?}");
        }
    }
}
