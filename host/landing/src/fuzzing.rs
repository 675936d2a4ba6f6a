//! What fuzz targets reach of the inside of this crate (feature `fuzzing`). No part of its
//! interface.

use crate::intent::{END_MAGIC, End, INTENT_MAGIC, Intent, decode, encode};
use crate::meta::Meta;
use crate::{Unmerged, journal, merge_text};

/// Decodes the content of an `intent`: what is accepted is written as it was read.
pub fn intent(raw: &[u8]) -> bool {
    decode::<Intent>(INTENT_MAGIC, raw).is_ok_and(|i| {
        let again = encode(INTENT_MAGIC, &i).unwrap_or_default();
        assert_eq!(decode::<Intent>(INTENT_MAGIC, &again), Ok(i));
        true
    })
}

/// As [`intent`], of an `end`.
pub fn end(raw: &[u8]) -> bool {
    decode::<End>(END_MAGIC, raw).is_ok_and(|e| {
        let again = encode(END_MAGIC, &e).unwrap_or_default();
        assert_eq!(decode::<End>(END_MAGIC, &again), Ok(e));
        true
    })
}

/// A record whose frame is right, so that its payload is looked at.
pub fn framed(payload: &[u8]) -> [Vec<u8>; 2] {
    [INTENT_MAGIC, END_MAGIC].map(|magic| {
        let mut raw = Vec::with_capacity(payload.len() + 20);
        raw.extend_from_slice(magic);
        raw.extend_from_slice(&1u32.to_le_bytes());
        raw.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        raw.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
        raw.extend_from_slice(payload);
        raw
    })
}

/// How many lines of a journal can be read.
pub fn journal(raw: &[u8]) -> usize {
    journal::parse(raw).len()
}

/// Whether a `meta.json` can be read.
pub fn meta(raw: &[u8]) -> bool {
    serde_json::from_slice::<Meta>(raw).is_ok()
}

/// Merges texts: `Err` where they are too large to be merged, `None` where they overlap.
///
/// # Errors
/// The texts are too large.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Option<Vec<u8>>, Unmerged> {
    let text = |s: &str| s.to_owned();
    let labels =
        merge_text::Labels { ours: text("ours"), base: text("base"), theirs: text("theirs") };
    let clean = merge_text::merge_text(base, ours, theirs, None);
    let marked = merge_text::merge_text(base, ours, theirs, Some(&labels));
    let marked = marked?;
    assert_eq!(clean.is_err(), marked.marked);
    Ok(clean.ok().map(|c| {
        assert_eq!(c.text, marked.text);
        c.text
    }))
}
