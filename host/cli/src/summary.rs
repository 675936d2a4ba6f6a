//! Change sets in few words.

use std::fmt::Write as _;

use brio_host::project::NotePath;
use brio_host::{Change, ChangeKind, ChangeSet, Kind};

use crate::json::kind_word;

/// `3 added, 1 modified`; `nothing` for an empty set.
pub(crate) fn one_line_stat(set: &ChangeSet) -> String {
    let (mut added, mut modified, mut removed) = (0, 0, 0);
    for change in &set.changes {
        match change.kind {
            ChangeKind::Added => added += 1,
            ChangeKind::Removed => removed += 1,
            _ => modified += 1,
        }
    }
    let parts: Vec<_> = [(added, "added"), (modified, "modified"), (removed, "removed")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

/// As [`one_line_stat`], and how many notes changed with it.
pub(crate) fn landed_stat(set: &ChangeSet, notes: &[NotePath]) -> String {
    let said = match notes.len() {
        0 => return one_line_stat(set),
        1 => "1 note".to_owned(),
        n => format!("{n} notes"),
    };
    match set.changes.is_empty() {
        true => said,
        false => format!("{}, {said}", one_line_stat(set)),
    }
}

/// Notes, by path.
pub(crate) fn names(notes: &[NotePath]) -> Vec<String> {
    notes.iter().map(ToString::to_string).collect()
}

/// `A`, `M`, `D`, `T` (type) or `m` (mode or times).
pub(crate) fn letter(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Added => 'A',
        ChangeKind::Modified => 'M',
        ChangeKind::Removed => 'D',
        ChangeKind::TypeChanged => 'T',
        ChangeKind::MetaOnly => 'm',
    }
}

/// One line a change, the first `most` of them; what is beyond is counted.
pub(crate) fn diffstat(set: &ChangeSet, most: usize) -> String {
    let mut text = String::new();
    for change in set.changes.iter().take(most) {
        let _ = writeln!(text, "  {} {}{}", letter(change.kind), change.path, notes(change));
    }
    if set.changes.len() > most {
        let _ = writeln!(text, "  … and {} more", set.changes.len() - most);
    }
    text
}

/// What a letter does not say: kinds, modes, links.
pub(crate) fn notes(change: &Change) -> String {
    let mut text = String::new();
    match change.after.or(change.before).map(|m| m.kind) {
        Some(Kind::Dir) => text.push('/'),
        Some(Kind::Symlink) => text.push_str(" (symlink)"),
        _ => {}
    }
    if let (Some(before), Some(after)) = (&change.before, &change.after) {
        if before.kind != after.kind {
            let _ = write!(text, " (was a {})", kind_word(before.kind));
        } else if before.mode != after.mode {
            let _ = write!(text, " (mode {:o} -> {:o})", before.mode, after.mode);
        }
    }
    if change.link_broken {
        text.push_str(" (hard link broken: its other names keep the old content)");
    }
    if let Some(other) = &change.hard_link_of {
        let _ = write!(text, " (hard link of {other})");
    }
    text
}
