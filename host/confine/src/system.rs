//! What of the host's system every room holds, read-only.

use std::path::{Path, PathBuf};

/// Directories below the root that hold programs. Where the host has a link (`/bin` on a
/// merged system), the room has the same link.
pub(crate) const PROGRAMS: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"];

/// Of `/sys` only what tells the number of processors.
pub(crate) const SYS: &[&str] = &["/sys/devices/system/cpu"];

/// Of `/etc`, what programs read and nobody has to hide. An allow-list, because `/etc` is where
/// passwords (`shadow`), keys (`ssh`, `ssl/private`), tokens (`npmrc`, `pip.conf`) and rights
/// (`sudoers`) are.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "mime.types",
    "mtab",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "protocols",
    "redhat-release",
    "rpc",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Configuration that runtimes look up by a name with a version (`java-17-openjdk`).
const ETC_VERSIONED: &[&str] = &["java-", "python", "ld-musl-"];

/// The paths of `/etc` that a room holds, as far as the host has them.
pub(crate) fn etc(network: bool) -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    let mut paths: Vec<PathBuf> = ETC.iter().map(|name| etc.join(name)).collect();
    if network {
        paths.push(etc.join("resolv.conf"));
    }
    // An /etc that cannot be listed has nothing to add.
    for entry in std::fs::read_dir(etc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if ETC_VERSIONED.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            paths.push(entry.path());
        }
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    paths
}

/// Whether a path lies in what every room holds anyway.
pub(crate) fn holds(path: &Path) -> bool {
    PROGRAMS.iter().any(|dir| path.starts_with(dir))
}
