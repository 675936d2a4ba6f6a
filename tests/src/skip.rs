//! Tests that cannot run on a machine say so.

use std::io::Write;

/// Says loudly that a test cannot run here, and has it counted (`$BRIO_SKIPS`).
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED: {name}: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{name}: {why}"));
    }
}
