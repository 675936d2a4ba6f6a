//! Hosts, as grants and requests write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// By TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A DNS name, in lower case and without a dot at its end, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name.
    Name(String),
    /// An address. An IPv4 address in an IPv6 one is the IPv4 address.
    Address(IpAddr),
}

impl Host {
    /// Whether it is the name of this machine to itself.
    pub(crate) fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is there.
    #[error("a host is missing: write NAME, NAME:PORT, an IPv4 address or [IPv6 address]")]
    Empty,
    /// Not a DNS name.
    #[error(
        "`{0}` is no DNS name: letters, digits, `-` and `_` between dots, at most 253; write an internationalised one in its `xn--` form"
    )]
    Name(String),
    /// A spelling of an address that resolvers take for another one than people do.
    #[error(
        "`{0}` is no name, for it ends in a number, and no IPv4 address: write four numbers from 0 to 255"
    )]
    Numeric(String),
    /// No IPv6 address between brackets, or one without.
    #[error(
        "`{0}` is no IPv6 address: write it in brackets, such as [2001:db8::1] or [2001:db8::1]:8443"
    )]
    V6(String),
    /// A port that cannot be.
    #[error("`{0}` is no port: write a number from 1 to 65535")]
    Port(String),
    /// Neither http nor https.
    #[error(
        "`{0}` is no scheme that an agent can be granted: write https:// or nothing, or http:// for one without TLS"
    )]
    Scheme(String),
    /// A path, a user or something else that a host has not.
    #[error("`{0}` is more than a host: a grant has no user, path or query")]
    More(String),
    /// A wildcard elsewhere than in front, or for too much.
    #[error(
        "`{0}`: a wildcard stands in front of a domain of two parts or more, such as *.example.com"
    )]
    Wildcard(String),
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').unwrap_or("");
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::V6(text.into()))?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if text.contains(':') {
            return Err(HostError::V6(text.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or("");
        // What inet_aton takes for an address (127.1, 0x7f.1, 017700000001) is never a name.
        let hex = last.strip_prefix("0x").is_some_and(|x| x.bytes().all(|b| b.is_ascii_hexdigit()));
        if hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())) {
            // A dot at the end would be a name to some.
            let address: Ipv4Addr = text.parse().map_err(|_| HostError::Numeric(text.into()))?;
            return Ok(Self::Address(address.into()));
        }
        if !is_name(&name) {
            return Err(HostError::Name(text.into()));
        }
        Ok(Self::Name(name))
    }
}

fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A host and the port behind it.
pub(crate) fn with_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    let end = if text.starts_with('[') {
        text.find(']').ok_or_else(|| HostError::V6(text.into()))? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    let Some(port) = rest.strip_prefix(':') else {
        return match rest {
            "" => Ok((host, None)),
            _ => Err(HostError::V6(text.into())),
        };
    };
    if port.contains(':') {
        return Err(HostError::V6(text.into()));
    }
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(n) if digits && n > 0 => Ok((host, Some(n))),
        _ => Err(HostError::Port(port.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_resolvers_take_for_an_address_is_no_name() {
        for text in [
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "1.2.3",
            "1.2.3.4.",
            "256.1.1.1",
            "a.1",
            "0x",
            "1.2.3.4.5",
            "foo.0x7f",
        ] {
            assert_eq!(text.parse::<Host>(), Err(HostError::Numeric(text.into())), "{text}");
        }
        assert_eq!("127.0.0.1".parse(), Ok(Host::Address(Ipv4Addr::LOCALHOST.into())));
        let mapped = "[::ffff:127.0.0.1]".parse();
        assert_eq!(mapped, Ok(Host::Address(Ipv4Addr::LOCALHOST.into())));
    }

    #[test]
    fn a_name_has_one_spelling() {
        let name = |t: &str| t.parse::<Host>().map(|h| h.to_string());
        assert_eq!(name("API.Example.COM."), Ok("api.example.com".into()));
        for text in
            ["", ".", "a..b", "-a", "a b", "a/b", "ex%61mple.com", "é.com", "a@b", "..", "*.a.b"]
        {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
        for text in ["[", "[]", "[::1", "::1", "[::1]x", "[fe80::1%eth0]"] {
            assert!(matches!(text.parse::<Host>(), Err(HostError::V6(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_is_written(v4: u32, v6: u128, port in 1..=u16::MAX) {
            let v4 = Ipv4Addr::from(v4);
            let v6 = IpAddr::V6(Ipv6Addr::from(v6)).to_canonical();
            prop_assert_eq!(v4.to_string().parse(), Ok(Host::Address(v4.into())));
            let host = Host::Address(v6);
            prop_assert_eq!(host.to_string().parse(), Ok(host.clone()));
            let text = format!("{host}:{port}");
            let (back, p) = with_port(&text).unwrap();
            prop_assert_eq!((back.parse(), p), (Ok(host), Some(port)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Host>();
            let _ = with_port(&text);
        }
    }
}
