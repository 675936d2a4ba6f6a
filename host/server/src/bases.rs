//! The directories that clients may use.

use std::io;
use std::path::{Component, Path, PathBuf};

use brio_host::DomainError;

/// The directories that a server was given: these, and what is below them.
#[derive(Debug)]
pub(crate) struct Bases(Vec<PathBuf>);

/// Why a client may not use a directory.
#[derive(Debug)]
pub(crate) enum BaseError {
    /// There is none that it may.
    None,
    /// It is not below one of those.
    Refused {
        /// What was asked for.
        what: String,
        /// Those that there are.
        bases: String,
    },
    /// It is not there.
    Missing(DomainError),
}

impl Bases {
    /// Takes directories as they really are; an error names the one that is none.
    pub(crate) fn new(mut dirs: Vec<PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        for dir in &mut dirs {
            let real = dir.canonicalize().map_err(|e| (dir.clone(), e))?;
            if !real.is_dir() {
                return Err((dir.clone(), io::ErrorKind::NotADirectory.into()));
            }
            *dir = real;
        }
        Ok(Self(dirs))
    }

    /// The one that is meant where a client names none.
    pub(crate) fn first(&self) -> Option<&Path> {
        self.0.first().map(PathBuf::as_path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// Whether a directory, as it really is, may be used.
    pub(crate) fn have(&self, path: &Path) -> bool {
        self.0.iter().any(|base| path.starts_with(base))
    }

    /// The directory that a client names, as it is: below one of these.
    pub(crate) fn find(&self, asked: Option<&Path>) -> Result<PathBuf, BaseError> {
        let first = self.first().ok_or(BaseError::None)?;
        let Some(asked) = asked else { return Ok(first.to_owned()) };
        let refused = || self.refused(&asked.display().to_string());
        if asked.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(refused());
        }
        let path = first.join(asked);
        let up = |c| matches!(c, Component::ParentDir);
        match path.canonicalize() {
            Ok(real) if self.have(&real) => Ok(real),
            Err(_) if self.have(&path) && !asked.components().any(up) => {
                Err(BaseError::Missing(DomainError::Missing { path }))
            }
            _ => Err(refused()),
        }
    }

    /// A file that a client names, below one of these.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        let first = self.first().unwrap_or(Path::new("."));
        let file = (!name.contains('\0')).then(|| first.join(name).canonicalize().ok()).flatten();
        file.filter(|file| self.have(file) && file.is_file())
    }

    /// That something is not below one of these.
    pub(crate) fn refused(&self, what: &str) -> BaseError {
        let bases: Vec<_> = self.0.iter().map(|b| b.display().to_string()).collect();
        BaseError::Refused { what: what.to_owned(), bases: bases.join(", ") }
    }
}
