//! Where agents come from.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::{Bundled, RunError, bundled_agent};

/// Bytes of a file that is an agent.
const LARGEST: u64 = 512 << 20;

/// Where an agent comes from.
#[derive(Debug, Clone)]
pub enum AgentSource {
    /// A file, or else the name of a bundled agent, as on the command line. What has a `/` or
    /// ends in `.wasm` is a file; a bare name is the bundled agent if there is one.
    Named(PathBuf),
    /// A component or a core module in memory, under a name for messages.
    Bytes {
        /// For messages and the session's metadata.
        name: String,
        /// The WebAssembly.
        wasm: Vec<u8>,
    },
}

/// What a source leads to.
pub(crate) enum Found<'a> {
    /// Part of this program.
    Bundled(Bundled),
    /// Anything else, under a name for messages.
    Bytes { name: String, wasm: Cow<'a, [u8]> },
}

impl AgentSource {
    pub(crate) fn find(&self) -> Result<Found<'_>, RunError> {
        let path = match self {
            Self::Bytes { name, wasm } => {
                return Ok(Found::Bytes { name: name.clone(), wasm: wasm.into() });
            }
            Self::Named(path) => path,
        };
        let is_file =
            path.components().count() > 1 || path.extension().is_some_and(|e| e == "wasm");
        if !is_file && let Some(agent) = path.to_str().and_then(bundled_agent) {
            return Ok(Found::Bundled(agent));
        }
        let wasm = read(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => RunError::UnknownAgent { name: path.clone() },
            _ => RunError::Unreadable { path: path.clone(), source },
        })?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Found::Bytes { name, wasm: wasm.into() })
    }
}

impl Found<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Bundled(agent) => agent.name,
            Self::Bytes { name, .. } => name,
        }
    }

    pub(crate) fn wasm(&self) -> &[u8] {
        match self {
            Self::Bundled(agent) => agent.wasm,
            Self::Bytes { wasm, .. } => wasm,
        }
    }
}

/// Reads a file, but not one without end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut wasm)?;
    if wasm.len() as u64 > LARGEST {
        let what = "larger than 512 MiB, the most that an agent may be";
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(wasm)
}
