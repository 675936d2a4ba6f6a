//! `spin`: never ends. Argument: `sleep` waits in the host instead of computing, `write` rewrites a
//! file for ever.

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Spin;

impl Agent for Spin {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        std::fs::write("spin.txt", "started\n").at("spin.txt")?;
        let how = task.args().into_iter().next().unwrap_or_default();
        let mut turns = 0_u64;
        loop {
            match how.as_str() {
                "sleep" => std::thread::sleep(std::time::Duration::from_millis(50)),
                "write" => std::fs::write("spin.txt", turns.to_string()).at("spin.txt")?,
                _ => turns = std::hint::black_box(turns),
            }
            turns = turns.wrapping_add(1);
        }
    }
}

brio_agent::export_agent!(Spin);
