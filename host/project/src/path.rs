//! Names of notes and patterns of them.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

/// The longest path, in bytes.
pub const MAX_PATH: usize = 255;

/// The name of a note inside its project: components joined by `/`, as `sessions/agent-qa`.
///
/// It is 1 to 255 bytes of UTF-8. No component is empty, `.`, `..` or `.brio` (in whatever
/// case), begins or ends with white space, or has a control character or a backslash. Two paths
/// are the same if their bytes are: `A` and `a` are two notes on every file system, and nothing
/// is normalised. `a` and `a/b` can both be notes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotePath(String);

/// What cannot name a note, or be a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("NOTE_PATH_INVALID: {path:?} {why}")]
pub struct PathError {
    /// What was given, its first bytes if it is long.
    pub path: String,
    /// What is wrong with it.
    pub why: PathDefect,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathDefect {
    /// Nothing at all.
    #[error("is empty; name a note, as `plans/next`")]
    Empty,
    /// Over 255 bytes.
    #[error("is longer than 255 bytes; take a shorter name")]
    TooLong,
    /// It begins with `/`.
    #[error("begins with `/`; a note's path is relative to its project")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("has an empty component; write one `/` between two names")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("has `.` or `..` in it; a note's path names it directly")]
    Dots,
    /// `.brio`.
    #[error("has the reserved name `.brio` in it; take another one")]
    Reserved,
    /// A control character or a backslash.
    #[error("has a control character or a backslash in it; take others")]
    Character,
    /// White space around a component.
    #[error("has white space at an end of a component; leave it out")]
    Space,
    /// A pattern that cannot be understood.
    #[error("is no pattern; `*` is any text without `/`, `**` is with, `[`, `]`, `{{`, `}}` group")]
    Pattern,
}

fn refuse(path: &str, why: PathDefect) -> PathError {
    let end = path.floor_char_boundary(MAX_PATH.min(path.len()));
    PathError { path: path[..end].to_owned(), why }
}

impl NotePath {
    /// Takes a path that names a note.
    ///
    /// # Errors
    /// [`PathError`] names the path and what is wrong with it.
    pub fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        match defect(&path) {
            None => Ok(Self(path)),
            Some(why) => Err(refuse(&path, why)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn defect(path: &str) -> Option<PathDefect> {
    match path {
        "" => return Some(PathDefect::Empty),
        p if p.len() > MAX_PATH => return Some(PathDefect::TooLong),
        p if p.starts_with('/') => return Some(PathDefect::Absolute),
        p if p.chars().any(|c| c.is_control() || c == '\\') => return Some(PathDefect::Character),
        _ => {}
    }
    path.split('/').find_map(|name| match name {
        "" => Some(PathDefect::EmptyComponent),
        "." | ".." => Some(PathDefect::Dots),
        n if n.eq_ignore_ascii_case(brio_session::STATE_DIR) => Some(PathDefect::Reserved),
        n if n.trim() != n => Some(PathDefect::Space),
        _ => None,
    })
}

impl fmt::Display for NotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NotePath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        Self::new(path)
    }
}

/// A pattern of paths: `*` and `?` do not cross a `/`, `**` does; `[a-z]` and `{a,b}` are known.
#[derive(Debug, Clone)]
pub struct Pattern(Option<GlobMatcher>);

impl Pattern {
    /// Takes a pattern.
    ///
    /// # Errors
    /// [`PathError`] for one that is no glob, is empty, or has over 255 bytes.
    pub fn new(pattern: &str) -> Result<Self, PathError> {
        let why = match pattern {
            "" => PathDefect::Empty,
            p if p.len() > MAX_PATH => PathDefect::TooLong,
            _ => PathDefect::Pattern,
        };
        if why != PathDefect::Pattern {
            return Err(refuse(pattern, why));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        Ok(Self(Some(glob.map_err(|_| refuse(pattern, why))?.compile_matcher())))
    }

    /// Every note; as `**`.
    pub const fn all() -> Self {
        Self(None)
    }

    /// Whether it fits.
    pub fn fits(&self, path: &NotePath) -> bool {
        self.0.as_ref().is_none_or(|glob| glob.is_match(path.as_str()))
    }

    /// The text, for a backend that reads patterns itself.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("**", |glob| glob.glob().glob())
    }
}

impl FromStr for Pattern {
    type Err = PathError;

    fn from_str(pattern: &str) -> Result<Self, PathError> {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_escape_the_project_are_refused() {
        let long = "a".repeat(256);
        for (bad, why) in [
            ("", PathDefect::Empty),
            ("/etc/passwd", PathDefect::Absolute),
            ("..", PathDefect::Dots),
            ("a/../b", PathDefect::Dots),
            ("./a", PathDefect::Dots),
            ("a//b", PathDefect::EmptyComponent),
            ("a/", PathDefect::EmptyComponent),
            ("a\0b", PathDefect::Character),
            ("a\nb", PathDefect::Character),
            ("a\u{85}b", PathDefect::Character),
            ("..\\..\\a", PathDefect::Character),
            (".brio/x", PathDefect::Reserved),
            ("a/.BRIO", PathDefect::Reserved),
            (" a", PathDefect::Space),
            ("a /b", PathDefect::Space),
            (long.as_str(), PathDefect::TooLong),
        ] {
            let error = NotePath::new(bad).unwrap_err();
            assert_eq!(error.why, why, "{bad:?}");
            assert!(error.to_string().starts_with("NOTE_PATH_INVALID: "));
        }
        for good in ["a", "sessions/session", ".hidden", "a b/ü?", "CON", "...", &long[..255]] {
            assert_eq!(good.parse::<NotePath>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn patterns_stay_in_their_component_unless_told() {
        let fits = |pattern: &str, path: &str| {
            Pattern::new(pattern).unwrap().fits(&NotePath::new(path).unwrap())
        };
        assert!(fits("sessions/session-*", "sessions/session-1"));
        assert!(!fits("sessions/session-*", "sessions/session"));
        assert!(!fits("sessions/*", "sessions/a/b"));
        assert!(fits("sessions/**", "sessions/a/b"));
        assert!(fits("{a,b}?", "a1") && !fits("a?", "a") && !fits("A", "a"));
        assert!(Pattern::all().fits(&NotePath::new("a/b").unwrap()));
        assert_eq!(Pattern::new("a*").unwrap().as_str(), "a*");
        assert_eq!(Pattern::all().as_str(), "**");
        assert_eq!("a*".parse::<Pattern>().unwrap().as_str(), "a*");
        for bad in ["", "[", "{a", &"*".repeat(256)] {
            let error = Pattern::new(bad).unwrap_err();
            assert!(error.to_string().starts_with("NOTE_PATH_INVALID: "), "{error}");
            assert_eq!(bad.parse::<Pattern>().unwrap_err(), error, "the same, parsed");
        }
    }
}
