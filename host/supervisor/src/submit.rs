//! From a task to jobs in the queue.

use brio_registry::queue::{NewJob, Queue, QueueError};

use crate::{Base, Land, Order, Problem, Runner, SessionMode, Task};

/// A task could not be submitted; nothing of it is in the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Its base.
    #[error(transparent)]
    Base(#[from] Problem),
    /// It is not one that can be carried out.
    #[error("TASK: {name}: {why}")]
    Task {
        /// The task.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl SubmitError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &str {
        match self {
            Self::Queue(e) => e.code(),
            Self::Base(problem) => &problem.code,
            Self::Task { .. } => "TASK",
        }
    }
}

/// Puts a task into the queue under an id that is unique for ever, such as `task-<uuid>`: durably,
/// and all of a group or nothing. False: that id is there already, and nothing is done.
///
/// # Errors
/// [`SubmitError`].
pub fn submit(
    queue: &Queue,
    runner: &dyn Runner,
    id: &str,
    task: &Task,
    now: i64,
) -> Result<bool, SubmitError> {
    let refuse = |task: &Task, why| SubmitError::Task { name: task.name.clone(), why };
    let Some(base) = &task.base else { return Err(refuse(task, "it has no base")) };
    if queue.job(id)?.is_some() {
        return Ok(false);
    }
    let base = Some(Base::Directory(runner.place(id, base)?));
    let new = |id: &str, parent: Option<&str>, task: &Task| NewJob {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        submission: submission(id, parent).to_owned(),
        name: task.name.clone(),
        task: serde_json::to_string(task).unwrap_or_default(),
        priority: task.priority,
    };
    let task = Task { base: base.clone(), ..task.clone() };
    let mut jobs = vec![new(id, None, &task)];
    if task.session == SessionMode::None {
        if !task.steps.is_empty() || !task.gates.is_empty() {
            return Err(refuse(&task, "without a session it can have neither steps nor gates"));
        }
        if task.children.order != Order::Parallel || task.children.land != Land::Each {
            return Err(refuse(
                &task,
                "without a session its children run at once, each by itself",
            ));
        }
        for (n, child) in task.children.tasks.iter().enumerate() {
            if child.task.session == SessionMode::None {
                return Err(refuse(&child.task, "a group cannot be in a group"));
            }
            let task = Task { base: base.clone(), ..child.task.clone() };
            jobs.push(new(&format!("{id}.{}", n + 1), Some(id), &task));
        }
    }
    Ok(queue.submit(&jobs, now)?)
}

fn submission<'a>(id: &'a str, parent: Option<&'a str>) -> &'a str {
    parent.unwrap_or(id)
}
