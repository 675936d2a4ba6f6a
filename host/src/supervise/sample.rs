//! A base that is made for a task.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

/// Makes the directory with its files: as a whole, or not at all.
pub(super) fn make(at: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    let parent = at.parent().ok_or(io::ErrorKind::InvalidInput)?;
    crate::brio::make_private(parent)?;
    let mut name = at.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let work = parent.join(name);
    // What this process left in an earlier life under the same number.
    match fs::remove_dir_all(&work) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::create_dir(&work)?;
    for (path, text) in files {
        let path = Path::new(path);
        let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
        if !inside || path.as_os_str().is_empty() {
            let what = format!("{} does not lie in the sample", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let path = work.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    match fs::rename(&work, at) {
        // Another process was faster.
        Err(_) if at.is_dir() => fs::remove_dir_all(&work),
        done => done,
    }
}
