//! `panic`: writes `panic.txt`, prints to both streams, then panics.

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Panics;

impl Agent for Panics {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        std::fs::write("panic.txt", "never lands\n").at("panic.txt")?;
        println!("on stdout");
        eprintln!("on stderr");
        panic!("as asked: {}", task.description());
    }
}

brio_agent::export_agent!(Panics);
