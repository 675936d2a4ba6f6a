//! From bytes to an agent that can be run: what it is, what it needs, compiled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::adapt::adapt;
use crate::bindings::agent::AgentPre;
use crate::bindings::reviewer::ReviewerPre;
use crate::imports;
use crate::state::State;
use crate::{Engine, LoadError, proposals};

/// What a `.wasm` file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AgentKind {
    /// A component that exports `brio:core/run`.
    Agent,
    /// A component that exports `brio:core/review`.
    Reviewer,
    /// A component that exports `wasi:cli/run`.
    Command,
    /// A preview-1 core module, adapted to a command.
    Preview1,
}

/// A compiled agent. Cheap to run many times.
pub struct Agent {
    kind: AgentKind,
    component: Component,
    /// The grants without which it is refused.
    needs: Vec<&'static str>,
    session: Entry,
    plain: OnceLock<Entry>,
    #[cfg(target_os = "linux")]
    code: OnceLock<crate::worker::Code>,
}

/// What is called, with its imports already resolved.
pub(crate) enum Entry {
    Agent(AgentPre<State>),
    Reviewer(ReviewerPre<State>),
    Command(CommandPre<State>),
    /// Of WASI 0.3.
    #[cfg(feature = "wasi-0-3")]
    Command3(wasmtime_wasi::p3::bindings::CommandPre<State>),
}

impl Agent {
    /// What it is.
    pub fn kind(&self) -> AgentKind {
        self.kind
    }

    /// The grants that it needs, by their names: without one of them it is refused.
    pub fn needs(&self) -> &[&'static str] {
        &self.needs
    }

    #[cfg(test)]
    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    pub(crate) fn session(&self) -> &Entry {
        &self.session
    }

    pub(crate) fn plain(&self, engine: &Engine) -> Result<&Entry, LoadError> {
        if let Some(entry) = self.plain.get() {
            return Ok(entry);
        }
        let pre = engine
            .0
            .linkers
            .plain
            .instantiate_pre(&self.component)
            .map_err(|e| imports::refused(&e))?;
        let entry = self.kind.entry(pre)?;
        Ok(self.plain.get_or_init(|| entry))
    }

    /// What a component of this kind becomes.
    pub(crate) fn of(
        engine: &Engine,
        component: Component,
        kind: AgentKind,
    ) -> Result<Self, LoadError> {
        let inner = &engine.0;
        imports::check(&component, &inner.wasm)?;
        let ty = component.component_type();
        let needs: BTreeSet<_> =
            ty.imports(&inner.wasm).filter_map(|(name, _)| imports::grant(name)).collect();
        let pre = inner.linkers.session.instantiate_pre(&component);
        let session = kind.entry(pre.map_err(|e| imports::refused(&e))?)?;
        Ok(Self {
            kind,
            component,
            needs: needs.into_iter().collect(),
            session,
            plain: OnceLock::new(),
            #[cfg(target_os = "linux")]
            code: OnceLock::new(),
        })
    }

    /// What workers are given. Made when the first one needs it.
    #[cfg(target_os = "linux")]
    pub(crate) fn code(&self) -> std::io::Result<&crate::worker::Code> {
        if let Some(code) = self.code.get() {
            return Ok(code);
        }
        let code = crate::worker::Code::of(&self.component)?;
        Ok(self.code.get_or_init(|| code))
    }

    pub(crate) fn is_of(&self, engine: &Engine) -> bool {
        wasmtime::Engine::same(self.component.engine(), &engine.0.wasm)
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl AgentKind {
    /// What exports such interfaces.
    pub(crate) fn of(exports: &[String], core: bool) -> Option<Self> {
        let has =
            |what: &str| exports.iter().any(|e| imports::bare(e) == what && imports::spoken(e));
        if has("brio:core/run") {
            Some(Self::Agent)
        } else if has("brio:core/review") {
            Some(Self::Reviewer)
        } else if has("wasi:cli/run") {
            Some(if core { Self::Preview1 } else { Self::Command })
        } else {
            None
        }
    }

    /// One word for it: `agent`, `reviewer`, `command` or `preview1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reviewer => "reviewer",
            Self::Command => "command",
            Self::Preview1 => "preview1",
        }
    }

    fn entry(self, pre: InstancePre<State>) -> Result<Entry, LoadError> {
        let entry = match self {
            Self::Agent => AgentPre::new(pre).map(Entry::Agent),
            Self::Reviewer => ReviewerPre::new(pre).map(Entry::Reviewer),
            #[cfg(feature = "wasi-0-3")]
            Self::Command => CommandPre::new(pre.clone())
                .map(Entry::Command)
                .or_else(|e| crate::wasi3::command(pre).map(Entry::Command3).map_err(|_| e)),
            #[cfg(not(feature = "wasi-0-3"))]
            Self::Command => CommandPre::new(pre).map(Entry::Command),
            Self::Preview1 => CommandPre::new(pre).map(Entry::Command),
        };
        entry.map_err(|e| LoadError::invalid(&e))
    }
}

impl Engine {
    /// Loads an agent from a file.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Agent, LoadError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => LoadError::Missing { path: path.into() },
            _ => LoadError::Unreadable { path: path.into(), source },
        })?;
        self.load_bytes(&bytes)
    }

    /// Loads an agent from the bytes of a component or of a preview-1 module.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_bytes(&self, bytes: &[u8]) -> Result<Agent, LoadError> {
        let adapted;
        let (bytes, core) = if wasmparser::Parser::is_component(bytes) {
            (bytes, false)
        } else if wasmparser::Parser::is_core_wasm(bytes) {
            adapted = adapt(bytes)?;
            (&adapted[..], true)
        } else {
            return Err(LoadError::NotWasm);
        };
        let wasm = &self.0.wasm;
        let component =
            Component::from_binary(wasm, bytes).map_err(|e| proposals::explain(bytes, &e))?;
        let ty = component.component_type();
        let exports: Vec<String> = ty.exports(wasm).map(|(name, _)| name.to_owned()).collect();
        let Some(kind) = AgentKind::of(&exports, core) else {
            return Err(LoadError::NoEntryPoint { exports });
        };
        Agent::of(self, component, kind)
    }
}
