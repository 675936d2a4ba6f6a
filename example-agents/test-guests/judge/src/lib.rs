//! `judge`: a reviewer that does as its task says: `approve`, `reject`, `fail`, `panic`, `spin`,
//! `exit`; whichever it is, it tries to write `judged.txt` first, which nobody must ever see.

use brio_agent::{AgentError, Reviewer, TaskContext, Verdict};

struct Judge;

impl Reviewer for Judge {
    fn review(task: TaskContext) -> Result<Verdict, AgentError> {
        // Where it looks at a session itself, it cannot.
        let _ = std::fs::write("judged.txt", "never lands\n");
        let verdict = |approved| {
            Ok(Verdict { approved, comments: "as asked".to_owned(), findings: Vec::new() })
        };
        match task.description() {
            "approve" => verdict(true),
            "reject" => verdict(false),
            "panic" => panic!("as asked"),
            "spin" => loop {
                std::hint::black_box(());
            },
            "exit" => std::process::exit(3),
            _ => Err(AgentError::invalid("it fails as asked")),
        }
    }
}

brio_agent::export_reviewer!(Judge);
