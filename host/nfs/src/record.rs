//! Records on a stream (RFC 5531, section 11): fragments, each behind four bytes that say how
//! long it is and whether it is the last.

use std::io::{self, Read};

use crate::nfs::MOST;

/// A call is no longer: what is written, and what a call says beside that.
pub(crate) const LONGEST: usize = MOST + (16 << 10);
const FRAGMENTS: usize = 64;
const LAST: u32 = 1 << 31;
/// What is made room for before it has come.
const STEP: u64 = 64 << 10;

/// Waits for a record to begin. `None`: the client has hung up.
pub(crate) fn begin(stream: &mut impl Read) -> io::Result<Option<u32>> {
    let mut head = [0; 4];
    let mut have = 0;
    while have < head.len() {
        match stream.read(&mut head[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(u32::from_be_bytes(head)))
}

/// Reads the rest of a record. A length that is claimed costs nothing before its bytes are there.
pub(crate) fn finish(mut head: u32, stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    for _ in 0..FRAGMENTS {
        let len = (head & !LAST) as usize;
        if record.len() + len > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a call that is too long"));
        }
        let end = record.len() + len;
        record.reserve(len.min(STEP as usize));
        while record.len() < end {
            let left = (end - record.len()) as u64;
            if stream.by_ref().take(left.min(STEP)).read_to_end(&mut record)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if head & LAST != 0 {
            return Ok(record);
        }
        head = begin(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a call in too many pieces"))
}

/// An answer with its length before it.
pub(crate) fn framed(answer: &[u8]) -> [u8; 4] {
    (answer.len() as u32 | LAST).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match begin(&mut bytes)? {
            Some(head) => finish(head, &mut bytes).map(Some),
            None => Ok(None),
        }
    }

    fn fragment(last: bool, bytes: &[u8]) -> Vec<u8> {
        let head = bytes.len() as u32 | if last { LAST } else { 0 };
        [&head.to_be_bytes(), bytes].concat()
    }

    #[test]
    fn records_come_in_pieces() {
        let whole = [fragment(false, b"ab"), fragment(false, b""), fragment(true, b"c")].concat();
        assert_eq!(read(&whole).unwrap(), Some(b"abc".to_vec()));
        assert_eq!(read(b"").unwrap(), None);
        for cut in 1..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut} bytes");
        }
        let large = vec![7; LONGEST];
        assert_eq!(read(&fragment(true, &large)).unwrap(), Some(large));
    }

    #[test]
    fn what_is_too_long_is_refused_by_what_it_claims() {
        for claimed in [LONGEST as u32 + 1, !LAST, u32::MAX] {
            let error = read(&claimed.to_be_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let pieces = fragment(false, b"").repeat(FRAGMENTS + 1);
        assert_eq!(read(&pieces).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // An HTTP request, in place of a length.
        assert!(read(b"POST / HTTP/1.1\r\n\r\n").is_err());
    }
}
