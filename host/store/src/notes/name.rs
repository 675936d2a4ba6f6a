//! What a note's ref is called: one component of a key, in which no store confuses two notes.

use crate::{Error, Hash, Result};

/// Longer names are told by a hash instead; the path itself is in the document.
const MAX_NAME: usize = 200;
/// What a name by hash begins with; in others two digits follow each `_`.
const HASHED: &str = "__";

/// Lower-case letters, digits and `-` stay; any other byte is `_` and two hexadecimal digits.
pub(crate) fn of(path: &str) -> Result<String> {
    use std::fmt::Write as _;
    if path.is_empty() {
        return Err(Error::Input { path: "a note".into(), why: "its path is empty".into() });
    }
    let mut name = String::with_capacity(path.len() + 8);
    for b in path.bytes() {
        match b {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(b.into()),
            b => _ = write!(name, "_{b:02x}"),
        }
    }
    match name.len() > MAX_NAME {
        true => Ok(format!("{HASHED}{}", Hash::of(path.as_bytes()).hex())),
        false => Ok(name),
    }
}

/// What a name says of its note.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The path.
    Path(String),
    /// That its document knows.
    Hashed,
}

/// `None`: it is no note's.
pub(crate) fn read(name: &str) -> Option<Named> {
    if let Some(digits) = name.strip_prefix(HASHED) {
        return Hash::from_hex(digits).map(|_| Named::Hashed);
    }
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'_', high, low, tail @ ..] => {
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                tail
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
    let path = String::from_utf8(bytes).ok()?;
    (of(&path).ok()? == name).then_some(Named::Path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The names are a contract: these are in FORMAT.md.
    #[test]
    fn names_differ_wherever_they_lie() {
        assert_eq!(of("sessions/agent-qa").unwrap(), "sessions_2fagent-qa");
        assert_eq!(of("../A.b").unwrap(), "_2e_2e_2f_41_2eb");
        assert_eq!(of("a_b%").unwrap(), "a_5fb_25");
        let long = of(&"ü".repeat(100)).unwrap();
        assert_eq!(long, format!("__{}", Hash::of("ü".repeat(100).as_bytes()).hex()));
        for path in ["a", "A", "a/b", "a_2fb", "__", "_", ".", "..", "con", "ü", "a\0b", "%2e", "~"]
        {
            let name = of(path).unwrap();
            assert!(
                name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')),
                "{name}"
            );
            assert_eq!(read(&name), Some(Named::Path(path.to_owned())));
        }
        assert_eq!(read(&long), Some(Named::Hashed));
        for bad in ["", "A", "a/b", "_", "_4", "_zz", "_61", "_2F", "_ff", "__", "__00", "a.b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(of("").is_err());
        // With the longest project there is room for a prefix of over 600 bytes in a key of S3.
        let longest = "a".repeat(MAX_NAME);
        assert_eq!(of(&longest).unwrap(), longest);
        assert!("projects//".len() + 64 + 64 + "/notes/".len() + longest.len() < 400);
    }
}
