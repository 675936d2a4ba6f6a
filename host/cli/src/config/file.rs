//! One configuration file: flat TOML, strings or numbers.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, one_line};

/// A file that was there and could be read.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    table: toml::Table,
}

impl File {
    /// Reads a file; `None` when it is not there.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // The base itself may be missing or be a file; whoever opens it says so.
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(e) => return Err(bad(path, &e.to_string())),
        };
        let table = text.parse::<toml::Table>().map_err(|e| bad(path, e.message()))?;
        Ok(Some(Self { path: path.to_owned(), table }))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a key as text.
    pub(crate) fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.table.get(key) {
            None => Ok(None),
            Some(toml::Value::String(s)) => Ok(Some(s.clone())),
            Some(toml::Value::Integer(n)) => Ok(Some(n.to_string())),
            Some(other) => Err(bad(
                &self.path,
                &format!("{key} is a {}, not a string or a number", other.type_str()),
            )),
        }
    }

    /// A key that means nothing is a mistake, not a wish.
    pub(crate) fn reject_unknown(&self, known: &[&str]) -> Result<(), Failure> {
        match self.table.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) => Err(bad(&self.path, &format!("unknown key {key}"))
                .hint(format!("known keys: {}", known.join(", ")))),
        }
    }
}

fn bad(path: &Path, why: &str) -> Failure {
    Failure::new("CONFIG", format!("{}: {}", path.display(), one_line(why)))
        .hint("mend the file, or take it away")
}
