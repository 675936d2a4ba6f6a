//! What the host puts into headers, so that a guest never holds it.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::host::HostError;
use crate::{AllowHost, Host, Scheme};

/// No secret has more bytes.
const LONGEST: u64 = 16 << 10;

/// Where the value of a secret is: its name, never the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the caller's environment.
    Env(String),
    /// A file of the caller; a line's end at its end does not count.
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env={name}"),
            Self::File(path) => write!(f, "file={}", path.display()),
        }
    }
}

/// The grant of a secret, as `--secret` writes it: `env=VAR,host=HOST[,header=NAME]`, or
/// `file=PATH` instead of `env=VAR`. It has no value yet.
///
/// HOST is written as in [`AllowHost`], without a wildcard. Without a header it is
/// `Authorization: Bearer VALUE`; with one, the value is that header's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSpec {
    /// Where the value is.
    pub source: SecretSource,
    /// To whom it is sent.
    pub host: AllowHost,
    /// In which header, as it is; `None`: as a bearer token.
    pub header: Option<String>,
}

impl FromStr for SecretSpec {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let (mut source, mut host, mut header) = (None, None, None);
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or(SecretError::Form)?;
            let new = match key.trim() {
                "env" if !value.is_empty() => {
                    source.replace(SecretSource::Env(value.into())).is_none()
                }
                "file" if !value.is_empty() => {
                    source.replace(SecretSource::File(value.into())).is_none()
                }
                "host" => host.replace(value.parse().map_err(SecretError::Host)?).is_none(),
                "header" => header.replace(value.to_owned()).is_none(),
                _ => return Err(SecretError::Form),
            };
            if !new {
                return Err(SecretError::Form);
            }
        }
        let (Some(source), Some(host)) = (source, host) else { return Err(SecretError::Form) };
        let spec = Self { source, host, header };
        spec.check()?;
        Ok(spec)
    }
}

impl SecretSpec {
    /// Whether such a secret can be: also of one that was not read from a text.
    ///
    /// # Errors
    /// [`SecretError`], which has nothing of a value.
    pub fn check(&self) -> Result<(), SecretError> {
        self.header_name()?;
        if !self.host.is_exact() {
            return Err(SecretError::Wildcard { host: self.host.clone() });
        }
        if !self.host.is_private_way() {
            return Err(SecretError::Clear { host: self.host.clone() });
        }
        Ok(())
    }

    /// As [`check`](Self::check), and that requests to its host are granted.
    ///
    /// # Errors
    /// As there.
    pub fn check_among(&self, allowed: &[AllowHost]) -> Result<(), SecretError> {
        self.check()?;
        match allowed.iter().any(|grant| grant.opens(&self.host)) {
            true => Ok(()),
            false => Err(SecretError::NotAllowed { host: self.host.clone() }),
        }
    }

    fn header_name(&self) -> Result<HeaderName, SecretError> {
        let Some(name) = &self.header else { return Ok(AUTHORIZATION) };
        let bad = || SecretError::Header { header: name.clone() };
        let header: HeaderName = name.parse().map_err(|_| bad())?;
        if crate::egress::is_ours(&header) {
            return Err(bad());
        }
        Ok(header)
    }

    /// The secret itself, with the value from the file, or from where `env` looks variables up.
    ///
    /// # Errors
    /// [`SecretError`], which has nothing of the value.
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
        let missing =
            |reason: String| SecretError::Missing { source_name: self.source.to_string(), reason };
        let value = match &self.source {
            SecretSource::Env(name) => {
                env(name).ok_or_else(|| missing("no such variable is set, or it is no text".into()))
            }
            SecretSource::File(path) => {
                let mut text = String::new();
                let file = std::fs::File::open(path);
                let read = file.and_then(|f| f.take(LONGEST + 1).read_to_string(&mut text));
                match read {
                    Ok(n) if n as u64 > LONGEST => Err(missing("is longer than a header".into())),
                    Ok(_) => Ok(text),
                    Err(e) => Err(missing(e.to_string())),
                }
            }
        };
        self.with_value(&value?)
    }

    /// The secret itself. `value` is what lies at [`source`](Self::source).
    ///
    /// # Errors
    /// [`SecretError`], which has nothing of the value.
    pub fn with_value(&self, value: &str) -> Result<Secret, SecretError> {
        self.check()?;
        let bad = || SecretError::Value { source_name: self.source.to_string() };
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(bad());
        }
        let header = self.header_name()?;
        let text = match self.header {
            None => format!("Bearer {value}"),
            Some(_) => value.to_owned(),
        };
        let mut line = HeaderValue::from_str(&text).map_err(|_| bad())?;
        line.set_sensitive(true);
        Ok(Secret { spec: self.clone(), header, line, value: value.to_owned() })
    }
}

