//! The allow-list.

use std::fmt;
use std::str::FromStr;

use crate::host::{Host, HostError, Scheme, with_port};

/// One entry of an allow-list, as `--allow-host` writes it: `HOST`, `HOST:PORT`,
/// `https://HOST[:PORT]`, and for requests without TLS `http://HOST[:PORT]`.
///
/// HOST is a DNS name (exactly that one; `*.example.com` is every name below `example.com`, and
/// not that itself), an IPv4 address, or an IPv6 address in brackets. Without a port it is 443,
/// with `http://` 80.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowHost {
    scheme: Scheme,
    /// With `below`, the domain.
    host: Host,
    below: bool,
    port: u16,
}

impl AllowHost {
    /// One host, exactly.
    pub fn exact(scheme: Scheme, host: Host, port: u16) -> Self {
        Self { scheme, host, below: false, port }
    }

    /// Whether it is one host, and no wildcard.
    pub fn is_exact(&self) -> bool {
        !self.below
    }

    /// Whether it opens a request to that host.
    pub fn allows(&self, scheme: Scheme, host: &Host, port: u16) -> bool {
        (self.scheme, self.port) == (scheme, port) && self.covers(host)
    }

    /// Whether it opens what another one, for one host, opens.
    pub(crate) fn opens(&self, other: &Self) -> bool {
        !other.below && self.allows(other.scheme, &other.host, other.port)
    }

    fn covers(&self, host: &Host) -> bool {
        match (&self.host, host) {
            (Host::Name(domain), Host::Name(name)) if self.below => {
                name.strip_suffix(domain.as_str()).is_some_and(|sub| sub.ends_with('.'))
            }
            (granted, asked) => !self.below && granted == asked,
        }
    }

    /// Whether it names an address that is not public, and so opens it.
    pub(crate) fn names_address(&self, address: std::net::IpAddr, port: u16) -> bool {
        self.port == port && self.host == Host::Address(address.to_canonical())
    }

    /// Whether nobody between the agent and the host can read along: TLS, or this machine.
    pub(crate) fn is_private_way(&self) -> bool {
        let loopback = match &self.host {
            Host::Address(address) => address.is_loopback(),
            Host::Name(_) => self.host.is_localhost(),
        };
        self.scheme == Scheme::Https || (loopback && !self.below)
    }
}

impl fmt::Display for AllowHost {
    /// The shortest text that is read as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        let star = if self.below { "*." } else { "" };
        write!(f, "{star}{}", self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl FromStr for AllowHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some((s, rest)) if s.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((s, rest)) if s.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((s, _)) => return Err(HostError::Scheme(s.into())),
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(HostError::More(text.into()));
        }
        let (host, port) = with_port(rest)?;
        let port = port.unwrap_or(scheme.default_port());
        if !host.contains('*') {
            return Ok(Self { scheme, host: host.parse()?, below: false, port });
        }
        let wildcard = || HostError::Wildcard(text.into());
        let domain = host.strip_prefix("*.").ok_or_else(wildcard)?;
        match domain.parse().map_err(|_| wildcard())? {
            Host::Name(name) if name.contains('.') => {
                Ok(Self { scheme, host: Host::Name(name), below: true, port })
            }
            _ => Err(wildcard()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(text: &str) -> AllowHost {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn allows(grant: &str, scheme: Scheme, host: &str, port: u16) -> bool {
        self::grant(grant).allows(scheme, &host.parse().unwrap(), port)
    }

    #[test]
    fn without_a_scheme_it_is_tls_alone() {
        assert!(allows("api.example.com", Scheme::Https, "API.example.com.", 443));
        assert!(!allows("api.example.com", Scheme::Http, "api.example.com", 80));
        assert!(!allows("api.example.com", Scheme::Http, "api.example.com", 443));
        assert!(!allows("api.example.com", Scheme::Https, "api.example.com", 8443));
        assert!(!allows("api.example.com", Scheme::Https, "example.com", 443));
        assert!(!allows("api.example.com", Scheme::Https, "x.api.example.com", 443));
        // A port that is usual without TLS grants none without TLS.
        assert!(!allows("api.example.com:80", Scheme::Http, "api.example.com", 80));
        assert!(allows("http://api.example.com", Scheme::Http, "api.example.com", 80));
        assert!(!allows("http://api.example.com", Scheme::Https, "api.example.com", 443));
    }

    #[test]
    fn a_wildcard_is_what_lies_below() {
        let is = |host| allows("*.example.com", Scheme::Https, host, 443);
        assert!(is("a.example.com") && is("a.b.example.com"));
        assert!(!is("example.com") && !is("badexample.com") && !is("example.com.evil.org"));
        for text in ["*", "*.com", "a.*.com", "*a.b.com", "**.a.com", "*.1.2.3.4", "*.127.0.0.1"] {
            assert!(matches!(text.parse::<AllowHost>(), Err(HostError::Wildcard(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_the_reason() {
        for (text, code) in [
            ("", "missing"),
            ("ftp://a.b", "scheme"),
            ("https://a.b/path", "more than a host"),
            ("user@a.b", "more than a host"),
            ("a.b:0", "port"),
            ("a.b:65536", "port"),
            ("a.b:+1", "port"),
            ("a.b:", "port"),
            ("::1", "brackets"),
            ("[::1]8443", "brackets"),
        ] {
            let error = text.parse::<AllowHost>().expect_err(text).to_string();
            assert!(error.contains(code), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(
            http: bool, below: bool, name in "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){1,3}", port in 1..=u16::MAX,
        ) {
            let scheme = if http { "http://" } else { "" };
            let star = if below { "*." } else { "" };
            let grant = grant(&format!("{scheme}{star}{name}:{port}"));
            prop_assert_eq!(grant.to_string().parse(), Ok(grant));
        }
    }
}
