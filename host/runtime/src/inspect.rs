//! What a file of WebAssembly imports and exports, also when it cannot be loaded.
//!
//! The names are read from the bytes; whether it runs is said by loading it, and by nothing
//! else.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};

use crate::imports;
use crate::{Agent, AgentKind, Engine, LoadError, adapt};

/// What [`Engine::inspect`] found.
#[derive(Debug)]
pub struct Inspected {
    /// What the bytes are; `None`: no WebAssembly.
    pub format: Option<WasmFormat>,
    /// What it is by its exports, whether or not it runs here; `None`: nothing that runs.
    pub kind: Option<AgentKind>,
    /// What it imports, by name.
    pub imports: Vec<ImportInfo>,
    /// What it exports, by name.
    pub exports: Vec<ExportInfo>,
    /// The agent, compiled and with its imports resolved; or why there is none.
    pub agent: Result<Agent, LoadError>,
}

/// The two layers of WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WasmFormat {
    /// A component.
    Component,
    /// A core module.
    Module,
}

/// An import. The names are the guest's: they may contain anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportInfo {
    /// The interface, such as `wasi:cli/stdout`; of a module's other imports `MODULE.NAME`.
    pub interface: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether this host offers it.
    pub served: bool,
    /// The grant without which a run is refused.
    pub grant: Option<&'static str>,
    /// What this host offers and was most likely meant.
    pub nearest: Option<String>,
    /// What it would need to be run.
    pub needs: Option<&'static str>,
}

/// An export. The names are the guest's: they may contain anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportInfo {
    /// The interface, or the name of something else.
    pub interface: String,
    /// Its version.
    pub version: Option<String>,
}

impl Inspected {
    /// Every grant without which a run is refused.
    pub fn grants(&self) -> Vec<&'static str> {
        let grants: BTreeSet<_> = self.imports.iter().filter_map(|i| i.grant).collect();
        grants.into_iter().collect()
    }
}

impl Engine {
    /// Says what a component or a module is, and whether it could be run. It is compiled and
    /// its imports are resolved; nothing of it is instantiated.
    pub fn inspect(&self, bytes: &[u8]) -> Inspected {
        let agent = self.load_bytes(bytes);
        let names = Names::of(bytes);
        let mut imports: Vec<_> = names.imports.iter().map(|name| import(name)).collect();
        imports.sort_by(|a, b| (&a.interface, &a.version).cmp(&(&b.interface, &b.version)));
        if let Err(LoadError::UnknownImport { import, need }) = &agent {
            let import = import.split_once('#').map_or(import.as_str(), |(instance, _)| instance);
            let refused = |i: &&mut ImportInfo| i.full() == import;
            // Known by name, and yet not what the guest expects of it.
            if let Some(i) = imports.iter_mut().find(refused) {
                i.served = false;
                i.needs = Some(need);
                i.nearest = imports::nearest(import);
            }
        }
        let exports: Vec<_> = names.exports.into_iter().collect();
        let core = names.format == Some(WasmFormat::Module);
        let starts = core && exports.iter().any(|e| e == "_start");
        let kind = match &agent {
            Ok(agent) => Some(agent.kind()),
            Err(_) if starts => Some(AgentKind::Preview1),
            Err(_) => AgentKind::of(&exports, core),
        };
        let exports = exports.iter().map(|name| {
            let (interface, version) = split(name);
            ExportInfo { interface, version }
        });
        Inspected { format: names.format, kind, imports, exports: exports.collect(), agent }
    }
}

impl ImportInfo {
    fn full(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.interface),
            None => self.interface.clone(),
        }
    }
}

fn import(name: &str) -> ImportInfo {
    let (interface, version) = split(name);
    let served = imports::offered(name) || (!interface.contains(':') && adapt::known(name));
    let grant = imports::grant(name).filter(|_| served);
    let nearest = if served { None } else { imports::nearest(name) };
    let needs = (!served).then(|| match name.split_once('.') {
        // The module is what says where a module's import is from.
        Some((module, _)) if !module.contains(':') => imports::need(module),
        _ => imports::need(name),
    });
    ImportInfo { interface, version, served, grant, nearest, needs }
}

fn split(name: &str) -> (String, Option<String>) {
    match name.split_once('@') {
        Some((interface, version)) if interface.contains(':') => {
            (interface.to_owned(), Some(version.to_owned()))
        }
        _ => (name.to_owned(), None),
    }
}

/// The names on the outside of a component or a module, as far as it can be read.
#[derive(Default)]
struct Names {
    format: Option<WasmFormat>,
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

impl Names {
    fn of(bytes: &[u8]) -> Self {
        let mut names = Self::default();
        if Parser::is_component(bytes) {
            names.format = Some(WasmFormat::Component);
        } else if Parser::is_core_wasm(bytes) {
            names.format = Some(WasmFormat::Module);
        } else {
            return names;
        }
        // What is damaged is listed up to the damage; loading says what is wrong with it.
        let _ = names.read(bytes);
        // A module that describes a component is listed as that.
        if names.format == Some(WasmFormat::Module)
            && !names.exports.contains("_start")
            && let Ok(component) = adapt::adapt(bytes)
        {
            names.imports.clear();
            names.exports.clear();
            let _ = names.read(&component);
        }
        names
    }

    fn read(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        // What lies inside a component has imports and exports of its own.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        self.imports.insert(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        self.exports.insert(export?.name.name.to_owned());
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        self.imports.insert(if adapt::known(import.module) {
                            import.module.to_owned()
                        } else {
                            format!("{}.{}", import.module, import.name)
                        });
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let name = export?.name;
                        // Each function of an interface is an export of its own.
                        let interface = name.split_once('#').filter(|(i, _)| i.contains(':'));
                        self.exports.insert(interface.map_or(name, |(i, _)| i).to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::EngineOptions;

    /// What is read from the bytes is what wasmtime sees.
    #[test]
    fn the_names_are_those_that_are_linked() {
        let engine = Engine::new(EngineOptions::default()).expect("an engine");
        let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/prebuilt");
        for name in ["hello", "check-secrets", "test/sessions", "test/fs-probe"] {
            let path = prebuilt.join(name).with_extension("wasm");
            let names = Names::of(&std::fs::read(&path).expect("a component"));
            let agent = engine.load(&path).expect("an agent");
            let ty = agent.component().component_type();
            let wasm = &engine.0.wasm;
            let imports = ty.imports(wasm).map(|(name, _)| name.to_owned()).collect();
            let exports = ty.exports(wasm).map(|(name, _)| name.to_owned()).collect();
            assert_eq!((&names.imports, &names.exports), (&imports, &exports), "{name}");
            assert!(!names.imports.is_empty() && !names.exports.is_empty(), "{name}");
            assert!(names.imports.iter().all(|n| imports::offered(n)), "{name}");
        }
    }
}
