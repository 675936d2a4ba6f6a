//! Names: of tasks, steps and gates, and of how they end.

use std::collections::HashMap;

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, short};

/// Says what [`wire::NAME`](super::wire::NAME) says.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(plain)
}

/// The parts of one task, none of which may be called as another.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashMap<String, &'static str>,
}

impl Names {
    /// Takes a name for `what` (`a step`); reports when another part has it.
    pub(super) fn take(
        &mut self,
        reading: &mut Reading<'_>,
        name: &str,
        what: &'static str,
        at: &Key,
    ) {
        if let Some(other) = self.taken.insert(name.to_owned(), what) {
            let problem = Problem::NameTwice { name: short(name), other: other.to_owned() };
            reading.error(at, problem);
        }
    }
}

/// A name that was given.
pub(super) fn check(reading: &mut Reading<'_>, name: &str, at: &Key) {
    if !is_name(name) {
        reading.error(at, Problem::Name { name: short(name) });
    }
}

/// A name that may be left out.
pub(super) fn optional(
    reading: &mut Reading<'_>,
    name: Option<String>,
    at: &Key,
) -> Option<String> {
    if let Some(name) = &name {
        check(reading, name, at);
    }
    name
}

/// The name of a task.
pub(super) fn required(reading: &mut Reading<'_>, name: Option<&str>, at: &Key) -> String {
    match name {
        Some(name) => check(reading, name, &at.name("name")),
        // At the top the schema has said it.
        None if at.is_root() => {}
        None => {
            let problem = Problem::Missing { name: "name", example: "name = \"fix-the-build\"" };
            reading.error(at, problem);
        }
    }
    name.unwrap_or_default().to_owned()
}

/// The name of a part: what was given, or else what can be made of `from`.
pub(super) fn of_part(
    reading: &mut Reading<'_>,
    given: Option<String>,
    from: &str,
    at: &Key,
) -> String {
    match given {
        Some(name) => {
            check(reading, &name, &at.name("name"));
            name
        }
        None => derived(from),
    }
}

/// `./bin/check.sh` is called `check`, `agents/Fix It.wasm` is called `Fix-It`.
fn derived(from: &str) -> String {
    let file = from.rsplit('/').next().unwrap_or(from);
    let stem = match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file,
    };
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(64)
        .collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_is_run() {
        for (from, name) in [
            ("hello", "hello"),
            ("./bin/check.sh", "check"),
            ("agents/Fix It.wasm", "Fix-It"),
            (".hidden", "hidden"),
            ("é", "unnamed"),
            ("", "unnamed"),
            ("..", "unnamed"),
        ] {
            assert_eq!(derived(from), name, "{from}");
            assert!(is_name(&derived(from)));
        }
    }
}
