//! Which server, and what may be sent to it.

use std::path::PathBuf;

use brio_net::{AllowHost, Host, Scheme, SecretSource, SecretSpec};
use http::Uri;

/// The longest URL, in bytes.
const LONGEST: usize = 2048;

/// A server that keeps notes, as a person names it. It has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where its endpoint is: `https://…`, or `http://…`.
    pub url: String,
    /// Which of its projects; `None`: it keeps one, or knows which.
    pub project: Option<String>,
    /// The file with the token that it is shown (`Authorization: Bearer`). It is read for each
    /// request, so a token may be exchanged at any time.
    pub token_file: Option<PathBuf>,
    /// Whether `http://` to another machine is meant: whoever is on the way reads the notes.
    pub insecure: bool,
}

/// A server that is not asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No such URL can be asked.
    #[error(
        "NOTES_SERVER: {host} is no server's address: {why}; give one as https://notes.example.com/mcp"
    )]
    Url {
        /// What was given, without what may be secret in it.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Everybody on the way could read along.
    #[error(
        "NOTES_SERVER: http://{host} sends the notes readable for everybody on the way; use https://, or say that it is meant: --notes-insecure, --from-insecure"
    )]
    Clear {
        /// The host.
        host: String,
    },
    /// Everybody on the way could take the token.
    #[error(
        "NOTES_SERVER: a token is not sent to http://{host}, where everybody on the way could take it; use https://"
    )]
    ClearToken {
        /// The host.
        host: String,
    },
    /// A name of a project that no server could have meant.
    #[error(
        "NOTES_SERVER: {project:?} is no project's name; give 1 to 4096 bytes without control characters"
    )]
    Project {
        /// What was given, its beginning.
        project: String,
    },
    /// There is no thread to be had for it.
    #[error(
        "NOTES_SERVER: no thread can be begun that asks it ({source}); end other programs first"
    )]
    Thread {
        /// Why.
        source: std::io::Error,
    },
}

impl ServerError {
    /// `NOTES_SERVER`.
    pub fn code(&self) -> &'static str {
        "NOTES_SERVER"
    }
}

/// Whom to connect to, as it was checked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// The URL without its query: for people.
    pub(crate) shown: String,
}

impl Server {
    /// Whether it may be asked at all. Nothing is sent.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn check(&self) -> Result<(), ServerError> {
        self.target().map(drop)
    }

    pub(crate) fn target(&self) -> Result<Target, ServerError> {
        let uri: Uri = match self.url.parse() {
            Ok(uri) if self.url.len() <= LONGEST && !self.url.contains('#') => uri,
            Ok(_) => return Err(self.refused("it is too long, or has a `#` in it")),
            Err(_) => return Err(self.refused("it is no URL")),
        };
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(self.refused("it begins neither with https:// nor with http://")),
        };
        let authority = uri.authority().ok_or_else(|| self.refused("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(self.refused("it has a user in it; a token comes from a file"));
        }
        let host: Host =
            authority.host().parse().map_err(|_| self.refused("its host is no name or address"))?;
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match port.strip_prefix(':').map(str::parse::<u16>) {
            None => scheme.default_port(),
            Some(Ok(port)) if port != 0 => port,
            Some(_) => return Err(self.refused("its port is none")),
        };
        if scheme == Scheme::Http && !is_this_machine(&host) {
            let host = host.to_string();
            match (&self.token_file, self.insecure) {
                (Some(_), _) => return Err(ServerError::ClearToken { host }),
                (None, false) => return Err(ServerError::Clear { host }),
                (None, true) => {}
            }
        }
        if let Some(project) = &self.project {
            let fits = (1..=4096).contains(&project.len());
            if !fits || project.chars().any(char::is_control) {
                let project = project.chars().take(64).collect();
                return Err(ServerError::Project { project });
            }
        }
        let shown = self.url.split('?').next().unwrap_or_default().to_owned();
        Ok(Target { scheme, host, port, shown })
    }

    fn refused(&self, why: &'static str) -> ServerError {
        // What stands before an `@` or behind a `?` may be a secret.
        let host = self.url.rsplit('@').next().unwrap_or_default();
        let host = host.split(['?', '#']).next().unwrap_or_default();
        let host = host.chars().filter(|c| !c.is_control()).take(100).collect();
        ServerError::Url { host, why }
    }
}

impl Target {
    pub(crate) fn grant(&self) -> AllowHost {
        AllowHost::exact(self.scheme, self.host.clone(), self.port)
    }

    pub(crate) fn secret(&self, file: PathBuf) -> SecretSpec {
        SecretSpec { source: SecretSource::File(file), host: self.grant(), header: None }
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Name(name) => name == "localhost",
        Host::Address(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server { url: url.into(), project: None, token_file: None, insecure: false }
    }

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for good in [
            "https://notes.example.com/mcp",
            "https://notes.example.com:8443/mcp?tenant=a",
            "http://127.0.0.1:8000/mcp",
            "http://localhost/mcp",
            "http://[::1]:1/",
        ] {
            server(good).check().unwrap_or_else(|e| panic!("{good}: {e}"));
        }
        for (bad, why) in [
            ("", "no URL"),
            ("/mcp", "neither"),
            ("ftp://a/mcp", "neither"),
            ("https://me:secret@a.example/mcp", "a user"),
            ("https://a.example:0/", "port"),
            ("https://a.example:99999/", "port"),
            ("https://127.1/", "no name or address"),
            ("https://a.example/#x", "`#`"),
            ("http://notes.example.com/mcp", "--notes-insecure"),
            ("http://10.0.0.1/mcp", "--notes-insecure"),
        ] {
            let error = server(bad).check().expect_err(bad);
            let text = error.to_string();
            assert!(text.starts_with("NOTES_SERVER: ") && text.contains(why), "{bad}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_token_stays_on_this_machine_or_goes_by_tls() {
        let with = |url: &str, insecure| {
            let token_file = Some("/token".into());
            Server { token_file, insecure, ..server(url) }.check()
        };
        assert!(with("https://a.example/mcp", false).is_ok());
        assert!(with("http://127.0.0.1:1/mcp", false).is_ok());
        for insecure in [false, true] {
            let error = with("http://a.example/mcp", insecure).unwrap_err();
            assert!(matches!(error, ServerError::ClearToken { .. }), "{error}");
        }
        let meant = Server { insecure: true, ..server("http://a.example/mcp") };
        assert!(meant.check().is_ok());
        let odd = Server { project: Some("a\nb".into()), ..server("https://a.example/") };
        assert!(matches!(odd.check(), Err(ServerError::Project { .. })));
    }
}
