//! Applies hunks to a text: strict in what must match, searching where it is.

use crate::parse::{Hunk, Line};

/// The text after all hunks, or which hunk fails and why. Bytes, because a file need not be UTF-8.
///
/// A hunk is looked for at its line, moved by what the hunk before it was moved, then ever farther
/// away in both directions, but never before the end of the hunk before it. All of its lines must
/// match. A hunk with less context on one side than on the other touches that end of the file and
/// matches only there; one without any context matches only at its line.
pub fn apply(text: &[u8], hunks: &[Hunk]) -> Result<Vec<u8>, String> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut result = Vec::with_capacity(text.len());
    let (mut done, mut moved) = (0, 0);
    for (number, hunk) in (1..).zip(hunks) {
        let old = side(hunk, |line| !matches!(line, Line::Added(_)));
        // A hunk that removes nothing and has no context names the line it comes after.
        let start = hunk.start.saturating_sub(usize::from(!old.is_empty()));
        let expected = start.saturating_add_signed(moved).max(done);
        let at = find(&lines, hunk, &old, expected, done).ok_or_else(|| {
            let why = explain(&lines, hunk, &old, expected);
            format!("hunk {number} of {} ({}) does not match: {why}", hunks.len(), hunk.head)
        })?;
        moved = at as isize - start as isize;
        result.extend(lines[done..at].concat());
        // Context is taken from the file, added lines from the diff.
        let mut from = at;
        for line in &hunk.lines {
            match line {
                Line::Added(text) => result.extend(text.as_bytes()),
                Line::Context(_) => {
                    result.extend(lines[from]);
                    from += 1;
                }
                Line::Removed(_) => from += 1,
            }
        }
        done = from;
    }
    result.extend(lines[done..].concat());
    Ok(result)
}

fn side(hunk: &Hunk, belongs: fn(&Line) -> bool) -> Vec<&[u8]> {
    hunk.lines
        .iter()
        .filter(|line| belongs(line))
        .map(|(Line::Context(text) | Line::Removed(text) | Line::Added(text))| text.as_bytes())
        .collect()
}

fn context<'a>(lines: impl Iterator<Item = &'a Line>) -> usize {
    lines.take_while(|line| matches!(line, Line::Context(_))).count()
}

fn find(
    lines: &[&[u8]],
    hunk: &Hunk,
    old: &[&[u8]],
    expected: usize,
    done: usize,
) -> Option<usize> {
    let last = lines.len().checked_sub(old.len()).filter(|last| *last >= done)?;
    let matches = |at: usize| lines[at..at + old.len()] == *old;
    let (before, after) = (context(hunk.lines.iter()), context(hunk.lines.iter().rev()));
    let candidates: Vec<usize> = match before.cmp(&after) {
        _ if before + after == 0 => vec![expected],
        std::cmp::Ordering::Less if hunk.start <= 1 => vec![0],
        std::cmp::Ordering::Greater => vec![last],
        _ => (0..=lines.len())
            .flat_map(|away| [expected.checked_add(away), expected.checked_sub(away)])
            .flatten()
            .collect(),
    };
    candidates.into_iter().find(|at| (done..=last).contains(at) && matches(*at))
}

/// What a person needs to know about a hunk that matches nowhere.
fn explain(lines: &[&[u8]], hunk: &Hunk, old: &[&[u8]], expected: usize) -> String {
    let new = side(hunk, |line| !matches!(line, Line::Removed(_)));
    if !new.is_empty() && lines.get(expected..).is_some_and(|rest| rest.starts_with(&new)) {
        return "it seems to be applied already".to_owned();
    }
    let show = |line: &[u8]| {
        let text: String = String::from_utf8_lossy(line).trim_end().chars().take(60).collect();
        format!("`{text}`")
    };
    for (offset, wanted) in old.iter().enumerate() {
        let number = expected + offset + 1;
        let Some(found) = lines.get(expected + offset) else {
            return format!(
                "line {number} should be {}, but the file ends before it",
                show(wanted)
            );
        };
        if found != wanted {
            let hint =
                match (found.trim_ascii_end() == wanted.trim_ascii_end(), found.ends_with(b"\r\n"))
                {
                    (true, true) => " (the file has CRLF line ends, the diff has not)",
                    (true, false) => " (they differ only in white space at the end of the line)",
                    _ => "",
                };
            return format!(
                "line {number} is {}, the diff expects {}{hint}",
                show(found),
                show(wanted)
            );
        }
    }
    "its lines are there, but not where so little context allows it".to_owned()
}
