//! An error as a person sees it: one line that names the thing, and one with the next step.

use std::io;

use crate::exit::Exit;
use crate::logging::{self, Said};
use crate::ui::{said, tell};

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
    /// All that is wrong, where it is several things: a line each.
    pub(crate) each: Box<Each>,
    /// Nothing is printed: the command has said it, or nobody reads.
    pub(crate) silent: bool,
}

/// Several things that are wrong.
#[derive(Debug, Default)]
pub(crate) struct Each {
    /// The conflicts, if that is what it is.
    pub(crate) conflicts: Vec<brio_host::Conflict>,
    /// The mistakes in a file.
    pub(crate) mistakes: Vec<String>,
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
            each: Box::default(),
            silent: false,
        }
    }

    /// A failure from a typed error. Its text is `CODE: what happened; the next step`.
    pub(crate) fn typed(code: &str, error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix(code).and_then(|t| t.strip_prefix(": ")).unwrap_or(&text);
        match text.rsplit_once("; ") {
            Some((what, next)) => Self::new(code, what).hint(next),
            None => Self::new(code, text),
        }
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

    /// Writes `error: CODE: …` and `hint: …` to standard error, or one object with all of it.
    pub(crate) fn print(&self) {
        if self.silent {
            return;
        }
        if logging::is_json() {
            let mistakes = self.each.mistakes.iter().map(|mistake| one_line(mistake));
            let conflicts = self.each.conflicts.iter().map(|c| one_line(&c.to_string()));
            return said(Said {
                level: "ERROR",
                message: &self.message,
                code: Some(&self.code),
                hint: self.hint.as_deref(),
                each: mistakes.chain(conflicts).collect(),
                ..Said::default()
            });
        }
        tell(&format!("error: {}: {}", self.code, self.message));
        for mistake in &self.each.mistakes {
            tell(&format!("  {}", one_line(mistake)));
        }
        for conflict in &self.each.conflicts {
            tell(&format!("  {}", one_line(&conflict.to_string())));
        }
        if let Some(hint) = &self.hint {
            tell(&format!("hint: {hint}"));
        }
    }
}

macro_rules! from_typed {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Self::typed(e.code(), &e)
            }
        }
    )*};
}

from_typed! {
    brio_host::BeginError, brio_host::BindError, brio_host::BlameError, brio_host::CheckpointError, brio_host::DomainError, brio_host::ExportError, brio_host::FindError, brio_host::ImportError, brio_host::JournalError,
    brio_host::LeaseError,
    brio_host::OpenError, brio_host::PatchError, brio_host::ProjectError, brio_host::RecoverError, brio_host::RegistryError,
    brio_host::project::NotesError, brio_host::project::OpenProjectError, brio_host::project::ProjectError,
    brio_server::BindError, brio_server::grpc::EndpointError, brio_server::grpc::SetupError, brio_server::mcp::SetupError, brio_server::mcp::TokenError,
    brio_host::RollbackError, brio_host::RunError, brio_host::SessionError, brio_host::SuperviseError,
}

#[cfg(target_os = "linux")]
from_typed!(brio_host::SessionMountError);

impl Failure {
    /// Conflicts, a line each, however many.
    fn conflict(what: &str, conflicts: &[brio_host::Conflict], hint: String) -> Self {
        let paths = if conflicts.len() == 1 { "path" } else { "paths" };
        let mut failure =
            Self::new("CONFLICT", format!("{what} {} {paths}", conflicts.len())).hint(hint);
        failure.paths = conflicts.iter().map(|c| c.path.to_string()).collect();
        failure.each.conflicts = conflicts.to_vec();
        failure
    }
}

impl From<brio_host::StoreError> for Failure {
    fn from(e: brio_host::StoreError) -> Self {
        use brio_host::StoreError;
        use brio_host::stores::ShareError;
        match &e {
            StoreError::Share(ShareError::Begin(e)) => Self::typed(e.code(), e),
            StoreError::Share(ShareError::Commit(e)) => Self::from(e),
            StoreError::Conflicts { paths, .. } => {
                let mut failure = Self::typed(e.code(), &e);
                failure.paths.clone_from(paths);
                failure
            }
            _ => Self::typed(e.code(), &e),
        }
    }
}

impl From<brio_host::ResolveError> for Failure {
    fn from(e: brio_host::ResolveError) -> Self {
        match &e {
            brio_host::ResolveError::Choose { session, conflicts } => Self::conflict(
                "Somebody must choose for",
                conflicts,
                format!(
                    "`brio session resolve {session} --take ours|theirs|base PATH`, once for each"
                ),
            ),
            brio_host::ResolveError::Commit(e) => Self::from(e),
            _ => Self::typed(e.code(), &e),
        }
    }
}

impl From<&brio_host::CommitError> for Failure {
    fn from(e: &brio_host::CommitError) -> Self {
        if let brio_host::CommitError::Conflict { session, conflicts } = e {
            let hint = format!(
                "the session is kept: `brio session resolve {session}` settles it, `brio session \
                 commit {session} --policy merge|last-write-wins` lands it, `brio session rollback \
                 {session}` throws it away"
            );
            return Self::conflict("Concurrent modification detected in", conflicts, hint);
        }
        let mut failure = match e {
            brio_host::CommitError::Cascade { landed, source } => return cascade(landed, source),
            e => Self::typed(e.code(), e),
        };
        failure.paths = match e {
            brio_host::CommitError::Damaged { paths_ } => {
                paths_.iter().map(ToString::to_string).collect()
            }
            brio_host::CommitError::Refused { path, .. }
            | brio_host::CommitError::Failed { path, .. }
            | brio_host::CommitError::DomainInside { path } => vec![path.to_string()],
            brio_host::CommitError::Unresolved { marked, .. } => {
                marked.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        // Whatever else it was: the base is unchanged and the session kept.
        if failure.exit == Exit::Usage && !matches!(e, brio_host::CommitError::Session(_)) {
            failure.exit = Exit::Refused;
        }
        failure
    }
}

impl From<brio_host::tasks::file::TaskFileErrors> for Failure {
    /// One mistake is the error; several are a line each.
    fn from(e: brio_host::tasks::file::TaskFileErrors) -> Self {
        let lines: Vec<_> = e.iter().map(ToString::to_string).collect();
        if let [only] = lines.as_slice() {
            return Self::typed(e.code(), only);
        }
        let mut failure = Self::new(e.code(), format!("there are {} mistakes", lines.len()))
            .hint("`brio task schema` says what may be in a task file");
        failure.each.mistakes = lines;
        failure
    }
}

/// What ended a cascade, and what it has done before that.
fn cascade(landed: &[brio_host::SessionId], source: &brio_host::CommitError) -> Failure {
    let mut failure = Failure::from(source);
    let landed: Vec<_> = landed.iter().map(brio_host::SessionId::as_str).collect();
    let done = format!("; landed in their parents before that: {}", landed.join(", "));
    failure.message.push_str(&done);
    failure
}

impl From<&brio_host::UndoError> for Failure {
    fn from(e: &brio_host::UndoError) -> Self {
        if let brio_host::UndoError::Commit(e) = e {
            return Self::from(e);
        }
        let mut failure = Self::typed(e.code(), e);
        failure.paths = e.conflicts().iter().map(|c| c.path.to_string()).collect();
        if let brio_host::UndoError::Damaged { path, .. } = e {
            failure.paths.push(path.to_string());
        }
        failure
    }
}

/// Joins lines, so that an error is one whatever a guest or a library put into it.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if !out.is_empty() {
            out.push_str(if out.ends_with(':') { " " } else { "; " });
        }
        out.push_str(line);
    }
    out
}
