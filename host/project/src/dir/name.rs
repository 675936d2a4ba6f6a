//! What a note's directory is called: the same on file systems that fold case or normalise.

use sha2::{Digest, Sha256};

use crate::NotePath;

/// Longer names are told by a hash instead; the path itself is in each version.
const MAX_NAME: usize = 200;

/// Lower-case letters, digits, `-`, `_` and inner dots stay; any other byte is `%xx`.
pub(super) fn of(path: &NotePath) -> String {
    let mut name = String::new();
    for (i, b) in path.as_str().bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(b.into()),
            b'.' if i > 0 => name.push('.'),
            b => name.push_str(&format!("%{b:02x}")),
        }
    }
    if name.len() > MAX_NAME { format!("={}", hex(path.as_str().as_bytes())) } else { name }
}

/// The path of a name, or `None` where the name does not tell it.
pub(super) fn path(name: &str) -> Option<NotePath> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = tail;
            }
            (byte, tail) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    let path = NotePath::new(String::from_utf8(bytes).ok()?).ok()?;
    (of(&path) == name).then_some(path)
}

/// The SHA-256, in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_where_case_is_folded() {
        let of = |path: &str| of(&NotePath::new(path).unwrap());
        assert_eq!(of("sessions/agent-qa"), "sessions%2fagent-qa");
        assert_eq!(of(".format"), "%2eformat");
        assert_eq!(of("A.b"), "%41.b");
        assert_eq!(of("%41.b"), "%2541.b");
        assert_eq!(of("=a"), "%3da");
        let long = of(&"ü".repeat(100));
        assert_eq!((long.len(), &long[..1]), (65, "="));
        for path in ["sessions/agent-qa", ".format", "A.b", "%41.b", "=a", "ü", "new"] {
            assert_eq!(super::path(&of(path)).unwrap().as_str(), path);
        }
        for name in [&*long, "A", "%4", "%zz", "%ff", "%61", "a%2F", ""] {
            assert_eq!(super::path(name), None, "{name}");
        }
    }
}
