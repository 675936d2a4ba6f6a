//! XDR (RFC 4506), as far as NFSv3 has it: four-byte units, the most significant byte first.
//!
//! Nothing that a client claims is believed: a length is compared with what is there, and with
//! what it may be, before anything is made of it, and nothing is copied.

/// What was sent is not what the protocol has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbage;

/// Reads what was sent.
#[derive(Debug, Clone)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Garbage> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Garbage)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbage> {
        self.take(N)?.try_into().map_err(|_| Garbage)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Garbage> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Garbage> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Garbage> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Garbage),
        }
    }

    /// Bytes, of which there are not more than `most`.
    pub(crate) fn opaque(&mut self, most: usize) -> Result<&'a [u8], Garbage> {
        let len = self.u32()? as usize;
        if len > most {
            return Err(Garbage);
        }
        let bytes = self.take(len)?;
        self.take(padding(len))?;
        Ok(bytes)
    }

    /// Something, or nothing.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Garbage>,
    ) -> Result<Option<T>, Garbage> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// That nothing more was sent.
    pub(crate) fn end(&self) -> Result<(), Garbage> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbage) }
    }
}

fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// Writes an answer.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn array(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len() + padding(bytes.len()), 0);
    }

    pub(crate) fn u32(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    pub(crate) fn bool(&mut self, b: bool) {
        self.u32(b.into());
    }

    pub(crate) fn opaque(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.array(bytes);
    }

    /// Bytes that `fill` puts into a buffer of `most`; it says how many there are.
    pub(crate) fn fill<E>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let start = self.0.len();
        self.0.resize(start + 4 + most, 0);
        let done = fill(&mut self.0[start + 4..])?.min(most);
        self.0.truncate(start + 4 + done);
        self.0.resize(start + 4 + done + padding(done), 0);
        self.set(start, done as u32);
        Ok(done)
    }

    /// Writes another number where one was written.
    pub(crate) fn set(&mut self, at: usize, n: u32) {
        self.0[at..at + 4].copy_from_slice(&n.to_be_bytes());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes back what was written from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut e = Encoder::default();
        e.u32(7);
        e.u64(1 << 40);
        e.bool(true);
        e.opaque(b"abcde");
        let filled = e.fill::<()>(9, |to| {
            to[..3].copy_from_slice(b"xyz");
            Ok(3)
        });
        assert_eq!(filled, Ok(3));
        let bytes = e.into_bytes();
        assert_eq!(bytes.len() % 4, 0);
        let mut d = Decoder::new(&bytes);
        assert_eq!((d.u32(), d.u64(), d.bool()), (Ok(7), Ok(1 << 40), Ok(true)));
        assert_eq!((d.opaque(5), d.opaque(3)), (Ok(&b"abcde"[..]), Ok(&b"xyz"[..])));
        assert_eq!(d.end(), Ok(()));
    }

    #[test]
    fn lengths_are_not_believed() {
        let claims = |len: u32| len.to_be_bytes().to_vec();
        for len in [5, u32::MAX] {
            assert_eq!(Decoder::new(&claims(len)).opaque(usize::MAX), Err(Garbage));
        }
        let mut one = claims(3);
        one.extend_from_slice(b"abc");
        assert_eq!(Decoder::new(&one).opaque(3), Err(Garbage), "without its padding");
        one.push(0);
        assert_eq!(Decoder::new(&one).opaque(2), Err(Garbage), "longer than it may be");
        assert_eq!(Decoder::new(&one).opaque(3), Ok(&b"abc"[..]));
        assert_eq!(Decoder::new(&claims(2)).bool(), Err(Garbage));
    }
}
