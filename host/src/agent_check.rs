//! What an agent is and would need, without running it.

use brio_runtime::{AgentKind, ExportInfo, ImportInfo, WasmFormat};

use crate::{AgentSource, Brio, RunError};

/// What [`Brio::check_agent`] found. The names are the file's: they may contain anything.
#[derive(Debug)]
pub struct AgentCheck {
    /// What a run would call it.
    pub name: String,
    /// Bytes of the file.
    pub size: u64,
    /// What they are; `None`: no WebAssembly.
    pub format: Option<WasmFormat>,
    /// What it is by its exports, whether or not it runs here; `None`: nothing that runs.
    pub kind: Option<AgentKind>,
    /// What it imports, by name.
    pub imports: Vec<ImportInfo>,
    /// What it exports, by name.
    pub exports: Vec<ExportInfo>,
    /// Every grant without which a run is refused.
    pub grants: Vec<&'static str>,
    /// Why [`Brio::run`] refuses it, whatever is granted; `None`: it runs.
    pub refusal: Option<RunError>,
}

impl Brio {
    /// Says what an agent imports and exports, what it would have to be granted, and whether
    /// it would run: it is loaded as a run loads it, and nothing of it is called.
    ///
    /// # Errors
    /// When there is no such agent, it cannot be read, or WebAssembly cannot run here.
    pub fn check_agent(&self, agent: &AgentSource) -> Result<AgentCheck, RunError> {
        let file = agent.find()?;
        let (name, wasm) = (file.name().to_owned(), file.wasm());
        let found = self.engine()?.inspect(wasm);
        let grants = found.grants();
        let refused = |source| RunError::Load { name: (&name).into(), source };
        let refusal = found.agent.err().map(refused);
        Ok(AgentCheck {
            size: wasm.len() as u64,
            format: found.format,
            kind: found.kind,
            grants,
            refusal,
            imports: found.imports,
            exports: found.exports,
            name,
        })
    }
}
