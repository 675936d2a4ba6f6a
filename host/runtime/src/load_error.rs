//! Why an agent could not be loaded.

use std::io;
use std::path::PathBuf;

/// Why an agent could not be loaded. Shown in one line: what, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file.
    #[error("AGENT_MISSING: {}: no such file; give a .wasm file or the name of a bundled agent", .path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("AGENT_UNREADABLE: {}: {source}", .path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// The bytes are neither a component nor a core module.
    #[error(
        "NOT_WASM: not a WebAssembly binary; build it with a wasm32-wasip1 or wasm32-wasip2 target"
    )]
    NotWasm,
    /// WebAssembly that does not validate, or that wasmtime does not compile.
    #[error("INVALID_WASM: {reason}")]
    Invalid {
        /// What the validator said, in one line.
        reason: String,
    },
    /// It imports something that is not offered here.
    #[error("UNKNOWN_IMPORT: it imports {import}, which is not offered here; it needs {need}")]
    UnknownImport {
        /// The import, with its version; `#` and what is missing in it where the rest is offered.
        import: String,
        /// What would be needed to run it.
        need: &'static str,
    },
    /// It exports nothing that could be called.
    #[error(
        "NO_ENTRY_POINT: it exports none of brio:core/run@0.1, brio:core/review@0.1, wasi:cli/run@0.2, _start (it exports: {}){}",
        list(.exports),
        other_version(.exports)
    )]
    NoEntryPoint {
        /// What it exports.
        exports: Vec<String>,
    },
}

impl LoadError {
    /// The stable code, with which the text begins.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "AGENT_MISSING",
            Self::Unreadable { .. } => "AGENT_UNREADABLE",
            Self::NotWasm => "NOT_WASM",
            Self::Invalid { .. } => "INVALID_WASM",
            Self::UnknownImport { .. } => "UNKNOWN_IMPORT",
            Self::NoEntryPoint { .. } => "NO_ENTRY_POINT",
        }
    }

    pub(crate) fn invalid(e: &wasmtime::Error) -> Self {
        let reason = format!("{e:#}").lines().map(str::trim).collect::<Vec<_>>().join(" ");
        Self::Invalid { reason }
    }
}

fn list(exports: &[String]) -> String {
    match exports {
        [] => "nothing".into(),
        [first, second, third, _, _, _, ..] => {
            format!("{first}, {second}, {third} and {} more", exports.len() - 3)
        }
        few => few.join(", "),
    }
}

/// What to do about an entry point that is there, in a version that is not spoken here.
fn other_version(exports: &[String]) -> &'static str {
    let has = |what: &[&str]| exports.iter().any(|e| what.contains(&crate::imports::bare(e)));
    if has(&["brio:core/run", "brio:core/review"]) {
        "; build it against brio:core@0.1"
    } else if has(&["wasi:cli/run"]) {
        "; build it for WASI 0.2"
    } else {
        ""
    }
}
