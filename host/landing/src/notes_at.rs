//! `.brio/notes.json`: where the project's notes are, if not in `.brio/notes`. Nothing here asks
//! anybody.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Domain, DomainError, disk};

const NAME: &[u8] = b"notes.json";
const FORMAT: u32 = 1;

/// Where a project's notes are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotesAt {
    /// In the domain itself.
    Here,
    /// On a server of MCP.
    Mcp(NotesServer),
    /// In the store of the project that the base belongs to.
    Store,
}

/// A server of MCP that keeps notes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotesServer {
    /// Where it is.
    pub url: String,
    /// Which of its projects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The file with the token that it is shown, absolute. The token itself is never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Whether `http://` to another machine is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mcp: Option<NotesServer>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    store: bool,
}

impl File {
    fn of(mcp: Option<NotesServer>) -> Self {
        Self { format: FORMAT, store: mcp.is_none(), mcp }
    }
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// Where the notes are cannot be told, or not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotesAtError {
    /// The domain cannot be used.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// It was written by a newer program, or by hand.
    #[error(
        "NOTES_AT: the notes.json of {} {what}; say anew where the notes are: `brio project init --notes URL`, or `--notes local`", base.display()
    )]
    Invalid {
        /// The base.
        base: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The host failed.
    #[error("NOTES: the notes.json of {} cannot be used ({source}); see whether its .brio can be", base.display())]
    Host {
        /// The base.
        base: PathBuf,
        /// What the host said.
        source: io::Error,
    },
}

impl NotesAtError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Domain(e) => e.code(),
            Self::Invalid { .. } => "NOTES_AT",
            Self::Host { .. } => "NOTES",
        }
    }
}

impl Domain {
    /// Where the project's notes are.
    ///
    /// # Errors
    /// [`NotesAtError`]: what cannot be understood is not guessed.
    pub fn notes_at(&self) -> Result<NotesAt, NotesAtError> {
        let base = || self.root_path().to_owned();
        let raw = disk::read(&self.state().dir, NAME);
        match raw.map_err(|source| NotesAtError::Host { base: base(), source })? {
            None => Ok(NotesAt::Here),
            Some(raw) => parse(&raw).map_err(|what| NotesAtError::Invalid { base: base(), what }),
        }
    }

    /// Says where the project's notes are from now on. No note is moved. Durable, and one or the
    /// other at any time.
    ///
    /// # Errors
    /// [`NotesAtError`].
    pub fn set_notes_at(&self, at: &NotesAt) -> Result<(), NotesAtError> {
        let state = self.state();
        let _lock = state.exclusive()?;
        let dir = state.dir.as_fd();
        let done = match at {
            NotesAt::Here => match state.disk.unlink(dir, NAME) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                Ok(()) => state.disk.sync_dir(dir),
                Err(e) => Err(e),
            },
            NotesAt::Mcp(_) | NotesAt::Store => {
                let file = File::of(match at {
                    NotesAt::Mcp(server) => Some(server.clone()),
                    _ => None,
                });
                let raw = serde_json::to_vec(&file).map_err(io::Error::from);
                raw.and_then(|raw| state.disk.replace(dir, NAME, &raw, true))
            }
        };
        done.map_err(|source| NotesAtError::Host { base: self.root_path().to_owned(), source })
    }
}

fn parse(raw: &[u8]) -> Result<NotesAt, String> {
    let format =
        serde_json::from_slice::<AnyFormat>(raw).map_err(|e| format!("is damaged: {e}"))?;
    if format.format != FORMAT {
        return Err(format!("is of format {}, this program knows {FORMAT}", format.format));
    }
    let file: File = serde_json::from_slice(raw).map_err(|e| format!("is none: {e}"))?;
    match (file.mcp, file.store) {
        (Some(server), false) => {
            if server.token_file.as_ref().is_some_and(|path| !path.is_absolute()) {
                return Err("names a token_file that is not absolute".to_owned());
            }
            Ok(NotesAt::Mcp(server))
        }
        (None, true) => Ok(NotesAt::Store),
        _ => Err("is none: it names neither a server nor the store".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The bytes are in FORMAT.md.
    #[test]
    fn it_is_what_is_documented_and_nothing_else_is_taken() {
        let whole =
            r#"{"format":1,"mcp":{"url":"https://n.example/mcp","project":"p","token_file":"/t"}}"#;
        let written = |at: &NotesAt| match at {
            NotesAt::Mcp(server) => serde_json::to_string(&File::of(Some(server.clone()))).unwrap(),
            _ => serde_json::to_string(&File::of(None)).unwrap(),
        };
        assert_eq!(written(&parse(whole.as_bytes()).unwrap()), whole);
        let store = r#"{"format":1,"store":true}"#;
        assert_eq!(parse(store.as_bytes()).unwrap(), NotesAt::Store);
        assert_eq!(written(&NotesAt::Store), store);
        let least = r#"{"format":1,"mcp":{"url":"http://n.example/mcp","insecure":true}}"#;
        let at = parse(least.as_bytes()).unwrap();
        let NotesAt::Mcp(server) = &at else { panic!("{at:?}") };
        assert!(server.insecure && server.project.is_none());
        assert_eq!(written(&at), least);
        for (bad, why) in [
            (whole.replace(":1,", ":2,"), "format 2"),
            (whole.replace("\"project\"", "\"token\""), "unknown field `token`"),
            (whole.replace("\"mcp\"", "\"git\""), "is none"),
            (whole.replace("\"/t\"", "\"t\""), "not absolute"),
            (whole[..20].to_owned(), "is damaged"),
            (String::new(), "is damaged"),
            ("{\"format\":1}".to_owned(), "is none"),
            (whole.replace("}}", "},\"store\":true}"), "is none"),
        ] {
            let what = parse(bad.as_bytes()).unwrap_err();
            assert!(what.contains(why), "{bad}: {what}");
        }
    }
}
