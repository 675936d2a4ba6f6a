//! `fail`: writes `fail.txt`, then reports an error. Argument: which, `failed` (if none),
//! `invalid-task`, `check-failed`, `io`, `conflict`; `exit N` calls `exit` instead,
//! of which WASI 0.2 passes on whether N is 0.

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Fails;

impl Agent for Fails {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        std::fs::write("fail.txt", "never lands\n").at("fail.txt")?;
        let args = task.args();
        let text = format!("as asked: {}", task.description());
        match args.first().map_or("failed", String::as_str) {
            "invalid-task" => Err(AgentError::invalid(text)),
            "check-failed" => Err(AgentError::CheckFailed(text)),
            "io" => Err(std::fs::read("no/such/file").at("no/such/file").map_or_else(
                |error| error,
                |_| AgentError::failed("a file that cannot exist does"),
            )),
            "conflict" => Err(AgentError::from(format!("CONFLICT: {text}"))),
            "exit" => {
                let status = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(1);
                std::process::exit(status)
            }
            _ => Err(AgentError::failed(text)),
        }
    }
}

brio_agent::export_agent!(Fails);
