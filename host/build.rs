//! Lists the prebuilt agents for `include_bytes!`, so that adding one is adding its file.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let prebuilt = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../example-agents/prebuilt");
    println!("cargo::rerun-if-changed={}", prebuilt.display());
    let mut files = Vec::new();
    if prebuilt.is_dir() {
        for entry in fs::read_dir(&prebuilt)? {
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
    fs::write(Path::new(&env::var("OUT_DIR")?).join("bundled.rs"), list)?;
    Ok(())
}
