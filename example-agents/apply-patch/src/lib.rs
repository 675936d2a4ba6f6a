//! `apply-patch`: applies a unified diff, or nothing of it.
//!
//! Task (or input files): the diff, as `git diff`, `git format-patch` or `diff -u` write it; text
//! around it is ignored. Files are created, deleted, renamed and copied as it says. Context must
//! match exactly, but may have moved. Arguments: `-pN` cuts N components from names; without it the
//! `a/` and `b/` of git are cut where both are there.
//!
//! The first file that does not fit ends the run with an error that names the file and the hunk,
//! and the session is rolled back: so no half of a diff is ever landed.
//!
//! WASI cannot set modes: a diff that makes a file executable is applied without that, and the
//! summary says so.

mod hunks;
mod parse;

use std::fs;
use std::path::Path;

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};
use parse::FilePatch;

struct ApplyPatch;

impl Agent for ApplyPatch {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let strip = strip_argument(&task.args())?;
        let files = parse::parse(&task.text()?, strip).map_err(AgentError::InvalidTask)?;
        let mut hunks = 0;
        let mut report = String::new();
        for file in &files {
            report.push_str(&apply(file)?);
            hunks += file.hunks.len();
        }
        let summary = format!("applied {hunks} hunk(s) to {} file(s)\n\n{report}", files.len());
        Ok(TaskOutput::new(summary)
            .metric("hunks", hunks as f64)
            .metric("files", files.len() as f64))
    }
}

fn strip_argument(args: &[String]) -> Result<Option<usize>, AgentError> {
    let text = match args {
        [] => return Ok(None),
        [flag, number] if flag == "-p" => number,
        [flag] if flag.starts_with("-p") => &flag[2..],
        _ => return Err(AgentError::invalid(format!("unknown arguments {args:?}; there is -pN"))),
    };
    let number =
        text.parse().map_err(|_| AgentError::invalid(format!("-p{text} is not a number")))?;
    Ok(Some(number))
}

/// Applies one file's part and returns the line about it.
fn apply(file: &FilePatch) -> Result<String, AgentError> {
    let mode = match file.mode.as_deref() {
        Some(mode) if mode.ends_with("755") => " (its executable bit must be set by hand)",
        _ => "",
    };
    match (&file.old, &file.new) {
        (None, Some(new)) => {
            must_be_free(new)?;
            let content = patched(new, b"", file)?;
            make_parents(new)?;
            fs::write(new, content).at(new)?;
            Ok(format!("created {new}{mode}\n"))
        }
        (Some(old), None) => {
            let rest = patched(old, &fs::read(old).at(old)?, file)?;
            if !rest.is_empty() {
                let why = "the diff deletes it, but it has more content than the diff knows of";
                return Err(AgentError::failed(format!("{old}: {why}")));
            }
            fs::remove_file(old).at(old)?;
            remove_empty_parents(old);
            Ok(format!("deleted {old}\n"))
        }
        // `diff -u x.orig x` names two files and means one.
        (Some(old), Some(new)) if old == new || !file.renamed && !file.copy => {
            let target = if Path::new(new).exists() { new } else { old };
            if !file.hunks.is_empty() {
                let content = patched(target, &fs::read(target).at(target)?, file)?;
                fs::write(target, content).at(target)?;
            }
            Ok(format!("changed {target}{mode}\n"))
        }
        (Some(old), Some(new)) => {
            must_be_free(new)?;
            let content = patched(old, &fs::read(old).at(old)?, file)?;
            make_parents(new)?;
            if file.copy {
                fs::copy(old, new).at(new)?;
            } else {
                fs::rename(old, new).at(old)?;
                remove_empty_parents(old);
            }
            if !file.hunks.is_empty() {
                fs::write(new, content).at(new)?;
            }
            let done = if file.copy { "copied" } else { "renamed" };
            Ok(format!("{done} {old} to {new}{mode}\n"))
        }
        (None, None) => Ok(String::new()),
    }
}

fn patched(path: &str, text: &[u8], file: &FilePatch) -> Result<Vec<u8>, AgentError> {
    hunks::apply(text, &file.hunks).map_err(|why| AgentError::failed(format!("{path}: {why}")))
}

fn must_be_free(path: &str) -> Result<(), AgentError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(AgentError::failed(format!(
            "{path}: the diff creates it, but it exists; is the diff applied already?"
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at(path),
    }
}

fn make_parents(path: &str) -> Result<(), AgentError> {
    match Path::new(path).parent() {
        Some(parent) if parent != Path::new("") => fs::create_dir_all(parent).at(parent),
        _ => Ok(()),
    }
}

/// As git does: a directory that only held what is gone goes too.
fn remove_empty_parents(path: &str) {
    for parent in Path::new(path).ancestors().skip(1) {
        if parent == Path::new("") || fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

brio_agent::export_agent!(ApplyPatch);

#[cfg(test)]
mod tests;
