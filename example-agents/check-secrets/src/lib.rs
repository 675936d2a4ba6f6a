//! `check-secrets`: a reviewer that rejects work with keys, tokens or passwords in it.
//!
//! Arguments: `--changed` looks only at what the session changed, not at the whole tree; any other
//! argument is a glob that chooses files. A line with `allow-secret` in it is passed over. What was
//! found is never quoted.

use brio_agent::files::{Globs, read_text, walk};
use brio_agent::session::{ChangeKind, ChangedType};
use brio_agent::{AgentError, Finding, Reviewer, Severity, TaskContext, Verdict};

mod rules;

struct CheckSecrets;

impl Reviewer for CheckSecrets {
    fn review(task: TaskContext) -> Result<Verdict, AgentError> {
        let (flags, globs): (Vec<String>, Vec<String>) =
            task.args().into_iter().partition(|arg| arg.starts_with("--"));
        if let Some(flag) = flags.iter().find(|flag| *flag != "--changed") {
            return Err(AgentError::invalid(format!("unknown option {flag}; there is --changed")));
        }
        let globs = Globs::new(globs);
        let paths = match (flags.is_empty(), task.session_id()) {
            (true, _) => walk(".")?,
            (false, Some(id)) => changed(id)?,
            (false, None) => return Err(AgentError::invalid("--changed needs a session")),
        };
        let mut findings = Vec::new();
        let mut scanned = 0;
        for path in paths.iter().filter(|path| globs.matches(path)) {
            let Some(text) = read_text(path)? else { continue };
            scanned += 1;
            for (number, line) in (1..).zip(text.lines()) {
                findings.extend(rules::check(line).map(|rule| {
                    Finding::new(rule.severity, rule.name, rule.message).at(path, number)
                }));
            }
        }
        for finding in &findings {
            println!("{finding}");
        }
        let secrets = findings.iter().filter(|f| f.severity == Severity::Error).count();
        let comments = match secrets {
            0 => format!("no secret in {scanned} file(s)"),
            _ => format!("{secrets} secret(s) in {scanned} file(s): remove them, and revoke them"),
        };
        Ok(Verdict { approved: secrets == 0, comments, findings })
    }
}

fn changed(session: &str) -> Result<Vec<std::path::PathBuf>, AgentError> {
    let changes = brio_agent::session::changes(session)?;
    Ok(changes
        .into_iter()
        .filter(|c| c.kind != ChangeKind::Removed && c.changed_type == ChangedType::File)
        .map(|change| change.path.into())
        .collect())
}

brio_agent::export_reviewer!(CheckSecrets);
