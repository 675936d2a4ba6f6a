//! The file that holds one version of a note; see FORMAT.md.

use serde::{Deserialize, Serialize};

use super::name::hex;
use crate::{NotePath, Timestamp, Version};

/// The format that this program writes, and the only one that it knows.
pub(super) const FORMAT: u32 = 1;
const MAGIC: &str = "brio-note 1 ";
/// How many origins a note remembers.
pub(super) const ORIGINS: usize = 256;

/// What a version says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) path: String,
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) removed: bool,
    /// Of a session's own note: the version below it when the session first wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<u64>,
    /// The last writes that told their origin, oldest first, this one included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) origins: Vec<Applied>,
}

/// A write that told its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) origin: String,
    pub(crate) version: u64,
}

/// A version as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) path: NotePath,
    pub(crate) header: Header,
    pub(crate) content: String,
}

impl Stored {
    /// The version that one who looks sees: 0 where it was removed.
    pub(crate) fn visible(&self) -> u64 {
        if self.header.removed { 0 } else { self.header.version }
    }

    pub(super) fn into_version(self) -> Version {
        let Header { version, at, origin, removed, .. } = self.header;
        Version { version, at, origin, content: (!removed).then_some(self.content) }
    }
}

/// `brio-note 1 SHA-256` of all that follows; the header as one line of JSON; the content.
pub(super) fn encode(header: &Header, content: &str) -> serde_json::Result<Vec<u8>> {
    let body = format!("{}\n{content}", serde_json::to_string(header)?);
    Ok(format!("{MAGIC}{}\n{body}", hex(body.as_bytes())).into_bytes())
}

/// What is wrong with a file that is no version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// It is of another format.
    Format(String),
    /// It is damaged.
    Corrupt(&'static str),
}

pub(super) fn decode(bytes: Vec<u8>) -> Result<Stored, Defect> {
    let text = String::from_utf8(bytes).map_err(|_| Defect::Corrupt("is no text"))?;
    let (first, body) = text.split_once('\n').ok_or(Defect::Corrupt("has no first line"))?;
    let Some(sum) = first.strip_prefix(MAGIC) else {
        return Err(match first.strip_prefix("brio-note ").and_then(|r| r.split(' ').next()) {
            Some(format) => Defect::Format(format.to_owned()),
            None => Defect::Corrupt("is no note"),
        });
    };
    if sum != hex(body.as_bytes()) {
        return Err(Defect::Corrupt("does not have its checksum"));
    }
    let header = Defect::Corrupt("has a header that cannot be understood");
    let Some((line, content)) = body.split_once('\n') else { return Err(header) };
    let Ok(parsed) = serde_json::from_str::<Header>(line) else { return Err(header) };
    let Ok(path) = NotePath::new(parsed.path.as_str()) else { return Err(header) };
    Ok(Stored { path, content: content.to_owned(), header: parsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            path: "plans/next".into(),
            version: 7,
            at: "2026-01-19T10:00:00Z".parse().unwrap(),
            origin: Some("landing 3".into()),
            removed: false,
            base: None,
            origins: vec![Applied { origin: "landing 3".into(), version: 7 }],
        }
    }

    // The format is a contract: these bytes are in FORMAT.md.
    #[test]
    fn the_bytes_are_the_documented_ones() {
        let bytes = String::from_utf8(encode(&header(), "ship\n").unwrap()).unwrap();
        let (first, rest) = bytes.split_once('\n').unwrap();
        assert_eq!(first, format!("brio-note 1 {}", hex(rest.as_bytes())));
        assert_eq!(
            rest,
            "{\"path\":\"plans/next\",\"version\":7,\"at\":\"2026-01-19T10:00:00.000Z\",\
             \"origin\":\"landing 3\",\"origins\":[{\"origin\":\"landing 3\",\"version\":7}]}\nship\n"
        );
        let stored = decode(bytes.into_bytes()).unwrap();
        assert_eq!((stored.header, stored.content.as_str()), (header(), "ship\n"));
    }

    #[test]
    fn any_damaged_byte_is_found() {
        let whole = encode(&header(), "ship\n").unwrap();
        for i in 0..whole.len() {
            let mut bad = whole.clone();
            bad[i] ^= 4;
            assert!(decode(bad).is_err(), "byte {i}");
            assert!(decode(whole[..i].to_vec()).is_err(), "cut at {i}");
        }
        assert_eq!(decode(b"brio-note 2 x\ny".to_vec()), Err(Defect::Format("2".into())));
        let odd = format!("{{}}\n{}", "x");
        let odd = format!("{MAGIC}{}\n{odd}", hex(odd.as_bytes()));
        assert!(matches!(decode(odd.into_bytes()), Err(Defect::Corrupt(_))));
    }
}
