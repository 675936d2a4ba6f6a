//! Paths inside a view or a base: relative, normalised, bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::FsError;

/// The directory that holds a domain's state. It is reserved at every depth: hidden from
/// every view, scan, diff and landing, and never created by one.
pub const STATE_DIR: &str = ".brio";

const NAME_MAX: usize = 255;

/// A normalised relative path: components joined by `/`, without `.`, `..`, empty
/// components or NUL; empty for the root itself. Bytes, because names need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RelPath(#[serde(with = "bytes")] Vec<u8>);

impl RelPath {
    /// The root: the empty path.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Takes a path that is already normalised.
    ///
    /// # Errors
    /// [`FsError::Invalid`] when it is absolute or has an empty, `.`, `..` or NUL-holding
    /// component; [`FsError::NameTooLong`] when a component has over 255 bytes.
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, FsError> {
        let path = path.into();
        if !path.is_empty() {
            for name in path.split(|b| *b == b'/') {
                check_name(name)?;
            }
        }
        Ok(Self(path))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// This path with one more component. The name must have passed [`check_name`].
    pub fn join(&self, name: &[u8]) -> Self {
        let mut v = Vec::with_capacity(self.0.len() + 1 + name.len());
        v.extend_from_slice(&self.0);
        if !v.is_empty() {
            v.push(b'/');
        }
        v.extend_from_slice(name);
        Self(v)
    }

    /// `other` below this path.
    pub fn join_path(&self, other: &RelPath) -> Self {
        if other.is_root() { self.clone() } else { self.join(&other.0) }
    }

    /// The parent and the last component; `None` for the root.
    pub fn split(&self) -> Option<(RelPath, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|b| *b == b'/') {
            Some(i) => (Self(self.0[..i].to_vec()), &self.0[i + 1..]),
            None => (Self::root(), &self.0[..]),
        })
    }

    /// Its components, from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The number of components.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Every proper ancestor, the root first.
    pub fn ancestors(&self) -> impl Iterator<Item = RelPath> + '_ {
        let root = (!self.is_root()).then(RelPath::root);
        root.into_iter().chain(
            self.0
                .iter()
                .enumerate()
                .filter(|(_, b)| **b == b'/')
                .map(|(i, _)| Self(self.0[..i].to_vec())),
        )
    }

    /// Whether this path is `other` or lies below it.
    pub fn starts_with(&self, other: &RelPath) -> bool {
        other.is_root()
            || (self.0.starts_with(&other.0)
                && (self.0.len() == other.0.len() || self.0[other.0.len()] == b'/'))
    }

    /// What remains of this path below `base`; `None` when it does not lie there.
    pub fn strip_prefix(&self, base: &RelPath) -> Option<RelPath> {
        if !self.starts_with(base) {
            return None;
        }
        if base.is_root() {
            return Some(self.clone());
        }
        Some(Self(self.0[(base.0.len() + 1).min(self.0.len())..].to_vec()))
    }

    /// As a path of the host, relative; `.` for the root.
    pub fn to_path(&self) -> std::path::PathBuf {
        if self.0.is_empty() {
            return ".".into();
        }
        to_os(&self.0).into_owned().into()
    }
}

/// Whether one component may stand in a [`RelPath`].
///
/// # Errors
/// As for [`RelPath::new`].
pub fn check_name(name: &[u8]) -> Result<(), FsError> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&0) || name.contains(&b'/')
    {
        return Err(FsError::Invalid);
    }
    if name.len() > NAME_MAX {
        return Err(FsError::NameTooLong);
    }
    Ok(())
}

/// A name as the host's own string.
#[cfg(unix)]
pub fn to_os(name: &[u8]) -> std::borrow::Cow<'_, std::ffi::OsStr> {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

/// A name as the host's own string.
#[cfg(not(unix))]
pub fn to_os(name: &[u8]) -> std::borrow::Cow<'_, std::ffi::OsStr> {
    std::ffi::OsString::from(String::from_utf8_lossy(name).into_owned()).into()
}

/// The bytes of a host's string.
pub fn from_os(name: &std::ffi::OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// For messages: bytes that are not UTF-8 are shown escaped.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for b in chunk.invalid() {
                write!(f, "\\x{b:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Serialise a byte string as bytes, not as a sequence of numbers.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};
    pub(crate) fn serialize<S: Serializer>(v: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(v)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        Vec::<u8>::deserialize(d)
    }
}
