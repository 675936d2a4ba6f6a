//! Runs WebAssembly agents in a session: the only crate that names wasmtime
