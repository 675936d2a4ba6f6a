//! The mistakes that there are.

use std::path::PathBuf;

use thiserror::Error;

/// A mistake: what it is; and after the last `; ` what to do next.
#[derive(Debug, Clone, PartialEq, Error)]
pub(super) enum Problem {
    #[error("cannot be read: {why}; see that the file is there and may be read")]
    Unreadable { why: String },
    #[error("is no regular file; write the task into a file")]
    NotAFile,
    #[error("is larger than {limit} bytes; leave large contents in files of their own")]
    TooLarge { limit: u64 },
    #[error("is not UTF-8; save it as UTF-8")]
    NotUtf8,
    #[error("{what}; mend the {format}")]
    Syntax { what: String, format: &'static str },
    #[error("unknown key `{name}`; {}", did_you_mean(.near.as_deref(), .known))]
    UnknownKey { name: String, near: Option<String>, known: Vec<String> },
    #[error("`{name}` means nothing here: {why}; take it away")]
    Misplaced { name: String, why: String },
    #[error("`{name}` is there twice; keep one of them")]
    KeyTwice { name: String },
    #[error("{found} where {wanted} should be; write {wanted}")]
    Type { found: String, wanted: String },
    #[error("`{found}` is none of {}; {}", list(.known), did_you_mean(.near.as_deref(), .known))]
    NotOneOf { found: String, near: Option<String>, known: Vec<String> },
    #[error("there is no `{name}`; add `{example}`")]
    Missing { name: &'static str, example: &'static str },
    #[error("there is none of {}; give exactly one of them", list(.of))]
    NoChoice { of: Vec<String> },
    #[error("there is more than one of {}: {}; keep one", list(.of), list(.given))]
    ManyChoices { of: Vec<String>, given: Vec<String> },
    #[error("{why}; {next}")]
    Value { why: String, next: String },
    #[error(
        "`{name}` is no name; use 1 to 64 letters, digits, `-` and `_`, with a letter or digit first"
    )]
    Name { name: String },
    #[error("`{name}` is the name of {other} already; give one of them another `name`")]
    NameTwice { name: String, other: String },
    #[error("it would do nothing; give it `[[steps]]` or `[[children]]`")]
    Nothing,
    #[error("{why}; {next}")]
    Quote { why: String, next: String },
    #[error("{why}; {next}")]
    NoMetric { why: String, next: String },
    #[error("`{path}` {why}; name a file below the sample's directory, such as `src/main.rs`")]
    SamplePath { path: String, why: &'static str },
    #[error("the files include each other: {}; break the chain", chain(.0))]
    Cycle(Vec<PathBuf>),
    #[error("children are nested more than {limit} deep; make the tree flatter")]
    TooDeep { limit: usize },
    #[error("there are more than {limit} tasks; split them into several submissions")]
    TooMany { limit: usize },
}

impl Problem {
    /// A stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NotAFile | Self::TooLarge { .. } | Self::NotUtf8 => {
                "TASK_UNREADABLE"
            }
            Self::Syntax { .. } => "TASK_SYNTAX",
            Self::UnknownKey { .. } => "TASK_KEY_UNKNOWN",
            Self::Misplaced { .. } => "TASK_KEY_MISPLACED",
            Self::KeyTwice { .. } => "TASK_KEY_TWICE",
            Self::Type { .. } => "TASK_TYPE",
            Self::NotOneOf { .. } | Self::Value { .. } => "TASK_VALUE",
            Self::Missing { .. } => "TASK_KEY_MISSING",
            Self::NoChoice { .. } | Self::ManyChoices { .. } => "TASK_CHOICE",
            Self::Name { .. } => "TASK_NAME",
            Self::NameTwice { .. } => "TASK_NAME_TWICE",
            Self::Nothing => "TASK_NOTHING",
            Self::Quote { .. } => "TASK_QUOTE",
            Self::NoMetric { .. } => "TASK_NO_METRIC",
            Self::SamplePath { .. } => "TASK_SAMPLE_PATH",
            Self::Cycle(_) => "TASK_CYCLE",
            Self::TooDeep { .. } | Self::TooMany { .. } => "TASK_TOO_LARGE",
        }
    }
}

/// A text of the file as it is shown: on one line, and not all of a long one.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => on_one_line(&text[..end]) + "…",
        None => on_one_line(text),
    }
}

/// A text with its control characters escaped.
pub(super) fn on_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The one of these that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    // A long name is far from all that is known, and comparing takes its length squared.
    if name.len() > 64 {
        return None;
    }
    let near = known.map(|k| (strsim::damerau_levenshtein(name, k), k)).min()?;
    (near.0 <= 1 + near.1.len() / 4).then(|| near.1.to_owned())
}

fn did_you_mean(near: Option<&str>, known: &[String]) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "take it away".to_owned(),
        None => format!("use one of {}", list(known)),
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn chain(files: &[PathBuf]) -> String {
    let shown: Vec<_> = files.iter().map(|file| on_one_line(&file.display().to_string())).collect();
    shown.join(" → ")
}
