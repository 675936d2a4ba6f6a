//! Names that become part of keys: what they may be is decided here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Chance, Result, SystemChance};

/// A project's id, `org/name`: each part 1 to 64 of `a-z 0-9 . _ -`, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(String);

impl ProjectId {
    /// `org/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

/// The text is no project id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no project id; it is `org/name`, each of 1 to 64 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or a digit"
)]
pub struct NoProjectId(String);

fn is_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=64).contains(&part.len())
        && plain(part.as_bytes()[0])
        && part.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

impl FromStr for ProjectId {
    type Err = NoProjectId;
    fn from_str(text: &str) -> std::result::Result<Self, NoProjectId> {
        match text.split_once('/') {
            Some((org, name)) if is_part(org) && is_part(name) => Ok(Self(text.to_owned())),
            _ => Err(NoProjectId(text.chars().take(200).collect())),
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ProjectId {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProjectId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One attempt to change something that is shared: 32 hexadecimal digits from the system's
/// random numbers. Whoever reads it back knows whether it was his own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(String);

impl AttemptId {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self> {
        Self::by(&SystemChance)
    }

    /// A new one, by these random numbers.
    pub(crate) fn by(chance: &dyn Chance) -> Result<Self> {
        use fmt::Write as _;
        let mut bytes = [0u8; 16];
        chance.fill(&mut bytes)?;
        Ok(Self(bytes.iter().fold(String::with_capacity(32), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })))
    }

    /// One that was read.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text may stand in a key as one component: an id of a session, of a landing.
pub(crate) fn is_component(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place() {
        for good in ["a/b", "my-org/my.project_2", "0/1"] {
            assert_eq!(good.parse::<ProjectId>().unwrap().as_str(), good);
        }
        let long = format!("a/{}", "b".repeat(65));
        for bad in [
            "", "/", "a", "a/", "/b", "a/..", "../b", "a/b/c", ".a/b", "a/.b", "-a/b", "A/b",
            "a/b ", "a/b\0", "a\\b/c", "a/ü", "a//b", &long,
        ] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad:?}");
        }
    }
}
