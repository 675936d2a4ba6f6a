//! `todo-report`: writes `TODO.md`, the list of what the comments of a tree leave to do.
//!
//! A remark is one of the words `TODO`, `FIXME`, `XXX` or `HACK` in capitals, followed by a colon,
//! a bracket or a space. Arguments: globs that choose the files (all text files if none).

use std::fmt::Write as _;
use std::path::Path;

use brio_agent::files::{Globs, read_text, walk};
use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

const REPORT: &str = "TODO.md";
const WORDS: [&str; 4] = ["FIXME", "TODO", "XXX", "HACK"];

struct TodoReport;

impl Agent for TodoReport {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let globs = Globs::new(task.args());
        let (mut report, mut remarks, mut files) = (String::from("# To do\n"), 0, 0);
        for path in walk(".")? {
            if path == Path::new(REPORT) || !globs.matches(&path) {
                continue;
            }
            let Some(text) = read_text(&path)? else { continue };
            let found: Vec<(usize, &str)> =
                (1..).zip(text.lines()).filter_map(|(n, line)| Some((n, remark(line)?))).collect();
            if found.is_empty() {
                continue;
            }
            write!(report, "\n## {}\n\n", path.display())?;
            for (line, remark) in &found {
                writeln!(report, "- [ ] {}:{line}: {remark}", path.display())?;
            }
            remarks += found.len();
            files += 1;
        }
        if remarks == 0 {
            report.push_str("\nNothing is left to do.\n");
        }
        std::fs::write(REPORT, report).at(REPORT)?;
        let summary = format!("{remarks} remark(s) in {files} file(s), listed in {REPORT}");
        Ok(TaskOutput::new(summary).metric("remarks", remarks as f64))
    }
}

/// The part of a line from the word on, without the end of a block comment.
fn remark(line: &str) -> Option<&str> {
    let start = WORDS.iter().filter_map(|word| find_word(line, word)).min()?;
    let text = line[start..].trim_end();
    let text = text.strip_suffix("*/").or_else(|| text.strip_suffix("-->")).unwrap_or(text);
    Some(text.trim_end())
}

fn find_word(line: &str, word: &str) -> Option<usize> {
    line.match_indices(word).map(|(start, _)| start).find(|start| {
        let before = line[..*start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '`' && c != '"')
            && after.is_none_or(|c| matches!(c, ':' | '(' | ' '))
    })
}

brio_agent::export_agent!(TodoReport);

#[cfg(test)]
mod tests {
    use super::remark;

    #[test]
    fn finds_remarks_and_leaves_words_alone() {
        assert_eq!(remark("  // TODO: tidy up"), Some("TODO: tidy up"));
        assert_eq!(remark("/* FIXME(me) late */"), Some("FIXME(me) late"));
        assert_eq!(remark("let TODO_LIST = 1;"), None);
        assert_eq!(remark("MASTODON TODOS"), None);
        assert_eq!(remark("nothing"), None);
    }
}
