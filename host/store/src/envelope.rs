//! How the bytes of an object lie in the store: compressed where that is smaller.

use bytes::Bytes;

use crate::{Error, Hash, Result};

/// The longest content of one object.
pub(crate) const MAX_CONTENT: usize = 4 << 20;
/// Bytes before the content.
pub(crate) const HEADER: u32 = 5;

/// How blobs and trees are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// zstd at a level from 1 to 22.
    Zstd(i32),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(3)
    }
}

/// Puts a content in its envelope.
pub(crate) fn seal(content: &[u8], compression: Compression) -> Result<Bytes> {
    if content.len() > MAX_CONTENT {
        return Err(Error::corrupt("an object", format!("it has {} bytes", content.len())));
    }
    let mut out = Vec::with_capacity(HEADER as usize + content.len());
    let raw = |out: &mut Vec<u8>| {
        out.push(0);
        out.extend_from_slice(&(content.len() as u32).to_le_bytes());
        out.extend_from_slice(content);
    };
    match compression {
        Compression::None => raw(&mut out),
        Compression::Zstd(level) => {
            let packed = zstd::bulk::compress(content, level.clamp(1, 22))
                .map_err(|e| Error::host("compression", e))?;
            if packed.len() < content.len() {
                out.push(1);
                out.extend_from_slice(&(content.len() as u32).to_le_bytes());
                out.extend_from_slice(&packed);
            } else {
                raw(&mut out);
            }
        }
    }
    Ok(out.into())
}

/// Takes a content out of its envelope, and checks that it is what its hash says.
pub(crate) fn open(envelope: &Bytes, kind: &str, hash: &Hash) -> Result<Bytes> {
    let bad = |why: &str| Error::corrupt(format!("{kind} {hash}"), why);
    let (head, rest) =
        envelope.split_at_checked(HEADER as usize).ok_or_else(|| bad("it is cut off"))?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > MAX_CONTENT {
        return Err(bad("its length is beyond the bound"));
    }
    let content = match head[0] {
        0 => envelope.slice(HEADER as usize..),
        1 => {
            // One frame: what follows it would be bytes that nothing names.
            let frame = zstd::zstd_safe::find_frame_compressed_size(rest);
            if frame != Ok(rest.len()) {
                return Err(bad("it is not one frame"));
            }
            zstd::bulk::decompress(rest, length).map_err(|_| bad("it cannot be decoded"))?.into()
        }
        _ => return Err(bad("its codec is not known")),
    };
    if content.len() != length {
        return Err(bad("its length is not what it says"));
    }
    match Hash::of(&content) == *hash {
        true => Ok(content),
        false => Err(bad("its content does not match its hash")),
    }
}

/// The content of the first of several envelopes, and the length of that envelope; `None`: it
/// cannot be read.
pub(crate) fn first(envelopes: &Bytes) -> Option<(Bytes, usize)> {
    let header = HEADER as usize;
    let (head, rest) = envelopes.split_at_checked(header)?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > MAX_CONTENT {
        return None;
    }
    let size = match head[0] {
        0 => length,
        1 => zstd::zstd_safe::find_frame_compressed_size(rest).ok()?,
        _ => return None,
    };
    let encoded = rest.get(..size)?;
    let content = match head[0] {
        0 => envelopes.slice(header..header + size),
        _ => zstd::bulk::decompress(encoded, length).ok()?.into(),
    };
    (content.len() == length).then_some((content, header + size))
}
