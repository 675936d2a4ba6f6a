//! `hog`: allocates and touches memory, 1 MiB at a time, until it is stopped. Arguments: `gentle`
//! reports a refused allocation as an error instead of trapping; a number ends after so many MiB.

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Hog;

impl Agent for Hog {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        std::fs::write("hog.txt", "started\n").at("hog.txt")?;
        let args = task.args();
        let gentle = args.iter().any(|arg| arg == "gentle");
        let enough = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(usize::MAX);
        let mut held: Vec<Vec<u8>> = Vec::new();
        while held.len() < enough {
            let mut block = Vec::new();
            if gentle && block.try_reserve_exact(1 << 20).is_err() {
                return Err(AgentError::failed(format!("refused after {} MiB", held.len())));
            }
            block.resize(1 << 20, 1);
            held.push(std::hint::black_box(block));
        }
        Ok(TaskOutput::new(format!("held {} MiB", held.len())))
    }
}

brio_agent::export_agent!(Hog);
