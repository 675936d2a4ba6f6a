//! A session per task: landed when the agent succeeds, gone when it does not.

use std::path::PathBuf;

use brio_landing::{Metadata, SessionId};
use brio_runtime::TaskOutput;

use crate::run::{Ending, Place, Ran, RunRequest};
use crate::{AgentSource, Brio, SessionHandle};

/// A unit of work for one agent. What has more to it than that is a [`tasks::Task`](crate::tasks::Task).
#[derive(Debug, Clone)]
pub struct TaskRequest {
    /// Names it.
    pub task_id: String,
    /// What is to be done.
    pub description: String,
    /// The directory to work on.
    pub working_directory: PathBuf,
    /// Files that belong to the task.
    pub input_files: Vec<PathBuf>,
    /// Who does it.
    pub agent: AgentSource,
}

/// What an agent that an embedder drives by itself is given: its session and its task.
#[derive(Debug, Clone, Default)]
pub struct AgentContext {
    /// The session it works in; `None` for work that touches no files.
    pub session_id: Option<SessionId>,
    /// What it is to do.
    pub task: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
}

/// How a task ended. In every case but a conflict the session has ended, too.
#[derive(Debug)]
pub enum TaskResult {
    /// The agent succeeded and its work landed.
    Success(TaskOutput),
    /// It did not; the text begins with a stable code.
    Failure {
        /// Why.
        error: String,
        /// The session, where it is kept: its work is done and could not land.
        kept: Option<SessionId>,
    },
}

impl Brio {
    /// Begins a session on the task's directory, runs its agent there, and lands or rolls back.
    pub fn dispatch_task(&self, task: TaskRequest) -> TaskResult {
        let metadata = Metadata {
            goal: Some(task.description.clone()),
            agent: None,
            task_id: Some(task.task_id.clone()),
            ..Metadata::default()
        };
        let place = Place::Begin { base: task.working_directory, metadata };
        let mut request = RunRequest::new(task.agent, place);
        request.description = task.description;
        request.task_id = Some(task.task_id);
        request.input_files = task.input_files;
        match self.run(request) {
            Ok(ran) => result(ran),
            Err(e) => TaskResult::Failure { error: e.to_string(), kept: None },
        }
    }

    /// Runs an agent with a context in the session it names, and leaves that open.
    ///
    /// # Errors
    /// The text begins with a stable code.
    pub fn run_agent(
        &self,
        agent: AgentSource,
        session: &SessionHandle,
        context: AgentContext,
    ) -> Result<Ran, crate::RunError> {
        let mut request = RunRequest::new(agent, Place::Session(session.clone()));
        request.description = context.task;
        request.args = context.args;
        request.env = context.env;
        self.run(request)
    }
}

fn result(ran: Ran) -> TaskResult {
    let failure = |error: String, kept| TaskResult::Failure { error, kept };
    if let Some(e) = &ran.report.error {
        return failure(format!("{}: {}", e.code, e.message), None);
    }
    if let Some(e) = &ran.plain {
        return failure(e.to_string(), None);
    }
    match ran.ending {
        Ending::Landed(_) | Ending::Unchanged | Ending::Kept => {
            TaskResult::Success(ran.report.output.unwrap_or_default())
        }
        Ending::NotLanded(e) => failure(e.to_string(), Some(ran.session)),
        Ending::NotRolledBack(e) => failure(e.to_string(), Some(ran.session)),
        Ending::RolledBack(_) => failure("ROLLED_BACK: the session was rolled back".into(), None),
    }
}
