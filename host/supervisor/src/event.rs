//! What happens to jobs, as it happens.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Kind, Outcome};

/// Who is told of what happens, by the thread that it happens on.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// An attempt has its session.
    Began {
        /// The job.
        job: String,
        /// Which attempt, from 1.
        attempt: u32,
        /// Its session.
        session: String,
    },
    /// A part of it begins to run; a [`Part`](Self::Part) of the same name tells its end. What is
    /// only looked up, as a person's decision, has no beginning.
    PartBegan {
        /// The job.
        job: String,
        /// The part, with the way to it: `child/step`.
        part: String,
    },
    /// A part of it has ended.
    Part {
        /// The job.
        job: String,
        /// The part, with the way to it: `child/step`.
        part: String,
        /// How it failed; `None`: it did what it was there for.
        failed: Option<Kind>,
        /// Its summary, its comments, the end of its output.
        message: String,
    },
    /// It waits for a person.
    Waits {
        /// The job.
        job: String,
        /// What the person decides about.
        session: String,
        /// The state of it.
        seal: String,
    },
    /// It is tried again.
    Again {
        /// The job.
        job: String,
        /// Not before this, in milliseconds since the Unix epoch.
        due: i64,
        /// Why it did not succeed.
        why: String,
    },
    /// It has ended.
    Ended {
        /// The job.
        job: String,
        /// How.
        outcome: Outcome,
    },
    /// The engine could not do something, which is no end of a job: it is tried again.
    Error {
        /// The job, if it was about one.
        job: Option<String>,
        /// A stable code.
        code: String,
        /// What went wrong.
        message: String,
    },
}
