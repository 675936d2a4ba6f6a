//! What resources are called: `brio://session/ID`, `brio://session/ID/diff`,
//! `brio://session/ID/notes/PATH`, `brio://project/BASE/notes/PATH`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use brio_host::project::NotePath;

pub(super) const SESSION: &str = "brio://session/";
pub(super) const PROJECT: &str = "brio://project/";
/// Bytes of an id.
const LONGEST_ID: usize = 128;

/// A resource, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// A session.
    Session(String),
    /// What a session changed.
    Diff(String),
    /// A note as a session sees it.
    NoteOf(String, NotePath),
    /// A note of the project that a directory belongs to; that is one segment of the name, encoded.
    Note(PathBuf, NotePath),
}

impl Named {
    pub(super) fn parse(uri: &str) -> Option<Self> {
        if let Some(rest) = uri.strip_prefix(PROJECT) {
            let (base, path) = rest.split_once("/notes/")?;
            let base = PathBuf::from(OsString::from_vec(decoded(base)?));
            let fits = base.is_absolute() && !base.as_os_str().as_bytes().contains(&0);
            return fits.then_some(Self::Note(base, note(path)?));
        }
        let rest = uri.strip_prefix(SESSION)?;
        let (id, what) = match rest.split_once('/') {
            Some((id, what)) => (id, Some(what)),
            None => (rest, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(plain) {
            return None;
        }
        let id = id.to_owned();
        match what {
            None => Some(Self::Session(id)),
            Some("diff") => Some(Self::Diff(id)),
            Some(what) => Some(Self::NoteOf(id, note(what.strip_prefix("notes/")?)?)),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "{SESSION}{id}"),
            Self::Diff(id) => write!(f, "{SESSION}{id}/diff"),
            Self::NoteOf(id, path) => write!(f, "{SESSION}{id}/notes/{}", encoded_note(path)),
            Self::Note(base, path) => {
                write!(f, "{PROJECT}{}/notes/{}", encoded_base(base), encoded_note(path))
            }
        }
    }
}

fn note(path: &str) -> Option<NotePath> {
    NotePath::new(String::from_utf8(decoded(path)?).ok()?).ok()
}

fn encoded_base(base: &Path) -> String {
    encoded(base.as_os_str().as_bytes(), b"")
}

fn encoded_note(path: &NotePath) -> String {
    encoded(path.as_str().as_bytes(), b"/")
}

/// Per cent, but for what RFC 3986 calls unreserved and for `kept`.
fn encoded(bytes: &[u8], kept: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// `None` for a `%` without two digits.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let path = |path: &str| NotePath::new(path).unwrap();
        let odd = PathBuf::from(OsString::from_vec(b"/home/a b/notes/\xff%".to_vec()));
        for (named, uri) in [
            (Named::Session("sess-1".into()), "brio://session/sess-1"),
            (Named::Diff("sess-1".into()), "brio://session/sess-1/diff"),
            (
                Named::NoteOf("sess-1".into(), path("plans/next")),
                "brio://session/sess-1/notes/plans/next",
            ),
            (
                Named::Note("/home/me".into(), path("a b/ü?#%")),
                "brio://project/%2Fhome%2Fme/notes/a%20b/%C3%BC%3F%23%25",
            ),
            (
                Named::Note(odd, path("x")),
                "brio://project/%2Fhome%2Fa%20b%2Fnotes%2F%FF%25/notes/x",
            ),
        ] {
            assert_eq!(named.to_string(), uri);
            assert_eq!(Named::parse(uri), Some(named));
        }
        assert_eq!(
            Named::parse("brio://project/%2fa/notes/b"),
            Some(Named::Note("/a".into(), path("b")))
        );
    }

    #[test]
    fn what_is_no_name_is_none() {
        for bad in [
            "",
            "file:///etc/passwd",
            "brio://session/",
            "brio://session/../x",
            "brio://session/a/",
            "brio://session/a/diff/",
            "brio://session/a/notes/",
            "brio://session/a/notes/../b",
            "brio://session/a/notes/%2e%2e/b",
            "brio://project/a/notes/b",
            "brio://project/%2Fa%00/notes/b",
            "brio://project/%2Fa/notes",
            "brio://project/%2Fa/notes/%",
            "brio://project/%2Fa/notes/%f",
            "brio://project/%2Fa/notes/%+1",
            "brio://project/%2Fa/notes/%FF",
            "brio://project//notes/b",
        ] {
            assert_eq!(Named::parse(bad), None, "{bad}");
        }
    }
}
