//! `journal`: calls every function of `session-journal`, checks what they answer and prints a line
//! for each. Says the task's text and decides `decided`; changes `journal.txt`. Argument `flood`:
//! says more than a run may.

use std::fmt::Debug;

use brio_agent::journal::{self, Decision, JournalError};
use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Journal;

impl Agent for Journal {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let Some(id) = task.session_id() else {
            return Err(AgentError::failed("there is no session"));
        };
        let mut failed = 0;
        let mut that = |name: &str, holds: bool, seen: &dyn Debug| {
            println!("{} {name}: {seen:?}", if holds { "OK" } else { "FAIL" });
            failed += u32::from(!holds);
        };
        let said = journal::say(id, task.description());
        that("say", said.is_ok(), &said);
        let decided = journal::decide(id, Decision::new("decided", "because").instead_of("not"));
        that("decide", decided.is_ok(), &decided);
        let other = journal::say("sess-00000000-0000-4000-8000-000000000000", "x");
        that("another's session", matches!(other, Err(JournalError::Unknown(_))), &other);
        let empty = journal::say(id, " \n");
        that("nothing", matches!(empty, Err(JournalError::Empty(_))), &empty);
        let empty = journal::decide(id, Decision::new("", "because"));
        that("no title", matches!(empty, Err(JournalError::Empty(_))), &empty);
        let long = journal::say(id, &"x".repeat(70_000));
        that("too long", matches!(long, Err(JournalError::Limit(_))), &long);
        if task.args().first().is_some_and(|arg| arg == "flood") {
            let text = "x".repeat(60_000);
            let said = (0..100).map(|_| journal::say(id, &text)).take_while(Result::is_ok).count();
            that("a flood is stopped", (10..20).contains(&said), &said);
        }
        std::fs::write("journal.txt", "said and decided\n").at("journal.txt")?;
        match failed {
            0 => Ok(TaskOutput::new("all held")),
            failed => Err(AgentError::CheckFailed(format!("{failed} checks did not hold"))),
        }
    }
}

brio_agent::export_agent!(Journal);
