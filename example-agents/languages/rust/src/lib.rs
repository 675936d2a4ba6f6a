//! `my-agent`: lists the files at the top of the workspace, with their lines, in `INDEX.md`.
//!
//! Task: the title of the list, `Index` if empty.

mod index;

use std::path::Path;

use brio_agent::{Agent, AgentError, TaskContext, TaskOutput, session};

struct MyAgent;

impl Agent for MyAgent {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let title = match task.description().trim() {
            "" => "Index",
            title => title,
        };
        let index = index::write(Path::new("."), title)?;
        // What will land, asked of the host.
        let changed = match task.session_id() {
            Some(id) => session::changes(id).map_err(|e| AgentError::failed(e.to_string()))?.len(),
            None => 0,
        };
        let summary = format!("listed {} files; {changed} paths changed", index.files);
        Ok(TaskOutput::new(summary)
            .metric("files", index.files as f64)
            .metric("lines", index.lines as f64))
    }
}

brio_agent::export_agent!(MyAgent);
