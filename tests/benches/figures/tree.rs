//! Directories to measure on.

use std::fs;
use std::path::{Path, PathBuf};

use super::measure::{Outcome, command};

const PER_DIR: usize = 12;

/// Fills `dir` with `files` files of 400 to 8,400 bytes of text, twelve to a directory.
pub(crate) fn fill(dir: &Path, files: usize) -> Outcome {
    let text = b"fn answer() -> u32 { 42 } // what a line of code looks like\n".repeat(150);
    for i in 0..files {
        let path = dir.join(name(i));
        if i % PER_DIR == 0 {
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
        }
        fs::write(path, &text[..400 + (i * 7919) % 8000])?;
    }
    Ok(())
}

/// Makes a repository of a directory, and commits all that is in it.
pub(crate) fn repository(dir: &Path) -> Outcome {
    let git = |args: &[&str]| command("git", args, dir);
    git(&["init", "-q"])?;
    git(&["add", "-A"])?;
    git(&["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "base"])
}

/// The i-th file of a filled directory.
pub(crate) fn name(i: usize) -> PathBuf {
    let d = i / PER_DIR;
    format!("m{:02}/d{:04}/file{:06}.rs", d / 100, d, i).into()
}

/// The spread-out files that a landing changes.
pub(crate) fn spread(files: usize, changed: usize) -> impl Iterator<Item = usize> {
    (0..changed).map(move |k| k * (files / changed))
}
