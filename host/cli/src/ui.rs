//! Data goes to standard output, words for people to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::logging::{self, Said};
use crate::progress;
use crate::terminal::{Harmless, printable};

/// What the command may print, decided once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// `--quiet`: nothing for people but errors.
    pub(crate) quiet: bool,
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
    /// Colour on standard output: a terminal, and no `NO_COLOR`.
    pub(crate) color: bool,
    /// What goes on may be drawn on standard error and drawn anew: a terminal that can, and
    /// nobody asked for quiet.
    pub(crate) live: bool,
    /// Colour there.
    pub(crate) live_color: bool,
}

impl Ui {
    /// Looks at the terminal and at `NO_COLOR` (any value that is not empty counts).
    pub(crate) fn new(quiet: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let term = std::env::var_os("TERM");
        let dumb = term.as_ref().is_some_and(|v| v == "dumb");
        let terminal = io::stdout().is_terminal();
        let live =
            !quiet && !logging::is_json() && term.is_some() && !dumb && io::stderr().is_terminal();
        let color = !no_color && !dumb && terminal;
        Self { quiet, terminal, color, live, live_color: live && !no_color }
    }

    /// Prints data as it is.
    pub(crate) fn data(&self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes.as_ref()).and_then(|()| out.flush()).map_err(Failure::output)
    }

    /// Prints what others wrote: data as it is, and to a terminal what cannot steer it.
    pub(crate) fn foreign(&self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        if !self.terminal {
            return self.data(bytes);
        }
        let mut out = Harmless::new(io::stdout().lock());
        out.write_all(bytes.as_ref()).and_then(|()| out.finish()).map_err(Failure::output)
    }

    /// Prints one line of data, whatever a guest has put into it without what steers a terminal.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Failure> {
        self.data(format!("{}\n", printable(&line.to_string())))
    }

    /// Prints one JSON document on one line.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|e| Failure::output(e.into()))?;
        self.data(text + "\n")
    }

    /// Tells a person something; `--quiet` drops it. A closed standard error is no error.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.quiet {
            tell(&line.to_string());
        }
    }

    /// Warns a person: shown also with `--quiet`.
    pub(crate) fn warn(&self, line: impl Display) {
        let line = line.to_string();
        if logging::is_json() {
            return said(Said { level: "WARN", message: &line, ..Said::default() });
        }
        tell(&format!("warning: {line}"));
    }
}

/// Writes a line for people, wherever it comes from, to standard error.
pub(crate) fn tell(line: &str) {
    if logging::is_json() {
        return said(Said { level: "INFO", message: line, ..Said::default() });
    }
    write(&printable(line));
}

/// Writes a line for machines to standard error.
pub(crate) fn said(what: Said<'_>) {
    write(&what.line());
}

fn write(line: &str) {
    progress::above(|| {
        let _ = writeln!(io::stderr().lock(), "{line}");
    });
}
