//! Lists what is part of the program for `include_bytes!`: the prebuilt agents, so that adding
//! one is adding its file, and what `brio agent new` writes.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("bundled.rs"), agents(&root.join("example-agents/prebuilt"))?)?;
    fs::write(out.join("projects.rs"), projects(&root)?)?;
    Ok(())
}

fn agents(prebuilt: &Path) -> Result<String> {
    println!("cargo::rerun-if-changed={}", prebuilt.display());
    let mut files = Vec::new();
    if prebuilt.is_dir() {
        for entry in fs::read_dir(prebuilt)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "wasm") {
                println!("cargo::rerun-if-changed={}", path.display());
                files.push(fs::canonicalize(path)?);
            }
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name =
            path.file_stem().and_then(|s| s.to_str()).ok_or("a prebuilt agent without a name")?;
        writeln!(list, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    list.push(']');
    Ok(list)
}

/// `LANGUAGE/PATH` for what belongs to one language, `brio/PATH` for what the project needs of
/// Brio.
fn projects(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for (from, to) in [
        ("example-agents/languages", ""),
        ("guest-sdk/Cargo.toml", "brio/sdk/Cargo.toml"),
        ("guest-sdk/src", "brio/sdk/src"),
        ("wit", "brio/wit"),
    ] {
        collect(&root.join(from), to, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (name, path) in files {
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(list, "    ({name:?}, include_bytes!({:?})),", fs::canonicalize(path)?)?;
    }
    list.push(']');
    Ok(list)
}

/// What a language's tools leave when somebody builds a template where it lies.
const BUILT: [&str; 5] = ["__pycache__", "build", "node_modules", "target", "venv"];

fn collect(path: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    if !path.is_dir() {
        files.push((name.to_owned(), path.to_owned()));
        return Ok(());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let last = entry.file_name().into_string().map_err(|n| format!("{n:?} is no text"))?;
        if BUILT.contains(&last.as_str()) && entry.path().is_dir() {
            continue;
        }
        let name = if name.is_empty() { last } else { format!("{name}/{last}") };
        collect(&entry.path(), &name, files)?;
    }
    Ok(())
}
