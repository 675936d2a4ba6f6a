//! `replace`: replaces text in the files that match.
//!
//! Task (or input file): one replacement per line, applied in order.
//!
//! ```text
//! s/OLD/NEW/       the text OLD by NEW, everywhere
//! re:s/OLD/NEW/    the regular expression OLD; NEW may use $1, ${name} and $$
//! ```
//!
//! Any character but a letter, a digit, a space or a backslash may stand for the slash. `\/` is the
//! separator itself, `\n`, `\t` and `\\` in a literal are what they are in Rust. In an expression
//! `^` and `$` match at lines. Empty lines and lines that begin with `#` are skipped.
//!
//! Arguments: globs that choose the files (all text files if none), `!GLOB` excludes. That nothing
//! matches is no error: a replacement can be run twice.

use std::path::Path;

use brio_agent::files::{Globs, read_text, walk};
use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};
use regex_lite::{Regex, RegexBuilder};

struct Replace;

impl Agent for Replace {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let rules = parse(&task.text()?)?;
        let globs = Globs::new(task.args());
        let (mut places, mut files) = (0, 0);
        for path in walk(".")?.iter().filter(|path| globs.matches(path)) {
            let found = replace_in(path, &rules)?;
            places += found;
            files += usize::from(found > 0);
        }
        Ok(TaskOutput::new(format!("replaced {places} place(s) in {files} file(s)"))
            .metric("places", places as f64)
            .metric("files", files as f64))
    }
}

fn replace_in(path: &Path, rules: &[Rule]) -> Result<usize, AgentError> {
    let Some(mut text) = read_text(path)? else { return Ok(0) };
    let mut places = 0;
    for rule in rules {
        let (next, found) = rule.apply(&text);
        if found > 0 {
            text = next;
            places += found;
        }
    }
    if places > 0 {
        std::fs::write(path, text).at(path)?;
    }
    Ok(places)
}

/// One line of the task.
#[derive(Debug)]
enum Rule {
    Literal { old: String, new: String },
    Pattern { old: Regex, new: String },
}

impl Rule {
    fn apply(&self, text: &str) -> (String, usize) {
        match self {
            Self::Literal { old, new } => {
                (text.replace(old.as_str(), new), text.matches(old.as_str()).count())
            }
            Self::Pattern { old, new } => {
                (old.replace_all(text, new.as_str()).into_owned(), old.find_iter(text).count())
            }
        }
    }
}

fn parse(task: &str) -> Result<Vec<Rule>, AgentError> {
    let rules: Vec<Rule> = (1..)
        .zip(task.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            parse_rule(line.trim_end_matches('\r'))
                .map_err(|why| AgentError::invalid(format!("line {number}: `{line}`: {why}")))
        })
        .collect::<Result<_, _>>()?;
    if rules.is_empty() {
        return Err(AgentError::invalid("no replacement in the task: write s/OLD/NEW/"));
    }
    Ok(rules)
}

fn parse_rule(line: &str) -> Result<Rule, String> {
    let line = line.trim_start();
    let (pattern, rest) = match line.strip_prefix("re:") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    };
    let mut characters = rest.chars();
    let separator = (characters.next() == Some('s')).then(|| characters.next()).flatten();
    let separator = separator
        .filter(|c| !c.is_alphanumeric() && !c.is_whitespace() && *c != '\\')
        .ok_or("write s/OLD/NEW/ or re:s/OLD/NEW/")?;
    let parts = split(characters.as_str(), separator);
    let [old, new, end] = parts.as_slice() else {
        return Err(format!("expected three {separator}, found {}", parts.len()));
    };
    if !end.trim().is_empty() {
        return Err(format!("`{end}` after the last {separator} means nothing"));
    }
    if old.is_empty() {
        return Err("the text to replace is empty".to_owned());
    }
    if pattern {
        let old = RegexBuilder::new(old).multi_line(true).build();
        return Ok(Rule::Pattern { old: old.map_err(|why| why.to_string())?, new: new.clone() });
    }
    Ok(Rule::Literal { old: unescape(old), new: unescape(new) })
}

/// Splits at a separator; an escaped one is part of the text, other escapes are left as they are.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == separator {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { break };
        match character {
            '\\' => match characters.next() {
                Some(escaped) if escaped == separator => part.push(escaped),
                Some(escaped) => part.extend(['\\', escaped]),
                None => part.push('\\'),
            },
            character => part.push(character),
        }
    }
    parts
}

fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('\\', Some('n')) => result.push('\n'),
            ('\\', Some('t')) => result.push('\t'),
            ('\\', Some('\\')) => result.push('\\'),
            (character, _) => {
                result.push(character);
                continue;
            }
        }
        characters.next();
    }
    result
}

brio_agent::export_agent!(Replace);

#[cfg(test)]
mod tests {
    use super::parse;

    fn apply(task: &str, text: &str) -> String {
        let rules = parse(task).expect("the task is well formed");
        rules.iter().fold(text.to_owned(), |text, rule| rule.apply(&text).0)
    }

    #[test]
    fn replaces_literally_by_expression_and_in_order() {
        assert_eq!(apply("s/a.c/x/", "abc a.c"), "abc x");
        assert_eq!(apply("re:s/a(.)c/<$1>/", "abc a.c"), "<b> <.>");
        assert_eq!(apply("# twice\ns/a/b/\ns|b|c/|", "ab"), "c/c/");
        assert_eq!(apply(r"s/\//\n\\/", "a/b"), "a\n\\b");
        assert_eq!(apply(r"re:s/^x$/y/", "x\nxx\nx"), "y\nxx\ny");
    }

    #[test]
    fn bad_tasks_say_what_to_write() {
        for (task, says) in [
            ("replace a by b", "write s/OLD/NEW/"),
            ("s/a/b", "three /, found 2"),
            ("s/a/b/g", "`g` after the last /"),
            ("s//b/", "is empty"),
            ("re:s/(/b/", "line 1"),
            ("# nothing", "no replacement"),
        ] {
            let error = parse(task).expect_err(task).to_string();
            assert!(error.contains(says), "{task}: {error}");
        }
    }
}
