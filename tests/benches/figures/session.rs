//! Sessions by the command, as a person has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::begin::brio_binary;
use super::measure::Outcome;

/// The binary, with a home of its own, in a base.
pub(crate) struct Sessions {
    binary: PathBuf,
    home: TempDir,
    base: PathBuf,
}

impl Sessions {
    pub(crate) fn new(base: &Path) -> Outcome<Self> {
        Ok(Self { binary: brio_binary()?, home: tempfile::tempdir()?, base: base.into() })
    }

    /// A command to add arguments to.
    pub(crate) fn brio(&self) -> Command {
        let mut brio = Command::new(&self.binary);
        brio.current_dir(&self.base).env("BRIO_HOME", self.home.path());
        brio
    }

    /// Runs it to its end, and returns what it printed.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome<String> {
        let out = self.brio().args(args).output()?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
        }
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }

    /// A new session's id.
    pub(crate) fn begin(&self) -> Outcome<String> {
        self.run(&["session", "begin", "--quiet"])
    }
}
