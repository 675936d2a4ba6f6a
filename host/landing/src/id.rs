//! Session ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A session's id: `sess-` and a random UUID (version 4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// The text is no session id: it must be `sess-` and 1 to 64 of `0-9 a-f -`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("BAD_SESSION_ID: {0:?} is no session id (sess-xxxxxxxx-…); `brio session list` shows them")]
pub struct BadSessionId(String);

impl SessionId {
    /// A new one, from the system's random source.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn random() -> std::io::Result<Self> {
        uuid().map(|uuid| Self(format!("sess-{uuid}")))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A random UUID (version 4, RFC 9562).
pub(crate) fn uuid() -> std::io::Result<String> {
    let mut b = [0u8; 16];
    getrandom::fill(&mut b).map_err(|e| std::io::Error::other(e.to_string()))?;
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let mut s = String::with_capacity(36);
    for (i, byte) in b.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            s.push('-');
        }
        s.push(hex_digit(byte >> 4));
        s.push(hex_digit(byte & 15));
    }
    Ok(s)
}

fn hex_digit(n: u8) -> char {
    char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 })
}

impl FromStr for SessionId {
    type Err = BadSessionId;
    fn from_str(s: &str) -> Result<Self, BadSessionId> {
        Self::try_from(s.to_owned())
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadSessionId;
    fn try_from(s: String) -> Result<Self, BadSessionId> {
        let good = s.strip_prefix("sess-").is_some_and(|r| {
            !r.is_empty()
                && r.len() <= 64
                && r.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
        });
        if good { Ok(Self(s)) } else { Err(BadSessionId(s)) }
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_promised_shape() {
        // B-015
        let id = SessionId::random().expect("random bytes");
        assert_eq!(id.as_str().len(), 41);
        assert_eq!(id.as_str().parse::<SessionId>(), Ok(id));
        assert!("sess-../../etc".parse::<SessionId>().is_err());
        assert!("sess-".parse::<SessionId>().is_err());
    }
}