/// A secret with its value, which nothing prints.
#[derive(Clone)]
pub struct Secret {
    spec: SecretSpec,
    header: HeaderName,
    line: HeaderValue,
    value: String,
}

impl Secret {
    /// What it was granted as.
    pub fn spec(&self) -> &SecretSpec {
        &self.spec
    }

    /// Whether both would be in one header of one request.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (&self.spec.host, &self.header) == (&other.spec.host, &other.header)
    }

    /// Puts it into a request to its host, in place of what the guest wrote there.
    pub(crate) fn put(&self, headers: &mut HeaderMap, scheme: Scheme, host: &Host, port: u16) {
        if self.spec.host.allows(scheme, host, port) {
            headers.insert(self.header.clone(), self.line.clone());
        }
    }

    /// A text without it.
    pub(crate) fn redact(&self, text: String) -> String {
        match text.contains(&self.value) {
            true => text.replace(&self.value, "[secret]"),
            false => text,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// Why a secret cannot be granted. Nothing of a value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is not written so.
    #[error(
        "SECRET: write env=VARIABLE,host=HOST or file=PATH,host=HOST, and ,header=NAME for another header than Authorization"
    )]
    Form,
    /// Its host is none.
    #[error("SECRET: {0}")]
    Host(HostError),
    /// It would go to whoever has a name below a domain.
    #[error("SECRET: {host}: a secret is for one host; name it without a wildcard")]
    Wildcard {
        /// The host.
        host: AllowHost,
    },
    /// It would travel in the clear.
    #[error(
        "SECRET: {host}: a secret is sent by TLS alone, unless to this machine; leave http:// out"
    )]
    Clear {
        /// The host.
        host: AllowHost,
    },
    /// Such a header is not the caller's to set.
    #[error("SECRET: `{header}` is no header that can carry a secret")]
    Header {
        /// The header.
        header: String,
    },
    /// There is nothing, or nothing that a header can carry.
    #[error("SECRET: {source_name}: is empty, or has other characters than a header can carry")]
    Value {
        /// Where it is.
        source_name: String,
    },
    /// It is not there.
    #[error("SECRET: {source_name}: {reason}")]
    Missing {
        /// Where it should be.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
    /// Requests to its host are not granted.
    #[error("SECRET: {host} is not granted; add --allow-host {host}")]
    NotAllowed {
        /// The host.
        host: AllowHost,
    },
}

impl SecretError {
    /// `SECRET`.
    pub fn code(&self) -> &'static str {
        "SECRET"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_meant() {
        let spec: SecretSpec = "env=KEY,host=api.example.com,header=X-Api-Key".parse().unwrap();
        assert_eq!(spec.source, SecretSource::Env("KEY".into()));
        assert_eq!(spec.header.as_deref(), Some("X-Api-Key"));
        for (text, has) in [
            ("KEY", "write env="),
            ("env=KEY", "write env="),
            ("env=,host=a.b", "write env="),
            ("env=A,env=B,host=a.b", "write env="),
            ("env=A,host=*.a.b", "one host"),
            ("env=A,host=http://a.b", "TLS alone"),
            ("env=A,host=http://10.0.0.1", "TLS alone"),
            ("env=A,host=a.b,header=host", "no header"),
            ("env=A,host=a.b,header=a b", "no header"),
            ("env=A,host=a.b/c", "more than a host"),
        ] {
            let error = text.parse::<SecretSpec>().expect_err(text).to_string();
            assert!(error.contains(has), "{text}: {error}");
        }
        for local in ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:1"] {
            assert!(format!("env=A,host={local}").parse::<SecretSpec>().is_ok(), "{local}");
        }
    }

    #[test]
    fn nothing_prints_it() {
        let spec: SecretSpec = "env=KEY,host=a.b".parse().unwrap();
        let secret = spec.with_value("hunter2\n").unwrap();
        assert!(!format!("{secret:?} {:?}", secret.line).contains("hunter2"));
        assert_eq!(secret.redact("/x/hunter2/y".into()), "/x/[secret]/y");
        let error = spec.with_value("hunter2\r\nHost: evil").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(spec.with_value("\n").is_err() && spec.with_value("ключ").is_err());
    }
}
