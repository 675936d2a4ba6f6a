//! What becomes of a description of work: sessions, runs, gates, one landing or none.
//!
//! A [`Task`] is the life of a session. What a task file says is read into one; the queue keeps
//! it; the engine carries it to one [`Outcome`], through whatever is killed. How sessions and
//! runs are made is not known here: that is the [`Runner`]'s.

mod check;
mod engine;
mod event;
pub mod file;
mod outcome;
pub mod recipes;
mod runner;
mod stop;
mod submit;
mod task;
pub mod template;
pub mod units;

pub use brio_landing::{Isolation, Policy, WantedLower};
pub use engine::{Engine, Options};
pub use event::{Event, Tell};
pub use outcome::{Kind, Outcome, PartOutcome};
pub use runner::{Begin, Commit, On, Problem, ProblemKind, Report, Run, Runner, Standing};
pub use stop::{Stop, Why};
pub use submit::{SubmitError, submit};
pub use task::{
    After, Agent, Base, Child, Children, Command, Gate, GateKind, Grants, Hook, Land, Landing,
    Limits, Mendable, Names, Network, Order, Retry, Reviewer, Secret, SecretSource, SessionMode,
    Step, StepKind, Task,
};
