//! Walking a tree and choosing files in it, by `std::fs` alone.

use std::path::{Path, PathBuf};

use crate::{AgentError, AtPath};

/// All regular files below a directory, sorted, as paths that begin with `root` (nothing for `.`).
///
/// Symlinks are not followed. `.git` is left out at every depth.
///
/// ```
/// use brio_agent::files::walk;
///
/// let sources = walk("src")?;
/// assert!(sources.contains(&"src/lib.rs".into()));
/// # Ok::<(), brio_agent::AgentError>(())
/// ```
pub fn walk(root: impl AsRef<Path>) -> Result<Vec<PathBuf>, AgentError> {
    let mut files = Vec::new();
    let mut pending = vec![root.as_ref().to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).at(&directory)? {
            let entry = entry.at(&directory)?;
            let path = match directory == Path::new(".") {
                true => PathBuf::from(entry.file_name()),
                false => directory.join(entry.file_name()),
            };
            let kind = entry.file_type().at(&path)?;
            if kind.is_dir() && entry.file_name() != ".git" {
                pending.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The content of a text file; `None` if it is binary (it has a NUL, or is not UTF-8).
///
/// ```
/// use brio_agent::files::read_text;
///
/// assert!(read_text("Cargo.toml")?.is_some());
/// # Ok::<(), brio_agent::AgentError>(())
/// ```
pub fn read_text(path: impl AsRef<Path>) -> Result<Option<String>, AgentError> {
    let bytes = std::fs::read(&path).at(&path)?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

/// A choice of files by glob patterns, some of which exclude.
///
/// A pattern matches a whole path. `?` is one character and `*` any number of them within a
/// component; `**` as a component is any number of components. A pattern without a slash matches
/// the file's name at any depth. A pattern that begins with `!` excludes; without any other
/// pattern everything else is chosen.
///
/// ```
/// use brio_agent::files::Globs;
///
/// let globs = Globs::new(["src/**/*.rs", "*.md", "!src/gen/**"]);
/// assert!(globs.matches("src/a/b.rs"));
/// assert!(globs.matches("docs/index.md"));
/// assert!(!globs.matches("src/gen/x.rs"));
/// assert!(!globs.matches("build.rs"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Globs {
    /// A choice by these patterns; by none, every file.
    ///
    /// ```
    /// # use brio_agent::files::Globs;
    /// assert!(Globs::new([""; 0]).matches("any/file"));
    /// ```
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let mut globs = Self::default();
        for pattern in patterns {
            match pattern.as_ref().strip_prefix('!') {
                Some(pattern) => globs.exclude.push(pattern.to_owned()),
                None => globs.include.push(pattern.as_ref().to_owned()),
            }
        }
        globs
    }

    /// Whether a path is chosen.
    ///
    /// ```
    /// # use brio_agent::files::Globs;
    /// assert!(!Globs::new(["!*.lock"]).matches("Cargo.lock"));
    /// ```
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref().to_string_lossy();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, path));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

fn glob(pattern: &str, path: &str) -> bool {
    let components: Vec<&str> = path.split('/').collect();
    if !pattern.contains('/') && pattern != "**" {
        return components.last().is_some_and(|name| glob_name(pattern, name));
    }
    let patterns: Vec<&str> = pattern.trim_start_matches("./").split('/').collect();
    glob_components(&patterns, &components)
}

/// One row of a table: which prefixes of the path the patterns so far can match. No backtracking,
/// so a hostile pattern is merely slow in proportion to its length.
fn glob_components(patterns: &[&str], components: &[&str]) -> bool {
    let mut row = vec![false; components.len() + 1];
    row[0] = true;
    for pattern in patterns {
        let mut next = vec![false; components.len() + 1];
        for at in 0..=components.len() {
            next[at] = match *pattern {
                "**" => row[at] || (at > 0 && next[at - 1]),
                name => at > 0 && row[at - 1] && glob_name(name, components[at - 1]),
            };
        }
        row = next;
    }
    row[components.len()]
}

fn glob_name(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut row = vec![false; name.len() + 1];
    row[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match wanted {
                '*' => row[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && row[at - 1],
                character => at > 0 && row[at - 1] && name[at - 1] == character,
            };
        }
        row = next;
    }
    row[name.len()]
}
