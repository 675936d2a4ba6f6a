//! What is particular to projects in Rust.

use super::{FILES, TEMPLATE, built, snake};

const PACKAGE: &str = "[[package]]\n";

pub(super) fn commands(name: &str) -> Vec<String> {
    let wasm = format!("target/wasm32-wasip2/release/{}.wasm", snake(name));
    let mut all = vec!["rustup target add wasm32-wasip2".to_owned()];
    all.extend(built("cargo test", "cargo build --release --target wasm32-wasip2", &wasm));
    all
}

/// A lock file whose packages are where cargo would have put them: with `--locked` it accepts
/// no other order.
pub(super) fn sorted_lock(text: &str) -> String {
    let mut parts = text.split(PACKAGE);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<_> = parts.map(str::trim_end).collect();
    packages.sort_by_key(|package| field(package, "name"));
    packages
        .iter()
        .fold(head.trim_end().to_owned(), |lock, package| format!("{lock}\n\n{PACKAGE}{package}"))
        + "\n"
}

/// Whether a crate of that name is in the lock file of a project.
pub(super) fn is_dependency(name: &str) -> bool {
    let lock = FILES.iter().find(|(path, _)| *path == "rust/Cargo.lock");
    let text = lock.and_then(|(_, lock)| std::str::from_utf8(lock).ok()).unwrap_or_default();
    name != TEMPLATE && text.split(PACKAGE).any(|package| field(package, "name") == name)
}

fn field<'a>(package: &'a str, key: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    package.lines().find_map(value).unwrap_or_default()
}
