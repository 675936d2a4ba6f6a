//! `license-header`: puts a header, as a comment, at the top of source files.
//!
//! Task (or input file): the header's text. Arguments: globs that choose the files (all files
//! whose comment syntax is known if none). A file that already has the header's first line within
//! its first 20 lines is left alone; `#!`, `<?xml` and `coding:` lines stay first.

use std::path::Path;

use brio_agent::files::{Globs, read_text, walk};
use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct LicenseHeader;

impl Agent for LicenseHeader {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let header = task.text()?;
        let globs = Globs::new(task.args());
        let (mut changed, mut already) = (0, 0);
        for path in walk(".")? {
            let Some(style) = Style::of(&path) else { continue };
            if !globs.matches(&path) {
                continue;
            }
            let Some(text) = read_text(&path)? else { continue };
            match with_header(&text, &header, style) {
                Some(text) => {
                    std::fs::write(&path, text).at(&path)?;
                    changed += 1;
                }
                None => already += 1,
            }
        }
        let summary = format!("added the header to {changed} file(s); {already} had it already");
        Ok(TaskOutput::new(summary).metric("changed", f64::from(changed)))
    }
}

/// How a language writes comments.
#[derive(Clone, Copy)]
enum Style {
    Line(&'static str),
    Block(&'static str, &'static str),
}

impl Style {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if matches!(name, "Makefile" | "Dockerfile" | "CMakeLists.txt") {
            return Some(Self::Line("#"));
        }
        Some(match path.extension()?.to_str()? {
            "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "java" | "js" | "mjs" | "ts" | "tsx"
            | "jsx" | "go" | "swift" | "kt" | "cs" | "zig" | "scala" | "dart" | "wit" | "proto" => {
                Self::Line("//")
            }
            "py" | "sh" | "bash" | "rb" | "pl" | "toml" | "yml" | "yaml" | "nix" | "tf"
            | "cmake" => Self::Line("#"),
            "lua" | "sql" | "hs" | "elm" => Self::Line("--"),
            "el" | "lisp" | "clj" | "wat" => Self::Line(";;"),
            "tex" | "erl" => Self::Line("%"),
            "css" | "scss" => Self::Block("/*", "*/"),
            "html" | "xml" | "svg" | "vue" => Self::Block("<!--", "-->"),
            _ => return None,
        })
    }

    fn comment(self, header: &str) -> String {
        let lines = header.trim_end().lines().map(str::trim_end);
        match self {
            Self::Line(mark) => {
                lines.map(|line| format!("{mark} {line}").trim_end().to_owned() + "\n").collect()
            }
            Self::Block(open, close) => {
                let body: String =
                    lines.map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect();
                format!("{open}\n{body}{close}\n")
            }
        }
    }
}

/// The text with the header, or nothing if it has it.
fn with_header(text: &str, header: &str, style: Style) -> Option<String> {
    let first = header.lines().map(str::trim).find(|line| !line.is_empty())?;
    if text.lines().take(20).any(|line| line.contains(first)) {
        return None;
    }
    let must_stay_first = |line: &str| {
        line.starts_with("#!") && !line.starts_with("#![")
            || line.starts_with("<?xml")
            || line.starts_with('#') && line.contains("coding")
            || line.starts_with("<!DOCTYPE")
    };
    let at: usize =
        text.split_inclusive('\n').take_while(|line| must_stay_first(line)).map(str::len).sum();
    let (top, rest) = text.split_at(at);
    let mut result = String::with_capacity(text.len() + header.len() + 64);
    result.push_str(top);
    if !top.is_empty() && !top.ends_with('\n') {
        result.push('\n');
    }
    result.push_str(&style.comment(header));
    if !rest.is_empty() && !rest.starts_with('\n') {
        result.push('\n');
    }
    result.push_str(rest);
    Some(match text.contains("\r\n") {
        true => result.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => result,
    })
}

brio_agent::export_agent!(LicenseHeader);

#[cfg(test)]
mod tests {
    use super::{Style, with_header};

    #[test]
    fn adds_once_and_after_the_shebang() {
        let once = with_header("#!/bin/sh\necho\n", "Free.\n\nReally.", Style::Line("#"));
        assert_eq!(once.as_deref(), Some("#!/bin/sh\n# Free.\n#\n# Really.\n\necho\n"));
        assert_eq!(with_header(&once.unwrap_or_default(), "Free.", Style::Line("#")), None);
        let rust = with_header("#![no_std]\n", "Free.", Style::Line("//"));
        assert_eq!(rust.as_deref(), Some("// Free.\n\n#![no_std]\n"));
        let css = with_header("", "Free.", Style::Block("/*", "*/"));
        assert_eq!(css.as_deref(), Some("/*\n  Free.\n*/\n"));
    }
}
