//! Tasks below a task.

use super::super::key::Key;
use super::super::load::{MAX_DEPTH, Reading};
use super::super::problem::Problem;
use super::super::wire;
use super::names::{self, Names};
use super::{Place, has, misplaced, reports};
use crate::task::{Child, Children, Land, Order, Task};

/// What the parent says of its children.
pub(super) struct Arrangement {
    pub(super) order: Option<wire::Order>,
    pub(super) land: Option<wire::Land>,
    pub(super) metric: Option<String>,
}

/// The children of a task.
pub(super) fn all(
    reading: &mut Reading<'_>,
    children: Vec<wire::Child>,
    arrangement: Arrangement,
    at: &Key,
    place: Place,
    taken: &mut Names,
) -> Children {
    if children.is_empty() {
        if has(reading, at, "children") {
            // An empty list; what is broken has been reported.
            reading.error(at, Problem::Nothing);
        }
        super::all_misplaced(reading, at, &["order", "land", "metric"], "there are no children");
        return Children::default();
    }
    let list = at.name("children");
    if place.depth > MAX_DEPTH {
        reading.error(&list, Problem::TooDeep { limit: MAX_DEPTH });
        return Children::default();
    }
    let mut tasks = Vec::with_capacity(children.len());
    let mut whole = true;
    for (index, wire) in children.into_iter().enumerate() {
        let at = list.index(index);
        let may_fail = wire.0.may_fail.unwrap_or(false);
        match child(reading, wire.0, &at, place) {
            Some(task) => {
                if !task.name.is_empty() {
                    taken.take(reading, &task.name, "a child", &at);
                }
                tasks.push(Child { task, may_fail });
            }
            None => whole = false,
        }
    }
    let land = land(reading, &arrangement, whole.then_some(&tasks), at);
    let order = match arrangement.order {
        Some(wire::Order::Sequence) => Order::Sequence,
        Some(wire::Order::Parallel) | None => Order::Parallel,
    };
    Children { order, land, tasks }
}

fn child(reading: &mut Reading<'_>, wire: wire::Task, at: &Key, place: Place) -> Option<Task> {
    let Some(file) = wire.file else { return Some(super::task(reading, wire, at, place)) };
    for key in reading.keys(at) {
        if !["file", "name", "may-fail"].contains(&key.as_str()) {
            misplaced(reading, at, &key, "the child is what `file` says");
        }
    }
    let name = names::optional(reading, wire.name, &at.name("name"));
    super::commands::no_nul(reading, &file, &at.name("file"));
    let mut task = reading.include(&file, &at.name("file"), place)?;
    if let Some(name) = name {
        task.name = name;
    }
    Some(task)
}

/// Which of them land; `tasks` where all of them are known.
fn land(
    reading: &mut Reading<'_>,
    arrangement: &Arrangement,
    tasks: Option<&Vec<Child>>,
    at: &Key,
) -> Land {
    let best = arrangement.land == Some(wire::Land::Best);
    if !best && arrangement.metric.is_some() {
        misplaced(reading, at, "metric", "it is for `land = \"best\"`");
    }
    match arrangement.land {
        None | Some(wire::Land::Each) => Land::Each,
        Some(wire::Land::All) => Land::All,
        Some(wire::Land::Best) => {
            let Some(metric) = arrangement.metric.clone() else {
                reading
                    .error(at, Problem::Missing { name: "metric", example: "metric = \"score\"" });
                return Land::Best(String::new());
            };
            names::check(reading, &metric, &at.name("metric"));
            if let Some(tasks) = tasks
                && !tasks.iter().any(|child| reports(&child.task))
            {
                let why = format!("no child could report `{metric}`: only agents report metrics");
                let next = "add a step with an agent that does".to_owned();
                reading.error(&at.name("land"), Problem::NoMetric { why, next });
            }
            Land::Best(metric)
        }
    }
}
