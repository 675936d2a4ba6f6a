//! An error as a person sees it: one line that names the thing, and one with the next step.

use std::io;

use crate::exit::Exit;

/// Why a command failed. Made where the error is known well enough to say what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) exit: Exit,
    /// The stable code.
    pub(crate) code: String,
    /// One line, without the code.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: Option<String>,
    /// The paths it is about, for `--json`.
    pub(crate) paths: Vec<String>,
    /// Nothing is printed: the command has said it, or nobody reads.
    pub(crate) silent: bool,
}

impl Failure {
    /// A failure with the exit status that belongs to its code.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::of_code(code),
            code: code.to_owned(),
            message: one_line(&message.into()),
            hint: None,
            paths: Vec::new(),
            silent: false,
        }
    }

    /// A failure from a text that begins with its code, as every typed error's does.
    pub(crate) fn from_text(code: &str, text: &str) -> Self {
        let message = text.strip_prefix(code).and_then(|t| t.strip_prefix(':')).unwrap_or(text);
        Self::new(code, message.trim_start())
    }

    /// With the next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With another exit status.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Standard output could not be written. A closed pipe ends the command in silence, with
    /// the status that the reader of a pipe never sees.
    pub(crate) fn output(e: io::Error) -> Self {
        let mut failure = Self::new("OUTPUT", format!("standard output: {e}"));
        if e.kind() == io::ErrorKind::BrokenPipe {
            failure.silent = true;
            failure.exit = Exit::Ok;
        }
        failure
    }

    /// Everything is said already; only the status remains.
    pub(crate) fn said(exit: Exit) -> Self {
        let mut failure = Self::new("", "");
        failure.silent = true;
        failure.exit = exit;
        failure
    }

    /// Writes `error: CODE: …` and `hint: …` to standard error.
    pub(crate) fn print(&self) {
        use std::io::Write;
        if self.silent {
            return;
        }
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "error: {}: {}", self.code, self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(err, "hint: {hint}");
        }
    }
}

/// Joins lines, so that an error is one whatever a guest or a library put into it.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}
