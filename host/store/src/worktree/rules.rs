//! What of a directory is left out, in gitignore syntax.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::io::Errno;

use super::root::{Is, Look, open_file};
use super::{WorktreeError, WorktreeResult};
use crate::tree::Key;

/// Patterns of ours, at the directory's root.
const OWN: &[u8] = b".brioignore";
/// Git's, in each directory.
pub(super) const GITS: &[u8] = b".gitignore";
const LONGEST: u64 = 1 << 20;

/// Which patterns are obeyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ignore {
    /// Those of `.brioignore` at the root, and those of each `.gitignore`, whatever git tracks
    /// nevertheless. Where they disagree the first decides.
    #[default]
    Git,
    /// Those of `.brioignore` alone.
    None,
}

/// The patterns of a directory and of those in it.
#[derive(Debug)]
pub(super) struct Rules {
    ignore: Ignore,
    own: Gitignore,
    /// By the path of the directory that they are in.
    gits: HashMap<Vec<u8>, Gitignore>,
}

impl Rules {
    /// With those of `.brioignore`.
    pub(super) fn of(root: impl AsFd, ignore: Ignore) -> WorktreeResult<Self> {
        let bad = |why: String| WorktreeError::Ignore { why };
        let mut own = GitignoreBuilder::new("");
        if let Some(text) = text(root, OWN).map_err(bad)? {
            let text = String::from_utf8(text).map_err(|_| bad("it is not UTF-8".into()))?;
            for line in text.lines() {
                own.add_line(None, line).map_err(|e| bad(format!("`{line}`: {e}")))?;
            }
        }
        let own = own.build().map_err(|e| bad(e.to_string()))?;
        Ok(Self { ignore, own, gits: HashMap::new() })
    }

    /// Adds those of `.gitignore` in a directory. As git does, it passes over what is none.
    pub(super) fn enter(&mut self, path: &[u8], dir: impl AsFd) {
        if self.ignore == Ignore::None {
            return;
        }
        let Ok(Some(text)) = text(dir, GITS) else { return };
        let mut rules = GitignoreBuilder::new("");
        for line in text.split(|b| *b == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                let _ = rules.add_line(None, line.trim_end_matches('\r'));
            }
        }
        if let Ok(rules) = rules.build()
            && !rules.is_empty()
        {
            self.gits.insert(path.to_vec(), rules);
        }
    }

    /// Whether something is left out, the directories around it being none that are.
    pub(super) fn leave_out(&self, key: &Key, is_dir: bool) -> bool {
        let path = key.path();
        let own = self.own.matched(OsStr::from_bytes(&path), is_dir);
        if !own.is_none() || self.gits.is_empty() {
            return own.is_ignore();
        }
        // The nearest decides.
        let mut dir = key.dir();
        loop {
            if let Some(rules) = self.gits.get(dir) {
                let below = if dir.is_empty() { &path[..] } else { &path[dir.len() + 1..] };
                let says = rules.matched(OsStr::from_bytes(below), is_dir);
                if !says.is_none() {
                    return says.is_ignore();
                }
            }
            if dir.is_empty() {
                return false;
            }
            dir = dir.iter().rposition(|b| *b == b'/').map_or(&[], |i| &dir[..i]);
        }
    }
}

/// A small regular file; `None`: there is none.
fn text(dir: impl AsFd, name: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let file = match open_file(dir, name) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let look = Look::at(&file, b"").map_err(|e| e.to_string())?;
    if look.print.is != Is::File || look.print.size > LONGEST {
        return Err("it is no regular file of at most 1 MiB".into());
    }
    let mut out = Vec::new();
    file.take(LONGEST).read_to_end(&mut out).map_err(|e| e.to_string())?;
    Ok(Some(out))
}
