//! Being a good neighbour of git: `.brio` is no part of a checkout.
//!
//! `.brio/.git` is an empty repository: `git clean -fdx` leaves other repositories alone.
//! `/.brio/` in the checkout's `info/exclude` keeps `git status` and `git stash -u` quiet.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use brio_session::Op;

use crate::disk::{self, Disk};

/// Makes the empty repository in a new state directory.
pub(crate) fn make_empty(disk: &Disk, state: impl AsFd) -> io::Result<()> {
    disk.mkdir(&state, b".git", 0o700)?;
    let git = disk::open_dir(&state, b".git");
    let git = match git {
        Ok(git) => git,
        Err(_) if disk.0.stopped() => return Ok(()),
        Err(e) => return Err(e),
    };
    disk.mkdir(&git, b"objects", 0o700)?;
    disk.mkdir(&git, b"refs", 0o700)?;
    disk.write_new(&git, b"HEAD", b"ref: refs/heads/none\n").map(drop)
}

/// Adds the state directory of `root` to the exclude file of the checkout it lies in, if any.
/// Best effort: nothing but tidiness depends on it.
pub(crate) fn exclude(disk: &Disk, root: &Path) -> io::Result<()> {
    let Some((top, dot_git)) =
        root.ancestors().map(|p| (p, p.join(".git"))).find(|(_, g)| g.exists())
    else {
        return Ok(());
    };
    let Some(info) = info_dir(top, &dot_git) else { return Ok(()) };
    let below = root.strip_prefix(top).unwrap_or(Path::new(""));
    let mut line = String::from("/");
    for c in below.components() {
        // What git reads as a pattern in a name is escaped.
        for ch in c.as_os_str().to_string_lossy().chars() {
            if "*?[\\ ".contains(ch) {
                line.push('\\');
            }
            line.push(ch);
        }
        line.push('/');
    }
    line.push_str(".brio/");
    let file = info.join("exclude");
    let had = match std::fs::read(&file) {
        Ok(had) => had,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    if had.split(|b| *b == b'\n').any(|l| l == line.as_bytes()) {
        return Ok(());
    }
    if !info.exists() {
        disk.0.run(Op::Mkdir, || std::fs::create_dir_all(&info))?;
    }
    let mut add = String::new();
    if had.last().is_some_and(|b| *b != b'\n') {
        add.push('\n');
    }
    add.push_str(&line);
    add.push('\n');
    let mut out = None;
    disk.0.run(Op::Create, || {
        out = Some(std::fs::File::options().append(true).create(true).open(&file)?);
        Ok(())
    })?;
    out.map_or(Ok(()), |f| disk.append(&f, add.as_bytes()))
}

/// `info/` of the repository that `.git` is or names (worktrees and submodules have a file).
fn info_dir(top: &Path, dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return dot_git.join("HEAD").exists().then(|| dot_git.join("info"));
    }
    let text = std::fs::read_to_string(dot_git).ok()?;
    let git = top.join(text.strip_prefix("gitdir:")?.trim());
    let common = match std::fs::read_to_string(git.join("commondir")) {
        Ok(c) => git.join(c.trim()),
        Err(_) => git,
    };
    common.join("HEAD").exists().then(|| common.join("info"))
}
