//! From a task to jobs in the queue.

use brio_registry::queue::{NewJob, Queue, QueueError};

use crate::check::{check, utf8};
use crate::{Base, Problem, Runner, SessionMode, Task};

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
        /// What is wrong with it, and what to do.
        why: String,
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
    let refuse = |why: String| SubmitError::Task { name: task.name.clone(), why };
    let Some(base) = &task.base else { return Err(refuse("it has no base; name one".into())) };
    // Before anything is made for it.
    check(task)?;
    if queue.job(id)?.is_some() {
        return Ok(false);
    }
    let place = runner.place(id, base)?;
    utf8(&task.name, "its base", &place)?;
    let base = Some(Base::Directory(place));
    let new = |id: &str, parent: Option<&str>, task: &Task| {
        let unkept = |e| SubmitError::Task { name: task.name.clone(), why: format!("{e}") };
        Ok::<_, SubmitError>(NewJob {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            submission: parent.unwrap_or(id).to_owned(),
            name: task.name.clone(),
            task: serde_json::to_string(task).map_err(unkept)?,
            priority: task.priority,
        })
    };
    let mut jobs = vec![new(id, None, &Task { base: base.clone(), ..task.clone() })?];
    if task.session == SessionMode::None {
        for (n, child) in task.children.tasks.iter().enumerate() {
            let child = child.task.clone();
            let priority = if child.priority == 0 { task.priority } else { child.priority };
            let child = Task { base: base.clone(), priority, ..child };
            jobs.push(new(&format!("{id}.{}", n + 1), Some(id), &child)?);
        }
    }
    Ok(queue.submit(&jobs, now)?)
}
