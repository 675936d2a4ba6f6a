//! How a store is named.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::Error;

/// Where a store is: `DIR`, `file:///DIR` or `s3://BUCKET/PREFIX`. Its text names the same store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// A directory of this machine; relative ones are the caller's to resolve.
    Directory(PathBuf),
    /// A prefix in a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// Without `/` at its ends; may be empty.
        prefix: String,
    },
}

impl StoreUrl {
    /// The same with a relative directory taken from `base`.
    #[must_use]
    pub fn from_base(self, base: &Path) -> Self {
        match self {
            Self::Directory(path) => Self::Directory(base.join(path)),
            other => other,
        }
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = match text.split_once("://") {
            _ if text.is_empty() => Err("it is empty"),
            _ if text.contains('\0') => Err("it contains a NUL"),
            Some(("file", rest)) => directory(rest),
            Some(("s3", rest)) => bucket(rest),
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') => {
                Err("its scheme is not known")
            }
            _ if is_half_a_url(text) => Err("`://` is missing, or `./` before a directory's name"),
            _ => Ok(Self::Directory(text.into())),
        };
        parsed.map_err(|why| Error::Url { url: text.chars().take(300).collect(), why: why.into() })
    }
}

/// Whether it begins as a URL does. One letter is a drive.
fn is_half_a_url(text: &str) -> bool {
    let scheme = |s: &str| s.len() > 1 && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    text.split_once(':').is_some_and(|(before, _)| scheme(before))
}

fn directory(rest: &str) -> Result<StoreUrl, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a `file` URL has three slashes and an absolute path");
    }
    if path.contains(['?', '#']) {
        return Err("a `file` URL has no `?` and no `#`; write them as `%3F` and `%23`");
    }
    let bytes = decoded(path).ok_or("its `%` are not each followed by two hexadecimal digits")?;
    if bytes.contains(&0) {
        return Err("it contains a NUL");
    }
    path_of(bytes).map(StoreUrl::Directory)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    String::from_utf8(bytes).map(Into::into).map_err(|_| "its path is not UTF-8")
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                let digit = |b: u8| char::from(b).to_digit(16);
                u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

fn bucket(rest: &str) -> Result<StoreUrl, &'static str> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let whole = (3..=255).contains(&bucket.len())
        && bucket.bytes().all(plain)
        && bucket.as_bytes()[0].is_ascii_alphanumeric();
    if !whole {
        return Err("a bucket's name has 3 to 255 letters, digits, `.`, `_` and `-`");
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.len() > 512 {
        return Err("its prefix is longer than 512 bytes");
    }
    if prefix.bytes().any(|b| b.is_ascii_control() || matches!(b, b'?' | b'#' | b'\\')) {
        return Err("its prefix has a control character, `?`, `#` or `\\`");
    }
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("its prefix has a part that is empty, `.` or `..`");
    }
    Ok(StoreUrl::S3 { bucket: bucket.into(), prefix: prefix.into() })
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Directory(path) if !path.is_absolute() => write!(f, "{}", path.display()),
            Self::Directory(path) => {
                f.write_str("file://")?;
                for &byte in path.as_os_str().as_encoded_bytes() {
                    match byte {
                        b'/' | b'.' | b'_' | b'-' | b'~' => write!(f, "{}", char::from(byte))?,
                        _ if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte))?,
                        _ => write!(f, "%{byte:02X}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_store() {
        let s3 = |bucket: &str, prefix: &str| StoreUrl::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        let dir = |path: &str| StoreUrl::Directory(path.into());
        for (text, url) in [
            ("s3://bucket", s3("bucket", "")),
            ("s3://bucket/", s3("bucket", "")),
            ("s3://My_bucket.1/a/b c/", s3("My_bucket.1", "a/b c")),
            ("/srv/store", dir("/srv/store")),
            ("store", dir("store")),
            ("../a b", dir("../a b")),
            ("C:\\store", dir("C:\\store")),
            ("file:///srv/a%20b%25", dir("/srv/a b%")),
            ("file://localhost/srv", dir("/srv")),
            ("./s3://odd", dir("./s3://odd")),
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap(), url, "{text}");
            assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url, "{url}");
        }
        assert_eq!(dir("/srv/a ü%").to_string(), "file:///srv/a%20%C3%BC%25");
    }

    #[test]
    fn what_is_none() {
        let long = format!("s3://bucket/{}", "a/".repeat(300));
        for text in [
            "",
            "a\0b",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "s3://-bucket",
            "s3://buck et/a",
            "s3://bucket//a",
            "s3://bucket/a/../b",
            "s3://bucket/a?b",
            "s3://bucket/a\n",
            &long,
            "s3:bucket/a",
            "file:/srv",
            "htp:/x",
            "file://host/srv",
            "file://srv",
            "file:///a%2",
            "file:///a%zz",
            "file:///a%00",
            "file:///a?b",
            "http://bucket/a",
            "gs://bucket/a",
            "://a",
        ] {
            let e = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(e.code(), "STORE_URL", "{text}");
            assert!(e.to_string().starts_with("STORE_URL: "), "{e}");
        }
    }

    #[test]
    fn a_relative_one_is_the_callers() {
        let url: StoreUrl = "a/b".parse().unwrap();
        assert_eq!(url.from_base(Path::new("/srv")), StoreUrl::Directory("/srv/a/b".into()));
    }
}
