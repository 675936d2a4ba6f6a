//! The files of a sample.

use std::collections::BTreeMap;

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, short};

/// The files, whose paths stay in the directory.
pub(super) fn files(
    reading: &mut Reading<'_>,
    files: &BTreeMap<String, String>,
    at: &Key,
) -> BTreeMap<String, String> {
    for path in files.keys() {
        let why = wrong(path).or_else(|| {
            let below = format!("{path}/");
            // The keys are in order: what lies below a path comes right after what it begins.
            let next = files.range(below.clone()..).next().map(|(next, _)| next);
            next.filter(|next| next.starts_with(&below)).map(|_| "is a directory of another file")
        });
        if let Some(why) = why {
            reading.error(&at.name(path), Problem::SamplePath { path: short(path), why });
        }
    }
    files.clone()
}

fn wrong(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.contains('\0') {
        return Some("has a zero byte in it");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("has an empty part"),
        "." => Some("has a `.` in it"),
        ".." => Some("leaves the directory"),
        ".brio" => Some("is Brio's own"),
        part if part.len() > 255 => Some("has a part that is too long"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_directory_are_taken() {
        for path in ["a", "src/main.rs", ".gitignore", "a b/c..d", "..a"] {
            assert_eq!(wrong(path), None, "{path}");
        }
        for path in ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", "./a", ".brio/x", "a\0"]
        {
            assert!(wrong(path).is_some(), "{path}");
        }
    }
}
