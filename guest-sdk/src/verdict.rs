//! What a reviewer reports.

use std::path::PathBuf;

/// Whether the work may land, and why.
///
/// ```
/// use brio_agent::{Finding, Severity, Verdict};
///
/// let finding = Finding::new(Severity::Error, "debug-print", "remove the debug output")
///     .at("src/main.rs", 12);
/// let verdict = Verdict::reject("1 finding").with(finding);
/// assert!(!verdict.approved);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// This alone decides.
    pub approved: bool,
    /// The reason in one line.
    pub comments: String,
    /// Remarks, in reading order.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The work may land.
    ///
    /// ```
    /// assert!(brio_agent::Verdict::approve("looks good").approved);
    /// ```
    pub fn approve(comments: impl Into<String>) -> Self {
        Self { approved: true, comments: comments.into(), findings: Vec::new() }
    }

    /// The work may not land.
    ///
    /// ```
    /// assert!(!brio_agent::Verdict::reject("no tests").approved);
    /// ```
    pub fn reject(comments: impl Into<String>) -> Self {
        Self { approved: false, comments: comments.into(), findings: Vec::new() }
    }

    /// The same verdict with one more finding.
    ///
    /// ```
    /// use brio_agent::{Finding, Severity, Verdict};
    /// let verdict = Verdict::approve("fine").with(Finding::new(Severity::Note, "style", "long line"));
    /// assert_eq!(verdict.findings.len(), 1);
    /// ```
    #[must_use]
    pub fn with(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }
}

/// One remark of a reviewer. A secret is never quoted in it.
///
/// ```
/// use brio_agent::{Finding, Severity};
///
/// let finding = Finding::new(Severity::Warning, "todo", "finish this").at("src/lib.rs", 3);
/// assert_eq!(finding.to_string(), "src/lib.rs:3: warning: finish this [todo]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// Which check found it, in kebab-case.
    pub rule: String,
    /// What was found and what to do about it.
    pub message: String,
    /// The file, relative to `/workspace`.
    pub path: Option<PathBuf>,
    /// The line, counted from 1.
    pub line: Option<u32>,
}

impl Finding {
    /// A remark about the work as a whole.
    ///
    /// ```
    /// # use brio_agent::{Finding, Severity};
    /// let finding = Finding::new(Severity::Note, "size", "a large change");
    /// assert_eq!(finding.path, None);
    /// ```
    pub fn new(severity: Severity, rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, rule: rule.into(), message: message.into(), path: None, line: None }
    }

    /// The same remark about one line, counted from 1.
    ///
    /// ```
    /// # use brio_agent::{Finding, Severity};
    /// let finding = Finding::new(Severity::Note, "style", "tabs").at("Makefile", 4);
    /// assert_eq!(finding.line, Some(4));
    /// ```
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>, line: u32) -> Self {
        self.path = Some(path.into());
        self.line = Some(line);
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}:", path.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: {} [{}]", self.severity, self.message, self.rule)
    }
}

/// How serious a finding is.
///
/// ```
/// use brio_agent::Severity;
/// assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Note);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Should be looked at by a person.
    Warning,
    /// Must be changed before the work may land.
    Error,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
