//! Preview-1 core modules become components.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::LoadError;

/// Wraps a core module with the adapter of wasmtime.
///
/// A module that carries `component-type` sections (`wit-bindgen` without the last step of
/// its toolchain) becomes the component that it describes.
pub(crate) fn adapt(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let shape =
        Shape::of(module).map_err(|e| LoadError::Invalid { reason: e.message().to_owned() })?;
    if let Some((module, name)) = shape.foreign {
        return Err(LoadError::UnknownImport {
            need: crate::imports::need(&module),
            import: format!("{module}.{name}"),
        });
    }
    if !shape.start && !shape.typed {
        return Err(LoadError::NoEntryPoint { exports: shape.exports });
    }
    let roomy = if shape.go { crate::go::with_room(module) } else { None };
    let module = roomy.as_deref().unwrap_or(module);
    let adapter = if shape.start { COMMAND } else { REACTOR };
    let mut encoder = ComponentEncoder::default();
    encoder = encoder.validate(false).module(module).map_err(invalid)?;
    encoder.adapter(ADAPTER, adapter).map_err(invalid)?.encode().map_err(invalid)
}

fn invalid(e: impl std::fmt::Display) -> LoadError {
    LoadError::Invalid { reason: format!("{e:#}") }
}

/// Whether a module of imports is answered by the adapter, or is an interface.
pub(crate) fn known(module: &str) -> bool {
    module == ADAPTER || module.contains(':')
}

/// What matters of a module.
#[derive(Default)]
struct Shape {
    /// The first import that is neither preview 1 nor of an interface.
    foreign: Option<(String, String)>,
    start: bool,
    typed: bool,
    /// Go's linker made it.
    go: bool,
    exports: Vec<String>,
}

impl Shape {
    fn of(module: &[u8]) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if !known(import.module) && shape.foreign.is_none() {
                            shape.foreign = Some((import.module.into(), import.name.into()));
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let name = export?.name;
                        shape.start |= name == "_start";
                        shape.exports.push(name.into());
                    }
                }
                Payload::CustomSection(section) => {
                    shape.typed |= section.name().starts_with("component-type");
                    shape.go |= section.name() == "go:buildid";
                }
                _ => {}
            }
        }
        Ok(shape)
    }
}
