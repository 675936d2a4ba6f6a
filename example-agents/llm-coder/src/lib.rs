//! `llm-coder`: has a language model read and edit the files of the session.
//!
//! It speaks to any endpoint that answers as OpenAI's `/v1/chat/completions` does, with tools. The
//! model lists, reads, writes and replaces, turn by turn, until it says that it is done; what it
//! says then is the summary.
//!
//! Task (or input file): what is to be done, in words.
//!
//! Arguments, or variables of the environment:
//!
//! ```text
//! --url URL        OPENAI_BASE_URL    what stands before /chat/completions; https://api.openai.com/v1
//! --model NAME     OPENAI_MODEL       must be given
//! --turns N                           answers of the model at most; 30
//! --retries N                         of a request that was told to wait, or met a server's error; 2
//! --timeout SEC                       for one answer; 120
//! ```
//!
//! The key is no argument: it is granted as a secret, so that the host puts it into the requests and
//! this agent never holds it.
//!
//! ```text
//! brio run llm-coder --allow-host api.openai.com --secret env=OPENAI_API_KEY,host=api.openai.com \
//!     --task 'Fix the failing test' -- --model gpt-5
//! ```

mod chat;
mod endpoint;
mod error;
mod options;
mod tools;

use brio_agent::{Agent, AgentError, TaskContext, TaskOutput};
use chat::{Answer, Conversation};
use endpoint::Endpoint;
use error::CoderError;
use options::Options;

struct LlmCoder;

impl Agent for LlmCoder {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let options = Options::read(&task.args(), env).map_err(AgentError::invalid)?;
        let text = task.text()?;
        if text.trim().is_empty() {
            return Err(AgentError::invalid("the task is empty: say what is to be done"));
        }
        Ok(work(&options, &text)?)
    }
}

fn work(options: &Options, task: &str) -> Result<TaskOutput, CoderError> {
    let endpoint = Endpoint::new(options)?;
    let mut conversation = Conversation::new(&options.model, task);
    let (mut calls, mut tokens) = (0_u32, 0_u64);
    for turn in 1..=options.turns {
        let reply = endpoint.ask(&conversation.request()?)?;
        let (answer, used) = chat::answer(&reply)?;
        tokens += used;
        match answer {
            Answer::Done(said) => {
                let said = if said.trim().is_empty() { "done" } else { said.trim() };
                return Ok(TaskOutput::new(said)
                    .metric("turns", f64::from(turn))
                    .metric("tool_calls", f64::from(calls))
                    .metric("tokens", tokens as f64));
            }
            Answer::Calls(message, wanted) => {
                conversation.said(message);
                for call in wanted {
                    calls += 1;
                    let result = tools::perform(&call.name, &call.arguments);
                    println!("{}: {}", call.name, result.as_ref().map_or_else(|e| e.as_str(), |_| "ok"));
                    let result = result.unwrap_or_else(|e| format!("error: {e}"));
                    conversation.result(&call.id, &result);
                }
            }
        }
    }
    Err(CoderError::Turns(options.turns))
}

brio_agent::export_agent!(LlmCoder);
