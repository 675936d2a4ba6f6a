//! `hello`: writes a greeting. The smallest agent that does something.
//!
//! Task: whom to greet, `world` if empty. Arguments: the file, `hello.txt` if none.

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Hello;

impl Agent for Hello {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let args = task.args();
        let file = args.first().map_or("hello.txt", String::as_str);
        let whom = match task.description().trim() {
            "" => "world",
            whom => whom,
        };
        std::fs::write(file, format!("Hello, {whom}!\n")).at(file)?;
        Ok(TaskOutput::new(format!("greeted {whom} in {file}")))
    }
}

brio_agent::export_agent!(Hello);
