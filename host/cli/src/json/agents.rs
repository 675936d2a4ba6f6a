//! What agents are.

use brio_host::{AgentCheck, AgentProject, ExportInfo, ImportInfo};
use serde::Serialize;

use super::{Error, SCHEMA};

/// `brio agent check --json`
#[derive(Debug, Serialize)]
pub(crate) struct CheckedAgent {
    schema: u32,
    /// As it was given: a file, or the name of a bundled agent.
    file: String,
    /// `agent`, `reviewer`, `command`, `preview1`; null: it exports nothing that runs.
    kind: Option<&'static str>,
    imports: Vec<Import>,
    exports: Vec<Export>,
    /// What `brio run --grant` must be given.
    grants: Vec<&'static str>,
    /// Whether `brio run` would run it, given those.
    runs: bool,
    /// Why it would not.
    error: Option<Error>,
}

#[derive(Debug, Serialize)]
struct Import {
    /// Of a module's other imports: `MODULE.NAME`.
    interface: String,
    version: Option<String>,
    served: bool,
    /// The grant without which a run is refused.
    grant: Option<&'static str>,
    /// What is served and was most likely meant.
    nearest: Option<String>,
    /// What it takes to run it.
    needs: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Export {
    interface: String,
    version: Option<String>,
}

impl CheckedAgent {
    /// Without a `check` nothing could be looked at.
    pub(crate) fn new(file: String, check: Option<&AgentCheck>, error: Option<Error>) -> Self {
        Self {
            schema: SCHEMA,
            file,
            kind: check.and_then(|c| c.kind).map(|kind| kind.as_str()),
            imports: check
                .map(|c| c.imports.iter().map(Import::from).collect())
                .unwrap_or_default(),
            exports: check
                .map(|c| c.exports.iter().map(Export::from).collect())
                .unwrap_or_default(),
            grants: check.map(|c| c.grants.clone()).unwrap_or_default(),
            runs: error.is_none(),
            error,
        }
    }
}

impl From<&ImportInfo> for Import {
    fn from(import: &ImportInfo) -> Self {
        Self {
            interface: import.interface.clone(),
            version: import.version.clone(),
            served: import.served,
            grant: import.grant,
            nearest: import.nearest.clone(),
            needs: import.needs,
        }
    }
}

impl From<&ExportInfo> for Export {
    fn from(export: &ExportInfo) -> Self {
        Self { interface: export.interface.clone(), version: export.version.clone() }
    }
}

/// `brio agent new --json`
#[derive(Debug, Serialize)]
pub(crate) struct NewAgent {
    schema: u32,
    name: String,
    lang: &'static str,
    /// Absolute.
    directory: String,
    /// By their paths in it.
    files: Vec<String>,
    /// Commands of a shell that enter, build, test, check and run it.
    next: Vec<String>,
}

impl NewAgent {
    pub(crate) fn new(project: &AgentProject, next: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            name: project.name.clone(),
            lang: project.language.as_str(),
            directory: project.dir.display().to_string(),
            files: project.files.clone(),
            next,
        }
    }
}
