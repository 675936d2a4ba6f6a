//! Imports that cannot be answered, named.

use wasmtime::component::Component;

use crate::LoadError;

/// What the grant `session-fs` opens.
pub(crate) const SESSION_FS: [&str; 2] = ["brio:core/session-fs", "brio:core/checkpoints"];

/// Every interface that the linkers offer, without versions.
const OFFERED: [&str; 33] = [
    "brio:core/types",
    SESSION_FS[0],
    SESSION_FS[1],
    "brio:core/session-tools",
    "brio:core/session",
    "brio:core/session-journal",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// The name of an interface without its version.
pub(crate) fn bare(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// Refuses a component with an import that nothing here answers.
pub(crate) fn check(component: &Component, engine: &wasmtime::Engine) -> Result<(), LoadError> {
    for (name, _) in component.component_type().imports(engine) {
        let version = name.split_once('@').map_or("", |(_, v)| v);
        let series = if name.starts_with("brio:") { "0.1." } else { "0.2." };
        if !OFFERED.contains(&bare(name)) || !version.starts_with(series) {
            return Err(LoadError::UnknownImport { import: name.to_owned(), need: need(name) });
        }
    }
    Ok(())
}

/// What a linker said of a component whose imports are all known by name.
pub(crate) fn refused(e: &wasmtime::Error) -> LoadError {
    let reason = format!("{e:#}");
    let import = reason.split('`').nth(1).unwrap_or("an import").to_owned();
    LoadError::UnknownImport { import, need: "another version of it than this host offers" }
}

/// What would be needed to run a guest with such an import.
pub(crate) fn need(import: &str) -> &'static str {
    let (package, version) = import.split_once('@').unwrap_or((import, ""));
    match package.split_once('/').map_or(package, |(p, _)| p) {
        "wasi:http" => "a host with HTTP; agents here have no network",
        "wasi:nn" => "a host with wasi-nn",
        "wasi:keyvalue" | "wasi:config" | "wasi:blobstore" => {
            "a host with that service; agents here have files only"
        }
        "wasi_unstable" => "a build for wasi_snapshot_preview1 or newer (a toolchain from 2020 on)",
        "wasi" => "a host with wasi-threads; build without threads",
        "env" => {
            "a build for WASI (wasm32-wasip1 or wasm32-wasip2); this one expects its own JavaScript host or a missing library"
        }
        "wbg" | "__wbindgen_placeholder__" | "go" | "gojs" => {
            "a build for WASI; this one is made for a JavaScript host"
        }
        "brio:core" => "another version of Brio than this one, which offers brio:core@0.1",
        p if p.starts_with("wasi:") && !version.starts_with("0.2") => "a build for WASI 0.2",
        _ => "a component that brings it along (`wac plug`), or a host that offers it",
    }
}
