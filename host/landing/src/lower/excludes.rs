//! Paths that a session neither sees nor lands, in gitignore syntax.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, Source,
    to_os,
};
use cap_std::fs::Dir;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::look::Look;

/// Patterns that belong to a directory, as `.gitignore` does.
pub(super) const IGNORE_FILE: &[u8] = b".brioignore";
pub(super) const IGNORE_FILE_MAX: u64 = 1 << 20;

/// A line that is no pattern.
#[derive(Debug)]
pub(crate) struct BadPattern {
    pub(crate) pattern: String,
    pub(crate) why: String,
}

/// Compiled patterns, rooted at the branched directory.
pub(crate) struct Patterns(Gitignore);

impl Patterns {
    /// `None`: nothing is excluded.
    pub(crate) fn compile(lines: &[String]) -> Result<Option<Self>, BadPattern> {
        let mut builder = GitignoreBuilder::new("");
        for line in lines {
            let bad = |e: ignore::Error| BadPattern { pattern: line.clone(), why: e.to_string() };
            builder.add_line(None, line).map_err(bad)?;
        }
        let bad = |e: ignore::Error| BadPattern { pattern: lines.join(", "), why: e.to_string() };
        let built = builder.build().map_err(bad)?;
        Ok((!built.is_empty()).then_some(Self(built)))
    }

    /// Whether a path is excluded: itself, or with a directory above it. As in git, what lies
    /// in an excluded directory cannot be taken in again.
    pub(crate) fn hide(&self, path: &RelPath, dir: bool) -> bool {
        path.ancestors().skip(1).any(|up| self.matches(&up, true)) || self.matches(path, dir)
    }

    /// As [`hide`](Self::hide), for a path whose ancestors are known not to be excluded.
    pub(crate) fn matches(&self, path: &RelPath, dir: bool) -> bool {
        !path.is_root() && self.0.matched(&*to_os(path.as_bytes()), dir).is_ignore()
    }
}

/// The lines of `.brioignore` in a directory. Links are not followed.
pub(crate) fn read_ignore_file(dir: impl AsFd) -> io::Result<Vec<String>> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(dir, IGNORE_FILE, how, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    if Look::of(&file)?.kind() != Kind::File {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(IGNORE_FILE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > IGNORE_FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is over 1 MiB"));
    }
    let text = String::from_utf8(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it is not UTF-8"))?;
    Ok(lines_of(&text))
}

/// The lines that say something.
pub(super) fn lines_of(text: &str) -> Vec<String> {
    let says = |l: &&str| !l.trim().is_empty() && !l.starts_with('#');
    text.lines().filter(says).map(str::to_owned).collect()
}

/// A lower without what patterns exclude.
pub(super) fn over(below: Arc<dyn Lower>, lines: &[String]) -> FsResult<Arc<dyn Lower>> {
    // They were compiled when the session began.
    match Patterns::compile(lines).map_err(|_| FsError::Io(0))? {
        Some(patterns) => Ok(Arc::new(Excluding { below, patterns })),
        None => Ok(below),
    }
}

struct Excluding {
    below: Arc<dyn Lower>,
    patterns: Patterns,
}

impl Excluding {
    /// Metadata of what is there and not excluded.
    fn look(&self, path: &RelPath) -> FsResult<Meta> {
        // What a path is decides whether a pattern for directories means it.
        let meta = self.below.stat(path)?;
        if self.patterns.hide(path, meta.kind == Kind::Dir) {
            return Err(FsError::NotFound);
        }
        Ok(meta)
    }
}

impl Lower for Excluding {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.look(path)
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        // Only a directory could be hidden by more, and it cannot be opened.
        if self.patterns.hide(path, false) {
            return Err(FsError::NotFound);
        }
        match self.below.open(path) {
            Err(FsError::IsDirectory) if self.patterns.hide(path, true) => Err(FsError::NotFound),
            r => r,
        }
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.look(path)?;
        self.below.read_link(path)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        if self.patterns.hide(path, true) {
            return Err(FsError::NotFound);
        }
        let mut out = self.below.list(path)?;
        out.retain(|e| !self.patterns.matches(&path.join(&e.name), e.kind == Kind::Dir));
        Ok(out)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        self.below.origin(path)
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        let found = self.below.fingerprint(base)?;
        Ok(found.filter(|f| !self.patterns.hide(base, f.kind == Kind::Dir)))
    }

    fn touched(&self, path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        self.below.touched(path)
    }

    fn observations(&self, into: &mut Observations) {
        self.below.observations(into);
    }

    fn own_file(&self, path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        self.below.own_file(path)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        let hidden = |e: &DirEntry| self.patterns.matches(&path.join(&e.name), e.kind == Kind::Dir);
        Ok(self.below.list(path)?.iter().any(hidden) || self.below.reserved(path)?)
    }

    fn excluded(&self, path: &RelPath, dir: bool) -> bool {
        self.patterns.hide(path, dir) || self.below.excluded(path, dir)
    }

    fn excludes(&self) -> bool {
        true
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn hides(lines: &[&str], path: &str, dir: bool) -> bool {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let patterns = Patterns::compile(&lines).unwrap();
        patterns.is_some_and(|p| p.hide(&RelPath::new(path).unwrap(), dir))
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        assert!(hides(&["target/"], "target", true));
        assert!(hides(&["target/"], "a/target", true));
        assert!(!hides(&["target/"], "target", false), "a file is no directory");
        assert!(hides(&["target/"], "target/debug/x", false));
        assert!(hides(&["/target"], "target", false) && !hides(&["/target"], "a/target", false));
        assert!(hides(&["*.log"], "a/b.log", false));
        assert!(!hides(&["*.log", "!keep.log"], "keep.log", false));
        // What lies in an excluded directory cannot be taken in again.
        assert!(hides(&["logs/", "!logs/keep"], "logs/keep", false));
        assert!(hides(&["a/**/z"], "a/b/c/z", false));
        assert!(!hides(&["*"], "", true), "the root itself is there");
        assert!(!hides(&[], "x", false) && !hides(&["# said", ""], "x", false));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let bad = Patterns::compile(&["ok".into(), "[z-a]".into()]).err().unwrap();
        assert_eq!(bad.pattern, "[z-a]");
    }

    #[test]
    fn an_ignore_file_is_a_plain_text() {
        let dir = tempfile::tempdir().unwrap();
        let fd = File::open(dir.path()).unwrap();
        assert!(read_ignore_file(&fd).unwrap().is_empty());
        let at = dir.path().join(".brioignore");
        std::fs::write(&at, "# build\n\ntarget/\n*.o\n").unwrap();
        assert_eq!(read_ignore_file(&fd).unwrap(), ["target/", "*.o"]);
        std::fs::write(&at, [0xff, 0xfe]).unwrap();
        assert!(read_ignore_file(&fd).is_err());
        std::fs::remove_file(&at).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &at).unwrap();
        assert!(read_ignore_file(&fd).is_err(), "a link is not followed");
    }
}
