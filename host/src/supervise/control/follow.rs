//! What happens to jobs, as far as the queue tells: for subscribers whom no server tells.

use std::collections::{HashMap, HashSet};

use brio_registry::queue::{Job, JobState, QueueError};
use brio_supervisor::Event;

use crate::supervise::{Supervisor, outcome};

/// What is known of the jobs that have not ended.
pub(super) struct Follow {
    supervisor: Supervisor,
    known: HashMap<String, Known>,
    /// Those whose end the last look told.
    ended: HashSet<String>,
    /// The number of the last job that was seen.
    last: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    /// The attempt whose beginning was told.
    began: u32,
    waits: bool,
}

impl Follow {
    /// From now on.
    pub(super) fn new(supervisor: Supervisor) -> Result<Self, QueueError> {
        let last = supervisor.queue.last_number()?;
        let mut this = Self { supervisor, known: HashMap::new(), ended: HashSet::new(), last };
        this.look()?;
        Ok(this)
    }

    /// What happened since it was last looked, of which no server told.
    pub(super) fn look(&mut self) -> Result<Vec<Event>, QueueError> {
        let queue = &self.supervisor.queue;
        let mut open = queue.jobs(false)?;
        let (new, last) = queue.submitted_after(self.last)?;
        // What was submitted meanwhile is as it was seen last.
        let again: HashSet<_> = new.iter().map(|job| job.id.clone()).collect();
        open.retain(|job| !again.contains(&job.id));
        let (done, new): (Vec<_>, _) = new.into_iter().partition(|j| j.state == JobState::Done);
        open.extend(new);
        let mut before = std::mem::take(&mut self.known);
        self.ended.clear();
        let mut events = Vec::new();
        for job in &open {
            let known = before.remove(&job.id).unwrap_or_default();
            let asked = match (&job.session, job.state) {
                (Some(session), JobState::Waiting) => queue.asked(session)?,
                _ => None,
            };
            self.known.insert(job.id.clone(), told(job, known, asked, &mut events));
        }
        let gone = before.into_keys().map(|id| queue.job(&id)).collect::<Result<Vec<_>, _>>()?;
        for job in gone.into_iter().flatten().chain(done) {
            match outcome(&job) {
                Some(outcome) => {
                    self.ended.insert(job.id.clone());
                    events.push(Event::Ended { job: job.id, outcome });
                }
                // Another version wrote how.
                None => tracing::debug!(job = job.id, "how it ended is not known"),
            }
        }
        self.last = last;
        Ok(events)
    }

    /// A server told this. False: a look had told it before.
    pub(super) fn is_news(&mut self, event: &Event) -> bool {
        match event {
            Event::Began { job, .. }
            | Event::PartBegan { job, .. }
            | Event::Part { job, .. }
            | Event::Waits { job, .. }
            | Event::Again { job, .. }
                if self.ended.contains(job) =>
            {
                false
            }
            Event::Began { job, attempt, .. } => {
                let known = Known { began: *attempt, waits: false };
                let before = self.known.insert(job.clone(), known);
                before.is_none_or(|before| before.began < *attempt)
            }
            Event::Waits { job, .. } => {
                let known = self.known.entry(job.clone()).or_default();
                !std::mem::replace(&mut known.waits, true)
            }
            Event::PartBegan { job, .. } => {
                self.known.entry(job.clone()).or_default().waits = false;
                true
            }
            Event::Ended { job, .. } => {
                self.known.remove(job);
                !self.ended.remove(job)
            }
            _ => true,
        }
    }
}

fn told(job: &Job, known: Known, asked: Option<String>, events: &mut Vec<Event>) -> Known {
    let Some(session) = &job.session else {
        return Known { began: known.began, waits: false };
    };
    if job.attempt > known.began {
        let (job, attempt, session) = (job.id.clone(), job.attempt, session.clone());
        events.push(Event::Began { job, attempt, session });
    }
    let waits = job.state == JobState::Waiting;
    if let (false, Some(seal)) = (known.waits, asked) {
        events.push(Event::Waits { job: job.id.clone(), session: session.clone(), seal });
    }
    Known { began: job.attempt, waits }
}
