//! WebAssembly that is valid, but for proposals that are off here.

use wasmparser::{Validator, WasmFeatures as F};

use crate::LoadError;

/// What this host has off, and what a person calls it.
const OFF: &[(F, &str)] = &[
    (F::GC, "garbage collection (gc)"),
    (F::LEGACY_EXCEPTIONS, "legacy exceptions"),
    (F::THREADS, "threads"),
    (F::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (F::STACK_SWITCHING, "stack switching"),
    (F::MEMORY_CONTROL, "memory control"),
    (F::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (F::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (F::WIDE_ARITHMETIC, "wide arithmetic"),
    #[cfg(not(feature = "wasi-0-3"))]
    (F::CM_ASYNC, ASYNC),
    (F::CM_THREADING, "component threads"),
    (F::CM_ERROR_CONTEXT, "error contexts"),
    (F::CM_VALUES, "component values"),
    (F::CM_FIXED_LENGTH_LISTS, "lists of fixed length"),
    (F::CM_GC, "component gc"),
    (F::CM_MAP, "component maps"),
    (F::CM64, "64-bit components"),
];

const ASYNC: &str = "asynchronous components (WASI 0.3)";

/// Why wasmtime does not compile this.
pub(crate) fn explain(bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    let invalid = LoadError::invalid(error);
    let valid = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    let LoadError::Invalid { reason } = &invalid else { return invalid };
    if !valid(F::all()) {
        return invalid;
    }
    let used: Vec<_> =
        OFF.iter().filter(|(f, _)| !valid(F::all() - *f)).map(|(_, name)| *name).collect();
    if used.is_empty() {
        return invalid;
    }
    let instead = if used.contains(&ASYNC) { "build it for WASI 0.2" } else { "build it without" };
    let used = used.join(", ");
    let reason = reason.replace("; ", ", ");
    LoadError::Invalid { reason: format!("it uses {used}, off in this host ({reason}); {instead}") }
}
