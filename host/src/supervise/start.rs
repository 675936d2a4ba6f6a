//! A task that this process carries out, and what happens to tasks as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use brio_registry::queue::JobState;
use brio_supervisor::{Engine, Event, Outcome, Task};
use futures_core::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Result, SuperviseError, Supervisor, WorkOptions, outcome};

/// What happens, in order, until nobody works any more (a task has ended, or waits for a person): an iterator that waits for the next event,
/// and a stream for async code, in which the iterator must not be used.
#[derive(Debug)]
#[must_use = "events that nobody takes are kept for ever"]
pub struct Events(UnboundedReceiver<Event>);

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.0.blocking_recv()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

impl WorkOptions {
    /// These, and what happens as a stream in place of [`events`](Self::events).
    pub fn stream(self) -> (Self, Events) {
        let (send, receive) = unbounded_channel();
        // Who does not listen any more misses nothing that matters: the queue is the truth.
        let events = Arc::new(move |event| drop(send.send(event)));
        (Self { events, ..self }, Events(receive))
    }
}

/// A task that this process works on.
///
/// Dropped before its end it is put back, and carried on by whoever works on the queue next.
#[must_use = "dropping it stops the work"]
pub struct TaskRun {
    id: String,
    supervisor: Supervisor,
    engine: Engine,
    events: Events,
}

impl Supervisor {
    /// Submits a task, and works on it (and on nothing else) in this process.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`work`](Self::work).
    pub fn start(&self, task: &Task) -> Result<TaskRun> {
        let id = self.submit(task)?;
        let options = WorkOptions { only: Some(id.clone()), ..WorkOptions::default() };
        let (options, events) = options.stream();
        let engine = self.work(options)?;
        Ok(TaskRun { id, supervisor: self.clone(), engine, events })
    }
}

impl TaskRun {
    /// The task's id, by which every process finds it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What happens to it and its children, until it has ended or waits for a person.
    pub fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    /// Asks for its end: what runs is stopped, and nothing of it is left when
    /// [`wait`](Self::wait) returns. False: it had ended.
    ///
    /// # Errors
    /// The queue's.
    pub fn cancel(&self) -> Result<bool> {
        let cancelled = self.supervisor.cancel(&self.id)?;
        self.engine.wake();
        Ok(cancelled)
    }

    /// Waits until it has ended, however long a person that it asks takes.
    ///
    /// # Errors
    /// The queue's; `Unknown` when another version of Brio wrote how it ended.
    pub fn wait(self) -> Result<Outcome> {
        self.engine.wait();
        loop {
            let job = self.supervisor.job(&self.id)?;
            if job.state == JobState::Done {
                return outcome(&job).ok_or(SuperviseError::Unknown { id: self.id });
            }
            // A person has decided, or somebody has cancelled it: the work goes on.
            if self.supervisor.queue.is_open(&job.submission)? {
                let only = Some(job.submission);
                self.supervisor.work(WorkOptions { only, ..WorkOptions::default() })?.wait();
            } else {
                std::thread::sleep(super::WAIT_POLL);
            }
        }
    }
}
