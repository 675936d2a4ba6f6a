//! The work itself. It uses `std::fs` only, so that `cargo test` runs it natively.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use brio_agent::{AgentError, AtPath};

/// The file that is written.
pub(crate) const FILE: &str = "INDEX.md";

/// What was listed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) files: usize,
    pub(crate) lines: usize,
}

/// Lists the files in `dir`, with their lines, in its `INDEX.md`.
pub(crate) fn write(dir: &Path, title: &str) -> Result<Index, AgentError> {
    if title.contains('\n') {
        return Err(AgentError::invalid("the title of the list must be one line"));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).at(dir)? {
        let entry = entry.at(dir)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != FILE && entry.file_type().at(entry.path())?.is_file() {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(AgentError::failed("there are no files to list"));
    }
    names.sort();
    let mut text = format!("# {title}\n\n| file | lines |\n|---|---|\n");
    let mut index = Index { files: names.len(), lines: 0 };
    for name in names {
        let path = dir.join(&name);
        let lines = lines(&fs::read(&path).at(&path)?);
        writeln!(text, "| {name} | {lines} |")?;
        index.lines += lines;
    }
    let path = dir.join(FILE);
    fs::write(&path, text).at(&path)?;
    Ok(index)
}

/// Lines, the last one also without an end.
fn lines(content: &[u8]) -> usize {
    let ends = content.iter().filter(|&&byte| byte == b'\n').count();
    ends + usize::from(content.last().is_some_and(|&byte| byte != b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_with_their_lines() {
        let dir = std::env::temp_dir().join(format!("my-agent-{}", std::process::id()));
        fs::create_dir_all(dir.join("below")).unwrap();
        let empty = write(&dir, "Mine").unwrap_err();
        assert_eq!(empty.to_string(), "there are no files to list");
        fs::write(dir.join("b.txt"), "one\ntwo").unwrap();
        fs::write(dir.join("a.txt"), "").unwrap();
        for _ in 0..2 {
            assert_eq!(write(&dir, "Mine").unwrap(), Index { files: 2, lines: 2 });
        }
        let text = fs::read_to_string(dir.join(FILE)).unwrap();
        assert_eq!(text, "# Mine\n\n| file | lines |\n|---|---|\n| a.txt | 0 |\n| b.txt | 2 |\n");
        assert!(matches!(write(&dir, "two\nlines"), Err(AgentError::InvalidTask(_))));
        fs::remove_dir_all(&dir).unwrap();
    }
}
