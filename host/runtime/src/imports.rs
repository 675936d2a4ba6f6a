//! Imports that cannot be answered, named.

use wasmtime::component::Component;

use crate::LoadError;

/// What the grant `session-fs` opens.
pub(crate) const SESSION_FS: [&str; 2] = ["brio:core/session-fs", "brio:core/checkpoints"];
/// What the grant `project-record` opens.
pub(crate) const PROJECT_RECORD: [&str; 1] = ["brio:core/project-record"];

/// The grant without which a guest that imports this is refused.
pub(crate) fn grant(name: &str) -> Option<&'static str> {
    let name = bare(name);
    if SESSION_FS.contains(&name) {
        Some("session-fs")
    } else if PROJECT_RECORD.contains(&name) {
        Some("project-record")
    } else {
        None
    }
}

/// Every interface that the linkers offer, without versions.
const OFFERED: [&str; 36] = [
    "brio:core/types",
    SESSION_FS[0],
    SESSION_FS[1],
    PROJECT_RECORD[0],
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
    "wasi:http/outgoing-handler",
    "wasi:http/types",
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

/// Whether an interface has a version that is spoken here, whichever interface it is.
pub(crate) fn spoken(name: &str) -> bool {
    #[cfg(feature = "wasi-0-3")]
    if crate::wasi3::spoken(name) {
        return true;
    }
    of_series(name)
}

fn of_series(name: &str) -> bool {
    let version = name.split_once('@').map_or("", |(_, v)| v);
    version.strip_prefix(series(name)).is_some_and(|rest| rest.starts_with('.'))
}

fn series(name: &str) -> &'static str {
    if name.starts_with("brio:") { "0.1" } else { "0.2" }
}

/// Whether the linkers offer such an interface. Whether all of it is what the guest expects,
/// only linking says.
pub(crate) fn offered(name: &str) -> bool {
    #[cfg(feature = "wasi-0-3")]
    if crate::wasi3::offered(name) {
        return true;
    }
    OFFERED.contains(&bare(name)) && of_series(name)
}

/// What is offered and most likely meant by an import that is not.
pub(crate) fn nearest(import: &str) -> Option<String> {
    const LONGEST: usize = 64;
    let (package, interface) = bare(import).split_once('/').filter(|(_, i)| i.len() <= LONGEST)?;
    let near = |offered: &&str| {
        let (p, i) = offered.split_once('/').unwrap_or((offered, ""));
        let far = distance(i, interface);
        // A slip of the pen, or a telling name that has moved to another package of the kin.
        let kin = p.split_once(':').map(|(k, _)| k) == package.split_once(':').map(|(k, _)| k);
        let same = match p == package {
            true => far <= interface.len().div_ceil(4),
            false => kin && far == 0 && interface != "types",
        };
        same.then_some((far, p != package))
    };
    let best = OFFERED.iter().filter_map(|o| Some((near(o)?, *o))).min()?.1;
    Some(format!("{best}@{}", series(best)))
}

/// How many characters must be put in, left out or replaced to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Refuses a component with an import that nothing here answers.
pub(crate) fn check(component: &Component, engine: &wasmtime::Engine) -> Result<(), LoadError> {
    for (name, _) in component.component_type().imports(engine) {
        if !offered(name) {
            return Err(LoadError::UnknownImport { import: name.to_owned(), need: need(name) });
        }
    }
    Ok(())
}

/// What a linker said of a component whose imports are all known by name.
pub(crate) fn refused(e: &wasmtime::Error) -> LoadError {
    let reason = format!("{e:#}");
    // The instance, then what is missing in it or of another type.
    let mut quoted = reason.split('`').skip(1).step_by(2);
    let import = quoted.next().unwrap_or("an import");
    let import = quoted.next().map_or_else(|| import.into(), |what| format!("{import}#{what}"));
    LoadError::UnknownImport { import, need: "another version of it than this host offers" }
}

/// What would be needed to run a guest with such an import.
pub(crate) fn need(import: &str) -> &'static str {
    let (package, version) = import.split_once('@').unwrap_or((import, ""));
    match package.split_once('/').map_or(package, |(p, _)| p) {
        "wasi:http" => "a host that serves HTTP; agents here make requests, by wasi:http 0.2",
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
