//! What no task can be, however it was written: what a file refuses, said of a value.

use std::path::Path;

use crate::{Base, Command, GateKind, Hook, Land, Order, SessionMode, StepKind, SubmitError, Task};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Nothing,
    Group,
    /// Its parent's session.
    Session,
}

/// Whether a task can be carried out, as far as it alone tells, and be kept in the queue.
pub(crate) fn check(task: &Task) -> Result<(), SubmitError> {
    all(task, In::Nothing)
}

/// A path is kept as text.
pub(crate) fn utf8(name: &str, what: &str, path: &Path) -> Result<(), SubmitError> {
    let shown = path.display();
    match path.to_str() {
        Some(_) => Ok(()),
        None => refuse(name, format!("{what} {shown} is not UTF-8; give it a name that is")),
    }
}

fn refuse<T>(name: &str, why: impl Into<String>) -> Result<T, SubmitError> {
    Err(SubmitError::Task { name: name.to_owned(), why: why.into() })
}

fn all(task: &Task, within: In) -> Result<(), SubmitError> {
    let name = &task.name;
    let no = |why: &str| refuse(name, why);
    if name.is_empty() || name.contains(['.', '{', '}']) {
        return no("that is no name of a task; use letters, digits, `-` and `_`");
    }
    if let Some(Base::Directory(dir)) = &task.base {
        utf8(name, "its base", dir)?;
    }
    if task.session == SessionMode::None {
        group(task, within)?;
    }
    let has_hooks = !task.after.landed.is_empty() || !task.after.failed.is_empty();
    if within == In::Session && has_hooks {
        return no("a child in a session ends with its parent; give `after` to the parent");
    }
    steps(task)?;
    gates(task, within)?;
    for Hook { name: hook, command: line, .. } in task.after.landed.iter().chain(&task.after.failed)
    {
        part(name, "a hook", hook)?;
        command(name, hook, line)?;
    }
    let below = if task.session == SessionMode::None { In::Group } else { In::Session };
    task.children.tasks.iter().try_for_each(|child| all(&child.task, below))
}

/// A group is only its children, at once and each on its own.
fn group(task: &Task, within: In) -> Result<(), SubmitError> {
    let no = |why: &str| refuse(&task.name, why);
    if within != In::Nothing {
        return no("a group cannot be a child; put it at the top");
    }
    if !task.steps.is_empty() || !task.gates.is_empty() {
        return no("without a session it can have neither steps nor gates; give them to a child");
    }
    if task.children.order != Order::Parallel || task.children.land != Land::Each {
        return no("without a session its children run at once, each by itself; give it a session");
    }
    if !task.after.landed.is_empty() || !task.after.failed.is_empty() {
        return no("without a session nothing of it lands or fails, and nothing is done after; \
                   give `after` to its children");
    }
    Ok(())
}

fn steps(task: &Task) -> Result<(), SubmitError> {
    let name = &task.name;
    for step in &task.steps {
        part(name, "a step", &step.name)?;
        match &step.kind {
            StepKind::Agent(agent) => {
                utf8(name, "the agent", &agent.agent)?;
                for file in &agent.input_files {
                    utf8(name, "the input file", file)?;
                }
            }
            StepKind::Reviewer(reviewer) => utf8(name, "the reviewer", &reviewer.agent)?,
            StepKind::Command(line) => command(name, &step.name, line)?,
        }
    }
    Ok(())
}

fn gates(task: &Task, within: In) -> Result<(), SubmitError> {
    let name = &task.name;
    let mut persons = 0;
    for gate in &task.gates {
        part(name, "a gate", &gate.name)?;
        match &gate.kind {
            GateKind::Reviewer(reviewer) => utf8(name, "the reviewer", &reviewer.agent)?,
            GateKind::Command { command: line, fix } => {
                command(name, &gate.name, line)?;
                fix.iter().try_for_each(|fix| command(name, &gate.name, fix))?;
            }
            GateKind::Person(_) if within == In::Session => {
                let why = "a person is asked for a whole task, not for a child in its session; \
                           ask at the top";
                return refuse(name, why);
            }
            GateKind::Person(_) => persons += 1,
            GateKind::Metric { above, .. } if !above.is_finite() => {
                let why = format!("`{above}` is no threshold of `{}`; give a number", gate.name);
                return refuse(name, why);
            }
            GateKind::Metric { .. } => {}
        }
    }
    if persons > 1 {
        // A decision is about a session: it would answer all of them.
        return refuse(name, "a person is asked twice; ask everything in one gate");
    }
    Ok(())
}

fn part(task: &str, what: &str, name: &str) -> Result<(), SubmitError> {
    if name.is_empty() {
        return refuse(task, format!("{what} of it has no name; give it one"));
    }
    Ok(())
}

fn command(task: &str, part: &str, command: &Command) -> Result<(), SubmitError> {
    if command.argv.first().is_none_or(String::is_empty) {
        return refuse(task, format!("there is no program to run in `{part}`; name one"));
    }
    let text = command.env.iter().flat_map(|(name, value)| [name, value]).chain(&command.argv);
    if text.into_iter().any(|text| text.contains('\0')) {
        return refuse(task, format!("there is a zero byte in `{part}`; take it away"));
    }
    Ok(())
}
