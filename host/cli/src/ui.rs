//! Data goes to standard output, words for people to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// What the command may print, decided once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// `--quiet`: nothing for people but errors.
    pub(crate) quiet: bool,
    /// Colour on standard output: a terminal, and no `NO_COLOR`.
    pub(crate) color: bool,
}

impl Ui {
    /// Looks at the terminal and at `NO_COLOR` (any value that is not empty counts).
    pub(crate) fn new(quiet: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self { quiet, color: !no_color && !dumb && io::stdout().is_terminal() }
    }

    /// Prints data as it is.
    pub(crate) fn data(&self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes.as_ref()).and_then(|()| out.flush()).map_err(Failure::output)
    }

    /// Prints one line of data.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Failure> {
        self.data(format!("{line}\n"))
    }

    /// Prints one JSON document on one line.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|e| Failure::output(e.into()))?;
        self.line(text)
    }

    /// Tells a person something; `--quiet` drops it. A closed standard error is no error.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Warns a person: shown also with `--quiet`.
    pub(crate) fn warn(&self, line: impl Display) {
        let _ = writeln!(io::stderr().lock(), "warning: {line}");
    }
}
