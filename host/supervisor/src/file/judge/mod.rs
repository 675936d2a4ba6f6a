//! Whether what a file says makes sense. What is wrong is reported; what comes out is a task all
//! the same, so that everything is looked at.
mod children;
mod commands;
mod gates;
mod names;
mod network;
mod quotes;
mod sample;
mod settings;
mod steps;

use self::names::Names;
use super::key::Key;
use super::load::Reading;
use super::problem::Problem;
use super::wire;
use crate::task::{Base, SessionMode, StepKind, Task};

/// Where a task stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    parent: Parent,
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parent {
    None,
    Session,
    Group,
}

impl Place {
    /// At the top.
    pub(super) fn root() -> Self {
        Self { parent: Parent::None, depth: 0 }
    }
}

/// Judges a task and everything in it.
pub(super) fn task(reading: &mut Reading<'_>, wire: wire::Task, at: &Key, place: Place) -> Task {
    reading.count(at);
    let session = match wire.session {
        Some(wire::SessionMode::None) => SessionMode::None,
        Some(wire::SessionMode::Own) | None => SessionMode::Own,
    };
    if session == SessionMode::None {
        group(reading, at, place);
    }
    if place.parent == Parent::Session {
        part(reading, &wire, at);
    }
    let base = base(reading, &wire, at, place);
    let name = names::required(reading, wire.name.as_deref(), at);
    let mut names = Names::default();
    let steps = steps::all(reading, wire.steps, at, &mut names);
    let arrangement =
        children::Arrangement { order: wire.order, land: wire.land, metric: wire.metric };
    let children = children::all(
        reading,
        wire.children,
        arrangement,
        at,
        Place {
            parent: if session == SessionMode::None { Parent::Group } else { Parent::Session },
            depth: place.depth + 1,
        },
        &mut names,
    );
    let gates = gates::all(reading, wire.gates, &steps, at, &mut names);
    if steps.is_empty() && !has(reading, at, "children") {
        reading.error(at, Problem::Nothing);
    }
    Task {
        name,
        goal: wire.goal,
        base,
        session,
        steps,
        children,
        gates,
        landing: settings::landing(wire.landing),
        retry: settings::retry(reading, wire.retry, &at.name("retry")),
        priority: wire.priority.unwrap_or_default(),
        limits: settings::limits(reading, wire.limits.as_ref(), &at.name("limits")),
        after: commands::after(reading, wire.after, &at.name("after")),
        names: settings::outcomes(reading, wire.outcomes, &at.name("outcomes")),
    }
}

/// Whether the file says something for a key, be it only broken things.
fn has(reading: &Reading<'_>, at: &Key, key: &str) -> bool {
    reading.keys(at).iter().any(|k| k == key)
}

fn misplaced(reading: &mut Reading<'_>, at: &Key, name: &str, why: &str) {
    let problem = Problem::Misplaced { name: name.to_owned(), why: why.to_owned() };
    reading.error(&at.name(name), problem);
}

/// Says of each of these keys that is there that it means nothing.
fn all_misplaced(reading: &mut Reading<'_>, at: &Key, names: &[&str], why: &str) {
    for key in reading.keys(at) {
        if names.contains(&key.as_str()) {
            misplaced(reading, at, &key, why);
        }
    }
}

/// A group is only its children, at once and each on its own.
fn group(reading: &mut Reading<'_>, at: &Key, place: Place) {
    let own = ["steps", "gates", "landing", "limits", "retry", "after", "order", "land", "metric"];
    let why = "with `session = \"none\"` there are only children, at once and each on its own";
    all_misplaced(reading, at, &own, why);
    if place.parent != Parent::None {
        let why = "a group is no child".to_owned();
        let next = "take `session` away, or move the group to the top".to_owned();
        reading.error(&at.name("session"), Problem::Value { why, next });
    }
}

/// A child in its parent's session is a part of its parent's life.
fn part(reading: &mut Reading<'_>, wire: &wire::Task, at: &Key) {
    let own = ["priority", "retry", "after", "outcomes"];
    all_misplaced(reading, at, &own, "a child in a session ends with its parent");
    let gates = at.name("gates");
    for (index, gate) in wire.gates.iter().enumerate() {
        if gate.person.is_some() {
            let why = "a person is asked for a whole task, not for a child in its session";
            misplaced(reading, &gates.index(index), "person", why);
        }
    }
    all_misplaced(reading, &at.name("landing"), &["keep"], "a child goes with its parent");
}

fn base(reading: &mut Reading<'_>, wire: &wire::Task, at: &Key, place: Place) -> Option<Base> {
    if place.parent != Parent::None {
        // Inline, the schema knows no such key; a file of its own may be run by itself too.
        all_misplaced(reading, at, &["base", "sample"], "a child works where its parent does");
        return None;
    }
    let sample = wire.sample.as_ref().map(|sample| {
        let at = at.name("sample").name("files");
        Base::Sample(sample::files(reading, &sample.files, &at))
    });
    let directory = wire.base.as_ref().map(|base| {
        commands::no_nul(reading, base, &at.name("base"));
        Base::Directory(reading.path(base))
    });
    if sample.is_some() && directory.is_some() {
        let both = vec!["base".to_owned(), "sample".to_owned()];
        let problem = Problem::ManyChoices { of: both.clone(), given: both };
        reading.error(&at.name("sample"), problem);
    }
    directory.or(sample)
}

/// Whether somebody in a task could report a metric.
fn reports(task: &Task) -> bool {
    task.steps.iter().any(|step| matches!(step.kind, StepKind::Agent(_)))
}
